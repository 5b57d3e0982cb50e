# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Which search terms and which uniqueness keys a resource has."

import hashlib
import json
from functools import cache

from .kinds import CREATOR
from .resources import load
from .walk import concepts, head, values

SERVER_SYSTEMS = {
    CREATOR,
    'http://sys-ids.kemkes.go.id/referral-number',
    'http://sys-ids.kemkes.go.id/prescription/national',
    }
# Any one identifier in common makes a duplicate.
BY_ANY_IDENTIFIER = {'Encounter', 'Location'}
# Identifiers repeat in the platform's own samples; the content is compared.
BY_CONTENT = {'Observation'}
NEVER_DUPLICATE = {
    'Organization', 'Patient', 'Practitioner', 'RelatedPerson',
    'EpisodeOfCare', 'Task'}


def parameters(resource_type):
    "Return {search parameter: (kind, path)}."
    return load('search.json').get(resource_type, {})


def terms(resource):
    "Return the set of (param, system, value) a resource is found by."
    found = set()
    for param, kind, start, path in _indexed(resource['resourceType']):
        if start in resource:
            for value in values(resource, path):
                for system, text in EXTRACT[kind](value):
                    found.add((param, system, text))
    return found


@cache
def _indexed(resource_type):
    "Return (parameter, kind, first element, path) of what is indexed."
    return [
        (param, kind, head(path), path)
        for param, (kind, path) in parameters(resource_type).items()
        if kind in EXTRACT]


def _tokens(value):
    if isinstance(value, (str, bool)):
        yield None, str(value).lower() if isinstance(value, bool) else value
    for concept in concepts(value):
        text = concept.get('code', concept.get('value'))
        system = concept.get('system')
        if isinstance(text, str) and isinstance(system, (str, type(None))):
            yield system, text


def _references(value):
    target = value.get('reference') if isinstance(value, dict) else None
    if isinstance(target, str):
        type_, _, id_ = target.rpartition('/')
        yield type_.rpartition('/')[2] or None, id_


EXTRACT = {'token': _tokens, 'reference': _references}


def own_identifiers(resource):
    "Return the sorted (system, value) the client gave a resource."
    identifiers = values(resource, 'identifier')
    found = {
        (str(i.get('system')), str(i.get('value')))
        for i in identifiers if isinstance(i, dict)}
    return sorted(
        pair for pair in found if pair[0] not in SERVER_SYSTEMS)


def keys(resource):
    """Return the keys by which a resource is a duplicate of another.

    For Location and Encounter one shared identifier is enough, Observation
    is compared by content, the others by all their identifiers or, without
    any, by content. Only the first is published (rule 20002).
    """
    type_ = resource['resourceType']
    if type_ in NEVER_DUPLICATE:
        return []
    identifiers = own_identifiers(resource)
    if type_ in BY_ANY_IDENTIFIER:
        return [f'{system}|{value}' for system, value in identifiers]
    if identifiers and type_ not in BY_CONTENT:
        return [json.dumps(identifiers)]
    return [content_key(resource)]


def content_key(resource):
    "Return a digest of everything the client sent."
    body = {
        name: value for name, value in resource.items()
        if name not in {'id', 'meta', 'identifier'}}
    body['identifier'] = own_identifiers(resource)
    text = json.dumps(body, sort_keys=True)
    return 'sha256:' + hashlib.sha256(text.encode()).hexdigest()
