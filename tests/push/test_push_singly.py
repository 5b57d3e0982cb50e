# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Entries one by one: the rest goes, what is there is not sent again."

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from gateway import FHIR, cut, stored_cut, unauthorized
from push_items import (
    UNKNOWN_CODE, Crash, assert_traced, assert_whole, crash_at, drain, held,
    row, singly, visit_with, writes)
from trytond.modules.satusehat_integration import settlement
from trytond.pool import Pool

PROCESS = Path(__file__).with_name('push_process.py')
ITEMS = [('POST', 'Condition')] + [('POST', 'Observation')] * 4


def die(*args):
    raise Crash


def in_indonesian(clinic):
    with clinic.transaction():
        Lang = Pool().get('ir.lang')
        language, = Lang.search([('code', '=', 'id')])
        Lang.load_translations([language])


@pytest.mark.fault(50)
def test_the_rest_goes_when_the_branch_says_so(clinic, gateway, emulator):
    in_indonesian(clinic)
    singly(clinic)
    visit = visit_with(clinic, 'J00', UNKNOWN_CODE)
    clinic.push()
    found = row(clinic, visit)
    assert (found['state'], found['reason']) == ('needs_data', 'partly')
    item, words, count = found['detail'].splitlines()
    assert item == f'{UNKNOWN_CODE} COVID-19, virus identified'
    assert '10003' in words and UNKNOWN_CODE in words
    assert count == "Tersimpan: 6 dari 7."
    assert found['begun_at'] is None
    assert_whole(clinic, emulator, visit)
    assert writes(gateway) == [
        ('POST', ''), ('POST', 'Encounter'), ('POST', 'Condition'), *ITEMS,
        ('PUT', 'Encounter')]
    assert_traced(clinic, gateway)
    # It waits for people, not for time
    drain(clinic)
    assert len(writes(gateway)) == 9


@pytest.mark.parametrize('entry, name, cascade', [
        (1, "Kunjungan", 'all'),
        (2, "J00 Acute nasopharyngitis [common cold]", 'following'),
        (3, "Denyut Nadi", 'following'),
        (6, "Suhu Tubuh", 'all'),
        ])
def test_item_that_was_refused_is_named(
        clinic, emulator, entry, name, cascade):
    in_indonesian(clinic)
    emulator.faults.add(
        'refused_entry', resource='Bundle', times=1, entry=entry,
        number=10005, cascade=cascade)
    visit = clinic.visit()
    clinic.push()
    item, words = row(clinic, visit)['detail'].splitlines()
    assert item == name
    assert '10005' in words and '20012' not in words


def test_without_that_nothing_goes_but_the_bundle(clinic, gateway, emulator):
    visit = visit_with(clinic, 'J00', UNKNOWN_CODE)
    clinic.push()
    found = row(clinic, visit)
    assert (found['state'], found['reason']) == ('needs_data', 'refused')
    item, words = found['detail'].splitlines()
    assert item == f'{UNKNOWN_CODE} COVID-19, virus identified'
    assert '10003' in words and words.endswith('(Condition.code[0].code)')
    assert not found['singly']
    assert writes(gateway) == [('POST', '')]
    assert not held(emulator, 'Encounter')


def test_only_what_was_missing_goes_when_it_was_mended(
        clinic, gateway, emulator):
    singly(clinic)
    visit = visit_with(clinic, 'J00', 'I10')
    uid = clinic.read('clinic.diagnosis', [], 'uid')[-1][0]
    emulator.faults.add('rule', identifier=uid)
    clinic.push()
    assert row(clinic, visit)['reason'] == 'partly'
    assert_whole(clinic, emulator, visit)
    emulator.faults.clear()
    before = len(writes(gateway))
    clinic.resend(visit)
    clinic.push()
    assert row(clinic, visit)['state'] == 'sent'
    assert writes(gateway)[before:] == [
        ('POST', 'Condition'), ('PUT', 'Encounter')]
    assert_whole(clinic, emulator, visit, diagnoses=2)
    assert_traced(clinic, gateway)


def test_a_visit_without_any_diagnosis_stays_in_progress(
        clinic, gateway, emulator):
    singly(clinic)
    visit = visit_with(clinic, UNKNOWN_CODE)
    clinic.push()
    found = row(clinic, visit)
    assert (found['state'], found['reason']) == ('needs_data', 'partly')
    encounter, = held(emulator, 'Encounter')
    assert encounter['status'] == 'in-progress'
    assert 'diagnosis' not in encounter
    assert writes(gateway)[-5:] == ITEMS


