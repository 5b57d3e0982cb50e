# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"The services beside FHIR: consent, KYC and master data."

import uuid
from datetime import datetime, timezone

from flask import Blueprint, current_app, g, request

from . import payload
from .answers import answer, empty
from .resources import load

consent = Blueprint('consent', __name__, url_prefix='/consent/v1')
kyc = Blueprint('kyc', __name__, url_prefix='/kyc/v1')
masterdata = Blueprint('masterdata', __name__, url_prefix='/masterdata/v1')

CONSENT_TYPE = 'application/json; charset=UTF-8'
BEGIN = '-----BEGIN ENCRYPTED MESSAGE-----'
PARENTS = {
    'provinces': 'codes', 'cities': 'province_codes',
    'districts': 'city_codes', 'sub-districts': 'district_codes'}


def emulator():
    return current_app.extensions['emulator']


@consent.post('/Consent')
def set_consent():
    """Record what a patient allows other facilities.

    SATUSEHAT, Consent: {"patient_id", "action", "agent"}.
    """
    body = payload.parse(request.get_data())
    if not isinstance(body, dict) or (
            body.get('action') not in {'OPTIN', 'OPTOUT'}):
        return answer({'message': 'invalid action'}, 400)
    patient = body.get('patient_id')
    if not emulator().store.exists('Patient', str(patient)):
        return answer({'message': 'patient not found'}, 404)
    resource = _consent(
        patient, body['action'], body.get('agent', ''), g.caller)
    emulator().store.set_consent(patient, g.caller.organization, resource)
    return answer(resource, 200, CONSENT_TYPE)


@consent.get('/Consent')
def get_consent():
    patient = request.args.get('patient_id', '')
    own = f'Organization/{g.caller.organization}'
    found = [
        body for body in emulator().store.consents(patient)
        if body['organization'][0]['reference'] == own]
    if not found:
        return answer({'message': 'consent not found'}, 404)
    return answer(found[-1], 200, CONSENT_TYPE)


def _consent(patient, action, agent, caller):
    moment = datetime.fromtimestamp(
        emulator().settings.clock(), timezone.utc)
    stamp = f'{moment:%Y-%m-%dT%H:%M:%S.%f}Z'
    hl7 = 'http://terminology.hl7.org'
    return {
        'resourceType': 'Consent', 'id': str(uuid.uuid4()),
        'status': 'active', 'dateTime': stamp,
        'scope': {'coding': [{
            'system': f'{hl7}/CodeSystem/consentscope',
            'code': 'patient-privacy'}]},
        'category': [{'coding': [{
            'system': 'http://loinc.org', 'code': '59284-0'}]}],
        'patient': {'reference': f'Patient/{patient}'},
        'organization': [
            {'reference': f'Organization/{caller.organization}'}],
        'policyRule': {'coding': [{
            'system': f'{hl7}/CodeSystem/v3-ActCode', 'code': action}]},
        'provision': {
            'actor': [{
                'role': {'coding': [{
                    'system': f'{hl7}/5.0.0/CodeSystem-v3-RoleClass.html',
                    'code': 'AGNT'}]},
                'reference': {'display': agent}}],
            'period': {'start': stamp}},
        }


@kyc.post('/<path:name>')
def verify(name):
    """Say that the message cannot be read.

    Messages are encrypted for a key of the Ministry's, which the emulator
    does not have; refusals come with HTTP 200.
    """
    if name not in {'generate-url', 'challenge-code'}:
        return empty(404)
    armoured = BEGIN.encode() in request.get_data()
    return answer({
        'metadata': {'code': '400', 'message': 'Error: Bad Request'},
        'data': {'error': (
            'Failed to decrypt message' if armoured
            else 'missing begin tag')}})


@masterdata.get('/<level>')
def regions(level):
    "List a few regions, by code or by their parents' codes."
    if level not in PARENTS:
        return empty(404)
    parameter = PARENTS[level]
    wanted = [
        code for code in request.args.get(parameter, '').split(',') if code]
    key = 'code' if parameter == 'codes' else 'parent_code'
    found = [
        row for row in load('regions.json')[level]
        if not wanted or row[key] in wanted]
    return answer({
        'status': 200, 'error': False, 'message': 'success', 'data': found})


@masterdata.get('/mastersaranaindex/mastersarana')
def facilities():
    """List the seeded facilities.

    SATUSEHAT, Master Sarana Index: limit, page and jenis_sarana are
    demanded, limit is at most 2000.
    """
    args = request.args
    missing = [
        name for name in ('limit', 'page', 'jenis_sarana')
        if not args.get(name)]
    if missing:
        return _facility_refusal(f'{missing[0]} is required')
    if not (args['limit'].isdigit() and args['page'].isdigit()):
        return _facility_refusal('limit and page must be numbers')
    limit, page = int(args['limit']), int(args['page'])
    if limit > 2000:
        return _facility_refusal('limit cannot be more than 2000')
    rows = [
        facility for facility in map(_facility, _seeded_organizations())
        if facility['jenis_sarana']['kode'] in args.getlist('jenis_sarana')]
    start = (page - 1) * limit
    return answer({
        'status_code': 200, 'message': 'Success', 'page': page,
        'total_page': -(-len(rows) // limit) if limit else 0,
        'data': rows[start:start + limit] if page else []})


def _facility_refusal(message):
    return answer(
        {'status_code': 400, 'message': message, 'data': None}, 400)


def _seeded_organizations():
    return [
        row.body for row in emulator().store.find('Organization')
        if row.owner is None]


def _facility(organization):
    return {
        'kode_satusehat': organization['id'], 'nama': organization['name'],
        'jenis_sarana': {
            'kode': organization['type'][0]['coding'][0]['code'],
            'nama': ''},
        'status_sarana': 'valid', 'status_aktif': True}
