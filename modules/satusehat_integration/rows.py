# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Rows that only the sender writes.

Written as they are: the checks that guard what people enter (required,
domain, selection, read back field by field) cost more than all the rest of
a delivery, and nothing a person enters comes here.
"""

from collections import defaultdict

from sql.functions import CurrentTimestamp
from trytond.transaction import Transaction


def update(changes):
    """Write values to records, a list of (record, values).

    Columns only: no function field, no cache of this transaction.
    """
    transaction = Transaction()
    statements = defaultdict(list)
    for record, values in changes:
        Model = record.__class__
        table = Model.__table__()
        values = {**_formatted(Model, values), 'write_uid': transaction.user}
        statement, params = table.update(
            [getattr(table, name) for name in values] + [table.write_date],
            [*values.values(), CurrentTimestamp()],
            where=table.id == record.id)
        statements[statement].append(params)
    cursor = transaction.connection.cursor()
    for statement, params in statements.items():
        cursor.executemany(statement, params)


def insert(Model, rows):
    "Write new records, a list of values that name the same fields"
    if not rows:
        return
    transaction = Transaction()
    cursor = transaction.connection.cursor()
    table = Model.__table__()
    names = [*rows[0], 'create_uid']
    cursor.execute(*table.insert(
            [getattr(table, name) for name in names] + [table.create_date],
            [[*_formatted(Model, row).values(), transaction.user,
                CurrentTimestamp()] for row in rows]))


def _formatted(Model, values):
    return {
        name: Model._fields[name].sql_format(value)
        for name, value in values.items()}
