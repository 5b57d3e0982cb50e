# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Fault matrix: what the platform holds already, lacks, or shows late."

import json

import pytest
from matrix_clinic import bundles, drain, sees, settled

OTHER_PATIENT = 'P03647103112'


def forget(clinic, visit):
    "Forget that the visit was ever begun, as a restored backup does"
    clinic.delete('satusehat.exchange', [])
    clinic.delete('satusehat.resource', [
            ('record', 'like', 'clinic.%'),
            ('resource_type', 'in', [
                    'Encounter', 'Condition', 'Observation'])])
    clinic.write('satusehat.submission', [('encounter', '=', visit)], {
            'state': 'pending', 'reason': None, 'detail': None,
            'attempts': 0, 'sent_at': None, 'claim': None,
            'begun': False, 'begun_at': None, 'bundle': None,
            'bundle_hash': None, 'bundle_index': None})
    clinic.write(
        'satusehat.submission', [('encounter', '=', visit)],
        {'next_attempt': clinic.read(
                'clinic.encounter', [('id', '=', visit)],
                'finished_at')[0][0]})


@pytest.mark.fault(44)
def test_duplicate_that_is_ours(clinic, emulator, warm):
    visit = clinic.visit()
    clinic.push()
    number = clinic.encounter_id(visit)
    forget(clinic, visit)
    clinic.push()
    clinic.push()
    assert [e['status'] for e in bundles(emulator)][-2:] == [200, 400]
    assert sees(clinic, visit, 44)['state'] == 'sent'
    assert clinic.encounter_id(visit) == number
    assert len(emulator.store.find('Encounter')) == 3


@pytest.mark.fault(45)
def test_duplicate_of_another_patient(clinic, emulator):
    visit = clinic.visit()
    clinic.push()
    row, = emulator.store.find('Encounter')
    row.body['subject']['reference'] = f'Patient/{OTHER_PATIENT}'
    emulator.store.save(row, [
            ('identifier', i['system'], i['value'])
            for i in row.body['identifier']])
    forget(clinic, visit)
    for _ in range(3):
        clinic.push()
        clinic.make_due()
    submission = sees(clinic, visit, 45)
    assert (submission['state'], submission['reason']) == (
        'needs_admin', 'foreign')
    assert clinic.encounter_id(visit) is None
    assert len(emulator.store.find('Encounter')) == 1
    assert len(bundles(emulator)) == 2


@pytest.mark.fault(22)
def test_stored_visit_that_searches_show_late(clinic, emulator, warm):
    emulator.faults.add('drop', resource='Bundle', stored=True, times=1)
    visit = clinic.visit()
    clinic.push()
    lag = emulator.faults.add(
        'index_lag', resource='Encounter', seconds=100_000)
    sendings = len(bundles(emulator))
    for seconds in (60, 200, 300):
        clinic.pass_time(seconds)
        clinic.push()
        assert sees(clinic, visit, 22)['reason'] == 'not_found_yet'
    assert len(bundles(emulator)) == sendings
    clinic.pass_time(300)
    clinic.push()
    assert bundles(emulator)[-1]['status'] == 400
    emulator.faults.remove(lag.number)
    drain(clinic)
    assert sees(clinic, visit, 22)['state'] == 'sent'
    assert len(bundles(emulator)) == sendings + 1
    settled(clinic, emulator)


@pytest.mark.fault(47)
@pytest.mark.parametrize('fault, options', [
        ('rule', {'number': 20007, 'text':
            "Resource not found Patient/P02478375538"}),
        ('missing', {})], ids=['rule_20007', 'status_404'])
def test_reference_that_the_platform_does_not_know(
        clinic, emulator, warm, fault, options):
    emulator.faults.add(fault, resource='Bundle', times=1, **options)
    visit = clinic.visit()
    clinic.push()
    assert len(emulator.store.find('Encounter')) == 2
    submission = sees(clinic, visit, 47)
    assert clinic.encounter_id(visit) is None
    assert 'not found' in submission['last_error'].lower()
    if submission['state'] == 'needs_data':
        clinic.resend(visit)
    drain(clinic)
    assert clinic.submission(visit)['state'] == 'sent'
    settled(clinic, emulator)


