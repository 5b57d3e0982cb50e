# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"A PostgreSQL server that can go away and come back, and a clinic on it."

import os
import subprocess
from contextlib import contextmanager

import psycopg
import trytond.config as config
from matrix_neighbours import load
from push_clinic import create_database, drop_database
from trytond import backend
from trytond.pool import Pool

chaos_database = load('chaos/chaos_database.py')
postgresql_bin = chaos_database.postgresql_bin


class Server(chaos_database.PostgreSQL):
    "A server of our own, with its data in a folder"

    def take(self, database):
        "Copy a database of the server of the tests under the same name"
        uri = os.environ['TRYTOND_DATABASE_URI'].rstrip('/')
        with psycopg.connect(
                f'{self.uri}postgres', autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE {database}')
        dump = subprocess.run(
            [self._bin / 'pg_dump', '--format', 'custom',
                f'{uri}/{database}'], check=True, stdout=subprocess.PIPE)
        subprocess.run(
            [self._bin / 'pg_restore', '--no-owner', '--dbname',
                f'{self.uri}{database}'], check=True, input=dump.stdout)

    def go_away(self, mode):
        "Stop in a mode of pg_ctl: `fast`, or `immediate`, which is a crash"
        self._stop(mode)

    def come_back(self):
        self._start()


@contextmanager
def served_by(server):
    "Let trytond and the tests find a new database on the server"
    database = create_database()
    server.take(database)
    drop_database(database)
    before = os.environ['TRYTOND_DATABASE_URI']
    _point_to(server.uri)
    try:
        Pool(database).init()
        yield database
    finally:
        backend.Database(database).close()
        Pool.stop(database)
        _point_to(before)


def _point_to(uri):
    os.environ['TRYTOND_DATABASE_URI'] = uri
    config.set('database', 'uri', uri)
