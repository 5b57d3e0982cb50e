# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"The addresses below /fhir-r4/v1."

from urllib.parse import parse_qsl

from flask import Blueprint, current_app, g, request

from . import bundle, patch, patient, payload, people, search, structure, write
from .answers import FHIR, answer, empty, stored
from .outcome import not_found

blueprint = Blueprint('fhir', __name__, url_prefix='/fhir-r4/v1')
READ_ONLY = {'Practitioner'}


def base():
    return request.host_url.rstrip('/') + blueprint.url_prefix


def service():
    emulator = current_app.extensions['emulator']
    settings = g.get('settings', emulator.settings)
    return write.Service(emulator.store, settings, g.caller)


def _known(type_):
    if type_ not in structure.stored_types():
        raise bundle.permission_refused(type_)


def _writable(type_):
    _known(type_)
    if type_ in READ_ONLY:
        raise bundle.permission_refused(type_)


def _pairs():
    return parse_qsl(
        request.query_string.decode('utf-8', 'replace'),
        keep_blank_values=True)


@blueprint.post('')
@blueprint.post('/')
def transaction():
    body = payload.resource(request, 'Bundle')
    return answer(
        bundle.process(service(), body, base()), 200, FHIR)


@blueprint.get('/<type_>')
@blueprint.get('/<type_>/')
def find(type_):
    _known(type_)
    if type_ == 'Patient':
        found = people.search_patients(service(), _pairs(), base())
    elif type_ == 'Practitioner':
        found = people.search_practitioners(service(), _pairs(), base())
    else:
        found = search.run(
            service(), search.parse(type_, _pairs()), base())
    return answer(found, 200, FHIR)


@blueprint.post('/<type_>')
@blueprint.post('/<type_>/')
def create(type_):
    _writable(type_)
    body = payload.resource(request, type_)
    if type_ == 'Patient':
        return answer(patient.create(service(), body))
    condition = request.headers.get('If-None-Exist')
    if condition is None:
        return stored(write.create(service(), body), 201)
    query = search.parse(type_, parse_qsl(condition.lstrip('?')))
    return stored(
        write.create_unless_found(service(), body, query), 201)


@blueprint.get('/<type_>/<id_>')
def read(type_, id_):
    _known(type_)
    if type_ == 'Patient':
        return answer(people.read_patient(service(), id_), 200, FHIR)
    if type_ == 'Practitioner':
        return answer(people.read_practitioner(service(), id_), 200, FHIR)
    body = search.read(service(), type_, id_)
    if body['resourceType'] != type_:
        return answer(body, 200, FHIR)
    return stored(body, 200)


@blueprint.put('/<type_>/<id_>')
def replace(type_, id_):
    _writable(type_)
    if type_ == 'Patient':
        raise bundle.permission_refused(type_)
    body = payload.resource(request, type_)
    return stored(write.update(
        service(), type_, id_, body, request.headers.get('If-Match')), 200)


@blueprint.patch('/<type_>/<id_>')
def change(type_, id_):
    _writable(type_)
    operations = payload.operations(request)
    if type_ == 'Patient':
        return answer(patient.patch(service(), id_, operations))
    return stored(patch.patch(
        service(), type_, id_, operations,
        request.headers.get('If-Match')), 200)


@blueprint.delete('/<type_>/<id_>')
def remove(type_, id_):
    "Nothing can be removed; which status says so is not published."
    return empty(current_app.extensions['emulator'].settings.delete_status)


@blueprint.get('/<type_>/<id_>/$everything')
def everything(type_, id_):
    _known(type_)
    raise search.everything_refused(type_)


@blueprint.get('/<type_>/<id_>/_history/<version>')
def version(type_, id_, version):
    raise not_found(type_, id_)
