# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Fault matrix: the platform limits, fails for long, or refuses a branch."

import signal
import threading

import pytest
from gateway import FHIR
from matrix_clinic import bundles, drain, sees, settled
from matrix_doors import closed_port
from trytond.pool import Pool

CONNECTIONS = 8
# A breaker opens after so many failures in a row; what has left meanwhile
# comes back later
FAILURES = 5


def gates(clinic):
    "Return {client id or '' for the host: the gate's values}"
    names = ['blocked_until', 'open_until', 'failures', 'problem']
    with clinic.transaction(user=0):
        return {
            g.client_id or '': {name: getattr(g, name) for name in names}
            for g in Pool().get('satusehat.gate').search([])}


def seconds_blocked(clinic, client='client-A'):
    from trytond.modules.satusehat_integration.gate import database_now
    until = gates(clinic)[client]['blocked_until']
    with clinic.transaction(user=0):
        return (until - database_now()).total_seconds()


def untried(clinic, visits):
    "Return the visits whose submissions nobody has tried yet"
    return [
        v for v in visits if (
            clinic.submission(v)['state'],
            clinic.submission(v)['attempts']) == ('pending', 0)]


@pytest.mark.fault(27, 28)
@pytest.mark.parametrize('form, least, most', [
        ('seconds', 110, 120), ('date', 110, 120), ('past', 0, 1),
        ('absurd', 3590, 3600), ('negative', 0, 1), ('garbage', 50, 60),
        ('none', 50, 60)])
def test_limit_stops_the_client_and_no_other(
        clinic, emulator, warm, form, least, most):
    emulator.faults.add(
        'rate_limit', form=form, client='client-A', resource='Bundle',
        times=1)
    limited = [clinic.visit('A')]
    clinic.push()
    assert bundles(emulator)[-1]['status'] == 429
    assert sees(clinic, limited[0], 28)['state'] == 'waiting'
    if least:
        assert least < seconds_blocked(clinic) <= most
        limited.append(clinic.visit('A'))
        other = clinic.visit('B')
        sent = len(bundles(emulator))
        clinic.push()
        assert clinic.submission(other)['state'] == 'sent'
        assert len(bundles(emulator)) == sent + 1
        clinic.pass_time(least - 10)
        clinic.push()
        assert len(bundles(emulator)) == sent + 1
        assert untried(clinic, limited) == limited[1:]
        for visit in limited:
            sees(clinic, visit, 27)
    clinic.pass_time(most + 10)
    clinic.push()
    assert {clinic.submission(v)['state'] for v in limited} == {'sent'}
    settled(clinic, emulator)


@pytest.mark.fault(16, 29)
@pytest.mark.parametrize('fault', ['closed_port', 'server_error'])
def test_host_that_fails_for_an_hour_is_left_alone(
        clinic, emulator, warm, setting, fault):
    visits = [clinic.visit('AB'[n % 2]) for n in range(14)]
    number = {'closed_port': 16, 'server_error': 29}[fault]
    with closed_port() as port:
        if fault == 'closed_port':
            setting(local_url=f'http://127.0.0.1:{port}')
        else:
            emulator.faults.add('server_error', endpoint='any', status=503)
        clinic.push()
        tried = len(clinic.exchanges(path=FHIR)) - 2
        assert FAILURES <= tried < FAILURES + CONNECTIONS
        assert gates(clinic)['']['open_until']
        assert len(untried(clinic, visits)) == len(visits) - tried
        for visit in set(visits) - set(untried(clinic, visits)):
            assert sees(clinic, visit, number)['state'] == 'waiting'
        asked = len(clinic.exchanges())
        clinic.push()
        assert len(clinic.exchanges()) == asked, "left alone for a minute"
        for minutes in (1, 2, 4, 8, 15, 15, 15):
            asked = len(clinic.exchanges())
            clinic.pass_time(60 * minutes + 1)
            clinic.push()
            assert len(clinic.exchanges()) == asked + 1, "one probe"
    emulator.faults.clear()
    setting(local_url=emulator.url)
    drain(clinic)
    assert {clinic.submission(v)['state'] for v in visits} == {'sent'}
    assert len(emulator.store.find('Encounter')) == 16
    settled(clinic, emulator)


