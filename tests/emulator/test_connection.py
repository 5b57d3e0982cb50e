# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Connections that stay open, and what ends them."

import http.client
import json
import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from satusehat_emulator import connection as connections
from satusehat_emulator.serving import serve

from . import samples
from .plain_client import FHIR, PATIENCE, PlainClient, last, room, stored


class Line(http.client.HTTPConnection):
    "A connection that is never opened a second time."

    def __init__(self, client):
        super().__init__(client.address, timeout=PATIENCE)
        self.client = client
        self.connect()
        self.auto_open = 0

    def ask(self, method, path, body=None, token=None, **headers):
        "Send a request; return (status, body, Connection header)."
        self.request(method, path, body, {
            'Content-Type': 'application/json',
            'Authorization': f'Bearer {token or self.client.token}',
            **headers})
        response = self.getresponse()
        return (
            response.status, response.read(),
            response.headers.get('Connection'))

    def post(self, resource):
        return self.ask('POST', f'{FHIR}/Location', json.dumps(resource))


@pytest.fixture
def line(client):
    line = Line(client)
    yield line
    line.close()


def test_one_connection_many_requests(emulator, line):
    for number in range(5):
        status, _, said = line.post(room(number))
        assert (status, said) == (201, None)
        assert line.ask('GET', f'{FHIR}/Location?_count=1')[0] == 200
    assert stored(emulator) == 5


@pytest.mark.parametrize('path, status', [
    ('/nowhere', 404), (f'{FHIR}/Nothing', 400),
    (f'{FHIR}/Location', 401), ('/_emulator/counts', 405)])
def test_unread_bodies_do_not_become_the_next_request(line, path, status):
    body = 'x' * 100_000
    assert line.ask('POST', path, body, token='wrong' if (
        status == 401) else None)[0] == status
    assert line.post(room(1))[0] == 201


def test_two_requests_at_once_are_answered_in_their_order(line, client):
    ask = (
        f'GET {FHIR}/Location?name=%s HTTP/1.1\r\nHost: here\r\n'
        f'Authorization: Bearer {client.token}\r\n\r\n')
    line.sock.sendall((ask % 'first' + ask % 'second').encode())
    file = line.sock.makefile('rb')
    for name in (b'first', b'second'):
        while (header := file.readline()) != b'\r\n':
            if header.startswith(b'Content-Length:'):
                length = int(header.split()[1])
        assert b'name=' + name in file.read(length)


def test_a_request_in_chunks(emulator, line):
    body = json.dumps(room(1)).encode()
    line.request(
        'POST', f'{FHIR}/Location', iter([body[:50], body[50:]]), {
            'Content-Type': 'application/json',
            'Authorization': f'Bearer {line.client.token}'},
        encode_chunked=True)
    response = line.getresponse()
    assert (response.status, response.read()[:1]) == (201, b'{')
    assert line.post(room(2))[0] == 201
    assert stored(emulator) == 2


def test_client_asks_to_close(line):
    assert line.ask('GET', '/', Connection='close')[2] == 'close'
    assert line.sock is None


def test_old_clients_are_closed(client):
    with socket.create_connection(tuple(
            client.address.split(':')), PATIENCE) as old:
        old.sendall(
            b'GET /_emulator/counts HTTP/1.0\r\nConnection: keep-alive\r\n'
            b'\r\n')
        answer = b''.join(iter(lambda: old.recv(4096), b''))
    head, _, body = answer.partition(b'\r\n\r\n')
    assert b'Connection: close' in head
    assert b'Transfer-Encoding' not in head
    assert json.loads(body)['counts']


@contextmanager
def begun(client, body, length):
    "A POST of a Location that announces `length` bytes and sends `body`."
    host, _, port = client.address.partition(':')
    with socket.create_connection((host, int(port)), PATIENCE) as connection:
        connection.sendall(
            f'POST {FHIR}/Location HTTP/1.1\r\nHost: {client.address}\r\n'
            f'Content-Type: application/json\r\n'
            f'Authorization: Bearer {client.token}\r\n'
            f'Content-Length: {length}\r\n\r\n'.encode() + body)
        yield connection


def test_a_request_that_is_cut_off_was_never_received(emulator, client):
    body = json.dumps(room(1)).encode()
    before = len(emulator.journal.entries())
    with begun(client, body[:-1], len(body)) as connection:
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1) == b''
    assert stored(emulator) == 0
    assert len(emulator.journal.entries()) == before


