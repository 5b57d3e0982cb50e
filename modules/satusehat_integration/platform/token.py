# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Fetching an access token (SATUSEHAT, API catalogue, Authentication, Token)."
import math
import re
import time
from dataclasses import dataclass, field, replace
from urllib.parse import urlencode

from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.auth import encode_client_secret_post

from . import answer as outcomes
from . import transport
from .exchange import Exchange
from .settings import OAUTH2

PATH = OAUTH2 + '/accesstoken'
DEFAULT_LIFE = 300
LONGEST_LIFE = 24 * 3600
_AUTH_METHOD = 'satusehat'
_VALUE = re.compile(r'[\x21-\x7e]{1,4096}')


@dataclass(frozen=True)
class Token:
    """An access token.

    ``expires_in`` is its life in seconds, ``fetched`` the time.monotonic()
    of this process just before it was asked for.
    """
    value: str = field(repr=False)
    expires_in: int
    fetched: float = field(repr=False, compare=False)


def lifetime(token):
    "Return the whole seconds after ``fetched`` during which to use a token."
    return token.expires_in * 9 // 10


class _Refused(Exception):
    "The answer holds no token; its meaning is in the exchange."


class _Grant:
    "The token's answer in the form that Authlib reads."

    def __init__(self, grant):
        self.status_code = 200
        self._grant = grant

    def json(self):
        return self._grant


class _Session(transport.SessionRules, OAuth2Session):

    def __init__(self, client_id, client_secret):
        super().__init__(
            client_id, client_secret, token_endpoint_auth_method=_AUTH_METHOD)
        self.register_client_auth_method((_AUTH_METHOD, _authenticate))
        self.obey({'POST'})


def _authenticate(client, method, uri, headers, body):
    "client_secret_post, with nothing else in the body."
    return encode_client_secret_post(client, method, uri, headers, '')


def fetch(base_url, client_id, client_secret, limits=None):
    """Ask for a token; return (Token or None, Answer).

    The answer of every try is returned for the log of exchanges, its body
    left out. Without token its outcome is ``unauthorized`` for a refused
    client id or secret, ``throttled`` for the platform's limit of one try a
    minute, or that of any other fault. Never raises for remote faults and
    tries again, at once and at most twice, only when no connection came
    about. How often it may be called is the caller's duty.
    """
    exchange = Exchange('POST', PATH, limits or transport.Limits.configured())
    url = f'{base_url.rstrip("/")}{PATH}?' + urlencode(
        {'grant_type': 'client_credentials'})
    fetched = time.monotonic()
    granted = None

    def receive(response):
        grant = _grant(exchange.receive(response))
        if grant is None:
            raise _Refused
        return _Grant(grant)

    with exchange, _Session(client_id, client_secret) as session:
        session.register_compliance_hook('access_token_response', receive)
        granted = session.fetch_token(
            url, grant_type='client_credentials', stream=True,
            allow_redirects=False, timeout=exchange.timeout)
    answer = replace(exchange.answer, body=None)
    if granted is None:
        return None, _refusal(answer)
    token = Token(granted['access_token'], granted['expires_in'], fetched)
    return token, answer


def _grant(verdict):
    "Return what RFC 6749, 5.1 expects, or None if no token was given."
    body = verdict.body if verdict.outcome == outcomes.OK else {}
    value = body.get('access_token')
    if not isinstance(value, str) or not _VALUE.fullmatch(value):
        return None
    # The platform calls its type BearerToken and writes numbers as text
    return {
        'access_token': value,
        'token_type': 'Bearer',
        'expires_in': expires_in(body.get('expires_in')),
        }


def expires_in(value):
    """Return the life in whole seconds that an answer's ``expires_in`` means.

    The platform sends a text ("3599"); without a usable positive number it
    is DEFAULT_LIFE, and never more than LONGEST_LIFE.
    """
    try:
        seconds = float(value)
    except (TypeError, ValueError, OverflowError):
        return DEFAULT_LIFE
    if isinstance(value, bool) or math.isnan(seconds) or seconds < 1:
        return DEFAULT_LIFE
    return int(min(seconds, LONGEST_LIFE))


def _refusal(answer):
    if answer.outcome == outcomes.OK:
        return replace(
            answer, outcome=outcomes.UNRECOGNISED, reason='no_token')
    if answer.outcome == outcomes.REFUSED and answer.status == 400:
        return replace(
            answer, outcome=outcomes.UNAUTHORIZED, reason='credential')
    return answer
