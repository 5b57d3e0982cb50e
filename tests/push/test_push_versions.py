# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Corrections of a delivered visit: in order, on its ids, nothing overwritten."

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from delivery_invariants import check
from gateway import FHIR, cut, stored_cut
from push_items import (
    UNKNOWN_CODE, Crash, add_diagnoses, assert_traced, assert_whole, correct, crash_at,
    drain, held, instead, row, singly, to_code, versions, visit_with, writes)
from trytond.exceptions import UserError
from trytond.pool import Pool

SENT = ('sent', None)


def states(clinic, visit):
    return [(state, reason) for _, state, reason in versions(clinic, visit)]


def delivered(clinic, *codes):
    "Return a visit that the platform holds"
    visit = visit_with(clinic, *codes)
    clinic.push()
    assert states(clinic, visit) == [SENT]
    return visit


def by_code(emulator):
    "Return {code: Condition} of what the platform holds"
    return {
        c['code']['coding'][0]['code']: c for c in held(emulator, 'Condition')}


def is_in_error(resource):
    if resource['resourceType'] == 'Condition':
        return 'clinicalStatus' not in resource and (
            resource['verificationStatus']['coding'][0]['code']
            == 'entered-in-error')
    return resource['status'] == 'entered-in-error'


def withdraw(clinic, visit, reason="Salah pasien"):
    with clinic.transaction():
        pool = Pool()
        pool.get('satusehat.submission').withdraw(
            [pool.get('clinic.encounter')(visit)], reason)


def actions(clinic):
    return clinic.read(
        'satusehat.submission.action', [], 'action', 'reason', 'create_uid')


def change_there(emulator, type_, **values):
    "Let somebody else change the resources of a type on the platform"
    from satusehat_emulator import index, versions
    for found in emulator.store.find(type_):
        body = {**found.body, **values}
        body['meta'] = versions.meta(emulator.settings.clock(), body['meta'])
        emulator.store.save(
            replace(found, body=body), index.terms(body), index.keys(body))


def test_a_correction_replaces_what_changed_and_nothing_else(
        clinic, gateway, emulator):
    visit = delivered(clinic, 'J00')
    before = {r['id'] for r in held(emulator, 'Condition')}
    count = len(writes(gateway))
    correct(clinic, visit, to_code('I10'))
    clinic.push()
    assert states(clinic, visit) == [SENT, SENT]
    assert writes(gateway)[count:] == [
        ('PUT', 'Condition'), ('PUT', 'Encounter')]
    assert list(by_code(emulator)) == ['I10']
    assert {r['id'] for r in held(emulator, 'Condition')} == before
    assert_whole(clinic, emulator, visit)
    assert_traced(clinic, gateway)


def test_a_correction_without_a_change_writes_nothing(
        clinic, gateway, emulator):
    visit = delivered(clinic, 'J00')
    count = len(writes(gateway))
    correct(clinic, visit)
    clinic.push()
    assert states(clinic, visit) == [SENT, SENT]
    assert len(writes(gateway)) == count
    assert (None,) not in clinic.read(
        'satusehat.submission', [], 'bundle_hash')


def test_a_diagnosis_that_is_gone_is_marked_as_an_error(
        clinic, gateway, emulator):
    visit = delivered(clinic, 'J00', 'I10')
    count = len(writes(gateway))
    correct(clinic, visit, instead('K30'))
    clinic.push()
    assert states(clinic, visit) == [SENT, SENT]
    assert writes(gateway)[count:] == [
        ('POST', 'Condition'), ('PUT', 'Encounter'), ('PUT', 'Condition')]
    assert len(held(emulator, 'Condition')) == 3
    assert is_in_error(by_code(emulator)['I10'])
    assert_whole(clinic, emulator, visit, diagnoses=2)
    # And the version after it knows
    count = len(writes(gateway))
    correct(clinic, visit, to_code('E11'))
    clinic.push()
    assert writes(gateway)[count:] == [
        ('PUT', 'Condition'), ('PUT', 'Encounter')]
    assert_whole(clinic, emulator, visit, diagnoses=2)
    assert_traced(clinic, gateway)


