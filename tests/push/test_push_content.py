# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"What the platform holds after a push, and what we know of it."

import json

from gateway import FHIR
from push_clinic import DOCTOR_NUMBER, PATIENT_NUMBER

SENT_TYPES = [
    'Encounter', 'Condition', 'Condition', 'Observation', 'Observation',
    'Observation', 'Observation']
IDENTIFIERS = 'http://sys-ids.kemkes.go.id'


def resolved(resource, ids):
    "The resource as the platform stores it, references between entries met"
    text = json.dumps(resource)
    for full_url, reference in ids.items():
        text = text.replace(full_url, reference)
    return json.loads(text)


def test_platform_holds_the_visit_exactly_as_frozen(clinic, gateway, emulator):
    visit = clinic.visit(finding='386661006')
    clinic.push()
    bundle, entries = clinic.bundle(visit)
    known = {
        (type_, record, key): id_
        for type_, record, key, id_ in clinic.read(
            'satusehat.resource', [], 'resource_type', 'record', 'key',
            'resource_id')}
    ids = [
        known[e['resource_type'], f"{e['model']},{e['record']}",
            e['key'] or '']
        for e in entries]
    assert [e['resource_type'] for e in entries] == SENT_TYPES
    assert len(set(ids)) == len(SENT_TYPES)
    references = {
        e['full_url']: f"{e['resource_type']}/{id_}"
        for e, id_ in zip(entries, ids, strict=True)}
    for item, entry, id_ in zip(bundle['entry'], entries, ids, strict=True):
        stored = emulator.store.get(entry['resource_type'], id_)
        assert stored.owner == '10000004'
        expected = resolved(item['resource'], references)
        assert {k: stored.body[k] for k in expected} == expected
        assert set(stored.body) - set(expected) <= {'id', 'meta', 'text'}
    assert json.loads(gateway.posts[0].body) == bundle


def test_stored_encounter_reads_as_the_visit(clinic, emulator):
    visit = clinic.visit()
    clinic.push()
    encounter = emulator.store.get(
        'Encounter', clinic.encounter_id(visit)).body
    uid, = clinic.read('clinic.encounter', [('id', '=', visit)], 'uid')[0]
    history = encounter['statusHistory']
    assert [h['status'] for h in history] == [
        'arrived', 'in-progress', 'finished']
    assert history[0]['period']['end'] == history[1]['period']['start']
    assert history[1]['period']['end'] == history[2]['period']['start']
    assert encounter['identifier'] == [{
            'system': f'{IDENTIFIERS}/encounter/10000004', 'value': uid}]
    assert encounter['subject']['reference'] == f'Patient/{PATIENT_NUMBER}'
    assert encounter['participant'][0]['individual']['reference'] == (
        f'Practitioner/{DOCTOR_NUMBER}')
    diagnosis, = encounter['diagnosis']
    type_, id_ = diagnosis['condition']['reference'].split('/')
    condition = emulator.store.get(type_, id_).body
    assert condition['code']['coding'][0]['code'] == 'J00'
    assert condition['encounter']['reference'] == (
        f'Encounter/{encounter["id"]}')
    location = encounter['location'][0]['location']['reference']
    assert location == 'Location/' + emulator.store.find(
        'Location')[0].id


def test_each_request_has_its_row(clinic, gateway):
    visit = clinic.visit()
    clinic.push()
    rows = clinic.read(
        'satusehat.exchange', [], 'method', 'path', 'status', 'outcome',
        'environment', 'request_id', 'size', 'duration', 'submission')
    assert sorted(row[:2] for row in rows) == sorted(
        (s.method, s.path) for s in gateway.seen)
    for row in rows:
        *_, status, outcome, environment, request_id, size, duration, _ = row
        assert (outcome, environment) == ('ok', 'local')
        assert status in {200, 201} and size > 0 and duration >= 0
        assert request_id or row[1].startswith('/oauth2')
    with_submission = [row[:2] for row in rows if row[-1]]
    assert ('POST', FHIR) in with_submission
    assert clinic.submission(visit)['attempts'] == 1


def test_second_push_asks_nothing(clinic, gateway):
    clinic.visit()
    clinic.push()
    asked = len(gateway.seen)
    clinic.make_due()
    clinic.push()
    assert len(gateway.seen) == asked


def test_warm_visit_takes_one_request(clinic, gateway):
    clinic.visit()
    clinic.push()
    asked = len(gateway.seen)
    clinic.visit()
    clinic.push()
    assert [(s.method, s.path) for s in gateway.seen[asked:]] == [
        ('POST', FHIR)]


def test_visits_of_one_push_share_token_and_look_ups(clinic, gateway):
    visits = [clinic.visit() for _ in range(5)]
    clinic.push()
    assert all(clinic.submission(v)['state'] == 'sent' for v in visits)
    assert len(gateway.tokens) == 1
    assert [s.path for s in gateway.requests('GET')] == [
        f'{FHIR}/Patient', f'{FHIR}/Practitioner', f'{FHIR}/Organization',
        f'{FHIR}/Location']
    assert len(gateway.posts) == 5


def test_each_branch_sends_as_its_own_organization(clinic, emulator):
    visits = {branch: clinic.visit(branch) for branch in 'AB'}
    clinic.push()
    for branch, organization in [('A', '10000004'), ('B', '10000005')]:
        id_ = clinic.encounter_id(visits[branch], branch)
        row = emulator.store.get('Encounter', id_)
        assert row.owner == organization
        assert row.body['serviceProvider']['reference'] == (
            f'Organization/{organization}')
    for entry in emulator.journal.entries():
        if entry['organization']:
            assert entry['client'] == {
                '10000004': 'client-A',
                '10000005': 'client-B'}[entry['organization']]
    owners = {r.owner for r in emulator.store.find('Encounter')}
    assert owners == {'10000004', '10000005'}


def test_names_changed_after_finish_are_not_sent(clinic, gateway):
    visit = clinic.visit()
    before = clinic.read(
        'satusehat.submission', [], 'snapshot', 'snapshot_hash')
    clinic.write('party.party', [('nik', '!=', None)], {'name': "Lain"})
    clinic.write('clinic.icd10', [('code', '=', 'J00')], {'name': "Other"})
    clinic.write('clinic.room', [], {'name': "Ruang Baru"})
    clinic.push()
    assert clinic.submission(visit)['state'] == 'sent'
    assert clinic.read(
        'satusehat.submission', [], 'snapshot', 'snapshot_hash') == before
    body = gateway.posts[0].body.decode()
    assert "Ruang Baru" not in body and "Other" not in body
    assert "Lain" not in body and "dr. Alexander" in body
