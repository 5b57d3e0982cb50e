# PYTHON_ARGCOMPLETE_OK
# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Command trytond_verify_seals: the same verification as the wizard's.

With --heads it also finds what was cut off at the end of a chain: the file
is to be kept where who may write to the database can not write.
"""

import json
import sys
from pathlib import Path

from . import command


def do_verify(current, heads=None):
    """Verify the database of the proteus configuration.

    heads is {company id: (number, link)} of an earlier run.  Returns
    (Report, one line for each finding).
    """
    from trytond.modules.clinic_rme.verification import describe, verify
    from trytond.transaction import Transaction
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
    current = command.connect(database, config_file, 'clinic.seal')
    path = Path(heads) if heads else None
    report, lines = do_verify(
        current, read_heads(path) if path else None)
    print(f"seals: {report.seals}, findings: {len(lines)}")
    for line in lines:
        print(line)
    if path and not lines:
        path.write_text(json.dumps(report.heads), encoding='utf-8')
    return not lines


def run():
    "Entry point of the command."
    parser = command.parser(
        "Verify that the closed visits say what was sealed.")
    parser.add_argument(
        '--heads', help='file that remembers the ends of the chains')
    args = command.parsed(parser)
    if not main(args.database, args.config_file, args.heads):
        sys.exit(1)


if __name__ == '__main__':
    run()
