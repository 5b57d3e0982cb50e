# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Reading of the platform's answers.

Tolerant of anything that is no answer.  Only what decides whose id is adopted
is strict.
"""

from .errors import AnswerMismatch


def entry_ids(response, entries):
    """Return the ids of a transaction's answer, parallel to `entries`.

    Paired by request order and resource type.  The id is `resourceID` of the
    answer's entry, else that of `location`, absolute or relative, where the
    last segment is the version and not the id.  Raises AnswerMismatch when
    counts, types or statuses do not match or an id is absent: then nothing
    may be adopted.  `entries` need the attribute `resource_type`.
    """
    rows = _list(_dict(response).get('entry'))
    if len(rows) != len(entries):
        raise AnswerMismatch(f"{len(rows)} answers to {len(entries)} entries")
    ids = [
        _entry_id(row, entry.resource_type, index)
        for index, (row, entry) in enumerate(zip(rows, entries, strict=True))]
    if len(set(zip((e.resource_type for e in entries), ids, strict=True))) != (
            len(ids)):
        raise AnswerMismatch("one id answers several entries")
    return ids


def search_resources(bundle, resource_type, system, value, subject=None):
    """Return the resources of a searchset that carry the identifier.

    The platform may drop a search parameter it does not know and answer with
    unrelated rows, and mixes rows hidden for privacy with the others; so
    nothing is taken on trust.  `subject`, with or without `Patient/`,
    restricts to one patient.  Rows without id are left out.
    """
    found = {}
    for row in _list(_dict(bundle).get('entry')):
        resource = _dict(_dict(row).get('resource'))
        if (resource.get('resourceType') == resource_type
                and _text(resource.get('id'))
                and _carries(resource, system, value)
                and (subject is None or _concerns(resource, subject))):
            found.setdefault(resource['id'], resource)
    return list(found.values())


def search_ids(bundle, resource_type, system, value, subject=None):
    "Return the ids of `search_resources`."
    return [
        resource['id'] for resource in search_resources(
            bundle, resource_type, system, value, subject)]


def _dict(value):
    return value if isinstance(value, dict) else {}


def _list(value):
    return value if isinstance(value, list) else []


def _text(value):
    return value.strip() if isinstance(value, str) else ''


def _entry_id(row, resource_type, index):
    response = _dict(_dict(row).get('response'))
    status = response.get('status')
    if status is not None and not str(status).strip().startswith('2'):
        raise AnswerMismatch(f"entry {index} was refused")
    located_type, located_id = _located(
        _text(response.get('location')), resource_type)
    answered_type = _text(response.get('resourceType')) or located_type
    if answered_type != resource_type:
        raise AnswerMismatch(f"entry {index} is not of type {resource_type}")
    answered_id = _text(response.get('resourceID')) or located_id
    if not answered_id:
        raise AnswerMismatch(f"entry {index} has no id")
    return answered_id


def _located(location, resource_type):
    segments = [part for part in location.split('/') if part]
    if len(segments) >= 4 and segments[-2] == '_history':
        return segments[-4], segments[-3]
    if len(segments) >= 2 and segments[-2] == resource_type:
        return resource_type, segments[-1]
    return '', ''


def _carries(resource, system, value):
    identifiers = resource.get('identifier')
    items = identifiers if isinstance(identifiers, list) else [identifiers]
    return any(
        _dict(item).get('system') == system
        and _dict(item).get('value') == value for item in items)


def _concerns(resource, subject):
    reference = _dict(
        resource.get('subject') or resource.get('patient')).get('reference')
    return _text(reference).split('/')[-2:] == [
        'Patient', subject.rpartition('/')[2]]
