# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"The client against servers that behave well, badly and not at all."
import gzip
import http.client
import json
import os
import socket
import struct
import threading
import tracemalloc
from urllib.parse import unquote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from trytond.modules.satusehat_integration.platform import answer, transport
from trytond.modules.satusehat_integration.platform.answer import is_unknown
from trytond.modules.satusehat_integration.platform.client import (
    Client,
    session_of_thread,
)
from trytond.modules.satusehat_integration.platform.transport import Limits

PATH = '/fhir-r4/v1/Encounter'
TOKEN = 'token-of-the-test'
PATIENT = {'resourceType': 'Patient', 'id': 'P00000000001'}
QUICK = Limits(connect=5, read=0.3, total=5)


def get(door, limits=None, **options):
    options = {'token': TOKEN} | options
    return Client(door.url, limits=limits or Limits()).request(
        'GET', PATH, **options)


def post(door, limits=None, method='POST', **options):
    options = {'token': TOKEN, 'body': b'{}'} | options
    return Client(door.url, limits=limits or Limits()).request(
        method, PATH, **options)


def result(found):
    return found.outcome, found.reason


def test_answer(door, wire):
    server = door(wire.says(wire.reply(
                200, PATIENT, x_request_id='a1b2', ETag='W/"1234567890123456"',
                Date='Sun, 22 Nov 2026 10:00:00 GMT')))
    found = get(server, expect=('Patient',))
    assert found.outcome == 'ok'
    assert (found.method, found.path, found.status) == ('GET', PATH, 200)
    assert found.body == PATIENT
    assert (found.request_id, found.etag) == ('a1b2', 'W/"1234567890123456"')
    assert found.size == len(json.dumps(PATIENT))
    assert type(found.duration) is int
    assert type(found.clock_skew) is float
    assert found.request_sent


def test_request(door, wire):
    server = door(wire.says(wire.reply(200, PATIENT)))
    get(server, params={'identifier': 'https://fhir.kemkes.go.id/id/nik|1'})
    post(server, method='PUT', body=b'{"a": 1}', if_match='W/"v1"')
    read, written = server.requests
    assert read.method == 'GET'
    path, _, query = read.target.partition('?')
    assert path == PATH
    assert '|' not in query
    assert unquote(query) == 'identifier=https://fhir.kemkes.go.id/id/nik|1'
    assert 'content-type' not in read.headers
    assert read.headers['authorization'] == f'Bearer {TOKEN}'
    assert read.headers['user-agent'].startswith('Klinik-RME')
    assert written.method == 'PUT'
    assert written.body == b'{"a": 1}'
    assert written.headers['content-type'] == 'application/json'
    assert written.headers['if-match'] == 'W/"v1"'


def test_connection_is_kept(door, wire):
    server = door(wire.says(wire.reply(200, PATIENT)))
    client = Client(server.url)
    for _ in range(3):
        assert client.request('GET', PATH, token=TOKEN).outcome == 'ok'
    assert server.connections == 1


def test_each_thread_has_its_session():
    sessions = [session_of_thread()]
    thread = threading.Thread(
        target=lambda: sessions.append(session_of_thread()))
    thread.start()
    thread.join()
    assert sessions[0] is session_of_thread()
    assert sessions[0] is not sessions[1]


def test_a_fork_opens_its_own_session(monkeypatch):
    before = session_of_thread()
    monkeypatch.setattr(os, 'getpid', lambda: -1)
    assert session_of_thread() is not before


def test_given_session_is_used(door, wire):
    server = door(wire.says(wire.reply(200, PATIENT)))
    with transport.Session() as session:
        session.headers['X-Mark'] = 'given'
        Client(server.url, session).request('GET', PATH, token=TOKEN)
    assert server.requests[0].headers['x-mark'] == 'given'


