# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"The Bundle of one fixed visit, element by element."

import json
from uuid import UUID

import pytest
from fhir_judges import JUDGES
from fhir_visits import references, visit
from regenerate_golden import EXACT, PRETTY

from trytond.modules.satusehat_integration.fhir import (
    bundle,
    identifiers,
    location,
    organization,
    systems,
    validation,
)

ENCOUNTER = visit()['encounter']['uid']
ROW = visit()['vital_signs'][0]['uid']


def resources(snapshot=None, numbers=None):
    built = bundle.build(snapshot or visit(), numbers or references())
    return [entry['resource'] for entry in built.resource['entry']]


def encounter(**changes):
    return resources(visit(**changes))[0]


def observations(snapshot=None, numbers=None):
    return [
        resource for resource in resources(snapshot, numbers)
        if resource['resourceType'] == 'Observation']


def test_golden_bytes():
    built = bundle.build(visit(), references())
    assert bundle.to_bytes(built.resource) == EXACT.read_bytes()
    assert json.loads(PRETTY.read_text(encoding='utf-8')) == json.loads(
        EXACT.read_bytes())


@pytest.mark.parametrize('judge', JUDGES)
@pytest.mark.parametrize('index', range(12))
def test_golden_resource_is_fhir_r4(judge, index):
    golden = json.loads(EXACT.read_bytes())
    assert len(golden['entry']) == 12
    assert judge(golden['entry'][index]['resource']) == []


@pytest.mark.parametrize('judge', JUDGES)
def test_golden_bundle_is_fhir_r4(judge):
    assert judge(json.loads(EXACT.read_bytes())) == []


def test_golden_bundle_passes_the_last_look():
    assert validation.validate(json.loads(EXACT.read_bytes())) == []


@pytest.mark.parametrize('judge', JUDGES)
def test_unit_and_room_are_fhir_r4(judge):
    snapshot = visit()
    assert judge(organization.build(snapshot['unit'], '10000004')) == []
    assert judge(location.build(snapshot['room'], '10000004')) == []


@pytest.mark.parametrize('judge', JUDGES)
def test_judges_can_say_no(judge):
    assert judge({'resourceType': 'Encounter', 'status': 'finished'})
    assert judge({
        'resourceType': 'Observation', 'status': 'final',
        'code': {'text': "x"}, 'valueQuantity': {'value': 'tinggi'}})


def test_order_and_origin_of_the_entries():
    built = bundle.build(visit(), references())
    first, second = visit()['diagnoses'][1], visit()['diagnoses'][0]
    signs = [
        'heart_rate', 'respiratory_rate', 'systolic', 'diastolic',
        'temperature', 'oxygen_saturation', 'weight', 'height']
    assert [
        (entry.model, entry.record, entry.uid, entry.key, entry.resource_type)
        for entry in built.entries] == [
        ('clinic.encounter', None, ENCOUNTER, None, 'Encounter'),
        ('clinic.encounter', None, ENCOUNTER, 'chief_complaint', 'Condition'),
        ('clinic.diagnosis', 1, first['uid'], None, 'Condition'),
        ('clinic.diagnosis', 2, second['uid'], None, 'Condition'),
        *(('clinic.vital_signs', 7, ROW, sign, 'Observation')
            for sign in signs)]


def test_entries_describe_the_resources():
    built = bundle.build(visit(), references())
    for entry, row in zip(built.entries, built.resource['entry'], strict=True):
        identifier, = row['resource']['identifier']
        assert row['fullUrl'] == entry.full_url
        assert row['resource']['resourceType'] == entry.resource_type
        assert row['request'] == {'method': 'POST', 'url': entry.resource_type}
        assert (identifier['system'], identifier['value']) == (
            entry.system, entry.value)
        assert entry.system == (
            'http://sys-ids.kemkes.go.id/'
            f'{entry.resource_type.lower()}/10000004')


