# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Writing to the Master Patient Index.

It is a service of its own: its answers are not FHIR, and a refusal comes
with HTTP 200 and 'success': false (SATUSEHAT, Master Patient Index).
"""

import secrets
from copy import deepcopy
from datetime import date, datetime, timedelta, timezone

from . import index, rules, structure, versions, write
from .outcome import Issue, Refusal, not_found, numbered, refused_by_rules
from .patch import patched_body, paths
from .people import IHS_NUMBER, MOTHER_NIK, NIK, identifier, name_of
from .store import Row

NEWBORN_DAYS = 60
CREATED = 'New Patient has been created successfully'
VERIFIED = ('name', 'birthDate', 'gender')
PATCHABLE = {
    'name', 'birthDate', 'gender', 'address', 'maritalStatus', 'extension',
    'identifier', 'telecom', 'contact', 'deceasedBoolean',
    'deceasedDateTime', 'communication', 'multipleBirthInteger', 'active'}


def create(service, patient):
    """Register a patient; return the answer's body.

    Raises Refusal for what the rule processor refuses; what the index itself
    refuses is in the body.
    """
    issues = rules.validate(
        patient, rules.context(service.caller, service.settings))
    if issues:
        raise refused_by_rules(issues)
    structure.check(patient)
    with service.store.transaction():
        if identifier(patient, NIK):
            return _create_with_nik(service, patient)
        if identifier(patient, MOTHER_NIK):
            return _create_newborn(service, patient)
    return refusal('Citizen Not Exists')


def refusal(message, **data):
    body = {'success': False, 'message': message}
    if data:
        body['data'] = data
    return body


def by_identifier(store, system, value):
    "Return the Rows of the patients with an identifier."
    return store.find('Patient', [[('identifier', system, value)]])


# A person with a NIK

def _create_with_nik(service, patient):
    nik = identifier(patient, NIK)
    known = by_identifier(service.store, NIK, nik)
    if known:
        return refusal('Patient Resource Exists', resourceID=known[0].id)
    citizen = service.store.citizen(nik)
    if not citizen:
        return refusal('Citizen Not Exists')
    differing = _differing(patient, citizen)
    if differing:
        return refusal(
            'Data does not match the civil registry: '
            + ', '.join(differing))
    stored = _store(service, patient)
    return {
        'success': True, 'message': CREATED,
        'data': {service.settings.patient_id_key: stored['id']}}


def _differing(patient, citizen):
    """Return the elements in which a patient differs from the registry.

    How the platform words this is not published.
    """
    given = {
        'name': name_of(patient).casefold(),
        'birthDate': patient.get('birthDate'),
        'gender': patient.get('gender')}
    expected = {**citizen, 'name': citizen['name'].casefold()}
    return [name for name in VERIFIED if given[name] != expected[name]]


def new_ihs_number(store):
    "Return an unused patient number: P and eleven digits."
    while True:
        number = f'P{secrets.randbelow(10 ** 11):011d}'
        if not store.exists('Patient', number):
            return number


def _store(service, patient):
    stored = deepcopy(patient)
    stored['id'] = new_ihs_number(service.store)
    stored['identifier'] = [
        {'use': 'official', 'system': IHS_NUMBER, 'value': stored['id']},
        *[item for item in patient['identifier']
            if item['system'] != IHS_NUMBER]]
    stored['meta'] = versions.meta(service.now, stored.get('meta'))
    save(service.store, stored, service.now)
    return stored


def save(store, patient, created):
    store.save(
        Row('Patient', patient['id'], None, created, patient),
        index.terms(patient))


# A newborn with the mother's NIK

def _create_newborn(service, patient):
    _check_newborn(service, patient)
    mothers = by_identifier(
        service.store, NIK, identifier(patient, MOTHER_NIK))
    if not mothers:
        return refusal('Citizen Not Exists')
    mother = mothers[0]
    if mother.body.get('gender') != 'female':
        raise Refusal(400, [Issue(
            'exception', 'Patient with nik-ibu is not female',
            'Patient.identifier')], processor=True)
    twin = _same_newborn(service, patient)
    if twin:
        return refusal(
            'Failed to create new patient, another identifier has found',
            resourceID=twin.id)
    started = _now_text(service)
    child = _store(service, patient)
    related = _relate(service, child, mother.body)
    _link(service, mother, related)
    return _newborn_answer(service, child, related, mother, started)


def _check_newborn(service, patient):
    """Refuse what a newborn's registration demands.

    SATUSEHAT, Master Patient Index, newborns: at most 60 days old, birth
    order given, single.
    """
    issues = []
    today = datetime.fromtimestamp(service.now, timezone.utc).date()
    born = date.fromisoformat(_full_date(patient['birthDate']))
    if born < today - timedelta(days=NEWBORN_DAYS):
        issues.append(Issue('value', numbered(
            f'Invalid date time value : {born}', 10397),
            'Patient.birthDate'))
    if 'multipleBirthInteger' not in patient:
        path = 'Patient.multipleBirthInteger'
        issues.append(Issue(
            'value', numbered(f'Element not found: {path}', 10167), path))
    codes = [
        coding.get('code') for coding in
        (patient.get('maritalStatus') or {}).get('coding', [])]
    if codes and codes != ['S']:
        issues.append(Issue(
            'value', 'maritalStatus of a newborn must be S',
            'Patient.maritalStatus'))
    if issues:
        raise refused_by_rules(issues)


def _full_date(text):
    return (text + '-01-01')[:10]


def _same_newborn(service, patient):
    "Find a child of the same name, birth date, gender and birth order."
    def key(body):
        return (
            name_of(body).casefold(), body.get('birthDate'),
            body.get('gender'), body.get('multipleBirthInteger'))

    children = by_identifier(
        service.store, MOTHER_NIK, identifier(patient, MOTHER_NIK))
    return next(
        (row for row in children if key(row.body) == key(patient)), None)


def _relate(service, child, mother):
    "Store the RelatedPerson that says who the child's mother is."
    related = {
        'resourceType': 'RelatedPerson', 'active': True,
        'identifier': [{'system': IHS_NUMBER, 'value': mother['id']}],
        'patient': {'reference': f'Patient/{child["id"]}'},
        'relationship': [{'coding': [{
            'system': 'http://terminology.hl7.org/CodeSystem/v3-RoleCode',
            'code': 'MTH', 'display': 'mother'}]}],
        'name': mother['name'], 'gender': 'female',
        }
    return write.store_new(service, related)


def _link(service, mother, related):
    body = deepcopy(mother.body)
    body.setdefault('link', []).append({
        'other': {'reference': f'RelatedPerson/{related["id"]}'},
        'type': 'seealso'})
    body['meta'] = versions.meta(service.now, body['meta'])
    save(service.store, body, mother.created)


def _now_text(service):
    return str(datetime.fromtimestamp(
        service.now, timezone.utc).replace(tzinfo=None))


def _newborn_answer(service, child, related, mother, started):
    return {
        'create_patient': {
            'success': True, 'message': CREATED,
            'data': {'patient_id': child['id']}},
        'create_related_patient': {
            'success': True,
            'message': 'New Related Patient has been created successfully',
            'data': {'related_patient_id': related['id']}},
        'update_link_patient': {
            'success': True,
            'message': 'Link Patient has been updated successfully',
            'data': {'patient_id': mother.id}},
        'log_time': {
            'start_time': started,
            'createRelatedPatient_time': _now_text(service)},
        }


# Changing a patient

def patch(service, id_, operations):
    """Apply a JSON Patch to a patient; return the answer's body.

    The patch proves that its sender knows the person by testing name,
    gender and birthDate (SATUSEHAT, Master Patient Index, PATCH).
    """
    with service.store.transaction():
        row = service.store.get('Patient', id_)
        if not row:
            raise not_found('Patient', id_)
        _check_patch(operations)
        patched = patched_body(row.body, operations)
        structure.check(patched)
        issues = rules.validate(
            patched, rules.context(service.caller, service.settings))
        if issues:
            raise refused_by_rules(issues)
        patched['meta'] = versions.meta(service.now, row.body['meta'])
        save(service.store, patched, row.created)
    return {
        'code': 200, 'error': False,
        'message': 'Patient data updated successfully',
        'data': {'patient_id': id_}}


def _check_patch(operations):
    targets = paths(operations)
    foreign = sorted({
        tokens[0] if tokens else '/' for tokens in targets
        if not tokens or tokens[0] not in PATCHABLE})
    if foreign:
        raise refused_by_rules([Issue('forbidden', numbered(
            'Organization not allowed to edit Patient', 20016),
            f'Patient.{foreign[0]}')])
    tested = {
        tokens[0] for tokens, operation in zip(
            targets, operations, strict=True)
        if operation.get('op') == 'test' and len(tokens) == 1}
    untested = [name for name in VERIFIED if name not in tested]
    if untested:
        raise refused_by_rules([
            Issue('value', f'Element not found: Patient.{name}',
                f'Patient.{name}') for name in untested])
