# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Transaction bundles: everything is stored or nothing is."

import re
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property

from . import index, structure, versions, write
from .outcome import (
    Issue, Refusal, duplicate, numbered, refused_by_rules, refused_by_store)
from .walk import reference_holders, references

UUID = re.compile(r'[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}', re.IGNORECASE)
TARGET = re.compile(r'([A-Za-z]+)(?:/([A-Za-z0-9.-]{1,64}))?')


@dataclass
class Entry:
    "An entry of a transaction: `id` is given for PUT, made for POST."
    index: int
    full_url: str
    method: str
    type: str
    id: str
    resource: dict
    if_match: str | None = None

    @cached_property
    def holders(self):
        return reference_holders(self.resource)

    @cached_property
    def keys(self):
        return index.keys(self.resource)

    @property
    def prefix(self):
        return f'Bundle.entry[{self.index}].resource.'


def process(service, bundle, base):
    """Carry out a transaction; return the answering Bundle.

    `base` is the address of the FHIR interface; references in `bundle` are
    replaced by the ids to be. Raises Refusal, with all issues of the step
    that fails, and then nothing has been stored (SATUSEHAT, validation:
    rules 20011 and 20017 to 20021 for the entries).
    """
    if bundle.get('type') not in ['transaction', 'batch']:
        raise refused_by_store(
            'unparseable_resource', 'invalid Bundle type', 'Bundle.type')
    if bundle['type'] == 'batch':
        _refuse_cross_references(bundle)
    entries = _entries(bundle)
    _resolve(entries)
    with service.store.transaction():
        rows = _check(service, entries)
        answers = [
            _write(service, entry, rows.get(entry.index))
            for entry in entries]
    return {
        'resourceType': 'Bundle',
        'type': f'{bundle["type"]}-response',
        'total': len(answers),
        'entry': [
            _answer(entry, stored, base)
            for entry, stored in zip(entries, answers, strict=True)],
        }


def store_partly(service, bundle, wanted):
    """Store the entries that are `wanted` and that may be stored.

    So the platform is said to have kept part of a transaction it refused.
    `wanted` is a function of the entry's index. Raises the Refusal of the
    whole transaction, if it would be refused, after that.
    """
    entries = _entries(bundle)
    _resolve(entries)
    known = {f'{entry.type}/{entry.id}' for entry in entries}
    with service.store.transaction():
        refusal = _refusal(service, entries, known)
        for entry in entries:
            if wanted(entry.index):
                _store_alone(service, entry, known)
    if refusal:
        raise refusal


def _refusal(service, entries, known):
    try:
        _check(service, entries, known)
    except Refusal as refusal:
        return refusal


def _store_alone(service, entry, known):
    with suppress(Refusal):
        rows = _check(service, [entry], known)
        _write(service, entry, rows.get(entry.index))


def _refuse_cross_references(bundle):
    for _, target in references(bundle.get('entry'), 'Bundle.entry'):
        if target.startswith('urn:uuid:'):
            raise refused_by_store(
                'invalid_static_reference',
                'references between entries need a transaction')


# Reading the entries

def _entries(bundle):
    items = bundle.get('entry')
    if not isinstance(items, list) or not items:
        raise refused_by_store(
            'unparseable_resource', 'missing required field "entry"',
            'Bundle')
    issues = list(_full_url_issues(items))
    if issues:
        raise refused_by_rules(issues)
    return [_entry(*numbered_item) for numbered_item in enumerate(items)]


def _full_url_issues(items):
    seen = set()
    for position, item in enumerate(items):
        resource = item.get('resource') if isinstance(item, dict) else None
        if not isinstance(resource, dict):
            continue
        type_ = resource.get('resourceType')
        here = f'Bundle.entry[{position}].fullUrl'
        if type_ == 'Bundle':
            yield Issue(
                'value', numbered('Forbidden nested bundle', 20011),
                f'Bundle.entry[{position}].resource')
            continue
        full_url = item.get('fullUrl')
        defect = _full_url_defect(full_url, item, seen)
        if defect:
            number, reason = defect
            yield Issue('value', numbered(
                reason.format(type=type_, url=full_url), number), here)
        seen.add(str(full_url))


