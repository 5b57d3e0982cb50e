# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Fault matrix: our own clock is wrong or jumps."

import datetime as dt
import threading
import time

import pytest
import time_machine
from gateway import FHIR
from matrix_clinic import bundles, sees, settled
from trytond import backend
from trytond.pool import Pool

MINUTE, DAY = 60, 86400


@pytest.fixture
def shifted(emulator):
    """Shift the clock of this process: shifted(seconds), within ``with``.

    The platform keeps the right time.
    """
    start = time.time() - time.monotonic()
    emulator.settings.clock = lambda: start + time.monotonic()

    def shift(seconds):
        return time_machine.travel(
            dt.datetime.now(dt.timezone.utc) + dt.timedelta(seconds=seconds),
            tick=True)
    return shift


@pytest.mark.fault(53)
def test_date_of_the_future_is_refused_and_sent_when_it_is_past(
        clinic, emulator, warm, shifted):
    with shifted(10 * MINUTE):
        visit = clinic.visit(minutes=41)
        if backend.name == 'sqlite':
            # One clock for us and the database
            clinic.push()
        else:
            clinic.make_due()
            clinic.push()
    submission = sees(clinic, visit, 53)
    assert (submission['state'], submission['reason']) == (
        'needs_data', 'refused')
    assert bundles(emulator)[-1]['status'] == 400
    clock = emulator.settings.clock
    emulator.settings.clock = lambda: clock() + 10 * MINUTE
    clinic.resend(visit)
    clinic.push()
    assert sees(clinic, visit, 53)['state'] == 'sent'
    assert len(emulator.store.find('Encounter')) == 3
    settled(clinic, emulator)


@pytest.mark.fault(53)
def test_jump_back_does_not_keep_a_sender_waiting(
        clinic, emulator, setting, shifted):
    from trytond.modules.satusehat_integration.gate import database_now
    setting(requests_per_minute=300, requests_per_minute_host=1200)

    def waits():
        with clinic.transaction(user=0):
            Gate = Pool().get('satusehat.gate')
            return Gate.reserve('local', {'client-A': 3}, database_now())
    with shifted(DAY):
        waits()
    assert max(waits()['client-A']) <= MINUTE


@pytest.mark.fault(53)
@pytest.mark.skipif(
    backend.name != 'postgresql',
    reason="SQLite's clock is that of this process")
@pytest.mark.parametrize('seconds', [10 * MINUTE, -DAY], ids=['fast', 'slow'])
def test_pauses_follow_the_clock_of_the_database(
        clinic, emulator, warm, shifted, seconds):
    visit = clinic.visit()
    emulator.faults.add('server_error', resource='Bundle', times=1)
    before = clinic.read('satusehat.submission', [], 'next_attempt')[-1][0]
    with shifted(seconds):
        clinic.push()
    after = clinic.submission(visit)
    assert after['state'] == 'waiting'
    pause = after['next_attempt'] - before
    assert dt.timedelta() < pause < dt.timedelta(hours=2)


@pytest.mark.fault(53)
@pytest.mark.parametrize(
    'seconds', [-DAY, DAY], ids=['back', 'forth'])
def test_clock_jumps_during_a_lease(
        clinic, emulator, warm, gateway, shifted, seconds):
    visits = [clinic.visit() for _ in range(2)]
    rival = threading.Thread(target=clinic.push)

    def jump(exchange):
        answer = exchange.forward()
        with shifted(seconds):
            rival.start()
            rival.join()
        exchange.hand_back(answer)
    gateway.once('POST', FHIR, jump)
    clinic.push()
    clinic.pass_time(700)
    clinic.push()
    assert {clinic.submission(v)['state'] for v in visits} == {'sent'}
    assert len(gateway.posts) == 2
    settled(clinic, emulator)