def test_configured_limits(door, wire):
    server = door(wire.says(wire.reply(200, PATIENT)))
    assert Client(server.url).request('GET', PATH, token=None).outcome == 'ok'
    assert Limits.configured() == Limits(10, 30, 60, 5 * 2 ** 20)


# Nothing sent

def test_refused_connection(closed_port):
    client = Client(f'http://127.0.0.1:{closed_port}', limits=Limits())
    found = client.request('POST', PATH, token=TOKEN, body=b'{}')
    assert result(found) == ('unreachable', 'refused')
    assert not found.request_sent
    assert found.status is None
    assert not is_unknown(found, write=True)


def test_unknown_name():
    client = Client('http://platform.invalid', limits=Limits())
    found = client.request('POST', PATH, token=TOKEN, body=b'{}')
    assert result(found) == ('unreachable', 'dns')
    assert not found.request_sent


@pytest.mark.parametrize('method', ['GET', 'POST'])
def test_connect_time_out(silent_port, method):
    client = Client(
        f'http://127.0.0.1:{silent_port}', limits=Limits(connect=0.3))
    found = client.request(method, PATH, token=TOKEN)
    assert result(found) == ('unreachable', 'connect_timeout')
    assert not found.request_sent


def test_second_address_is_tried(door, wire, monkeypatch):
    server = door(wire.says(wire.reply(200, PATIENT)))
    monkeypatch.setattr(socket, 'getaddrinfo', resolver('127.0.0.2', '127.0.0.1'))
    client = Client(f'http://localhost:{server.port}', limits=Limits())
    assert client.request('POST', PATH, token=TOKEN).outcome == 'ok'


def resolver(*addresses):
    original = socket.getaddrinfo

    def getaddrinfo(host, port, *args, **kwargs):
        if host[0].isdigit():
            return original(host, port, *args, **kwargs)
        return [(
                socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, '',
                (address, port)) for address in addresses]
    return getaddrinfo


@pytest.mark.parametrize('base, addresses', [
        ('https://api-satusehat.kemkes.go.id', ['127.0.0.1']),
        ('https://api-satusehat.kemkes.go.id', ['10.0.0.1']),
        ('https://api-satusehat.kemkes.go.id', ['103.1.2.3', '127.0.0.1']),
        ('http://localhost:{port}', ['203.0.113.5']),
        ('http://localhost:{port}', ['127.0.0.1', '203.0.113.5']),
        ('http://elsewhere.example:{port}', ['203.0.113.5']),
        ])
def test_name_that_resolves_elsewhere(
        door, wire, monkeypatch, base, addresses):
    server = door(wire.says(wire.reply(200, PATIENT)))
    opened = []
    monkeypatch.setattr(socket, 'getaddrinfo', resolver(*addresses))
    monkeypatch.setattr(
        transport._Limited, '_open', lambda *args: opened.append(args))
    client = Client(base.format(port=server.port), limits=Limits())
    found = client.request('POST', PATH, token=TOKEN, body=b'{}')
    assert result(found) == ('unreachable', 'address')
    assert not found.request_sent
    assert not opened


@pytest.mark.parametrize('method, tries', [
        ('GET', 3), ('POST', 1), ('PUT', 1), ('PATCH', 1)])
def test_only_reads_try_again_to_connect(monkeypatch, method, tries):
    opened = []

    def refuse(*args):
        opened.append(args)
        raise ConnectionRefusedError
    monkeypatch.setattr(transport._Limited, '_open', refuse)
    client = Client('http://127.0.0.1:9', limits=Limits())
    found = client.request(method, PATH, token=TOKEN)
    assert result(found) == ('unreachable', 'refused')
    assert len(opened) == tries


def test_read_succeeds_at_second_try(door, wire, monkeypatch):
    server = door(wire.says(wire.reply(200, PATIENT), keep=False))
    faults = [ConnectionRefusedError]
    original = transport._Limited._open

    def once_refused(*args):
        if faults:
            raise faults.pop()
        return original(*args)
    monkeypatch.setattr(transport._Limited, '_open', once_refused)
    assert get(server).outcome == 'ok'