@pytest.mark.fault(46)
@pytest.mark.parametrize('status, number', [(403, 20003), (400, 20004)])
def test_branch_that_may_not_waits_by_itself(
        clinic, emulator, warm, setting, status, number):
    setting(connections=1)
    emulator.faults.add(
        'no_permission', client='client-A', resource='Bundle', status=status,
        number=number)
    visits = [clinic.visit('A') for _ in range(8)]
    other = clinic.visit('B')
    clinic.push()
    refused = [v for v in visits if v not in untried(clinic, visits)]
    assert 1 <= len(refused) <= 2
    for visit in refused:
        submission = sees(clinic, visit, 46)
        assert (submission['state'], submission['reason']) == (
            'needs_admin', 'forbidden')
    assert clinic.submission(other)['state'] == 'sent'
    emulator.faults.clear()
    clinic.pass_time(1000)
    clinic.push()
    drain(clinic)
    assert {clinic.submission(v)['state'] for v in visits} == {'sent'}
    settled(clinic, emulator)


@pytest.mark.fault(46)
def test_visit_that_the_patient_does_not_consent_to(clinic, emulator, warm):
    emulator.faults.add('forbidden', resource='Bundle', times=1)
    refused = clinic.visit()
    clinic.push()
    assert sees(clinic, refused, 46)['state'] == 'needs_admin'
    other = clinic.visit()
    clinic.push()
    assert clinic.submission(other)['state'] == 'sent'
    clinic.resend(refused)
    clinic.push()
    assert clinic.submission(refused)['state'] == 'sent'
    settled(clinic, emulator)


@pytest.mark.fault(25)
def test_slow_branch_does_not_slow_the_others(
        clinic, emulator, warm, gateway):
    others_are_sent = threading.Event()
    slow = [clinic.visit('A') for _ in range(4)]
    others = [clinic.visit('B') for _ in range(8)]
    left = len(others)
    waited = []

    def wait(exchange):
        nonlocal left
        answer = exchange.forward()
        if exchange.seen.token == clients['client-A']:
            waited.append(others_are_sent.wait(20))
        else:
            left -= 1
            if not left:
                others_are_sent.set()
        exchange.hand_back(answer)
    clients = {'client-A': kept_token(clinic, 'client-A')}
    gateway.always('POST', FHIR, wait)
    clinic.push()
    assert waited == [True] * len(slow)
    for visit in slow + others:
        assert sees(clinic, visit, 25)['state'] == 'sent'
    settled(clinic, emulator)


def kept_token(clinic, client):
    from trytond.modules.satusehat_integration.gate import database_now
    with clinic.transaction(user=0):
        gate = Pool().get('satusehat.gate').of('local', client)
        return gate.token(database_now())


@pytest.mark.nightly
@pytest.mark.fault(13)
def test_visit_that_kills_its_sender_is_set_aside(
        clinic, emulator, warm, start):
    poison = clinic.visit()
    others = [clinic.visit('AB'[n % 2]) for n in range(4)]
    codes = []
    for _ in range(6):
        codes.append(start('push', 'building', poison).end())
        clinic.pass_time(130)
    assert codes[:3] == [-signal.SIGKILL] * 3
    assert codes[3:] == [0] * 3
    submission = sees(clinic, poison, 13)
    assert (submission['state'], submission['reason']) == (
        'needs_admin', 'poison')
    assert {clinic.submission(v)['state'] for v in others} == {'sent'}
    settled(clinic, emulator)
    clinic.resend(poison)
    clinic.push()
    assert clinic.submission(poison)['state'] == 'sent'
    settled(clinic, emulator)
