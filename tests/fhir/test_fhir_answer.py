# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Reading of answers as the platform is known to give them, and of rubbish."

import json
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trytond.modules.satusehat_integration.fhir import answer
from trytond.modules.satusehat_integration.fhir.errors import AnswerMismatch

BASE = 'https://api-satusehat-stg.dto.kemkes.go.id/fhir-r4/v1'
VERSION = 'MTc5NTE0MDcyMzUxNjQzMDAwMA'
FIRST = '7d3f0c52-2d7e-4f0e-8a55-5a9d5d3f0002'
SECOND = '0e2b9c62-6a9b-4a8f-9f1e-2d7d7f7c0003'
SYSTEM = 'http://sys-ids.kemkes.go.id/encounter/10000004'


def entries(*types):
    return [SimpleNamespace(resource_type=name) for name in types]


def row(name, number, location=None, **changes):
    response = {
        'status': '201 Created', 'etag': f'W/"{VERSION}"',
        'resourceType': name, 'resourceID': number, 'location': location}
    response.update(changes)
    return {'response': {
        key: value for key, value in response.items() if value is not None}}


def answered(*rows):
    return {
        'resourceType': 'Bundle', 'type': 'transaction-response',
        'total': len(rows), 'entry': list(rows)}


def absolute(name, number):
    return f'{BASE}/{name}/{number}/_history/{VERSION}'


def test_ids_in_request_order():
    response = answered(
        row('Encounter', FIRST, absolute('Encounter', FIRST)),
        row('Condition', SECOND, absolute('Condition', SECOND)))
    assert answer.entry_ids(
        response, entries('Encounter', 'Condition')) == [FIRST, SECOND]


@pytest.mark.parametrize('location', [
    f'{BASE}/Encounter/{FIRST}/_history/{VERSION}',
    f'{BASE}/Encounter/{FIRST}/_history/{VERSION}/',
    f'/fhir-r4/v1/Encounter/{FIRST}/_history/{VERSION}',
    f'Encounter/{FIRST}/_history/{VERSION}',
    f'/Encounter/{FIRST}/_history/1',
    f'https://healthcare.googleapis.com/v1/projects/p/locations/l/datasets/d'
    f'/fhirStores/s/fhir/Encounter/{FIRST}/_history/{VERSION}',
    f'Encounter/{FIRST}',
    f'{BASE}/Encounter/{FIRST}',
    ])
@pytest.mark.parametrize('typed', [True, False])
def test_id_from_the_location_is_never_the_version(location, typed):
    response = answered(row(
        'Encounter' if typed else None, None, location))
    assert answer.entry_ids(response, entries('Encounter')) == [FIRST]


@pytest.mark.parametrize('rows, types', [
    ([], ['Encounter']),
    ([row('Encounter', FIRST)], ['Encounter', 'Condition']),
    ([row('Encounter', FIRST), row('Condition', SECOND)], ['Encounter']),
    ([row('Condition', SECOND), row('Encounter', FIRST)],
        ['Encounter', 'Condition']),
    ([row('Encounter', None)], ['Encounter']),
    ([row('Encounter', '')], ['Encounter']),
    ([row('Encounter', 7)], ['Encounter']),
    ([row(None, FIRST)], ['Encounter']),
    ([row(None, None, absolute('Condition', FIRST))], ['Encounter']),
    ([row('Encounter', None, VERSION)], ['Encounter']),
    ([row('Encounter', None, f'_history/{VERSION}')], ['Encounter']),
    ([row('Encounter', FIRST, status='400 Bad Request')], ['Encounter']),
    ([row('Encounter', FIRST, status=500)], ['Encounter']),
    ([row('Condition', FIRST), row('Condition', FIRST)],
        ['Condition', 'Condition']),
    ([None], ['Encounter']),
    ([{'response': None}], ['Encounter']),
    ([{'resource': {'resourceType': 'Encounter', 'id': FIRST}}],
        ['Encounter']),
    ])
def test_what_does_not_pair_is_refused_whole(rows, types):
    with pytest.raises(AnswerMismatch):
        answer.entry_ids(answered(*rows), entries(*types))


@pytest.mark.parametrize('response', [
    None, '', 'Gateway Timeout', [], {}, {'entry': {}}, {'entry': None}])
def test_no_answer_is_a_mismatch(response):
    with pytest.raises(AnswerMismatch):
        answer.entry_ids(response, entries('Encounter'))


