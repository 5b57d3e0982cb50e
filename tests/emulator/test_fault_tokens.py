# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Faults of access tokens and of the endpoint that issues them."

import http.client

import pytest

from . import samples
from .plain_client import PlainClient, last, room, stored


def test_unauthorized_keeps_the_token(emulator, client):
    emulator.faults.add('unauthorized', times=2)
    for _ in range(2):
        answer = client.post(room(1))
        assert answer.status == 401
        assert answer.json['fault']['faultstring'] == 'Invalid access token'
        assert 'invalid_token' in answer.headers['WWW-Authenticate']
        assert last(emulator) == ('unauthorized', 401, 0)
    assert client.post(room(1)).status == 201


def test_unauthorized_with_a_fresh_token(emulator, client):
    "The second 401: a new token does not help."
    emulator.faults.add('unauthorized', form='expired')
    assert client.post(room(1)).status == 401
    answer = client.log_in().post(room(1))
    assert answer.status == 401
    assert answer.json['fault']['faultstring'] == 'Access Token expired'


def test_token_ends_in_mid_batch(emulator, client):
    other = PlainClient(emulator).log_in()
    emulator.faults.add('token_ends', after=3, times=1)
    statuses = [client.post(room(n)).status for n in range(5)]
    assert statuses == [201, 201, 201, 401, 401]
    assert last(emulator) == (None, 401, 0)
    assert other.post(room(6)).status == 201, 'another token goes on'
    assert client.log_in().post(room(3)).status == 201
    assert stored(emulator) == 5


def test_no_product(emulator, client):
    emulator.faults.add('no_product')
    answer = client.post(room(1))
    assert answer.status == 401
    assert answer.json['fault']['detail']['errorcode'].endswith(
        'InvalidAPICallAsNoApiProductMatchFound')
    assert client.ask_token().status == 200


@pytest.mark.parametrize('form, value', [
    ('zero', '0'), ('negative', '-1'), ('text', 'soon'), ('number', 3599),
    ('null', None), ('fraction', '0.5'), ('huge', '9' * 30)])
def test_odd_lifetime(emulator, client, form, value):
    emulator.faults.add('token_lifetime', form=form)
    token = client.ask_token().json
    assert token['expires_in'] == value
    client.token = token['access_token']
    assert client.post(room(1)).status == 201


def test_no_lifetime(emulator, client):
    emulator.faults.add('token_lifetime')
    token = client.ask_token().json
    assert 'expires_in' not in token
    assert token['access_token']
    assert last(emulator) == ('token_lifetime', 200, 0)


def test_no_token(emulator, client):
    emulator.faults.add('no_token')
    answer = client.ask_token()
    assert answer.status == 200
    assert 'access_token' not in answer.json


@pytest.mark.parametrize('status', [400, 401])
def test_bad_credentials(emulator, client, status):
    emulator.faults.add('bad_credentials', status=status, times=1)
    answer = client.ask_token()
    assert answer.status == status
    assert 'client_secret' in answer.texts[0]
    assert client.ask_token().status == 429
    emulator.settings.clock.advance(60)
    assert client.ask_token().status == 200


def test_bad_credentials_without_penalty(emulator, client):
    emulator.faults.add('bad_credentials', penalty=False, times=1)
    assert client.ask_token().status == 401
    assert client.ask_token().status == 200


def test_penalty_minute(emulator, client):
    emulator.faults.add('token_penalty', times=1, client='client-A')
    assert PlainClient(
        emulator, 'client-B', 'secret-B').ask_token().status == 200
    answer = client.ask_token()
    assert answer.status == 429
    assert 'Rate limit: 1 request per minute' in answer.texts[0]
    assert last(emulator) == ('token_penalty', 429, 0)
    emulator.settings.clock.advance(59)
    assert client.ask_token().status == 429
    emulator.settings.clock.advance(1)
    assert client.ask_token().status == 200


@pytest.mark.parametrize('options', [{}, {'of': 'client-B'}])
def test_wrong_organization(emulator, client, options):
    emulator.faults.add('wrong_organization', **options)
    client.log_in()
    assert client.post(room(1)).status == 400
    foreign = client.post(samples.location('R-9', samples.OTHER_ORG))
    assert foreign.status == 201
    assert stored(emulator, org=samples.OTHER_ORG) == 1


@pytest.mark.parametrize('name, status', [
    ('html', 200), ('server_error', 500), ('empty', 200), ('cut_json', 200),
    ('malformed_json', 200), ('edge_block', 403), ('redirect', 307)])
def test_other_faults_of_the_token_endpoint(emulator, client, name, status):
    emulator.faults.add(name, endpoint='token')
    assert client.ask_token().status == status
    assert last(emulator) == (name, status, 0)
    assert client.post(room(1)).status == 201, 'nothing else is touched'


@pytest.mark.parametrize('name', ['drop', 'reset'])
def test_token_endpoint_breaks_off(emulator, client, name):
    emulator.faults.add(name, endpoint='token')
    with pytest.raises((ConnectionResetError, http.client.HTTPException)):
        client.ask_token()
    assert last(emulator)[0] == name


def test_refused_token_requests_are_not_altered(emulator, client):
    emulator.faults.add('token_lifetime', times=1)
    client.secret = 'wrong'
    assert client.ask_token().status == 401
    assert last(emulator) == (None, 401, 0)
    emulator.settings.clock.advance(60)
    client.secret = 'secret-A'
    assert 'expires_in' not in client.ask_token().json
