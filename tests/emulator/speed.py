# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Measure what the emulator can serve.

    python -m tests.emulator.speed --count 500 --connections 4

Starts an emulator of its own, sends the golden visit over connections that
are kept open, searches for the visits, and prints for each kind of request
how many were answered a second and how much CPU of the emulator each took.
"""

import argparse
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote, urlencode

from . import samples
from .plain_client import FHIR, TOKEN

GOLDEN = Path(__file__).parents[1] / 'fhir/golden/visit.json'
TICKS = os.sysconf('SC_CLK_TCK')


class Connection:
    "One connection to the emulator that is kept open."

    def __init__(self, address, token=None):
        self._http = http.client.HTTPConnection(address, timeout=60)
        self.headers = {'Content-Type': 'application/json'}
        if token:
            self.headers['Authorization'] = f'Bearer {token}'

    def call(self, method, path, body=None, expected=200, **headers):
        self._http.request(method, path, body, {**self.headers, **headers})
        response = self._http.getresponse()
        data = response.read()
        if response.status != expected:
            raise RuntimeError(f'{response.status}: {data[:500]!r}')
        return json.loads(data)


class Process:
    "An emulator as a process of its own."

    def __init__(self, *arguments):
        self._process = subprocess.Popen(
            [sys.executable, '-m', 'satusehat_emulator', '--port', '0',
                '--seed', 'demo', *arguments],
            stdout=subprocess.PIPE, text=True)
        url = self._process.stdout.readline().strip()
        self.address = url.removeprefix('http://')

    def cpu(self):
        "Return the seconds of CPU used so far."
        stat = Path(f'/proc/{self._process.pid}/stat').read_text()
        fields = stat.rpartition(')')[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def memory(self):
        "Return the resident memory in megabytes."
        stat = Path(f'/proc/{self._process.pid}/statm').read_text()
        return int(stat.split()[1]) * os.sysconf('SC_PAGE_SIZE') >> 20

    def end(self):
        self._process.send_signal(signal.SIGTERM)
        self._process.wait()
        self._process.stdout.close()


def log_in(address):
    answer = Connection(address).call('POST', TOKEN, urlencode({
        'client_id': 'client-A', 'client_secret': 'secret-A'}),
        **{'Content-Type': 'application/x-www-form-urlencoded'})
    return answer['access_token']


def visits(count, room):
    "Yield (identifier of the visit, body) for that many visits."
    text = GOLDEN.read_text(encoding='utf-8')
    for target in [
            f'Location/{room}', f'Patient/{samples.PATIENT}',
            f'Practitioner/{samples.DOCTOR}']:
        type_ = target.partition('/')[0]
        text = re.sub(f'"{type_}/[^"]+"', f'"{target}"', text)
    bundle = json.loads(text)
    for position, entry in enumerate(bundle['entry']):
        for identifier in entry['resource']['identifier']:
            text = text.replace(identifier['value'], f'VISIT-{position}')
    system = bundle['entry'][0]['resource']['identifier'][0]['system']
    for _ in range(count):
        number = str(uuid.uuid4())
        yield f'{system}|{number}-0', text.replace('VISIT', number).encode()


def measure(name, process, requests, connections):
    "Send all requests and print what they took."
    shares = [requests[n::len(connections)] for n in range(len(connections))]

    def send(connection, share):
        for method, path, body, expected in share:
            connection.call(method, path, body, expected)

    start, cpu = time.perf_counter(), process.cpu()
    with ThreadPoolExecutor(len(connections)) as pool:
        list(pool.map(send, connections, shares))
    taken, cpu = time.perf_counter() - start, process.cpu() - cpu
    print(
        f'{name:28} {len(requests) / taken:7.0f}/s '
        f'{1000 * cpu / len(requests):6.2f} ms CPU each '
        f'{process.memory():5} MB')


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--count', type=int, default=500)
    parser.add_argument('--connections', type=int, default=4)
    parser.add_argument(
        'arguments', nargs='*', metavar='-- SWITCH',
        help="switches of the emulator, after --")
    args = parser.parse_args()
    process = Process(*args.arguments)
    try:
        run(process, args.count, args.connections)
    finally:
        process.end()


def run(process, count, connections):
    address = process.address
    token = log_in(address)
    pool = [Connection(address, token) for _ in range(connections)]
    room = pool[0].call(
        'POST', f'{FHIR}/Location', json.dumps(samples.location()), 201)
    sent = list(visits(count, room['id']))
    encounter, missing = (f'{FHIR}/Encounter?identifier={{}}', 'none')
    first = pool[0].call('POST', FHIR, next(visits(1, room['id']))[1])
    id_ = first['entry'][0]['response']['resourceID']
    for name, requests in [
            ('POST Bundle', [('POST', FHIR, body, 200) for _, body in sent]),
            ('GET by identifier, found', [
                ('GET', encounter.format(quote(value)), None, 200)
                for value, _ in sent]),
            ('GET by identifier, none', [(
                'GET', encounter.format(missing), None, 200)] * count),
            ('GET Observation?encounter', [(
                'GET', f'{FHIR}/Observation?encounter={id_}', None, 200)]
                * count),
            ('GET Encounter/id', [(
                'GET', f'{FHIR}/Encounter/{id_}', None, 200)] * count)]:
        measure(name, process, requests, pool)


if __name__ == '__main__':
    main()
