# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Faults of the connection, as a client on a socket meets them."

import gzip
import http.client
import json
import socket
import threading

import pytest
import requests

from satusehat_emulator.faults.wire import Wire
from satusehat_emulator.serving import Server

from .plain_client import FHIR, last, room, stored


@pytest.mark.parametrize('is_stored', [False, True])
def test_drop(emulator, client, is_stored):
    emulator.faults.add('drop', stored=is_stored, times=1)
    with pytest.raises(http.client.RemoteDisconnected):
        client.post(room(1))
    assert stored(emulator) == is_stored
    assert last(emulator) == ('drop', None, is_stored)
    assert client.post(room(1)).status == (400 if is_stored else 201)


def test_drop_in_mid_answer(emulator, client):
    emulator.faults.add('drop', stored=True, send=40, times=1)
    with pytest.raises(http.client.IncompleteRead) as error:
        client.post(room(1))
    assert len(error.value.partial) == 40
    assert stored(emulator) == 1
    assert last(emulator) == ('drop', 201, 1)


@pytest.mark.parametrize('is_stored', [False, True])
def test_reset(emulator, client, is_stored):
    emulator.faults.add('reset', stored=is_stored, times=1)
    with pytest.raises(ConnectionResetError):
        client.post(room(1))
    assert stored(emulator) == is_stored
    assert last(emulator) == (
        'reset', 201 if is_stored else None, is_stored)


def is_silent(connection):
    "Say whether nothing is answered for the moment."
    connection.settimeout(0.1)
    try:
        return not connection.recv(1)
    except TimeoutError:
        return True


def test_slow_stores_at_once(emulator, client):
    handled = threading.Event()
    emulator.doors.after.append(
        lambda request, response: handled.set() or response)
    emulator.faults.add('slow', seconds=600, method='POST')
    with client.open_post(room(1)) as connection:
        assert handled.wait(30)
        assert is_silent(connection)
        assert stored(emulator) == 1


@pytest.fixture
def waiting(monkeypatch):
    "An event that is set when a fault begins to wait."
    begun, wait = threading.Event(), Wire.wait

    def announced(wire, seconds):
        begun.set()
        return wait(wire, seconds)

    monkeypatch.setattr(Wire, 'wait', announced)
    return begun


def test_late_has_not_stored_yet(emulator, client, waiting):
    emulator.faults.add('late', seconds=600)
    with client.open_post(room(1)) as connection:
        assert waiting.wait(30)
        assert is_silent(connection)
        assert stored(emulator) == 0
        emulator.close()
        assert connection.recv(100).startswith(b'HTTP/1.1 504')
    assert last(emulator) == ('late', 504, 0)


@pytest.mark.parametrize('name', ['slow', 'late'])
def test_who_waits_long_enough_gets_the_answer(
        emulator, client, waiting, name):
    emulator.faults.add(name, seconds=0.01)
    answer = client.post(room(1))
    assert (answer.status, answer.json['resourceType']) == (201, 'Location')
    assert waiting.is_set()
    assert last(emulator) == (name, 201, 1)


def test_slow_delays_another_fault(emulator, client, waiting):
    emulator.faults.add('slow', seconds=0.01)
    emulator.faults.add('server_error', status=504)
    answer = client.post(room(1))
    assert (answer.status, answer.body) == (504, b'Gateway Timeout')
    assert waiting.is_set()
    assert last(emulator) == ('server_error+slow', 504, 0)


@pytest.mark.parametrize('is_stored', [False, True])
def test_timeout(emulator, client, waiting, is_stored):
    emulator.faults.add('timeout', seconds=0.01, stored=is_stored, times=1)
    answer = client.post(room(1))
    assert (answer.status, answer.body) == (504, b'Gateway Timeout')
    assert waiting.is_set()
    assert last(emulator) == ('timeout', 504, is_stored)
    assert stored(emulator) == is_stored


@pytest.mark.parametrize('head', [False, True])
def test_drip(emulator, client, monkeypatch, head):
    pauses = []
    monkeypatch.setattr(
        Wire, 'wait', lambda wire, seconds: pauses.append(seconds) or True)
    emulator.faults.add('drip', interval=0.5, head=head)
    answer = client.post(room(1))
    assert answer.status == 201
    assert answer.json['resourceType'] == 'Location'
    assert set(pauses) == {0.5}
    assert (len(pauses) > len(answer.body)) == head
    assert len(pauses) >= len(answer.body)
    assert last(emulator) == ('drip', 201, 1)


