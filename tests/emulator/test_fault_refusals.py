# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Faults that refuse requests and transactions."

import pytest

from . import samples
from .plain_client import FHIR, last, room, stored

def test_edge_block(emulator, client):
    emulator.faults.add('edge_block')
    answer = client.post(room(1))
    assert answer.status == 403
    assert '<title>403</title>' in answer.body.decode()
    assert last(emulator) == ('edge_block', 403, 0)


@pytest.mark.parametrize('number, code, text', [
    (10003, 'value', 'Invalid value (RuleNumber: 10003)'),
    (20002, 'duplicate', 'Found duplicate: Location (RuleNumber: 20002)'),
    (20007, 'value',
        'Resource not found Patient/unknown (RuleNumber: 20007)')])
def test_rule(emulator, client, number, code, text):
    emulator.faults.add('rule', number=number)
    answer = client.post(room(1))
    assert answer.status == 400
    issue, = answer.json['issue']
    assert (issue['code'], issue['details']['text']) == (code, text)
    assert issue['expression'] == ['Location']
    assert last(emulator) == ('rule', 400, 0)


def test_rule_in_own_words(emulator, client):
    emulator.faults.add(
        'rule', number=10122, text='Period ends early',
        expression='Encounter.period.end')
    issue, = client.post(
        samples.bundle(samples.encounter('K-1'))).json['issue']
    assert issue['details']['text'] == (
        'Period ends early (RuleNumber: 10122)')
    assert issue['expression'] == ['Encounter.period.end']


@pytest.mark.parametrize('status', [400, 403])
@pytest.mark.parametrize('number', [20003, 20004])
def test_no_permission(emulator, client, status, number):
    emulator.faults.add('no_permission', status=status, number=number)
    answer = client.post(room(1))
    assert answer.status == status
    assert f'(RuleNumber: {number})' in answer.texts[0]
    assert last(emulator) == ('no_permission', status, 0)


def test_forbidden(emulator, client):
    emulator.faults.add('forbidden')
    answer = client.post(room(1))
    assert answer.status == 403
    assert 'consent or privacy rules' in answer.texts[0]
    assert last(emulator) == ('forbidden', 403, 0)


@pytest.mark.parametrize('bare', [False, True])
def test_missing(emulator, client, bare):
    emulator.faults.add('missing', bare=bare)
    answer = client.get('/Organization/10000004')
    assert answer.status == 404
    assert (answer.body == b'') == bare
    if not bare:
        assert answer.json['issue'][0]['diagnostics'] == (
            'resource not found: Organization/10000004')


@pytest.mark.parametrize('is_stored', [False, True])
@pytest.mark.parametrize('status', [409, 412])
def test_conflict(emulator, client, status, is_stored):
    created = client.post(room(1)).json
    emulator.faults.add('conflict', status=status, stored=is_stored)
    assert client.post(room(2)).status == 201, 'only PUT and PATCH conflict'
    answer = client.put({**created, 'name': 'Ruang Baru'})
    assert answer.status == status
    assert answer.json['issue'][0]['code'] == 'conflict'
    assert last(emulator) == ('conflict', status, is_stored)
    row = emulator.store.get('Location', created['id'])
    assert (row.body['name'] == 'Ruang Baru') == is_stored


def test_too_large(emulator, client):
    emulator.faults.add('too_large', entries=1)
    answer = client.post(samples.bundle(room(1), room(2)))
    assert answer.status == 413
    assert answer.json['fault']['detail']['errorcode'] == (
        'protocol.http.TooBigBody')
    assert last(emulator) == ('too_large', 413, 0)
    assert client.post(samples.bundle(room(1))).status == 200
    assert client.post(room(2)).status == 201
    assert last(emulator) == (None, 201, 1)
    assert emulator.faults.as_list()[0]['applied'] == 1


def test_too_large_by_size(emulator, client):
    emulator.faults.add('too_large', kilobytes=2)
    assert client.post(room(1)).status == 201
    long = {**room(2), 'description': 'x' * 2048}
    assert client.post(long).status == 413


def visit():
    return samples.bundle(
        samples.encounter('K-1'), samples.condition(samples.urn(1)),
        samples.observation(samples.urn(1)))


@pytest.mark.parametrize('cascade, refused', [
    ('following', [('Condition', 10003), ('Observation', 20012)]),
    ('all', [
        ('Encounter', 20012), ('Condition', 10003), ('Observation', 20012)]),
    ('none', [('Condition', 10003)])])
def test_refused_entry(emulator, client, cascade, refused):
    emulator.faults.add('refused_entry', entry=2, cascade=cascade)
    answer = client.post(visit())
    assert answer.status == 400
    assert [
        (issue['expression'][0].split('.')[0],
            int(issue['details']['text'][:-1].rpartition(' ')[2]))
        for issue in answer.json['issue']] == refused
    assert stored(emulator, 'Encounter') == 0
    assert last(emulator) == ('refused_entry', 400, 0)


@pytest.mark.parametrize('status', [400, 500, 502, 503, 504])
def test_partial_bundle(emulator, client, status):
    emulator.faults.add(
        'partial_bundle', entries=2, status=status, times=1)
    answer = client.post(visit())
    assert answer.status == status
    assert answer.json['resourceType'] == 'OperationOutcome'
    assert last(emulator) == ('partial_bundle', status, 2)
    assert [stored(emulator, type_) for type_ in (
        'Encounter', 'Condition', 'Observation')] == [1, 1, 0]
    condition, = emulator.store.find('Condition')
    encounter, = emulator.store.find('Encounter')
    assert condition.body['encounter'] == {
        'reference': f'Encounter/{encounter.id}'}
    again = client.post(visit())
    assert again.status == 400
    assert 'duplicate' in again.texts[0]


def test_partial_bundle_that_is_wrong_anyway(emulator, client):
    "The reported case: refused for a code, and yet the visit was stored."
    emulator.faults.add('partial_bundle', entries=3)
    answer = client.post(samples.bundle(
        samples.encounter('K-1'),
        samples.condition(samples.urn(1), code='X-1'),
        samples.observation(samples.urn(1))))
    assert answer.status == 400
    assert '(RuleNumber: 10003)' in answer.texts[0]
    assert last(emulator) == ('partial_bundle', 400, 2)
    assert [stored(emulator, type_) for type_ in (
        'Encounter', 'Condition', 'Observation')] == [1, 0, 1]


@pytest.mark.parametrize('name', [
    'partial_bundle', 'refused_entry', 'too_large', 'rule'])
@pytest.mark.parametrize('body', [
    b'{', b'[]', b'{"resourceType": "Bundle"}', b'{"resourceType": "Basic"}',
    b'{"resourceType": "Bundle", "type": "transaction", "entry": [1, {}]}'])
def test_unreadable_transactions_do_not_break_it(
        emulator, client, name, body):
    emulator.faults.add(name)
    assert client.call('POST', FHIR, body).status in {400, 413}
