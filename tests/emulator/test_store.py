# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"The store keeps what was answered, whatever ends the process."

import json
import os
import signal
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
import requests

from satusehat_emulator.serving import serve
from satusehat_emulator.store import DuplicateKey, Row, Store

from . import samples

FHIR = '/fhir-r4/v1'


def session(url, client='A'):
    response = requests.post(
        f'{url}/oauth2/v1/accesstoken?grant_type=client_credentials',
        timeout=10, data={
            'client_id': f'client-{client}',
            'client_secret': f'secret-{client}'})
    result = requests.Session()
    result.headers['Authorization'] = (
        f'Bearer {response.json()["access_token"]}')
    return result


class Process:
    "The emulator as a process of its own."

    def __init__(self, *arguments):
        self.process = subprocess.Popen(
            [sys.executable, '-m', 'satusehat_emulator', '--port', '0',
                '--seed', 'demo', *arguments],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.url = self.process.stdout.readline().strip()
        assert self.url.startswith('http://127.0.0.1:'), (
            self.process.stderr.read())

    def end(self, number):
        os.kill(self.process.pid, number)
        output, errors = self.process.communicate(timeout=20)
        return self.process.returncode, output, errors


@pytest.fixture
def start():
    running = []

    def start(*arguments):
        running.append(Process(*arguments))
        return running[-1]

    yield start
    for process in running:
        if process.process.poll() is None:
            process.end(signal.SIGKILL)


@pytest.mark.parametrize('number', [signal.SIGKILL, signal.SIGTERM])
def test_what_was_answered_survives(start, tmp_path, number):
    path = str(tmp_path / 'store.sqlite')
    first = start('--store', path)
    api = session(first.url)
    ids = [
        api.post(
            f'{first.url}{FHIR}/Location', timeout=10,
            json=samples.location(f'R-{n}')).json()['id'] for n in range(5)]
    first.end(number)

    second = start('--store', path)
    found = api.get(
        f'{second.url}{FHIR}/Location?organization={samples.ORG}',
        timeout=10).json()
    assert [e['resource']['id'] for e in found['entry']] == ids
    again = api.post(
        f'{second.url}{FHIR}/Location', json=samples.location('R-3'),
        timeout=10)
    assert again.status_code == 400
    assert '20002' in again.text


@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGINT])
def test_ends_cleanly(start, number):
    process = start()
    code, output, errors = process.end(number)
    assert (code, output, errors) == (0, '', '')


def test_switches_reach_the_emulator(start):
    process = start('--token-lifetime', '60', '--creator-identifier')
    api = session(process.url)
    stored = api.post(
        f'{process.url}{FHIR}/Location', json=samples.location(),
        timeout=10).json()
    assert stored['identifier'][-1]['system'].endswith('/creator')


def test_port_in_use_and_unknown_seed():
    with serve() as emulator:
        port = emulator.url.rpartition(':')[2]
        taken = subprocess.run(
            [sys.executable, '-m', 'satusehat_emulator', '--port', port],
            capture_output=True, text=True, timeout=20)
    assert taken.returncode != 0 and not taken.stdout
    unknown = subprocess.run(
        [sys.executable, '-m', 'satusehat_emulator', '--seed', 'nowhere'],
        capture_output=True, text=True, timeout=20)
    assert unknown.returncode == 2
    assert 'seed' in unknown.stderr


def test_imports_neither_trytond_nor_the_modules():
    code = (
        'import sys, satusehat_emulator.__main__;'
        'print([m for m in sys.modules if m.startswith("trytond")])')
    result = subprocess.run(
        [sys.executable, '-c', code], capture_output=True, text=True,
        timeout=20)
    assert result.stdout.strip() == '[]', result.stderr


def test_eight_threads_one_location():
    with serve() as emulator, ThreadPoolExecutor(8) as pool:
        api = session(emulator.url)

        def post(_):
            return requests.post(
                f'{emulator.url}{FHIR}/Location', headers=api.headers,
                json=samples.location(), timeout=30).status_code

        codes = sorted(pool.map(post, range(8)))
        assert codes == [201] + [400] * 7
        assert emulator.store.counts()['Location', samples.ORG] == 1