def test_full_url_is_fixed_and_shaped_as_version_4():
    url = identifiers.full_url(
        'http://sys-ids.kemkes.go.id/encounter/10000004', ENCOUNTER)
    assert url == 'urn:uuid:eff7bd1a-dc71-40fb-bcc1-4d0b3b6522d2'
    assert UUID(url[9:]).version == 4


@pytest.mark.parametrize('code, value', [
    ('UMUM', 'UMUM-8c3f1f0a'),
    ('R 1|a,b$c\\d', 'R-1-a-b-c-d-8c3f1f0a'),
    (' KIA ', 'KIA-8c3f1f0a'),
    ])
def test_code_value(code, value):
    assert identifiers.code_value(
        code, '8c3f1f0a-52a7-4f5e-9a41-0d6b7c8e9f01') == value


def test_status_history_is_closed_and_contiguous():
    history = encounter()['statusHistory']
    assert [row['status'] for row in history] == [
        'arrived', 'in-progress', 'finished']
    for before, after in zip(history, history[1:], strict=False):
        assert before['period']['end'] == after['period']['start']
    assert encounter()['status'] == 'finished'


@pytest.mark.parametrize('end, minutes', [
    ('2026-11-20T03:00:00+00:00', 120),
    ('2026-11-20T03:00:59+00:00', 120),
    ('2026-11-20T01:20:00+00:00', 20),
    ('2026-11-21T01:00:00+00:00', 1440),
    ])
def test_length_is_in_whole_minutes(end, minutes):
    built = encounter(
        encounter__finished_at=end,
        encounter__status_history__1__end=end,
        encounter__status_history__2__start=end,
        encounter__status_history__2__end=end)
    assert built['length'] == {
        'value': minutes, 'unit': 'min', 'code': 'min',
        'system': 'http://unitsofmeasure.org'}
    assert built['period'] == built['location'][0]['period'] == {
        'start': '2026-11-20T01:00:00+00:00', 'end': end}


@pytest.mark.parametrize('kind, code', [
    ('general', '124'), ('dental', '88'), ('maternal_child', '186'),
    ('checkup', None), ('other', None)])
def test_service_type_by_kind_of_unit(kind, code):
    service = encounter(unit__kind=kind).get('serviceType')
    if code is None:
        assert service is None
    else:
        assert service['coding'][0]['system'] == systems.SERVICE_TYPE
        assert service['coding'][0]['code'] == code


@pytest.mark.parametrize('code, system', [
    ('home', systems.DISCHARGE_DISPOSITION),
    ('other-hcf', systems.DISCHARGE_DISPOSITION),
    ('aadvice', systems.DISCHARGE_DISPOSITION),
    ('oth', systems.DISCHARGE_DISPOSITION),
    ('exp-lt48h', systems.KEMKES_DISCHARGE_DISPOSITION),
    ('exp-gt48h', systems.KEMKES_DISCHARGE_DISPOSITION),
    ])
def test_discharge_disposition_system(code, system):
    built = encounter(
        encounter__discharge_disposition=code, encounter__discharge_note=None)
    disposition = built['hospitalization']['dischargeDisposition']
    assert disposition['coding'][0]['system'] == system
    assert disposition['coding'][0]['code'] == code
    assert 'text' not in disposition


def test_discharge_note_is_the_text():
    disposition = encounter()['hospitalization']['dischargeDisposition']
    assert disposition['text'] == "Pulang, kontrol bila demam lebih dari 3 hari"


def test_diagnosis_uses_and_ranks():
    roles = [
        (row['use']['coding'][0]['code'], row.get('rank'),
            row['condition']['display'])
        for row in encounter()['diagnosis']]
    assert roles == [
        ('DD', 1, "Acute nasopharyngitis [common cold]"),
        ('DD', 2, "Asthma, unspecified"),
        ('CC', None, "Fever with chills")]


@pytest.mark.parametrize('complaint', [
    None,
    {'text': "Demam", 'recorded_at': '2026-11-20T01:20:00+00:00',
     'code': None}])
def test_complaint_without_code_is_not_sent(complaint):
    built = resources(visit(chief_complaint=complaint))
    conditions = [r for r in built if r['resourceType'] == 'Condition']
    assert len(conditions) == 2
    assert [row['rank'] for row in built[0]['diagnosis']] == [1, 2]


