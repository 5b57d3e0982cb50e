# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Public FHIR clients drive the emulator over a socket, as a stranger would."

import pytest
import requests
from fhirclient.models.condition import Condition
from fhirclient.models.encounter import Encounter
from fhirclient.server import FHIRServer
from fhirpy import SyncFHIRClient
from fhirpy.base.exceptions import OperationOutcome, ResourceNotFound

from satusehat_emulator.serving import serve

from . import samples
from .conftest import Clock


@pytest.fixture
def emulator():
    with serve(clock=Clock()) as emulator:
        yield emulator


@pytest.fixture
def token(emulator):
    response = requests.post(
        f'{emulator.url}/oauth2/v1/accesstoken', timeout=10,
        params={'grant_type': 'client_credentials'},
        data={'client_id': 'client-A', 'client_secret': 'secret-A'})
    return response.json()['access_token']


@pytest.fixture
def fhirpy(emulator, token):
    return SyncFHIRClient(
        f'{emulator.url}/fhir-r4/v1', authorization=f'Bearer {token}')


def new(client, resource):
    type_ = resource.pop('resourceType')
    return client.resource(type_, **resource)


def test_fhirpy(fhirpy):
    patient = fhirpy.resources('Patient').search(
        identifier=f'{samples.NIK}|9204014804000002').get()
    assert patient.id == samples.PATIENT

    room = new(fhirpy, samples.location())
    room.save()
    assert room.id

    visit = new(fhirpy, samples.encounter('K-1', room.id))
    visit.save()
    diagnosis = new(
        fhirpy, samples.condition(f'Encounter/{visit.id}'))
    diagnosis.save()
    for name, value in samples.finished(
            visit.serialize(), f'Condition/{diagnosis.id}').items():
        visit[name] = value
    visit.save()

    found = fhirpy.resources('Encounter').search(
        identifier=f'{samples.SYSTEM_IDS}/encounter/{samples.ORG}|K-1')
    assert found.count() == 1
    read = found.first()
    assert read.id == visit.id
    assert read['status'] == 'finished'
    assert fhirpy.reference('Encounter', visit.id).to_resource()[
        'status'] == 'finished'
    conditions = fhirpy.resources('Condition').search(
        encounter=visit.id).fetch_all()
    assert [condition.id for condition in conditions] == [diagnosis.id]


def test_fhirpy_walks_over_pages(fhirpy):
    for number in range(25):
        new(fhirpy, samples.organization(f'U-{number}')).save()
    units = fhirpy.resources('Organization').search(
        partof=samples.ORG).limit(4).fetch_all()
    assert len({unit.id for unit in units}) == 25


def test_fhirpy_transaction(fhirpy):
    room = new(fhirpy, samples.location())
    room.save()
    answer = fhirpy.execute(
        '/', method='post', data=samples.visit_bundle(room.id))
    assert answer['type'] == 'transaction-response'
    assert answer['total'] == 8


def test_fhirpy_understands_refusals(fhirpy):
    with pytest.raises(OperationOutcome) as refusal:
        fhirpy.resource('Encounter', status='arrived').save()
    assert '10117' in str(refusal.value)
    with pytest.raises(ResourceNotFound):
        fhirpy.reference('Encounter', 'none').to_resource()


@pytest.fixture
def server(emulator, token):
    server = FHIRServer(None, f'{emulator.url}/fhir-r4/v1')
    server.session.headers['Authorization'] = f'Bearer {token}'
    return server


def test_fhirclient(server):
    visit = Encounter(samples.encounter('K-2'))
    visit.update_with_json(visit.create(server))
    assert visit.id

    diagnosis = Condition(samples.condition(f'Encounter/{visit.id}'))
    created = diagnosis.create(server)
    over = Encounter(samples.finished(
        visit.as_json(), f'Condition/{created["id"]}'))
    over.update(server)
    assert Encounter.read(visit.id, server).status == 'finished'

    found = Encounter.where({
        'identifier': f'{samples.SYSTEM_IDS}/encounter/{samples.ORG}|K-2',
        }).perform_resources_iter(server)
    assert [row.id for row in found] == [visit.id]
