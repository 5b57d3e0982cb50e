# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Searching, reading, privacy and the lag of the index."

from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from satusehat_emulator import index, search
from satusehat_emulator.store import Row, Store

from . import samples
from .clinical import sample
from .conftest import texts

SYSTEM = f'{samples.SYSTEM_IDS}/encounter/{samples.ORG}'


def ids(response):
    return [e['resource']['id'] for e in response.get_json()['entry']]


@pytest.fixture
def visits(api):
    return [api.created(samples.encounter(f'K-{n}')) for n in range(3)]


@pytest.mark.parametrize('query', [
    {'identifier': f'{SYSTEM}|K-1'}, {'identifier': 'K-1'},
    {'subject': samples.PATIENT, 'identifier': 'K-1'},
    {'subject': f'Patient/{samples.PATIENT}', 'identifier': 'K-1'},
    {'identifier': f'{SYSTEM}|K-1', 'unsupported': 'x'},
    {'identifier': f'{SYSTEM}|K-1', 'status': 'arrived',
        'service-provider': samples.ORG, 'date': 'ge2026-11-20'}])
def test_encounter_is_found_exactly(api, visits, query):
    assert ids(api.get('/Encounter', **query)) == [visits[1]['id']]


@pytest.mark.parametrize('query', [
    {'identifier': f'{SYSTEM}|K-'}, {'identifier': f'{SYSTEM}|k-1'},
    {'identifier': f'{SYSTEM[:-1]}|K-1'}, {'identifier': '|K-1'},
    {'identifier': f'{SYSTEM}|K-1', 'subject': 'P02478375538'},
    {'identifier': f'{SYSTEM}|K-1', 'date': 'lt2026-11-20'}])
def test_encounter_is_not_found(api, visits, query):
    response = api.get('/Encounter', **query)
    assert response.status_code == 200
    assert response.get_json()['total'] == 0
    assert response.get_json()['entry'] == []


def test_found_again_under_a_changed_identifier(api, visits):
    visit = {**visits[0], 'identifier': [
        samples.identifier('encounter', 'K-new')]}
    assert api.put(visit).status_code == 200
    assert ids(api.get('/Encounter', identifier=f'{SYSTEM}|K-0')) == []
    assert ids(api.get('/Encounter', identifier=f'{SYSTEM}|K-new')) == [
        visit['id']]


def test_sorted_and_limited(api, visits, clock):
    clock.advance(60)
    newest = api.created(samples.encounter('K-9'))
    response = api.get('/Encounter', _sort='-_lastUpdated', _count=1)
    assert ids(response) == [newest['id']]
    assert response.get_json()['total'] == 4
    assert ids(api.get('/Encounter', _lastUpdated='ge2026-11-20T04:01:00Z')
        ) == [newest['id']]
    assert ids(api.get('/Encounter', _id=visits[2]['id'])) == [
        visits[2]['id']]


@pytest.mark.parametrize('query', [
    {'date': 'yesterday'}, {'_lastUpdated': 'ge'}, {'_count': 'many'}])
def test_unreadable_values(api, query):
    assert api.get('/Encounter', **query).status_code == 400


def test_condition_by_encounter_not_by_patient(api, visits):
    target = f'Encounter/{visits[0]["id"]}'
    diagnosis = api.created(samples.condition(target))
    api.created(samples.condition(f'Encounter/{visits[1]["id"]}'))
    for value in (visits[0]['id'], target):
        assert ids(api.get('/Condition', encounter=value)) == [
            diagnosis['id']]
    response = api.get('/Condition', patient=samples.PATIENT)
    assert response.status_code == 400
    assert response.get_json()['issue'][0]['code'] == 'value'


def test_medication_dispense_trap(api, visits):
    dispenses = []
    for visit in visits:
        target = f'Encounter/{visit["id"]}'
        numbers = [
            samples.identifier(kind, visit['id'])
            for kind in ('prescription', 'prescription-item')]
        request = api.created({
            **sample('MedicationRequest', target), 'identifier': numbers})
        dispense = sample('MedicationDispense', target, _Ready(request))
        dispenses.append(
            api.created({**dispense, 'identifier': numbers})['id'])
    ignored = api.get('/MedicationDispense', encounter=visits[0]['id'])
    assert ids(ignored) == dispenses
    refused = api.get('/MedicationDispense', context=visits[0]['id'])
    assert refused.status_code == 400
    assert texts(refused) == ['Missing query parameters: subject']
    found = api.get(
        '/MedicationDispense', context=visits[0]['id'],
        subject=samples.PATIENT)
    assert ids(found) == [dispenses[0]]


class _Ready:
    "Stands for an api that has created what is asked already."

    def __init__(self, resource):
        self.resource = resource

    def created(self, resource):
        return self.resource


def test_include(api, room):
    visit = api.created(samples.encounter(location_id=room))
    response = api.get('/Encounter', _include='Encounter:location')
    included = response.get_json()['entry'][1]
    assert included['resource']['id'] == room
    assert included['search'] == {'mode': 'include'}
    assert response.get_json()['total'] == 1
    assert ids(response)[0] == visit['id']


