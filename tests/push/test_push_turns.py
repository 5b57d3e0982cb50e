# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Turns between branches: who has something to send gets a turn, and no more."

import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import gateway as faults
import pytest
from gateway import FHIR
from trytond.pool import Pool


def branches(clinic, count):
    "Add branches without anything to send, return the ids of all"
    with clinic.transaction():
        pool = Pool()
        Company = pool.get('company.company')
        first, = Company.search(
            [('id', '=', clinic.branches['A']['company'])])
        parties = pool.get('party.party').create([
                {'name': f"Klinik {n}"} for n in range(count)])
        Company.create([{
                    'party': party.id, 'currency': first.currency.id,
                    'satusehat_environment': 'local'} for party in parties])
        return [c.id for c in Company.search([])]


def taken(clinic, limit, **options):
    "Return how many rows of each branch one claim takes"
    from trytond.modules.satusehat_integration.claim import claim
    with clinic.transaction(user=0):
        rows, _ = claim(limit, 120, **options)
        return Counter(row.company.id for row in rows)


def test_branch_behind_many_idle_ones_gets_its_turn(clinic):
    companies = branches(clinic, 40)
    for _ in range(3):
        clinic.visit('B')
    place = clinic.branches['B']['company']
    for after in [0, place, max(companies)]:
        assert taken(clinic, 1, after=after) == {place: 1}


def test_claim_is_shared_between_branches(clinic):
    for _ in range(10):
        clinic.visit('A')
    clinic.visit('B')
    clinic.visit('B')
    a, b = (clinic.branches[name]['company'] for name in 'AB')
    assert taken(clinic, 4) == {a: 2, b: 2}
    assert taken(clinic, 4) == {a: 4}


def test_busy_branch_is_passed_over(clinic):
    clinic.visit('A')
    clinic.visit('B')
    a, b = (clinic.branches[name]['company'] for name in 'AB')
    assert taken(clinic, 4, busy={a}) == {b: 1}


def test_fifty_bad_rows_do_not_keep_a_good_one_back(
        clinic, gateway, emulator):
    bad = [clinic.visit('A', code='U07.1') for _ in range(50)]
    good = clinic.visit('B')
    clinic.push()
    assert clinic.submission(good)['state'] == 'sent'
    assert {clinic.submission(v)['state'] for v in bad} == {'needs_data'}
    tokens = [post.token for post in gateway.posts]
    rare, _ = Counter(tokens).most_common()[-1]
    assert tokens.count(rare) == 1
    assert tokens.index(rare) < 10


@pytest.mark.parametrize('senders, most', [(1, 2), (2, 1)])
def test_branch_has_few_requests_at_once(
        clinic, gateway, setting, senders, most):
    setting(branch_connections=2, connections=6, senders=senders)
    clinic.visit('A')
    clinic.push()
    for _ in range(6):
        clinic.visit('A')
    now, peak = [0], [0]

    def count(exchange):
        now[0] += 1
        peak[0] = max(peak[0], now[0])
        answer = exchange.forward()
        now[0] -= 1
        exchange.hand_back(answer)
    gateway.always('POST', FHIR, count)
    clinic.push()
    assert clinic.states() == {('sent', None): 7}
    assert peak[0] <= most


def test_branch_that_is_refused_has_one_request_at_once(
        clinic, gateway, emulator, setting):
    setting(branch_connections=2, connections=6)
    clinic.visit('A')
    clinic.push()
    for _ in range(6):
        clinic.visit('A', code='U07.1')
    now, at_once = [], []

    def meet(exchange):
        "Answer when another request is there, or none comes"
        met = threading.Event()
        now.append(met)
        if len(now) > 1:
            for other in now:
                other.set()
        at_once.append(met.wait(0.5))
        answer = exchange.forward()
        now.remove(met)
        exchange.hand_back(answer)
    gateway.always('POST', FHIR, meet)
    clinic.push()
    assert clinic.states() == {
        ('sent', None): 1, ('needs_data', 'refused'): 6}
    assert at_once == [True, True, False, False, False, False]


