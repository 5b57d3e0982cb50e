# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Faults in an answer that is nearly right."

import json
import uuid
from dataclasses import replace

from flask import g

from ..answers import FHIR as FHIR_JSON
from .facts import (
    FHIR, answers_resources, is_search, is_transaction, reads, writes)
from .options import one_of, seconds
from .registry import alters, prepares

AT_FHIR = {'endpoints': (FHIR,)}
DEPTH = 10_000


def _changed(job, response, change):
    """Return the answer with `change(holder)` applied where ids are.

    A holder is a resource, or the `response` of an entry. None when the
    answer is no success or nothing in it was changed.
    """
    body = response.get_json(silent=True)
    if response.status_code >= 300 or not isinstance(body, dict):
        return None
    before = json.dumps(body)
    for holder in _holders(body):
        change(holder)
    text = json.dumps(body, ensure_ascii=False, sort_keys=True)
    if json.dumps(body) == before:
        return None
    response.set_data(text)
    return response


def _holders(body):
    if body.get('resourceType') != 'Bundle':
        yield body
    for entry in body.get('entry') or []:
        yield entry.get('response') or entry['resource']


@alters(
    "a good answer without ids", suits=writes, **AT_FHIR)
def no_id(job, response):
    for name in ('Location', 'ETag'):
        response.headers.pop(name, None)
    return _changed(job, response, lambda holder: [
        holder.pop(name, None)
        for name in ('id', 'resourceID', 'location', 'data')])


@alters(
    "a good answer with ids of something else", suits=answers_resources,
    **AT_FHIR)
def wrong_id(job, response):
    def change(holder):
        old = holder.get('id') or holder.get('resourceID')
        new = str(uuid.UUID(int=job.random.getrandbits(128), version=4))
        for name in ('id', 'resourceID', 'location'):
            if old and name in holder:
                holder[name] = holder[name].replace(old, new)
        if 'data' in holder:
            holder['data'] = dict.fromkeys(holder['data'], new)
        location = response.headers.get('Location')
        if old and location:
            response.headers['Location'] = location.replace(old, new)

    return _changed(job, response, change)


@alters(
    "resources with another identifier than asked for or sent",
    suits=lambda facts: (
        answers_resources(facts) and not is_transaction(facts)), **AT_FHIR)
def other_identifier(job, response):
    def change(resource):
        found = resource.get('identifier') or []
        for identifier in found if isinstance(found, list) else [found]:
            if 'value' in identifier:
                identifier['value'] = f'other-{identifier["value"]}'

    return _changed(job, response, change)


@alters(
    "resources of another patient", suits=reads, **AT_FHIR)
def other_subject(job, response):
    def change(resource):
        if 'subject' in resource:
            resource['subject'] = {'reference': 'Patient/P00000000000'}

    return _changed(job, response, change)


@alters(
    "the answers to a transaction's entries come in another order, or one "
    "is missing", suits=is_transaction,
    form=one_of('reversed', 'fewer'), **AT_FHIR)
def wrong_entries(job, response):
    body = response.get_json(silent=True)
    entries = (body or {}).get('entry')
    if not entries or len(entries) < 2:
        return None
    body['entry'] = (
        entries[::-1] if job['form'] == 'reversed' else entries[:-1])
    response.set_data(json.dumps(body, sort_keys=True))
    return response


def _with(body, text):
    "Return the JSON object `body` (bytes) with more pairs at its end."
    head = body.rstrip()[:-1]
    return head + (b'' if head.strip() == b'{' else b', ') + text + b'}'


ODD = {
    'duplicate_keys': lambda body: _with(
        body, b'"id": "00000000-0000-4000-8000-000000000000", "entry": []'),
    'nan': lambda body: _with(body, b'"total": NaN'),
    'infinity': lambda body: _with(body, b'"total": -Infinity'),
    'bom': lambda body: b'\xef\xbb\xbf' + body,
    'charset': lambda body: _with(body, b'"note": "Caf\xe9"'),
    'utf_16': lambda body: body.decode().encode('utf-16'),
    'deep': lambda body: _with(
        body, b'"note": ' + b'[' * DEPTH + b']' * DEPTH),
    'text_plain': lambda body: body,
    }


@alters(
    "JSON that parsers disagree about: a key twice, NaN, a byte order mark, "
    "bytes that are no UTF-8, 10 000 levels, another media type",
    suits=answers_resources, form=one_of(*ODD), **AT_FHIR)
def odd_json(job, response):
    if not isinstance(response.get_json(silent=True), dict):
        return None
    response.set_data(ODD[job['form']](response.get_data()))
    response.content_type = (
        'text/plain' if job['form'] == 'text_plain' else FHIR_JSON)
    return response


@prepares(
    "a search misses what is younger than some seconds", suits=is_search,
    adds=True, gateway=True, seconds=seconds(300, 1, 3, high=10**9),
    **AT_FHIR)
def index_lag(job, response):
    g.settings = replace(
        job.emulator.settings, index_lag=job['seconds'])
