# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"The database as others see it while the platform is asked."

import os
import sqlite3
import time
from contextlib import closing

from gateway import FHIR, TOKEN
from trytond import backend

# Seconds in which nobody holds the database, well below the platform's time
PATIENCE = 5


def connect_aside(database):
    "A connection to the database that trytond does not know"
    if backend.name == 'sqlite':
        path = os.path.join(
            os.environ['TRYTOND_DATABASE__PATH'], database + '.sqlite')
        return closing(sqlite3.connect(
                path, timeout=PATIENCE, isolation_level=None))
    import psycopg
    uri = os.environ['TRYTOND_DATABASE_URI'].rstrip('/')
    return closing(psycopg.connect(f'{uri}/{database}', autocommit=True))


def read_aside(database, sql):
    with connect_aside(database) as connection:
        return connection.execute(sql).fetchall()


def locks(database):
    """Return what other transactions hold beside that of the scheduler.

    The sender looks for more to do while it waits for an answer: what is
    held for a moment only does not count.
    """
    until = time.monotonic() + PATIENCE
    with connect_aside(database) as connection:
        if backend.name == 'sqlite':
            connection.execute('BEGIN IMMEDIATE')
            connection.execute('ROLLBACK')
            return []
        while True:
            held = connection.execute(
                "SELECT count(*), count(backend_xid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND state LIKE "
                "'idle in transaction%'").fetchone()
            if held in {(0, 0), (1, 0)}:
                return []
            if time.monotonic() > until:
                return [held]


def test_no_transaction_is_open_while_the_platform_is_asked(
        clinic, gateway):
    asked = []

    def look(exchange):
        asked.append((exchange.seen.path, locks(clinic.database)))
        exchange.hand_back(exchange.forward())
    paths = [FHIR] + [f'{FHIR}/{type_}' for type_ in [
            'Patient', 'Practitioner', 'Organization', 'Location']]
    for path in paths:
        gateway.always('GET', path, look)
        gateway.always('POST', path, look)
    gateway.always('POST', TOKEN, look)
    visit = clinic.visit()
    clinic.push()
    assert clinic.submission(visit)['state'] == 'sent'
    assert {path for path, _ in asked} == {*paths, TOKEN}
    assert [held for _, held in asked if held] == []


def test_row_of_each_write_is_committed_before_its_first_byte(
        clinic, gateway):
    found = {}

    def look(exchange):
        path = exchange.seen.path
        found.setdefault(path, []).append((
            read_aside(
                clinic.database,
                'SELECT count(*) FROM satusehat_exchange WHERE status IS '
                f"NULL AND outcome = 'unknown' AND path = '{path}'")[0][0],
            read_aside(
                clinic.database, 'SELECT state, bundle_hash FROM '
                'satusehat_submission WHERE begun')))
        exchange.hand_back(exchange.forward())
    paths = [FHIR, f'{FHIR}/Organization', f'{FHIR}/Location']
    for path in paths:
        gateway.always('POST', path, look)
    visit = clinic.visit()
    clinic.push()
    digest = clinic.submission(visit)['bundle_hash']
    assert found == {
        paths[0]: [(1, [('sending', digest)])],
        paths[1]: [(1, [])], paths[2]: [(1, [])]}
    assert gateway.posts[0].digest == digest
    assert not clinic.exchanges(outcome='unknown')
