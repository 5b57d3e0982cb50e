# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"OAuth2: client credentials for an opaque token, as the platform's gateway."

import secrets
from dataclasses import dataclass

from .outcome import Issue, operation_outcome

RATE_LIMIT = (
    'Authentication temporarily cannot be performed due to the rate limit '
    'policy. Rate limit: 1 request per minute after a failed attempt.')
NOT_AUTHENTICATED = (
    'The user or system was not able to be authenticated (either client_id '
    'or client_secret combination is unacceptable)')
INVALID = ('oauth.v2.InvalidAccessToken', 'Invalid access token')
EXPIRED = ('keymanagement.service.access_token_expired',
    'Access Token expired')


@dataclass
class Caller:
    "Who sends a request: the client and the organization it is bound to."
    client: str
    organization: str


class GatewayFault(Exception):
    "The gateway does not let the request through."

    def __init__(self, code, text):
        super().__init__(text)
        self.code, self.text = code, text

    def as_dict(self):
        return {'fault': {
            'faultstring': self.text, 'detail': {'errorcode': self.code}}}

    @property
    def challenge(self):
        "The value of the WWW-Authenticate header."
        return (
            'Bearer realm="null",error="invalid_token",'
            f'error_description="{self.code}: {self.text}"')


def issue(store, settings, grant_type, client_id, secret):
    """Answer a token request: return (status, body).

    After a wrong secret every request of that client is refused for
    `token_penalty_seconds` (SATUSEHAT, authentication: one request per
    minute after a failed attempt).
    """
    now = settings.clock()
    client = store.client(client_id or '')
    if client and now < client[2]:
        return settings.token_penalty_status, _refusal(RATE_LIMIT)
    if grant_type != 'client_credentials':
        return 400, _refusal('grant_type is not client_credentials')
    if not client or not secrets.compare_digest(
            client[0].encode(), (secret or '').encode()):
        store.punish(client_id or '', now + settings.token_penalty_seconds)
        return 401, _refusal(NOT_AUTHENTICATED)
    value = secrets.token_hex(14)
    store.add_token(value, client_id, now + settings.token_lifetime)
    return 200, _token(client_id, value, now, settings.token_lifetime)


def authenticate(store, settings, authorization):
    """Return the Caller for an Authorization header.

    Raises GatewayFault. The answer to a missing header and to an expired
    token is not published: the gateway product's stock texts are used.
    """
    scheme, _, value = (authorization or '').partition(' ')
    token = store.token(value.strip()) if scheme.lower() == 'bearer' else None
    if not token:
        raise GatewayFault(*INVALID)
    client, organization, expires = token
    if settings.clock() >= expires:
        raise GatewayFault(*EXPIRED)
    return Caller(client, organization)


def _refusal(text):
    return operation_outcome([Issue('value', text, severity='invalid')])


def _token(client_id, value, now, lifetime):
    return {
        'refresh_token_expires_in': '0',
        'api_product_list': '[api-sandbox]',
        'api_product_list_json': ['api-sandbox'],
        'organization_name': 'ihs-prod-1',
        'developer.email': 'emulator@klinik.example',
        'token_type': 'BearerToken',
        'issued_at': str(int(now * 1000)),
        'client_id': client_id,
        'access_token': value,
        'application_name': '00000000-0000-4000-8000-000000000000',
        'scope': '',
        'expires_in': str(lifetime),
        'refresh_count': '0',
        'status': 'approved',
        }
