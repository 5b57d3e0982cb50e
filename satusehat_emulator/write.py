# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Creating and changing resources.

The steps follow the platform: rule processor, duplicates, store, write. All
issues of a step are collected; nothing is written unless every step passes.
"""

import uuid
from dataclasses import dataclass
from functools import cached_property

from . import index, rules, structure, versions
from .kinds import CREATOR
from .outcome import (
    Issue, Refusal, consent_refused, duplicate, not_found, numbered,
    refused_by_rules, refused_by_store, version_conflict)
from .store import Row
from .walk import reference_holders, references

ANSWERS_EMPTY_IDENTIFIER = {
    'Observation', 'Condition', 'Procedure', 'MedicationStatement',
    'CarePlan', 'Goal', 'ClinicalImpression', 'Immunization',
    'MedicationAdministration', 'FamilyMemberHistory', 'RiskAssessment',
    'NutritionOrder', 'VisionPrescription', 'AllergyIntolerance'}
# PUT was refused with 403 on staging; PATCH is the way.
NEVER_REPLACED = {'EpisodeOfCare'}
TAGGED_BY_CREATOR = {
    'Encounter', 'Condition', 'Observation', 'Procedure', 'ServiceRequest',
    'Specimen', 'DiagnosticReport', 'Immunization', 'Medication',
    'MedicationRequest', 'MedicationDispense', 'MedicationStatement',
    'MedicationAdministration', 'Organization', 'Location', 'Task'}


@dataclass
class Service:
    "What a request works with: the store, the switches and its caller."
    store: object
    settings: object
    caller: object

    @property
    def organization(self):
        return self.caller.organization

    @cached_property
    def now(self):
        "Return the moment of the request (epoch seconds)."
        return self.settings.clock()

    @cached_property
    def context(self):
        "Return what the rule processor judges by."
        return rules.context(self.caller, self.settings)


    def exists(self, type_, id_):
        """Say whether a resource is stored.

        What was seen once is there for the rest of the request: nothing is
        ever removed.
        """
        if (type_, id_) not in self._seen:
            if not self.store.exists(type_, id_):
                return False
            self._seen.add((type_, id_))
        return True

    @cached_property
    def _seen(self):
        return set()


def check_processor(service, resource):
    return rules.validate(resource, service.context)


def check_duplicate(service, resource, keys=None):
    """Return the issues of a resource that is already there.

    `keys` are those of the resource, if they are known.
    """
    type_, id_ = resource['resourceType'], resource.get('id')
    if keys is None:
        keys = index.keys(resource)
    if service.store.holder(type_, service.organization, keys, id_):
        return [duplicate(type_)]
    if type_ == 'EpisodeOfCare':
        return _active_episode(service, resource)
    return []


def _active_episode(service, resource):
    """Refuse a second active episode of a patient and type.

    SATUSEHAT, EpisodeOfCare, rules 10109 and 10110: at most one, in any
    organization.
    """
    if resource.get('status') != 'active':
        return []
    terms = index.terms(resource)
    same = [
        [term for term in terms if term[0] == param]
        for param in ('patient', 'type', 'status')]
    others = [
        row for row in service.store.find('EpisodeOfCare', same)
        if row.id != resource.get('id')]
    text = 'found duplicated EpisodeOfCare Type with status active.'
    return [
        Issue('value', f'{text} (Rule Number: {number})', expression)
        for number, expression in (
            (10109, 'EpisodeOfCare.status'), (10110, 'EpisodeOfCare.type'))
        if others]


def check_references(service, resource, known=(), holders=None):
    """Return the issues of references to what is not stored (rule 20007).

    `known` are the 'Type/id' that the same transaction is about to store,
    `holders` the objects of the resource that refer, if they are known.
    """
    if not service.settings.check_references:
        return []
    if holders is None:
        holders = reference_holders(resource)
    targets = {holder['reference'] for holder in holders}
    contained = {
        f'#{item.get("id")}' for item in resource.get('contained') or []
        if isinstance(item, dict)}
    missing = {
        target for target in targets - contained
        if target not in known and not _is_there(service, target)}
    return missing and [
        Issue(
            'value', numbered(f'Resource not found {target}', 20007),
            expression)
        for expression, target in references(
            resource, resource['resourceType'])
        if target in missing]


def _is_there(service, target):
    if target.startswith(('#', 'urn:')):
        return False
    parts = target.split('/')
    if len(parts) < 2 or parts[-2] not in structure.stored_types():
        return True
    return service.exists(parts[-2], parts[-1])


def check(service, resource):
    "Raise Refusal unless the resource may be written."
    issues = check_processor(service, resource)
    if issues:
        raise refused_by_rules(issues)
    issues = check_duplicate(service, resource)
    if issues:
        raise refused_by_rules(issues)
    structure.check(resource)
    issues = check_references(service, resource)
    if issues:
        raise refused_by_rules(issues)


def create(service, resource):
    "Check and store a new resource; return it as stored."
    with service.store.transaction():
        check(service, resource)
        return store_new(service, resource)


def new_id():
    return str(uuid.uuid4())


def store_new(service, resource, id_=None, keys=None):
    now = service.now
    stored = {**resource, 'id': id_ or new_id()}
    stored['meta'] = versions.meta(now, stored.get('meta'))
    _tag_creator(service, stored)
    _save(service, stored, now, keys)
    return answered(stored)


def _tag_creator(service, stored):
    if not service.settings.creator_identifier:
        return
    if stored['resourceType'] not in TAGGED_BY_CREATOR:
        return
    others = [
        identifier for identifier in stored.get('identifier') or []
        if identifier.get('system') != CREATOR]
    stored['identifier'] = others + [
        {'system': CREATOR, 'value': service.organization}]


def _save(service, stored, created, keys=None):
    service.store.save(
        Row(
            stored['resourceType'], stored['id'], service.organization,
            created, stored, service.caller.client),
        index.terms(stored), index.keys(stored) if keys is None else keys)


def answered(stored):
    "Return a resource as the platform shows it."
    if (stored['resourceType'] in ANSWERS_EMPTY_IDENTIFIER
            and 'identifier' not in stored):
        return {**stored, 'identifier': []}
    return stored


def existing(service, type_, id_):
    "Return the Row the caller may change; raises Refusal."
    row = service.store.get(type_, id_)
    if not row:
        raise not_found(type_, id_)
    if row.owner != service.organization:
        raise consent_refused()
    return row


def check_identity(resource, id_):
    "Raise Refusal unless the body carries the id of the address."
    if not resource.get('id'):
        raise refused_by_rules([Issue(
            'value', 'id is required', f'{resource["resourceType"]}.id')])
    if resource['id'] != id_:
        raise refused_by_store(
            'resource_mismatch',
            'resource id mismatch, id of specified resource: '
            f'{id_}, id from payload: {resource["id"]}')


def replaced(service, type_, id_, resource):
    "Return the Row a resource is to replace; raises Refusal."
    check_identity(resource, id_)
    if type_ in NEVER_REPLACED:
        raise consent_refused()
    return existing(service, type_, id_)


def check_version(row, if_match):
    """Raise Refusal unless a Row has the version that is to be changed.

    `if_match` is a list of ETags or '*', None for any version
    (hl7.org/fhir/R4/http.html, concurrency).
    """
    wanted = [tag.strip() for tag in (if_match or '*').split(',')]
    if '*' not in wanted and versions.etag(row.body) not in wanted:
        raise version_conflict()


def update(service, type_, id_, resource, if_match=None):
    "Replace a resource; return it as stored."
    with service.store.transaction():
        row = replaced(service, type_, id_, resource)
        check(service, resource)
        check_version(row, if_match)
        return store_again(service, row, resource)


def store_again(service, row, resource, keys=None):
    stored = dict(resource)
    kept = dict(stored.get('meta') or {})
    kept['lastUpdated'] = row.body['meta']['lastUpdated']
    stored['meta'] = versions.meta(service.now, kept)
    if stored.get('identifier') == []:
        del stored['identifier']
    _tag_creator(service, stored)
    _save(service, stored, row.created, keys)
    return answered(stored)


def create_unless_found(service, resource, query):
    """Create a resource under If-None-Exist; `query` is the condition.

    One match is answered as a duplicate instead of FHIR's 200 (observed on
    staging); several with 412.
    """
    with service.store.transaction():
        matches = [
            row for row in service.store.find(query.type, query.terms)
            if all(accepts(row.body) for accepts in query.filters)]
        if len(matches) > 1:
            raise Refusal(412, [Issue(
                'multiple-matches',
                'The condition matches several resources')])
        if matches:
            raise refused_by_rules([duplicate(query.type)])
        return create(service, resource)
