# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Faults in the answer: what the client reads and what the store holds."

import json
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

import pytest

from . import samples
from .plain_client import FHIR, last, room, stored

BOTH = pytest.mark.parametrize('is_stored', [False, True])


@BOTH
def test_html(emulator, client, is_stored):
    emulator.faults.add('html', stored=is_stored)
    answer = client.post(room(1))
    assert answer.status == 200
    assert answer.headers['Content-Type'].startswith('text/html')
    assert answer.body.startswith(b'<!doctype html>')
    assert answer.headers['x-request-id']
    assert stored(emulator) == is_stored
    assert last(emulator) == ('html', 200, is_stored)


@BOTH
@pytest.mark.parametrize('name', ['empty', 'cut_json', 'malformed_json'])
def test_no_json(emulator, client, name, is_stored):
    emulator.faults.add(name, stored=is_stored)
    answer = client.post(room(1))
    assert answer.status == 201
    assert (answer.body == b'') == (name == 'empty')
    with pytest.raises(ValueError):
        answer.json  # noqa: B018
    assert stored(emulator) == is_stored
    assert last(emulator) == (name, 201, is_stored)


@pytest.mark.parametrize('form, body', [
    ('resource', {'resourceType': 'Basic', 'id': 'none'}), ('array', []),
    ('text', 'OK'), ('number', 200), ('null', None), ('object', {})])
def test_other_type(emulator, client, form, body):
    emulator.faults.add('other_type', form=form)
    answer = client.post(room(1))
    assert (answer.status, answer.json) == (201, body)
    assert stored(emulator) == 1


@BOTH
def test_outcome_in_200(emulator, client, is_stored):
    emulator.faults.add('outcome_200', stored=is_stored)
    answer = client.post(room(1))
    assert answer.status == 200
    assert answer.json['resourceType'] == 'OperationOutcome'
    assert answer.json['issue'][0]['severity'] == 'error'
    assert stored(emulator) == is_stored


def own_id(emulator):
    row, = emulator.store.find('Location')
    return row.id


def test_no_id(emulator, client):
    emulator.faults.add('no_id')
    answer = client.post(room(1))
    assert answer.status == 201
    assert 'id' not in answer.json
    assert answer.headers['Location'] is None
    assert own_id(emulator) not in answer.body.decode()


def test_no_id_in_a_transaction(emulator, client):
    emulator.faults.add('no_id')
    answer = client.post(samples.bundle(room(1), room(2)))
    assert answer.status == 200
    for entry in answer.json['entry']:
        assert entry['response']['status'] == '201 Created'
        assert not {'resourceID', 'location'} & entry['response'].keys()
    assert last(emulator) == ('no_id', 200, 2)


def test_wrong_id(emulator, client):
    emulator.faults.add('wrong_id', seed=5)
    answer = client.post(room(1))
    assert answer.status == 201
    wrong = answer.json['id']
    assert wrong != own_id(emulator)
    assert f'/Location/{wrong}/' in answer.headers['Location']
    assert answer.json['identifier'] == room(1)['identifier']


def test_wrong_ids_in_a_transaction_and_a_search(emulator, client):
    emulator.faults.add('wrong_id')
    answer = client.post(samples.bundle(room(1), room(2)))
    right = {row.id for row in emulator.store.find('Location')}
    for entry in answer.json['entry']:
        assert entry['response']['resourceID'] not in right
        assert entry['response']['resourceID'] in (
            entry['response']['location'])
    found = client.find('Location', 'R-1').json['entry'][0]
    assert found['resource']['id'] not in right


def test_wrong_number_of_a_patient(emulator, client):
    emulator.faults.add('wrong_id')
    number, = client.post(samples.new_patient()).json['data'].values()
    assert not emulator.store.exists('Patient', number)
    assert last(emulator)[2] == 1


def test_other_identifier(emulator, client):
    emulator.faults.add('other_identifier')
    identifier, = client.post(room(1)).json['identifier']
    assert identifier['value'] == 'other-R-1'
    entry, = client.find('Location', 'R-1').json['entry']
    assert entry['resource']['identifier'][0]['value'] == 'other-R-1'
    emulator.faults.clear()
    assert client.find('Location', 'R-1').json['entry'][0]['resource'][
        'identifier'][0]['value'] == 'R-1'


def test_other_subject(emulator, client):
    client.post(samples.encounter('K-1'))
    emulator.faults.add('other_subject')
    entry, = client.find('Encounter', 'K-1').json['entry']
    assert entry['resource']['subject'] != {
        'reference': f'Patient/{samples.PATIENT}'}
    assert last(emulator)[0] == 'other_subject'


@pytest.mark.parametrize('form, rest', [
    ('reversed', ['Organization', 'Location']), ('fewer', ['Location'])])
