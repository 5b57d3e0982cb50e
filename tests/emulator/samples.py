# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Synthetic resources as a clinic would send them."

import itertools

ORG, OTHER_ORG = '10000004', '10000005'
PATIENT = 'P03647103112'
DOCTOR, NURSE = '10009880728', '90000000003'
SYSTEM_IDS = 'http://sys-ids.kemkes.go.id'
HL7 = 'http://terminology.hl7.org/CodeSystem'
KEMKES = 'http://terminology.kemkes.go.id'
NIK = 'https://fhir.kemkes.go.id/id/nik'
MOTHER_NIK = 'https://fhir.kemkes.go.id/id/nik-ibu'
EXTENSIONS = 'https://fhir.kemkes.go.id/r4/StructureDefinition'
_numbers = itertools.count(1)


def identifier(kind, value, org=ORG):
    return {'system': f'{SYSTEM_IDS}/{kind}/{org}', 'value': value}


def concept(system, code, display=None):
    coding = {'system': system, 'code': code}
    if display:
        coding['display'] = display
    return {'coding': [coding]}


def ref(target):
    return {'reference': target}


def urn(number):
    return f'urn:uuid:00000000-0000-4000-8000-{number:012d}'


def at(clock):
    "Return a dateTime of the day of the samples, clock is 'hh:mm'."
    return f'2026-11-20T{clock}:00+00:00'


def period(start, end=None):
    result = {'start': at(start)}
    if end:
        result['end'] = at(end)
    return result


def location(code='R-01', org=ORG):
    return {
        'resourceType': 'Location', 'status': 'active', 'mode': 'instance',
        'identifier': [identifier('location', code, org)],
        'name': 'Ruang Periksa 1', 'description': 'Lantai 1',
        'physicalType': concept(f'{HL7}/location-physical-type', 'ro'),
        'position': {'longitude': 106.83, 'latitude': -6.23},
        'managingOrganization': ref(f'Organization/{org}'),
        }


def organization(code='POLI-UMUM', org=ORG):
    return {
        'resourceType': 'Organization', 'active': True, 'name': 'Poli Umum',
        'identifier': [
            {'use': 'official', **identifier('organization', code, org)}],
        'type': [concept(f'{HL7}/organization-type', 'dept')],
        'partOf': ref(f'Organization/{org}'),
        }


def encounter(number=None, location_id=None, org=ORG):
    "A visit whose patient has just arrived."
    resource = {
        'resourceType': 'Encounter', 'status': 'arrived',
        'identifier': [identifier(
            'encounter', number or f'K-{next(_numbers)}', org)],
        'class': {'system': f'{HL7}/v3-ActCode', 'code': 'AMB'},
        'subject': ref(f'Patient/{PATIENT}'),
        'participant': [{
            'type': [concept(f'{HL7}/v3-ParticipationType', 'ATND')],
            'individual': ref(f'Practitioner/{DOCTOR}')}],
        'period': period('01:00'),
        'statusHistory': [{'status': 'arrived', 'period': period('01:00')}],
        'serviceProvider': ref(f'Organization/{org}'),
        }
    if location_id:
        resource['location'] = [{
            'location': ref(f'Location/{location_id}'),
            'period': period('01:00'),
            'extension': [service_class()]}]
    return resource


def service_class():
    return {
        'url': f'{EXTENSIONS}/ServiceClass', 'extension': [
            {'url': 'value', 'valueCodeableConcept': concept(
                f'{KEMKES}/CodeSystem/locationServiceClass-Outpatient',
                'reguler')},
            {'url': 'upgradeClassIndicator', 'valueCodeableConcept': concept(
                f'{KEMKES}/CodeSystem/locationUpgradeClass',
                'kelas-tetap')}]}


