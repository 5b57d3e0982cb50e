# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Reading request bodies."

import json

from flask import g

from .outcome import (
    Issue, Refusal, numbered, refused_by_rules, refused_by_store)
from .patch import MEDIA_TYPE

JSON_TYPES = {'application/json', 'application/fhir+json'}


def _no_constant(name):
    raise ValueError(f'not JSON: {name}')


def parse(data):
    """Return the JSON value of the bytes `data`.

    Raises Refusal (SATUSEHAT, validation dictionary, rules 20005, 20006).
    """
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise _unreadable('Failed to read request payload', 20005) from error
    try:
        return json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise _unreadable('Invalid JSON Payload Format', 20006) from error


def sent(request):
    "Return the JSON value a request carries, None if it carries none."
    if 'sent' not in g:
        try:
            g.sent = parse(request.get_data())
        except Refusal:
            g.sent = None
    return g.sent


def _unreadable(text, number):
    return refused_by_rules([Issue('structure', numbered(text, number))])


def resource(request, type_):
    """Return the resource in a POST or PUT; raises Refusal.

    `type_` is the one in the address ('Bundle' for the base).
    """
    if request.mimetype not in JSON_TYPES:
        raise invalid_headers(request)
    g.sent = body = parse(request.get_data())
    if not isinstance(body, dict) or (
            not isinstance(body.get('resourceType'), str)):
        raise _unreadable('Failed to unmarshal request payload', 20008)
    if body['resourceType'] != type_:
        raise refused_by_store(
            'resource_mismatch',
            f'resource type mismatch, type of specified resource: {type_}')
    return body


def operations(request):
    "Return the JSON Patch in a PATCH; raises Refusal."
    if request.mimetype != MEDIA_TYPE:
        raise invalid_headers(request)
    return parse(request.get_data())


def invalid_headers(request):
    return refused_by_store(
        'invalid_headers', f'invalid Content-Type: {request.mimetype}')