@pytest.mark.parametrize('length', ['-1', '1e3', '٣'.encode().decode('latin-1')])
def test_odd_lengths(emulator, client, length):
    with begun(client, b'{}', 0) as connection:
        connection.recv(4096)
        connection.sendall(
            f'POST {FHIR} HTTP/1.1\r\nContent-Length: {length}\r\n\r\n'
            .encode('latin-1'))
        assert connection.recv(4096).startswith(b'HTTP/1.1 400 ')
    assert stored(emulator) == 0


def test_bodies_have_a_limit(emulator, client, monkeypatch):
    monkeypatch.setattr(connections, 'MAX_BODY', 1000)
    with begun(client, b'', 1001) as connection:
        answer = b''.join(iter(lambda: connection.recv(4096), b''))
    assert answer.startswith(b'HTTP/1.1 413 ')
    assert b'Connection: close' in answer


def test_stopping_closes_idle_connections(emulator, line):
    assert line.post(room(1))[0] == 201
    emulator.close()
    assert line.sock.recv(1) == b''


# Faults end with the answer they are for

@pytest.mark.parametrize('name, options', [
    ('drip', {'interval': 0.0001, 'head': True}),
    ('wrong_date', {'seconds': -86400 * 365}),
    ('server_error', {}), ('html', {}), ('rate_limit', {}),
    ('huge', {'megabytes': 1}), ('gzip_bomb', {'megabytes': 1}),
    ('empty', {}), ('slow', {'seconds': 0.001})])
def test_the_next_answer_is_in_order_again(emulator, line, name, options):
    emulator.faults.add(name, times=1, **options)
    line.post(room(1))
    assert last(emulator)[0] == name
    status, body, said = line.ask('GET', f'{FHIR}/Location')
    assert (status, said) == (200, None)
    assert json.loads(body)['resourceType'] == 'Bundle'
    line.request('GET', '/')
    answer = line.getresponse()
    assert answer.headers['Date'].split()[3] != '2025'
    assert b'SATUSEHAT emulator' in answer.read()


@pytest.mark.parametrize('name, options', [
    ('drop', {'stored': True}), ('drop', {'stored': True, 'send': 10}),
    ('reset', {}), ('endless', {'megabytes': 1})])
def test_what_is_cut_off_ends_the_connection(
        emulator, line, name, options):
    assert line.post(room(1))[0] == 201
    emulator.faults.add(name, times=1, **options)
    with pytest.raises((http.client.HTTPException, ConnectionError)):
        line.post(room(2))
    assert last(emulator)[0] == name
    assert stored(emulator) == 2
    with pytest.raises((http.client.HTTPException, OSError)):
        line.post(room(3))
    assert stored(emulator) == 2


def test_hang_up(emulator, line):
    "The answer is whole, the connection ends without a word."
    emulator.faults.add('hang_up', times=1)
    status, _, said = line.post(room(1))
    assert (status, said) == (201, None)
    assert last(emulator) == ('hang_up', 201, 1)
    with pytest.raises((http.client.HTTPException, OSError)):
        line.post(room(2))
    assert stored(emulator) == 1


# Latency

@pytest.fixture
def pauses(emulator, monkeypatch):
    found = []
    monkeypatch.setattr(
        emulator._server.stopping, 'wait', lambda s: found.append(s))
    return found


def test_latency(emulator, line, pauses):
    line.post(room(1))
    assert pauses == []
    emulator.settings.latency = 200
    assert line.post(room(2))[0] == 201
    assert pauses == [0.1, 0.1]
    line.ask('GET', '/')
    line.ask('GET', '/_emulator/counts')
    assert len(pauses) == 2


def test_latency_is_an_argument():
    with serve(latency=1.5) as emulator:
        assert emulator.settings.latency == 1.5
        assert PlainClient(emulator).log_in().post(
            samples.location()).status == 201


def test_the_measurement_runs():
    done = subprocess.run(
        [sys.executable, '-m', 'tests.emulator.speed', '--count', '3',
            '--connections', '2', '--', '--latency', '1'],
        capture_output=True, text=True, timeout=120,
        cwd=Path(__file__).parents[2])
    assert done.returncode == 0, done.stderr
    assert [line[:4] for line in done.stdout.splitlines()] == [
        'POST', 'GET ', 'GET ', 'GET ', 'GET ']
