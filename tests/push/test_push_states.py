# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Any order of visits, corrections, faults, deaths and time keeps the promises.

After each step those promises hold that hold at any time; at the end of each
example all faults are mended, and then nothing may be left over.  A failure
prints the steps, and a blob for `reproduce_failure` that makes them again.
"""

from contextlib import suppress

import gateway as faults
import pytest
import trytond.config as config
from gateway import FHIR
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine, initialize, invariant, precondition, rule,
    run_state_machine_as_test)
from push_clinic import (
    DOCTOR_NIK, PATIENT_NIK, UNKNOWN_NIK, create_database, drop_database)
from push_items import (
    UNKNOWN_CODE, add_diagnoses, correct, instead, to_code)
from push_states import LATEST, SECRETS, WRONG_SECRET, Mortality, World
from satusehat_emulator.faults.registry import KINDS
from trytond.exceptions import UserError
from trytond.pool import Pool

# Lies that no client can see through, waits that are real, and large answers
LEFT_OUT = {
    'random', 'wrong_id', 'wrong_organization', 'slow', 'late', 'drip',
    'huge', 'endless', 'gzip_bomb', 'index_lag'}
RESOURCES = [
    None, None, 'Bundle', 'Bundle', 'Encounter', 'Condition', 'Observation',
    'Organization', 'Location', 'Patient', 'Practitioner']
CODES = st.lists(
    st.sampled_from(['J00', 'I10', 'J00', UNKNOWN_CODE]),
    min_size=1, max_size=2, unique=True)
BRANCHES = st.sampled_from('AB')
SECONDS = st.sampled_from([1, 61, 130, 400, 700, 4000])
# Where a request is met on the way, and what becomes of it there
ON_THE_WAY = [
    ('POST', FHIR), ('POST', FHIR), ('GET', f'{FHIR}/Encounter'),
    ('POST', f'{FHIR}/Encounter'), ('POST', f'{FHIR}/Condition'),
    ('POST', f'{FHIR}/Organization'), ('POST', f'{FHIR}/Location'),
    ('POST', faults.TOKEN)]
# Settings under which the chances of a failure do not depend on the clock
CALM = {
    'requests_per_minute': 60000, 'requests_per_minute_host': 240000,
    'connect_timeout': 10, 'read_timeout': 30, 'total_timeout': 60,
    'push_seconds': 50, 'validate_r4b': 0}
# Changes of a finished visit
CHANGES = {
    'recoded': to_code, 'instead': instead, 'same': lambda code: None}


@st.composite
def platform_faults(draw):
    "Draw (name, options) of a fault of the emulator"
    name = draw(st.sampled_from(sorted(KINDS.keys() - LEFT_OUT)))
    kind = KINDS[name]
    options = {
        option: draw(st.sampled_from(value.drawn))
        for option, value in kind.options.items() if value.drawn}
    if name == 'timeout':
        options['seconds'] = 0
    endpoint = draw(st.sampled_from([
                e for e in ['fhir', 'fhir', 'fhir', 'token']
                if e in kind.endpoints]))
    options |= {
        'endpoint': endpoint,
        'after': draw(st.integers(0, 2)),
        'times': draw(st.sampled_from([1, 1, 2, 6, 40]))}
    if endpoint == 'fhir':
        options['resource'] = draw(st.sampled_from(RESOURCES))
        options['method'] = draw(st.sampled_from([None, None, 'GET', 'POST']))
    return name, options


class Delivery(RuleBasedStateMachine):
    "What can happen between a clinic and the platform, in any order"

    world = None

    @initialize(
        index_lag=st.sampled_from([0, 0, 5, 300]),
        singly=st.sampled_from(['', 'A', 'AB']),
        connections=st.sampled_from([1, 1, 4]),
        batch_size=st.sampled_from([1, 3, 32]),
        pace=st.sampled_from([60000, 0]))
    def open(self, index_lag, singly, connections, batch_size, pace):
        self.world.start(
            index_lag, singly, connections=connections,
            batch_size=batch_size, **{
                **CALM, 'requests_per_minute': pace,
                'requests_per_minute_host': 4 * pace})
        self.clinic = self.world.clinic
        self.visits = []
        self.withdrawn = set()

    # At the clinic

    @rule(branch=BRANCHES, codes=CODES, nik=st.sampled_from(
            [PATIENT_NIK, PATIENT_NIK, PATIENT_NIK, UNKNOWN_NIK]),
        count=st.sampled_from([1, 1, 3]))
    def complete(self, branch, codes, nik, count):
        for _ in range(count):
            visit = self.clinic.visit(
                branch, nik=nik, doctor=DOCTOR_NIK, code=codes[0],
                finish=False)
            add_diagnoses(self.clinic, visit, *codes[1:])
            self.clinic.finish(visit)
            self.visits.append(visit)

    @property
    def right_visits(self):
        return [v for v in self.visits if v not in self.withdrawn]

    def _choose(self, data, among):
        return data.draw(st.sampled_from(range(len(among))), label="which")

    @precondition(lambda self: self.right_visits)
    @rule(data=st.data(), change=st.sampled_from(sorted({*CHANGES, 'more'})),
        code=st.sampled_from(['J00', 'I10', UNKNOWN_CODE]))
    def correct(self, data, change, code):
        among = self.right_visits
        visit = among[self._choose(data, among)]
        # No visit has the same diagnosis twice
        with suppress(UserError):
            if change == 'more':
                add_diagnoses(self.clinic, visit, code)
                change = 'same'
            correct(self.clinic, visit, CHANGES[change](code))

    @precondition(lambda self: self.right_visits)
    @rule(data=st.data())
    def withdraw(self, data):
        among = self.right_visits
        visit = among[self._choose(data, among)]
        with self.clinic.transaction():
            pool = Pool()
            pool.get('satusehat.submission').withdraw(
                pool.get('clinic.encounter').browse([visit]), "Salah pasien")
        self.withdrawn.add(visit)

    @precondition(lambda self: self.visits)
    @rule(branch=BRANCHES, secret=st.sampled_from(
            [WRONG_SECRET, 'right', None, 'deleted']))
    def change_credential(self, branch, secret):
        if secret == 'deleted':
            self.world.delete_credential(branch)
        else:
            self.world.enter_credential(
                branch, SECRETS[branch] if secret == 'right' else secret)

    @precondition(lambda self: self.visits)
    @rule(are_kept=st.sampled_from([True, True, False]))
    def rotate_keys(self, are_kept):
        self.world.rotate_keys(are_kept)

    @precondition(lambda self: self.visits)
    @rule(branch=BRANCHES, environment=st.sampled_from(
            ['local', 'local', 'staging', None]))
    def switch_environment(self, branch, environment):
        self.world.switch(branch, environment)

    @precondition(lambda self: self.visits)
    @rule(data=st.data(), kind=st.sampled_from(['resend', 'resend', 'stop']))
    def decide(self, data, kind):
        among = self.world.submissions()
        id_, state = among[self._choose(data, among)]
        from trytond.modules.satusehat_integration.exceptions import (
            ResendError)
        with self.clinic.transaction():
            pool = Pool()
            Submission = pool.get('satusehat.submission')
            rows = Submission.browse([id_])
            if kind == 'resend':
                # What was replaced or withdrawn is not sent again
                with suppress(ResendError):
                    Submission.plan_again(rows, "Sudah diperbaiki")
            elif state not in {'sending', 'sent'}:
                pool.get('satusehat.submission.action').stop(
                    rows, "Tidak perlu")

    # On the way

    @precondition(lambda self: self.visits)
    @rule(fault=platform_faults())
    def meet(self, fault):
        name, options = fault
        self.world.emulator.faults.add(name, **options)

    @precondition(lambda self: self.visits)
    @rule(place=st.sampled_from(ON_THE_WAY), how=st.sampled_from(
            ['cut', 'stored_cut', 'postponed']))
    def lose(self, place, how):
        self.world.gateway.once(*place, {
                'cut': faults.cut, 'stored_cut': faults.stored_cut,
                'postponed': self.world.postpone}[how])

    @precondition(lambda self: self.visits)
    @rule(place=st.sampled_from(ON_THE_WAY), seconds=SECONDS,
        is_before=st.booleans())
    def overtake(self, place, seconds, is_before):
        "Let another sender run while a request is under way"
        def fault(exchange):
            if is_before:
                # The rival's request may be overtaken as well
                self.world.rival(min(seconds, LATEST // 3))
            answer = exchange.forward()
            if not is_before:
                self.world.rival(seconds)
            exchange.hand_back(answer)
        self.world.gateway.once(*place, fault)

    @precondition(lambda self: self.world.is_late)
    @rule()
    def receive_late(self):
        self.world.receive_all()

    @precondition(lambda self: self.world.emulator.faults)
    @rule()
    def end_faults(self):
        self.world.emulator.faults.clear()

    # Senders

    @precondition(lambda self: self.visits)
    @rule()
    def push(self):
        assert self.world.push()

    @precondition(lambda self: self.visits)
    @rule(chance=st.integers(1, 60))
    def push_and_die(self, chance):
        self.world.push(Mortality(chance))

    @precondition(lambda self: self.visits)
    @rule(seconds=SECONDS)
    def push_later(self, seconds):
        self.world.pass_time(seconds)
        assert self.world.push()

    @precondition(lambda self: self.visits)
    @rule(limit=st.integers(1, 3))
    def claim_twice(self, limit):
        "Two senders claim, one after the other, and are not seen again"
        from trytond.modules.satusehat_integration import claim
        claimed = []
        for _ in range(2):
            with self.clinic.transaction(user=0):
                rows, _ = claim.claim(limit, 120)
                claimed += [row.id for row in rows]
        assert len(claimed) == len(set(claimed))

    @precondition(lambda self: self.visits)
    @rule(seconds=SECONDS)
    def pass_time(self, seconds):
        self.world.pass_time(seconds)

    # What must hold

    @invariant()
    def promises_are_kept(self):
        self._check()

    def _check(self, over=False):
        assert not self.world.errors
        broken = self.world.violations(over)
        assert not broken, '\n'.join([*map(str, broken), *self.world.story()])

    def _drain(self):
        "Push until nothing is planned, for as long as a day at most"
        for _ in range(24):
            assert self.world.push()
            if not self.world.planned():
                break
            self.world.pass_time(3700)

    def teardown(self):
        if not hasattr(self, 'visits'):
            return
        self._stop_elsewhere()
        self.world.heal()
        self.world.pass_time(3700)
        self._drain()
        self._check(over=True)
        self._everything_parked_has_a_reason()
        self._good_visits_arrive_when_sent_again()

    def _stop_elsewhere(self):
        "What goes to a platform that is not here would be waited for"
        with self.clinic.transaction():
            pool = Pool()
            Submission = pool.get('satusehat.submission')
            pool.get('satusehat.submission.action').stop(
                Submission.search([
                        ('environment', '=', 'staging'),
                        ('state', 'not in', ['sending', 'sent'])]),
                "Tidak ada")

    def _parked(self):
        return self.clinic.read(
            'satusehat.submission', [
                ('state', 'in', ['needs_data', 'needs_admin']),
                ('environment', '=', 'local')],
            'id', 'state', 'reason', 'detail')

    def _everything_parked_has_a_reason(self):
        assert all(reason for _, _, reason, _ in self._parked())

    def _good_visits_arrive_when_sent_again(self):
        "A person who sends all again is left with what the data are to blame"
        from trytond.modules.satusehat_integration.exceptions import (
            ResendError)
        parked = [id_ for id_, *_ in self._parked()]
        with self.clinic.transaction():
            Submission = Pool().get('satusehat.submission')
            # What was replaced or withdrawn is not sent again
            with suppress(ResendError):
                Submission.plan_again(
                    Submission.browse(parked), "Gangguan selesai")
        self._drain()
        self._check(over=True)
        left = [
            row for row in self._parked()
            if row[1] == 'needs_admin' or not (
                row[2] == 'patient_not_found'
                or UNKNOWN_CODE in (row[3] or ''))]
        assert not left, '\n'.join([*map(str, left), *self.world.story()])


@pytest.fixture(scope='module')
def world():
    if not config.has_section('satusehat'):
        config.add_section('satusehat')
    database = create_database()
    try:
        with World(database).open() as world:
            yield world
    finally:
        drop_database(database)


@pytest.fixture
def live(world, steady_lives):
    "Return a function that lets so many lives of so many steps pass"
    def live(examples, steps, **how):
        machine = type('Delivery', (Delivery,), {'world': world})
        run_state_machine_as_test(machine, settings=settings(
                max_examples=examples, stateful_step_count=steps,
                deadline=None, database=None, print_blob=True,
                report_multiple_bugs=False,
                suppress_health_check=list(HealthCheck), **how))
    return live


@pytest.fixture
def steady_lives(setting, monkeypatch):
    "Pauses without chance, and the settings of before at the end"
    from trytond.modules.satusehat_integration import verdict
    monkeypatch.setattr(verdict, 'backoff', lambda attempts: 60)
    setting(
        local_url='', connections=1, batch_size=32,
        encryption_keys=config.get('satusehat', 'encryption_keys'), **CALM)


@pytest.mark.slow
def test_promises_are_kept_whatever_happens(live):
    "The same lives each time: a failure is one of this change"
    live(12, 20, derandomize=True, phases=[Phase.generate])


@pytest.mark.nightly
def test_promises_are_kept_in_long_lives(live):
    "Other lives each time; the figures are as many as a night bears"
    live(500, 50, phases=[Phase.generate, Phase.shrink])
