# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Many clients at once, over JSON-RPC as the web client speaks it.

Each server is a trytond in a process of its own; a client stays with one of
them, as behind a proxy.  A workflow is what two people do for one patient: the
clerk registers the person and the patient, the doctor opens a visit with vital
signs and a diagnosis and ends it.
"""

import base64
import json
import os
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from itertools import count, cycle, islice
from pathlib import Path

import requests
from trytond.protocols.jsonrpc import JSONDecoder, JSONEncoder

from . import database
from .desk import PASSWORD, person, visit
from .processes import cpu, family_cpu
from .push import server_of
from .report import quantile

PATIENCE = 60
_numbers = count(2 * 10**7)


class Session:
    "One signed-in user; raises RuntimeError for what the server refuses"

    def __init__(self, url, login):
        self._url, self._http, self._context = url, requests.Session(), {}
        user, key, *_ = self._call(
            'common.db.login', login, {'password': PASSWORD}, 'en')
        token = base64.b64encode(f'{login}:{user}:{key}'.encode()).decode()
        self._http.headers['Authorization'] = f'Session {token}'
        self._context = self.call('res.user', 'get_preferences', True)

    def call(self, model, method, *arguments):
        "Return what the method of the model answers"
        return self._call(
            f'model.{model}.{method}', *arguments, self._context)

    def _call(self, method, *parameters):
        response = self._http.post(
            self._url, timeout=PATIENCE,
            data=json.dumps(
                {'id': 0, 'method': method, 'params': parameters},
                cls=JSONEncoder),
            headers={'Content-Type': 'application/json'})
        response.raise_for_status()
        answer = json.loads(response.text, object_hook=JSONDecoder())
        if isinstance(answer, dict) and answer.get('error'):
            raise RuntimeError(answer['error'])
        return answer['result'] if isinstance(answer, dict) else answer


@contextmanager
def server(name):
    "Serve the database, yields the process and the address of its RPC"
    with socket.socket() as listener:
        listener.bind(('127.0.0.1', 0))
        port = listener.getsockname()[1]
    log = Path(os.environ['SCRATCH'], 'server.log')
    with open(log, 'wb') as lines:
        process = subprocess.Popen(  # noqa: S603
            [Path(sys.executable).parent / 'trytond', '-d', name],
            stdin=subprocess.DEVNULL, stdout=lines, stderr=lines,
            env={**os.environ, 'TRYTOND_WEB__LISTEN': f'127.0.0.1:{port}'})
    try:
        url = f'http://127.0.0.1:{port}'
        until = time.monotonic() + PATIENCE
        while not _answers(url):
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(log.read_text('utf-8', 'replace'))
        yield process, f'{url}/{name}/rpc/'
    finally:
        process.terminate()
        process.wait()


def _answers(url):
    try:
        requests.get(url, timeout=PATIENCE)
    except requests.ConnectionError:
        time.sleep(0.1)
        return False
    return True


def workflow(clerk, doctor, places, number):
    "Lead one person from the desk to the end of the visit"
    party, = clerk.call('party.party', 'create', [person(number)])
    patient, = clerk.call('clinic.patient', 'create', [{'party': party}])
    visits = doctor.call('clinic.encounter', 'create', [visit(places, patient)])
    doctor.call('clinic.encounter', 'finish', visits)


def load(desk, servers, clients, workflows):
    "Return the row of the workflows that the clients of the servers share"
    spent, errors = [], []
    # An iterator that the threads share: each number goes to one of them
    numbers = iter(list(islice(_numbers, workflows)))

    def work(sessions):
        for number in numbers:
            start = time.perf_counter()
            try:
                workflow(*sessions, desk.places, number)
            except (RuntimeError, requests.RequestException) as error:
                errors.append(error)
            else:
                spent.append(1000 * (time.perf_counter() - start))

    with ExitStack() as stack:
        started = [
            stack.enter_context(server(desk.name)) for _ in range(servers)]
        pairs = [
            [Session(url, role) for role in ['registration', 'doctor']]
            for _, url in islice(cycle(started), max(clients, servers))]
        for pair in pairs:  # fills the caches of the servers
            workflow(*pair, desk.places, next(_numbers))
        postgresql = server_of(desk.name)

        def used():
            return (
                sum(cpu(process.pid) for process, _ in started),
                family_cpu(postgresql))

        before = used()
        start = time.perf_counter()
        with ThreadPoolExecutor(clients) as pool:
            list(pool.map(work, pairs[:clients]))
        seconds = time.perf_counter() - start
        each = [
            1000 * (now - then) / workflows
            for now, then in zip(used(), before, strict=True)]
    for error in errors[:3]:
        print(error)
    return [
        servers, clients, len(spent), f'{len(spent) / seconds:.1f}',
        *(f'{quantile(spent, share):.0f}' for share in (0.5, 0.95, 1)),
        *(f'{ms:.0f}' for ms in each), len(errors), _doubles(desk.name)]


def _doubles(name):
    "Return how many numbers of visits and patients were given twice"
    return sum(
        database.query(
            name, f'SELECT COUNT({column}) - COUNT(DISTINCT {column}) '  # noqa: S608
            f'FROM {table}')[0][0] for table, column in [
            ('clinic_encounter', 'number'),
            ('clinic_patient', 'medical_record_number')])
