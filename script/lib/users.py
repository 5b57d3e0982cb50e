# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Prints who can log into the demo, from its users.json.

Usage: users.py FILE. One line for each user: name, password, role.
"""

import json
import sys
from pathlib import Path


def rows(data):
    "Tuples of login, password and role, the administrator last."
    return [
        *((u['login'], u['password'], u['role']) for u in data['users']),
        ('admin', data['admin_password'], "Administrator sistem")]


def lines(table):
    "The rows in columns, under their heads."
    table = [("Pengguna", "Kata sandi", "Peran"), *table]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return [
        '  '.join(cell.ljust(width) for cell, width in zip(
                row, widths, strict=True)).rstrip()
        for row in table]


def main(path):
    data = json.loads(Path(path).read_text(encoding='utf-8'))
    for line in lines(rows(data)):
        print('   ', line)


if __name__ == '__main__':
    main(*sys.argv[1:])
