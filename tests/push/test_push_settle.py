# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Settling, damaged rows and errors of our own: each touches its row alone."

import json
import logging
import os
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor

import gateway as faults
import pytest
from gateway import FHIR
from push_clinic import UNKNOWN_NIK
from trytond import backend
from trytond.pool import Pool

SECRET_TEXT = "NIK 9271060312000001 Ardianto"


@pytest.fixture
def sender():
    "The module of the sender, to let its parts fail"
    from trytond.modules.satusehat_integration import sender
    return sender


@pytest.fixture
def delivery():
    "The module of one job's way, to let its parts fail"
    from trytond.modules.satusehat_integration import delivery
    return delivery


@pytest.fixture
def settlement():
    "The module of what is written, to let its parts fail"
    from trytond.modules.satusehat_integration import settlement
    return settlement


def failing(original, times, error):
    "The function, which fails the first times"
    left = [times]

    def function(*args, **kwargs):
        if left[0]:
            left[0] -= 1
            raise error
        return original(*args, **kwargs)
    return function


@pytest.mark.fault(52)
def test_late_settle_changes_nothing(clinic, gateway, emulator, caplog):
    def claimed_by_another(exchange):
        answer = exchange.forward()
        clinic.write('satusehat.submission', [], {'claim': 'another'})
        exchange.hand_back(answer)
    gateway.once('POST', FHIR, claimed_by_another)
    visit = clinic.visit()
    with caplog.at_level(logging.WARNING):
        clinic.push()
    assert 'late settle' in caplog.text
    submission = clinic.submission(visit)
    assert (submission['state'], clinic.encounter_id(visit)) == (
        'sending', None)
    assert clinic.exchanges(path=FHIR)[0][2:] == (200, 'ok')
    clinic.pass_time(200)
    clinic.push()
    assert clinic.submission(visit)['state'] == 'sent'
    assert len(gateway.posts) == 1
    assert len(emulator.store.find('Encounter')) == 1


def test_claim_lost_before_freezing_is_not_sent(
        clinic, gateway, monkeypatch, sender):
    def build(self, job, build=sender.Sender._build):
        verdict = build(self, job)
        with ThreadPoolExecutor(1) as rival:
            rival.submit(
                clinic.write, 'satusehat.submission', [],
                {'claim': 'another'}).result()
        return verdict
    monkeypatch.setattr(sender.Sender, '_build', build)
    visit = clinic.visit()
    clinic.push()
    assert not gateway.posts
    assert clinic.submission(visit)['state'] == 'sending'


@pytest.mark.parametrize('step', ['claim', 'freeze', 'settle'])
@pytest.mark.fault(7)
def test_step_is_repeated_after_a_conflict(
        clinic, gateway, monkeypatch, sender, settlement, step):
    place = sender.claim if step == 'claim' else settlement
    monkeypatch.setattr(place, step, failing(
            getattr(place, step), 2,
            backend.DatabaseOperationalError("could not serialize access")))
    visit = clinic.visit()
    clinic.push()
    assert clinic.submission(visit)['state'] == 'sent'
    assert len(gateway.posts) == 1
    assert clinic.submission(visit)['attempts'] == 1
    assert len(clinic.exchanges(path=FHIR)) == 1


@pytest.mark.fault(7)
def test_settle_that_never_comes_through_is_made_up_by_looking(
        clinic, gateway, emulator, monkeypatch, settlement):
    visits = [clinic.visit(), clinic.visit()]
    with monkeypatch.context() as patch:
        patch.setattr(settlement, 'settle', failing(
                settlement.settle, 5,
                backend.DatabaseOperationalError("gone")))
        with pytest.raises(backend.DatabaseOperationalError):
            clinic.push()
    assert {clinic.submission(v)['state'] for v in visits} == {'sending'}
    clinic.push()
    assert len(gateway.posts) == 2
    clinic.pass_time(200)
    clinic.push()
    assert {clinic.submission(v)['state'] for v in visits} == {'sent'}
    assert len(gateway.posts) == 2
    assert len(emulator.store.find('Encounter')) == 2


@pytest.mark.skipif(
    backend.name != 'sqlite',
    reason="PostgreSQL locks rows, not the whole database")