def finished(resource, *conditions):
    "The same visit when it is over; `conditions` are references, main first."
    return {
        **resource, 'status': 'finished', 'period': period('01:00', '02:30'),
        'length': {
            'value': 90, 'unit': 'min', 'code': 'min',
            'system': 'http://unitsofmeasure.org'},
        'statusHistory': [
            {'status': 'arrived', 'period': period('01:00', '01:20')},
            {'status': 'in-progress', 'period': period('01:20', '02:20')},
            {'status': 'finished', 'period': period('02:20', '02:30')}],
        'diagnosis': [
            {
                'condition': ref(target), 'rank': rank,
                'use': concept(f'{HL7}/diagnosis-role', 'DD')}
            for rank, target in enumerate(conditions, 1)],
        'hospitalization': {'dischargeDisposition': concept(
            f'{HL7}/discharge-disposition', 'home')},
        }


def condition(visit, code='J00', number=None):
    return {
        'resourceType': 'Condition',
        'identifier': [identifier(
            'condition', number or f'D-{next(_numbers)}')],
        'clinicalStatus': concept(f'{HL7}/condition-clinical', 'active'),
        'category': [concept(
            f'{HL7}/condition-category', 'encounter-diagnosis')],
        'code': concept('http://hl7.org/fhir/sid/icd-10', code),
        'subject': ref(f'Patient/{PATIENT}'), 'encounter': ref(visit),
        'recordedDate': at('02:00'),
        }


VITAL_SIGNS = {
    'heart-rate': ('8867-4', 82, '/min'),
    'respiratory-rate': ('9279-1', 18, '/min'),
    'systolic': ('8480-6', 118, 'mm[Hg]'),
    'diastolic': ('8462-4', 76, 'mm[Hg]'),
    'temperature': ('8310-5', 37.9, 'Cel'),
    'weight': ('29463-7', 54.5, 'kg'),
    }


def observation(visit, name='heart-rate', number=None):
    code, value, unit = VITAL_SIGNS[name]
    return {
        'resourceType': 'Observation', 'status': 'final',
        'identifier': [identifier(
            'observation', number or f'O-{next(_numbers)}')],
        'category': [concept(
            f'{HL7}/observation-category', 'vital-signs')],
        'code': concept('http://loinc.org', code),
        'subject': ref(f'Patient/{PATIENT}'), 'encounter': ref(visit),
        'effectiveDateTime': at('01:25'), 'issued': at('01:25'),
        'performer': [ref(f'Practitioner/{NURSE}')],
        'valueQuantity': {
            'value': value, 'unit': unit, 'code': unit,
            'system': 'http://unitsofmeasure.org'},
        }


def entry(number, resource):
    return {
        'fullUrl': urn(number), 'resource': resource,
        'request': {'method': 'POST', 'url': resource['resourceType']}}


def bundle(*resources):
    "A transaction; entry n (from 1) has the full address urn(n)."
    return {
        'resourceType': 'Bundle', 'type': 'transaction', 'entry': [
            entry(number, resource)
            for number, resource in enumerate(resources, 1)]}


def visit_bundle(location_id, number='K-100', code='J00'):
    "A finished visit: one diagnosis and six vital signs."
    return bundle(
        finished(encounter(number, location_id), urn(2)),
        condition(urn(1), code, f'{number}-D1'),
        *[observation(urn(1), name, f'{number}-{name}')
            for name in VITAL_SIGNS])


def new_patient(nik='3171014505950011', **changes):
    "A person the civil registry of the demo seed knows."
    return {
        'resourceType': 'Patient', 'active': True,
        'identifier': [{'use': 'official', 'system': NIK, 'value': nik}],
        'name': [{'use': 'official', 'text': 'Siti Contoh'}],
        'gender': 'female', 'birthDate': '1995-05-05',
        'multipleBirthInteger': 0, **changes}


def newborn(mother_nik, **changes):
    return {
        'resourceType': 'Patient', 'active': True,
        'identifier': [{'system': MOTHER_NIK, 'value': mother_nik}],
        'name': [{'use': 'official', 'text': 'Bayi Ny. Claudia'}],
        'gender': 'male', 'birthDate': '2026-11-01',
        'multipleBirthInteger': 0, **changes}
