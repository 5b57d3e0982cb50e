# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"What the commands of the module have in common."

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


def parser(description):
    "Return a parser that knows the database and the configuration file"
    result = ArgumentParser(description=description)
    result.add_argument('-d', '--database', dest='database', required=True)
    result.add_argument(
        '-c', '--config', dest='config_file', help='the trytond config file')
    return result


def parsed(parser):
    "Return the arguments of the command line, which the shell may complete"
    if argcomplete:
        argcomplete.autocomplete(parser)
    return parser.parse_args()


def connect(database, config_file, model):
    """Return the proteus configuration of the database.

    Exits with what to do where the module of the model is not activated.
    """
    current = config.set_trytond(database, config_file=config_file)
    if model not in dict(current.pool.iterobject()):
        option = f"-c {config_file} " if config_file else ""
        sys.exit(
            f"The module clinic_rme is not activated in {database}; run: "
            f"trytond-admin {option}-d {database} -u clinic_rme "
            "--activate-dependencies")
    return current


def import_(database, config_file, model, source, **options):
    """Import the source into the model and print the numbers of records.

    All or nothing: one transaction.  source makes the source; options are
    those of the model's `import_`.  Exits with a message when it cannot.
    """
    from trytond.exceptions import UserError
    from trytond.transaction import Transaction
    current = connect(database, config_file, model)
    try:
        with Transaction().start(
                current.database_name, current.user, context=current.context):
            result = current.pool.get(model).import_(source(), **options)
    except UserError as error:
        sys.exit(error.message)
    print(
        f"new: {result.new}, changed: {result.changed}, "
        f"deactivated: {result.deactivated}")
