# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Last look at what is about to be sent.

The models of fhir.resources judge structure, cardinality and types.  They
let pass bogus codes of required bindings, empty lists, dangling references
and repeated `fullUrl`s; those are checked here.
"""

import re
from collections import Counter
from datetime import datetime, timezone
from uuid import UUID

from . import systems
from .record import utc

EARLIEST = datetime(2014, 6, 3, tzinfo=timezone.utc)
"First day of the platform (SATUSEHAT, playbook, date window)."

_ENCOUNTER_STATUS = frozenset({
    'planned', 'arrived', 'triaged', 'in-progress', 'onleave', 'finished',
    'cancelled', 'entered-in-error', 'unknown'})
REQUIRED_CODES = {
    'Encounter.status': _ENCOUNTER_STATUS,
    'Encounter.statusHistory.status': _ENCOUNTER_STATUS,
    'Encounter.location.status': frozenset({
        'planned', 'active', 'reserved', 'completed'}),
    'Encounter.class.code': frozenset({
        'AMB', 'EMER', 'FLD', 'HH', 'IMP', 'ACUTE', 'NONAC', 'OBSENC',
        'PRENC', 'SS', 'VR'}),
    'Observation.status': frozenset({
        'registered', 'preliminary', 'final', 'amended', 'corrected',
        'cancelled', 'entered-in-error', 'unknown'}),
    'Condition.clinicalStatus.coding.code': frozenset({
        'active', 'recurrence', 'relapse', 'inactive', 'remission',
        'resolved'}),
    'Condition.verificationStatus.coding.code': frozenset({
        'unconfirmed', 'provisional', 'differential', 'confirmed', 'refuted',
        'entered-in-error'}),
    'Location.status': frozenset({'active', 'suspended', 'inactive'}),
    'Location.mode': frozenset({'instance', 'kind'}),
    }
"""Codes by element: the required bindings of FHIR R4 4.0.1.