@pytest.mark.fault(56)
def test_a_correction_during_the_send_waits_for_it(
        clinic, gateway, emulator):
    visit = clinic.visit()

    def meanwhile(exchange):
        correct(clinic, visit, to_code('I10'))
        exchange.hand_back(exchange.forward())
    gateway.once('POST', FHIR, meanwhile)
    clinic.push()
    clinic.push()
    assert states(clinic, visit) == [SENT, SENT]
    assert [s.method for s in gateway.posts] == ['POST']
    assert b'J00' in gateway.posts[0].body
    assert b'I10' not in gateway.posts[0].body
    assert list(by_code(emulator)) == ['I10']
    assert_whole(clinic, emulator, visit)


@pytest.mark.fault(56)
def test_no_version_passes_the_one_before(clinic, gateway, emulator):
    gateway.once('POST', FHIR, stored_cut)
    visit = clinic.visit()
    clinic.push()
    correct(clinic, visit, to_code('I10'))
    clinic.make_due()
    gateway.always('GET', f'{FHIR}/Encounter', cut)
    clinic.push()
    first, second = states(clinic, visit)
    assert first[0] in {'checking', 'waiting'}
    assert second == ('pending', None)
    assert row(clinic, visit, 2)['attempts'] == 0
    gateway.heal()
    clinic.pass_time(700)
    clinic.push()
    assert states(clinic, visit) == [SENT, SENT]
    assert len(gateway.posts) == 1
    assert_whole(clinic, emulator, visit)


@pytest.mark.parametrize('fault', [
    {'fault': 'other_version'},
    {'fault': 'conflict', 'status': 409},
    {'fault': 'conflict', 'status': 412},
    {'fault': 'conflict', 'status': 409, 'stored': True},
    ], ids=str)
@pytest.mark.fault(48)
def test_a_conflict_is_read_again_and_settled(
        clinic, gateway, emulator, fault):
    visit = delivered(clinic, 'J00')
    emulator.faults.add(times=1, method='PUT', **fault)
    correct(clinic, visit, to_code('I10'))
    clinic.push()
    assert states(clinic, visit) == [SENT, SENT]
    assert list(by_code(emulator)) == ['I10']
    assert_whole(clinic, emulator, visit)
    assert_traced(clinic, gateway)


@pytest.mark.fault(48)
def test_what_somebody_else_changed_is_overwritten_by_people_only(
        clinic, gateway, emulator):
    visit = delivered(clinic, 'J00')
    note = [{'text': "Dari sistem lain"}]
    change_there(emulator, 'Condition', note=note)
    count = len(writes(gateway))
    correct(clinic, visit, to_code('I10'))
    clinic.push()
    assert states(clinic, visit) == [SENT, ('needs_admin', 'changed_there')]
    assert len(writes(gateway)) == count
    assert by_code(emulator)['J00']['note'] == note
    drain(clinic)
    assert len(writes(gateway)) == count
    clinic.resend(visit)
    clinic.push()
    assert states(clinic, visit) == [SENT, SENT]
    assert 'note' not in by_code(emulator)['I10']
    assert_whole(clinic, emulator, visit)


def test_names_that_the_platform_masks_are_no_change(
        clinic, gateway, emulator):
    visit = delivered(clinic, 'J00')
    patient = held(emulator, 'Condition')[0]['subject']['reference']
    change_there(emulator, 'Condition', subject={
            'reference': patient, 'display': "Ar***"})
    correct(clinic, visit, to_code('I10'))
    clinic.push()
    assert states(clinic, visit) == [SENT, SENT]
    assert list(by_code(emulator)) == ['I10']


@pytest.mark.parametrize('fault', [cut, stored_cut])
def test_a_correction_without_answer_is_made_sure_of(
        clinic, gateway, emulator, fault):
    visit = delivered(clinic, 'J00', 'K30')
    correct(clinic, visit, instead('I10'))
    gateway.once('POST', f'{FHIR}/Condition', fault)
    clinic.push()
    assert states(clinic, visit) == [SENT, ('checking', 'no_answer')]
    drain(clinic)
    assert states(clinic, visit) == [SENT, SENT]
    assert_whole(clinic, emulator, visit, diagnoses=2)
    assert_traced(clinic, gateway)


