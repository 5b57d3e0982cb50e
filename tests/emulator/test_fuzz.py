# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Whatever is sent, the emulator answers and never breaks."

import copy

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from . import samples
from .clinical import TYPES, sample
from .conftest import texts
from .test_jsonpatch import VALUES, locations
from .test_whole_visit import whole_visit

KNOWN_KEYS = st.sampled_from([
    'reference', 'system', 'value', 'code', 'coding', 'resourceType', 'url',
    'extension', 'identifier', 'period', 'start', 'end', 'contained'])
ODD = VALUES | st.dictionaries(KNOWN_KEYS, VALUES, max_size=3) | st.lists(
    st.dictionaries(KNOWN_KEYS, VALUES, max_size=3), max_size=2)
RELAXED = settings(
    max_examples=60, deadline=None, suppress_health_check=[
        HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


def replaced(document, place, value):
    document = copy.deepcopy(document)
    holder = document
    for token in place[:-1]:
        holder = holder[token]
    holder[place[-1]] = value
    return document


def mutation(data, document):
    place = data.draw(st.sampled_from(list(locations(document))))
    return replaced(document, place, data.draw(ODD))


def answers(response):
    assert response.status_code < 500, response.data
    body = response.get_json(silent=True)
    if response.status_code >= 400 and body and 'issue' in body:
        assert texts(response)


@RELAXED
@given(data=st.data())
def test_marred_resources(api, data):
    visit = f'Encounter/{api.created(samples.encounter())["id"]}'
    type_ = data.draw(st.sampled_from(sorted(
        {*TYPES, 'Encounter', 'Condition', 'Observation', 'Location',
            'Organization', 'Patient'}
        - {'Specimen', 'DiagnosticReport', 'MedicationDispense'})))
    makers = {
        'Encounter': samples.encounter, 'Location': samples.location,
        'Organization': samples.organization,
        'Patient': lambda: samples.newborn('9204014804000002'),
        'Condition': lambda: samples.condition(visit),
        'Observation': lambda: samples.observation(visit)}
    make = makers.get(type_) or (lambda: sample(type_, visit))
    answers(api.call(
        'POST', f'/{type_}', json=mutation(data, make())))


@RELAXED
@given(data=st.data())
def test_marred_transactions(api, room, data):
    answers(api.send(mutation(data, whole_visit(room))))


@RELAXED
@given(data=st.data())
def test_marred_patches(api, room, data):
    operations = [{
        'op': 'replace', 'path': '/operationalStatus', 'value': {
            'system': f'{samples.HL7}/v2-0116', 'code': 'O'}}]
    answers(api.patch(f'/Location/{room}', mutation(data, operations)))
    answers(api.patch(
        f'/Patient/{samples.PATIENT}', mutation(data, operations)))


@RELAXED
@given(body=VALUES)
def test_any_json(api, body):
    for method, path in (
            ('POST', ''), ('POST', '/Encounter'), ('PUT', '/Encounter/x')):
        answers(api.call(method, path, json=body))
    answers(api.call('POST', '/Consent', prefix='/consent/v1', json=body))


@pytest.mark.parametrize('data', [
    b'', b'{', b'{"resourceType": NaN}', b'\xff\xfe', b'[' * 100_000,
    b'{"resourceType": "Encounter"', b'null', b'"Encounter"'])
def test_unreadable_bodies(api, data):
    response = api.call(
        'POST', '/Encounter', data=data, content_type='application/json')
    assert response.status_code == 400
    assert '(RuleNumber: 2000' in texts(response)[0]


def test_media_type_and_type_of_the_address(api):
    response = api.call(
        'POST', '/Encounter', data=b'{}', content_type='text/plain')
    assert texts(response) == ['invalid_headers']
    response = api.call('POST', '/Encounter', json=samples.location())
    assert texts(response) == ['resource_mismatch']
    response = api.call('POST', '/Banana', json={'resourceType': 'Banana'})
    assert '(RuleNumber: 20003)' in texts(response)[0]


@RELAXED
@given(pairs=st.lists(st.tuples(
    st.sampled_from([
        'identifier', 'subject', 'encounter', 'date', '_count', '_page',
        '_sort', '_id', '_lastUpdated', '_include', '_revinclude', 'name',
        'birthdate', 'gender']), st.text(max_size=12)), max_size=4))
def test_any_query(api, pairs):
    from werkzeug.datastructures import MultiDict
    for type_ in ('Encounter', 'Patient', 'Practitioner', 'Organization'):
        answers(api.call(
            'GET', f'/{type_}', query_string=MultiDict(pairs)))
