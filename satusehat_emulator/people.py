# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The national indexes of patients and practitioners, as they are read.

How much of a person is shown depends on how the person was searched
(SATUSEHAT, Master Patient Index, searching).
"""

from copy import deepcopy
from difflib import SequenceMatcher

from .masking import (
    NIK_MASK, mask_address_line, mask_name, mask_practitioner_nik)
from .outcome import not_found
from .search import invalid, parse, searchset
from .walk import values

NIK = 'https://fhir.kemkes.go.id/id/nik'
MOTHER_NIK = 'https://fhir.kemkes.go.id/id/nik-ibu'
IHS_NUMBER = 'https://fhir.kemkes.go.id/id/ihs-number'
SIMILAR = 0.8


def identifier(resource, system):
    "Return the value of a person's identifier of `system`, or None."
    for item in resource.get('identifier', []):
        if item.get('system') == system:
            return item.get('value')


def name_of(resource):
    return next(iter(values(resource, 'name.text')), '')


# Patients

def minimal_patient(patient):
    "What a search by NIK alone and a read show."
    return {
        'resourceType': 'Patient', 'id': patient['id'],
        'active': patient.get('active', True), 'meta': patient['meta'],
        'identifier': _masked_identifiers(patient),
        'link': patient.get('link', []),
        'name': [{'text': mask_name(name_of(patient)), 'use': 'official'}],
        }


def demographic_patient(patient):
    "What a search by name, birth date and gender shows."
    shown = deepcopy(patient)
    shown['identifier'] = _masked_identifiers(patient)
    for name in ('telecom', 'contact'):
        shown.pop(name, None)
    for address in shown.get('address', []):
        address['line'] = [
            mask_address_line(line) for line in address.get('line', [])]
    return shown


def newborn_patient(patient):
    "What a search by the mother's NIK shows of a child."
    return {
        **minimal_patient(patient),
        'name': patient['name'], 'birthDate': patient.get('birthDate'),
        'identifier': [
            {**item} for item in patient['identifier']
            if item['system'] in {IHS_NUMBER, MOTHER_NIK}],
        }


def _masked_identifiers(patient):
    return [
        {**item, 'value': NIK_MASK} if item['system'] == NIK else dict(item)
        for item in patient['identifier']
        if item['system'] in {NIK, IHS_NUMBER}]


def search_patients(service, pairs, base):
    """Answer GET /Patient.

    By identifier, or by name, birthdate and gender together; anything else
    is refused.
    """
    query = parse('Patient', [
        pair for pair in pairs if pair[0] == 'identifier'])
    query.pairs = pairs
    if query.first('identifier'):
        rows = service.store.find('Patient', query.terms)
        show = _shown_by_identifier(query)
    else:
        _demand(query, 'name', 'birthdate', 'gender')
        rows = service.store.find('Patient')
        show = demographic_patient
    people = [row.body for row in rows if _fits(row.body, query)]
    return _answer(query, [show(person) for person in people], base)


def _shown_by_identifier(query):
    if query.first('identifier').startswith(MOTHER_NIK + '|'):
        return newborn_patient
    if query.first('name') and query.first('birthdate'):
        return deepcopy
    return minimal_patient


def read_patient(service, id_):
    row = service.store.get('Patient', id_)
    if not row:
        raise not_found('Patient', id_)
    return minimal_patient(row.body)


# Practitioners

def minimal_practitioner(practitioner):
    """What the index shows of a practitioner since 2026.

    No gender, birth date or profession; only the NIK's last three digits.
    """
    return {
        'resourceType': 'Practitioner', 'id': practitioner['id'],
        'meta': practitioner['meta'], 'name': practitioner['name'],
        'identifier': [
            {**item, 'value': mask_practitioner_nik(item['value'])}
            if item['system'] == NIK else dict(item)
            for item in practitioner['identifier']],
        }


def search_practitioners(service, pairs, base):
    query = parse('Practitioner', [
        pair for pair in pairs if pair[0] == 'identifier'])
    query.pairs = pairs
    if not query.first('identifier'):
        _demand(query, 'name', 'birthdate', 'gender')
    people = [
        row.body for row in service.store.find('Practitioner', query.terms)
        if _fits(row.body, query)]
    return _answer(
        query, [minimal_practitioner(person) for person in people], base)


def read_practitioner(service, id_):
    row = service.store.get('Practitioner', id_)
    if not row:
        raise not_found('Practitioner', id_)
    return minimal_practitioner(row.body)


# Both

def _demand(query, *names):
    missing = [name for name in names if not query.first(name)]
    if missing:
        raise invalid('Missing query parameters: ' + ', '.join(missing))
    if len(query.first('name')) < 3:
        raise invalid('Invalid query parameter: name')


def _fits(person, query):
    name, born = query.first('name'), query.first('birthdate')
    gender = query.first('gender')
    return (
        (not name or is_similar(name, name_of(person)))
        and (not born or str(person.get('birthDate', '')).startswith(born))
        and (not gender or person.get('gender') == gender))


def is_similar(wanted, name):
    "Say whether two names are near enough for the index."
    wanted, name = wanted.casefold(), name.casefold()
    return wanted in name or (
        SequenceMatcher(None, wanted, name).ratio() >= SIMILAR)


def _answer(query, people, base):
    return searchset(query, [
        {
            'fullUrl': f'{base}/{query.type}/{person["id"]}',
            'resource': person}
        for person in people], len(people), base)
