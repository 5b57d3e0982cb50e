# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What breakers and pace do in any order of outcomes, by their definition.

The definitions are written down a second time here, over the whole history
instead of the few columns that the gate keeps.
"""

import datetime as dt
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine, initialize, invariant, rule,
    run_state_machine_as_test)
from push_clinic import create_database, drop_database
from trytond.pool import Pool
from trytond.transaction import Transaction

START = dt.datetime(2026, 11, 22, 8)
PAUSE, CAP, LEASE = 60, 900, 500
CLIENT, OTHER = 'client-A', 'client-B'
SOON = st.floats(0, 30)


def seconds(value):
    return dt.timedelta(seconds=value)


# Breaker

class Breaker(RuleBasedStateMachine):
    "A breaker as senders use it: ask, probe if it says so, tell what happened"

    @initialize()
    def open(self):
        from trytond.modules.satusehat_integration import breaker
        self.breaker = breaker
        self.state = SimpleNamespace(
            failures=None, recent=None, open_until=None, open_seconds=None,
            probe_until=None, problem=None)
        self.now = START
        self.outcomes = []
        self.pauses = []
        self.probed_until = None

    def _is_due(self):
        "Whether the definition lets it open: five in a row or half of twenty"
        row, window = self.outcomes[-5:], self.outcomes[-20:]
        return row == ['0'] * 5 or (
            len(window) == 20 and window.count('0') >= 10)

    @rule(length=st.sampled_from([1, 30, 59, 60, 61, 500, 2000]))
    def wait(self, length):
        self.now += seconds(length)

    @rule(comes_through=st.booleans(), at_once=st.sampled_from([0, 0, 0, 1]))
    def end_request(self, comes_through, at_once):
        "A request comes back that left at any time"
        if comes_through:
            return self._succeed()
        was_open = bool(self.state.open_until)
        until = self.state.open_until
        counts = not was_open or until <= self.now
        self.breaker.fail(
            self.state, self.now, 'server_error', PAUSE, CAP, bool(at_once))
        self.outcomes.append('0')
        if counts and (was_open or at_once or self._is_due()):
            self._note_opening(was_open)
        else:
            assert self.state.open_until == until

    def _note_opening(self, was_open):
        pause = (self.state.open_until - self.now).total_seconds()
        assert pause == (
            min(self.pauses[-1] * 2, CAP) if was_open else PAUSE)
        self.pauses.append(pause)
        self.probed_until = None
        assert self.state.problem == 'server_error'
        assert self.state.probe_until is None
        assert not self.breaker.is_probing(self.state, self.now)

    def _succeed(self):
        was_open = bool(self.state.open_until)
        self.breaker.succeed(self.state)
        assert not self.state.open_until and not self.state.probe_until
        assert not self.state.failures and not self.state.problem
        self.outcomes = [] if was_open else [*self.outcomes, '1']
        self.probed_until = None

    @rule()
    def ask(self):
        "One sender may probe, and no other while it does"
        if not self.breaker.is_probing(self.state, self.now):
            return
        assert self.state.open_until <= self.now
        assert not self.probed_until or self.probed_until <= self.now
        self.breaker.probe(self.state, self.now, LEASE)
        self.probed_until = self.now + seconds(LEASE)
        assert not self.breaker.is_probing(self.state, self.now)
        assert self.breaker.is_open(self.state, self.now)

    @invariant()
    def is_open_as_long_as_it_says(self):
        is_open = self.breaker.is_open(self.state, self.now)
        is_probing = self.breaker.is_probing(self.state, self.now)
        assert not (is_open and is_probing)
        assert (is_open or is_probing) == bool(self.state.open_until)
        if is_open:
            probe = max(filter(
                    None, [self.state.open_until, self.state.probe_until]))
            assert self.now < probe <= self.now + seconds(max(CAP, LEASE))

    @invariant()
    def never_stays_open_without_a_way_out(self):
        "Whatever happened, a probe is possible when all pauses are over"
        if self.state.open_until:
            later = self.now + seconds(max(CAP, LEASE))
            assert self.breaker.is_probing(self.state, later)


def test_a_breaker_keeps_to_its_definition():
    run_state_machine_as_test(Breaker, settings=settings(
            max_examples=150, stateful_step_count=60, deadline=None,
            database=None, derandomize=True, print_blob=True,
            phases=[Phase.generate, Phase.shrink]))


def opens_at(breaker, outcomes):
    "Return after how many outcomes, told in one moment, a breaker opens"
    state = SimpleNamespace(
        failures=None, recent=None, open_until=None, open_seconds=None,
        probe_until=None, problem=None)
    for number, comes_through in enumerate(outcomes, 1):
        if comes_through:
            breaker.succeed(state)
        else:
            breaker.fail(state, START, 'no_answer', PAUSE, CAP)
        if state.open_until:
            return number


def opens_by_definition(outcomes):
    for number in range(1, len(outcomes) + 1):
        window = outcomes[:number][-20:]
        if not outcomes[number - 1] and (
                outcomes[:number][-5:] == [False] * 5
                or (len(window) == 20 and window.count(False) >= 10)):
            return number


# Mostly such as come near to the half without five failures in a row
OUTCOMES = st.lists(
    st.sampled_from(['10', '100', '110', '1', '11', '1000', '10000']),
    max_size=24).map(lambda parts: [p == '1' for p in ''.join(parts)])


@settings(
    max_examples=400, deadline=None, database=None, derandomize=True,
    print_blob=True)
@given(outcomes=OUTCOMES)
def test_a_breaker_opens_at_five_in_a_row_or_half_of_twenty(outcomes):
    from trytond.modules.satusehat_integration import breaker
    # Successes before the first failure are not kept: nothing goes wrong
    outcomes = outcomes[outcomes.index(False):] if False in outcomes else []
    assert opens_at(breaker, outcomes) == opens_by_definition(outcomes)


# Pace

@pytest.fixture(scope='module')
def database():
    name = create_database()
    yield name
    drop_database(name)


@pytest.fixture
def gate(database, setting):
    "The gates, none yet, in a transaction that is not kept"
    setting(requests_per_minute=300, requests_per_minute_host=1200)
    with Transaction().start(database, 0) as transaction:
        yield Pool().get('satusehat.gate')
        transaction.rollback()


class Line:
    "All requests of some senders, at the moments they were told to leave"

    def __init__(self, gate, **limits):
        import trytond.config as config
        for name, value in limits.items():
            config.set('satusehat', name, str(value))
        gate.delete(gate.search([]))
        self.gate, self.now = gate, START
        self.left = {CLIENT: [], OTHER: []}

    def wait(self, length):
        self.now += seconds(length)

    def reserve(self, counts):
        waits = self.gate.reserve('local', counts, self.now)
        assert waits.keys() == counts.keys()
        for client, found in waits.items():
            assert len(found) == counts[client]
            assert found == sorted(found) and all(w >= 0 for w in found)
            self.left[client] += [self.now + seconds(w) for w in found]
        return waits

    def slow_down(self):
        row = self.gate.of('local', CLIENT)
        row.slow_down(self.now)
        row.save()

    @property
    def all(self):
        return sorted([*self.left[CLIENT], *self.left[OTHER]])


def assert_within(moments, limit):
    "No minute, wherever it begins, has more than the limit"
    moments = sorted(moments)
    # What is written is rounded to microseconds, each time
    minute = seconds(60) - seconds(0.01)
    for first, one_too_many in zip(
            moments, moments[limit:], strict=False):
        assert one_too_many - first >= minute


# How many requests of the two clients at once, and seconds until the next
RESERVATIONS = st.lists(st.tuples(
        st.sampled_from([0, 1, 3, 8]), st.sampled_from([0, 1, 5]), SOON),
    max_size=20)
LIVES = settings(
    max_examples=40, deadline=None, database=None, derandomize=True,
    print_blob=True, suppress_health_check=[
        HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


def reserve_all(line, reservations):
    "Return all that two senders were told to wait, in turns"
    waits = []
    for first, second, pause in reservations:
        counts = {CLIENT: first, OTHER: second}
        found = line.reserve({c: n for c, n in counts.items() if n})
        waits += [wait for _, one in sorted(found.items()) for wait in one]
        line.wait(pause)
    return waits


@LIVES
@given(reservations=RESERVATIONS, limit=st.integers(2, 40))
def test_no_minute_has_more_than_the_rate_of_the_client(
        gate, reservations, limit):
    line = Line(gate, requests_per_minute=limit, requests_per_minute_host=0)
    reserve_all(line, reservations)
    assert_within(line.left[CLIENT], limit)
    assert_within(line.left[OTHER], limit)


@LIVES
@given(reservations=RESERVATIONS, limit=st.integers(2, 40))
def test_no_minute_has_more_than_the_rate_of_the_host(
        gate, reservations, limit):
    "Whoever sends: each row is reserved by another sender"
    line = Line(gate, requests_per_minute=0, requests_per_minute_host=limit)
    reserve_all(line, reservations)
    assert_within(line.all, limit)


@LIVES
@given(reservations=RESERVATIONS, own=st.integers(2, 40),
    host=st.integers(2, 60))
def test_the_host_does_not_loosen_the_rate_of_a_client(
        gate, reservations, own, host):
    line = Line(
        gate, requests_per_minute=own, requests_per_minute_host=host)
    reserve_all(line, reservations)
    assert_within(line.left[CLIENT], own)
    assert_within(line.left[OTHER], own)


@LIVES
@given(reservations=RESERVATIONS, own=st.integers(2, 40),
    host=st.integers(2, 60))
def test_nobody_leaves_before_either_limit_lets_go(
        gate, reservations, own, host):
    both, client, all_ = (
        reserve_all(Line(
                gate, requests_per_minute=per_client,
                requests_per_minute_host=per_host), reservations)
        for per_client, per_host in [(own, host), (own, 0), (0, host)])
    assert all(
        wait >= max(earliest) - 0.001 for wait, *earliest in zip(
            both, client, all_, strict=True))


@LIVES
@given(reservations=RESERVATIONS, own=st.integers(2, 40))
def test_requests_leave_in_the_order_they_were_reserved(
        gate, reservations, own):
    "Later reservations are never told to leave before earlier ones"
    line = Line(gate, requests_per_minute=own, requests_per_minute_host=0)
    for first, _, pause in reservations:
        if first:
            line.reserve({CLIENT: first})
        line.wait(pause)
    assert all(a <= b for a, b in pairwise(line.left[CLIENT]))


@LIVES
@given(reservations=RESERVATIONS)
def test_without_limits_nobody_waits(gate, reservations):
    line = Line(gate, requests_per_minute=0, requests_per_minute_host=0)
    for first, second, pause in reservations:
        assert line.reserve({CLIENT: first, OTHER: second}) == {
            CLIENT: [0] * first, OTHER: [0] * second}
        line.wait(pause)
    assert not gate.search([])


@LIVES
@given(idle=st.floats(0, 3600), count=st.integers(1, 20))
def test_who_was_quiet_saves_nothing_up(gate, idle, count):
    "After a pause the first goes at once, the others at the pace"
    line = Line(gate, requests_per_minute=60, requests_per_minute_host=0)
    line.reserve({CLIENT: 1})
    line.wait(60 + idle)
    assert line.reserve({CLIENT: count})[CLIENT] == pytest.approx(
        list(range(count)), abs=0.001)


def interval(line):
    "Return the seconds between two requests that are reserved now"
    line.wait(3600 * 24)
    row = line.gate.of('local', CLIENT)
    if row.rate_at:
        row.rate_at += seconds(3600 * 24)
        row.save()
    first, second = line.reserve({CLIENT: 2})[CLIENT]
    return second - first


@LIVES
@given(times=st.integers(0, 12))
def test_each_refusal_halves_the_pace_but_it_never_stops(gate, times):
    line = Line(gate, requests_per_minute=300, requests_per_minute_host=0)
    for _ in range(times):
        line.slow_down()
    assert interval(line) == pytest.approx(
        min(60, 60 / 300 * 2 ** times), rel=0.001)


@LIVES
@given(times=st.integers(1, 6), minutes=st.integers(0, 200))
def test_the_pace_grows_back_by_a_twentieth_a_minute(gate, times, minutes):
    line = Line(gate, requests_per_minute=300, requests_per_minute_host=0)
    for _ in range(times):
        line.slow_down()
    line.wait(60 * minutes)
    rate = min(300, 300 / 2 ** times * 1.05 ** minutes)
    first, second = line.reserve({CLIENT: 2})[CLIENT]
    assert second - first == pytest.approx(60 / rate, rel=0.001)


@LIVES
@given(times=st.integers(1, 4))
def test_the_other_client_keeps_its_pace(gate, times):
    line = Line(gate, requests_per_minute=300, requests_per_minute_host=0)
    for _ in range(times):
        line.slow_down()
    first, second = line.reserve({OTHER: 2})[OTHER]
    assert second - first == pytest.approx(0.2)


def test_two_senders_at_once_get_no_moment_twice(database, setting):
    from trytond.modules.satusehat_integration.committed import (
        committed, working_for)
    setting(requests_per_minute=60, requests_per_minute_host=0)
    moments, times, count = [], 6, 3

    def reserve():
        waits, = Pool().get('satusehat.gate').reserve(
            'local', {'client-twice': count}, START).values()
        return waits

    def sender():
        with working_for(database):
            for _ in range(times):
                moments.extend(committed(reserve))
    with ThreadPoolExecutor(2) as pool:
        for future in [pool.submit(sender) for _ in range(2)]:
            future.result()
    assert sorted(moments) == pytest.approx(
        list(range(2 * times * count)), abs=0.001)
