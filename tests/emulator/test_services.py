# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Consent aside: KYC, master data, doors and the view from inside."

import pytest
from flask import Response

from . import samples


def get(api, path):
    return api.http.get(path, headers=api.headers)


def test_kyc_says_it_cannot_read(api):
    for body, reason in (
            (b'{}', 'missing begin tag'),
            (b'-----BEGIN ENCRYPTED MESSAGE-----\r\nAAAA',
                'Failed to decrypt message')):
        response = api.http.post(
            '/kyc/v1/generate-url', data=body, headers=api.headers)
        assert response.status_code == 200
        assert response.get_json() == {
            'metadata': {'code': '400', 'message': 'Error: Bad Request'},
            'data': {'error': reason}}
    assert api.http.post(
        '/kyc/v1/other', headers=api.headers).status_code == 404


@pytest.mark.parametrize('path, names', [
    ('provinces?codes=31', ['DKI Jakarta']),
    ('cities?province_codes=32', ['Kota Depok']),
    ('districts?city_codes=3174', ['Setiabudi']),
    ('sub-districts?district_codes=317402', ['Karet Kuningan']),
    ('cities?province_codes=99', [])])
def test_regions(api, path, names):
    body = get(api, f'/masterdata/v1/{path}').get_json()
    assert (body['status'], body['error']) == (200, False)
    assert [row['name'] for row in body['data']] == names


def test_facilities(api):
    path = '/masterdata/v1/mastersaranaindex/mastersarana'
    body = get(api, f'{path}?limit=1&page=2&jenis_sarana=103').get_json()
    assert body['total_page'] == 2
    assert [row['kode_satusehat'] for row in body['data']] == ['10000005']
    refused = get(api, f'{path}?limit=2001&page=1&jenis_sarana=103')
    assert refused.status_code == 400
    assert refused.get_json()['message'] == 'limit cannot be more than 2000'
    assert get(api, path).status_code == 400


@pytest.mark.parametrize('path', [
    '/consent/v1/Consent', '/masterdata/v1/provinces', '/fhir-r4/v1/Patient'])
def test_every_service_wants_a_token(anonymous, path):
    assert anonymous.http.get(path).status_code == 401


def test_journal_names_requests_without_their_values(api, anonymous):
    api.get('/Patient', identifier=f'{samples.NIK}|9204014804000002')
    api.post(samples.encounter('K-secret'))
    anonymous.ask_token('wrong')
    entries = get(api, '/_emulator/requests').get_json()['requests']
    shown = [
        (e['method'], e['path'], e['status'], e['client'], e['parameters'])
        for e in entries]
    assert shown == [
        ('POST', '/oauth2/v1/accesstoken', 200, None, ['grant_type']),
        ('GET', '/fhir-r4/v1/Patient', 200, 'client-A', ['identifier']),
        ('POST', '/fhir-r4/v1/Encounter', 201, 'client-A', []),
        ('POST', '/oauth2/v1/accesstoken', 401, None, ['grant_type'])]
    assert '9204014804000002' not in str(entries)
    assert 'K-secret' not in str(entries)
    last = entries[-2]['number']
    newer = get(api, f'/_emulator/requests?after={last}').get_json()
    assert newer['requests'] == entries[-1:]


def test_counts_and_resources(api, other):
    api.created(samples.encounter('K-1'))
    other.created(samples.encounter('K-2', org=samples.OTHER_ORG))
    counts = get(api, '/_emulator/counts').get_json()['counts']
    assert {
        'type': 'Encounter', 'organization': samples.ORG, 'count': 1,
        } in counts
    path = '/_emulator/resources'
    both = get(api, path).get_json()['resources']
    assert [r['identifier'][0].rpartition('|')[2] for r in both] == [
        'K-1', 'K-2']
    one = get(
        api, f'{path}?type=Encounter&organization={samples.OTHER_ORG}')
    assert one.get_json()['resources'] == both[1:]


def test_overview_is_escaped(api):
    api.http.get('/fhir-r4/v1/<script>alert(1)</script>')
    page = get(api, '/').get_data(as_text=True)
    assert '<script>' not in page
    assert '&lt;script&gt;' in page


EDGE = '<!doctype html><title>403</title>403 Forbidden'


@pytest.mark.parametrize('status, body, content_type', [
    (403, EDGE, 'text/html'), (503, 'no healthy upstream', 'text/plain'),
    (504, 'Gateway Timeout', 'text/plain')])
def test_fault_before_the_request(api, app, status, body, content_type):
    "Scenarios 21 and 22, as far as a door lets them in: nothing is stored."
    doors = app.extensions['emulator'].doors
    doors.before.append(
        lambda request: Response(body, status, content_type=content_type)
        if request.path.endswith('/Encounter') else None)
    response = api.post(samples.encounter('K-1'))
    assert response.status_code == status
    assert response.get_data(as_text=True) == body
    assert response.headers['x-request-id']
    assert api.get('/Location').status_code == 200
    doors.before.clear()
    api.created(samples.encounter('K-1'))


def test_fault_after_the_request(api, app):
    "Scenario 22 when the platform has stored what it does not answer."
    doors = app.extensions['emulator'].doors
    doors.after.append(
        lambda request, response: Response('Gateway Timeout', 504))
    assert api.post(samples.encounter('K-1')).status_code == 504
    doors.after.clear()
    assert api.get('/Encounter', identifier='K-1').get_json()['total'] == 1
    assert api.post(samples.encounter('K-1')).status_code == 400
