# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Stopping and sending again beside a sender, and by two users at once."

import threading

import gateway as faults
import pytest
from gateway import FHIR
from push_clinic import PATIENT_NIK, UNKNOWN_NIK
from trytond import backend
from trytond.pool import Pool
from trytond.transaction import Transaction


@pytest.fixture
def decide(clinic):
    "Decide about the visits as the wizards do, and return nothing"
    def decide(kind, *visits, reason="Sudah diputuskan"):
        with clinic.transaction():
            pool = Pool()
            Submission = pool.get('satusehat.submission')
            rows = Submission.search([('encounter', 'in', visits)])
            if kind == 'stop':
                pool.get('satusehat.submission.action').stop(rows, reason)
            else:
                Submission.plan_again(rows, reason)
    return decide


def actions(clinic):
    return clinic.read(
        'satusehat.submission.action', [], 'action', 'create_uid')


def test_stopped_visit_is_not_sent(clinic, gateway, decide):
    stopped, sent = clinic.visit(), clinic.visit()
    decide('stop', stopped)
    clinic.make_due()
    clinic.push()
    assert clinic.submission(stopped)['state'] == 'stopped'
    assert clinic.submission(sent)['state'] == 'sent'
    assert len(gateway.posts) == 1


def test_stopped_visit_is_looked_for_before_it_is_sent_again(
        clinic, gateway, impatience, decide):
    gateway.once('POST', FHIR, faults.stored_silence)
    visit = clinic.visit()
    clinic.push()
    assert clinic.submission(visit)['state'] == 'checking'
    decide('stop', visit)
    assert 'may hold' in clinic.submission(visit)['last_error']
    clinic.pass_time(4000)
    clinic.push()
    assert clinic.submission(visit)['state'] == 'stopped'
    decide('resend', visit)
    clinic.pass_time(4000)
    clinic.push()
    assert clinic.submission(visit)['state'] == 'sent'
    assert len(gateway.posts) == 1


def test_row_in_the_hands_of_a_sender_is_not_stopped(
        clinic, gateway, decide):
    "The one who stops learns that it is too late, and the visit arrives"
    from trytond.modules.satusehat_integration.exceptions import StopError
    visit = clinic.visit()
    refused = []

    def stop(exchange):
        try:
            decide('stop', visit)
        except StopError as e:
            refused.append(e)
        exchange.hand_back(exchange.forward())
    gateway.once('POST', FHIR, stop)
    clinic.push()
    assert len(refused) == 1
    assert clinic.submission(visit)['state'] == 'sent'
    assert actions(clinic) == []


@pytest.mark.parametrize('kind, after', [
        ('resend', 'pending'), ('stop', 'stopped')])
def test_pressed_twice(clinic, gateway, decide, kind, after):
    visit = clinic.visit(nik=UNKNOWN_NIK)
    clinic.push()
    decide(kind, visit)
    decide(kind, visit)
    assert clinic.submission(visit)['state'] == after
    assert [action for action, _ in actions(clinic)] == [kind]


def in_two_transactions(clinic, kind, visit):
    """Decide the same in two transactions that both have read the row.

    Returns how often one had to be run again, as the server does with a
    request that met another one.
    """
    meeting = threading.Barrier(2, timeout=30)
    conflicts = []

    def work():
        for attempt in range(5):
            try:
                with Transaction().start(clinic.database, 1) as transaction:
                    pool = Pool()
                    Submission = pool.get('satusehat.submission')
                    rows = Submission.search([('encounter', '=', visit)])
                    assert rows[0].state
                    if not attempt:
                        meeting.wait()
                    if kind == 'stop':
                        pool.get('satusehat.submission.action').stop(
                            rows, "Dua orang")
                    else:
                        Submission.plan_again(rows, "Dua orang")
                    transaction.commit()
                return
            except backend.DatabaseOperationalError as e:
                conflicts.append(e)
        raise AssertionError("never came through")

    def guarded():
        try:
            work()
        except BaseException as e:
            failures.append(e)
    failures = []
    threads = [threading.Thread(target=guarded) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not failures
    return len(conflicts)


@pytest.mark.fault(64)
@pytest.mark.parametrize('kind, after', [
        ('resend', 'pending'), ('stop', 'stopped')])
def test_two_users_at_once(clinic, gateway, kind, after):
    visit = clinic.visit(nik=UNKNOWN_NIK)
    clinic.push()
    conflicts = in_two_transactions(clinic, kind, visit)
    if backend.name == 'postgresql':
        assert conflicts == 1
    assert clinic.submission(visit)['state'] == after
    assert [action for action, _ in actions(clinic)] == [kind]


@pytest.mark.fault(64)
def test_sent_once_after_two_users_asked_for_it(clinic, gateway, decide):
    visit = clinic.visit(nik=UNKNOWN_NIK)
    clinic.push()
    with clinic.transaction():
        Pool().get('party.party').write(
            Pool().get('party.party').search([('nik', '=', UNKNOWN_NIK)]),
            {'nik': PATIENT_NIK})
    in_two_transactions(clinic, 'resend', visit)
    clinic.push()
    clinic.push()
    assert clinic.submission(visit)['state'] == 'sent'
    assert len(gateway.posts) == 1
    assert len(actions(clinic)) == 1
