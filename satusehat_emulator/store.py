# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The emulator's memory: an SQLite database, in a file or in memory.

One connection serves all threads behind a lock. A write is committed before
the call returns, so what was answered survives the end of the process.
"""

import json
import sqlite3
import threading
from contextlib import contextmanager
from dataclasses import dataclass

from . import index

VERSION = 2
DERIVED = """
create table term (
    type text not null, param text not null, value text not null,
    system text not null, number integer not null,
    primary key (type, param, value, system, number)) without rowid;
create table duplicate_key (
    type text not null, owner text not null, key text not null,
    number integer not null, primary key (type, owner, key)) without rowid;
create index duplicate_key_number on duplicate_key (number);
"""
SCHEMA = f"""
begin;
create table resource (
    number integer primary key,
    type text not null, id text not null, owner text, client text,
    created real not null, versions integer not null default 1,
    body text not null, unique (type, id));
{DERIVED}
create table client (
    id text primary key, secret text not null, organization text not null,
    penalty_until real not null default 0);
create table token (
    value text primary key, client text not null, expires real not null);
create table citizen (nik text primary key, body text not null);
create table consent (
    patient text not null, organization text not null, body text not null,
    primary key (patient, organization));
pragma user_version = {VERSION};
commit;
"""
FROM_VERSION_1 = f"""
alter table resource add column client text;
alter table resource add column versions integer not null default 1;
drop table term;
drop table duplicate_key;
{DERIVED}
pragma user_version = {VERSION};
"""
COLUMNS = 'type, id, owner, created, body, client, versions, number'
ENCODE = json.JSONEncoder(ensure_ascii=False, sort_keys=True).encode


class DuplicateKey(Exception):
    "Another resource already has one of the keys."


@dataclass
class Row:
    """One stored resource.

    `owner` is the organization that wrote it, None for what the platform
    itself keeps (people, facilities); `created` is in epoch seconds.
    `client` is the one that created it, `versions` counts how often it was
    written, `number` the resources in the order of their creation; the store
    keeps these three.
    """
    type: str
    id: str
    owner: str | None
    created: float
    body: dict
    client: str | None = None
    versions: int = 1
    number: int | None = None


class _Written(threading.local):
    "How many resources this thread has stored."
    count = 0


class Store:
    """Holds resources, clients, tokens, consents and the civil registry.

    `path` is the database file; None keeps everything in memory.
    """

    def __init__(self, path=None):
        self._lock = threading.RLock()
        self._depth = self._saved = 0
        self._written = _Written()
        self._db = sqlite3.connect(
            str(path) if path else ':memory:',
            check_same_thread=False, isolation_level=None, timeout=10)
        self._db.execute('pragma journal_mode = wal')
        self._db.execute('pragma synchronous = full')
        self._prepare()

    def _prepare(self):
        "Create the tables, or bring those of an older file up to date."
        version, = self._one('pragma user_version')
        if not self._one("select 1 from sqlite_master where name = 'token'"):
            self._db.executescript(SCHEMA)
        elif version < VERSION:
            self._bring_up_to_date()

    def _bring_up_to_date(self):
        with self.transaction():
            for statement in FROM_VERSION_1.split(';'):
                self._db.execute(statement)
            for row in self._rows('order by number'):
                self._enter(
                    row.number, row, index.terms(row.body),
                    index.keys(row.body) if row.owner else ())

    def close(self):
        with self._lock:
            self._db.close()

    @contextmanager
    def transaction(self):
        "All or nothing: commits at the end, rolls back when it raises."
        with self._lock:
            if self._depth:
                yield
                return
            self._db.execute('begin immediate')
            self._depth, self._saved = 1, 0
            try:
                yield
            except BaseException:
                self._db.execute('rollback')
                raise
            else:
                self._db.execute('commit')
                self._written.count += self._saved
            finally:
                self._depth = 0

    def written(self):
        "Return how many resources the calling thread has stored so far."
        return self._written.count

    def _all(self, sql, *values):
        with self._lock:
            return self._db.execute(sql, values).fetchall()

    def _one(self, sql, *values):
        with self._lock:
            return self._db.execute(sql, values).fetchone()

    # Resources

    def save(self, row, terms=(), keys=()):
        """Insert or replace a resource with its search terms.

        `terms` are (param, system, value), those of the body (`index.terms`)
        or some of them; `keys` the texts that no other resource of the type
        and owner may have. Raises DuplicateKey.
        """
        body = ENCODE(row.body)
        with self.transaction():
            made = self._db.execute(
                'insert into resource '
                '(type, id, owner, client, created, body) '
                'values (?, ?, ?, ?, ?, ?) on conflict do nothing', (
                    row.type, row.id, row.owner, row.client, row.created,
                    body))
            if made.rowcount:
                number = made.lastrowid
            else:
                number = self._replace(row, body)
            self._enter(number, row, terms, keys)
            self._saved += 1

    def _replace(self, row, body):
        "Replace a resource; return its number, by which it is not found."
        old = self.get(row.type, row.id)
        number = old.number
        self._db.execute(
            'update resource set body = ?, owner = ?, '
            'versions = versions + 1 where number = ?',
            (body, row.owner, number))
        self._db.executemany(
            'delete from term where type = ? and param = ? and value = ? '
            'and system = ? and number = ?',
            _term_rows(number, old, index.terms(old.body)))
        self._db.execute(
            'delete from duplicate_key where number = ?', (number,))
        return number

    def _enter(self, number, row, terms, keys):
        "Enter the resource of that number in the tables it is found by."
        self._db.executemany(
            'insert into term values (?, ?, ?, ?, ?)',
            _term_rows(number, row, terms))
        try:
            self._db.executemany(
                'insert into duplicate_key values (?, ?, ?, ?)',
                {(row.type, row.owner or '', key, number) for key in keys})
        except sqlite3.IntegrityError as error:
            raise DuplicateKey(row.type) from error

    def get(self, type_, id_):
        "Return the Row, or None."
        found = self._rows('where type = ? and id = ?', type_, id_)
        return found[0] if found else None

    def _rows(self, rest, *values):
        "Return the Rows the rest of a select statement asks for."
        return [_row(found) for found in self._all(
            f'select {COLUMNS} from resource {rest}', *values)]  # noqa: S608

    def exists(self, type_, id_):
        return self._one(
            'select 1 from resource where type = ? and id = ?',
            type_, id_) is not None

    def holder(self, type_, owner, keys, besides=None):
        """Return the id of a resource that has one of `keys`, or None.

        `besides` is an id that does not count.
        """
        for key in keys:
            found = self._one(
                'select id from resource where number = (select number '
                'from duplicate_key where type = ? and owner = ? '
                'and key = ?)', type_, owner or '', key)
            if found and found[0] != besides:
                return found[0]

    def find(self, type_, conditions=(), created_before=None):
        """Return the Rows of a type in the order of their creation.

        Each condition is a list of (param, system, value) of which one must
        hold; `system` None means any, '' none at all. `created_before`
        (epoch seconds) leaves out what is newer.
        """
        with self._lock:
            if conditions:
                rows = [
                    row for number in self._fitting(type_, conditions)
                    for row in self._rows('where number = ?', number)]
            else:
                rows = self._rows('where type = ? order by number', type_)
        return [
            row for row in rows
            if created_before is None or row.created <= created_before]

    def _fitting(self, type_, conditions):
        "Return the sorted numbers of the resources that fit all conditions."
        fitting = [
            {number for term in alternatives
                for number in self._having(type_, *term)}
            for alternatives in conditions]
        return sorted(set.intersection(*fitting))

    def _having(self, type_, param, system, value):
        "Return the numbers of the resources of a type that have a term."
        sql = 'select number from term where type = ? and param = ?'
        values = [type_, param]
        if value:
            sql += ' and value = ?'
            values.append(value)
        if system is not None:
            sql += ' and system = ?'
            values.append(system)
        return [number for number, in self._all(sql, *values)]

    def owned(self, type_=None, owner=None, after=0, limit=-1):
        """Return the Rows that organizations have written, in order.

        Those of a type, of an `owner` and from number `after` on, at most
        `limit` (-1 for all).
        """
        return self._rows(
            'where owner is not null and number > ? '
            'and type = ifnull(?, type) and owner = ifnull(?, owner) '
            'order by number limit ?', after, type_, owner, limit)

    def counts(self):
        "Return {(type, owner): number of resources}."
        return {
            (type_, owner): count for type_, owner, count in self._all(
                'select type, owner, count(*) from resource '
                'group by type, owner order by type, owner')}

    # Clients and tokens

    def add_client(self, id_, secret, organization):
        with self.transaction():
            self._db.execute(
                'insert into client (id, secret, organization) '
                'values (?, ?, ?) on conflict (id) do update set '
                'secret = excluded.secret, '
                'organization = excluded.organization',
                (id_, secret, organization))

    def client(self, id_):
        "Return (secret, organization, penalty until) or None."
        return self._one(
            'select secret, organization, penalty_until from client '
            'where id = ?', id_)

    def has_client(self, organization):
        "Return whether some client sends for the organization."
        return bool(self._one(
            'select 1 from client where organization = ?', organization))

    def punish(self, id_, until):
        with self.transaction():
            self._db.execute(
                'update client set penalty_until = ? where id = ?',
                (until, id_))

    def add_token(self, value, client, expires):
        with self.transaction():
            self._db.execute(
                'insert into token values (?, ?, ?)', (value, client, expires))

    def token(self, value):
        "Return (client id, organization, expires) or None."
        return self._one(
            'select c.id, c.organization, t.expires from token t '
            'join client c on c.id = t.client where t.value = ?', value)

    def end_token(self, value, now):
        "Let a token expire at `now` (epoch seconds)."
        with self.transaction():
            self._db.execute(
                'update token set expires = min(expires, ?) '
                'where value = ?', (now, value))

    def give_token(self, value, client):
        "Let a token be another client's."
        with self.transaction():
            self._db.execute(
                'update token set client = ? where value = ?',
                (client, value))

    def other_client(self, id_):
        "Return a client of another organization than `id_`, or None."
        found = self._one(
            'select id from client where organization <> (select '
            'organization from client where id = ?) order by id', id_)
        return found and found[0]

    # Civil registry and consents

    def add_citizen(self, nik, body):
        with self.transaction():
            self._db.execute(
                'insert or replace into citizen values (?, ?)',
                (nik, json.dumps(body)))

    def citizen(self, nik):
        "Return the civil registry's record of a NIK, or None."
        found = self._one('select body from citizen where nik = ?', nik)
        return found and json.loads(found[0])

    def set_consent(self, patient, organization, body):
        with self.transaction():
            self._db.execute(
                'insert or replace into consent values (?, ?, ?)',
                (patient, organization, json.dumps(body)))

    def consents(self, patient):
        "Return the Consent resources of a patient."
        return [json.loads(body) for body, in self._all(
            'select body from consent where patient = ? order by rowid',
            patient)]


def _row(values):
    type_, id_, owner, created, body, *rest = values
    return Row(type_, id_, owner, created, json.loads(body), *rest)


def _term_rows(number, row, terms):
    return {
        (row.type, param, value, system or '', number)
        for param, system, value in terms}