def test_index_lag(api, settings, clock):
    "Scenario 19: a fresh visit is missed by searches, not by a read."
    settings.index_lag = 30
    visit = api.created(samples.encounter('K-1'))
    query = {'identifier': f'{SYSTEM}|K-1'}
    assert ids(api.get('/Encounter', **query)) == []
    assert api.get(f'/Encounter/{visit["id"]}').status_code == 200
    assert api.post(samples.encounter('K-1')).status_code == 400
    clock.advance(30)
    assert ids(api.get('/Encounter', **query)) == [visit['id']]


def test_if_none_exist(api):
    def post(number, visit):
        return api.post(visit, headers={
            'If-None-Exist': f'identifier={SYSTEM}%7C{number}'})

    first = samples.encounter('K-1')
    assert post('K-1', first).status_code == 201
    refused = post('K-1', samples.encounter('K-2'))
    assert refused.status_code == 400
    assert refused.get_json()['issue'][0]['code'] == 'duplicate'
    api.created(samples.encounter('K-3'))
    several = api.post(samples.encounter('K-5'), headers={
        'If-None-Exist': f'subject={samples.PATIENT}'})
    assert several.status_code == 412


def test_suppressed(api, other, visits):
    "Scenario 20: another facility's data without the patient's consent."
    own = other.created(samples.encounter(org=samples.OTHER_ORG))
    found = other.get('/Encounter').get_json()
    kinds = [e['resource']['resourceType'] for e in found['entry']]
    assert kinds == ['OperationOutcome'] * 3 + ['Encounter']
    assert found['entry'][3]['resource']['id'] == own['id']
    hidden = found['entry'][0]
    assert 'fullUrl' not in hidden
    issue, = hidden['resource']['issue']
    assert issue['code'] == 'suppressed'
    assert issue['diagnostics'] == (
        f'No consent available for Encounter/{visits[0]["id"]}')
    response = other.get(f'/Encounter/{visits[0]["id"]}')
    assert response.status_code == 200
    assert response.get_json()['resourceType'] == 'OperationOutcome'


def test_suppressed_rows_can_be_left_out(api, other, visits, settings):
    settings.suppressed_rows = False
    found = other.get('/Encounter').get_json()
    assert (found['total'], found['entry']) == (0, [])


def test_consent_opens_and_closes(api, other, visits):
    def consent(action):
        return api.call('POST', '/Consent', prefix='/consent/v1', json={
            'patient_id': samples.PATIENT, 'action': action,
            'agent': 'Petugas Pendaftaran'})

    path = f'/Encounter/{visits[0]["id"]}'
    response = consent('OPTIN')
    assert response.status_code == 200
    assert response.get_json()['resourceType'] == 'Consent'
    assert other.get(path).get_json() == visits[0]
    assert consent('OPTOUT').status_code == 200
    assert other.get(path).get_json()['issue'][0]['code'] == 'suppressed'
    found = api.call(
        'GET', f'/Consent?patient_id={samples.PATIENT}',
        prefix='/consent/v1').get_json()
    assert found['policyRule']['coding'][0]['code'] == 'OPTOUT'


def test_foreign_data_cannot_be_changed(other, visits):
    response = other.put(visits[0])
    assert response.status_code == 403
    assert texts(response) == [
        'Operation cannot be performed due to consent or privacy rules.']


def test_missing_resource(api):
    response = api.get('/Condition/00000000-0000-4000-8000-000000000000')
    assert response.status_code == 404
    assert response.get_json() == {
        'resourceType': 'OperationOutcome', 'issue': [{
            'severity': 'error', 'code': 'no-store',
            'details': {'text': 'storage_error'},
            'diagnostics': 'resource not found: Condition/'
            '00000000-0000-4000-8000-000000000000'}]}


def test_everything_is_not_supported(api, visits):
    response = api.get(f'/Encounter/{visits[0]["id"]}/$everything')
    assert '(RuleNumber: 20014)' in texts(response)[0]


# Identifiers of any text, in the store itself

TEXTS = st.text(
    st.characters(codec='utf-8', exclude_characters='|,'), min_size=1,
    max_size=20)


@given(st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=8), st.data())
def test_identifier_search_is_exact(pairs, data):
    store = Store()
    for number, (system, value) in enumerate(pairs):
        body = {
            'resourceType': 'Encounter', 'id': str(number),
            'identifier': [{'system': system, 'value': value}]}
        store.save(
            Row('Encounter', str(number), 'o', 0.0, body), index.terms(body))
    system, value = data.draw(
        st.sampled_from(pairs) | st.tuples(TEXTS, TEXTS))
    for text, expected in (
            (f'{system}|{value}', lambda s, v: (s, v) == (system, value)),
            (f'{system}|', lambda s, v: s == system),
            (value, lambda s, v: v == value)):
        query = search.parse('Encounter', [('identifier', text)])
        found = {row.id for row in store.find('Encounter', query.terms)}
        assert found == {
            str(n) for n, pair in enumerate(pairs) if expected(*pair)}
    store.close()


@given(system=TEXTS, value=TEXTS)
def test_identifiers_survive_url_encoding(system, value):
    text = urlencode({'identifier': f'{system}|{value}'})
    query = search.parse('Encounter', parse_qsl(text))
    assert query.terms == [[('identifier', system, value)]]
