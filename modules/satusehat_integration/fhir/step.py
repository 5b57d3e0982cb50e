# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""One write of one resource, and what it is compared with.

`known` means everywhere `{fullUrl of an entry: id on the platform}`.
"""

from dataclasses import dataclass

from .bundle import Entry, to_bytes
from .errors import MappingError

CREATOR = 'http://sys-ids.kemkes.go.id/creator'
"Identifier that the platform adds to what it was sent."
_MADE_THERE = {'id', 'meta'}


@dataclass(frozen=True)
class Step:
    """A POST or PUT that brings the platform nearer to what is recorded.

    `path` is relative to the FHIR interface; `body` are canonical bytes, so
    that a step planned again from the same ids is byte-equal. `entry` names
    the record, `expect` the type of resource a success answers with.
    `previous` are the contents, one of which the platform is believed to hold
    before a PUT. `if_match` is the ETag read before a PUT, None without one.
    """

    method: str
    path: str
    body: bytes
    entry: Entry
    expect: str
    previous: tuple = ()
    if_match: str | None = None


def create(entry, resource):
    "Return the Step that creates a resource."
    return Step(
        'POST', entry.resource_type, to_bytes(resource), entry,
        entry.resource_type)


def replace(entry, resource, previous=()):
    """Return the Step that replaces a resource as a whole.

    `resource` carries its id, without which the platform refuses it
    (SATUSEHAT, API catalogue, Encounter, PUT).
    """
    return Step(
        'PUT', f'{entry.resource_type}/{resource["id"]}', to_bytes(resource),
        entry, entry.resource_type, tuple(previous))


def resources(bundle):
    "Return the resources of a Bundle's entries, in their order."
    return [row['resource'] for row in bundle['entry']]


def resolve(resource, entries, known):
    """Return a resource whose references are the platform's.

    Each `urn:uuid:` becomes `Type/id`.  Raises MappingError for one whose id
    is not known.
    """
    targets = {
        entry.full_url: f'{entry.resource_type}/{known[entry.full_url]}'
        for entry in entries if entry.full_url in known}
    return _resolved(resource, targets)


def _resolved(value, targets):
    if isinstance(value, list):
        return [_resolved(item, targets) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: _target(child, targets) if key == 'reference'
        else _resolved(child, targets) for key, child in value.items()}


def _target(reference, targets):
    if not reference.startswith('urn:'):
        return reference
    if reference not in targets:
        raise MappingError('references', 'no_number')
    return targets[reference]


def holds(shown, wanted):
    """Tell whether the platform shows exactly what is wanted.

    Id, version and the identifier that the platform adds do not count.
    """
    return _content(shown) == _content(wanted)


def is_ours(shown, previous):
    """Tell whether the platform still shows one of the contents we left.

    Displays do not count besides: names are masked for some readers
    (SATUSEHAT, Master Patient Index).
    """
    return _bare(_content(shown)) in [
        _bare(_content(content)) for content in previous]


def _content(resource):
    content = {
        key: value for key, value in resource.items()
        if key not in _MADE_THERE}
    identifiers = content.get('identifier')
    if isinstance(identifiers, list):
        content['identifier'] = [
            item for item in identifiers
            if not isinstance(item, dict) or item.get('system') != CREATOR]
    return content


def _bare(value):
    if isinstance(value, list):
        return [_bare(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: _bare(child) for key, child in value.items() if key != 'display'}
