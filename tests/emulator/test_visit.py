# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Encounter, Condition and Observation, one by one and as a transaction."

import json

import pytest

from . import samples
from .conftest import expressions, texts
from .samples import ref, urn


def refused(response, *fragments):
    "Assert that a response refuses for exactly these reasons, in any order."
    assert response.status_code == 400, response.get_json()
    found = texts(response)
    assert len(found) == len(fragments), found
    for fragment in fragments:
        assert any(fragment in text for text in found), found


def test_create_answers_like_the_platform(api, room, clock):
    visit = samples.encounter('K-1', room)
    response = api.post(visit)
    stored = response.get_json()
    assert response.status_code == 201
    assert {**visit, 'id': stored['id'], 'meta': stored['meta']} == stored
    version = stored['meta']['versionId']
    assert stored['meta']['lastUpdated'] == (
        '2026-11-20T04:00:00.000000+00:00')
    assert response.headers['ETag'] == f'W/"{version}"'
    assert response.headers['Last-Modified'].endswith(' UTC')
    assert response.headers['Location'].endswith(
        f'/fhir/Encounter/{stored["id"]}/_history/{version}')
    assert list(json.loads(response.data)) == sorted(stored)


def test_lost_response_then_adopted(api):
    "Scenario 7."
    visit = samples.encounter('K-7')
    id_ = api.created(visit)['id']
    refused(api.post(visit), 'Found duplicate resource: Encounter')
    assert '(RuleNumber: 20002)' in texts(api.post(visit))[0]
    system = visit['identifier'][0]['system']
    found = api.get('/Encounter', identifier=f'{system}|K-7').get_json()
    assert found['total'] == 1
    assert found['entry'][0]['resource']['id'] == id_
    nothing = api.get('/Encounter', identifier=f'{system}|K-').get_json()
    assert (nothing['total'], nothing['entry']) == (0, [])


def finish(api, **changes):
    visit = api.created(samples.encounter())
    diagnosis = api.created(samples.condition(f'Encounter/{visit["id"]}'))
    over = samples.finished(visit, f'Condition/{diagnosis["id"]}')
    over.update(changes)
    return api.put({k: v for k, v in over.items() if v is not None})


def test_finish(api):
    response = finish(api)
    assert response.status_code == 200, response.get_json()
    stored = response.get_json()
    assert stored['status'] == 'finished'
    assert api.get(f'/Encounter/{stored["id"]}').get_json() == stored


def test_finish_without_diagnosis(api):
    "Scenario 8."
    refused(finish(api, diagnosis=None), '(RuleNumber: 10457)')


def test_finish_with_open_status(api):
    "Scenario 9."
    history = [
        {'status': 'arrived', 'period': samples.period('01:00', '01:20')},
        {'status': 'finished', 'period': samples.period('01:20')}]
    response = finish(api, statusHistory=history)
    refused(response, '(Rule 10122)')
    assert expressions(response) == ['Encounter.statusHistory[1].period']


def test_period_ends_before_it_starts(api):
    response = finish(api, period={
        'start': '2026-11-20T09:00:00+07:00',
        'end': '2026-11-20T01:59:59+00:00'})
    refused(response, 'unparseable_resource')
    issue, = response.get_json()['issue']
    assert issue['diagnostics'] == (
        'fhirpath-constraint-violation-Encounter.period')


@pytest.mark.parametrize('moment, fragment', [
    ('2026-11-20T04:00:01+00:00', 'Invalid date time value'),
    ('2026-11-20T11:00:01+07:00', 'Invalid date time value'),
    ('2014-06-02T23:59:59+00:00', 'before 3rd June 2014'),
    ('2026-11-20', 'Invalid date time format'),
    ('2026-11-20T01:00:00', 'Invalid date time format'),
    ('2026-02-30T01:00:00Z', 'Invalid date time format')])
def test_dates_out_of_the_window(api, moment, fragment):
    "Scenarios 10 and 11."
    visit = samples.encounter()
    visit['period'] = {'start': moment}
    response = api.post(visit)
    refused(response, fragment)
    assert '(RuleNumber: 10123)' in texts(response)[0]