def test_a_refused_visit_is_not_made_up_of_its_items(
        clinic, gateway, emulator):
    singly(clinic)
    emulator.faults.add(
        'rule', method='POST', resource='Encounter', number=10122)
    emulator.faults.add('refused_entry', entry=1, number=10122)
    visit = clinic.visit()
    clinic.push()
    found = row(clinic, visit)
    assert (found['state'], found['reason']) == ('needs_data', 'refused')
    assert '10122' in found['detail']
    assert writes(gateway) == [('POST', ''), ('POST', 'Encounter')]


@pytest.mark.fault(49)
def test_a_bundle_that_is_too_large_goes_entry_by_entry(
        clinic, gateway, emulator):
    emulator.faults.add('too_large', entries=3)
    visit = clinic.visit()
    clinic.push()
    assert row(clinic, visit)['state'] == 'sent'
    assert writes(gateway) == [
        ('POST', ''), ('POST', 'Encounter'), *ITEMS, ('PUT', 'Encounter')]
    assert_whole(clinic, emulator, visit)
    assert_traced(clinic, gateway)


@pytest.mark.parametrize('status', [400, 500])
@pytest.mark.fault(51)
def test_of_a_partly_stored_bundle_the_rest_is_sent(
        clinic, gateway, emulator, status):
    in_indonesian(clinic)
    emulator.faults.add(
        'partial_bundle', entries=2, status=status, times=1)
    visit = clinic.visit()
    clinic.push()
    clinic.make_due()
    clinic.push()
    found = row(clinic, visit)
    assert (found['state'], found['reason']) == ('checking', 'partial')
    assert found['detail'] == "Tersimpan: 2 dari 6."
    assert writes(gateway) == [('POST', '')]
    clinic.pass_time(700)
    clinic.push()
    assert row(clinic, visit)['state'] == 'sent'
    # The Encounter that was stored refers to the Condition that was
    assert writes(gateway) == [('POST', ''), *ITEMS[1:]]
    assert_whole(clinic, emulator, visit)
    assert_traced(clinic, gateway)


@pytest.mark.fault(51)
def test_of_a_visit_without_its_diagnosis_only_that_is_sent(
        clinic, gateway, emulator):
    "Its Encounter refers to a Condition that was never stored."
    emulator.faults.add('partial_bundle', without=2, status=502, times=1)
    visit = clinic.visit()
    clinic.push()
    dangling, = held(emulator, 'Encounter')
    assert dangling['diagnosis'] and not held(emulator, 'Condition')
    drain(clinic)
    assert row(clinic, visit)['state'] == 'sent'
    assert writes(gateway) == [
        ('POST', ''), ('POST', 'Condition'), ('PUT', 'Encounter')]
    assert_whole(clinic, emulator, visit)


@pytest.mark.parametrize('fault', [cut, stored_cut])
@pytest.mark.parametrize('type_', ['Encounter', 'Condition', 'Observation'])
def test_an_entry_without_answer_is_looked_for(
        clinic, gateway, emulator, fault, type_):
    emulator.faults.add('too_large', entries=3)
    gateway.once('POST', f'{FHIR}/{type_}', fault)
    visit = clinic.visit()
    clinic.push()
    found = row(clinic, visit)
    assert (found['state'], found['reason']) == ('checking', 'no_answer')
    count = len(writes(gateway))
    clinic.make_due()
    clinic.push()
    if fault is cut:
        assert row(clinic, visit)['state'] == 'checking'
        assert len(writes(gateway)) == count, "within the grace time"
    drain(clinic)
    assert row(clinic, visit)['state'] == 'sent'
    assert_whole(clinic, emulator, visit)
    assert_traced(clinic, gateway)
    assert len(writes(gateway)) == 8 + (fault is cut)


def test_an_index_that_lags_makes_no_twin(clinic, gateway, emulator):
    emulator.faults.add('too_large', entries=3)
    emulator.faults.add('index_lag', seconds=3600)
    gateway.once('POST', f'{FHIR}/Encounter', stored_cut)
    gateway.once('POST', f'{FHIR}/Observation', stored_cut)
    visit = clinic.visit()
    clinic.push()
    for _ in range(2):
        clinic.pass_time(700)
        clinic.push()
    emulator.faults.clear()
    if row(clinic, visit)['state'] == 'needs_admin':
        clinic.resend(visit)
    for _ in range(3):
        drain(clinic)
    assert row(clinic, visit)['state'] == 'sent'
    assert_whole(clinic, emulator, visit)


