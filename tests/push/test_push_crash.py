# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Processes that die and processes that compete."

import datetime as dt
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from gateway import FHIR, TOKEN, unauthorized
from trytond import backend
from trytond.transaction import Transaction

PROCESS = Path(__file__).with_name('push_process.py')


class Process:
    "A push in another process"

    def __init__(self, clinic, url, moment='never'):
        self._process = subprocess.Popen(
            [sys.executable, str(PROCESS), clinic.database, moment],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={
                **os.environ, 'TRYTOND_SATUSEHAT__LOCAL_URL': url,
                'TRYTOND_SATUSEHAT__BATCH_SIZE': '4'})
        assert self._process.stdout.readline() == 'ready\n'

    def go(self):
        self._process.stdin.write('\n')
        self._process.stdin.flush()
        return self

    def kill(self):
        self._process.kill()

    def end(self):
        "Return the exit code, negative for a signal"
        code = self._process.wait(120)
        self._process.stdin.close()
        self._process.stdout.close()
        return code


@pytest.fixture
def start(clinic, gateway):
    started = []

    def start(moment='never'):
        started.append(Process(clinic, gateway.url, moment))
        return started[-1]
    yield start
    for process in started:
        process.kill()
        process.end()


def drain(clinic):
    "Let leases and the grace time pass, twice"
    for _ in range(2):
        clinic.pass_time(700)
        clinic.push()


def assert_each_visit_once(clinic, emulator, visits):
    assert clinic.states() == {('sent', None): len(visits)}
    held = [
        r.body['identifier'][0]['value']
        for r in emulator.store.find('Encounter')]
    assert len(held) == len(set(held)) == len(visits)
    assert {clinic.encounter_id(v) for v in visits} == {
        r.id for r in emulator.store.find('Encounter')}


@pytest.mark.parametrize('moment, posts, rows', [
        ('claimed', 0, 0), ('frozen', 0, 1), ('answered', 1, 1)])
@pytest.mark.fault(3, 6)
def test_killed_sender_is_made_up_for(
        clinic, gateway, emulator, start, moment, posts, rows):
    visit = clinic.visit()
    assert start(moment).go().end() == -signal.SIGKILL
    assert clinic.states() == {('sending', None): 1}
    assert len(gateway.posts) == posts
    assert len(clinic.exchanges(path=FHIR)) == rows
    clinic.push()
    assert clinic.states() == {('sending', None): 1}, "the lease still runs"
    drain(clinic)
    assert_each_visit_once(clinic, emulator, [visit])
    assert len(gateway.posts) == 1


@pytest.mark.fault(5)
def test_sender_killed_after_the_platform_stored_is_made_up_for(
        clinic, gateway, emulator, start):
    visit = clinic.visit()
    process = start()

    def kill(exchange):
        exchange.forward()
        process.kill()
        exchange.cut()
    gateway.once('POST', FHIR, kill)
    assert process.go().end() == -signal.SIGKILL
    assert len(emulator.store.find('Encounter')) == 1
    assert clinic.encounter_id(visit) is None
    clinic.pass_time(130)
    clinic.push()
    assert_each_visit_once(clinic, emulator, [visit])
    assert len(gateway.posts) == 1
    assert clinic.exchanges(path=FHIR) == [('POST', FHIR, None, 'unknown')]


def test_sender_killed_while_it_registers_is_made_up_for(
        clinic, gateway, emulator, start):
    visit = clinic.visit()
    process = start()

    def kill(exchange):
        exchange.forward()
        process.kill()
        exchange.cut()
    gateway.once('POST', f'{FHIR}/Organization', kill)
    assert process.go().end() == -signal.SIGKILL
    drain(clinic)
    assert_each_visit_once(clinic, emulator, [visit])
    assert len(gateway.requests('POST', f'{FHIR}/Organization')) == 1


@pytest.mark.fault(37)
def test_sender_killed_after_a_refused_token_has_written_it_down(
        clinic, gateway, emulator, start):
    first = clinic.visit()
    clinic.push()
    visit = clinic.visit()
    process = start()

    def kill(exchange):
        process.kill()
        exchange.cut()
    gateway.once('POST', FHIR, unauthorized)
    gateway.once('POST', TOKEN, kill)
    assert process.go().end() == -signal.SIGKILL
    assert clinic.exchanges(path=FHIR)[1:] == [
        ('POST', FHIR, 401, 'unauthorized')]
    drain(clinic)
    assert_each_visit_once(clinic, emulator, [first, visit])


def test_sender_killed_while_it_fetches_a_token_is_made_up_for(
        clinic, gateway, emulator, start):
    visit = clinic.visit()
    process = start()

    def kill(exchange):
        process.kill()
        exchange.cut()
    gateway.once('POST', '/oauth2/v1/accesstoken', kill)
    assert process.go().end() == -signal.SIGKILL
    drain(clinic)
    assert_each_visit_once(clinic, emulator, [visit])


@pytest.mark.skipif(
    backend.name != 'postgresql',
    reason="SQLite is for one sender; two wait for its one lock")
@pytest.mark.fault(62)
def test_two_senders_send_each_visit_once(clinic, gateway, emulator, start):
    visits = [clinic.visit('AB'[n % 2]) for n in range(40)]
    for process in [p.go() for p in [start(), start()]]:
        assert process.end() == 0
    for _ in range(3):
        clinic.pass_time(30)
        clinic.push()
    assert clinic.states() == {('sent', None): 40}
    held = [
        r.body['identifier'][0]['value']
        for r in emulator.store.find('Encounter')]
    assert len(held) == len(set(held)) == len(visits) == len(gateway.posts)
    for type_ in ['Organization', 'Location']:
        assert len([
                r for r in emulator.store.find(type_) if r.owner]) == 2
        assert len(gateway.requests('POST', f'{FHIR}/{type_}')) == 2
    assert len(gateway.tokens) == 2


@pytest.mark.parametrize('microsecond', [0, 499_999, 500_001, 999_999])
def test_row_whose_lease_ended_is_due_at_once(
        clinic, monkeypatch, microsecond):
    from trytond.modules.satusehat_integration import claim
    clinic.visit()
    now = dt.datetime.now(dt.timezone.utc).replace(
        tzinfo=None, microsecond=microsecond)
    monkeypatch.setattr(claim, 'database_now', lambda: now)
    clinic.write('satusehat.submission', [], {
            'state': 'sending', 'claim': 'gone',
            'lease_until': now - dt.timedelta(seconds=1)})
    with clinic.transaction(user=0):
        claimed, _ = claim.claim(1, 120, alone=True)
        assert [row.state for row in claimed] == ['sending']
        assert claimed[0].claim != 'gone'


@pytest.mark.fault(10)
def test_rival_claims_take_each_row_once(clinic):
    for _ in range(20):
        clinic.visit()

    def claim(_):
        from trytond.modules.satusehat_integration.claim import claim
        from trytond.modules.satusehat_integration.committed import committed

        def take():
            return [row.id for row in claim(3, 120)[0]]
        taken = []
        with Transaction().start(clinic.database, 0):
            while ids := committed(take):
                taken.extend(ids)
        return taken
    with ThreadPoolExecutor(8) as pool:
        taken = [i for ids in pool.map(claim, range(8)) for i in ids]
    assert len(taken) == len(set(taken)) == 20
    assert clinic.read('satusehat.submission', [], 'state', 'attempts') == [
        ('sending', 1)] * 20