@pytest.mark.parametrize('moment', [
    '2026-11-20T04:00:00+00:00', '2026-11-20T11:00:00+07:00',
    '2026-11-20T03:59:59.999Z', '2014-06-03T00:00:00Z'])
def test_dates_are_stored_as_sent(api, moment):
    visit = samples.encounter()
    visit['period'] = {'start': moment}
    assert api.created(visit)['period']['start'] == moment


def test_clock_skew(api, settings):
    visit = samples.encounter()
    visit['period'] = {'start': samples.at('04:01')}
    settings.clock_skew = 59
    assert api.post(visit).status_code == 400
    settings.clock_skew = 60
    assert api.post(visit).status_code == 201


@pytest.mark.parametrize('code', ['X99.99', 'A97.0', 'U07.1', 'J00.', 'j00'])
def test_unknown_icd_10_code(api, code):
    "Scenario 12: not in ICD-10, edition 2010."
    visit = api.created(samples.encounter())
    response = api.post(samples.condition(f'Encounter/{visit["id"]}', code))
    refused(
        response, f"Code not found: '{code}' in system: "
        'http://hl7.org/fhir/sid/icd-10 (RuleNumber: 10003)')
    assert expressions(response) == ['Condition.code[0].code']


@pytest.mark.parametrize('code', ['J00', 'A91', 'E11.9', 'I10', 'K30'])
def test_known_icd_10_code(api, code):
    visit = api.created(samples.encounter())
    api.created(samples.condition(f'Encounter/{visit["id"]}', code))


def test_wrong_organization(api):
    "Scenario 13: both issues are reported at once."
    visit = samples.encounter(org=samples.OTHER_ORG)
    response = api.post(visit)
    refused(
        response,
        'Wrong organization ID provided by system URL: '
        'http://sys-ids.kemkes.go.id/encounter/10000005 '
        '(RuleNumber: 10117)',
        '(RuleNumber: 10124)')
    assert expressions(response) == [
        'Encounter.identifier[0].system', 'Encounter.serviceProvider']
    outcome = response.get_json()
    assert outcome['text'] == {'status': 'generated'}


def test_https_system_is_another_system(api):
    visit = samples.encounter()
    visit['class']['system'] = visit['class']['system'].replace(
        'http:', 'https:')
    visit['identifier'][0]['system'] = 'https://sys-ids.kemkes.go.id/x'
    refused(
        api.post(visit), 'Invalid identifier system: https://',
        'Invalid coding system: https://')


def test_what_is_missing_is_all_reported(api):
    response = api.post({'resourceType': 'Encounter'})
    refused(
        response, 'identifier (RuleNumber: 10117)',
        'status (RuleNumber: 10121)', 'statusHistory (RuleNumber: 10122)',
        'class (RuleNumber: 10001)', 'start (RuleNumber: 10123)',
        'Reference is mandatory : Encounter.subject (RuleNumber: 10118)',
        'Reference is mandatory : Encounter.serviceProvider')


def test_put_without_id(api):
    "Scenario 14."
    visit = api.created(samples.encounter())
    id_ = visit.pop('id')
    refused(api.put(visit, id_), 'id is required')


def test_put_id_mismatch(api):
    "Scenario 15."
    visit = api.created(samples.encounter())
    second = api.created(samples.encounter())
    refused(api.put(visit, second['id']), 'resource_mismatch')


def test_put_unknown(api):
    visit = {**samples.encounter(), 'id': 'none'}
    response = api.put(visit)
    assert response.status_code == 404
    assert response.get_json()['issue'][0]['code'] == 'no-store'


def test_unknown_references(api):
    visit = samples.encounter()
    visit['subject'] = ref('Patient/P99999999999')
    response = api.post(visit)
    refused(response, 'Resource not found Patient/P99999999999')
    assert '(RuleNumber: 20007)' in texts(response)[0]


