# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Numbers of people: what is missing parks the visit and writes nothing."

import json

import pytest
from gateway import FHIR
from push_clinic import (
    DOCTOR_NIK, DOCTOR_NUMBER, PATIENT_NIK, PATIENT_NUMBER, TWIN_DOCTOR_NIK,
    TWIN_PATIENT_NIK, UNKNOWN_NIK)

NURSE_NIK = '3171015203900011'
NURSE_NUMBER = '90000000003'


def with_nurse(clinic, nik):
    "Let a nurse have taken the vital signs of the branch's next visits"
    with clinic.transaction():
        from trytond.pool import Pool
        party = clinic.person(nik, "Ns. Tiga")
        nurse, = Pool().get('company.employee').create([{
                    'party': party, 'profession': 'nurse',
                    'company': clinic.branches['A']['company']}])
        return nurse.id


def performers(gateway):
    bundle = json.loads(gateway.posts[0].body)
    return {
        p['reference'] for entry in bundle['entry']
        for p in entry['resource'].get('performer', [])}


@pytest.mark.parametrize('nik, doctor, reason, person', [
        (None, DOCTOR_NIK, 'patient_without_nik', 'patient'),
        (UNKNOWN_NIK, DOCTOR_NIK, 'patient_not_found', 'patient'),
        (TWIN_PATIENT_NIK, DOCTOR_NIK, 'patient_ambiguous', 'patient'),
        (PATIENT_NIK, None, 'practitioner_without_nik', 'practitioner'),
        (PATIENT_NIK, UNKNOWN_NIK, 'practitioner_not_found', 'practitioner'),
        (PATIENT_NIK, TWIN_DOCTOR_NIK, 'practitioner_ambiguous',
            'practitioner'),
        ], ids=lambda value: str(value) if value else 'none')
def test_missing_number_parks_the_visit_until_mended(
        clinic, gateway, emulator, nik, doctor, reason, person):
    visit = clinic.visit(nik=nik, doctor=doctor)
    clinic.push()
    submission = clinic.submission(visit)
    assert (submission['state'], submission['reason']) == (
        'needs_data', reason)
    assert reason not in submission['last_error']
    assert not submission['begun'] and not submission['bundle']
    assert not gateway.posts
    assert not emulator.store.find('Encounter')
    asked = len(gateway.seen)
    clinic.make_due()
    clinic.push()
    assert len(gateway.seen) == asked

    right = {'patient': PATIENT_NIK, 'practitioner': DOCTOR_NIK}[person]
    with clinic.transaction():
        from trytond.pool import Pool
        record = getattr(Pool().get('clinic.encounter')(visit), person)
        record.party.nik = right
        record.party.save()
    clinic.resend(visit)
    clinic.push()
    assert clinic.submission(visit)['state'] == 'sent'
    assert len(emulator.store.find('Encounter')) == 1
    encounter = emulator.store.find('Encounter')[0].body
    assert encounter['subject']['reference'] == f'Patient/{PATIENT_NUMBER}'


def test_unknown_person_is_asked_for_once_in_a_push(clinic, gateway):
    for _ in range(3):
        clinic.visit(nik=UNKNOWN_NIK)
    clinic.push()
    assert clinic.states() == {('needs_data', 'patient_not_found'): 3}
    assert len(gateway.requests('GET', f'{FHIR}/Patient')) == 1


def test_one_bad_visit_does_not_stop_the_others(clinic, gateway):
    visits = [
        clinic.visit(nik=nik)
        for nik in (None, PATIENT_NIK, UNKNOWN_NIK, PATIENT_NIK)]
    clinic.push()
    assert [clinic.submission(v)['state'] for v in visits] == [
        'needs_data', 'sent', 'needs_data', 'sent']


def test_number_of_the_performer_is_sent(clinic, gateway):
    nurse = with_nurse(clinic, NURSE_NIK)
    visit = clinic.visit(finish=False)
    clinic.write('clinic.vital_signs', [], {'recorded_by': nurse})
    clinic.finish(visit)
    clinic.push()
    assert clinic.submission(visit)['state'] == 'sent'
    assert performers(gateway) == {f'Practitioner/{NURSE_NUMBER}'}


@pytest.mark.parametrize('nik', [None, UNKNOWN_NIK])
def test_doctor_stands_for_a_performer_without_number(clinic, gateway, nik):
    nurse = with_nurse(clinic, nik)
    visit = clinic.visit(finish=False)
    clinic.write('clinic.vital_signs', [], {'recorded_by': nurse})
    clinic.finish(visit)
    clinic.push()
    assert clinic.submission(visit)['state'] == 'sent'
    assert performers(gateway) == {f'Practitioner/{DOCTOR_NUMBER}'}


def test_person_with_another_clear_nik_is_not_adopted(clinic, gateway):
    def unrelated(exchange):
        exchange.reply(200, {'resourceType': 'Bundle', 'entry': [{
                        'resource': {
                            'resourceType': 'Patient', 'id': 'P00000000001',
                            'identifier': [{
                                    'system': 'https://fhir.kemkes.go.id/id/'
                                    'nik', 'value': UNKNOWN_NIK}]}}]})
    gateway.once('GET', f'{FHIR}/Patient', unrelated)
    visit = clinic.visit()
    clinic.push()
    assert clinic.submission(visit)['reason'] == 'patient_not_found'


@pytest.mark.parametrize('body', [
        {'resourceType': 'Bundle', 'entry': {'resource': 1}},
        {'resourceType': 'Bundle', 'entry': ['Patient', None, 5]},
        {'resourceType': 'Bundle', 'entry': [{'resource': []}]},
        {'resourceType': 'Bundle', 'link': 'next'},
        {'resourceType': 'Bundle', 'entry': [
                {'resource': {'resourceType': 'Patient', 'id': 5}}]},
        ], ids=range(5))
def test_odd_search_answer_finds_nobody(clinic, gateway, body):
    gateway.always(
        'GET', f'{FHIR}/Patient', lambda exchange: exchange.reply(200, body))
    visit = clinic.visit()
    clinic.push()
    assert clinic.submission(visit)['reason'] == 'patient_not_found'


def test_search_without_end_is_no_absence(clinic, gateway):
    def again(exchange):
        exchange.reply(200, {'resourceType': 'Bundle', 'link': [{
                        'relation': 'next', 'url': '?page=1'}]})
    gateway.always('GET', f'{FHIR}/Patient', again)
    visit = clinic.visit()
    clinic.push()
    submission = clinic.submission(visit)
    assert (submission['state'], submission['reason']) == (
        'waiting', 'unrecognised')
