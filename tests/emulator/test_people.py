# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"The national indexes of patients and practitioners."

from . import samples
from .conftest import texts
from .samples import MOTHER_NIK, NIK

CLAUDIA, ARDIANTO = '9204014804000002', '9271060312000001'


def find(api, type_='Patient', **query):
    response = api.get(f'/{type_}', **query)
    assert response.status_code == 200, response.get_json()
    return response.get_json()


def test_nik_found_once_twice_never(api):
    "Scenario 3."
    for nik, total in (
            (CLAUDIA, 1), ('3171014101900077', 2), ('3171010000000000', 0)):
        found = find(api, identifier=f'{NIK}|{nik}')
        assert found['total'] == len(found['entry']) == total
        assert [link['relation'] for link in found['link']] == [
            'search', 'first', 'self']
    practitioners = find(
        api, 'Practitioner', identifier=f'{NIK}|3171010101800099')
    assert practitioners['total'] == 2


def test_links_carry_the_encoded_query(api):
    found = find(api, identifier=f'{NIK}|{CLAUDIA}')
    assert found['link'][2]['url'].endswith(
        '/fhir-r4/v1/Patient/?identifier=https%3A%2F%2Ffhir.kemkes.go.id'
        f'%2Fid%2Fnik%7C{CLAUDIA}')
    double = api.http.get(
        '/fhir-r4/v1/Patient?identifier=https%253A%252F%252Ffhir.kemkes.'
        f'go.id%252Fid%252Fnik%257C{CLAUDIA}', headers=api.headers)
    assert double.get_json()['total'] == 0


def test_name_is_masked(api):
    "Scenario 4."
    patient = find(
        api, identifier=f'{NIK}|{CLAUDIA}')['entry'][0]['resource']
    assert patient['name'] == [{'text': 'Cl** Si**', 'use': 'official'}]
    assert {i['value'] for i in patient['identifier']} == {
        samples.PATIENT, '#' * 16}
    assert not {'gender', 'birthDate'} & patient.keys()
    assert api.get(f'/Patient/{samples.PATIENT}').get_json() == patient


def test_short_words_keep_one_letter(api):
    patient = find(
        api, identifier=f'{NIK}|9104223107000004')['entry'][0]['resource']
    assert patient['name'][0]['text'] == 'D** Al** Ba** Pr**'


def test_name_and_birth_date_unmask(api):
    query = {'identifier': f'{NIK}|{CLAUDIA}', 'name': 'Claudia Sintia'}
    masked = find(api, **query)['entry'][0]['resource']
    assert masked['name'][0]['text'] == 'Cl** Si**'
    clear = find(api, **query, birthdate='1989-11-03')
    patient = clear['entry'][0]['resource']
    assert patient['name'][0]['text'] == 'Claudia Sintia'
    assert CLAUDIA in {i['value'] for i in patient['identifier']}
    assert find(api, **query, birthdate='1989-11-04')['total'] == 0


def test_search_without_nik(api):
    found = find(
        api, name='ardianto', birthdate='1992', gender='male')
    patient = found['entry'][0]['resource']
    assert found['total'] == 1
    assert patient['name'][0]['text'] == 'Ardianto Putra'
    assert '#' * 16 in {i['value'] for i in patient['identifier']}
    response = api.get('/Patient', name='ardianto')
    assert response.status_code == 400
    assert 'Missing query parameters' in texts(response)[0]
    assert api.get(
        '/Patient', name='ar', birthdate='1992', gender='male'
        ).status_code == 400


def test_practitioner_in_the_minimal_shape(api):
    found = find(
        api, 'Practitioner', identifier=f'{NIK}|7209061211900001')
    practitioner = found['entry'][0]['resource']
    assert practitioner.keys() == {
        'id', 'identifier', 'meta', 'name', 'resourceType'}
    assert {i['system'].rpartition('/')[2]: i['value']
        for i in practitioner['identifier']} == {
            'nakes-his-number': samples.DOCTOR, 'nik': '#' * 13 + '001'}
    assert api.get(
        f'/Practitioner/{samples.DOCTOR}').get_json() == practitioner
    assert api.get('/Practitioner/1').status_code == 404


def test_practitioner_is_read_only(api):
    response = api.post({'resourceType': 'Practitioner'})
    assert response.status_code == 400
    assert '(RuleNumber: 20003)' in texts(response)[0]


