# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Fault matrix: what goes wrong before the first byte of a request."

import socket
import ssl

import pytest
from matrix_clinic import bundles, drain, sees, settled
from matrix_doors import SecureDoor, black_hole, certificate, closed_port
from trytond.pool import Pool

STAGING = 'api-satusehat-stg.dto.kemkes.go.id'


def assert_waits_and_is_sent_later(
        clinic, emulator, setting, visit, number, url=None):
    assert sees(clinic, visit, number)['next_attempt']
    assert clinic.read('satusehat.submission', [
            ('encounter', '=', visit)], 'begun_at') == [(None,)]
    held = len(bundles(emulator))
    setting(local_url=url or emulator.url)
    drain(clinic)
    assert clinic.submission(visit)['state'] == 'sent'
    assert len(bundles(emulator)) == held + 1
    settled(clinic, emulator)


@pytest.mark.fault(16)
@pytest.mark.parametrize('is_warm', [False, True], ids=['token', 'bundle'])
def test_closed_port(clinic, emulator, setting, is_warm, request):
    if is_warm:
        request.getfixturevalue('warm')
    with closed_port() as port:
        setting(local_url=f'http://127.0.0.1:{port}')
        visit = clinic.visit()
        clinic.push()
        assert clinic.exchanges()[-1][2:] == (None, 'unreachable')
    assert_waits_and_is_sent_later(clinic, emulator, setting, visit, 16)


@pytest.mark.fault(19)
@pytest.mark.parametrize('is_warm', [False, True], ids=['token', 'bundle'])
def test_black_hole(clinic, emulator, setting, is_warm, request):
    if is_warm:
        request.getfixturevalue('warm')
    setting(connect_timeout=0.5)
    with black_hole() as port:
        setting(local_url=f'http://127.0.0.1:{port}')
        visit = clinic.visit()
        clinic.push()
    (outcome, duration), *_ = clinic.read(
        'satusehat.exchange', [('status', '=', None)], 'outcome', 'duration')
    assert outcome == 'unreachable' and duration < 10_000
    assert_waits_and_is_sent_later(clinic, emulator, setting, visit, 19)


class Resolver:
    "Names that do not resolve: ``broken`` maps them to error numbers"

    def __init__(self, genuine):
        self._genuine = genuine
        self.broken, self.asked = {}, []

    def __call__(self, host, port, *args, **kwargs):
        # Without a port only the configuration is looked at
        if host in self.broken and port is not None:
            self.asked.append(host)
            raise socket.gaierror(self.broken[host], "stub")
        return self._genuine(host, port, *args, **kwargs)


@pytest.fixture
def resolver(monkeypatch):
    resolver = Resolver(socket.getaddrinfo)
    monkeypatch.setattr(socket, 'getaddrinfo', resolver)
    return resolver


ERRORS = pytest.mark.parametrize(
    'error', [socket.EAI_NONAME, socket.EAI_AGAIN],
    ids=['unknown', 'time_out'])


@pytest.mark.fault(17)
@ERRORS
def test_name_that_does_not_resolve_for_a_while(
        clinic, emulator, setting, resolver, error):
    url = emulator.url.replace('127.0.0.1', 'localhost')
    setting(local_url=url)
    resolver.broken['localhost'] = error
    visit = clinic.visit()
    clinic.push()
    assert resolver.asked
    assert clinic.exchanges()[-1][2:] == (None, 'unreachable')
    resolver.broken.clear()
    assert_waits_and_is_sent_later(clinic, emulator, setting, visit, 17, url)


@pytest.mark.fault(17)
@ERRORS
def test_name_of_the_platform_that_does_not_resolve(
        clinic, emulator, resolver, error):
    resolver.broken[STAGING] = error
    company = clinic.branches['A']['company']
    with clinic.transaction():
        pool = Pool()
        pool.get('satusehat.credential').create([{
                    'company': company, 'environment': 'staging',
                    'organization_id': '10000004', 'client_id': 'client-A',
                    'client_secret': 'secret-A'}])
        pool.get('company.company').write(
            [pool.get('company.company')(company)],
            {'satusehat_environment': 'staging'})
    visit = clinic.visit()
    clinic.push()
    assert set(resolver.asked) == {STAGING}
    sees(clinic, visit, 17)
    assert clinic.exchanges()[-1][2:] == (None, 'unreachable')
    assert not emulator.journal.entries()
    settled(clinic, emulator)


@pytest.fixture
def secure_door(monkeypatch, tmp_path):
    "Open a SecureDoor: secure_door(latest protocol, trusted, **certificate)"
    doors = []

    def open_(latest=None, is_trusted=True, **options):
        path = certificate(tmp_path, **options)
        if is_trusted:
            monkeypatch.setenv('REQUESTS_CA_BUNDLE', str(path))
        doors.append(SecureDoor(path, latest))
        return doors[-1]
    yield open_
    for door in doors:
        door.close()


@pytest.mark.fault(18)
@pytest.mark.parametrize('is_warm', [False, True], ids=['token', 'bundle'])
@pytest.mark.parametrize('options', [
        {'days': (-9, -1)},
        {'addresses': (), 'names': ['other.example']},
        {'is_trusted': False},
        {'latest': ssl.TLSVersion.TLSv1},
        {'latest': ssl.TLSVersion.TLSv1_1},
        ], ids=['expired', 'name', 'self_signed', 'tls_1_0', 'tls_1_1'])
def test_unsafe_server_gets_no_byte(
        clinic, emulator, setting, secure_door, options, is_warm, request,
        monkeypatch):
    if is_warm:
        request.getfixturevalue('warm')
    door = secure_door(**options)
    setting(local_url=door.url)
    visit = clinic.visit()
    clinic.push()
    sees(clinic, visit, 18)
    assert clinic.exchanges()[-1][2:] == (None, 'certificate')
    assert door.visits and door.received == b''
    setting(local_url=emulator.url)
    clinic.pass_time(4000)
    clinic.resend(visit)
    clinic.push()
    assert clinic.submission(visit)['state'] == 'sent'
    settled(clinic, emulator)