def outcome(*issues):
    return {'resourceType': 'OperationOutcome', 'issue': list(issues)}


MANDATORY = {
    'severity': 'error', 'code': 'value',
    'details': {'text':
        "Reference is mandatory : Encounter.serviceProvider "
        "(RuleNumber: 10124)"},
    'expression': ['Encounter.serviceProvider']}


@pytest.mark.parametrize('body, expected', [
    (outcome(MANDATORY), [(
        'value', MANDATORY['details']['text'], 10124,
        'Encounter.serviceProvider')]),
    (outcome(MANDATORY, MANDATORY), [(
        'value', MANDATORY['details']['text'], 10124,
        'Encounter.serviceProvider')]),
    (outcome({'code': 'value', 'details': {
        'text': "found duplicated EpisodeOfCare (Rule Number: 10109)"}}),
        [('value', "found duplicated EpisodeOfCare (Rule Number: 10109)",
            10109, '')]),
    (outcome({'code': 'format', 'details': {'text':
        "Invalid date time format : 2022-06-14 (RuleNumber: 10123). Format "
        "allowed : YYYY-MM-DDThh:mm:ss+00:00"}, 'expression': "A.b"}),
        [('format', "Invalid date time format : 2022-06-14 (RuleNumber: "
            "10123). Format allowed : YYYY-MM-DDThh:mm:ss+00:00", 10123,
            'A.b')]),
    (outcome({'code': 'value', 'details': {'text':
        "every statusHistory period start and end must be filled "
        "(Rule 10122)"}}),
        [('value', "every statusHistory period start and end must be filled "
            "(Rule 10122)", 10122, '')]),
    (outcome({'code': 'value', 'details': {'text':
        "Invalid date time value : x (RuleNumber: 10406)\nNot Allowed"}}),
        [('value', "Invalid date time value : x (RuleNumber: 10406) Not "
            "Allowed", 10406, '')]),
    (outcome({'code': 'duplicate', 'details': {
        'text': "Found duplicate resource: Encounter"}}),
        [('duplicate', "Found duplicate resource: Encounter", None, '')]),
    (outcome({
        'code': 'structure', 'details': {'text': 'unparseable_resource'},
        'diagnostics': 'missing required field "status"',
        'expression': ['Bundle.entry[0].resource.serviceRequest', 'b']}),
        [('structure',
            'unparseable_resource: missing required field "status"', None,
            'Bundle.entry[0].resource.serviceRequest, b')]),
    (outcome({'severity': 'invalid', 'code': 'value'}),
        [('value', 'value', None, '')]),
    (outcome({'details': "salah"}), [('', "salah", None, '')]),
    (outcome({'code': 'x', 'details': {'coding': [{'display': "Lain"}]},
        'location': ['/f:x']}), [('x', "Lain", None, '/f:x')]),
    ({'resourceType': 'OperationOutcome'}, []),
    ({'resourceType': 'OperationOutcome', 'issue': MANDATORY}, [(
        'value', MANDATORY['details']['text'], 10124,
        'Encounter.serviceProvider')]),
    (outcome(None, "x", {}), []),
    ({'fault': {'faultstring': "Invalid access token", 'detail': {
        'errorcode': 'oauth.v2.InvalidAccessToken'}}},
        [('oauth.v2.InvalidAccessToken', "Invalid access token", None, '')]),
    ({'fault': None}, []),
    ({'fault': "mati"}, []),
    ({'ErrorCode': 'invalid_client', 'Error': "ClientId is Invalid"},
        [('invalid_client', "ClientId is Invalid", None, '')]),
    ({'success': False, 'message': "Citizen Not Exists"},
        [('', "Citizen Not Exists", None, '')]),
    ({'success': True, 'message': "created", 'data': {}}, []),
    ({'status_code': 400, 'message': "limit", 'data': None},
        [('400', "limit", None, '')]),
    ('no healthy upstream', [('', 'no healthy upstream', None, '')]),
    (b'Gateway Timeout', [('', 'Gateway Timeout', None, '')]),
    (b'\xff\xfe', [('', '\ufffd\ufffd', None, '')]),
    ('<!doctype html><title>403</title>403 Forbidden',
        [('', '403 403 Forbidden', None, '')]),
    ('', []), (b'', []), (None, []), ([], []), (7, []), ({}, []),
    ('{"broken', [('', '{"broken', None, '')]),
    ({'resourceType': 'Encounter', 'id': FIRST, 'status': 'finished'}, []),
    ({'resourceType': 'Bundle', 'entry': [
        {'resource': outcome({'code': 'suppressed', 'details': {
            'text': "privacy"}})},
        {'resource': {'resourceType': 'Encounter'}},
        {'response': {'status': '400', 'outcome': outcome(MANDATORY)}}]},
        [('suppressed', "privacy", None, ''), (
            'value', MANDATORY['details']['text'], 10124,
            'Encounter.serviceProvider')]),
    ])