def test_register_a_citizen(api):
    response = api.post(samples.new_patient())
    assert response.status_code == 200
    answer = response.get_json()
    assert answer['success'] is True
    number = answer['data']['Patient ID:']
    assert number[0] == 'P' and len(number) == 12
    found = find(api, identifier=f'{NIK}|3171014505950011')
    assert found['entry'][0]['resource']['id'] == number


def test_key_of_the_new_number_is_a_switch(api, settings):
    settings.patient_id_key = 'patient_id'
    answer = api.post(samples.new_patient()).get_json()
    assert answer['data'].keys() == {'patient_id'}


def test_refusals_come_with_200(api):
    known = api.post(samples.new_patient(CLAUDIA))
    unknown = api.post(samples.new_patient('3171010000000000'))
    other = api.post(samples.new_patient(birthDate='1995-05-06'))
    assert {known.status_code, unknown.status_code, other.status_code} == {
        200}
    assert known.get_json() == {
        'success': False, 'message': 'Patient Resource Exists',
        'data': {'resourceID': samples.PATIENT}}
    assert unknown.get_json() == {
        'success': False, 'message': 'Citizen Not Exists'}
    assert other.get_json()['success'] is False
    assert 'birthDate' in other.get_json()['message']


def test_patient_rules(api):
    patient = samples.new_patient(gender='f', birthDate='2026-11-21')
    patient['name'] = [{'text': ' '}]
    response = api.post(patient)
    assert response.status_code == 400
    assert sorted(
        int(text[-6:-1]) for text in texts(response)) == [
            10168, 10397, 10413]


def test_region_lies_in_its_parent(api):
    codes = {
        'province': '31', 'city': '3174', 'district': '317402',
        'village': '3276021003'}
    patient = samples.new_patient(address=[{
        'use': 'home', 'line': ['Jl. Contoh 1'], 'extension': [{
            'url': f'{samples.EXTENSIONS}/administrativeCode',
            'extension': [
                {'url': url, 'valueCode': code}
                for url, code in codes.items()]}]}])
    response = api.post(patient)
    assert [text[-6:-1] for text in texts(response)] == ['10621']


def test_newborn(api):
    response = api.post(samples.newborn(CLAUDIA))
    answer = response.get_json()
    assert response.status_code == 200
    child = answer['create_patient']['data']['patient_id']
    related = answer['create_related_patient']['data']['related_patient_id']
    assert answer['update_link_patient']['data']['patient_id'] == (
        samples.PATIENT)
    found = find(api, identifier=f'{MOTHER_NIK}|{CLAUDIA}')
    assert [e['resource']['id'] for e in found['entry']] == [child]
    person = api.get(f'/RelatedPerson/{related}').get_json()
    assert person['patient']['reference'] == f'Patient/{child}'
    again = api.post(samples.newborn(CLAUDIA)).get_json()
    assert again['success'] is False
    assert again['data'] == {'resourceID': child}
    twin = api.post(samples.newborn(CLAUDIA, multipleBirthInteger=2))
    assert twin.get_json()['create_patient']['success'] is True


def test_mother_is_not_female(api):
    "Scenario 5."
    response = api.post(samples.newborn(ARDIANTO))
    assert response.status_code == 400
    issue, = response.get_json()['issue']
    assert issue['code'] == 'exception'
    assert issue['details']['text'] == 'Patient with nik-ibu is not female'


def test_newborn_is_young_and_counted(api):
    baby = samples.newborn(CLAUDIA, birthDate='2026-09-20')
    del baby['multipleBirthInteger']
    response = api.post(baby)
    assert [text[-6:-1] for text in texts(response)] == ['10397', '10167']


def verified(*operations):
    return [
        {'op': 'test', 'path': '/name', 'value': [
            {'use': 'official', 'text': 'Claudia Sintia'}]},
        {'op': 'test', 'path': '/gender', 'value': 'female'},
        {'op': 'test', 'path': '/birthDate', 'value': '1989-11-03'},
        *operations]


def test_patch_patient(api):
    status = {'op': 'add', 'path': '/maritalStatus', 'value': {
        'text': 'Married'}}
    path = f'/Patient/{samples.PATIENT}'
    response = api.patch(path, verified(status))
    assert response.get_json() == {
        'code': 200, 'error': False,
        'message': 'Patient data updated successfully',
        'data': {'patient_id': samples.PATIENT}}
    assert api.patch(path, [status]).status_code == 400
    wrong = verified(status)
    wrong[1]['value'] = 'male'
    assert api.patch(path, wrong).status_code == 400
    link = {'op': 'add', 'path': '/link', 'value': []}
    assert '20016' in texts(api.patch(path, verified(link)))[0]
