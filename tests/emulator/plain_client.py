# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"A client that believes nothing: plain http.client on a socket."

import http.client
import json
import socket
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from . import samples

TOKEN = '/oauth2/v1/accesstoken?grant_type=client_credentials'
FHIR = '/fhir-r4/v1'
PATIENCE = 30


@dataclass
class Answer:
    status: int
    headers: object
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def texts(self):
        return [issue['details']['text'] for issue in self.json['issue']]


class PlainClient:
    "Calls a served emulator as one client."

    def __init__(self, emulator, client='client-A', secret='secret-A'):
        self.emulator = emulator
        self.client, self.secret = client, secret
        self.address = emulator.url.removeprefix('http://')
        self.token = None

    def call(self, method, path, body=None, content_type='application/json',
            **headers):
        "Send a request; return its Answer. Raises what http.client does."
        connection = http.client.HTTPConnection(
            self.address, timeout=PATIENCE)
        try:
            connection.request(method, path, body, {
                **({'Content-Type': content_type} if body else {}),
                **({'Authorization': f'Bearer {self.token}'}
                    if self.token else {}), **headers})
            response = connection.getresponse()
            return Answer(
                response.status, response.headers, response.read())
        finally:
            connection.close()

    def ask_token(self):
        return self.call(
            'POST', TOKEN, urlencode({
                'client_id': self.client, 'client_secret': self.secret}),
            'application/x-www-form-urlencoded')

    def log_in(self):
        self.token = self.ask_token().json['access_token']
        return self

    def post(self, resource):
        type_ = resource['resourceType']
        return self.call(
            'POST', FHIR if type_ == 'Bundle' else f'{FHIR}/{type_}',
            json.dumps(resource))

    def put(self, resource):
        return self.call(
            'PUT', f'{FHIR}/{resource["resourceType"]}/{resource["id"]}',
            json.dumps(resource))

    def get(self, path):
        return self.call('GET', FHIR + path)

    def find(self, type_, value):
        "Return the answer of a search by identifier."
        return self.get(f'/{type_}?identifier={quote(value)}')

    def open_post(self, resource):
        "Send a POST and return the socket, with nothing read from it."
        host, _, port = self.address.partition(':')
        connection = socket.create_connection((host, int(port)), PATIENCE)
        body = json.dumps(resource).encode()
        connection.sendall(
            f'POST {FHIR}/{resource["resourceType"]} HTTP/1.1\r\n'
            f'Host: {self.address}\r\nContent-Type: application/json\r\n'
            f'Authorization: Bearer {self.token}\r\n'
            f'Content-Length: {len(body)}\r\n\r\n'.encode() + body)
        return connection

    def control(self, method, path='', body=None, **headers):
        "Call the address of the faults; `body` is anything for JSON."
        return self.call(
            method, '/_emulator/faults' + path,
            None if body is None else json.dumps(body), **headers)


def stored(emulator, type_='Location', org=samples.ORG):
    "Return how many resources of a type were stored."
    return emulator.store.counts().get((type_, org), 0)


def last(emulator):
    "Return (fault, status, stored) of the last request."
    entry = emulator.journal.entries()[-1]
    return entry['fault'], entry['status'], entry['stored']


def room(number):
    return samples.location(f'R-{number}')
