# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Fetching the access token."
import json
import struct
from socket import SO_LINGER, SOL_SOCKET
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st
from trytond.modules.satusehat_integration.platform import token, transport
from trytond.modules.satusehat_integration.platform.token import (
    DEFAULT_LIFE,
    LONGEST_LIFE,
    Token,
    expires_in,
    lifetime,
)
from trytond.modules.satusehat_integration.platform.transport import Limits

SECRET = 's3cr&t=+ of% the test'
GRANT = {
    'refresh_token_expires_in': '0', 'api_product_list': '[api-sandbox]',
    'api_product_list_json': ['api-sandbox'],
    'developer.email': 'it@klinik.example', 'token_type': 'BearerToken',
    'issued_at': '1795312800000', 'client_id': 'client-of-the-test',
    'access_token': 'EXAMPLEopaque28characters00', 'scope': '',
    'expires_in': '3599', 'refresh_count': '0', 'status': 'approved'}
REFUSED = {'resourceType': 'OperationOutcome', 'issue': [{
            'severity': 'invalid', 'code': 'value', 'details': {
                'text': "The user or system was not able to be authenticated "
                "(either client_id or client_secret is unacceptable)"}}]}
LIMITED = {'resourceType': 'OperationOutcome', 'issue': [{
            'severity': 'invalid', 'code': 'value', 'details': {
                'text': "Authentication temporarily cannot be performed due "
                "to the rate limit policy."}}]}


def fetch(server, limits=None):
    return token.fetch(
        server.url, 'client-of-the-test', SECRET, limits or Limits())


def test_token(door, wire):
    server = door(wire.says(wire.reply(200, GRANT, x_request_id='r1')))
    granted, answer = fetch(server)
    assert granted.value == 'EXAMPLEopaque28characters00'
    assert granted.expires_in == 3599
    assert lifetime(granted) == 3239
    assert (answer.outcome, answer.status) == ('ok', 200)
    assert (answer.method, answer.path) == ('POST', '/oauth2/v1/accesstoken')
    assert answer.request_id == 'r1'
    assert answer.body is None


def test_request(door, wire):
    server = door(wire.says(wire.reply(200, GRANT)))
    fetch(server)
    request, = server.requests
    assert request.method == 'POST'
    assert request.target == (
        '/oauth2/v1/accesstoken?grant_type=client_credentials')
    assert request.headers['content-type'].startswith(
        'application/x-www-form-urlencoded')
    assert parse_qsl(request.body.decode(), strict_parsing=True) == [
        ('client_id', 'client-of-the-test'), ('client_secret', SECRET)]
    assert 'authorization' not in request.headers
    assert request.headers['user-agent'].startswith('Klinik-RME')


@pytest.mark.parametrize('value, seconds', [
        ('14399', 14399), (3600, 3600), (3599.9, 3599), ('3599.0', 3599),
        ('0', DEFAULT_LIFE), (0, DEFAULT_LIFE), (-5, DEFAULT_LIFE),
        ('-5', DEFAULT_LIFE), (None, DEFAULT_LIFE), ('soon', DEFAULT_LIFE),
        ('nan', DEFAULT_LIFE), (True, DEFAULT_LIFE), ([], DEFAULT_LIFE),
        ({}, DEFAULT_LIFE), ('', DEFAULT_LIFE), ('inf', LONGEST_LIFE),
        (10 ** 99, LONGEST_LIFE), (0.5, DEFAULT_LIFE)])
def test_expires_in(door, wire, value, seconds):
    server = door(wire.says(wire.reply(200, GRANT | {'expires_in': value})))
    granted, _ = fetch(server)
    assert granted.expires_in == seconds


def test_expires_in_missing(door, wire):
    grant = {k: v for k, v in GRANT.items() if k != 'expires_in'}
    granted, _ = fetch(door(wire.says(wire.reply(200, grant))))
    assert granted.expires_in == DEFAULT_LIFE == 300


@given(st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        st.lists))
def test_expires_in_is_always_usable(value):
    seconds = expires_in(value)
    assert type(seconds) is int
    assert 1 <= seconds <= LONGEST_LIFE


