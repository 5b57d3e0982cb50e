# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"The list of requests received: who asked what, never a body or a value."

import hashlib
import sys
import threading
from collections import deque
from dataclasses import dataclass, fields

from .index import own_identifiers

KEPT = 10_000
KEPT_WRITES = 200_000
OWN_RECORDS = 'http://sys-ids.kemkes.go.id/'


@dataclass(slots=True)
class Entry:
    """One request.

    `time` is in epoch seconds; `parameters` are the names in the query
    string, whose values may be personal data. `status` is None when nothing
    was answered. `fault` names the faults that were applied (joined by +),
    `fault_detail` with their options; `stored` counts the resources that
    were written.
    """
    number: int
    time: float
    method: str
    path: str
    parameters: list[str]
    status: int | None
    client: str | None
    organization: str | None
    request_id: str
    fault: str | None = None
    fault_detail: str | None = None
    stored: int = 0


@dataclass(slots=True)
class Write(Entry):
    """One POST, PUT or PATCH to the FHIR interface.

    `identifiers` are (resource type, system, value) of what was sent, in its
    order; those of persons are left out. `digest` is the SHA-256 of the
    body, in hexadecimal.
    """
    identifiers: tuple = ()
    digest: str = ''


class Journal:
    """Keeps the last requests in memory.

    Writes are kept much longer, so that all of a long run can be compared
    with what the client says it did.
    """

    def __init__(self, kept=KEPT, kept_writes=KEPT_WRITES):
        self._lock = threading.Lock()
        self._entries = deque(maxlen=kept)
        self._writes = deque(maxlen=kept_writes)
        self._number = 0

    @property
    def received(self):
        "Return how many requests were received so far."
        return self._number

    def add(self, **values):
        self._add(Entry, values)

    def add_write(self, sent, body, **values):
        "Add a write: `sent` is the JSON value of its `body` (bytes)."
        self._add(Write, {
            **values, 'identifiers': tuple(_identifiers(sent)),
            'digest': hashlib.sha256(body).hexdigest()})

    def _add(self, kind, values):
        with self._lock:
            self._number += 1
            entry = kind(self._number, **values)
            self._entries.append(entry)
            if kind is Write:
                self._writes.append(entry)

    def entries(self, after=0):
        "Return the entries as dicts, oldest first, from number `after` on."
        return self._newer(self._entries, Entry, after)

    def writes(self, after=0):
        "Return the writes as dicts, oldest first, from number `after` on."
        return self._newer(self._writes, Write, after)

    def _newer(self, entries, kind, after):
        names = [field.name for field in fields(kind)]
        with self._lock:
            newer = [entry for entry in entries if entry.number > after]
        return [
            {name: getattr(entry, name) for name in names}
            for entry in newer]


def _identifiers(sent):
    "Yield (type, system, value) of the resources of a body."
    for resource in _resources(sent):
        type_ = sys.intern(str(resource.get('resourceType')))
        for system, value in own_identifiers(resource):
            if system.startswith(OWN_RECORDS):
                yield type_, sys.intern(system), value


def _resources(sent):
    if not isinstance(sent, dict):
        return []
    entries = sent.get('entry')
    if sent.get('resourceType') != 'Bundle' or not isinstance(entries, list):
        return [sent]
    found = [
        entry.get('resource') for entry in entries if isinstance(entry, dict)]
    return [resource for resource in found if isinstance(resource, dict)]
