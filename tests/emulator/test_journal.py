# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"What the emulator can prove: all that was stored and every write received."

import hashlib
import http.client
import json
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from satusehat_emulator.journal import Journal
from satusehat_emulator.store import Row

from . import samples
from .plain_client import FHIR, PlainClient, room
from .samples import urn

BROKEN = (http.client.HTTPException, ConnectionError)
KEYS = {
    'number', 'time', 'method', 'path', 'parameters', 'status', 'client',
    'organization', 'request_id', 'fault', 'fault_detail', 'stored',
    'identifiers', 'digest'}


def visit(number):
    return samples.bundle(
        samples.encounter(f'K-{number}'),
        samples.condition(urn(1), number=f'D-{number}'))


def identifiers(*pairs):
    return tuple(
        (type_, samples.identifier(kind, '')['system'], value)
        for type_, kind, value in pairs)


def test_a_write(emulator, client):
    body = json.dumps(visit(1)).encode()
    answer = client.call('POST', FHIR, body)
    write, = emulator.writes()
    assert write.keys() == KEYS
    assert (write['method'], write['path'], write['status']) == (
        'POST', FHIR, 200)
    assert write['time'] == emulator.settings.clock()
    assert (write['client'], write['organization']) == (
        'client-A', samples.ORG)
    assert write['request_id'] == answer.headers['x-request-id']
    assert uuid.UUID(write['request_id'])
    assert write['stored'] == 2
    assert write['digest'] == hashlib.sha256(body).hexdigest()
    assert write['identifiers'] == identifiers(
        ('Encounter', 'encounter', 'K-1'), ('Condition', 'condition', 'D-1'))


def test_writes_of_each_method(emulator, client):
    made = client.post(room(1)).json
    client.put({**made, 'name': 'Ruang Baru'})
    client.call(
        'PATCH', f'{FHIR}/Location/{made["id"]}', json.dumps([{
            'op': 'replace', 'path': '/name', 'value': 'Ruang'}]),
        'application/json-patch+json')
    client.get('/Location')
    client.find('Location', 'R-1')
    client.control('POST', body={'fault': 'drop', 'method': 'DELETE'})
    room_1 = identifiers(('Location', 'location', 'R-1'))
    assert [
        (w['method'], w['status'], w['stored'], w['identifiers'])
        for w in emulator.writes()] == [
            ('POST', 201, 1, room_1), ('PUT', 200, 1, room_1),
            ('PATCH', 200, 1, ())]


def test_writes_that_were_refused(emulator, client):
    client.post(room(1))
    client.post(room(1))
    client.post({**room(2), 'name': 7, 'status': None})
    client.call('POST', f'{FHIR}/Location', b'{')
    client.call('POST', f'{FHIR}/Location', b'[7]')
    client.call('POST', FHIR, b'{"resourceType": "Bundle", "entry": [7, {}]}')
    client.call('POST', f'{FHIR}/Location', json.dumps(room(3)), 'text/plain')
    client.token = 'wrong'
    client.post(room(4))
    writes = emulator.writes()
    assert [w['stored'] for w in writes] == [1] + [0] * 7
    assert [w['status'] for w in writes] == [201] + [400] * 6 + [401]
    assert [len(w['identifiers']) for w in writes] == [
        1, 1, 1, 0, 0, 0, 1, 1]
    assert (writes[-1]['client'], writes[-1]['organization']) == (None, None)


def test_no_identifiers_of_persons(emulator, client):
    answer = client.post(samples.new_patient())
    assert answer.status == 200, answer.body
    write, = emulator.writes()
    assert write['identifiers'] == ()
    assert write['stored'] == 1
    assert '3171014505950011' not in json.dumps(emulator.writes())


WRITES = {
    'create': lambda client, made: client.post(room(2)),
    'transaction': lambda client, made: client.post(visit(1)),
    'replace': lambda client, made: client.put(
        {**made, 'name': 'Ruang Baru'}),
    'patch': lambda client, made: client.call(
        'PATCH', f'{FHIR}/Location/{made["id"]}', json.dumps([
            {'op': 'replace', 'path': '/name', 'value': 'Ruang'}]),
        'application/json-patch+json'),
    'patient': lambda client, made: client.post(samples.new_patient()),
    }


@pytest.mark.parametrize('write', list(WRITES))
@pytest.mark.parametrize('fault, options', [
    ('reset', {}), ('reset', {'stored': False}), ('drop', {'stored': True}),
    ('drop', {'stored': True, 'send': 9}), ('drop', {}),
    ('server_error', {'stored': True}), ('timeout', {
        'stored': True, 'seconds': 0.001})])
