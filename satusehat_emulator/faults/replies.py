# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Faults that answer something else: proxies, errors, what is no FHIR."

from wsgiref.handlers import format_date_time

from flask import Response

from ..answers import FHIR as FHIR_JSON
from ..answers import JSON, answer
from ..outcome import Issue, operation_outcome
from ..tokens import RATE_LIMIT
from .facts import FHIR, TOKEN, answers_resources
from .options import Address, Number, one_of, seconds, stored
from .registry import replaces

MAINTENANCE = (
    '<!doctype html><html><head><title>Pemeliharaan</title></head>'
    '<body><h1>Sedang dalam pemeliharaan</h1></body></html>')
EDGE = '<!doctype html><meta charset="utf-8"><title>403</title>403 Forbidden'
ERRORS = {
    500: 'Internal Server Error', 502: 'Bad Gateway',
    503: 'no healthy upstream', 504: 'Gateway Timeout'}
BEGINNING = b'{"entry": [{"response": {"status": "201 Created", "resourceID"'


def _html(text, status):
    return Response(text, status, content_type='text/html; charset=utf-8')


def _as_success(job, response, body):
    "Return `body` with the status the request had or would have had."
    status = response.status_code if response else (
        201 if job.facts.action == 'create' else 200)
    return Response(body, status, content_type=FHIR_JSON)


@replaces(
    "a page in HTML, such as of a maintenance or of a hotspot's log-in",
    gateway=True, stored=stored(), status=one_of(200, 404, 502, 503))
def html(job, response):
    return _html(MAINTENANCE, job['status'])


@replaces(
    "403 in HTML: the edge refuses the caller", gateway=True, lasting=True)
def edge_block(job, response):
    return _html(EDGE, 403)


@replaces(
    "5xx in text or JSON, with Retry-After if `retry_after`",
    gateway=True, stored=stored(), status=one_of(*ERRORS),
    form=one_of('text', 'json'),
    retry_after=Number(0, high=10**9, whole=True))
def server_error(job, response):
    status, headers = job['status'], {}
    if job['retry_after']:
        headers['Retry-After'] = str(job['retry_after'])
    if job['form'] == 'json':
        issue = Issue('exception', ERRORS[status])
        return answer(
            operation_outcome([issue]), status, FHIR_JSON, headers)
    return Response(
        ERRORS[status], status, headers, content_type='text/plain')


def _retry_after(job):
    later = int(job['seconds'])
    now = job.emulator.settings.clock()
    return {
        'seconds': str(later), 'date': format_date_time(now + later),
        'past': format_date_time(now - later), 'absurd': '99999999999',
        'negative': str(-later), 'garbage': 'soon', 'none': None,
        }[job['form']]


@replaces(
    "429; `form` says how Retry-After is written and `seconds` how much",
    gateway=True, seconds=seconds(120, 1, 2, high=10**9),
    form=one_of(
        'seconds', 'date', 'past', 'absurd', 'negative', 'garbage', 'none',
        drawn=('seconds', 'date', 'past', 'negative', 'garbage', 'none')))
def rate_limit(job, response):
    value = _retry_after(job)
    if job.facts.endpoint == TOKEN:
        body = operation_outcome(
            [Issue('value', RATE_LIMIT, severity='invalid')])
    else:
        body = {'fault': {
            'faultstring': 'Rate limit quota violation. Quota limit exceeded',
            'detail': {'errorcode': 'policies.ratelimit.QuotaViolation'}}}
    return answer(body, 429, JSON, {'Retry-After': value} if value else None)


@replaces(
    "a redirect to the same address for ever, or to another port or address "
    "of this machine", gateway=True, lasting=True, stored=stored(),
    status=one_of(307, 301, 302, 303, 308), to=Address('loop'))
def redirect(job, response):
    target = job.request.url if job['to'] == 'loop' else (
        job['to'].rstrip('/') + job.request.full_path.rstrip('?'))
    return Response(status=job['status'], headers={'Location': target})


@replaces("no body at all", gateway=True, stored=stored(True))
def empty(job, response):
    return _as_success(job, response, b'')


@replaces("JSON that ends in the middle", gateway=True, stored=stored(True))
def cut_json(job, response):
    body = response.get_data() if response else BEGINNING
    return _as_success(job, response, body[:len(body) // 2])


@replaces("what is nearly JSON", gateway=True, stored=stored(True))
def malformed_json(job, response):
    return _as_success(
        job, response, b'{"resourceType": "Bundle", "entry": [}]}')


@replaces(
    "a good status with JSON of another kind: a resource of another type, "
    "a list, a text, a number, null or an empty object",
    gateway=True, stored=stored(True), suits=answers_resources,
    endpoints=(FHIR,),
    form=one_of(
        'resource', 'array', 'text', 'number', 'null', 'object'))
def other_type(job, response):
    body = {
        'resource': {'resourceType': 'Basic', 'id': 'none'}, 'array': [],
        'text': 'OK', 'number': 200, 'null': None, 'object': {},
        }[job['form']]
    return answer(
        body, 201 if job.facts.action == 'create' else 200, FHIR_JSON)


@replaces(
    "status 200 with an OperationOutcome that says error",
    suits=answers_resources, endpoints=(FHIR,), stored=stored())
def outcome_200(job, response):
    issue = Issue('exception', 'internal_server_error')
    return answer(operation_outcome([issue]), 200, FHIR_JSON)