def test_wrong_entries(emulator, client, form, rest):
    emulator.faults.add('wrong_entries', form=form)
    answer = client.post(samples.bundle(room(1), samples.organization()))
    assert rest == [
        entry['response']['resourceType'] for entry in answer.json['entry']]
    assert last(emulator) == ('wrong_entries', 200, 2)


@pytest.mark.parametrize('form, sign', [
    ('duplicate_keys', b'"id": "00000000-0000-4000-8000-000000000000"'),
    ('nan', b'"total": NaN'), ('infinity', b'-Infinity'),
    ('bom', b'\xef\xbb\xbf{'), ('charset', b'Caf\xe9'),
    ('utf_16', b'{\x00'), ('deep', b'[' * 10_000),
    ('text_plain', b'"resourceType": "Location"')])
def test_odd_json(emulator, client, form, sign):
    emulator.faults.add('odd_json', form=form)
    answer = client.post(room(1))
    assert answer.status == 201
    assert sign in answer.body
    assert ('text/plain' in answer.headers['Content-Type']) == (
        form == 'text_plain')
    assert last(emulator) == ('odd_json', 201, 1)


def test_duplicate_key_hides_the_id(emulator, client):
    emulator.faults.add('odd_json', form='duplicate_keys')
    body = client.post(room(1)).body
    assert own_id(emulator).encode() in body
    assert json.loads(body)['id'] != own_id(emulator)


@BOTH
@pytest.mark.parametrize('status, text', [
    (500, 'Internal Server Error'), (502, 'Bad Gateway'),
    (503, 'no healthy upstream'), (504, 'Gateway Timeout')])
def test_server_error(emulator, client, status, text, is_stored):
    emulator.faults.add(
        'server_error', status=status, stored=is_stored, times=1)
    answer = client.post(room(1))
    assert (answer.status, answer.body.decode()) == (status, text)
    assert answer.headers['Retry-After'] is None
    assert last(emulator) == ('server_error', status, is_stored)
    assert client.post(room(1)).status == (400 if is_stored else 201)


def test_server_error_in_json(emulator, client):
    emulator.faults.add('server_error', form='json', retry_after=7)
    answer = client.post(room(1))
    assert answer.texts == ['Internal Server Error']
    assert answer.headers['Retry-After'] == '7'


def retry_after(emulator, client, form, endpoint='fhir'):
    emulator.faults.add(
        'rate_limit', form=form, seconds=90, times=1, endpoint=endpoint)
    answer = (
        client.ask_token() if endpoint == 'token' else client.post(room(1)))
    assert answer.status == 429
    return answer, answer.headers['Retry-After']


@pytest.mark.parametrize('form, value', [
    ('seconds', '90'), ('negative', '-90'), ('garbage', 'soon'),
    ('absurd', '99999999999'), ('none', None)])
def test_rate_limit(emulator, client, form, value):
    answer, later = retry_after(emulator, client, form)
    assert later == value
    assert 'Rate limit' in answer.json['fault']['faultstring']
    assert last(emulator) == ('rate_limit', 429, 0)


@pytest.mark.parametrize('form, seconds', [('date', 90), ('past', -90)])
def test_rate_limit_with_a_date(emulator, client, form, seconds):
    _, later = retry_after(emulator, client, form)
    now = datetime.fromtimestamp(emulator.settings.clock(), timezone.utc)
    assert (parsedate_to_datetime(later) - now).total_seconds() == seconds


def test_rate_limit_of_the_token_endpoint(emulator, client):
    answer, later = retry_after(emulator, client, 'seconds', 'token')
    assert later == '90'
    assert 'Rate limit: 1 request per minute' in answer.texts[0]


@BOTH
@pytest.mark.parametrize('status', [301, 302, 303, 307, 308])
def test_redirect_loops(emulator, client, status, is_stored):
    emulator.faults.add('redirect', status=status, stored=is_stored)
    answer = client.post(room(1))
    assert answer.status == status
    assert answer.headers['Location'] == f'{emulator.url}{FHIR}/Location'
    assert last(emulator) == ('redirect', status, is_stored)


def test_redirect_to_another_port(emulator, client):
    emulator.faults.add('redirect', to='http://127.0.0.1:9')
    answer = client.get('/Location?name=a')
    assert answer.headers['Location'] == (
        f'http://127.0.0.1:9{FHIR}/Location?name=a')


def test_index_lag(emulator, client):
    client.post(room(1))
    id_ = own_id(emulator)
    emulator.faults.add('index_lag', seconds=300)
    assert client.find('Location', 'R-1').json['total'] == 0
    assert last(emulator)[0] == 'index_lag'
    assert client.get(f'/Location/{id_}').status == 200
    assert client.post(room(1)).status == 400
    emulator.settings.clock.advance(300)
    assert client.find('Location', 'R-1').json['total'] == 1
    emulator.faults.clear()
    client.post(room(2))
    assert client.find('Location', 'R-2').json['total'] == 1
