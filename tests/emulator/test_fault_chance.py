# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Faults by chance, from the command line, from many at once, and none."

import http.client
import signal
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from satusehat_emulator.faults import KINDS, Faults
from satusehat_emulator.faults.wire import Wire
from satusehat_emulator.serving import serve

from . import samples
from .conftest import Clock
from .plain_client import PlainClient, room, stored

BROKEN = (http.client.HTTPException, ConnectionError)


@pytest.fixture
def hurried(monkeypatch):
    "Nobody waits, though all that waits is done."
    monkeypatch.setattr(Wire, 'wait', lambda wire, seconds: True)


def try_(call, *args):
    try:
        return call(*args)
    except BROKEN:
        return None


def work(client, count):
    "Send requests of every sort, whatever becomes of them."
    for number in range(count):
        try_(client.ask_token)
        try_(client.post, samples.bundle(
            samples.encounter(f'K-{number}'),
            samples.condition(samples.urn(1), number=f'D-{number}')))
        try_(client.find, 'Encounter', f'K-{number}')
        try_(client.post, room(number))
        try_(client.put, {**room(number), 'id': 'none'})


def run(seed, **options):
    "Return what the journal says of faults after some work."
    with serve(clock=Clock()) as emulator:
        client = PlainClient(emulator).log_in()
        emulator.faults.add('random', seed=seed, **options)
        work(client, 8)
        return [
            entry['fault_detail'] for entry in emulator.journal.entries()]


def test_same_seed_same_faults(hurried):
    kinds = '+'.join(sorted(
        KINDS.keys() - {'random', 'gzip_bomb', 'endless', 'huge'}))
    first = run(7, probability=0.5, kinds=kinds)
    assert first == run(7, probability=0.5, kinds=kinds)
    assert first != run(8, probability=0.5, kinds=kinds)
    assert 10 < len(list(filter(None, first))) < 32


def test_each_request_has_the_chance(api, app):
    faults = app.extensions['emulator'].faults
    faults.add(
        'random', probability='20%', seed=1, kinds='server_error')
    statuses = Counter(
        api.get('/Location').status_code >= 500 for _ in range(400))
    assert 55 <= statuses[True] <= 105


def test_seed_is_told():
    seed = Faults().add('random', probability=0.2).as_dict()['seed']
    assert isinstance(seed, int)


@pytest.mark.parametrize('name', sorted(KINDS.keys() - {'random'}))
def test_every_kind_may_be_drawn(emulator, client, hurried, name):
    "Each kind alone, on every sort of request, with what chance draws."
    emulator.faults.add('random', kinds=name, seed=3)
    work(client, 3)
    entries = emulator.journal.entries()[1:]
    shown = {entry['fault'] for entry in entries} - {None}
    assert shown == {name}
    assert all(
        entry['status'] != 500 or entry['fault'] for entry in entries)
    emulator.faults.clear()
    emulator.settings.clock.advance(100_000)
    assert client.log_in().post(room(99)).status == 201


def test_lasting_faults_are_left_out():
    with serve(clock=Clock()) as emulator:
        faults, seen = emulator.faults, set()
        faults.add('random', seed=2)
        client = emulator.app.test_client()
        for _ in range(200):
            with emulator.app.test_request_context(
                    '/fhir-r4/v1/Encounter', method='POST') as context:
                interference = faults.meet(emulator, context.request)
                seen |= {job.kind.name for job in interference._jobs}
        assert client.get('/_emulator/faults').get_json()[
            'faults'][0]['seen'] == 200
    assert len(seen) > 10
    assert not seen & {
        name for name, kind in KINDS.items() if kind.lasting}
    assert not seen & {'partial_bundle', 'conflict', 'token_penalty'}


def test_many_at_once(emulator):
    emulator.faults.add(
        'server_error', method='POST', stored=True, every=2, times=15)
    emulator.faults.add('drop', method='POST', after=5, times=10)
    clients = [PlainClient(emulator).log_in() for _ in range(6)]

    def send(number):
        return try_(clients[number % 6].post, room(number))

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(send, range(60)))
    assert Counter(
        entry['fault'] for entry in emulator.journal.entries()[6:]) == {
            'server_error': 15, 'drop': 10, None: 35}
    assert Counter(answer and answer.status for answer in answers) == {
        500: 15, None: 10, 201: 35}
    assert stored(emulator) == 50
    assert sum(
        entry['stored'] for entry in emulator.journal.entries()) == 50


def test_no_faults_unless_asked(emulator, client, monkeypatch):
    assert not emulator.faults
    monkeypatch.setattr(Faults, 'meet', None)
    work(client, 2)
    entries = emulator.journal.entries()
    assert len(entries) == 11
    assert {entry['fault'] for entry in entries} == {None}


COMMAND = (sys.executable, '-m', 'satusehat_emulator', '--seed', 'demo')


def start(*arguments):
    return subprocess.Popen(
        [*COMMAND, *arguments], stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True)


def test_command_line():
    process = start(
        '--fault', 'edge_block:times=1,method=POST,endpoint=token',
        '--fault', 'server_error:status=503,stored=true,method=POST',
        '--faults', '100%', '--seed-faults', '7', '--fault-kinds', 'no_id')
    try:
        url = process.stdout.readline().strip()
        with_url = type('Address', (), {'url': url})
        client = PlainClient(with_url)
        assert client.ask_token().status == 403
        assert client.log_in().post(room(1)).status == 503
        answer = client.find('Location', 'R-1')
        assert (answer.status, answer.json['total']) == (200, 1)
        rows = client.control('GET').json['faults']
        assert [row['fault'] for row in rows] == [
            'edge_block', 'server_error', 'random']
        assert (rows[2]['probability'], rows[2]['seed']) == (1, 7)
    finally:
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 0
    assert 'faults: chance 100%, seed 7' in errors


@pytest.mark.parametrize('arguments, message', [
    (['--fault', 'banana'], "there is no fault 'banana'"),
    (['--fault', 'drop:stored=perhaps'], 'stored must be true or false'),
    (['--faults', 'often'], 'probability must be a number'),
    (['--faults', '1%', '--fault-kinds', 'x'], "there is no fault 'x'")])
def test_wrong_command_line(arguments, message):
    process = start(*arguments)
    output, errors = process.communicate(timeout=30)
    assert (process.returncode, output) == (2, '')
    assert message in errors
