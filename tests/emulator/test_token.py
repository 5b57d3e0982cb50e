# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Tokens and the gateway."

import pytest

from .conftest import FHIR, TOKEN, texts


def test_token_has_the_gateways_shape(anonymous, clock):
    response = anonymous.ask_token()
    token = response.get_json()
    assert response.status_code == 200
    assert token.pop('api_product_list_json') == ['api-sandbox']
    assert all(isinstance(value, str) for value in token.values())
    assert token['token_type'] == 'BearerToken'
    assert token['expires_in'] == '3599'
    assert token['issued_at'] == str(int(clock() * 1000))
    assert 'developer.email' in token


def test_grant_type_belongs_to_the_query_string(anonymous):
    response = anonymous.http.post('/oauth2/v1/accesstoken', data={
        'grant_type': 'client_credentials', 'client_id': 'client-A',
        'client_secret': 'secret-A'})
    assert response.status_code == 400


def test_credentials_belong_to_the_form(anonymous):
    response = anonymous.http.post(TOKEN, json={
        'client_id': 'client-A', 'client_secret': 'secret-A'})
    assert response.status_code == 401


def test_wrong_secret_then_wait(anonymous, clock):
    "Scenario 1."
    response = anonymous.ask_token('wrong')
    assert response.status_code == 401
    issue, = response.get_json()['issue']
    assert issue['severity'] == 'invalid'
    assert 'client_id or client_secret' in issue['details']['text']

    clock.advance(59)
    response = anonymous.ask_token()
    assert response.status_code == 429
    assert 'Rate limit: 1 request per minute' in texts(response)[0]

    clock.advance(1)
    assert anonymous.ask_token().status_code == 200


def test_penalty_is_per_client_and_its_status_a_switch(
        anonymous, other, settings):
    settings.token_penalty_status = 401
    anonymous.ask_token('wrong')
    assert anonymous.ask_token().status_code == 401
    assert other.ask_token().status_code == 200


def test_token_expires_in_mid_queue(api, clock):
    "Scenario 2."
    assert api.get('/Organization/10000004').status_code == 200
    clock.advance(3599)
    response = api.get('/Organization/10000004')
    assert response.status_code == 401
    assert response.get_json()['fault']['detail']['errorcode'] == (
        'keymanagement.service.access_token_expired')
    assert api.log_in().get('/Organization/10000004').status_code == 200


@pytest.mark.parametrize('header', [
    None, 'Bearer', 'Bearer unknown', 'Basic Y2xpZW50'])
def test_invalid_token(anonymous, header):
    headers = {'Authorization': header} if header else {}
    response = anonymous.http.get(
        FHIR + '/Encounter/x', headers=headers)
    assert response.status_code == 401
    assert response.get_json() == {'fault': {
        'faultstring': 'Invalid access token',
        'detail': {'errorcode': 'oauth.v2.InvalidAccessToken'}}}
    assert 'error="invalid_token"' in response.headers['WWW-Authenticate']


def test_unknown_paths_are_empty(api):
    for path in ('/nowhere', '/fhir-r5/v1/Patient', '/fhir-r4'):
        response = api.http.get(path)
        assert (response.status_code, response.data) == (404, b'')
        assert response.headers['x-request-id']
