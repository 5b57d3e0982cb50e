# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"The last look finds each defect it is there for, and says where."

from datetime import datetime, timezone

import pytest
from fhir_visits import references, visit

from trytond.modules.satusehat_integration.fhir import (
    bundle, location, organization, validation)


def built():
    return bundle.build(visit(), references()).resource


def damaged(path, value):
    "Return the fixed Bundle with one element changed."
    resource = built()
    *parents, last = path
    place = resource
    for part in parents:
        place = place[part]
    place[last] = value
    return resource


def entry(index, *path):
    return ('entry', index, 'resource', *path)


@pytest.mark.parametrize('path, value, place', [
    (('type',), 'batch', 'Bundle.type'),
    (('resourceType',), 'Batch', 'Bundle.resourceType'),
    (('entry',), [], 'Bundle.entry'),
    (('entry',), None, 'Bundle.entry'),
    (('entry', 0), None, 'Bundle.entry[0]'),
    (('entry', 0, 'fullUrl'), 'urn:uuid:1', 'Bundle.entry[0].fullUrl'),
    (('entry', 0, 'fullUrl'), None, 'Bundle.entry[0].fullUrl'),
    (('entry', 0, 'request'), {'method': 'PUT', 'url': 'Encounter'},
        'Bundle.entry[0].request'),
    (('entry', 0, 'resource'), None, 'Bundle.entry[0].resource'),
    (entry(0, 'resourceType'), 'Visit',
        'Bundle.entry[0].resource.resourceType'),
    (entry(0, 'resourceType'), ['Encounter'], 'Bundle.entry[0].resource'),
    (entry(0, 'status'), 'selesai', 'Bundle.entry[0].resource.status'),
    (entry(0, 'statusHistory', 1, 'status'), 'in_progress',
        'Bundle.entry[0].resource.statusHistory[1].status'),
    (entry(0, 'class', 'code'), 'RAJAL', 'Bundle.entry[0].resource.class.code'),
    (entry(0, 'class', 'system'), 'http://example.org',
        'Bundle.entry[0].resource.class.system'),
    (entry(1, 'clinicalStatus', 'coding', 0, 'code'), 'aktif',
        'Bundle.entry[1].resource.clinicalStatus.coding[0].code'),
    (entry(1, 'clinicalStatus', 'coding', 0, 'system'), 'http://example.org',
        'Bundle.entry[1].resource.clinicalStatus.coding[0].system'),
    (entry(1, 'verificationStatus'), {'coding': [{
        'system': 'http://terminology.hl7.org/CodeSystem/condition-ver-status',
        'code': 'pasti'}]},
        'Bundle.entry[1].resource.verificationStatus.coding[0].code'),
    (entry(4, 'status'), 'selesai', 'Bundle.entry[4].resource.status'),
    (entry(4, 'identifier', 0, 'use'), 'resmi',
        'Bundle.entry[4].resource.identifier[0].use'),
    (entry(4, 'effectiveDateTime'), '2026-02-30T00:00:00+00:00',
        'Bundle.entry[4].resource.effectiveDateTime'),
    (entry(4, 'issued'), '2026-11-20T01:25:00Z',
        'Bundle.entry[4].resource.issued'),
    (entry(0, 'period', 'start'), '2014-06-02T23:59:59+00:00',
        'Bundle.entry[0].resource.period.start'),
    (entry(4, 'encounter', 'reference'),
        'urn:uuid:00000000-0000-4000-8000-000000000001',
        'Bundle.entry[4].resource.encounter.reference'),
    (entry(4, 'subject', 'reference'), 'P00000000001',
        'Bundle.entry[4].resource.subject.reference'),
    (entry(4, 'subject', 'reference'), 7,
        'Bundle.entry[4].resource.subject.reference'),
    (entry(4, 'subject', 'reference'), 'Group/1',
        'Bundle.entry[4].resource.subject.reference'),
    (entry(4, 'encounter', 'reference'), built()['entry'][1]['fullUrl'],
        'Bundle.entry[4].resource.encounter.reference'),
    (entry(0, 'period', 'end'), '2026-11-20T00:59:59+00:00',
        'Bundle.entry[0].resource.period'),
    (entry(4, 'category'), [], 'Bundle.entry[4].resource.category'),
    (entry(4, 'category', 0), {}, 'Bundle.entry[4].resource.category[0]'),
    (entry(4, 'code', 'text'), ' ', 'Bundle.entry[4].resource.code.text'),
    (entry(4, 'code', 'text'), None, 'Bundle.entry[4].resource.code.text'),
    (entry(4, 'denyut'), 80, 'Bundle.entry[4].resource.denyut'),
    (entry(4, 'status'), None, 'Bundle.entry[4].resource.status'),
    (entry(4, 'valueQuantity', 'value'), 'tinggi',
        'Bundle.entry[4].resource.valueQuantity.value'),
    (entry(4, 'valueString'), "80", 'Bundle.entry[4].resource'),
    ])
def test_defect_is_found_and_placed(path, value, place):
    problems = validation.validate(damaged(path, value))
    assert any(
        problem.startswith(f'{place}: ') for problem in problems), problems


def test_repeated_full_url_and_identifier():
    resource = built()
    resource['entry'][5]['fullUrl'] = resource['entry'][4]['fullUrl']
    resource['entry'][5]['resource']['identifier'] = (
        resource['entry'][4]['resource']['identifier'])
    assert validation.validate(resource) == [
        'Bundle.entry[4].fullUrl: used more than once',
        'Bundle.entry[5].fullUrl: used more than once',
        'Bundle.entry[4].resource.identifier: used more than once',
        'Bundle.entry[5].resource.identifier: used more than once']


@pytest.mark.parametrize('value', [None, [], '', {}, {'entry': 'x'}])
def test_not_a_bundle(value):
    assert validation.validate(value) == [
        "Bundle.entry: a list of entries is expected"]


def test_future_is_found_only_with_a_clock():
    during = datetime(2026, 11, 20, 2, 59, tzinfo=timezone.utc)
    after = datetime(2026, 11, 20, 3, 0, tzinfo=timezone.utc)
    assert validation.validate(built()) == []
    assert validation.validate(built(), now=after) == []
    problems = validation.validate(built(), now=during)
    assert problems
    assert {problem.rpartition(': ')[2] for problem in problems} == {
        "in the future"}


def test_first_day_of_the_platform_is_accepted():
    resource = damaged(
        entry(4, 'effectiveDateTime'), '2014-06-03T00:00:00+00:00')
    assert validation.validate(resource) == []


@pytest.mark.parametrize('key', ['status', 'mode'])
def test_single_resource(key):
    room = location.build(visit()['room'], '10000004')
    assert validation.validate_resource(room) == []
    unit = organization.build(visit()['unit'], '10000004')
    assert validation.validate_resource(unit) == []
    room[key] = 'buka'
    problem, = validation.validate_resource(room)
    assert problem.startswith(f'Location.{key}: ')


def test_problems_hold_no_personal_data():
    resource = built()
    for row in resource['entry']:
        row['resource']['subject'] = {'reference': "Siti Contoh", 'nama': 1}
        row['resource']['status'] = "Siti Contoh"
    problems = validation.validate(resource)
    assert problems and not any("Siti" in problem for problem in problems)
