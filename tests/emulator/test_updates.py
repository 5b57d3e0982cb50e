# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Corrections: visits, diagnoses and measurements that are changed later."

import json

import pytest

from . import samples
from .conftest import texts
from .plain_client import last, stored
from .samples import urn

STALE = 'W/"MTc5NTE0NzE5OTAwMDAwMDAwMA"'


@pytest.fixture
def visit(api):
    "The reference of a visit whose patient has just arrived."
    return 'Encounter/' + api.created(samples.encounter('K-1'))['id']


def resource(type_, visit, **changes):
    made = {
        'Encounter': lambda: samples.encounter('K-2'),
        'Condition': lambda: samples.condition(visit, number='D-1'),
        'Observation': lambda: samples.observation(visit, number='O-1'),
        }[type_]()
    return {**made, **changes}


CHANGES = {
    'Encounter': {
        'status': 'in-progress', 'statusHistory': [
            {'status': 'arrived', 'period': samples.period(
                '01:00', '01:20')},
            {'status': 'in-progress', 'period': samples.period('01:20')}]},
    'Condition': {'code': samples.concept(
        'http://hl7.org/fhir/sid/icd-10', 'J20.9')},
    'Observation': {'status': 'amended', 'valueQuantity': {
        'value': 90, 'unit': '/min', 'code': '/min',
        'system': 'http://unitsofmeasure.org'}},
    }
every_type = pytest.mark.parametrize('type_', list(CHANGES))


def change(api, resource, if_match=None, id_=None):
    return api.call(
        'PUT', f'/{resource["resourceType"]}/{id_ or resource["id"]}',
        json=resource, headers=if_match and {'If-Match': if_match})


@pytest.mark.parametrize('status', ['arrived', 'in-progress'])
def test_a_visit_without_diagnosis_until_it_is_finished(api, status):
    made = samples.encounter('K-9')
    made['status'] = made['statusHistory'][0]['status'] = status
    assert api.post(made).status_code == 201
    made['status'] = made['statusHistory'][0]['status'] = 'finished'
    made['identifier'][0]['value'] = 'K-10'
    made['statusHistory'][0]['period'] = samples.period('01:00', '02:00')
    assert '(RuleNumber: 10457)' in texts(api.post(made))[0]


@pytest.mark.parametrize('type_', ['Condition', 'Observation'])
def test_one_by_one_refers_to_a_stored_visit(api, visit, type_):
    made = api.created(resource(type_, visit))
    assert made['encounter'] == {'reference': visit}
    other = resource(type_, 'Encounter/00000000-0000-4000-8000-000000000000')
    other['identifier'][0]['value'] = 'X-1'
    refused = api.post(other)
    assert refused.status_code == 400
    assert '(RuleNumber: 20007)' in texts(refused)[0]


@every_type
def test_put_replaces_and_gives_a_new_version(api, visit, type_):
    made = api.post(resource(type_, visit))
    old = made.get_json()
    response = change(api, {**old, **CHANGES[type_]})
    new = response.get_json()
    assert response.status_code == 200, new
    assert {**old, **CHANGES[type_], 'meta': new['meta']} == new
    assert response.headers['ETag'] != made.headers['ETag']
    read = api.get(f'/{type_}/{old["id"]}')
    assert read.get_json() == new
    assert read.headers['ETag'] == response.headers['ETag']


@every_type
def test_if_match(api, visit, type_):
    made = api.post(resource(type_, visit))
    old, tag = made.get_json(), made.headers['ETag']
    new = {**old, **CHANGES[type_]}
    for wrong in (STALE, 'W/""', tag.removeprefix('W/'), 'nonsense'):
        refused = change(api, new, wrong)
        assert refused.status_code == 412
        assert refused.get_json()['issue'][0]['code'] == 'conflict'
    assert api.get(f'/{type_}/{old["id"]}').get_json() == old
    answer = change(api, new, tag)
    assert answer.status_code == 200
    assert change(api, new, tag).status_code == 412
    assert change(api, new, answer.headers['ETag']).status_code == 200
    assert change(api, new, f'{STALE}, *').status_code == 200


def test_patch_with_if_match(api, visit):
    made = api.created(resource('Condition', visit))
    operations = [{
        'op': 'replace', 'path': '/recordedDate', 'value': samples.at('02:30')}]

    def patch(tag):
        return api.call(
            'PATCH', f'/Condition/{made["id"]}', json=operations, headers={
                'If-Match': tag,
                'Content-Type': 'application/json-patch+json'})

    assert patch(STALE).status_code == 412
    assert patch(
        f'W/"{made["meta"]["versionId"]}"').status_code == 200


