# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Fault matrix: processes that die, stop or come too late."

import signal
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from gateway import FHIR
from matrix_clinic import bundles, drain, sees, settled
from trytond import backend


@pytest.mark.fault(1)
def test_killed_before_the_commit(clinic, emulator, start):
    visit = clinic.visit(finish=False)
    assert start('finish', 'uncommitted', visit).end() == -signal.SIGKILL
    assert clinic.read('clinic.encounter', [], 'state') == [
        ('in_progress',)]
    assert clinic.states() == {}
    clinic.push()
    assert not emulator.journal.entries()
    clinic.finish(visit)
    clinic.push()
    assert clinic.submission(visit)['state'] == 'sent'
    settled(clinic, emulator)


@pytest.mark.fault(2)
def test_killed_after_the_commit(clinic, emulator, start):
    visit = clinic.visit(finish=False)
    assert start('finish', 'committed', visit).end() == -signal.SIGKILL
    assert sees(clinic, visit, 2)['state'] == 'pending'
    clinic.push()
    assert clinic.submission(visit)['state'] == 'sent'
    assert len(bundles(emulator)) == 1
    settled(clinic, emulator)


@pytest.mark.nightly
@pytest.mark.fault(4)
def test_killed_in_mid_body(clinic, emulator, warm, gateway, start):
    visit = clinic.visit()
    assert start('push', 'half_sent').end() == -signal.SIGKILL
    torn, = gateway.posts
    assert not torn.body.endswith(b'}') and torn.body.startswith(b'{')
    assert clinic.submission(visit)['state'] == 'sending'
    assert clinic.exchanges(path=FHIR)[-1][2:] == (None, 'unknown')
    clinic.pass_time(130)
    clinic.push()
    assert sees(clinic, visit, 4)['state'] == 'checking'
    assert len(gateway.posts) == 1
    clinic.pass_time(700)
    clinic.push()
    assert sees(clinic, visit, 4)['state'] == 'sent'
    assert len(gateway.posts) == 2
    assert gateway.posts[1].body.startswith(torn.body)
    settled(clinic, emulator)


@pytest.mark.fault(10)
def test_rival_senders_send_one_row_once(clinic, emulator, warm, gateway):
    visit = clinic.visit()
    with ThreadPoolExecutor(4) as pool:
        for pushing in [pool.submit(clinic.push) for _ in range(4)]:
            pushing.result()
    assert clinic.submission(visit)['state'] == 'sent'
    assert clinic.submission(visit)['attempts'] == 1
    assert len(gateway.posts) == 1
    settled(clinic, emulator)


class Rival:
    "A second sender that is at work while the first one waits"

    def __init__(self, clinic):
        self.clinic = clinic
        self.seen = None

    def push(self, visit):
        def work():
            self.clinic.pass_time(130)
            self.clinic.push()
            self.seen = self.clinic.submission(visit)
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()


@pytest.mark.fault(11)
@pytest.mark.parametrize('stored', [True, False], ids=['before', 'after'])
def test_lease_ends_while_the_answer_is_awaited(
        clinic, emulator, warm, gateway, caplog, stored):
    rival = Rival(clinic)
    visit = clinic.visit()

    def keep_waiting(exchange):
        if stored:
            answer = exchange.forward()
            rival.push(visit)
        else:
            rival.push(visit)
            answer = exchange.forward()
        exchange.hand_back(answer)
    gateway.once('POST', FHIR, keep_waiting)
    clinic.push()
    assert rival.seen['state'] == ('sent' if stored else 'checking')
    assert 'late settle' in caplog.text
    assert clinic.submission(visit)['state'] == rival.seen['state']
    assert clinic.exchanges(path=FHIR)[-1][2:] == (200, 'ok')
    clinic.make_due()
    clinic.push()
    assert clinic.submission(visit)['state'] == 'sent'
    assert len(gateway.posts) == 1
    settled(clinic, emulator)


@pytest.mark.nightly
@pytest.mark.fault(12)
@pytest.mark.parametrize('path, stored', [
        ('/Patient', False), ('', False), ('', True)],
    ids=['before_freezing', 'not_stored', 'stored'])
def test_stopped_process_that_goes_on(
        clinic, emulator, gateway, start, path, stored):
    visit = clinic.visit()
    process = start('push')
    stopped = threading.Event()

    def stop(exchange):
        answer = exchange.forward() if stored or path else None
        process.stop()
        while not clinic.is_free():
            # On SQLite it would keep all others from writing
            process.carry_on()
            process.stop()
        stopped.set()
        if answer is None:
            exchange.cut()
        else:
            exchange.hand_back(answer)
    gateway.once('GET' if path else 'POST', FHIR + path, stop)
    process.go()
    assert stopped.wait(30)
    clinic.pass_time(600)
    clinic.push()
    before = clinic.submission(visit)
    assert before['state'] in {'sent', 'checking'}
    process.carry_on()
    assert process.end() == 0
    after = clinic.submission(visit)
    assert (after['state'], after['attempts']) == (
        before['state'], before['attempts'])
    drain(clinic)
    assert clinic.submission(visit)['state'] == 'sent'
    assert len(emulator.store.find('Encounter')) == 1
    settled(clinic, emulator)


@pytest.mark.fault(64)
def test_finish_pressed_by_two_at_once(clinic, emulator):
    visit = clinic.visit(finish=False)
    outcomes = together(lambda: clinic.finish(visit))
    assert None in outcomes
    assert len(clinic.read('satusehat.submission', [], 'id')) == 1
    clinic.push()
    assert sees(clinic, visit, 64)['state'] == 'sent'
    assert len(bundles(emulator)) == 1
    settled(clinic, emulator)


@pytest.mark.fault(64)
def test_resend_pressed_by_two_at_once(clinic, emulator, warm):
    emulator.faults.add(
        'rule', resource='Bundle', times=1, number=10005, method='POST')
    visit = clinic.visit()
    clinic.push()
    assert clinic.submission(visit)['state'] == 'needs_data'
    assert None in together(lambda: clinic.resend(visit))
    clinic.push()
    assert sees(clinic, visit, 64)['state'] == 'sent'
    clinic.push()
    assert len(bundles(emulator)) == 4
    settled(clinic, emulator)


def together(action):
    """Do the same in two threads at once, as two people do.

    Returns the error of each, None where there was none; those that the
    loser of a race may meet are not raised.
    """
    from trytond.exceptions import UserError
    from trytond.model.exceptions import AccessError
    barrier = threading.Barrier(2)

    def press(_):
        barrier.wait(30)
        try:
            action()
        except (
                backend.DatabaseOperationalError, UserError,
                AccessError) as error:
            return error
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(press, range(2)))


