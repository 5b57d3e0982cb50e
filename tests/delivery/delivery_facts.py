# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"What the emulator holds and what it received, as plain data."

import json
from collections import namedtuple
from dataclasses import dataclass, field
from functools import cached_property
from urllib.request import urlopen

from satusehat_emulator.index import own_identifiers

NIK = 'https://fhir.kemkes.go.id/id/nik'
TOKEN = '/oauth2/v1/accesstoken'

Stored = namedtuple('Stored', [
        'type', 'id', 'organization', 'client', 'identifiers', 'nik',
        'versions'], defaults=[None, (), None, 1])
Stored.__doc__ = """A resource of the platform.

organization and client are who wrote it, None for what the platform keeps
itself; identifiers are (system, value), nik that of a person.
"""


class Received(namedtuple('Received', [
            'number', 'time', 'method', 'path', 'client', 'organization',
            'identifiers', 'status', 'stored', 'request_id', 'fault'])):
    """A request that reached the platform.

    time is in epoch seconds, organization that of the token, identifiers
    are the (system, value) in its body, status None when nothing was
    answered, stored the number of resources written by it, fault the names of
    those it met, joined by +.
    """
    __slots__ = ()

    def __str__(self):
        return f'{self.method} {self.path} no. {self.number}'


@dataclass
class Platform:
    "One moment of the platform: all resources, all requests in order"
    resources: list = field(default_factory=list)
    requests: list = field(default_factory=list)

    @cached_property
    def written(self):
        "The resources that somebody sent"
        return [r for r in self.resources if r.organization]

    @cached_property
    def writes(self):
        "The requests that may have written something"
        return [
            r for r in self.requests
            if r.method in {'POST', 'PUT'} and r.path != TOKEN]

    @cached_property
    def by_request_id(self):
        return {r.request_id: r for r in self.requests}

    @cached_property
    def tells_people(self):
        "Whether patients and practitioners are among the resources"
        return any(r.nik for r in self.resources)

    @cached_property
    def _by_id(self):
        return {(r.type, r.id): r for r in self.resources}

    def get(self, type_, id_):
        "Return the Stored resource, None when the platform has none"
        return self._by_id.get((type_, id_))


def of(platform):
    """Return the Platform of an emulator.

    Takes one served in this process, the address of one in another, or a
    Platform, which is returned.
    """
    if isinstance(platform, Platform):
        return platform
    return _platform(**raw(platform))


def raw(platform):
    "Return the facts of an emulator as JSON can hold them"
    if isinstance(platform, str):
        return {
            name: _get(platform, name)[name]
            for name in ('resources', 'requests', 'writes')}
    return {
        'resources': platform.resources() + [
            {'type': row.type, 'id': row.id, 'identifier': [
                    f'{system}|{value}'
                    for system, value in own_identifiers(row.body)]}
            for type_ in ('Patient', 'Practitioner')
            for row in platform.store.find(type_)],
        'requests': platform.journal.entries(),
        'writes': platform.writes()}


def people(seed):
    "Return the Stored patients and practitioners of an emulator's seed"
    return [
        Stored(type_, person['id'], None, nik=person['nik'])
        for type_ in ('Patient', 'Practitioner')
        for person in seed[f'{type_.lower()}s']]


def _get(url, name):
    with urlopen(f'{url}/_emulator/{name}', timeout=60) as answer:
        return json.load(answer)


def _platform(resources, requests, writes):
    received = {row['number']: row for row in [*requests, *writes]}
    return Platform(
        [_stored(**row) for row in resources],
        [_received(**row) for _, row in sorted(received.items())])


def _stored(
        type, id, organization=None, identifier=(), client=None, versions=1,
        **rest):
    identifiers = tuple(tuple(text.split('|', 1)) for text in identifier)
    nik = dict(identifiers).get(NIK)
    return Stored(type, id, organization, client, identifiers, nik, versions)


def _received(identifiers=(), **row):
    return Received(
        identifiers=tuple(
            (system, value) for _, system, value in identifiers),
        **{name: row[name] for name in Received._fields
            if name != 'identifiers'})