def test_branch_that_is_answered_late_does_not_keep_others_waiting(
        clinic, gateway):
    "What falls due meanwhile leaves before the late answer is there"
    clinic.visit('A')
    clinic.visit('B')
    clinic.push()
    late, answered = threading.Event(), threading.Event()

    def hold(exchange):
        late.set()
        answered.wait(60)
        exchange.hand_back(exchange.forward())
    gateway.once('POST', FHIR, hold)
    first = clinic.visit('A')
    with ThreadPoolExecutor(1) as runner:
        run = runner.submit(clinic.push)
        try:
            assert late.wait(60)
            other = clinic.visit('B')
            assert wait_until(lambda: (
                    clinic.submission(other)['state'] == 'sent'), 25)
            assert clinic.submission(first)['state'] == 'sending'
        finally:
            answered.set()
        run.result()
    assert clinic.states() == {('sent', None): 4}


def wait_until(is_so, seconds):
    "Return whether it becomes so before the seconds are over"
    limit = time.monotonic() + seconds
    while not (so := is_so()) and time.monotonic() < limit:
        time.sleep(0.1)
    return so


def test_host_that_fails_five_times_is_left_alone(
        clinic, gateway, setting):
    setting(connections=1)
    clinic.visit()
    clinic.push()
    gateway.always('POST', FHIR, faults.error_500)
    for _ in range(8):
        clinic.visit('A')
    clinic.visit('B')
    clinic.push()
    assert len(gateway.posts) == 1 + 5
    assert clinic.states() == {
        ('sent', None): 1, ('waiting', 'server_error'): 5,
        ('pending', None): 4}
    gateway.always('GET', f'{FHIR}/Encounter', faults.error_500)
    asked = len(gateway.seen)
    clinic.push()
    assert len(gateway.seen) == asked, "nothing is sent while it is open"

    clinic.pass_time(61)
    clinic.push()
    assert len(gateway.seen) == asked + 1, "one request finds out"
    clinic.pass_time(61)
    clinic.push()
    assert len(gateway.seen) == asked + 1, "the pause is twice as long now"
    gateway.heal()
    clinic.pass_time(700)
    clinic.push()
    assert clinic.states() == {('sent', None): 10}


def test_what_is_frozen_ahead_is_taken_back_from_a_host_that_fails(
        clinic, gateway, setting):
    setting(
        connections=1, branch_connections=4, requests_per_minute=0,
        requests_per_minute_host=0)
    clinic.visit()
    clinic.push()
    gateway.always('POST', FHIR, faults.error_500)
    for _ in range(12):
        clinic.visit()
    clinic.push()
    failed = len(gateway.posts) - 1
    assert 5 <= failed < 8
    assert clinic.states() == {
        ('sent', None): 1, ('waiting', 'server_error'): failed,
        ('pending', None): 12 - failed}
    kept = clinic.read(
        'satusehat.submission', [('state', '=', 'pending')],
        'attempts', 'begun', 'begun_at', 'claim')
    assert set(kept) == {(0, False, None, None)}
    sent = [e for e in clinic.exchanges() if e[:2] == ('POST', FHIR)]
    assert len(sent) == len(gateway.posts)

    gateway.heal()
    clinic.pass_time(700)
    clinic.push()
    assert clinic.states() == {('sent', None): 13}


def test_row_that_kills_its_sender_is_parked_at_the_third_time(
        clinic, gateway, monkeypatch):
    from trytond.modules.satusehat_integration import sender
    bad, good = clinic.visit(), clinic.visit()
    bad_id = clinic.submission(bad)['id']

    class Killed(BaseException):
        pass

    def die(self, job, original=sender.Sender._build):
        if job.id == bad_id:
            raise Killed
        return original(self, job)
    monkeypatch.setattr(sender.Sender, '_build', die)
    for _ in range(3):
        with pytest.raises(Killed):
            clinic.push()
        clinic.pass_time(130)
    clinic.push()
    submission = clinic.submission(bad)
    assert (submission['state'], submission['reason']) == (
        'needs_admin', 'poison')
    assert submission['last_error']
    assert clinic.submission(good)['state'] == 'sent'
    monkeypatch.undo()
    clinic.resend(bad)
    clinic.push()
    assert clinic.submission(bad)['state'] == 'sent'