`Encounter.class` is bound extensibly there; the platform accepts only its
own systems (SATUSEHAT, validation dictionary, rule 10001).
"""
REQUIRED_SYSTEMS = {
    'Encounter.class.system': systems.ACT_CODE,
    'Condition.clinicalStatus.coding.system': systems.CONDITION_CLINICAL,
    'Condition.verificationStatus.coding.system':
        systems.CONDITION_VERIFICATION,
    }
TARGETS = {
    'Encounter.subject': {'Patient'},
    'Encounter.participant.individual': {'Practitioner'},
    'Encounter.location.location': {'Location'},
    'Encounter.diagnosis.condition': {'Condition'},
    'Encounter.serviceProvider': {'Organization'},
    'Condition.subject': {'Patient'},
    'Condition.encounter': {'Encounter'},
    'Condition.recorder': {'Practitioner'},
    'Observation.subject': {'Patient'},
    'Observation.encounter': {'Encounter'},
    'Observation.performer': {'Practitioner', 'Organization'},
    'Organization.partOf': {'Organization'},
    'Location.managingOrganization': {'Organization'},
    'Location.partOf': {'Location'},
    }
"Resource types each element may refer to, of those the platform accepts."
_IDENTIFIER_USES = frozenset({'usual', 'official', 'temp', 'secondary', 'old'})
_TIMES = frozenset({
    'start', 'end', 'effectiveDateTime', 'issued', 'recordedDate',
    'onsetDateTime', 'abatementDateTime', 'time'})
_TARGET = re.compile(r'[A-Z][A-Za-z]+/[A-Za-z0-9\-.]{1,64}')


def validate(bundle, now=None):
    """Return what is wrong with a transaction Bundle, as list of sentences.

    Each begins with the path of the element and holds no personal data.
    `now`, an aware datetime, adds the check that nothing lies in the future
    (SATUSEHAT, validation dictionary, "Invalid date time value").
    """
    entries = bundle.get('entry') if isinstance(bundle, dict) else None
    if not isinstance(entries, list) or not entries:
        return ["Bundle.entry: a list of entries is expected"]
    problems = _envelope(bundle)
    known = _types(entries)
    for index, entry in enumerate(entries):
        path = f'Bundle.entry[{index}]'
        if not isinstance(entry, dict):
            problems.append(f'{path}: an object is expected')
            continue
        problems += _request(entry, path)
        problems += validate_resource(
            entry.get('resource'), f'{path}.resource', known, now)
    return problems + _repeated(entries)


def validate_resource(resource, path=None, known=None, now=None):
    """Return what is wrong with one resource, as list of sentences.

    `known` maps each `fullUrl` that a `urn:uuid:` reference may point to onto
    the type of that resource.
    """
    name = resource.get('resourceType') if isinstance(resource, dict) else None
    if not isinstance(name, str):
        return [f'{path or "resource"}: a resource is expected']
    path = path or name
    problems = _structure(name, resource, path)
    for place, element, value in _elements(resource, path, name):
        problems += [f'{place}: {problem}' for problem in _look(
            element, value, known or {}, now)]
    return problems


def _types(entries):
    return {
        entry['fullUrl']: str(entry['resource'].get('resourceType'))
        for entry in entries if isinstance(entry, dict)
        and isinstance(entry.get('fullUrl'), str)
        and isinstance(entry.get('resource'), dict)}


def _envelope(bundle):
    problems = []
    if bundle.get('resourceType') != 'Bundle':
        problems.append("Bundle.resourceType: must be Bundle")
    if bundle.get('type') != 'transaction':
        problems.append("Bundle.type: must be transaction")
    return problems


def _request(entry, path):
    resource, request = entry.get('resource'), entry.get('request')
    name = resource.get('resourceType') if isinstance(resource, dict) else None
    problems = []
    if not _is_urn_uuid(entry.get('fullUrl')):
        problems.append(f'{path}.fullUrl: a urn:uuid is expected')
    if request != {'method': 'POST', 'url': name}:
        problems.append(f'{path}.request: a POST to the type is expected')
    return problems


def _is_urn_uuid(url):
    if not isinstance(url, str) or not url.startswith('urn:uuid:'):
        return False
    try:
        return f'urn:uuid:{UUID(url[9:])}' == url
    except ValueError:
        return False


def _structure(name, resource, path):
    # Imported here: the models take half a second and 30 MB to load.
    from fhir.resources.R4B import get_fhir_model_class
    from pydantic import ValidationError
    try:
        model = get_fhir_model_class(name)
    except ValueError:
        return [f'{path}.resourceType: unknown resource type']
    try:
        model.model_validate(resource)
    except ValidationError as error:
        return [
            f'{_place(path, issue["loc"])}: {issue["msg"]}'
            for issue in error.errors(include_input=False, include_url=False)]
    return []


def _place(path, location):
    return path + ''.join(
        f'[{part}]' if isinstance(part, int) else f'.{part}'
        for part in location)


def _elements(value, path, element):
    # Yields (path with indexes, path without, value), every element once.
    yield path, element, value
    if isinstance(value, dict):
        for key, child in value.items():
            yield from _elements(child, f'{path}.{key}', f'{element}.{key}')
    elif isinstance(value, list):
        for index, child in enumerate(value):
            yield from _elements(child, f'{path}[{index}]', element)


def _look(element, value, known, latest):
    if not value and (isinstance(value, dict | list) or value is None):
        return ["must not be empty"]
    if isinstance(value, dict):
        return _look_at_period(value)
    if isinstance(value, list):
        return []
    if isinstance(value, str) and not value.strip():
        return ["must not be empty"]
    parent, _, name = element.rpartition('.')
    checks = [
        _look_at_code(element, value),
        name in _TIMES and _look_at_time(value, latest),
        name == 'reference' and _look_at_reference(parent, value, known),
        name == 'use' and parent.endswith('.identifier')
        and value not in _IDENTIFIER_USES and "not in the required codes",
        ]
    return [problem for problem in checks if problem]


def _look_at_code(element, value):
    if value not in REQUIRED_CODES.get(element, {value}):
        return "not in the required codes"
    if value != REQUIRED_SYSTEMS.get(element, value):
        return "not the required code system"


def _look_at_time(value, latest):
    time = utc(value)
    if time is None:
        return "not a UTC time YYYY-MM-DDThh:mm:ss+00:00"
    if time < EARLIEST:
        return "before 3 June 2014"
    if latest is not None and time > latest:
        return "in the future"


def _look_at_reference(element, value, known):
    if not isinstance(value, str):
        return "a text is expected"
    if value.startswith('urn:') and value not in known:
        return "points to no entry"
    if value not in known and not _TARGET.fullmatch(value):
        return "not Type/id"
    kind = known.get(value) or value.partition('/')[0]
    if kind not in TARGETS.get(element, {kind}):
        return "points to a resource of the wrong type"


def _look_at_period(value):
    # FHIR R4, invariant per-1; the platform's store refuses it too.
    start, end = utc(value.get('start')), utc(value.get('end'))
    return ["ends before it starts"] if start and end and end < start else []


def _repeated(entries):
    entries = [
        (f'Bundle.entry[{index}]', entry)
        for index, entry in enumerate(entries) if isinstance(entry, dict)]
    urls = Counter(repr(entry.get('fullUrl')) for _, entry in entries)
    owners = Counter(
        key for _, entry in entries for key in set(_identities(entry)))
    return [
        f'{path}.fullUrl: used more than once' for path, entry in entries
        if urls[repr(entry.get('fullUrl'))] > 1] + [
        f'{path}.resource.identifier: used more than once'
        for path, entry in entries
        if any(owners[key] > 1 for key in _identities(entry))]


def _identities(entry):
    resource = entry.get('resource')
    identifiers = (
        resource.get('identifier') if isinstance(resource, dict) else None)
    return [
        (repr(item.get('system')), repr(item.get('value')))
        for item in identifiers or [] if isinstance(item, dict)
        ] if isinstance(identifiers, list) else []