def test_eight_threads_one_visit():
    with serve(check_references=False) as emulator, (
            ThreadPoolExecutor(8)) as pool:
        api = session(emulator.url)

        def send(_):
            return requests.post(
                f'{emulator.url}{FHIR}', headers=api.headers, timeout=30,
                json=samples.visit_bundle('room')).status_code

        codes = sorted(pool.map(send, range(8)))
        assert codes == [200] + [400] * 7
        counts = emulator.store.counts()
        assert counts['Encounter', samples.ORG] == 1
        assert counts['Observation', samples.ORG] == 6


def test_served_twice_from_one_file(tmp_path):
    path = tmp_path / 'store.sqlite'
    store = Store(path)
    with serve(store, seed=None) as emulator:
        assert emulator.store is store
    with serve(store, seed=None) as emulator:
        assert requests.get(emulator.url, timeout=10).status_code == 200
    store.close()


def test_closed_twice():
    with serve() as emulator:
        emulator.close()
        emulator.close()
        with pytest.raises(requests.ConnectionError):
            requests.get(emulator.url, timeout=10)


def row(id_, **body):
    return Row('Location', id_, 'o', 0.0, {
        'resourceType': 'Location', 'id': id_, **body})


def test_transaction_is_all_or_nothing(tmp_path):
    store = Store(tmp_path / 'store.sqlite')
    store.save(row('1'), keys=['a'])
    with pytest.raises(DuplicateKey), store.transaction():
        store.save(row('2'), keys=['b'])
        store.save(row('3'), keys=['a'])
    assert not store.exists('Location', '2')
    store.save(row('2'), keys=['b'])
    store.close()
    store = Store(tmp_path / 'store.sqlite')
    assert [found.id for found in store.find('Location')] == ['1', '2']
    store.close()


FIRST_SCHEMA = """
create table resource (
    number integer primary key,
    type text not null, id text not null, owner text,
    created real not null, body text not null, unique (type, id));
create table term (
    type text not null, id text not null,
    param text not null, system text, value text not null);
create index term_value on term (type, param, value);
create index term_id on term (type, id);
create table duplicate_key (
    type text not null, owner text, key text not null, id text not null);
create unique index duplicate_key_unique
    on duplicate_key (type, ifnull(owner, ''), key);
create index duplicate_key_id on duplicate_key (type, id);
create table client (
    id text primary key, secret text not null, organization text not null,
    penalty_until real not null default 0);
create table token (
    value text primary key, client text not null, expires real not null);
create table citizen (nik text primary key, body text not null);
create table consent (
    patient text not null, organization text not null, body text not null,
    primary key (patient, organization));
"""


def test_a_file_of_the_first_version_is_kept(tmp_path):
    path = tmp_path / 'store.sqlite'
    room = samples.location('R-1')
    body = {**room, 'id': 'old', 'meta': {
        'lastUpdated': '2026-11-20T04:00:00.000000+00:00',
        'versionId': 'MTc5NTE0NzIwMDAwMDAwMDAwMA'}}
    with closing(sqlite3.connect(path)) as database, database:
        database.executescript(FIRST_SCHEMA)
        database.execute(
            'insert into resource values (1, ?, ?, ?, ?, ?)',
            ('Location', 'old', samples.ORG, 1795147200.0, json.dumps(body)))
        database.execute(
            'insert into client values (?, ?, ?, 0)',
            ('client-A', 'secret-A', samples.ORG))
    for _ in range(2):
        with closing(Store(path)) as store, (
                serve(store, seed=None)) as emulator:
            api, url = session(emulator.url), f'{emulator.url}{FHIR}/Location'
            found = api.get(
                url, timeout=10, params={'organization': samples.ORG}).json()
            assert [e['resource'] for e in found['entry']] == [body]
            again = api.post(url, json=room, timeout=10)
            assert (again.status_code, '20002' in again.text) == (400, True)
