# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""One chaos run from its options to its result.

Nothing here imports trytond before the environment of the run is set.
"""

import base64
import contextlib
import datetime as dt
import hashlib
import json
import os
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import chaos_plan
from chaos_database import NAME, PostgreSQL, SQLite
from chaos_platform import connect, is_away
from chaos_processes import Crew, Platform, apart, wait_until

TICK = 0.1
# What follows is shorter than in real life, in the same proportion: the
# grace time is longer than the platform's index lags and answers are late
SETTINGS = {
    'lease': 16, 'push_seconds': 6, 'checking_grace': 9,
    'backoff_base': 0.5, 'backoff_cap': 4, 'connect_timeout': 2,
    'read_timeout': 1.5, 'total_timeout': 3, 'batch_size': 8,
    'connections': 6, 'branch_connections': 2, 'breaker_pause': 2,
    'breaker_cap': 8, 'token_pause': 3}
# Pauses that are no option
CONSTANTS = {'PENALTY': 3, 'THROTTLE_PAUSE': 2}
PLATFORM = {
    'index_lag': 2, 'token_lifetime': 30, 'token_penalty_seconds': 2}
# Lies which no client can see through; each has a test of its own
UNSEEN_LIES = ['wrong_id']


@dataclass
class Options:
    seed: int
    visits: int = 300
    branches: int = 8
    senders: int = 3
    faults: str = '20%'
    kinds: str = 'passing'
    kill_every: tuple = (3, 10)
    restarts: int = 2
    database: str = 'postgresql'
    storm: float = 30
    drain: float = 180
    postgresql_bin: str | None = None


@dataclass
class Result:
    "What a run found; seconds are those of storm, drain and all"
    violations: list = field(default_factory=list)
    figures: dict = field(default_factory=dict)
    parked: dict = field(default_factory=dict)
    faults: Counter = field(default_factory=Counter)
    kills: int = 0
    restarts: list = field(default_factory=list)
    rotated: str = ''
    witnessed: dict = field(default_factory=dict)
    peaks: list = field(default_factory=list)
    seconds: dict = field(default_factory=dict)


def prepare_environment(database, home, pace):
    """Let trytond use this database and nothing else of the caller's shell.

    pace is the number of requests per minute of one client, 0 for no limit.
    """
    cache = os.environ.get('DB_CACHE', '')
    for name in [n for n in os.environ if n.startswith('TRYTOND_')]:
        del os.environ[name]
    key = hashlib.sha256(str(home).encode()).digest()
    os.environ.update({
            'TRYTOND_DATABASE_URI': database.uri,
            'TRYTOND_DATABASE__PATH': str(home),
            'TRYTOND_SATUSEHAT__ENCRYPTION_KEYS':
                base64.urlsafe_b64encode(key).decode(),
            'DB_NAME': NAME,
            **{f'TRYTOND_SATUSEHAT__{name.upper()}': str(value)
                for name, value in {
                    **SETTINGS, 'requests_per_minute': pace,
                    'requests_per_minute_host': 4 * pace}.items()}})
    if cache.startswith('postgresql') or database.backend != 'sqlite':
        os.environ.pop('DB_CACHE', None)


def create_database():
    "Make the database with both modules, and let go of it"
    from trytond import backend
    from trytond.tests import test_tryton
    test_tryton.activate_module('satusehat_integration')
    shorten_pauses()
    backend.Database(NAME).close()


def shorten_pauses():
    "Set the pauses that are constants of the sender's modules"
    import sys
    for name, module in list(sys.modules.items()):
        if name.startswith('trytond.modules.satusehat_integration'):
            for constant, value in CONSTANTS.items():
                if hasattr(module, constant):
                    setattr(module, constant, value)


class Run:
    "A run in a folder of its own"

    def __init__(self, options, home, say=print):
        self.options, self.home, self.say = options, Path(home), say
        self.plan = chaos_plan.Plan(
            options.seed, options.visits, options.branches, options.storm,
            options.kill_every, options.restarts)
        self.log = self.home / 'log'
        self.database = (
            SQLite(home) if options.database == 'sqlite'
            else PostgreSQL(home, options.postgresql_bin))
        self.result = Result()

    def execute(self):
        "Return the Result"
        with contextlib.ExitStack() as stack:
            self._begun = time.monotonic()
            stack.callback(self.database.stop)
            self.database.start()
            prepare_environment(self.database, self.home, self.plan.pace)
            create_database()
            seed = self.home / 'seed.json'
            seed.write_text(json.dumps(chaos_plan.platform_seed(self.plan)))
            log = stack.enter_context((self.home / 'platform.log').open('a'))
            self.platform = Platform(
                seed, PLATFORM, self.database.address, log)
            stack.callback(self.platform.end)
            os.environ['TRYTOND_SATUSEHAT__LOCAL_URL'] = self.platform.url
            self._apply_environment()
            self.crew = Crew(self.log)
            stack.callback(self.crew.dismiss_all)
            self._storm_and_drain()
            if self.result.violations:
                self._keep_evidence()
        return self.result

    @staticmethod
    def _apply_environment():
        "trytond has read the environment before the address was known"
        import trytond.config as config
        if not config.has_section('satusehat'):
            config.add_section('satusehat')
        config.set(
            'satusehat', 'local_url',
            os.environ['TRYTOND_SATUSEHAT__LOCAL_URL'])

    def _storm_and_drain(self):
        import chaos_clinic
        clinic = chaos_clinic.ChaosClinic(NAME, self.plan)
        apart(clinic.set_up, log=self.log)
        self._say(
            f"storm, {self.plan.pace or 'any number of'} requests a minute")
        self._storm(chaos_clinic)
        self._say("faults are over")
        self.result.seconds['storm'] = self._seconds()
        self.platform.faults()
        self._calm('faults')
        self.result.parked = self._states(parked=True)
        resent = apart(
            chaos_clinic.resend_parked, NAME, self.plan, log=self.log)
        self._say(f"{resent} were parked and are sent again")
        self._calm('resend')
        self.crew.dismiss_all()
        self._close()

    def _calm(self, what):
        "Drain and check"
        ended = dt.datetime.now(dt.timezone.utc).replace(tzinfo=None)
        drained = wait_until(
            self._is_empty, self.options.drain, self.crew)
        self._say(f"{'drained' if drained else 'NOT drained'} ({what})")
        self.result.seconds['drain after ' + what] = self._seconds()
        found, self.result.figures = apart(
            judge, self.platform.url, self.home / 'seed.json',
            self.crew.peak(), self._logs(), ended, self.options.drain, log=self.log)
        self.result.violations += [
            v for v in found if v not in self.result.violations]

    def _storm(self, clinic):
        options, begun = self.options, time.monotonic()
        self.platform.faults({
                'fault': 'random', 'probability': options.faults,
                'seed': options.seed, 'kinds': self._kinds()})
        for number in range(options.senders):
            self.crew.hire(f'sender {number}', clinic.sender, NAME)
        self.crew.hire('desk', clinic.desk, NAME, self.plan, begun)
        kills, events = self.plan.kills(), self._events(clinic)
        gap, share = next(kills)
        next_kill = begun + gap
        next_look = begun
        limit = begun + 4 * options.storm + 60
        while time.monotonic() < limit:
            now = time.monotonic()
            if now >= next_kill:
                self.crew.kill(share)
                gap, share = next(kills)
                next_kill = now + gap
            if now >= next_look:
                self.crew.look_after()
                next_look = now + 1
                if self._has_passed(events):
                    break
            time.sleep(TICK)
        for _, event in events:
            event()

    def _kinds(self):
        "Return the faults that may happen, for the emulator"
        if self.options.kinds != 'passing':
            return self.options.kinds
        from satusehat_emulator.faults.registry import KINDS
        return '+'.join(sorted(
                name for name, kind in KINDS.items()
                if not kind.lasting and name not in {'random', *UNSEEN_LIES}))

    def _has_passed(self, events):
        "Let happen what is due; return whether most visits are sent"
        states = self._states()
        if states is None:
            return False
        done = states.get('sent', 0) / self.options.visits
        while events and events[0][0] <= done:
            events.pop(0)[1]()
        finished = sum(states.values()) == self.options.visits
        return finished and not events and done >= 0.9

    def _events(self, clinic):
        "Return [(share of visits sent, function)] in order"
        branch, share, pause = self.plan.rotation()
        id_, organization = chaos_plan.client(branch)
        secret = chaos_plan.secret(branch, 1)

        def change():
            self.platform.order(client=[id_, secret, organization])
            self._say(f"the platform gave {id_} another secret")
            self.crew.hire(
                'administrator', administrator, clinic.change_secret, pause,
                NAME, self.plan, branch, secret)
            self.result.rotated = f'{id_}, entered {pause:.0f} s later'
        events = [(share, change)]
        if self.options.database == 'postgresql':
            events += [
                (share, lambda mode=mode: self._restart(mode))
                for share, mode in self.plan.restart_shares()]
        return sorted(events, key=lambda event: event[0])

    def _restart(self, mode):
        self._say(f"database restart ({mode})")
        self.database.restart(mode)
        self.result.restarts.append(mode)

    def _states(self, parked=False):
        "Return {state: count}, None while the database is away"
        sql = 'SELECT state, count(*) FROM satusehat_submission GROUP BY state'
        if parked:
            sql = (
                "SELECT state || ' ' || coalesce(reason, ''), count(*) "
                'FROM satusehat_submission '
                "WHERE state IN ('needs_data', 'needs_admin') "
                "GROUP BY state || ' ' || coalesce(reason, '')")
        rows = self._query(sql)
        return rows if rows is None else dict(rows)

    def _is_empty(self):
        rows = self._query(
            'SELECT count(*) FROM satusehat_submission WHERE state IN '
            "('pending', 'sending', 'checking', 'waiting') "
            "OR (state <> 'sent' AND next_attempt IS NOT NULL)")
        desk_is_done = 'desk' not in self.crew._roles
        return desk_is_done and rows is not None and rows[0][0] == 0

    def _query(self, sql):
        try:
            with contextlib.closing(connect(self.database.address)) as link:
                return link.execute(sql).fetchall()
        except Exception as error:
            if not is_away(error):
                raise

    def _logs(self):
        return [
            (path.name, path.read_text(errors='replace'))
            for path in [self.log] if path.exists()]

    def _close(self):
        result = self.result
        result.witnessed = self.platform.order(witness=True)
        result.violations += [
            ('I8', 'witness', missing)
            for missing in result.witnessed['missing']]
        result.violations += [
            ('I9', 'process', crash) for crash in self.crew.crashes]
        result.kills, result.peaks = self.crew.kills, self.crew.peak()
        result.faults = faults_met(self.platform.url)
        result.seconds['all'] = self._seconds()
        if 'needs_data' in result.figures and (
                result.figures['sent']
                != self.options.visits - self.plan.strangers):
            result.violations.append((
                    'I1', 'all visits',
                    f"{result.figures['sent']} are sent, "
                    f"{self.plan.strangers} of {self.options.visits} "
                    "are of strangers"))

    def _keep_evidence(self):
        import delivery_facts
        (self.home / 'journal.json').write_text(json.dumps(
                delivery_facts.raw(self.platform.url), indent=0))
        self.say(f"database: {self.database.evidence}")
        self.say(f"journal:  {self.home / 'journal.json'}")
        self.say(f"log:      {self.log}")

    def _seconds(self):
        return round(time.monotonic() - self._begun)

    def _say(self, text):
        self.say(f'[{self._seconds():4} s] {text}')


def administrator(change, pause, *args):
    time.sleep(pause)
    change(*args)


def judge(url, seed, usage, texts, ended, drain):
    "Return (Violations, figures)"
    import delivery_facts
    import delivery_invariants as invariants
    from trytond.pool import Pool
    Pool(NAME)
    platform = delivery_facts.of(url)
    platform.resources += delivery_facts.people(json.loads(seed.read_text()))
    case = invariants.Case(
        records=invariants.delivery_records.read(NAME),
        platform=platform, usage=tuple(usage),
        texts=tuple(texts), ended=ended, drain=drain,
        grace=SETTINGS['checking_grace'])
    return (
        [tuple(v) for v in invariants.violations(case)],
        invariants.figures(case))


def faults_met(url):
    import delivery_facts
    return Counter(
        name for request in delivery_facts.of(url).requests if request.fault
        for name in request.fault.split('+'))

