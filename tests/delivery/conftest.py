# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import pytest
import trytond.config as config
from push_clinic import Clinic, create_database, drop_database
from satusehat_emulator.serving import serve
from trytond.model import fields
from trytond.pool import Pool

# Those first that others refer to
DAMAGED = [
    'clinic.encounter', 'satusehat.submission', 'satusehat.exchange',
    'satusehat.resource', 'satusehat.gate']


@pytest.fixture(scope='module')
def emulator():
    with serve() as served:
        yield served


@pytest.fixture(scope='module')
def delivered(emulator):
    "A clinic with two delivered visits, one in each branch"
    if not config.has_section('satusehat'):
        config.add_section('satusehat')
    before = config.get('satusehat', 'local_url', default='')
    config.set('satusehat', 'local_url', emulator.url)
    database = create_database()
    clinic = Clinic(database)
    clinic.visits = [clinic.visit('A'), clinic.visit('B')]
    clinic.push()
    yield clinic
    drop_database(database)
    config.set('satusehat', 'local_url', before)


@pytest.fixture
def clinic(delivered):
    "The delivered clinic, whose rows are as before after the test"
    with delivered.transaction(user=0) as transaction:
        cursor = transaction.connection.cursor()
        before = {}
        for model in DAMAGED:
            table = _table(model)
            names = _columns(model)
            cursor.execute(*table.select(
                    *(getattr(table, name) for name in names)))
            before[model] = names, cursor.fetchall()
    yield delivered
    with delivered.transaction(user=0) as transaction:
        cursor = transaction.connection.cursor()
        for model in DAMAGED:
            _restore(cursor, model, *before[model])


def _table(model):
    return Pool().get(model).__table__()


def _columns(model):
    return [
        name for name, field in Pool().get(model)._fields.items()
        if field.sql_type() and not isinstance(field, fields.Function)]


def _restore(cursor, model, names, rows):
    """Write the rows back where they were changed or deleted.

    Those that were added are deleted.
    """
    table = _table(model)
    key = names.index('id')
    ids = {row[key] for row in rows}
    cursor.execute(*table.select(table.id))
    present = {id_ for id_, in cursor.fetchall()}
    columns = [getattr(table, name) for name in names]
    for row in rows:
        if row[key] in present:
            cursor.execute(*table.update(
                    columns, list(row), where=table.id == row[key]))
        else:
            cursor.execute(*table.insert(columns, [list(row)]))
    if added := present - ids:
        cursor.execute(*table.delete(where=table.id.in_(list(added))))