def refusals():
    yield 401, REFUSED, 'unauthorized', 'credential'
    yield 400, REFUSED, 'unauthorized', 'credential'
    yield 200, REFUSED, 'unauthorized', 'credential'
    yield (401, {'ErrorCode': 'invalid_client', 'Error': 'ClientId is Invalid'},
        'unauthorized', 'credential')
    yield 400, {'error': 'invalid_request'}, 'unauthorized', 'credential'
    yield 200, {'error': 'invalid_client'}, 'unauthorized', 'credential'
    yield 401, LIMITED, 'throttled', 'rate_limit'
    yield 400, LIMITED, 'throttled', 'rate_limit'
    yield 429, LIMITED, 'throttled', ''
    yield 429, b'', 'throttled', ''
    yield 403, b'<html>', 'edge_blocked', 'html'
    yield 503, b'no healthy upstream', 'server_error', 'http_503'
    yield 504, b'Gateway Timeout', 'server_error', 'http_504'
    yield 500, GRANT, 'server_error', 'http_500'
    yield 200, b'<html>maintenance', 'unrecognised', 'html'
    yield 200, b'', 'unrecognised', 'empty'
    yield 200, b'{"access_token": "a', 'unrecognised', 'not_json'
    yield 200, [GRANT], 'unrecognised', 'not_object'
    yield 200, {}, 'unrecognised', 'no_token'
    for value in (None, '', 5, ['a'], 'a b', 'a\r\nX: y', 'a\n', '\xe9'):
        yield (200, GRANT | {'access_token': value},
            'unrecognised', 'no_token')


@pytest.mark.parametrize('status, body, outcome, reason', list(refusals()))
def test_no_token(door, wire, status, body, outcome, reason):
    if not isinstance(body, bytes):
        body = json.dumps(body).encode()
    server = door(wire.says(wire.reply(status, body)))
    granted, answer = fetch(server)
    assert granted is None
    assert (answer.outcome, answer.reason) == (outcome, reason)
    assert answer.status == status
    assert answer.body is None
    assert len(server.requests) == 1


def test_retry_after(door, wire):
    server = door(wire.says(wire.reply(429, LIMITED, Retry_After='90')))
    _, answer = fetch(server)
    assert answer.retry_after == 90
    assert len(server.requests) == 1


@pytest.mark.parametrize('status', [301, 302, 303, 307, 308])
def test_redirect_is_not_followed(door, wire, status):
    other = door(wire.says(wire.reply(200, GRANT)))
    server = door(wire.says(wire.reply(status, Location=other.url)))
    granted, answer = fetch(server)
    assert granted is None
    assert answer.outcome == 'redirected'
    assert other.connections == 0
    assert len(server.requests) == 1


def test_connect_failure_is_tried_again(monkeypatch):
    opened = []

    def refuse(*args):
        opened.append(args)
        raise ConnectionRefusedError
    monkeypatch.setattr(transport._Limited, '_open', refuse)
    granted, answer = token.fetch('http://127.0.0.1:9', 'id', SECRET, Limits())
    assert granted is None
    assert (answer.outcome, answer.reason) == ('unreachable', 'refused')
    assert len(opened) == 3


def test_lost_answer_is_not_asked_for_again(door):
    def script(sock, request):
        sock.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack('ii', 1, 0))
    server = door(script)
    granted, answer = fetch(server)
    assert granted is None
    assert (answer.outcome, answer.reason) == ('no_answer', 'reset')
    assert len(server.requests) == 1


def test_time_out(door):
    server = door(lambda sock, request: server.stop.wait(30) and None)
    granted, answer = fetch(server, Limits(connect=5, read=0.3, total=5))
    assert granted is None
    assert (answer.outcome, answer.reason) == ('no_answer', 'read_timeout')
    assert len(server.requests) == 1


def test_endless_answer(door):
    def script(sock, request):
        sock.sendall(b'HTTP/1.1 200 OK\r\n\r\n')
        while not server.stop.is_set():
            sock.sendall(b' ' * 65536)
    server = door(script)
    granted, answer = fetch(server)
    assert granted is None
    assert answer.outcome == 'too_large'


def test_netrc_and_proxy_are_not_used(door, wire, monkeypatch, tmp_path):
    netrc = tmp_path / 'netrc'
    netrc.write_text('machine 127.0.0.1 login other password other\n')
    netrc.chmod(0o600)
    monkeypatch.setenv('NETRC', str(netrc))
    proxy = door(wire.says(wire.reply(200, GRANT)))
    monkeypatch.setenv('HTTP_PROXY', proxy.url)
    server = door(wire.says(wire.reply(200, GRANT)))
    granted, _ = fetch(server)
    assert granted is not None
    assert 'authorization' not in server.requests[0].headers
    assert proxy.connections == 0


def test_repr_masks():
    text = repr(Token('EXAMPLEopaque28characters00', 3599, 1.0))
    assert 'EXAMPLE' not in text
    assert '3599' in text


@pytest.mark.parametrize('expires, seconds', [(3599, 3239), (300, 270), (1, 0)])
def test_lifetime(expires, seconds):
    assert lifetime(Token('x', expires, 0.0)) == seconds