@pytest.mark.parametrize('at', ['claim', 'settle'])
def test_locked_database_is_waited_for(clinic, gateway, at):
    path = os.path.join(
        os.environ['TRYTOND_DATABASE__PATH'], clinic.database + '.sqlite')
    visit = clinic.visit()
    other = sqlite3.connect(
        path, isolation_level=None, check_same_thread=False)

    def lock():
        other.execute('BEGIN IMMEDIATE')
        timer = threading.Timer(0.5, other.execute, ['ROLLBACK'])
        timer.start()
        return timer

    def lock_and_answer(exchange):
        answer = exchange.forward()
        timers.append(lock())
        exchange.hand_back(answer)
    timers = []
    if at == 'claim':
        timers.append(lock())
    else:
        gateway.once('POST', FHIR, lock_and_answer)
    clinic.push()
    for timer in timers:
        timer.join()
    other.close()
    assert clinic.submission(visit)['state'] == 'sent'
    assert len(gateway.posts) == 1


@pytest.mark.slow
@pytest.mark.skipif(
    backend.name != 'sqlite',
    reason="PostgreSQL locks rows, not the whole database")
def test_database_locked_for_long_ends_the_push_and_loses_nothing(
        clinic, gateway, monkeypatch):
    from trytond.modules.satusehat_integration import committed
    monkeypatch.setattr(committed, 'TRIES', 1)
    path = os.path.join(
        os.environ['TRYTOND_DATABASE__PATH'], clinic.database + '.sqlite')
    visit = clinic.visit()
    other = sqlite3.connect(
        path, isolation_level=None, check_same_thread=False)

    def lock(exchange):
        answer = exchange.forward()
        other.execute('BEGIN IMMEDIATE')
        exchange.hand_back(answer)
    gateway.once('POST', FHIR, lock)
    with pytest.raises(backend.DatabaseOperationalError):
        clinic.push()
    other.execute('ROLLBACK')
    other.close()
    assert clinic.submission(visit)['state'] == 'sending'
    clinic.pass_time(200)
    clinic.push()
    assert clinic.submission(visit)['state'] == 'sent'
    assert len(gateway.posts) == 1


@pytest.mark.parametrize('values', [
        {'snapshot_hash': '0' * 64}, {'snapshot': None},
        {'snapshot': b'no gzip'}, {'snapshot': b'\x1f\x8b\x08'},
        {'bundle': b'no gzip'}, {'bundle_index': '[{"no": 1}]'},
        {'bundle_index': None}, {'bundle_hash': None},
        ], ids=lambda values: str(values)[:32])
def test_damaged_row_does_not_stop_the_others(clinic, gateway, values):
    gateway.once('POST', FHIR, faults.cut)
    bad = clinic.visit()
    clinic.push()
    clinic.write('satusehat.submission', [], values)
    good = clinic.visit()
    clinic.make_due()
    clinic.push()
    submission = clinic.submission(bad)
    assert (submission['state'], submission['reason']) == (
        'needs_admin', 'damaged')
    assert submission['last_error']
    assert clinic.submission(good)['state'] == 'sent'
    assert len(gateway.posts) == 2


@pytest.mark.parametrize('part', ['references', 'build'])
def test_unforeseen_error_parks_its_row_alone(
        clinic, gateway, setting, monkeypatch, caplog, delivery, part):
    setting(connections=1)
    place = delivery.Lookup if part == 'references' else delivery
    monkeypatch.setattr(place, part, failing(
            getattr(place, part), 1, KeyError(SECRET_TEXT)))
    bad, good = clinic.visit(), clinic.visit()
    with caplog.at_level(logging.INFO):
        clinic.push()
    submission = clinic.submission(bad)
    assert (submission['state'], submission['reason']) == (
        'needs_admin', 'internal')
    assert 'KeyError' in submission['last_error']
    assert clinic.submission(good)['state'] == 'sent'
    lines = [r.getMessage() for r in caplog.records]
    assert [x for x in lines if f"submission {submission['id']}" in x]
    for text in [submission['last_error'], caplog.text]:
        assert 'Ardianto' not in text and '9271060312000001' not in text
    clinic.resend(bad)
    clinic.push()
    assert clinic.submission(bad)['state'] == 'sent'


