# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The emulator of a chaos run: chaos_platform.py SEED-FILE SETTINGS DATABASE.

SETTINGS are JSON for the emulator's switches, DATABASE the address of the
clinic's database. Prints its address, then obeys JSON lines and ends when
there are no more: {"client": [id, secret, organization]} changes a client,
{"witness": true} prints what the witness saw.
"""

import hashlib
import json
import sqlite3
import sys
import threading
from collections import Counter
from contextlib import contextmanager

from satusehat_emulator import seed as seeding
from satusehat_emulator.serving import serve
from satusehat_emulator.store import Store

OF_BUNDLE = """
SELECT count(*) FROM satusehat_exchange AS e
JOIN satusehat_submission AS s ON s.id = e.submission
WHERE s.bundle_hash = %s AND e.method = 'POST' AND e.path = %s"""
OF_ADDRESS = """
SELECT count(*) FROM satusehat_exchange
WHERE method = %s AND path = %s"""
TOKEN = '/oauth2/v1/accesstoken'


class Witness:
    """Looks into the database when a write arrives, before it is handled.

    There have to be as many committed rows of such requests as have come by
    now, this one included.
    """

    def __init__(self, address):
        self._address, self._connection = address, None
        self._lock, self._seen = threading.Lock(), Counter()
        self.missing, self.witnessed, self.blind = [], 0, 0

    def __call__(self, request):
        if request.method not in {'POST', 'PUT'} or request.path == TOKEN:
            return
        path = request.path.rstrip('/')
        digest = hashlib.sha256(request.get_data()).hexdigest()
        is_bundle = path.count('/') == 2
        sql, key = (
            (OF_BUNDLE, (digest, path)) if is_bundle
            else (OF_ADDRESS, (request.method, path)))
        with self._lock:
            self._seen[key] += 1
            rows = self._count(sql, key)
            if rows is None:
                self.blind += 1
            elif rows < self._seen[key]:
                self.missing.append(
                    f'{request.method} {path}: request {self._seen[key]}, '
                    f'{rows} rows')
            else:
                self.witnessed += 1

    def _count(self, sql, values):
        "Return the number of rows, None while the database is away"
        for _ in range(2):
            try:
                if not self._connection:
                    self._connection = connect(self._address)
                if self._address.startswith('sqlite'):
                    sql = sql.replace('%s', '?')
                return self._connection.execute(sql, values).fetchone()[0]
            except Exception as error:
                if not is_away(error):
                    raise
                self._connection = None


def is_away(error):
    "Whether a driver's error says that the database can not be used now"
    return any(
        kind.__name__ == 'OperationalError' for kind in type(error).__mro__)


def connect(address):
    "Open a connection that sees what is committed and locks nothing"
    if address.startswith('sqlite:///'):
        return sqlite3.connect(
            f'file:{address.removeprefix("sqlite:///")}?mode=ro', uri=True,
            timeout=10, isolation_level=None, check_same_thread=False)
    import psycopg
    return psycopg.connect(address, autocommit=True, connect_timeout=5)


@contextmanager
def platform(seed, settings):
    store = Store()
    with serve(store, **settings) as served:
        seeding.load(store, seed, served.settings.clock())
        yield served
    store.close()


def main(seed, settings, database):
    witness = Witness(database)
    with platform(seed, json.loads(settings)) as served:
        served.doors.before.append(witness)
        print(served.url, flush=True)
        for line in sys.stdin:
            order = json.loads(line)
            if client := order.get('client'):
                served.store.add_client(*client)
            print(json.dumps({
                        'missing': witness.missing, 'blind': witness.blind,
                        'witnessed': witness.witnessed}), flush=True)


if __name__ == '__main__':
    main(*sys.argv[1:])