def test_transaction(api, room):
    "Scenario 16."
    response = api.send(samples.visit_bundle(room))
    answer = response.get_json()
    assert response.status_code == 200, answer
    assert answer['type'] == 'transaction-response'
    assert answer['total'] == len(answer['entry']) == 8
    first = answer['entry'][0]['response']
    assert first['status'] == '201 Created'
    assert first['resourceType'] == 'Encounter'
    assert first['location'].split('/')[-4:-1] == [
        'Encounter', first['resourceID'], '_history']
    assert first['etag'] == f'W/"{first["location"].split("/")[-1]}"'
    visit = api.get(f'/Encounter/{first["resourceID"]}').get_json()
    diagnosis = answer['entry'][1]['response']['resourceID']
    assert visit['diagnosis'][0]['condition'] == ref(
        f'Condition/{diagnosis}')
    signs = api.get('/Observation', encounter=visit['id']).get_json()
    assert signs['total'] == 6


def test_refused_transaction_leaves_nothing(api, room):
    "Scenario 17."
    response = api.send(samples.visit_bundle(room, code='U07.1'))
    refused(response, '(RuleNumber: 10003)')
    for type_ in ('Encounter', 'Condition', 'Observation'):
        assert api.get(f'/{type_}').get_json()['total'] == 0
    assert api.send(samples.visit_bundle(room)).status_code == 200


def test_transaction_twice(api, room):
    assert api.send(samples.visit_bundle(room)).status_code == 200
    refused(
        api.send(samples.visit_bundle(room)),
        'Found duplicate resource: Encounter',
        'Found duplicate: Condition')


def test_twins_in_one_transaction(api, room):
    visit = samples.encounter('K-1', room)
    refused(
        api.send(samples.bundle(visit, samples.encounter('K-1', room))),
        'Found duplicate resource: Encounter')


def test_transaction_with_update(api):
    visit = api.created(samples.encounter())
    target = f'Encounter/{visit["id"]}'
    sent = samples.bundle(
        samples.condition(target), samples.finished(visit, urn(1)))
    sent['entry'][1].update(
        fullUrl=target, request={'method': 'PUT', 'url': target})
    response = api.send(sent)
    assert response.status_code == 200, response.get_json()
    second = response.get_json()['entry'][1]['response']
    assert second['status'] == '200 OK'
    assert api.get('/' + target).get_json()['status'] == 'finished'


@pytest.mark.parametrize('full_url, number', [
    ('Condition/1', 20018), ('urn:uuid', 20017), ('urn:uuid:1', 20019),
    (urn(1), 20020), ('', 20021)])
def test_full_url_rules(api, room, full_url, number):
    sent = samples.visit_bundle(room)
    sent['entry'][1]['fullUrl'] = full_url
    refused(api.send(sent), f'(RuleNumber: {number})')


def test_nested_bundle(api):
    refused(
        api.send(samples.bundle(samples.bundle(samples.encounter()))),
        'Forbidden nested bundle (RuleNumber: 20011)')


def test_reference_to_no_entry(api, room):
    sent = samples.visit_bundle(room)
    sent['entry'][0]['resource']['diagnosis'][0]['condition'] = ref(urn(99))
    refused(api.send(sent), f'Resource not found {urn(99)}')


def test_batch_refuses_cross_references(api, room):
    sent = {**samples.visit_bundle(room), 'type': 'batch'}
    refused(api.send(sent), 'invalid_static_reference')


def test_cascade(api, room, settings):
    settings.cascade = True
    sent = samples.visit_bundle(room, code='U07.1')
    found = texts(api.send(sent))
    assert '10003' in found[0]
    assert len(found) == 7
    assert all('(RuleNumber: 20012)' in text for text in found[1:])


def test_store_refusal_names_the_entry(api, room):
    sent = samples.visit_bundle(room)
    sent['entry'][2]['resource']['note'] = {'text': 'not a list'}
    response = api.send(sent)
    refused(response, 'unparseable_resource')
    assert expressions(response) == [
        'Bundle.entry[2].resource.observation.note']
    assert 'text' not in response.get_json()