def test_huge_is_right_but_too_long(emulator, client):
    emulator.faults.add('huge', megabytes=6)
    answer = client.post(room(1))
    assert len(answer.body) > 6 << 20
    assert int(answer.headers['Content-Length']) == len(answer.body)
    assert answer.json['resourceType'] == 'Location'
    assert last(emulator) == ('huge', 201, 1)


def test_endless_goes_on_until_its_limit(emulator, client):
    emulator.faults.add('endless', megabytes=3)
    with pytest.raises(http.client.IncompleteRead) as error:
        client.post(room(1))
    assert len(error.value.partial) > 2 << 20
    assert last(emulator) == ('endless', 201, 1)


def test_endless_ends_when_the_client_leaves(emulator, client):
    before = set(threading.enumerate())
    emulator.faults.add('endless', megabytes=10_000)
    with client.open_post(room(1)) as connection:
        assert connection.recv(100_000)
        served = set(threading.enumerate()) - before
    for thread in served:
        thread.join(30)
        assert not thread.is_alive()


def test_gzip_bomb(emulator, client):
    emulator.faults.add('gzip_bomb', megabytes=8, times=1)
    answer = client.post(room(1))
    assert answer.headers['Content-Encoding'] == 'gzip'
    assert len(answer.body) < 1 << 17
    unpacked = gzip.decompress(answer.body)
    assert len(unpacked) > 8 << 20
    assert json.loads(unpacked)['resourceType'] == 'Location'
    assert last(emulator) == ('gzip_bomb', 201, 1)


def test_requests_unpacks_the_bomb(emulator, client):
    emulator.faults.add('gzip_bomb', megabytes=2)
    response = requests.get(
        f'{emulator.url}{FHIR}/Location', timeout=30,
        headers={'Authorization': f'Bearer {client.token}'})
    assert len(response.content) > 2 << 20


def test_wrong_date(emulator, client):
    usual = client.get('/Location').headers['Date']
    emulator.faults.add('wrong_date', seconds=-86400 * 365)
    off = client.get('/Location').headers.get_all('Date')
    assert len(off) == 1
    assert int(usual.split()[3]) - int(off[0].split()[3]) == 1
    assert last(emulator)[0] == 'wrong_date'


def test_wrong_date_of_a_token(emulator, client):
    emulator.faults.add('wrong_date', endpoint='token', seconds=600)
    token = client.ask_token().json
    assert int(token['issued_at']) == (emulator.settings.clock() + 600) * 1000


@pytest.mark.parametrize('name, options', [
    ('slow', {'seconds': 600}), ('late', {'seconds': 600}),
    ('timeout', {'seconds': 600}), ('drip', {'interval': 60}),
    ('drip', {'interval': 60, 'head': True})])
def test_closing_ends_every_wait(
        emulator, client, waiting, name, options):
    before = set(threading.enumerate())
    emulator.faults.add(name, **options)
    with client.open_post(room(1)):
        assert waiting.wait(30)
        assert set(threading.enumerate()) - before
        emulator.close()
        assert not set(threading.enumerate()) - before


def test_closing_ends_who_does_not_read(emulator, client):
    "The server's thread is stuck in a write to a full socket."
    before = set(threading.enumerate())
    emulator.faults.add('endless', megabytes=10_000)
    with client.open_post(room(1)) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        assert connection.recv(100)
        emulator.close()
        assert not set(threading.enumerate()) - before


def test_closing_ends_who_does_not_ask(emulator, client, monkeypatch):
    accepted, accept = threading.Event(), Server.process_request

    def announced(server, request, address):
        accept(server, request, address)
        accepted.set()

    monkeypatch.setattr(Server, 'process_request', announced)
    before = set(threading.enumerate())
    host, _, port = client.address.partition(':')
    with socket.create_connection((host, int(port)), 30) as connection:
        assert accepted.wait(30)
        emulator.close()
        assert connection.recv(1) == b''
        assert not set(threading.enumerate()) - before