def test_body_over_the_limit_is_not_sent(door, wire):
    server = door(wire.says(wire.reply(200, PATIENT)))
    found = post(server, Limits(size=10), body=b'x' * 11)
    assert result(found) == ('too_large', 'request')
    assert not found.request_sent
    assert server.connections == 0


# Sent, without a usable answer

def silent(sock, request, stop):
    stop.wait(30)


def reset(sock, request, stop):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))


def reset_in_body(sock, request, stop):
    sock.sendall(b'HTTP/1.1 201 Created\r\nContent-Length: 100\r\n\r\n{"id"')
    reset(sock, request, stop)


def closed(sock, request, stop):
    pass


def cut(sock, request, stop):
    sock.sendall(b'HTTP/1.1 201 Created\r\nContent-Length: 100\r\n\r\n{"id"')


def cut_in_chunk(sock, request, stop):
    sock.sendall(
        b'HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n20\r\n{"i')


def nonsense(sock, request, stop):
    sock.sendall(b'SSH-2.0-OpenSSH_9.2\r\n\r\n')


def long_header(sock, request, stop):
    sock.sendall(b'HTTP/1.1 200 OK\r\nX: ' + b'x' * 70000 + b'\r\n\r\n{}')


def many_headers(sock, request, stop):
    sock.sendall(b'HTTP/1.1 200 OK\r\n' + b'X: x\r\n' * 200 + b'\r\n{}')


def silent_in_body(sock, request, stop):
    sock.sendall(b'HTTP/1.1 201 Created\r\nContent-Length: 100\r\n\r\n{"id"')
    stop.wait(30)


LOST = [
    (silent, {'read_timeout'}), (silent_in_body, {'read_timeout'}),
    (reset, {'reset'}), (reset_in_body, {'reset', 'cut'}),
    (closed, {'reset'}), (cut, {'cut'}), (cut_in_chunk, {'cut'}),
    (nonsense, {'protocol'}), (long_header, {'protocol', 'reset'}),
    (many_headers, {'protocol', 'reset'}),
    ]


@pytest.mark.parametrize('method', ['POST', 'PUT', 'PATCH', 'GET'])
@pytest.mark.parametrize('fault, reasons', LOST, ids=lambda v: getattr(
        v, '__name__', ''))
def test_lost_answer_is_not_asked_for_again(door, fault, reasons, method):
    server = door(lambda sock, request: fault(sock, request, server.stop))
    found = post(server, QUICK, method=method)
    assert found.outcome == 'no_answer'
    assert found.reason in reasons
    assert found.request_sent
    assert found.body is None
    assert is_unknown(found, write=method != 'GET') is (method != 'GET')
    assert len(server.requests) == 1


def test_dropped_kept_connection_loses_only_its_request(door, wire):
    answers = [wire.reply(200, PATIENT)]

    def script(sock, request):
        if answers:
            sock.sendall(answers.pop())
            return True
    server = door(script)
    client = Client(server.url, limits=Limits())
    assert client.request('POST', PATH, token=TOKEN, body=b'1').outcome == 'ok'
    found = client.request('POST', PATH, token=TOKEN, body=b'2')
    assert result(found) == ('no_answer', 'reset')
    assert [r.body for r in server.requests] == [b'1', b'2']


def drip(sock, stop, data):
    for byte in data:
        if stop.wait(0.02):
            return
        sock.sendall(bytes([byte]))


@pytest.mark.parametrize('head, drops', [
        (b'', b'HTTP/1.1 200 OK' + b' ' * 10000),
        (b'HTTP/1.1 200 OK\r\n', b'X: ' + b'x' * 10000),
        (b'HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\n', b'x' * 10000),
        (b'HTTP/1.1 200 OK\r\n\r\n', b'x' * 10000),
        (b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n',
            b'1\r\nx\r\n' * 2000),
        ], ids=['status', 'header', 'body', 'until_close', 'chunks'])
