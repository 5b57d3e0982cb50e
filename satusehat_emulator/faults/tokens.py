# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Faults of the gateway: access tokens and the endpoint that issues them."

import json

from ..answers import answer
from ..outcome import Issue, operation_outcome
from ..tokens import EXPIRED, INVALID, NOT_AUTHENTICATED, GatewayFault
from .facts import ENDPOINTS, TOKEN, has_known_client
from .options import Flag, Text, one_of, seconds
from .registry import alters, prepares, replaces, token_only

NO_PRODUCT = (
    'keymanagement.service.InvalidAPICallAsNoApiProductMatchFound',
    'Invalid API call as no apiproduct match found')
LIFETIMES = {
    'zero': '0', 'negative': '-1', 'text': 'soon', 'number': 3599,
    'null': None, 'fraction': '0.5', 'huge': '9' * 30}


def _needs_token(facts):
    return facts.endpoint != TOKEN


def _behind_gateway(**how):
    places = tuple(
        place for place in ENDPOINTS.values() if place != TOKEN)
    return {
        'endpoints': (*places, 'any'), 'gateway': True,
        'suits': _needs_token, **how}


def _refused(code, text):
    fault = GatewayFault(code, text)
    return answer(
        fault.as_dict(), 401, headers={'WWW-Authenticate': fault.challenge})


@replaces(
    "401 though the token is good; the token stays good",
    form=one_of('invalid', 'expired'), **_behind_gateway())
def unauthorized(job, response):
    return _refused(*(EXPIRED if job['form'] == 'expired' else INVALID))


@replaces(
    "401: the client's product does not include the service",
    **_behind_gateway(lasting=True))
def no_product(job, response):
    return _refused(*NO_PRODUCT)


@prepares(
    "the access token of the request ends now, and is refused from now on",
    **_behind_gateway(suits=lambda facts: (
        _needs_token(facts) and facts.client is not None)))
def token_ends(job, response):
    job.emulator.store.end_token(
        job.facts.token, job.emulator.settings.clock())


def _token(response):
    "Return the issued token (a dict), None if it was refused."
    body = response.get_json(silent=True)
    return body if response.status_code == 200 and body else None


@alters(
    "expires_in is missing or odd; the token is good",
    form=one_of('missing', *LIFETIMES), **token_only())
def token_lifetime(job, response):
    token = _token(response)
    if not token:
        return None
    del token['expires_in']
    if job['form'] != 'missing':
        token['expires_in'] = LIFETIMES[job['form']]
    response.set_data(json.dumps(token, sort_keys=True))
    return response


@alters("200 without an access token", **token_only())
def no_token(job, response):
    token = _token(response)
    if not token:
        return None
    del token['access_token']
    response.set_data(json.dumps(token, sort_keys=True))
    return response


@replaces(
    "the right secret is called wrong; the penalty follows if `penalty`",
    status=one_of(401, 400), penalty=Flag(True),
    **token_only(lasting=True))
def bad_credentials(job, response):
    if job['penalty'] and job.facts.client:
        _punish(job, job.emulator.settings.token_penalty_seconds)
    issue = Issue('value', NOT_AUTHENTICATED, severity='invalid')
    return answer(operation_outcome([issue]), job['status'])


@prepares(
    "no token for some seconds, as after a wrong secret",
    seconds=seconds(60, 1, 2, high=86400),
    **token_only(suits=has_known_client))
def token_penalty(job, response):
    _punish(job, job['seconds'])


def _punish(job, length):
    job.emulator.store.punish(
        job.facts.client, job.emulator.settings.clock() + length)


@alters(
    "the token belongs to another organization: that of the client `of`, "
    "or of any other", of=Text(None, example='client-B'),
    **token_only(lasting=True, suits=has_known_client))
def wrong_organization(job, response):
    token, store = _token(response), job.emulator.store
    other = job['of'] or store.other_client(job.facts.client)
    if not token or not store.client(other or ''):
        return None
    store.give_token(token['access_token'], other)
    return response
