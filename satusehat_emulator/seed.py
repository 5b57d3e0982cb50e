# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Filling an empty store with the people and facilities of a seed file."

import json
from pathlib import Path

from . import index, versions
from .people import IHS_NUMBER, NIK
from .resources import DATA
from .store import Row

PRACTITIONER_NUMBER = 'https://fhir.kemkes.go.id/id/nakes-his-number'
ORGANIZATION_NUMBER = 'https://fhir.kemkes.go.id/id/org-number'


def load(store, name, now):
    """Put a seed into the store: `name` of data/seed, or a file's path.

    What is already there stays as it is, so that a store kept in a file can
    be seeded at each start.
    """
    path = DATA / 'seed' / f'{name}.json'
    if not path.exists():
        path = Path(name)
    seed = json.loads(path.read_text(encoding='utf-8'))
    with store.transaction():
        for client in seed.get('clients', []):
            store.add_client(
                client['id'], client['secret'], client['organization'])
        for citizen in seed.get('citizens', []):
            store.add_citizen(citizen['nik'], citizen)
        for organization in seed.get('organizations', []):
            _save(store, _organization(organization), now)
        for person in seed.get('patients', []):
            _save(store, _person('Patient', IHS_NUMBER, person), now)
        for person in seed.get('practitioners', []):
            _save(store, _person(
                'Practitioner', PRACTITIONER_NUMBER, person), now)


def _save(store, resource, now):
    if store.exists(resource['resourceType'], resource['id']):
        return
    resource['meta'] = versions.meta(now)
    store.save(
        Row(resource['resourceType'], resource['id'], None, now, resource),
        index.terms(resource))


def _person(type_, system, person):
    resource = {
        'resourceType': type_, 'id': person['id'], 'active': True,
        'identifier': [
            {'use': 'official', 'system': system, 'value': person['id']},
            {'use': 'official', 'system': NIK, 'value': person['nik']}],
        'name': [{'use': 'official', 'text': person['name']}],
        }
    for name in ('gender', 'birthDate', 'address', 'qualification'):
        if name in person:
            resource[name] = person[name]
    return resource


def _organization(organization):
    return {
        'resourceType': 'Organization', 'id': organization['id'],
        'active': True, 'name': organization['name'],
        'identifier': [{
            'use': 'official', 'system': ORGANIZATION_NUMBER,
            'value': organization['id']}],
        'type': [{'coding': [{
            'system': 'http://terminology.kemkes.go.id/CodeSystem/'
            'organization-type', 'code': organization['type']}]}],
        }
