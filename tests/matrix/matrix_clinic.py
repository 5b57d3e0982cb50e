# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"A clinic made once and renewed for each test, and what must hold after it."

import datetime as dt
import os
import re
import sqlite3
from contextlib import closing, contextmanager

import fault_matrix
from delivery_invariants import check
from push_clinic import Clinic, create_database, drop_database
from trytond import backend
from trytond.cache import Cache
from trytond.pool import Pool

MODULE = 'satusehat_integration'
SWEEP = 'satusehat.submission|push'
NEVER = dt.datetime(2100, 1, 1)
ROWS = {row.number: row for row in fault_matrix.rows()}


class RenewedClinic(Clinic):
    """A clinic that can be put back to how it was set up.

    Faster than a new one, as trytond knows its database already.
    """

    def __init__(self, database=None):
        super().__init__(database or create_database())
        with self.transaction():
            Pool().get('ir.translation').translation_import(
                'id', MODULE, str(fault_matrix.LOCALE))
        self._kept = _STORES[backend.name](self.database, 'kept')

    def renew(self):
        "Forget all that was done since the clinic was set up"
        self._kept.restore()
        Cache.drop(self.database)

    def is_free(self):
        "Whether no other process keeps this one from writing"
        return self._kept.is_free()

    @contextmanager
    def backup(self):
        "Yield a function that puts the database back to how it is now"
        kept = _STORES[backend.name](self.database, 'backup')

        def restore():
            kept.restore()
            Cache.drop(self.database)
        try:
            yield restore
        finally:
            kept.close()

    def drop(self):
        self._kept.close()
        drop_database(self.database)


class _SqliteStore:
    "A copy of a database file in memory"

    def __init__(self, database, name):
        self._path = os.path.join(
            os.environ['TRYTOND_DATABASE__PATH'], database + '.sqlite')
        self._copy = sqlite3.connect(':memory:')
        with closing(sqlite3.connect(self._path)) as source:
            source.backup(self._copy)

    def restore(self):
        with closing(sqlite3.connect(self._path)) as target:
            self._copy.backup(target)

    def is_free(self):
        with closing(sqlite3.connect(self._path, timeout=0.1)) as connection:
            try:
                connection.execute('BEGIN IMMEDIATE')
            except sqlite3.OperationalError:
                return False
            return True

    def close(self):
        self._copy.close()


class _PostgresqlStore:
    "A template database"

    def __init__(self, database, name):
        self._database = database
        self._template = f'{database}_{name}'
        self._copy(database, self._template)

    def restore(self):
        self._drop(self._database)
        self._copy(self._template, self._database)

    def is_free(self):
        # Locks are those of rows
        return True

    def close(self):
        self._drop(self._template)

    def _copy(self, source, target):
        backend.Database(source).close()
        self._execute('CREATE DATABASE {} TEMPLATE {}', target, source)

    def _drop(self, name):
        backend.Database(name).close()
        self._execute('DROP DATABASE {} WITH (FORCE)', name)

    def _execute(self, statement, *names):
        import psycopg
        from psycopg.sql import SQL, Identifier
        uri = os.environ['TRYTOND_DATABASE_URI'].rstrip('/') + '/postgres'
        with psycopg.connect(uri, autocommit=True) as connection:
            connection.execute(
                SQL(statement).format(*map(Identifier, names)))


_STORES = {'sqlite': _SqliteStore, 'postgresql': _PostgresqlStore}


def settled(clinic, platform, but=(), **how):
    """Assert that all ten promises hold now that the faults are over.

    platform and the keywords are those of delivery_invariants.check, but
    are the numbers of promises that the test itself breaks.
    """
    broken = [
        violation for violation in check(clinic.database, platform, **how)
        if violation.invariant not in but]
    assert not broken, broken


def sees(clinic, visit, number):
    """Assert that the branch sees what the row of the matrix says.

    Returns what is known of the visit's submission.
    """
    row, submission = ROWS[number], clinic.submission(visit)
    assert submission['state'] in row.states, submission
    assert submission['reason'] in {None, *row.reasons}, submission
    if submission['reason']:
        with clinic.transaction(user=0, context={'language': 'id'}):
            shown = Pool().get('satusehat.submission')(
                submission['id']).last_error
        texts = fault_matrix.seen(row, fault_matrix.words())
        assert shown.startswith(tuple(
                re.split('[.:]', text)[0] for text in texts)), shown
    return submission


def drain(clinic):
    "Let leases, pauses and the grace time pass until all has come to an end"
    for _ in range(3):
        clinic.pass_time(4000)
        clinic.push()


def sweep_is_due(clinic):
    "Let the sweep be the only scheduled action that is due"
    clinic.write('ir.cron', [('method', '!=', SWEEP)], {'next_call': NEVER})
    clinic.write('ir.cron', [('method', '=', SWEEP)], {'next_call': None})


def bundles(emulator):
    "Return the journal's entries of the Bundles that the platform got"
    return [
        entry for entry in emulator.journal.entries()
        if (entry['method'], entry['path']) == ('POST', '/fhir-r4/v1')]
