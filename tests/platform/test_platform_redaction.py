# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Secrets, tokens and NIK stay out of logs, texts and representations."
import logging
import sys
import traceback

import pytest
from trytond.modules.satusehat_integration.platform import redaction, token, transport
from trytond.modules.satusehat_integration.platform.client import Client
from trytond.modules.satusehat_integration.platform.redaction import QueryFilter
from trytond.modules.satusehat_integration.platform.transport import Limits

PATH = '/fhir-r4/v1/Patient'
NIK = '9999990101900001'
TOKEN = 'CANARYtokenCANARY'
SECRET = 'CANARYsecretCANARY'
NAME = 'CanarySiti'
CANARIES = (NIK, TOKEN, SECRET, NAME, 'CANARY')
LIMITS = Limits(connect=5, read=0.3, total=2)


FAULTS = {
    'ok': (200, {'resourceType': 'Patient', 'name': NAME}),
    'refused': (400, {'resourceType': 'OperationOutcome', 'issue': [
                {'severity': 'error', 'code': 'value',
                    'details': {'text': f'Code not found: {NIK}'}}]}),
    'server_error': (500, {'message': NAME}),
    'html': (200, f'<html>{NAME}'.encode()),
    'malformed': (200, f'{{"name": "{NAME}", NaN'.encode()),
    'redirected': (302, b''),
    }


def exercise(url):
    "Make a request of each kind; return all that a caller gets to see."
    client = Client(url, limits=LIMITS)
    search = [
        ('identifier', f'https://fhir.kemkes.go.id/id/nik|{NIK}'),
        ('name', NAME)]
    body = f'{{"nik": "{NIK}", "name": "{NAME}"}}'.encode()
    answers = [
        client.request('GET', PATH, token=TOKEN, params=search),
        client.request('POST', PATH, token=TOKEN, body=body),
        client.request('PUT', PATH, token=TOKEN, body=body, if_match='W/"1"'),
        ]
    fetched, answer = token.fetch(url, 'client', SECRET, LIMITS)
    answers.append(answer)
    return ' '.join(
        form(thing) for thing in [client, fetched, *answers]
        for form in (repr, str))


@pytest.fixture
def log(caplog):
    caplog.set_level(logging.DEBUG)
    for name in ('urllib3', 'requests', 'authlib'):
        caplog.set_level(logging.DEBUG, logger=name)
    return caplog


def leaked(log, seen):
    format_ = logging.Formatter().format
    text = seen + ' '.join(
        format_(record) + repr(record.args) + repr(record.msg)
        for record in log.records)
    return [canary for canary in CANARIES if canary in text]


@pytest.mark.parametrize('status, body', FAULTS.values(), ids=FAULTS)
def test_answers(door, wire, log, status, body):
    server = door(wire.says(wire.reply(
                status, body, Location=f'http://127.0.0.1:9/?nik={NIK}')))
    seen = exercise(server.url)
    assert len(server.requests) == 4
    assert NIK in server.requests[0].target
    assert f'{PATH}?...' in log.text
    assert not leaked(log, seen)


@pytest.mark.parametrize('answer', [
        b'', b'rubbish ' + NAME.encode() + b'\r\n\r\n',
        b'HTTP/1.1 200 OK\r\n folded\r\nX: y\r\n\r\n{}',
        b'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{'],
    ids=['reset', 'protocol', 'header', 'cut'])
def test_lost_answers(door, log, answer):
    def script(sock, request):
        sock.sendall(answer)
    server = door(script)
    seen = exercise(server.url)
    assert len(server.requests) == 4
    assert not leaked(log, seen)


def test_no_connection(log, closed_port):
    seen = exercise(f'http://127.0.0.1:{closed_port}')
    assert 'Incremented Retry' in log.text
    assert not leaked(log, seen)


def test_time_out(door, log):
    server = door(lambda sock, request: server.stop.wait(30) and None)
    seen = exercise(server.url)
    assert not leaked(log, seen)


def test_wrong_arguments():
    client = Client('http://127.0.0.1:9', limits=LIMITS)
    for arguments in (
            {'path': f'{PATH}?identifier={NIK}', 'token': TOKEN},
            {'path': PATH, 'token': f'{TOKEN} {SECRET}'},
            {'path': PATH, 'token': TOKEN, 'if_match': f'{NIK} '},
            {'path': PATH, 'token': TOKEN, 'body': NIK}):
        with pytest.raises((ValueError, TypeError)) as raised:
            client.request('GET', **arguments)
        text = ''.join(traceback.format_exception_only(raised.value))
        assert not [c for c in CANARIES if c in text]


def test_session_shows_nothing():
    with token._Session('client', SECRET) as session:
        assert SECRET not in repr(session)
    assert 'CANARY' not in repr(transport.Session())


# The filter itself

@pytest.fixture
def filtered():
    def make(message, *args, exc_info=None):
        record = logging.LogRecord(
            'urllib3', logging.DEBUG, __file__, 1, message, args, exc_info)
        assert QueryFilter().filter(record) is True
        return logging.Formatter().format(record)
    return make


@pytest.mark.parametrize('message, args, expected', [
        ('%s "%s %s"', ('http://h:1', 'GET', f'/a?identifier=x%7C{NIK}'),
            'http://h:1 "GET /a?..."'),
        ("Incremented Retry for (url='%s'): %r", (f'/a?nik={NIK}', 1),
            "Incremented Retry for (url='/a?...'): 1"),
        ('Redirecting %s -> %s', ('/a?b=1', 'http://h/c?d=2'),
            'Redirecting /a?... -> http://h/c?...'),
        ('nothing here', (), 'nothing here'),
        ('a question? yes', (), 'a question? yes'),
        (f'number {NIK}!', (), 'number ################!'),
        ('%d', ('no number',), 'unreadable log record'),
        ('%(a)s', ({},), 'unreadable log record'),
        ])
def test_filter(filtered, message, args, expected):
    assert filtered(message, *args) == expected


def test_filter_reduces_tracebacks(filtered):
    try:
        raise ValueError(f'http://h/a?nik={NIK}')
    except ValueError:
        text = filtered('failed', exc_info=sys.exc_info())
    assert text == 'failed (ValueError)'


def test_install_twice_filters_once():
    redaction.install()
    redaction.install()
    logger = logging.getLogger('urllib3.connectionpool')
    assert len([
            f for f in logger.filters if isinstance(f, QueryFilter)]) == 1


def test_sessions_install_it():
    logger = logging.getLogger('urllib3.connectionpool')
    for present in list(logger.filters):
        logger.removeFilter(present)
    transport.Session().close()
    assert [f for f in logger.filters if isinstance(f, QueryFilter)]


@pytest.mark.parametrize('text, masked', [
        (NIK, '#' * 16), (f'a{NIK}b', f'a{"#" * 16}b'),
        (NIK + '1', NIK + '1'), (NIK[:-1], NIK[:-1])])
def test_mask_nik(text, masked):
    assert redaction.mask_nik(text) == masked
