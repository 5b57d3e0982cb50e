# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
import json

import hypothesis
import pytest

from satusehat_emulator import seed
from satusehat_emulator.app import create_app
from satusehat_emulator.serving import serve
from satusehat_emulator.settings import Settings
from satusehat_emulator.store import Store

from . import samples
from .plain_client import FHIR, TOKEN, PlainClient

# A busy machine must not fail a property.
hypothesis.settings.register_profile('untimed', deadline=None)
hypothesis.settings.load_profile('untimed')


class Clock:
    "A clock that stands still until it is moved: 20 November 2026, 04:00."

    def __init__(self):
        self.now = 1795147200.0

    def __call__(self):
        return self.now

    def advance(self, seconds):
        self.now += seconds


class Api:
    "Calls the emulator as one client, without a socket."

    def __init__(self, app, client, secret):
        self.http = app.test_client()
        self.client, self.secret = client, secret
        self.headers = {}

    def ask_token(self, secret=None):
        return self.http.post(TOKEN, data={
            'client_id': self.client,
            'client_secret': secret or self.secret})

    def log_in(self):
        token = self.ask_token().get_json()['access_token']
        self.headers = {'Authorization': f'Bearer {token}'}
        return self

    def call(self, method, path, prefix=FHIR, headers=None, **options):
        return self.http.open(
            prefix + path, method=method,
            headers={**self.headers, **(headers or {})}, **options)

    def get(self, path, **query):
        return self.call('GET', path, query_string=query)

    def post(self, resource, **options):
        return self.call(
            'POST', '/' + resource['resourceType'], json=resource, **options)

    def put(self, resource, id_=None):
        return self.call(
            'PUT', f'/{resource["resourceType"]}/{id_ or resource["id"]}',
            json=resource)

    def patch(self, path, operations,
            content_type='application/json-patch+json'):
        return self.call(
            'PATCH', path, data=json.dumps(operations),
            content_type=content_type)

    def send(self, bundle):
        return self.call('POST', '', json=bundle)

    def created(self, resource):
        "Post a resource and return it as stored; it must be accepted."
        response = self.post(resource)
        assert response.status_code == 201, response.get_json()
        return response.get_json()


def texts(response):
    "Return the refusal texts of an OperationOutcome."
    return [
        issue['details']['text'] for issue in response.get_json()['issue']]


def expressions(response):
    return [
        expression for issue in response.get_json()['issue']
        for expression in issue.get('expression', [])]


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def settings(clock):
    return Settings(clock=clock)


@pytest.fixture
def store(clock):
    store = Store()
    seed.load(store, 'demo', clock())
    yield store
    store.close()


@pytest.fixture
def app(store, settings):
    return create_app(store, settings)


@pytest.fixture
def anonymous(app):
    return Api(app, 'client-A', 'secret-A')


@pytest.fixture
def api(app):
    "The client of organization 10000004."
    return Api(app, 'client-A', 'secret-A').log_in()


@pytest.fixture
def other(app):
    "The client of organization 10000005."
    return Api(app, 'client-B', 'secret-B').log_in()


@pytest.fixture
def room(api):
    return api.created(samples.location())['id']


@pytest.fixture
def emulator():
    "An emulator on a socket."
    with serve(clock=Clock()) as emulator:
        yield emulator


@pytest.fixture
def client(emulator):
    "A client of organization 10000004 on a socket."
    return PlainClient(emulator).log_in()