def test_dripping_answer(door, head, drops):
    def script(sock, request):
        sock.sendall(head)
        drip(sock, server.stop, drops)
    server = door(script)
    found = post(server, Limits(connect=5, read=5, total=0.5))
    assert result(found) == ('no_answer', 'total_timeout')
    assert is_unknown(found, write=True)


def test_server_that_does_not_read():
    with socket.create_server(('127.0.0.1', 0)) as listener:
        client = Client(
            'http://127.0.0.1:%s' % listener.getsockname()[1],
            limits=Limits(connect=5, read=5, total=0.5, size=2 ** 30))
        found = client.request(
            'POST', PATH, token=TOKEN, body=bytes(64 * 2 ** 20))
    assert result(found) == ('no_answer', 'total_timeout')
    assert found.request_sent


def test_sending_has_the_time_of_reading(door, wire, monkeypatch):
    server = door(wire.says(wire.reply(200, PATIENT)))
    patience = []
    send = http.client.HTTPConnection.send

    def watched(connection, data):
        patience.append(connection.sock.gettimeout())
        return send(connection, data)
    monkeypatch.setattr(http.client.HTTPConnection, 'send', watched)
    limits = Limits(connect=2, read=20, total=50)
    with transport.Session() as session:
        client = Client(server.url, session, limits)
        for _ in range(2):
            client.request('POST', PATH, token=TOKEN, body=b'{}')
    assert patience
    assert set(patience) == {20}


# Sizes

def test_announced_huge_answer(door, wire):
    server = door(wire.says(wire.reply(200, b'{', Content_Length=10 ** 12)))
    found = post(server)
    assert result(found) == ('too_large', 'size')
    assert found.status == 200
    assert is_unknown(found, write=True)


@pytest.mark.parametrize('head, chunk', [
        (b'', b'x' * 65536),
        (b'Transfer-Encoding: chunked\r\n', b'10000\r\n' + b'x' * 65536 + b'\r\n'),
        ], ids=['until_close', 'chunked'])
def test_endless_answer(door, head, chunk):
    def script(sock, request):
        sock.sendall(b'HTTP/1.1 200 OK\r\n' + head + b'\r\n')
        while not server.stop.is_set():
            sock.sendall(chunk)
    server = door(script)
    assert result(post(server)) == ('too_large', 'size')


def test_gzip(door, wire):
    server = door(wire.says(wire.reply(
                200, gzip.compress(json.dumps(PATIENT).encode()),
                Content_Encoding='gzip')))
    found = get(server)
    assert found.body == PATIENT
    assert found.size == len(json.dumps(PATIENT))
    assert server.requests[0].headers['accept-encoding'] == 'gzip'


def test_gzip_bomb(door, wire):
    bomb = gzip.compress(bytes(200 * 2 ** 20), compresslevel=1)
    assert len(bomb) < 2 ** 20
    server = door(wire.says(wire.reply(200, bomb, Content_Encoding='gzip')))
    tracemalloc.start()
    try:
        found = post(server)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert result(found) == ('too_large', 'size')
    assert peak < 20 * 2 ** 20


@pytest.mark.parametrize('encoding, body', [
        ('gzip', b'{"id": "a"}'),
        ('gzip', gzip.compress(b'{"id": "a"}', mtime=0)[:-4]),
        ('br', b'\x0b\x02\x80{}\x03'),
        ('gzip, gzip', gzip.compress(gzip.compress(b'{}', mtime=0), mtime=0)),
        ])
def test_wrong_compression(door, wire, encoding, body):
    server = door(wire.says(wire.reply(200, body, Content_Encoding=encoding)))
    found = post(server)
    assert result(found) == ('unrecognised', 'encoding')
    assert is_unknown(found, write=True)


# Answers by content: the whole table is tested on classify

