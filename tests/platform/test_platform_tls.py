# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"No byte of a request leaves before the server's certificate is accepted."
import ssl
import warnings

import pytest
from trytond.modules.satusehat_integration.platform import token
from trytond.modules.satusehat_integration.platform.client import Client
from trytond.modules.satusehat_integration.platform.transport import Limits, Session
from urllib3.connection import HTTPSConnection

PATH = '/fhir-r4/v1/Encounter'
PATIENT = {'resourceType': 'Patient', 'id': 'P00000000001'}


def post(server, session=None):
    return Client(server.url, session, Limits()).request(
        'POST', PATH, token='token-of-the-test', body=b'{"nik": 1}')


@pytest.fixture
def trust(monkeypatch):
    return lambda path: monkeypatch.setenv('REQUESTS_CA_BUNDLE', str(path))


def test_trusted(door, wire, tls_context, tmp_path, trust):
    path = wire.certificate(tmp_path)
    trust(path)
    server = door(wire.says(wire.reply(200, PATIENT)), tls_context(path))
    assert post(server).outcome == 'ok'
    assert post(server).outcome == 'ok'
    assert server.connections == 1
    assert server.requests[0].body == b'{"nik": 1}'


def test_least_protocol(
        door, wire, tls_context, tmp_path, trust, monkeypatch):
    path = wire.certificate(tmp_path)
    trust(path)
    server = door(wire.says(wire.reply(200, PATIENT)), tls_context(path))
    least = []
    connect = HTTPSConnection.connect

    def watched(connection):
        connect(connection)
        least.append(connection.sock.context.minimum_version)
    monkeypatch.setattr(HTTPSConnection, 'connect', watched)
    assert post(server, Session()).outcome == 'ok'
    assert least == [ssl.TLSVersion.TLSv1_2]


@pytest.mark.parametrize('trusted, options, reason', [
        (False, {}, 'self_signed'),
        (True, {'addresses': (), 'names': ['other.example']}, 'hostname'),
        (True, {'addresses': ['127.0.0.2']}, 'hostname'),
        (True, {'days': (-9, -1)}, 'expired'),
        (True, {'days': (1, 9)}, 'not_yet_valid'),
        ])
def test_refused_certificate(
        door, wire, tls_context, tmp_path, trust, trusted, options, reason):
    path = wire.certificate(tmp_path, **options)
    if trusted:
        trust(path)
    server = door(wire.says(wire.reply(200, PATIENT)), tls_context(path))
    found = post(server)
    assert (found.outcome, found.reason) == ('certificate', reason)
    assert not found.request_sent
    refused, answer = token.fetch(server.url, 'id', 'secret', Limits())
    assert refused is None
    assert (answer.outcome, answer.reason) == ('certificate', reason)
    assert not answer.request_sent
    server.close()
    assert server.requests == []


def test_verification_cannot_be_switched_off(
        door, wire, tls_context, tmp_path):
    server = door(
        wire.says(wire.reply(200, PATIENT)),
        tls_context(wire.certificate(tmp_path)))
    with Session() as session:
        session.verify = False
        found = post(server, session)
    assert found.outcome == 'certificate'
    server.close()
    assert server.requests == []


def test_old_protocol(door, wire, tls_context, tmp_path, trust):
    path = wire.certificate(tmp_path)
    trust(path)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore', DeprecationWarning)
        context = tls_context(path, ssl.TLSVersion.TLSv1_1)
    server = door(wire.says(wire.reply(200, PATIENT)), context)
    found = post(server)
    assert (found.outcome, found.reason) == ('certificate', 'tls')
    assert not found.request_sent


def test_server_without_tls(door, wire):
    server = door(lambda sock, request: None)
    server.url = server.url.replace('http:', 'https:')
    server._read = lambda sock: sock.sendall(b'HTTP/1.1 400 Bad\r\n\r\n')
    found = post(server)
    assert (found.outcome, found.reason) == ('certificate', 'tls')
    assert not found.request_sent


def test_connection_lost_in_handshake(door):
    server = door(lambda sock, request: None)
    server.url = server.url.replace('http:', 'https:')
    server._read = lambda sock: None
    found = post(server)
    assert (found.outcome, found.reason) == ('unreachable', 'connection')
    assert not found.request_sent


def test_silence_in_handshake(door):
    server = door(lambda sock, request: None)
    server.url = server.url.replace('http:', 'https:')
    server._read = lambda sock: server.stop.wait(30) and None
    found = Client(server.url, limits=Limits(connect=0.3)).request(
        'POST', PATH, token='token-of-the-test', body=b'{}')
    assert (found.outcome, found.reason) == ('unreachable', 'connect_timeout')
    assert not found.request_sent


def test_missing_bundle(door, wire, tls_context, tmp_path, trust):
    trust(tmp_path / 'nowhere.pem')
    server = door(
        wire.says(wire.reply(200, PATIENT)),
        tls_context(wire.certificate(tmp_path)))
    found = post(server)
    assert (found.outcome, found.reason) == ('certificate', 'ca_bundle')
    assert not found.request_sent
