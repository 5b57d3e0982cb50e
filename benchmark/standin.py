# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The least that can stand in for the platform: answers, and forgets.

Gives each entry of a Bundle a number and says so after the latency. It
checks and keeps nothing, so that what is measured is the sender and not the
other side: python -m benchmark.standin [--latency MS]. Clients can be named
that it treats badly. Prints its address; GET /log returns what it answered
as JSON, a list of [moment of arrival, moment of answer (seconds of the
monotonic clock), kind, client id, status, identifier of the visit].
"""

import argparse
import asyncio
import json
import sys
import time
import uuid
from urllib.parse import parse_qs, urlsplit

TOKEN = '/oauth2/v1/accesstoken'  # noqa: S105
FHIR = '/fhir-r4/v1'
PHRASES = {200: 'OK', 201: 'Created', 400: 'Bad Request', 401: 'Unauthorized',
    404: 'Not Found'}


class Platform:
    "What the stand-in answers, and to whom not"

    def __init__(self, latency=0, wrong=(), refused=(), slow=(), silence=0):
        self.latency = latency
        self.wrong, self.refused, self.slow = set(wrong), set(refused), set(slow)
        self.silence = silence
        self.log = []

    def answer(self, method, target, headers, body):
        "Return (status, JSON value, seconds to wait)"
        path = urlsplit(target).path
        if path == '/log':
            return 200, self.log, 0
        arrival = time.monotonic()
        if path == TOKEN:
            kind, visit = 'token', None
            client = parse_qs(body.decode()).get('client_id', [''])[0]
            status, value = self._token(client)
        else:
            kind = method if path != FHIR else 'bundle'
            client = headers.get('authorization', '')[len('Bearer t-'):]
            status, value, visit = self._resource(method, path, client, body)
        wait = self.silence if client in self.slow else self.latency
        self.log.append([
                arrival, arrival + wait, kind, client, status, visit])
        return status, value, wait

    def _token(self, client):
        if client in self.wrong:
            return 401, _outcome('value', "client_secret is unacceptable")
        return 200, {
            'access_token': f't-{client}', 'token_type': 'BearerToken',
            'expires_in': '14399', 'status': 'approved'}

    def _resource(self, method, path, client, body):
        if method == 'GET':
            return 200, {
                'resourceType': 'Bundle', 'type': 'searchset', 'total': 0,
                'entry': []}, None
        resource = json.loads(body)
        if path != FHIR:
            return 201, {**resource, 'id': uuid.uuid4().hex}, None
        entries = [entry['resource'] for entry in resource['entry']]
        visit = entries[0]['identifier'][0]['value']
        if client in self.refused:
            return 400, _outcome(
                'value', "Encounter.period is not acceptable"), visit
        return 200, {
            'resourceType': 'Bundle', 'type': 'transaction-response',
            'entry': [_stored(entry['resourceType']) for entry in entries],
            }, visit


def _stored(resource_type):
    number = uuid.uuid4()
    return {'response': {
            'status': '201 Created',
            'location': f'{FHIR}/{resource_type}/{number}/_history/1',
            'etag': 'W/"1"', 'lastModified': '2026-01-01T00:00:00+00:00',
            'resourceType': resource_type, 'resourceID': str(number)}}


def _outcome(code, text):
    return {'resourceType': 'OperationOutcome', 'issue': [{
                'severity': 'error', 'code': code,
                'details': {'text': text}}]}


class Connection(asyncio.Protocol):
    "One keep-alive connection, a request after the other"

    def __init__(self, platform):
        self._platform, self._received = platform, bytearray()

    def connection_made(self, transport):
        self._transport = transport

    def data_received(self, data):
        self._received += data
        while request := self._take():
            status, value, wait = self._platform.answer(*request)
            answer = _encode(status, value)
            if wait:
                asyncio.get_running_loop().call_later(
                    wait, self._transport.write, answer)
            else:
                self._transport.write(answer)

    def _take(self):
        "Return the next whole request, None while there is none"
        end = self._received.find(b'\r\n\r\n')
        if end < 0:
            return None
        first, *lines = self._received[:end].decode('latin-1').split('\r\n')
        headers = {
            name.lower(): value.strip()
            for name, _, value in (line.partition(':') for line in lines)}
        size = end + 4 + int(headers.get('content-length', 0))
        if len(self._received) < size:
            return None
        body = bytes(self._received[end + 4:size])
        del self._received[:size]
        method, target, _ = first.split(' ')
        return method, target, headers, body


def _encode(status, value):
    body = json.dumps(value).encode()
    return (
        f'HTTP/1.1 {status} {PHRASES[status]}\r\n'
        f'Content-Type: application/fhir+json\r\n'
        f'Content-Length: {len(body)}\r\n\r\n').encode() + body


async def serve(platform):
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: Connection(platform), '127.0.0.1', 0)
    print(
        f'http://127.0.0.1:{server.sockets[0].getsockname()[1]}', flush=True)
    # Ends with the process that started it, however that ended
    await loop.run_in_executor(None, sys.stdin.read)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--latency', type=float, default=0, metavar='MS')
    for kind in ['wrong', 'refused', 'slow']:
        parser.add_argument(
            f'--{kind}', action='append', default=[], metavar='CLIENT')
    parser.add_argument('--silence', type=float, default=30, metavar='S')
    args = parser.parse_args()
    asyncio.run(serve(Platform(
                args.latency / 1000, args.wrong, args.refused, args.slow,
                args.silence)))


if __name__ == '__main__':
    main()