def test_complaint_carries_the_words():
    complaint = resources()[1]
    assert complaint['category'][0]['coding'][0]['code'] == 'chief-complaint'
    assert complaint['code']['text'] == "Demam menggigil sejak 2 hari"
    assert complaint['note'] == [{'text': "Demam menggigil sejak 2 hari"}]
    assert complaint['identifier'][0]['value'] == f'{ENCOUNTER}-chief_complaint'


def test_blood_pressure_is_two_observations():
    built = observations()
    assert not any('component' in resource for resource in built)
    pressures = {
        resource['code']['coding'][0]['code']:
            resource['valueQuantity']['value'] for resource in built}
    assert (pressures['8480-6'], pressures['8462-4']) == (120, 80)


def test_only_measured_values_are_sent():
    snapshot = visit(vital_signs__0__values={'weight': 3.5})
    resource, = observations(snapshot)
    assert resource['code']['coding'][0]['code'] == '29463-7'
    assert resource['valueQuantity'] == {
        'value': 3.5, 'unit': 'kg', 'code': 'kg',
        'system': 'http://unitsofmeasure.org'}
    assert observations(visit(vital_signs__0__values={})) == []
    assert observations(visit(vital_signs=[])) == []


@pytest.mark.parametrize('performer, numbers, expected', [
    ({'record': 12, 'name': "Ns. Contoh Tiga"}, {12: '10000000003'},
        ('Practitioner/10000000003', "Ns. Contoh Tiga")),
    ({'record': 12, 'name': "Ns. Contoh Tiga"}, {'12': '10000000003'},
        ('Practitioner/10000000003', "Ns. Contoh Tiga")),
    ({'record': 12, 'name': "Ns. Contoh Tiga"}, {},
        ('Practitioner/10000000001', "dr. Contoh Satu")),
    (None, {}, ('Practitioner/10000000001', "dr. Contoh Satu")),
    ])
def test_practitioner_answers_for_a_performer_without_number(
        performer, numbers, expected):
    resource = observations(
        visit(vital_signs__0__performer=performer),
        references(practitioners={11: '10000000001', **numbers}))[0]
    performer, = resource['performer']
    assert (performer['reference'], performer['display']) == expected


def test_room_belongs_to_its_unit_or_to_the_branch():
    room = visit()['room']
    assert location.build(room, '10000004')['managingOrganization'] == {
        'reference': 'Organization/10000004'}
    built = location.build(
        room, '10000004', managing='5f0d6c0e-8f63-4a7e-9a6c-0b1d4b7b0002',
        active=False)
    assert built['managingOrganization'] == {
        'reference': 'Organization/5f0d6c0e-8f63-4a7e-9a6c-0b1d4b7b0002'}
    assert built['identifier'] == [{
        'system': 'http://sys-ids.kemkes.go.id/location/10000004',
        'value': 'R1-1d2e3f40'}]
    assert built['status'] == 'inactive'


def test_unit_is_part_of_the_branch():
    built = organization.build(visit()['unit'], '10000004')
    assert built['partOf'] == {'reference': 'Organization/10000004'}
    assert built['type'][0]['coding'][0]['code'] == 'team'
    assert built['identifier'] == [{
        'use': 'official',
        'system': 'http://sys-ids.kemkes.go.id/organization/10000004',
        'value': 'UMUM-8c3f1f0a'}]


def test_results_share_nothing_with_later_results():
    resources()[0]['participant'][0]['type'][0]['coding'].clear()
    assert resources()[0]['participant'][0]['type'][0]['coding']


def test_bytes_do_not_depend_on_the_order_of_keys():
    def turned(value):
        if isinstance(value, dict):
            return {key: turned(value[key]) for key in reversed(value)}
        if isinstance(value, list):
            return [turned(item) for item in value]
        return value
    snapshot = turned(visit())
    assert bundle.to_bytes(
        bundle.build(snapshot, references()).resource) == EXACT.read_bytes()
