# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"The transaction Bundle of a visit and its canonical bytes."

import json
from dataclasses import dataclass

from . import condition, encounter, identifiers, observation
from .errors import MappingError
from .visit import CHIEF_COMPLAINT, Visit

_FIELDS = {
    'clinic.encounter': 'encounter.uid',
    'clinic.diagnosis': 'diagnoses.uid',
    'clinic.vital_signs': 'vital_signs.uid',
    }


@dataclass(frozen=True)
class Entry:
    """Which local record an entry of the Bundle stands for.

    `record` is the record's id where the snapshot knows it, `uid` its uuid,
    `key` the part of the record (`systolic`, `chief_complaint`) or None.
    `system` and `value` are the identifier to search the platform by.
    """

    model: str
    record: int | None
    uid: str
    key: str | None
    resource_type: str
    system: str
    value: str
    full_url: str


@dataclass(frozen=True)
class VisitBundle:
    "A transaction Bundle as dictionary and its entries in request order."

    resource: dict
    entries: tuple[Entry, ...]


def build(snapshot, references):
    """Return the VisitBundle of a finished visit.

    `snapshot` and `references` as in `visit.Visit`.  Order: the Encounter,
    the chief complaint, the diagnoses by rank, the vital signs row by row in
    the order of `observation.VITAL_SIGNS`.  Raises MappingError when
    something is missing or impossible.
    """
    visit = Visit(snapshot, references)
    mapped = list(_mapped(visit))
    entries = tuple(
        _entry(resource, *origin) for resource, origin in mapped)
    _refuse_repeated(entries)
    return VisitBundle({
        'resourceType': 'Bundle',
        'type': 'transaction',
        'entry': [{
            'fullUrl': entry.full_url,
            'resource': resource,
            'request': {'method': 'POST', 'url': entry.resource_type},
            } for entry, (resource, _) in zip(entries, mapped, strict=True)],
        }, entries)


def to_bytes(bundle):
    """Return the canonical bytes of a Bundle dictionary.

    UTF-8 JSON, keys sorted, no white space: the same snapshot gives the same
    bytes.  Raises MappingError for what JSON cannot hold.
    """
    try:
        return json.dumps(
            bundle, ensure_ascii=False, allow_nan=False, sort_keys=True,
            separators=(',', ':')).encode('utf-8')
    except (TypeError, ValueError) as error:
        raise MappingError('bundle', 'not_json') from error


def _mapped(visit):
    # Yields (resource, (model, record id, uid, key)) in the Bundle's order.
    visited = visit.encounter.get('record'), visit.encounter.uid()
    yield encounter.build(visit), ('clinic.encounter', *visited, None)
    complaint = condition.chief_complaint(visit)
    if complaint is not None:
        yield complaint, ('clinic.encounter', *visited, CHIEF_COMPLAINT)
    for diagnosis in visit.diagnoses():
        yield condition.diagnosis(visit, diagnosis), (
            'clinic.diagnosis', diagnosis.get('record'), diagnosis.uid(), None)
    for row in visit.snapshot.records('vital_signs'):
        for sign in observation.measured(row):
            yield observation.build(visit, row, sign), (
                'clinic.vital_signs', row.get('record'), row.uid(), sign.key)


def _entry(resource, model, record, uid, key):
    identifier = resource['identifier'][0]
    system, value = identifier['system'], identifier['value']
    return Entry(
        model, record, uid, key, resource['resourceType'], system, value,
        identifiers.full_url(system, value))


def _refuse_repeated(entries):
    seen = set()
    for entry in entries:
        if entry.full_url in seen:
            raise MappingError(_FIELDS[entry.model], 'repeated')
        seen.add(entry.full_url)