def test_a_token_that_ends_in_the_middle_is_renewed(
        clinic, gateway, emulator):
    emulator.faults.add('too_large', entries=3)
    gateway.once('POST', f'{FHIR}/Observation', unauthorized)
    visit = clinic.visit()
    clinic.push()
    assert row(clinic, visit)['state'] == 'sent'
    assert_whole(clinic, emulator, visit)
    assert len(gateway.tokens) == 2
    assert_traced(clinic, gateway)


def test_an_answer_with_another_identifier_is_not_adopted(
        clinic, gateway, emulator):
    emulator.faults.add('too_large', entries=3)

    def other(exchange):
        _, _, body = exchange.forward()
        answer = json.loads(body)
        answer['identifier'][0]['value'] = 'another'
        exchange.reply(201, {**answer, 'id': 'another'})
    gateway.once('POST', f'{FHIR}/Condition', other)
    visit = clinic.visit()
    clinic.push()
    found = row(clinic, visit)
    assert (found['state'], found['reason']) == ('checking', 'unrecognised')
    assert ('another',) not in clinic.read(
        'satusehat.resource', [], 'resource_id')
    drain(clinic)
    assert row(clinic, visit)['state'] == 'sent'
    assert_whole(clinic, emulator, visit)


def test_an_entry_of_another_patient_is_not_adopted(
        clinic, gateway, emulator):
    emulator.faults.add('too_large', entries=3)
    gateway.once('POST', f'{FHIR}/Condition', stored_cut)
    visit = clinic.visit()
    clinic.push()
    emulator.faults.add('other_subject', resource='Condition')
    clinic.pass_time(700)
    clinic.push()
    found = row(clinic, visit)
    assert (found['state'], found['reason']) == ('needs_admin', 'foreign')


@pytest.mark.parametrize('moment', ['begun', 'answered'])
@pytest.mark.fault(3, 5, 51)
def test_a_sender_that_dies_at_each_write_leaves_no_twin(
        clinic, gateway, emulator, monkeypatch, moment):
    "Each attempt dies as soon as one more entry has arrived."
    visit = clinic.visit()
    clinic.write('satusehat.submission', [], {'singly': True})
    deaths = 0
    while row(clinic, visit)['state'] != 'sent' and deaths < 20:
        with monkeypatch.context() as patch:
            crash_at(patch, 2 if moment == 'begun' else 1, moment)
            try:
                clinic.push()
            except Crash:
                deaths += 1
        clinic.pass_time(700)
    assert deaths == (6 if moment == 'begun' else 7)
    assert_whole(clinic, emulator, visit)
    assert sorted(writes(gateway)) == sorted(
        [('POST', 'Encounter'), *ITEMS, ('PUT', 'Encounter')])


@pytest.mark.parametrize('type_', ['Encounter', 'Condition'])
@pytest.mark.fault(5, 51)
def test_a_sender_killed_after_an_entry_was_stored_is_made_up_for(
        clinic, gateway, emulator, type_):
    visit = clinic.visit()
    clinic.write('satusehat.submission', [], {'singly': True})
    process = subprocess.Popen(
        [sys.executable, str(PROCESS), clinic.database, 'never'],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={
            **os.environ, 'TRYTOND_SATUSEHAT__LOCAL_URL': gateway.url})

    def kill(exchange):
        exchange.forward()
        process.kill()
        exchange.cut()
    gateway.once('POST', f'{FHIR}/{type_}', kill)
    process.communicate('\n', timeout=120)
    assert process.returncode == -signal.SIGKILL
    assert len(held(emulator, type_)) == 1
    assert row(clinic, visit)['state'] == 'sending'
    clinic.pass_time(130)
    clinic.push()
    drain(clinic)
    assert row(clinic, visit)['state'] == 'sent'
    assert_whole(clinic, emulator, visit)
    assert_traced(clinic, gateway)
    assert writes(gateway).count(('POST', type_)) == 1


@pytest.mark.fault(5, 51)
def test_what_is_found_whole_when_it_is_sent_again_keeps_its_bytes(
        clinic, emulator, monkeypatch):
    "It was parked before it was known that the platform held all of it."
    visit = clinic.visit()
    clinic.write('satusehat.submission', [], {'singly': True})
    with monkeypatch.context() as patch:
        patch.setattr(settlement, 'settle', die)
        with pytest.raises(Crash):
            clinic.push()
    clinic.write('satusehat.submission', [], {
            'state': 'needs_admin', 'reason': 'poison', 'lease_until': None})
    clinic.resend(visit)
    clinic.push()
    assert row(clinic, visit)['state'] == 'sent'
    bundle, _ = clinic.bundle(visit)
    assert len(bundle['entry']) == 6
    assert_whole(clinic, emulator, visit)
