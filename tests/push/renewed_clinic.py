# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"A clinic made once and renewed for each test."

import copy
import os
import sqlite3
from contextlib import closing, contextmanager
from pathlib import Path

from push_clinic import MODULE, Clinic, create_database, drop_database
from trytond import backend
from trytond.cache import Cache
from trytond.pool import Pool

LOCALE = (
    Path(__file__).resolve().parents[2] / 'modules' / MODULE / 'locale'
    / 'id.po')


class RenewedClinic(Clinic):
    """A clinic that can be put back to how it was set up.

    It has the Indonesian messages.
    Much faster than a new one, as trytond knows its database already.
    """

    def __init__(self, database=None):
        super().__init__(database or create_database())
        with self.transaction():
            Pool().get('ir.translation').translation_import(
                'id', MODULE, str(LOCALE))
        self._kept_branches = copy.deepcopy(self.branches)
        self._kept = _STORES[backend.name](self.database, 'kept')

    def renew(self):
        "Forget all that was done since the clinic was set up"
        self._restore(self._kept)
        self.branches = copy.deepcopy(self._kept_branches)

    def is_free(self):
        "Whether no other process keeps this one from writing"
        return self._kept.is_free()

    @contextmanager
    def backup(self):
        "Yield a function that puts the database back to how it is now"
        kept = _STORES[backend.name](self.database, 'backup')
        try:
            yield lambda: self._restore(kept)
        finally:
            kept.close()

    def drop(self):
        self._kept.close()
        drop_database(self.database)

    def _restore(self, kept):
        kept.restore()
        Cache.drop(self.database)


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