@every_type
def test_put_without_id_or_with_another(api, visit, type_):
    made = api.created(resource(type_, visit))
    body = dict(made)
    del body['id']
    refused = change(api, body, id_=made['id'])
    assert (refused.status_code, texts(refused)) == (400, ['id is required'])
    refused = change(api, {**made, 'id': 'other'}, id_=made['id'])
    assert (refused.status_code, texts(refused)) == (
        400, ['resource_mismatch'])
    assert made['id'] in refused.get_json()['issue'][0]['diagnostics']
    assert api.get(f'/{type_}/{made["id"]}').get_json() == made


@every_type
def test_only_the_newest_version_is_found(api, visit, type_):
    made = api.created(resource(type_, visit))
    new = {**made, **CHANGES[type_]}
    new['identifier'] = [{**made['identifier'][0], 'value': 'NEW-1'}]
    other = 'Encounter/' + api.created(samples.encounter('K-3'))['id']
    if 'encounter' in new:
        new['encounter'] = {'reference': other}
    assert change(api, new).status_code == 200

    def found(**query):
        answer = api.get(f'/{type_}', **query).get_json()
        assert answer['total'] == len(answer['entry'])
        return [entry['resource'] for entry in answer['entry']]

    system = made['identifier'][0]['system']
    assert found(identifier=f'{system}|{made["identifier"][0]["value"]}') == []
    newest, = found(identifier=f'{system}|NEW-1')
    assert newest == api.get(f'/{type_}/{made["id"]}').get_json()
    if 'encounter' in new:
        assert found(encounter=visit.partition('/')[2]) == []
        assert found(encounter=other.partition('/')[2]) == [newest]


def test_an_identifier_that_was_given_up_is_free_again(api, visit):
    made = api.created(resource('Encounter', visit))
    change(api, {
        **made, 'identifier': [samples.identifier('encounter', 'K-20')]})
    assert api.post(resource('Encounter', visit)).status_code == 201
    assert api.post(samples.encounter('K-20')).status_code == 400


def test_put_of_others(api, other, visit):
    made = api.get('/' + visit).get_json()
    made['identifier'] = [samples.identifier(
        'encounter', 'K-1', samples.OTHER_ORG)]
    made['serviceProvider'] = {
        'reference': f'Organization/{samples.OTHER_ORG}'}
    assert change(other, made).status_code == 403


# In a transaction

def correction(visit, *resources, **request):
    "A transaction that replaces the visit and creates the resources."
    target = f'Encounter/{visit["id"]}'
    sent = samples.bundle(visit, *resources)
    sent['entry'][0].update(
        fullUrl=target, request={'method': 'PUT', 'url': target, **request})
    return sent


@pytest.fixture
def finished(api, visit):
    "A finished visit as it is stored."
    made = api.get('/' + visit).get_json()
    diagnosis = api.created(samples.condition(visit))
    return change(api, samples.finished(
        made, f'Condition/{diagnosis["id"]}')).get_json()


def with_diagnosis(visit):
    "The visit with urn(2) as one diagnosis more."
    return {**visit, 'diagnosis': [*visit['diagnosis'], {
        'condition': samples.ref(urn(2)), 'rank': 2}]}


def test_entry_that_replaces_the_visit(api, finished):
    more = samples.condition(f'Encounter/{finished["id"]}', 'I10')
    tag = f'W/"{finished["meta"]["versionId"]}"'
    answer = api.send(
        correction(with_diagnosis(finished), more, ifMatch=tag))
    assert answer.status_code == 200, answer.get_json()
    put, post = [
        entry['response'] for entry in answer.get_json()['entry']]
    assert (put['status'], post['status']) == ('200 OK', '201 Created')
    assert put['resourceID'] == finished['id']
    read = api.get(f'/Encounter/{finished["id"]}')
    assert read.headers['ETag'] == put['etag'] != tag
    assert read.get_json()['diagnosis'][1]['condition'] == samples.ref(
        f'Condition/{post["resourceID"]}')


@pytest.mark.parametrize('request_, status', [
    ({'ifMatch': STALE}, 412), ({'ifMatch': 7}, 400),
    ({'url': 'Encounter'}, 400), ({'url': 'Encounter/none'}, 400)])
def test_entry_that_cannot_replace(api, store, finished, request_, status):
    before = store.counts()
    more = samples.condition(f'Encounter/{finished["id"]}', 'I10')
    answer = api.send(
        correction(with_diagnosis(finished), more, **request_))
    assert answer.status_code == status
    assert store.counts() == before
    assert api.get(
        f'/Encounter/{finished["id"]}').get_json() == finished


