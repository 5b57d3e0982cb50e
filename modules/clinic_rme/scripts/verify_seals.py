#!/usr/bin/env python3
# PYTHON_ARGCOMPLETE_OK
# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Command trytond_verify_seals: the same verification as the wizard's.

With --heads it also finds what was cut off at the end of a chain: the file
is to be kept where who may write to the database can not write.
"""

import json
import os
import sys
from argparse import ArgumentParser
from pathlib import Path

try:
    import argcomplete
except ImportError:
    argcomplete = None

try:
    from proteus import config
except ImportError:
    prog = os.path.basename(sys.argv[0])
    sys.exit(f"proteus must be installed to use {prog}")


def do_verify(heads=None):
    """Verify the database of the current proteus configuration.

    heads is {company id: (number, link)} of an earlier run.  Returns
    (Report, one line for each finding).
    """
    from trytond.modules.clinic_rme.verification import describe, verify
    from trytond.transaction import Transaction
    current = config.get_config()
    with Transaction().start(
            current.database_name, 0, context=current.context,
            readonly=True):
        Company = current.pool.get('company.company')
        report = verify(Company.search([]), heads)
        return report, [describe(f) for f in report.findings]


def read_heads(path):
    "Return the heads that the file holds, {} when there is none yet"
    if not path.exists():
        return {}
    return {
        int(company): tuple(head) for company, head in json.loads(
            path.read_text(encoding='utf-8')).items()}


def main(database, config_file=None, heads=None):
    """Verify the database and print what was found.

    heads is the path of a file that holds the ends of the chains; it is
    rewritten when nothing was found.  Returns whether nothing was.
    """
    current = config.set_trytond(database, config_file=config_file)
    if 'clinic.seal' not in dict(current.pool.iterobject()):
        sys.exit(f"The module clinic_rme is not activated in {database}")
    path = Path(heads) if heads else None
    report, lines = do_verify(read_heads(path) if path else None)
    print(f"seals: {report.seals}, findings: {len(lines)}")
    for line in lines:
        print(line)
    if path and not lines:
        path.write_text(json.dumps(report.heads), encoding='utf-8')
    return not lines


def run():
    "Entry point of the command."
    parser = ArgumentParser(
        description="Verify that the closed visits say what was sealed.")
    parser.add_argument('-d', '--database', dest='database', required=True)
    parser.add_argument(
        '-c', '--config', dest='config_file', help='the trytond config file')
    parser.add_argument(
        '--heads', help='file that remembers the ends of the chains')
    if argcomplete:
        argcomplete.autocomplete(parser)
    args = parser.parse_args()
    if not main(args.database, args.config_file, args.heads):
        sys.exit(1)


if __name__ == '__main__':
    run()