@pytest.mark.parametrize('status, body, kind, expected', [
        (200, b'<html>', 'text/html', 'unrecognised'),
        (201, b'{"id": ', 'application/json', 'unrecognised'),
        (201, b'', 'application/json', 'unrecognised'),
        (401, {'fault': {'faultstring': 'Invalid access token', 'detail': {
                        'errorcode': 'oauth.v2.InvalidAccessToken'}}},
            'application/json', 'unauthorized'),
        (401, {'fault': {'detail': {'errorcode': 'keymanagement.service.'
                        'InvalidAPICallAsNoApiProductMatchFound'}}},
            'application/json', 'no_product'),
        (403, b'<html>403', 'text/html', 'edge_blocked'),
        (404, b'', 'text/html', 'not_found'),
        (503, b'no healthy upstream', 'text/plain', 'server_error'),
        (200, {'resourceType': 'OperationOutcome', 'issue': [
                    {'severity': 'error', 'code': 'duplicate'}]},
            'application/json', 'duplicate'),
        ])
def test_content(door, wire, status, body, kind, expected):
    server = door(wire.says(wire.reply(status, body, kind)))
    found = post(server)
    assert (found.outcome, found.status) == (expected, status)
    assert len(server.requests) == 1


@pytest.mark.parametrize('value, seconds', [
        ('120', 120), ('Sun, 22 Nov 2026 10:01:30 GMT', 90),
        ('Sun, 22 Nov 2020 10:00:00 GMT', 1), ('99999999', 3600),
        ('soon', None), (None, None)])
@pytest.mark.parametrize('status, expected', [
        (429, 'throttled'), (503, 'server_error')])
def test_retry_after_is_told_not_obeyed(
        door, wire, status, expected, value, seconds):
    headers = {'Date': 'Sun, 22 Nov 2026 10:00:00 GMT'}
    if value:
        headers['Retry-After'] = value
    server = door(wire.says(wire.reply(status, **headers)))
    found = get(server)
    assert (found.outcome, found.retry_after) == (expected, seconds)
    assert len(server.requests) == 1


@pytest.mark.parametrize('status', [301, 302, 303, 307, 308])
@pytest.mark.parametrize('method', ['GET', 'POST'])
def test_redirect_is_not_followed(door, wire, status, method):
    other = door(wire.says(wire.reply(200, PATIENT)))
    server = door(wire.says(wire.reply(status, Location=other.url + PATH)))
    found = post(server, method=method)
    assert result(found) == ('redirected', f'http_{status}')
    assert other.connections == 0
    assert len(server.requests) == 1


# What surrounds us

def test_cookies_do_not_travel(door, wire):
    server = door(wire.says(
            wire.reply(200, PATIENT, Set_Cookie='branch=a; Path=/')))
    get(server)
    get(server)
    assert len(server.requests) == 2
    assert not any('cookie' in r.headers for r in server.requests)


@pytest.mark.parametrize('token', [TOKEN, None])
def test_netrc_is_not_used(door, wire, monkeypatch, tmp_path, token):
    netrc = tmp_path / 'netrc'
    netrc.write_text('machine 127.0.0.1 login other password other\n')
    netrc.chmod(0o600)
    monkeypatch.setenv('NETRC', str(netrc))
    server = door(wire.says(wire.reply(200, PATIENT)))
    get(server, token=token)
    assert server.requests[0].headers.get('authorization') == (
        f'Bearer {token}' if token else None)


@pytest.mark.parametrize('name', ['http_proxy', 'HTTP_PROXY', 'ALL_PROXY'])
def test_loopback_needs_no_proxy(door, wire, monkeypatch, name):
    proxy = door(wire.says(wire.reply(200, PATIENT)))
    monkeypatch.setenv(name, proxy.url)
    server = door(wire.says(wire.reply(200, PATIENT)))
    assert get(server).outcome == 'ok'
    assert proxy.connections == 0
    assert server.requests[0].target == PATH