def test_stored_says_what_became_of_it(
        emulator, client, write, fault, options):
    "Whatever was answered, and though it was no answer at all."
    made = client.post(room(1)).json
    before = sum(emulator.store.counts().values()), _versions(emulator)
    emulator.faults.add(fault, times=1, **options)
    try:
        WRITES[write](client, made)
    except BROKEN:
        pass
    after = sum(emulator.store.counts().values()), _versions(emulator)
    done = emulator.writes()[-1]
    assert done['fault'] == fault
    is_stored = options.get('stored', fault == 'reset')
    assert done['stored'] == (2 if write == 'transaction' else 1) * is_stored
    assert (after != before) == is_stored


def _versions(emulator):
    return [row['versions'] for row in emulator.resources('Location')]


def test_stored_adds_up_though_connections_break(emulator, client):
    "Eight connections, each second answer cut off."
    emulator.faults.add('reset', probability=0.5, seed=1, method='POST')

    def send(number):
        one = PlainClient(emulator)
        one.token = client.token
        for body in (room(number), visit(number)):
            try:
                one.post(body)
            except BROKEN:
                pass

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(send, range(40)))
    writes = emulator.writes()
    assert len(writes) == 80
    assert {w['fault'] for w in writes} == {None, 'reset'}
    assert {w['stored'] for w in writes} == {1, 2}
    assert sum(w['stored'] for w in writes) == len(emulator.resources())
    sent = sorted(i for w in writes for i in w['identifiers'])
    held = sorted(
        (row['type'], *text.split('|')) for row in emulator.resources()
        for text in row['identifier'])
    assert sent == held


def test_resources(emulator, client):
    made = client.post(room(1)).json
    client.put({**made, 'name': 'Ruang Baru'})
    other = PlainClient(emulator, 'client-B', 'secret-B').log_in()
    second = other.post(samples.location('R-9', samples.OTHER_ORG)).json
    changed = client.get(f'/Location/{made["id"]}').json['meta']
    first, last = emulator.resources()
    assert first == {
        'number': first['number'], 'type': 'Location', 'id': made['id'],
        'organization': samples.ORG, 'client': 'client-A', 'versions': 2,
        'created': emulator.settings.clock(), 'status': 'active',
        'lastUpdated': changed['lastUpdated'],
        'identifier': ['|'.join(samples.identifier(
            'location', 'R-1').values())]}
    assert (last['id'], last['client'], last['versions']) == (
        second['id'], 'client-B', 1)
    assert emulator.resources('Location', samples.OTHER_ORG) == [last]
    assert emulator.resources('Encounter') == []


def test_over_http(emulator, client):
    for number in range(3):
        client.post(room(number))
    client.token = None

    def ask(name):
        return client.call('GET', f'/_emulator/{name}').json

    listed = ask('writes')['writes']
    assert listed == json.loads(json.dumps(emulator.writes()))
    number = listed[1]['number']
    assert ask(f'writes?after={number}')['writes'] == listed[2:]
    assert ask('writes?after=x')['writes'] == listed
    rows = ask('resources')['resources']
    assert rows == emulator.resources()
    page = ask(f'resources?after={rows[0]["number"]}&limit=1')['resources']
    assert page == rows[1:2]


def test_bounds():
    journal = Journal(kept=2, kept_writes=3)
    seen = {
        'time': 0, 'method': 'POST', 'path': '/', 'parameters': [],
        'status': 201, 'client': None, 'organization': None,
        'request_id': ''}
    for _ in range(5):
        journal.add_write(None, b'', **seen)
        journal.add(**seen)
    assert [e['number'] for e in journal.entries()] == [9, 10]
    assert [w['number'] for w in journal.writes()] == [5, 7, 9]


def test_page(emulator, client):
    other = PlainClient(emulator, 'client-B', 'secret-B').log_in()
    other.post(samples.location('R-9', samples.OTHER_ORG))
    client.post(visit(1))
    client.find('Encounter', 'K-1')
    client.call('GET', f'{FHIR}/Patient?identifier={samples.NIK}|1<b>')
    page = client.call('GET', '/').body.decode()
    assert f'{samples.ORG} <span class="soft">Klinik Purnama' in page
    assert '<th class="number">Encounter</th>' in page
    assert f'POST {FHIR}</td>' in page
    assert f'{FHIR}/Encounter<span class="soft">?identifier<' in page
    assert emulator.writes()[-1]['request_id'] in page
    for secret in (client.token, 'secret-A', '<b>', 'K-1', samples.PATIENT):
        assert secret not in page
    assert '<meta http-equiv="refresh" content="5">' in client.call(
        'GET', '/?refresh=5').body.decode()


def test_page_of_many_organizations(emulator, client):
    for number in range(60):
        emulator.store.save(Row('Location', str(number), f'2{number:07d}', 0, {
            'resourceType': 'Location', 'id': str(number)}))
    page = client.call('GET', '/').body.decode()
    assert page.count('<td>2') == 49
    assert 'and 11 organizations more' in page
