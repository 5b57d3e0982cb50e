# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"What a fault can know of a request before it is carried out."

import json
from dataclasses import dataclass
from functools import cached_property

from ..index import own_identifiers

FHIR, TOKEN = 'fhir', 'token'
ENDPOINTS = {
    'fhir-r4': FHIR, 'oauth2': TOKEN, 'consent': 'consent', 'kyc': 'kyc',
    'masterdata': 'masterdata'}
ALL = (TOKEN, 'consent', 'kyc', 'masterdata', 'any')
WRITES = {'transaction', 'create', 'replace', 'patch'}
ACTIONS = {
    'GET': ('search', 'read'), 'POST': ('create', None),
    'PUT': (None, 'replace'), 'PATCH': (None, 'patch')}


@dataclass
class Facts:
    "A request: `request` is Flask's, `store` knows whose token it has."
    request: object
    store: object

    @property
    def method(self):
        return self.request.method

    @property
    def path(self):
        return self.request.path

    @cached_property
    def _parts(self):
        return [part for part in self.path.split('/') if part]

    @property
    def endpoint(self):
        "Return the service the address belongs to, None if unknown."
        return ENDPOINTS.get(self._parts[0]) if self._parts else None

    @property
    def resource(self):
        "Return the resource type of the address, 'Bundle' for the base."
        if self.endpoint != FHIR:
            return None
        return self._parts[2] if len(self._parts) > 2 else 'Bundle'

    @property
    def action(self):
        """Return what a FHIR request wants, None elsewhere.

        One of transaction, create, replace, patch, search, read.
        """
        if self.endpoint != FHIR:
            return None
        if self.resource == 'Bundle':
            return 'transaction' if self.method == 'POST' else None
        to_type, to_one = ACTIONS.get(self.method, (None, None))
        return to_type if len(self._parts) == 3 else to_one

    @property
    def writes(self):
        return self.action in WRITES

    @cached_property
    def entries(self):
        "Return the well-formed entries of a transaction, [] elsewhere."
        items = self._body.get('entry')
        if self.action != 'transaction' or not isinstance(items, list):
            return []
        return [item for item in items if isinstance(item, dict)]

    @cached_property
    def _body(self):
        try:
            body = json.loads(self.request.get_data())
        except (ValueError, RecursionError):
            body = None
        return body if isinstance(body, dict) else {}

    @cached_property
    def identifiers(self):
        """Return the identifiers that are sent or asked for, as texts.

        Each both as 'system|value' and as the value alone.
        """
        sent = [self._body, *(item.get('resource') for item in self.entries)]
        return set().union(*map(identifier_texts, sent), *(
            {text, text.rpartition('|')[2]}
            for text in self.request.args.getlist('identifier')))

    @cached_property
    def token(self):
        header = self.request.headers.get('Authorization', '')
        return header.partition(' ')[2].strip()

    @cached_property
    def _caller(self):
        if self.endpoint == TOKEN:
            client = self.request.form.get('client_id', '')
            found = self.store.client(client)
            return (client, found[1]) if found else (None, None)
        found = self.store.token(self.token) if self.token else None
        return found[:2] if found else (None, None)

    @property
    def client(self):
        return self._caller[0]

    @property
    def organization(self):
        return self._caller[1]


def identifier_texts(resource):
    "Return the identifiers of a resource, 'system|value' and 'value'."
    if not isinstance(resource, dict):
        return set()
    return {
        text for system, value in own_identifiers(resource)
        for text in (value, f'{system}|{value}')}


def writes(facts):
    return facts.writes


def is_transaction(facts):
    return facts.action == 'transaction'


def is_search(facts):
    return facts.action == 'search'


def answers_resources(facts):
    return facts.action is not None


def changes(facts):
    "Say whether something that is stored would be changed."
    return facts.action in {'replace', 'patch'} or any(
        isinstance(item.get('request'), dict)
        and item['request'].get('method') == 'PUT' for item in facts.entries)


def reads(facts):
    return facts.action in {'search', 'read'}


def has_known_client(facts):
    return facts.client is not None
