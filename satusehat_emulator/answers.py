# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Turning what the emulator knows into HTTP answers."

import json

from flask import Response

from . import versions

JSON = 'application/json'
FHIR = 'application/fhir+json;charset=utf-8'


def answer(body, status=200, content_type=JSON, headers=None):
    "Return a Response with the keys sorted at every level."
    text = json.dumps(body, ensure_ascii=False, sort_keys=True)
    return Response(
        text, status, headers=headers, content_type=content_type)


def empty(status):
    return Response(status=status)


def stored(resource, status):
    "Answer a create or update with the resource and its version."
    return answer(resource, status, FHIR, versions.headers(resource))


def refused(refusal):
    return answer(
        refusal.as_dict(), refusal.status,
        JSON if refusal.processor else FHIR)