@pytest.mark.parametrize('part', ['send', 'entry_ids'])
def test_unforeseen_error_after_sending_is_looked_up(
        clinic, gateway, emulator, monkeypatch, sender, delivery, part):
    place = sender if part == 'send' else delivery
    original = getattr(place, part)

    def broken(*args):
        original(*args)
        raise KeyError(SECRET_TEXT)
    visits = [clinic.visit(), clinic.visit()]
    with monkeypatch.context() as patch:
        patch.setattr(place, part, broken)
        clinic.push()
    assert clinic.states() == {('checking', 'internal'): 2}
    assert len(gateway.posts) == 2
    clinic.make_due()
    clinic.push()
    assert {clinic.submission(v)['state'] for v in visits} == {'sent'}
    assert len(gateway.posts) == 2
    assert len(emulator.store.find('Encounter')) == 2


def test_answer_that_can_not_be_written_parks_its_row_alone(
        clinic, gateway, monkeypatch):
    bad = clinic.visit()
    with clinic.transaction():
        Resource = Pool().get('satusehat.resource')
    original = Resource.adopt

    def adopt(rows):
        if len(rows) > 1 and str(rows[0]['record']).endswith(f',{bad}'):
            raise KeyError(SECRET_TEXT)
        return original(rows)
    good = clinic.visit()
    with monkeypatch.context() as patch:
        patch.setattr(Resource, 'adopt', adopt)
        clinic.push()
    submission = clinic.submission(bad)
    assert (submission['state'], submission['reason']) == (
        'needs_admin', 'internal')
    assert 'Ardianto' not in submission['last_error']
    assert clinic.submission(good)['state'] == 'sent'
    clinic.resend(bad)
    clinic.push()
    assert clinic.submission(bad)['state'] == 'sent'
    assert len(gateway.posts) == 2


@pytest.mark.parametrize('number', ["a\x00b", "x" * 65, "../Patient", " "],
    ids=['nul', 'long', 'path', 'blank'])
def test_malformed_number_is_not_adopted(clinic, gateway, number):
    def answer_oddly(exchange):
        _, _, body = exchange.forward()
        answer = json.loads(body)
        for entry in answer['entry']:
            entry['response']['resourceID'] = number
            entry['response'].pop('location')
        exchange.reply(200, answer)
    gateway.once('POST', FHIR, answer_oddly)
    visit = clinic.visit(code='I10')
    clinic.push()
    submission = clinic.submission(visit)
    assert (submission['state'], submission['reason']) == (
        'checking', 'unrecognised')
    clinic.make_due()
    clinic.push()
    assert clinic.submission(visit)['state'] == 'sent'
    assert len(gateway.posts) == 1


def test_lease_too_short_for_a_request_sends_nothing(
        clinic, gateway, setting):
    setting(lease=10)
    visit = clinic.visit()
    clinic.push()
    submission = clinic.submission(visit)
    assert (submission['state'], submission['attempts']) == ('pending', 0)
    assert not gateway.posts
    setting(lease=120)
    clinic.push()
    assert clinic.submission(visit)['state'] == 'sent'


def test_other_number_of_a_known_visit_is_not_taken(
        clinic, gateway, emulator):
    gateway.once('POST', FHIR, faults.stored_cut)
    visit = clinic.visit()
    clinic.push()
    with clinic.transaction(user=0):
        Pool().get('satusehat.resource').create([{
                    'environment': 'local', 'resource_type': 'Encounter',
                    'resource_id': 'another', 'key': '',
                    'record': f'clinic.encounter,{visit}',
                    'company': clinic.branches['A']['company']}])
    clinic.make_due()
    clinic.push()
    assert clinic.submission(visit)['reason'] == 'id_conflict'
    assert clinic.encounter_id(visit) == 'another'


def test_person_resends_with_a_reason_only(clinic, gateway):
    from trytond.modules.satusehat_integration.exceptions import (
        ReasonRequired)
    visit = clinic.visit(nik=UNKNOWN_NIK)
    clinic.push()
    with pytest.raises(ReasonRequired):
        clinic.resend(visit, reason="  ")
    assert clinic.submission(visit)['state'] == 'needs_data'


def test_sent_visit_is_not_sent_again_by_the_button(clinic, gateway):
    visit = clinic.visit()
    clinic.push()
    clinic.resend(visit)
    clinic.push()
    assert clinic.submission(visit)['state'] == 'sent'
    assert len(gateway.posts) == 1
    assert clinic.read('satusehat.submission.action', [], 'id') == []