@pytest.mark.parametrize('moment', ['begun', 'answered'])
def test_a_sender_that_dies_at_each_write_of_a_correction(
        clinic, gateway, emulator, monkeypatch, moment):
    visit = delivered(clinic, 'J00', 'K30')
    correct(clinic, visit, instead('I10'))
    count = len(writes(gateway))
    deaths = 0
    while states(clinic, visit) != [SENT, SENT] and deaths < 12:
        with monkeypatch.context() as patch:
            crash_at(patch, 2 if moment == 'begun' else 1, moment)
            try:
                clinic.push()
            except Crash:
                deaths += 1
        clinic.pass_time(700)
    assert deaths == (2 if moment == 'begun' else 3)
    assert_whole(clinic, emulator, visit, diagnoses=2)
    assert sorted(writes(gateway)[count:]) == [
        ('POST', 'Condition'), ('PUT', 'Condition'), ('PUT', 'Encounter')]


def test_a_refused_part_of_a_correction_leaves_the_rest_alone(
        clinic, gateway, emulator):
    visit = delivered(clinic, 'J00')
    before = held(emulator, 'Encounter')
    correct(clinic, visit, instead(UNKNOWN_CODE))
    clinic.push()
    first, second = states(clinic, visit)
    assert second == ('needs_data', 'partly')
    assert UNKNOWN_CODE in row(clinic, visit, 2)['detail']
    assert held(emulator, 'Encounter') == before
    assert list(by_code(emulator)) == ['J00']
    assert not is_in_error(by_code(emulator)['J00'])
    # Corrected again, it gives way to the next version
    correct(clinic, visit, to_code('I10'))
    clinic.push()
    assert states(clinic, visit) == [
        SENT, ('stopped', 'partly'), SENT]
    assert actions(clinic)[-1][:2] == ('stop', "Replaced by version 3.")
    assert is_in_error(by_code(emulator)['J00'])
    assert_whole(clinic, emulator, visit)


def test_a_refused_visit_gives_way_to_its_correction(
        clinic, gateway, emulator):
    visit = clinic.visit(code=UNKNOWN_CODE)
    clinic.push()
    assert states(clinic, visit) == [('needs_data', 'refused')]
    correct(clinic, visit, to_code('J00'))
    clinic.push()
    assert states(clinic, visit) == [('stopped', 'refused'), SENT]
    assert len(gateway.posts) == 2
    assert_whole(clinic, emulator, visit)


def test_a_visit_refused_after_its_correction_gives_way_too(
        clinic, gateway, emulator):
    visit = clinic.visit(code=UNKNOWN_CODE)
    correct(clinic, visit, to_code('I10'))
    clinic.push()
    clinic.make_due()
    clinic.push()
    assert [state for state, _ in states(clinic, visit)] == ['stopped', 'sent']
    assert set(by_code(emulator)) == {'I10'}


def test_a_visit_that_is_refused_after_its_correction_gives_way_too(
        clinic, gateway, emulator):
    visit = clinic.visit(code=UNKNOWN_CODE)
    correct(clinic, visit, to_code('J00'))
    clinic.push()
    clinic.push()
    assert states(clinic, visit) == [('stopped', 'refused'), SENT]
    (action, reason, _), = actions(clinic)
    assert (action, reason) == ('stop', "Replaced by version 2.")
    assert [b'J00' in s.body for s in gateway.posts] == [False, True]
    assert_whole(clinic, emulator, visit)


@pytest.mark.parametrize('change', [to_code, instead])
def test_a_visit_that_arrived_in_part_is_made_whole_by_its_correction(
        clinic, gateway, emulator, change):
    singly(clinic)
    visit = visit_with(clinic, 'J00', UNKNOWN_CODE)
    clinic.push()
    assert states(clinic, visit) == [('needs_data', 'partly')]
    correct(clinic, visit, change('I10'))
    clinic.push()
    assert states(clinic, visit) == [('stopped', 'partly'), SENT]
    assert_whole(clinic, emulator, visit, diagnoses=2)
    assert set(by_code(emulator)) == {'J00', 'I10'}
    assert len(gateway.posts) == 1