@pytest.mark.fault(50)
@pytest.mark.parametrize('cascade', ['following', 'all'])
def test_cause_is_shown_and_not_its_consequences(
        clinic, emulator, warm, cascade):
    emulator.faults.add(
        'refused_entry', resource='Bundle', times=1, entry=3, number=10005,
        cascade=cascade)
    visit = clinic.visit()
    clinic.push()
    submission = sees(clinic, visit, 50)
    assert submission['state'] == 'needs_data'
    assert '10005' in submission['last_error']
    assert '20012' not in submission['last_error']
    assert clinic.encounter_id(visit) is None
    assert len(emulator.store.find('Encounter')) == 2
    clinic.resend(visit)
    clinic.push()
    assert clinic.submission(visit)['state'] == 'sent'
    settled(clinic, emulator)


@pytest.mark.fault(46)
@pytest.mark.parametrize('fault, options', [
        ('no_permission', {'status': 403, 'number': 20003}),
        ('no_permission', {'status': 400, 'number': 20004}),
        ('forbidden', {})], ids=['20003', '20004', 'consent'])
def test_branch_that_may_not(clinic, emulator, warm, fault, options):
    emulator.faults.add(fault, client='client-A', resource='Bundle', **options)
    refused, other = clinic.visit('A'), clinic.visit('B')
    clinic.push()
    submission = sees(clinic, refused, 46)
    assert (submission['state'], submission['reason']) == (
        'needs_admin', 'forbidden')
    assert clinic.submission(other)['state'] == 'sent'
    assert clinic.encounter_id(refused) is None
    emulator.faults.clear()
    clinic.pass_time(4000)
    clinic.resend(refused)
    clinic.push()
    assert clinic.submission(refused)['state'] == 'sent'
    settled(clinic, emulator)


@pytest.mark.fault(58)
@pytest.mark.parametrize('begun', [False, True], ids=['refused', 'begun'])
def test_number_of_the_patient_changes_between_tries(
        clinic, emulator, warm, gateway, begun):
    fault, options = ('drop', {}) if begun else ('rule', {'number': 10005})
    emulator.faults.add(fault, resource='Bundle', times=1, **options)
    visit = clinic.visit()
    clinic.push()
    clinic.write('satusehat.resource', [('resource_type', '=', 'Patient')], {
            'resource_id': OTHER_PATIENT})
    if not begun:
        clinic.resend(visit)
    drain(clinic)
    assert sees(clinic, visit, 58)['state'] == 'sent'
    first, second = gateway.posts
    encounter = emulator.store.get('Encounter', clinic.encounter_id(visit))
    subject = encounter.body['subject']['reference']
    assert (first.body == second.body) == begun
    assert (subject == f'Patient/{OTHER_PATIENT}') == (not begun)
    assert json.loads(second.body)['resourceType'] == 'Bundle'


@pytest.mark.fault(59)
def test_environment_of_the_branch_changes(clinic, emulator, warm):
    visit = clinic.visit()
    company = clinic.branches['A']['company']
    clinic.write('company.company', [('id', '=', company)], {
            'satusehat_environment': 'staging'})
    assert clinic.read(
        'satusehat.submission', [('encounter', '=', visit)],
        'environment') == [('local',)]
    clinic.push()
    assert sees(clinic, visit, 59)['state'] == 'sent'
    assert clinic.encounter_id(visit) is None
    later = clinic.visit()
    clinic.push()
    assert clinic.submission(later)['reason'] == 'no_credential'
    assert len(bundles(emulator)) == 3
    clinic.write('company.company', [('id', '=', company)], {
            'satusehat_environment': 'local'})
    assert clinic.encounter_id(visit)
    settled(clinic, emulator)
