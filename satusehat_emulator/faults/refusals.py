# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Faults that refuse a request, wholly or in part."

from dataclasses import replace

from flask import g

from .. import bundle, index, payload, versions, write
from ..answers import FHIR as FHIR_JSON
from ..answers import JSON, answer, empty, refused
from ..outcome import (
    Issue, Refusal, consent_refused, duplicate, not_found, numbered,
    refused_by_rules, version_conflict)
from .facts import (
    FHIR, answers_resources, changes, identifier_texts, is_transaction,
    writes)
from .options import Flag, Number, Text, one_of, stored
from .registry import prepares, replaces

AT_FHIR = {'endpoints': (FHIR,)}
TEXTS = {
    20003: 'Failed to get permission for client for resource type',
    20004: 'Failed to get access class for client for resource type',
    20005: 'Failed to read request payload',
    20006: 'Invalid JSON Payload Format',
    20007: 'Resource not found Patient/unknown',
    20012: 'Forbidden resource due to previous error',
    }
CODES = {20002: 'duplicate', 20003: 'forbidden', 20004: 'forbidden'}
INVALID = 'Invalid value'


def _numbered(number, type_, text=None, expression=None):
    if number == 20002:
        return duplicate(type_)
    return Issue(
        CODES.get(number, 'value'),
        numbered(text or TEXTS.get(number, INVALID), number),
        expression or type_)


def _resources(job):
    "Return the resources of a transaction's entries."
    payload.resource(job.request, 'Bundle')
    found = [item.get('resource') for item in job.facts.entries]
    return [item if isinstance(item, dict) else {} for item in found]


def _entries(job):
    "Return the resource types of a transaction's entries."
    return [str(item.get('resourceType')) for item in _resources(job)]


def _chosen(job, number):
    """Return the index of the entry a fault is about.

    That is the one with the identifier the fault is for, else the one of
    that `number` (from 1), or the last.
    """
    wanted, resources = job.fault.where['identifier'], _resources(job)
    for position, resource in enumerate(resources):
        if wanted is not None and wanted in identifier_texts(resource):
            return position
    return min(number, len(resources)) - 1


def _type(job):
    if job.facts.action == 'transaction':
        types = _entries(job)
        return types[_chosen(job, 1)] if types else 'Bundle'
    return job.facts.resource


@replaces(
    "400 with an issue of any rule number, whatever was sent; 20002 claims "
    "a duplicate", suits=answers_resources, lasting=True,
    number=Number(10003, low=1, high=99999, whole=True),
    text=Text(None), expression=Text(None), **AT_FHIR)
def rule(job, response):
    issue = _numbered(
        job['number'], _type(job), job['text'], job['expression'])
    return refused(refused_by_rules([issue]))


@replaces(
    "the client may not use the resource type: 400 or 403 with 20003 or "
    "20004", suits=answers_resources, lasting=True,
    status=one_of(400, 403), number=one_of(20003, 20004), **AT_FHIR)
def no_permission(job, response):
    issue = _numbered(job['number'], _type(job))
    return refused(Refusal(job['status'], [issue], processor=True))


@replaces(
    "403 for reasons of consent or privacy", suits=answers_resources,
    lasting=True, **AT_FHIR)
def forbidden(job, response):
    return refused(consent_refused())


@replaces(
    "404 with an OperationOutcome, or without a body if `bare`",
    lasting=True, suits=answers_resources, bare=Flag(False), **AT_FHIR)
def missing(job, response):
    if job['bare']:
        return empty(404)
    id_ = job.facts.path.rstrip('/').rpartition('/')[2]
    return refused(not_found(job.facts.resource, id_))


@replaces(
    "409 or 412: the resource has another version", suits=changes,
    stored=stored(), status=one_of(409, 412), **AT_FHIR)
def conflict(job, response):
    return refused(version_conflict(job['status']))


@prepares(
    "somebody else changes the resource just before: it gets another "
    "version, so that If-Match fails", suits=changes, **AT_FHIR)
def other_version(job, response):
    store = job.emulator.store
    for target in _targets(job.facts):
        row = store.get(*target)
        if row:
            body = {**row.body, 'meta': versions.meta(
                job.emulator.settings.clock(), row.body['meta'])}
            store.save(
                replace(row, body=body), index.terms(body), index.keys(body))
    # The journal counts what the request itself writes.
    g.written = store.written()


def _targets(facts):
    "Return the (type, id) a request changes."
    if facts.action != 'transaction':
        return [facts.path.strip('/').split('/')[2:4]]
    urls = [
        str(item['request'].get('url')).strip('/').split('/')
        for item in facts.entries if isinstance(item.get('request'), dict)]
    return [url for url in urls if len(url) == 2]


@replaces(
    "413; only for transactions of more than `entries` entries and bodies "
    "of more than `kilobytes`", suits=writes, lasting=True,
    entries=Number(0, high=10**6, whole=True),
    kilobytes=Number(0, high=10**6), **AT_FHIR)
def too_large(job, response):
    if len(job.request.get_data()) <= job['kilobytes'] * 1024:
        return None
    if job['entries'] and (
            job.facts.action != 'transaction'
            or len(_entries(job)) <= job['entries']):
        return None
    return answer({'fault': {
        'faultstring': 'Body buffer overflow',
        'detail': {'errorcode': 'protocol.http.TooBigBody'}}}, 413, JSON)


@replaces(
    "a transaction is refused for one `entry` (from 1); the following or "
    "all others are refused with it by rule 20012", suits=is_transaction,
    lasting=True, entry=Number(1, low=1, high=1000, whole=True),
    number=Number(10003, low=1, high=99999, whole=True),
    cascade=one_of('following', 'all', 'none'), **AT_FHIR)
def refused_entry(job, response):
    types = _entries(job)
    if not types:
        return None
    guilty = _chosen(job, job['entry'])
    start = {'following': guilty, 'all': 0, 'none': len(types)}
    return refused(refused_by_rules([
        _numbered(job['number'], type_, expression=f'{type_}.code')
        if position == guilty else _cascaded(type_)
        for position, type_ in enumerate(types)
        if position == guilty or position >= start[job['cascade']]]))


def _cascaded(type_):
    text = f'Forbidden resource {type_} due to previous error'
    return Issue('value', numbered(text, 20012), type_)


@replaces(
    "an error is answered to a transaction, but its first `entries` entries "
    "are stored, or all but the entry `without` (from 1); one that is "
    "refused anyway gets its own refusal",
    suits=is_transaction,
    entries=Number(1, (1, 2, 3), low=1, high=1000, whole=True),
    without=Number(0, low=0, high=1000, whole=True),
    status=one_of(500, 400, 502, 503, 504, drawn=(500, 502, 504)), **AT_FHIR)
def partial_bundle(job, response):
    body = payload.resource(job.request, 'Bundle')
    store = job.emulator.store
    service, before = write.Service(
        store, job.emulator.settings, g.caller), store.written()
    try:
        bundle.store_partly(service, body, _kept(job))
    except Refusal as refusal:
        if store.written() == before:
            raise
        return refused(refusal)
    issue = (
        _numbered(10003, _type(job)) if job['status'] == 400
        else Issue('exception', 'internal_server_error'))
    return answer(
        Refusal(job['status'], [issue]).as_dict(), job['status'], FHIR_JSON)


def _kept(job):
    "Return a function that says whether the entry of an index is stored."
    if not job['without'] and job.fault.where['identifier'] is None:
        return lambda position: position < job['entries']
    left_out = _chosen(job, job['without'])
    return lambda position: position != left_out