def test_a_visit_of_which_nothing_but_the_start_arrived_is_finished(
        clinic, gateway, emulator):
    singly(clinic)
    visit = clinic.visit(code=UNKNOWN_CODE)
    clinic.push()
    assert held(emulator, 'Encounter')[0]['status'] == 'in-progress'
    correct(clinic, visit, to_code('I10'))
    clinic.push()
    assert states(clinic, visit)[-1] == SENT
    assert_whole(clinic, emulator, visit)


@pytest.mark.fault(57)
def test_a_visit_that_has_not_left_is_withdrawn_at_once(
        clinic, gateway, emulator):
    visit = clinic.visit()
    withdraw(clinic, visit)
    assert states(clinic, visit) == [('stopped', None)]
    assert actions(clinic) == [
        ('withdraw', "Salah pasien", 'res.user,1')]
    assert "Salah pasien" in row(clinic, visit)['last_error']
    clinic.push()
    assert not writes(gateway)


@pytest.mark.fault(57)
def test_a_visit_that_arrived_is_marked_as_an_error(
        clinic, gateway, emulator):
    visit = delivered(clinic, 'J00')
    withdraw(clinic, visit)
    assert states(clinic, visit) == [SENT, ('pending', None)]
    count = len(writes(gateway))
    clinic.push()
    assert states(clinic, visit) == [SENT, SENT]
    assert writes(gateway)[count:] == [
        ('PUT', 'Encounter'), ('PUT', 'Condition')] + [
        ('PUT', 'Observation')] * 4
    for type_ in ['Encounter', 'Condition', 'Observation']:
        assert all(map(is_in_error, held(emulator, type_)))
    assert len(held(emulator, 'Encounter')) == 1
    assert_traced(clinic, gateway)


def test_a_visit_whose_diagnosis_was_refused_is_withdrawn(
        clinic, gateway, emulator):
    visit = delivered(clinic, 'J00')
    correct(clinic, visit, instead(UNKNOWN_CODE))
    clinic.push()
    assert states(clinic, visit)[-1] == ('needs_data', 'partly')
    withdraw(clinic, visit)
    clinic.push()
    assert states(clinic, visit)[-1] == SENT
    encounter, = held(emulator, 'Encounter')
    assert encounter['status'] == 'entered-in-error'


def test_what_a_withdrawal_replaced_is_not_sent_again(
        clinic, gateway, emulator, setting):
    clinic.write('company.company', [], {'satusehat_singly': True})
    visit = clinic.visit(code=UNKNOWN_CODE)
    clinic.push()
    withdraw(clinic, visit)
    clinic.push()
    before = states(clinic, visit)
    assert before[-1] == SENT and before[0][0] == 'stopped'
    count = len(writes(gateway))
    with pytest.raises(UserError, match="withdrawn"):
        clinic.resend(visit)
    clinic.push()
    assert states(clinic, visit) == before
    assert len(writes(gateway)) == count


def test_what_was_withdrawn_before_it_left_is_not_sent_again(
        clinic, gateway, emulator):
    visit = clinic.visit()
    withdraw(clinic, visit)
    with pytest.raises(UserError, match="withdrawn"):
        clinic.resend(visit)
    clinic.push()
    assert states(clinic, visit) == [('stopped', None)]
    assert not writes(gateway)


def test_what_a_correction_took_the_place_of_is_not_sent_again(
        clinic, gateway, emulator):
    visit = clinic.visit(code=UNKNOWN_CODE)
    clinic.push()
    correct(clinic, visit, instead(UNKNOWN_CODE))
    clinic.push()
    before = states(clinic, visit)
    assert [state for state, _ in before] == ['stopped', 'needs_data']
    first = clinic.read('satusehat.submission', [
            ('encounter', '=', visit), ('version', '=', 1)], 'id')[0][0]
    with clinic.transaction():
        Submission = Pool().get('satusehat.submission')
        with pytest.raises(UserError, match="later version"):
            Submission.plan_again([Submission(first)], "Coba lagi")
    assert states(clinic, visit) == before


