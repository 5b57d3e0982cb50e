# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Organization and Location: creating, changing, finding."

import pytest

from . import samples
from .conftest import expressions, texts


def test_location_duplicate(api, room):
    "Scenario 6."
    response = api.post(samples.location())
    assert response.status_code == 400
    assert texts(response) == [
        'Found duplicate: Location (RuleNumber: 20002)']
    system, value = samples.identifier('location', 'R-01').values()
    found = api.get('/Location', identifier=f'{system}|{value}').get_json()
    assert [e['resource']['id'] for e in found['entry']] == [room]


def test_same_code_in_another_organization(api, other, room):
    other.created(samples.location(org=samples.OTHER_ORG))


def test_location_of_another_organization(api, other, room):
    response = other.post(samples.location())
    assert texts(response) == [
        'Wrong organization ID provided by system URL: '
        'http://sys-ids.kemkes.go.id/location/10000004 (RuleNumber: 10447)']
    stored = other.get(f'/Location/{room}').get_json()
    assert stored['name'] == 'Ruang Periksa 1'
    assert other.put(stored).status_code == 403


def test_put_location(api, room):
    location = api.get(f'/Location/{room}').get_json()
    first = location['meta']['versionId']
    response = api.put({**location, 'name': 'Ruang 2', 'status': 'inactive'})
    assert response.status_code == 200
    assert response.get_json()['name'] == 'Ruang 2'
    assert response.get_json()['meta']['versionId'] != first


def test_put_cannot_take_another_identifier(api, room):
    second = api.created(samples.location('R-02'))
    second['identifier'] = samples.location()['identifier']
    assert texts(api.put(second)) == [
        'Found duplicate: Location (RuleNumber: 20002)']


def test_patch_media_type(api, room):
    "Scenario 23."
    operations = [{'op': 'replace', 'path': '/name', 'value': 'X'}]
    response = api.patch(f'/Location/{room}', operations, 'application/json')
    assert response.status_code == 400
    assert texts(response) == ['invalid_headers']
    response = api.patch(f'/Location/{room}', operations)
    assert response.status_code == 200
    assert response.get_json()['name'] == 'X'


def test_patch_operational_status(api, room):
    "Scenario 24."
    response = api.patch(f'/Location/{room}', [{
        'op': 'replace', 'path': '/operationalStatus/system',
        'value': 'http://terminology.hl7.org/CodeSystem/v2-0116'}])
    assert texts(response) == [
        'Use /operationalStatus instead of /operationalStatus/system to '
        'patch Location (RuleNumber: 10171)']
    status = {
        'system': 'http://terminology.hl7.org/CodeSystem/v2-0116',
        'code': 'O'}
    response = api.patch(f'/Location/{room}', [
        {'op': 'add', 'path': '/operationalStatus', 'value': status}])
    assert response.get_json()['operationalStatus'] == status
    status['code'] = 'X'
    response = api.patch(f'/Location/{room}', [
        {'op': 'replace', 'path': '/operationalStatus', 'value': status}])
    assert '(RuleNumber: 10171)' in texts(response)[0]


def test_patch_keeps_id(api, room):
    response = api.patch(f'/Location/{room}', [
        {'op': 'replace', 'path': '/id', 'value': 'other'}])
    assert texts(response) == ['resource_mismatch']


def test_delete_is_not_offered(api, room, settings):
    response = api.call('DELETE', f'/Location/{room}')
    assert (response.status_code, response.data) == (405, b'')
    settings.delete_status = 404
    assert api.call('DELETE', f'/Location/{room}').status_code == 404
    assert api.get(f'/Location/{room}').status_code == 200


def test_organizations_may_repeat(api):
    first = api.created(samples.organization())
    second = api.created(samples.organization())
    assert first['id'] != second['id']


def pages(api, path, **query):
    "Return the entries of all pages of a search, following `next`."
    found, entries = api.get(path, **query).get_json(), []
    while True:
        entries += found['entry']
        links = {link['relation']: link['url'] for link in found['link']}
        if 'next' not in links:
            return found['total'], entries
        url = links['next'].partition('/fhir-r4/v1')[2]
        found = api.call('GET', url).get_json()


@pytest.mark.parametrize('count', [None, 1, 7, 45, 100])
def test_units_over_all_pages(api, count):
    names = {
        api.created(samples.organization(f'U-{number}'))['id']
        for number in range(45)}
    query = {'partof': samples.ORG, '_count': count} if count else {
        'partof': samples.ORG}
    total, entries = pages(api, '/Organization', **query)
    assert total == len(entries) == 45
    assert {entry['resource']['id'] for entry in entries} == names


def test_default_page_size(api, settings):
    for number in range(21):
        api.created(samples.organization(f'U-{number}'))
    found = api.get('/Organization', partof=samples.ORG).get_json()
    assert (len(found['entry']), found['total']) == (20, 21)
    settings.page_size = 50
    found = api.get('/Organization', partof=samples.ORG).get_json()
    assert len(found['entry']) == 21


def test_organization_by_name_and_revinclude(api):
    unit = api.created(samples.organization())
    found = api.get('/Organization', name='poli um').get_json()
    assert [e['resource']['id'] for e in found['entry']] == [unit['id']]
    found = api.get(
        '/Organization', _id=samples.ORG,
        _revinclude='Organization:partof').get_json()
    assert found['total'] == 1
    assert [e['resource']['id'] for e in found['entry']] == [
        samples.ORG, unit['id']]


def test_organization_needs_name_or_identifier(api):
    response = api.post({'resourceType': 'Organization', 'active': True})
    issue, = response.get_json()['issue']
    assert issue['diagnostics'].endswith('org-1')


def test_wrong_parent_region(api):
    unit = samples.organization()
    unit['address'] = [{'extension': [{
        'url': f'{samples.EXTENSIONS}/administrativeCode', 'extension': [
            {'url': 'province', 'valueCode': '31'},
            {'url': 'city', 'valueCode': '3276'},
            {'url': 'district', 'valueCode': '31'}]}]}]
    response = api.post(unit)
    assert sorted(text[-6:-1] for text in texts(response)) == [
        '10634', '10634', '10635']
    assert expressions(response)[0].startswith(
        'Organization.address[0].extension[0].extension[')
