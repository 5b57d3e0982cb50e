# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Faults that refuse a request, wholly or in part."

from flask import g

from .. import bundle, payload, write
from ..answers import FHIR as FHIR_JSON
from ..answers import JSON, answer, empty, refused
from ..outcome import (
    Issue, Refusal, consent_refused, duplicate, not_found, numbered,
    refused_by_rules)
from .facts import (
    FHIR, answers_resources, changes_one, is_transaction, writes)
from .options import Flag, Number, Text, one_of, stored
from .registry import replaces

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


def _entries(job):
    "Return the resource types of a transaction's entries."
    body = payload.resource(job.request, 'Bundle')
    items = body.get('entry')
    return [
        str(_resource(item).get('resourceType'))
        for item in (items if isinstance(items, list) else [])]


def _resource(item):
    found = item.get('resource') if isinstance(item, dict) else None
    return found if isinstance(found, dict) else {}


def _type(job):
    if job.facts.action == 'transaction':
        return next(iter(_entries(job)), 'Bundle')
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
    "409 or 412: the resource has another version", suits=changes_one,
    stored=stored(), status=one_of(409, 412), **AT_FHIR)
def conflict(job, response):
    return refused(Refusal(job['status'], [Issue(
        'conflict', 'version_conflict')]))


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
    guilty = min(job['entry'], len(types)) - 1
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
    "are stored; one that is refused anyway gets its own refusal",
    suits=is_transaction,
    entries=Number(1, (1, 2, 3), low=1, high=1000, whole=True),
    status=one_of(500, 400, 502, 503, 504, drawn=(500, 502, 504)), **AT_FHIR)
def partial_bundle(job, response):
    body = payload.resource(job.request, 'Bundle')
    store = job.emulator.store
    service, before = write.Service(
        store, job.emulator.settings, g.caller), store.written()
    try:
        bundle.store_partly(service, body, job['entries'])
    except Refusal as refusal:
        if store.written() == before:
            raise
        return refused(refusal)
    issue = (
        _numbered(10003, _type(job)) if job['status'] == 400
        else Issue('exception', 'internal_server_error'))
    return answer(
        Refusal(job['status'], [issue]).as_dict(), job['status'], FHIR_JSON)