@pytest.mark.fault(57)
def test_a_visit_on_its_way_is_marked_once_it_has_arrived(
        clinic, gateway, emulator):
    gateway.once('POST', FHIR, stored_cut)
    visit = clinic.visit()
    clinic.push()
    withdraw(clinic, visit)
    assert [s for s, _ in states(clinic, visit)] == ['checking', 'pending']
    drain(clinic)
    assert states(clinic, visit) == [SENT, SENT]
    assert is_in_error(held(emulator, 'Encounter')[0])
    assert len(gateway.posts) == 1


@pytest.mark.fault(57)
def test_of_a_refused_visit_there_is_nothing_to_withdraw(
        clinic, gateway, emulator):
    visit = clinic.visit(code=UNKNOWN_CODE)
    clinic.push()
    withdraw(clinic, visit)
    count = len(writes(gateway))
    clinic.push()
    assert states(clinic, visit) == [
        ('stopped', 'refused'), ('stopped', 'withdrawn')]
    assert len(writes(gateway)) == count


@pytest.mark.fault(57)
def test_a_withdrawal_beats_a_sender_that_has_only_claimed(
        clinic, gateway, emulator, monkeypatch):
    from trytond.modules.satusehat_integration.sender import Sender
    visit = clinic.visit()
    claimed = []
    prepare = Sender._prepare

    def while_claimed(sender, job):
        with ThreadPoolExecutor(1) as pool:
            pool.submit(withdraw, clinic, visit).result()
        claimed.append(job.id)
        return prepare(sender, job)
    monkeypatch.setattr(Sender, '_prepare', while_claimed)
    clinic.push()
    assert claimed
    assert states(clinic, visit) == [('stopped', None)]
    assert not gateway.posts


def test_a_withdrawal_needs_a_reason(clinic):
    from trytond.modules.satusehat_integration.exceptions import (
        ReasonRequired)
    visit = clinic.visit()
    with pytest.raises(ReasonRequired):
        withdraw(clinic, visit, "  ")
    assert states(clinic, visit) == [('pending', None)]


def test_an_encounter_entered_in_error_says_so_by_itself(
        clinic, gateway, emulator):
    visit = delivered(clinic, 'J00')
    clinic.write('clinic.encounter', [], {'state': 'entered_in_error'})
    correct(clinic, visit)
    clinic.push()
    assert states(clinic, visit) == [SENT, SENT]
    assert is_in_error(held(emulator, 'Encounter')[0])


def test_the_version_that_was_sent_is_frozen(clinic, gateway, emulator):
    visit = delivered(clinic, 'J00')
    correct(clinic, visit, to_code('I10'))
    clinic.push()
    bodies = [
        json.loads(s.body) for s in gateway.requests('PUT')
        if s.path.startswith(f'{FHIR}/Condition')]
    assert [b['code']['coding'][0]['code'] for b in bodies] == ['I10']
    hashes = clinic.read('satusehat.submission', [], 'bundle_hash')
    assert len(set(hashes)) == 2 and (None,) not in hashes


def test_the_promises_hold_over_corrections_and_withdrawals(
        clinic, gateway, emulator):
    singly(clinic)
    visits = [
        delivered(clinic, 'J00', 'I10'), delivered(clinic, 'J00'),
        visit_with(clinic, 'J00', UNKNOWN_CODE)]
    clinic.push()
    for visit in visits:
        correct(clinic, visit, to_code('E11'))
        add_diagnoses(clinic, visit, 'K30')
        correct(clinic, visit)
    withdraw(clinic, visits[1])
    gateway.once('POST', f'{FHIR}/Condition', stored_cut)
    clinic.push()
    drain(clinic)
    assert [states(clinic, visit)[-1] for visit in visits] == [SENT] * 3
    assert not [str(v) for v in check(clinic.database, emulator)]
