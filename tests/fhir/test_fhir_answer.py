# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Reading of answers as the platform is known to give them, and of rubbish."

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


SUPPRESSED = {
    'resourceType': 'OperationOutcome', 'issue': [{'code': 'suppressed'}]}

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
    found = answer.search_ids(body, 'Encounter', SYSTEM, 'a', 'P1')
    assert found == []
    try:
        answer.entry_ids(body, entries('Encounter'))
    except AnswerMismatch:
        pass


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
    ([{'resource': SUPPRESSED}, found('1')], None,
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
    SUPPRESSED,
    {'resourceType': 'Bundle', 'type': 'searchset', 'total': 0}])
def test_search_without_rows(searchset):
    assert answer.search_ids(searchset, 'Encounter', SYSTEM, 'a') == []