def test_entry_without_id(api, finished):
    body = {k: v for k, v in finished.items() if k != 'id'}
    sent = correction(finished)
    sent['entry'][0]['resource'] = body
    answer = api.send(sent)
    assert (answer.status_code, texts(answer)) == (400, ['id is required'])


# Faults

@pytest.fixture
def made(client):
    return client.post(samples.encounter('K-1')).json


def put(client, made, if_match):
    return client.call(
        'PUT', f'/fhir-r4/v1/Encounter/{made["id"]}', json.dumps(made),
        **{'If-Match': if_match})


def test_somebody_else_changed_it(emulator, client, made):
    emulator.faults.add('other_version', times=1)
    old = f'W/"{made["meta"]["versionId"]}"'
    answer = put(client, made, old)
    assert answer.status == 412
    assert last(emulator) == ('other_version', 412, 0)
    now = client.get(f'/Encounter/{made["id"]}')
    assert now.headers['ETag'] != old
    assert put(client, made, now.headers['ETag']).status == 200
    assert last(emulator) == (None, 200, 1)


def test_somebody_else_changed_it_and_nobody_asked(emulator, client, made):
    emulator.faults.add('other_version', times=1)
    assert client.put(made).status == 200
    assert last(emulator) == ('other_version', 200, 1)


@pytest.mark.parametrize('status', [409, 412])
def test_conflict_of_a_transaction(emulator, client, made, status):
    emulator.faults.add('conflict', status=status)
    more = samples.observation(f'Encounter/{made["id"]}')
    assert client.post(samples.bundle(more)).status == 200
    answer = client.post(correction(made))
    assert answer.status == status
    assert last(emulator) == ('conflict', status, 0)


def test_version_of_a_transaction(emulator, client, made):
    emulator.faults.add('other_version')
    tag = f'W/"{made["meta"]["versionId"]}"'
    assert client.post(correction(made, ifMatch=tag)).status == 412
    assert stored(emulator, 'Encounter') == 1


# Faults for one entry

def visit_bundle():
    return samples.bundle(
        samples.encounter('K-1'),
        samples.condition(urn(1), number='D-1'),
        samples.condition(urn(1), 'I10', number='D-2'),
        samples.observation(urn(1), number='O-1'))


SYSTEM = samples.identifier('condition', '')['system']


@pytest.mark.parametrize('identifier', ['D-2', f'{SYSTEM}|D-2'])
def test_the_entry_with_an_identifier_is_refused(
        emulator, client, identifier):
    emulator.faults.add(
        'refused_entry', identifier=identifier, cascade='following')
    answer = client.post(visit_bundle())
    assert answer.status == 400
    assert [i['expression'] for i in answer.json['issue']] == [
        ['Condition.code'], ['Observation']]
    assert client.post(samples.bundle(
        samples.encounter('K-7'))).status == 200


def test_the_same_resource_alone_is_refused(emulator, client, made):
    emulator.faults.add('rule', identifier='D-2')
    visit = f'Encounter/{made["id"]}'
    assert client.post(samples.condition(visit, number='D-1')).status == 201
    assert client.post(samples.condition(visit, number='D-2')).status == 400
    assert last(emulator)[0] == 'rule'
    assert client.find('Condition', 'D-1').status == 200
    assert client.find('Condition', f'{SYSTEM}|D-2').status == 400


@pytest.mark.parametrize('options', [{'without': 3}, {'identifier': 'D-2'}])
def test_all_but_one_entry_is_stored(emulator, client, options):
    emulator.faults.add('partial_bundle', **options)
    assert client.post(visit_bundle()).status == 500
    assert last(emulator) == ('partial_bundle', 500, 3)
    found, = emulator.store.find('Condition')
    assert found.body['identifier'][0]['value'] == 'D-1'
    assert stored(emulator, 'Observation') == 1


def test_one_resource_is_too_large(emulator, client, made):
    emulator.faults.add('too_large', identifier='D-2', kilobytes=2)
    visit = f'Encounter/{made["id"]}'
    long = {'note': [{'text': 'x' * 2048}]}
    for number, status in [('D-1', 201), ('D-2', 413)]:
        assert client.post({
            **samples.condition(visit, number=number), **long
            }).status == status
    assert client.post(
        samples.condition(visit, number='D-2')).status == 201
    assert client.post(visit_bundle()).status == 413