def test_issues(body, expected):
    assert answer.issues(body) == expected
    if isinstance(body, dict | list):
        assert answer.issues(json.dumps(body)) == expected
        assert answer.issues(json.dumps(body).encode()) == expected


def test_long_texts_are_cut():
    issue, = answer.issues('x' * 5000)
    assert len(issue.text) == answer.TEXT_LIMIT


def test_deeply_nested_json_is_not_fatal():
    assert answer.issues('[' * 100_000)


_json = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(),
        st.sampled_from(['OperationOutcome', 'Bundle', 'Encounter'])),
    lambda child: st.one_of(st.lists(child, max_size=4), st.dictionaries(
        st.sampled_from([
            'resourceType', 'issue', 'details', 'text', 'code', 'coding',
            'expression', 'diagnostics', 'fault', 'detail', 'errorcode',
            'faultstring', 'message', 'success', 'entry', 'response',
            'resource', 'outcome', 'location', 'resourceID', 'status',
            'identifier', 'system', 'value', 'subject', 'id']),
        child, max_size=6)), max_leaves=25)


@given(_json)
def test_no_body_breaks_the_reading(body):
    for issue in answer.issues(body):
        assert isinstance(issue, answer.Issue)
        assert isinstance(issue.code + issue.text + issue.expression, str)
        assert issue.rule is None or isinstance(issue.rule, int)
    found = answer.search_ids(body, 'Encounter', SYSTEM, 'a', 'P1')
    assert found == []
    try:
        answer.entry_ids(body, entries('Encounter'))
    except AnswerMismatch:
        pass


@given(st.one_of(st.text(), st.binary()))
def test_no_text_breaks_the_reading(body):
    assert isinstance(answer.issues(body), list)


def found(number, value='a', system=SYSTEM, subject='Patient/P1', **changes):
    return {'resource': {
        'resourceType': 'Encounter', 'id': number,
        'identifier': [
            {'system': 'http://sys-ids.kemkes.go.id/creator', 'value': 'a'},
            {'system': system, 'value': value}],
        'subject': {'reference': subject}, **changes}}


@pytest.mark.parametrize('rows, subject, expected', [
    ([found('1')], None, ['1']),
    ([found('1')], 'P1', ['1']),
    ([found('1')], 'Patient/P1', ['1']),
    ([found('1', subject=f'{BASE}/Patient/P1')], 'P1', ['1']),
    ([found('1', subject='Patient/P11')], 'P1', []),
    ([found('1', subject='Group/P1')], 'P1', []),
    ([found('1', subject=None)], 'P1', []),
    ([found('1', value='A'), found('2', value='a '), found('3')], None, ['3']),
    ([found('1', system=SYSTEM + '0')], None, []),
    ([found('1', system='http://sys-ids.kemkes.go.id/creator', value='b')],
        None, []),
    ([found('1', identifier={'system': SYSTEM, 'value': 'a'})], None, ['1']),
    ([found('1', identifier=[])], None, []),
    ([found('1', identifier=None)], None, []),
    ([found('1'), found('1'), found('2')], None, ['1', '2']),
    ([found(None), found('')], None, []),
    ([found('1', resourceType='Condition')], None, []),
    ([{'resource': outcome({'code': 'suppressed'})}, found('1')], None,
        ['1']),
    ([None, {}, {'resource': None}], None, []),
    ])
def test_search_keeps_only_what_carries_the_identifier(
        rows, subject, expected):
    searchset = {
        'resourceType': 'Bundle', 'type': 'searchset', 'total': len(rows),
        'entry': rows}
    assert answer.search_ids(
        searchset, 'Encounter', SYSTEM, 'a', subject) == expected


@pytest.mark.parametrize('searchset', [
    None, '', 'x', [], {}, {'entry': {}},
    outcome({'code': 'suppressed'}),
    {'resourceType': 'Bundle', 'type': 'searchset', 'total': 0}])
def test_search_without_rows(searchset):
    assert answer.search_ids(searchset, 'Encounter', SYSTEM, 'a') == []
