# PYTHON_ARGCOMPLETE_OK
# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Command trytond_import_icd10: the same import as the wizard's.

The codes are those of the WHO edition of 2019. The national platform uses
the edition of 2010 and refuses a code it does not know; the visit then says
so.
"""

import sys

try:
    from progressbar import progressbar
except ImportError:
    progressbar = None

from . import command


def _progress(iterable):
    if progressbar and sys.stderr.isatty():
        return progressbar(iterable, prefix="ICD-10 ")
    return iterable


def main(database, config_file=None):
    """Import into the database and print the numbers of codes.

    Exits with a message when it cannot.
    """
    def source():
        from trytond.modules.clinic_rme.icd10 import SimpleICD10
        return SimpleICD10()

    command.import_(
        database, config_file, 'clinic.icd10', source, progress=_progress)


def run():
    """Entry point of the command."""
    args = command.parsed(command.parser(
            "Import the ICD-10 codes of the WHO, edition 2019."))
    main(args.database, args.config_file)


if __name__ == '__main__':
    run()
