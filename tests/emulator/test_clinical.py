# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"The other clinical resources: accepted whole, refused when marred."

import re
from copy import deepcopy

import pytest

from satusehat_emulator.resources import rule_tables
from satusehat_emulator.walk import parse_path, walk

from . import clinical, samples
from .clinical import TYPES, sample
from .conftest import texts


@pytest.fixture
def visit(api):
    return f'Encounter/{api.created(samples.encounter())["id"]}'


def number_in(text):
    return int(text.rpartition(': ')[2].partition(')')[0])


def numbers(response):
    return {number_in(text) for text in texts(response) if '(Rule' in text}


@pytest.mark.parametrize('type_', TYPES)
def test_accepted_and_read(api, visit, type_):
    resource = sample(type_, visit, api)
    stored = api.created(resource)
    for name in resource.keys() - {'id', 'meta'}:
        assert stored[name] == resource[name]
    assert api.get(f'/{type_}/{stored["id"]}').get_json() == stored


@pytest.mark.parametrize('type_', TYPES)
def test_each_mandatory_element_is_demanded(api, visit, type_):
    resource = sample(type_, visit, api)
    rules = [
        rule for rule in rule_tables()[type_]
        if rule.get('need') == 'mandatory']
    for rule in rules:
        name = parse_path(rule['path'])[0][0]
        marred = {k: v for k, v in resource.items() if k != name}
        response = api.post(marred)
        assert response.status_code == 400, rule
        assert rule['number'] in numbers(response), rule
    assert api.post(resource).status_code == 201


@pytest.mark.parametrize('type_', TYPES)
def test_each_code_system_is_checked(api, visit, type_):
    resource = sample(type_, visit, api)
    for rule in rule_tables()[type_]:
        marred = deepcopy(resource)
        codings = [
            coding for _, value in walk(marred, rule['path'], '')
            for coding in mar_codes(rule, value)]
        if codings:
            response = api.post(marred)
            assert response.status_code == 400, rule
            assert rule['number'] in numbers(response), rule


def mar_codes(rule, value):
    "Change the code systems a rule looks at; return what was changed."
    if rule['kind'] == 'concept':
        codings = value.get('coding', [])
    elif rule['kind'] in {'coding', 'identifier'}:
        codings = [value]
    else:
        codings = []
    for coding in codings:
        coding['system'] = coding['system'].replace(
            'http', 'httpx', 1).replace('urn', 'urm')
    return codings


@pytest.mark.parametrize('type_', TYPES)
def test_each_date_is_checked(api, visit, type_):
    resource = sample(type_, visit, api)
    for rule in rule_tables()[type_]:
        if rule['kind'] not in {
                'dateTime', 'futureDateTime', 'pastDateTime', 'anyDateTime',
                'date', 'pastDate'}:
            continue
        marred = deepcopy(resource)
        parents = parse_path(rule['path'])
        holders = [marred] if len(parents) == 1 else [
            value for _, value in walk(
                marred, rule['path'].rpartition('.')[0], '')]
        found = [h for h in holders if parents[-1][0] in h]
        for holder in found:
            holder[parents[-1][0]] = '20 November 2026'
        if found:
            response = api.post(marred)
            assert rule['number'] in numbers_anywhere(response), rule


def numbers_anywhere(response):
    return {
        int(number) for text in texts(response)
        for number in re.findall(r'RuleNumber: (\d+)', text)}


def test_rule_numbers_are_unique_within_a_resource():
    for type_, rules in rule_tables().items():
        keys = [(rule['number'], rule['path']) for rule in rules]
        assert len(keys) == len(set(keys)), type_


def test_contained_medication_is_checked(api, visit):
    request = sample('MedicationRequest', visit)
    request['contained'][0].pop('identifier')
    request['contained'][0]['code']['coding'] *= 2
    assert numbers(api.post(request)) == {10380, 10024}
    request = sample('MedicationRequest', visit)
    request['medicationReference'] = samples.ref('#other')
    assert numbers(api.post(request)) == {20007}


def test_prescription_needs_both_numbers(api, visit):
    request = sample('MedicationRequest', visit)
    request['identifier'].pop()
    assert numbers(api.post(request)) == {10388}


def test_lines_of_one_prescription(api, visit):
    request = sample('MedicationRequest', visit)
    api.created(request)
    assert numbers(api.post(request)) == {20002}
    api.created({**request, 'identifier': clinical.prescription('2')})


def test_numbers_as_strings(api, visit):
    observation = samples.observation(visit)
    observation['valueQuantity']['value'] = '82'
    response = api.post(observation)
    assert texts(response) == [
        "Integer formated as a string: '82' (RuleNumber: 10331)"]


def test_observations_are_compared_by_content(api, visit):
    first = samples.observation(visit, number='O-same')
    api.created(first)
    assert texts(api.post(first)) == [
        'Found duplicate: Observation (RuleNumber: 20002)']
    api.created({**first, 'effectiveDateTime': samples.at('01:40')})


@pytest.mark.parametrize('type_', [
    'CarePlan', 'Goal', 'Immunization', 'FamilyMemberHistory',
    'RiskAssessment', 'MedicationAdministration'])
def test_answer_has_an_empty_identifier(api, visit, type_):
    stored = api.created(sample(type_, visit, api))
    assert stored['identifier'] == []
    assert api.put(stored).status_code == 200


def test_creator_identifier(api, visit, settings):
    settings.creator_identifier = True
    stored = api.created(sample('ServiceRequest', visit))
    assert stored['identifier'][-1] == {
        'system': 'http://sys-ids.kemkes.go.id/creator',
        'value': samples.ORG}
    again = api.put(stored).get_json()
    assert again['identifier'] == stored['identifier']


def test_episode_of_care(api, other, visit):
    stored = api.created(sample('EpisodeOfCare', visit))
    found = texts(api.post(sample('EpisodeOfCare', visit)))
    assert [text[-6:-1] for text in found] == ['10109', '10110']
    assert api.put(stored).status_code == 403
    path = f'/EpisodeOfCare/{stored["id"]}'
    finish = {'op': 'replace', 'path': '/status', 'value': 'finished'}
    assert "patient reference can't be empty" in texts(
        api.patch(path, [finish]))[0]
    patient = {
        'op': 'replace', 'path': '/patient', 'value': stored['patient']}
    assert api.patch(path, [finish, patient]).status_code == 200
    api.created(sample('EpisodeOfCare', visit))


def test_clinical_impression_is_completed_by_patch(api, visit):
    impression = api.created(sample('ClinicalImpression', visit))
    condition = api.created(samples.condition(visit))
    problem = [samples.ref(f'Condition/{condition["id"]}')]
    response = api.patch(f'/ClinicalImpression/{impression["id"]}', [
        {'op': 'add', 'path': '/problem', 'value': problem}])
    assert response.status_code == 200
    assert response.get_json()['problem'] == problem


def test_strict_conditional(api, visit, settings):
    vaccine = sample('Immunization', visit)
    del vaccine['protocolApplied']
    api.created(vaccine)
    settings.strict_conditional = True
    vaccine['lotNumber'] = 'LOT-2'
    assert {10450, 10105} <= numbers(api.post(vaccine))


def test_vaccine_has_not_expired(api, visit):
    vaccine = sample('Immunization', visit)
    vaccine['expirationDate'] = '2026-11-20'
    assert numbers(api.post(vaccine)) == {10307}


def test_length_unit_follows_the_class(api):
    visit = samples.encounter()
    visit['length'] = clinical.quantity(1, 'd')
    assert numbers(api.post(visit)) == {10840}
    visit['class']['code'] = 'IMP'
    api.created(visit)
