# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Scratch databases with both modules, and plain SQL over what a run left.

The backend is that of TRYTOND_DATABASE_URI, which with TRYTOND_DATABASE__PATH
and an encryption key has to be in the environment before trytond is imported.
"""

import gzip
import os
import sqlite3
import uuid
from contextlib import closing, contextmanager
from pathlib import Path

from trytond import backend
from trytond.pool import Pool
from trytond.transaction import Transaction

MODULE = 'satusehat_integration'
NEVER = '2100-01-01 00:00:00'


def new_name(kind):
    "Return a name that no other run has, e.g. bench_push_0123abcd"
    return f'bench_{kind}_{uuid.uuid4().hex[:8]}'


def create(name, module=MODULE):
    """Create a database with the module and load it into this process.

    Takes it from the dump of these sources where DB_CACHE names one.
    """
    os.environ['DB_NAME'] = name
    from trytond.tests import test_tryton
    test_tryton.DB_NAME = name
    test_tryton.activate_module(module)
    # A server does not validate computed fields, only tests do
    Pool.test = False


@contextmanager
def transaction(name, user=0, context=None):
    "A transaction that is committed at the end"
    with Transaction().start(name, user, context=context) as current:
        try:
            yield current
        except BaseException:
            current.rollback()
            raise


def copy(template, name):
    "Make name the copy of template, which nobody may be connected to"
    if backend.name == 'sqlite':
        with (closing(sqlite3.connect(_path(template))) as source,
                closing(sqlite3.connect(_path(name))) as target):
            source.backup(target)
        return
    with Transaction().start(None, 0, close=True, autocommit=True) as t:
        t.database.create(t.connection, name, template)


def close(name):
    "Let go of the connections to the database"
    backend.Database(name).close()


def drop(name):
    "Remove the database and what trytond knows of it"
    close(name)
    Pool.stop(name)
    if backend.name == 'sqlite':
        _path(name).unlink(missing_ok=True)
        return
    with Transaction().start(None, 0, close=True, autocommit=True) as t:
        t.database.drop(t.connection, name)


def _path(name):
    return Path(os.environ['TRYTOND_DATABASE__PATH'], name + '.sqlite')


@contextmanager
def cursor(name, autocommit=False):
    "A cursor on a connection of its own, committed at the end; no Pool"
    database = backend.Database(name).connect()
    connection = database.get_connection(autocommit=autocommit)
    try:
        yield connection.cursor()
        if not autocommit:
            connection.commit()
    finally:
        database.put_connection(connection)


def query(name, sql, parameters=()):
    "Return the rows of a query; %s stands for a parameter on both backends"
    with cursor(name) as current:
        _run(current, sql, parameters)
        return current.fetchall()


def execute(name, sql, parameters=()):
    "Run one statement and commit it"
    with cursor(name) as current:
        _run(current, sql, parameters)


def _run(current, sql, parameters):
    if not parameters:
        current.execute(sql)
    elif backend.name == 'sqlite':
        current.execute(sql.replace('%s', '?'), parameters)
    else:
        current.execute(sql, parameters)


def keep_due(name, count):
    "Leave only the first count submissions to be sent, the others for never"
    (last,), = query(
        name, 'SELECT MAX(id) FROM (SELECT id FROM satusehat_submission '
        'ORDER BY id LIMIT %s) AS due', [count])
    execute(
        name, 'UPDATE satusehat_submission SET next_attempt = %s '
        'WHERE id > %s', [NEVER, last])
    analyze(name)


def analyze(name):
    "Let the planner know the tables as they are, as autovacuum would"
    with cursor(name, autocommit=True) as current:
        current.execute('ANALYZE')


def states(name):
    "Return {(state, reason): count} of the submissions that were due"
    return {
        (state, reason): count for state, reason, count in query(
            name, 'SELECT state, reason, COUNT(*) FROM satusehat_submission '
            'WHERE next_attempt IS NULL OR next_attempt < %s '
            'GROUP BY state, reason', [NEVER])}


def payloads(name):
    "Return the frozen Bundles that were sent, as (company, bytes)"
    return [
        (company, gzip.decompress(bytes(bundle))) for company, bundle in query(
            name, 'SELECT company, bundle FROM satusehat_submission '
            'WHERE bundle IS NOT NULL ORDER BY id')]


def requests(name):
    "Return {(method, path): count} of the rows of requests"
    return {
        (method, path): count for method, path, count in query(
            name, 'SELECT method, path, COUNT(*) FROM satusehat_exchange '
            'GROUP BY method, path')}
