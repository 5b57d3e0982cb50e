# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Which entry a refused Bundle was refused for."

import json
from types import SimpleNamespace

import pytest
from fhir_visits import references, visit

from satusehat_emulator.serving import serve
from trytond.modules.satusehat_integration.fhir import bundle
from trytond.modules.satusehat_integration.fhir.refusal import causes, refused_entries

BUNDLE = bundle.build(visit(), references()).resource
TYPES = [row['resource']['resourceType'] for row in BUNDLE['entry']]
# Encounter, chief complaint, J00, J45.9, eight vital signs
assert TYPES == ['Encounter'] + ['Condition'] * 3 + ['Observation'] * 8


def issue(text, expression='', rule=None):
    return SimpleNamespace(
        text=text, rule=rule,
        expression=(expression,) if expression else ())


def cascade(kind, rule=20012):
    return issue(
        f'Forbidden resource {kind} due to previous error '
        f'(RuleNumber: {rule})', kind, rule)


@pytest.mark.parametrize('issues, index', [
    # The store names the entry
    ([issue('unparseable_resource: missing required field "status"',
        'Bundle.entry[4].resource.observation')], 4),
    ([issue('Invalid UUID (RuleNumber: 20019)', 'Bundle.entry[2].fullUrl')],
        2),
    # The only one of its type
    ([issue('Reference is mandatory : Encounter.serviceProvider '
        '(RuleNumber: 10124)', 'Encounter.serviceProvider', 10124)], 0),
    ([issue('Found duplicate resource: Encounter (RuleNumber: 20002)', '',
        20002)], 0),
    # The one that has the value
    ([issue("Code not found: 'J45.9' in system: "
        'http://hl7.org/fhir/sid/icd-10 (RuleNumber: 10003)',
        'Condition.code[0].code', 10003)], 3),
    ([issue('Invalid date time value : 2026-11-20T02:10:00+00:00 '
        '(RuleNumber: 10403) Not Allowed : Future Date',
        'Condition.recordedDate', 10403)], 2),
    # One issue for each entry from the first that failed
    ([issue('Invalid value (RuleNumber: 10010)', 'Observation.code', 10010),
        *[cascade('Observation')] * 3], 8),
    ([issue('Invalid value (RuleNumber: 10003)', 'Condition.code', 10003),
        cascade('Condition', 20013), *[cascade('Observation')] * 8], 2),
    # One issue for each entry
    ([cascade('Encounter'), cascade('Condition'),
        issue('Invalid value (RuleNumber: 10003)', 'Condition.code', 10003),
        cascade('Condition'), *[cascade('Observation')] * 8], 2),
    ])
def test_entry_at_fault(issues, index):
    found = refused_entries(issues, BUNDLE)
    assert list(found) == [index]
    assert found[index] in causes(issues)


@pytest.mark.parametrize('issues', [
    [],
    [cascade('Observation')] * 4,
    [issue('Invalid value (RuleNumber: 10003)', 'Condition.code', 10003)],
    [issue("Code not found: 'X99' in system: "
        'http://hl7.org/fhir/sid/icd-10 (RuleNumber: 10003)',
        'Condition.code[0].code', 10003)],
    [issue('Invalid value', 'Bundle.entry[99].resource')],
    [issue('Invalid value', 'Immunization.status')],
    # Two causes among cascades: which is whose is not known
    [issue('Invalid value', 'Condition.code'),
        issue('Invalid value', 'Condition.code'),
        *[cascade('Observation')] * 8],
    # The types do not fit the Bundle's order
    [issue('Invalid value', 'Condition.code'), cascade('Encounter')],
    [issue('no text names a type')] * 20,
    ])
def test_no_entry_is_blamed_on_a_guess(issues):
    assert refused_entries(issues, BUNDLE) == {}


def test_two_entries_at_fault():
    found = refused_entries([
        issue("Code not found: 'J00' in system: X (RuleNumber: 10003)",
            'Condition.code[0].code', 10003),
        issue("Code not found: 'J45.9' in system: X (RuleNumber: 10003)",
            'Condition.code[0].code', 10003)], BUNDLE)
    assert sorted(found) == [2, 3]


def test_the_same_value_in_two_diagnoses_is_ambiguous():
    snapshot = visit(diagnoses__0__code='J00')
    twice = bundle.build(snapshot, references()).resource
    assert refused_entries([issue(
        "Code not found: 'J00' in system: X (RuleNumber: 10003)",
        'Condition.code[0].code', 10003)], twice) == {}


@pytest.mark.parametrize('spread', ['following', 'all'])
@pytest.mark.parametrize('entry', [1, 2, 3, 6, 11])
def test_entry_that_the_emulator_refuses(entry, spread):
    answer = transact(BUNDLE, entry=entry, cascade=spread)
    assert list(refused_entries(answer, BUNDLE)) == [entry - 1]


def test_unknown_code_that_the_emulator_refuses():
    unknown = bundle.build(
        visit(diagnoses__0__code='A97'), references()).resource
    assert list(refused_entries(transact(unknown), unknown)) == [3]


def transact(sent, **fault):
    "Return the issues with which an emulator refuses a Bundle."
    import requests

    from trytond.modules.satusehat_integration.platform.classification import classify
    with serve(check_references=False) as emulator:
        if fault:
            emulator.faults.add('refused_entry', **fault)
        token = requests.post(
            f'{emulator.url}/oauth2/v1/accesstoken?grant_type='
            'client_credentials', timeout=10,
            data={'client_id': 'client-A', 'client_secret': 'secret-A'},
            ).json()['access_token']
        answer = requests.post(
            f'{emulator.url}/fhir-r4/v1', data=bundle.to_bytes(sent),
            timeout=10, headers={
                'Authorization': f'Bearer {token}',
                'Content-Type': 'application/json'})
        assert answer.status_code == 400, json.dumps(answer.json())
    return classify(400, answer.headers, answer.content).issues