def test_proxy_serves_the_platform(door, wire, monkeypatch):
    proxy = door(wire.says(wire.reply(403, b'no', 'text/plain'), keep=False))
    monkeypatch.setenv('HTTPS_PROXY', proxy.url)
    client = Client('https://api-satusehat-stg.dto.kemkes.go.id', limits=Limits())
    found = client.request('POST', PATH, token=TOKEN, body=b'{"nik": 1}')
    assert result(found) == ('unreachable', 'proxy')
    assert not found.request_sent
    request, = proxy.requests
    assert request.line.startswith(
        'CONNECT api-satusehat-stg.dto.kemkes.go.id:443 ')
    assert 'authorization' not in request.headers
    assert request.body == b''


# Arguments

@pytest.mark.parametrize('path', [
        '', 'Encounter', '@evil.example/', '//evil.example', '/a?b=1', '/a#b',
        '/a/../b', '/a/./b', '/a b', '/a\r\nX: y', '/a\\b', '/%2e%2e', '/a/'])
def test_path_is_plain(path):
    with pytest.raises(ValueError, match="^path is not absolute and plain$"):
        Client('http://127.0.0.1:9').request('GET', path, token=None)


@pytest.mark.parametrize('name', ['token', 'if_match'])
@pytest.mark.parametrize('value', ['', 'a b', 'a\r\nX: y', 'a\n', '\xe9'])
def test_header_values_are_visible_ascii(name, value):
    with pytest.raises(ValueError, match="^token or ETag does not fit"):
        Client('http://127.0.0.1:9').request(
            'GET', PATH, **({'token': None} | {name: value}))


def test_other_methods_and_bodies():
    client = Client('http://127.0.0.1:9')
    with pytest.raises(ValueError, match="method"):
        client.request('DELETE', PATH, token=None)
    with pytest.raises(TypeError, match="bytes"):
        client.request('POST', PATH, token=None, body='text')


# Whatever the other side says

wild_answers = st.one_of(
    st.binary(min_size=1),
    st.tuples(
        st.sampled_from([b'HTTP/1.1 ', b'HTTP/1.0 ', b'HTTP/9 ']),
        st.sampled_from([b'200 OK', b'201', b'400 ', b'000 x', b'99999 x', b'']),
        st.sampled_from([b'\r\n', b'\n', b' ']),
        st.lists(st.sampled_from([
                    b'Content-Length: 5\r\n', b'Content-Length: -1\r\n',
                    b'Content-Length: x\r\n', b'Transfer-Encoding: chunked\r\n',
                    b'Content-Encoding: gzip\r\n', b'Retry-After: \xff\r\n',
                    b'ETag: \x00\x85\r\n', b': \r\n', b'Location: ::\r\n',
                    b'Date: 1\r\n', b'Set-Cookie: =;=\r\n', b' folded\r\n'])
            ).map(b''.join),
        st.just(b'\r\n'), st.binary()).map(b''.join))


@settings(
    deadline=None, max_examples=150,
    suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=wild_answers)
def test_no_answer_raises(door, data):
    server = door(lambda sock, request: sock.sendall(data))
    found = post(server, Limits(connect=5, read=5, total=5))
    server.close()
    assert found.outcome in answer.OUTCOMES
    assert found.request_sent
    assert len(server.requests) == 1
    for text in (found.request_id, found.etag):
        assert '\x00' not in text
        text.encode()


def test_fault_of_a_library_does_not_escape(door, wire, monkeypatch, caplog):
    def broken(self, *args, **kwargs):
        raise KeyError('secret of the answer')
    monkeypatch.setattr(http.client.HTTPResponse, 'begin', broken)
    server = door(wire.says(wire.reply(200, PATIENT)))
    found = post(server)
    assert found.outcome == 'no_answer'
    assert 'unforeseen KeyError' in caplog.text
    assert 'secret of the answer' not in caplog.text