def _full_url_defect(full_url, item, seen):
    element = 'Invalid element {type}.fullUrl due to '
    if not full_url or not isinstance(full_url, str):
        return 20021, 'Invalid resource {type} due to missing fullUrl element'
    if full_url in seen:
        return 20020, element + 'duplicate fullUrl: {url}'
    if _method(item) == 'PUT':
        return None
    if not full_url.startswith('urn:uuid'):
        return 20018, (
            element + "invalid fullUrl format. It must begin with 'urn:uuid'")
    if not full_url.startswith('urn:uuid:'):
        return 20017, (
            element + 'invalid fullUrl format. It must be in the format: '
            "'urn:uuid:{{uuid_value}}'")
    if not UUID.fullmatch(full_url[len('urn:uuid:'):]):
        return 20019, element + 'invalid UUID format'
    return None


def _method(item):
    request = item.get('request')
    return request.get('method') if isinstance(request, dict) else None


def _entry(position, item):
    resource = item.get('resource') if isinstance(item, dict) else None
    here = f'Bundle.entry[{position}]'
    if not isinstance(resource, dict):
        raise refused_by_store(
            'unparseable_resource', 'missing required field "resource"', here)
    method = _method(item)
    url = item['request'].get('url') if method else None
    match = TARGET.fullmatch(str(url or '').strip('/'))
    type_ = resource.get('resourceType')
    if_match = item['request'].get('ifMatch') if method == 'PUT' else None
    if method not in ['POST', 'PUT'] or not match or match[1] != type_ or (
            bool(match[2]) != (method == 'PUT')) or (
            not isinstance(if_match, (str, type(None)))):
        raise refused_by_store(
            'unparseable_resource', 'invalid request of the entry',
            f'{here}.request')
    if type_ not in structure.stored_types() or type_ in {
            'Patient', 'Practitioner'}:
        raise permission_refused(type_)
    return Entry(
        position, item['fullUrl'], method, type_,
        match[2] or write.new_id(), resource, if_match)


def permission_refused(type_):
    """Return the refusal of a resource type the client may not write.

    SATUSEHAT, validation dictionary, rule 20003.
    """
    return refused_by_rules([Issue('forbidden', numbered(
        'Failed to get permission for client for resource type', 20003),
        str(type_))])


def _resolve(entries):
    "Replace the references between entries by the ids to be."
    known = {
        entry.full_url: f'{entry.type}/{entry.id}' for entry in entries}
    for entry in entries:
        for holder in entry.holders:
            target = holder['reference']
            holder['reference'] = known.get(target, target)


# Checking and writing

def _check(service, entries, known=None):
    """Return {entry index: Row} of what PUT entries replace.

    `known` are the 'Type/id' that may be referred to, by default those of
    the entries. Raises Refusal.
    """
    _collect(entries, lambda entry: write.check_processor(
        service, entry.resource), service.settings.cascade)
    rows = {
        entry.index: write.replaced(
            service, entry.type, entry.id, entry.resource)
        for entry in entries if entry.method == 'PUT'}
    seen = {}
    _collect(entries, lambda entry: _duplicates(service, entry, seen))
    if known is None:
        known = {f'{entry.type}/{entry.id}' for entry in entries}
    for entry in entries:
        structure.check(entry.resource, entry.prefix)
    _collect(entries, lambda entry: write.check_references(
        service, entry.resource, known, entry.holders))
    for entry in entries:
        if entry.method == 'PUT':
            write.check_version(rows[entry.index], entry.if_match)
    return rows


def _collect(entries, issues_of, cascade=False):
    "Raise one Refusal with the issues of all entries."
    issues = []
    for entry in entries:
        found = issues_of(entry)
        if not found and issues and cascade:
            found = [Issue('value', numbered(
                f'Forbidden resource {entry.type} due to previous error',
                20012), entry.type)]
        issues.extend(found)
    if issues:
        raise refused_by_rules(issues)


def _duplicates(service, entry, seen):
    found = write.check_duplicate(
        service, {**entry.resource, 'id': entry.id}, entry.keys)
    keys = {(entry.type, key) for key in entry.keys}
    twins = keys & seen.keys()
    seen.update(dict.fromkeys(keys))
    if twins and not found:
        return [duplicate(entry.type)]
    return found


def _write(service, entry, row):
    if row:
        return write.store_again(service, row, entry.resource, entry.keys)
    return write.store_new(service, entry.resource, entry.id, entry.keys)


def _answer(entry, stored, base):
    return {'response': {
        'status': '200 OK' if entry.method == 'PUT' else '201 Created',
        'location': f'{base}/{versions.history_path(stored)}',
        'etag': versions.etag(stored),
        'lastModified': stored['meta']['lastUpdated'],
        'resourceType': entry.type,
        'resourceID': entry.id,
        }}

