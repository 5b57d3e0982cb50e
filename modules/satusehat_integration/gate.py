# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What all senders share: tokens, pauses, breakers and pace.

One row for each client of the platform, and one without client id for the
host of each environment.
"""

import datetime as dt

from sql import Select
from sql.functions import CurrentTimestamp
from trytond.model import ModelSQL, Unique, fields
from trytond.transaction import Transaction

from . import breaker, crypto
from .platform import settings

HOST = ''
# The rate grows again by this factor in each minute without refusal
RECOVERY = 1.05
# Seconds that one may have to wait for others, at a usual pace
HORIZON = 50


def database_now():
    "Return the database's clock, UTC, without zone"
    cursor = Transaction().connection.cursor()
    cursor.execute(*Select([CurrentTimestamp()]))
    value, = cursor.fetchone()
    if isinstance(value, str):
        value = dt.datetime.fromisoformat(value)
    if value.tzinfo:
        value = value.astimezone(dt.timezone.utc)
    return value.replace(tzinfo=None)


class Gate(ModelSQL):
    __name__ = 'satusehat.gate'

    environment = fields.Char("Environment", required=True)
    client_id = fields.Char(
        "Client ID", strip=False, help="Empty for the host itself.")
    token_encrypted = fields.Char("Encrypted Token", strip=False)
    token_until = fields.Timestamp("Token until")
    blocked_until = fields.Timestamp("Blocked until")
    problem = fields.Char("Problem")
    failures = fields.Integer("Failures in a Row")
    recent = fields.Char("Recent Outcomes")
    open_until = fields.Timestamp("Open until")
    open_seconds = fields.Float("Open for")
    probe_until = fields.Timestamp("Probe until")
    paced_until = fields.Timestamp("Paced until")
    rate = fields.Float("Rate")
    rate_at = fields.Timestamp("Rate at")
    clock_skew = fields.Float(
        "Clock Skew",
        help="Seconds from this server's clock to the platform's, empty "
        "while they agree.")
    clock_skew_at = fields.Timestamp("Clock Skew at")

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_constraints.append(
            ('client_unique', Unique(t, t.environment, t.client_id),
                'satusehat_integration.msg_gate_unique'))
        cls.__rpc__.clear()

    @classmethod
    def of(cls, environment, client_id):
        "Return the gate of a client, a new one where there is none"
        gates = cls.search([
                ('environment', '=', environment),
                ('client_id', '=', client_id),
                ])
        if gates:
            return gates[0]
        empty = dict.fromkeys(_STATE)
        return cls(environment=environment, client_id=client_id, **empty)

    @classmethod
    def shut(cls, now):
        """Return {(environment, client id): gate} of those that let not all
        through: nothing, or one request to find out."""
        return {
            (g.environment, g.client_id): g for g in cls.search(['OR',
                    ('blocked_until', '>', now),
                    ('open_until', '!=', None),
                    ])}

    def token(self, now):
        """Return the token in clear, None when there is none to use.

        Raises crypto.KeyMissing; a token under a lost key is as none.
        """
        if self.token_encrypted and self.token_until > now:
            try:
                return crypto.decrypt(self.token_encrypted)
            except crypto.KeyWrong:
                return None

    def holds(self, value):
        "Whether the kept token is the one given, as far as it can be read"
        try:
            return self.token(dt.datetime.min) == value
        except crypto.KeyMissing:
            return False

    def open(self, token, lifetime, now):
        "Keep a fresh token and lift the pause"
        self.token_encrypted = crypto.encrypt(token)
        self.token_until = now + dt.timedelta(seconds=lifetime)
        self.blocked_until = None
        self.problem = None

    def is_closed(self, now):
        "Whether the client is to send nothing for now"
        return bool(self.blocked_until and self.blocked_until > now)

    def close(self, seconds, now, problem):
        "Take the token away and pause the client; problem is the reason"
        self.token_encrypted = None
        self.token_until = None
        self.blocked_until = now + dt.timedelta(seconds=seconds)
        self.problem = problem

    def pause(self, seconds, now, problem):
        "Pause the client, which keeps its token; never shortens a pause"
        until = now + dt.timedelta(seconds=seconds)
        if not self.blocked_until or self.blocked_until < until:
            self.blocked_until = until
            self.problem = problem

    def allows(self, now):
        "Return how many may be sent: 0, 1 to find out, None for no limit"
        if self.is_closed(now) or breaker.is_open(self, now):
            return 0
        return 1 if breaker.is_probing(self, now) else None

    def rest(self, now):
        "Return the seconds for which nothing is sent"
        ends = [
            until for until in [self.blocked_until, self.open_until]
            if until and until > now]
        return (max(ends) - now).total_seconds() if ends else 0

    @classmethod
    def troubled(cls, now):
        "Return {(environment, client id): rest} of those that failed lately"
        return {
            (g.environment, g.client_id): g.rest(now)
            for g in cls.search(['OR',
                    ('open_until', '!=', None),
                    ('blocked_until', '>', now),
                    ('failures', '>', 0),
                    ('recent', 'like', '%0%'),
                    ])}

    @classmethod
    def record(cls, pulses, now):
        """Keep what became of requests.

        pulses is {(environment, client id): list of (problem, at_once)} in
        their order, problem None for a request that came through; an empty
        list ends a probe that asked nothing.
        """
        current = settings.read()
        for key, outcomes in sorted(pulses.items()):
            gate = cls.of(*key)
            changed = False
            if not outcomes and gate.probe_until:
                gate.probe_until, changed = None, True
            for problem, at_once in outcomes:
                if problem is None:
                    changed |= breaker.succeed(gate)
                else:
                    breaker.fail(
                        gate, now, problem, current.breaker_pause,
                        current.breaker_cap, at_once)
                    changed = True
            if changed:
                gate.save()

    @classmethod
    def reserve(cls, environment, counts, now):
        """Return {client id: list of seconds to wait, one for each request}.

        counts is {client id: number of requests}.  The requests follow each
        other at the pace of their client and of the host.
        """
        current = settings.read()
        host = cls._slots(
            environment, HOST, [0] * sum(counts.values()),
            current.requests_per_minute_host, now)
        waits = {}
        for client_id, count in sorted(counts.items()):
            waits[client_id] = cls._slots(
                environment, client_id, host[:count],
                current.requests_per_minute, now)
            del host[:count]
        return waits

    @classmethod
    def _slots(cls, environment, client_id, earliest, limit, now):
        "Return the seconds to wait, none of them shorter than the earliest"
        if not limit:
            return earliest
        gate = cls.of(environment, client_id)
        interval = 60 / gate._rate(limit, now)
        until = max(gate.paced_until or now, now)
        # Further ahead it is a moment of a clock that was put back since
        following = min(
            (until - now).total_seconds(), max(HORIZON, 100 * interval))
        waits = []
        for seconds in earliest:
            waits.append(max(seconds, following))
            following = waits[-1] + interval
        gate.paced_until = now + dt.timedelta(seconds=following)
        gate.save()
        return waits

    def _rate(self, limit, now):
        "Return the requests per minute that the platform lately bore"
        if not self.rate:
            return limit
        quiet = max(0, (now - self.rate_at).total_seconds() / 60)
        # Grown past any limit by then, and past what a float can hold later
        return min(limit, self.rate * RECOVERY ** min(quiet, 1000))

    def slow_down(self, now):
        "Halve the pace: the platform asked for it"
        limit = settings.read().requests_per_minute
        if limit:
            self.rate = max(1, self._rate(limit, now) / 2)
            self.rate_at = now

    @classmethod
    def drop_token(cls, environment, client_id, value):
        "Forget the token if it still is the one given"
        for gate in cls.search([
                    ('environment', '=', environment),
                    ('client_id', '=', client_id),
                    ('token_encrypted', '!=', None),
                    ]):
            if gate.holds(value):
                gate.token_encrypted = None
                gate.token_until = None
                gate.save()

    @classmethod
    def vouch(cls, clients):
        """Let one request find out now, on a person's word.

        clients are (environment, client id) pairs.
        """
        now = database_now()
        keys = set(clients) | {(environment, HOST) for environment, _ in clients}
        gates = [
            g for g in cls.search([('open_until', '!=', None)])
            if (g.environment, g.client_id) in keys]
        for gate in gates:
            gate.open_until, gate.probe_until = now, None
        cls.save(gates)

    @classmethod
    def forget(cls, clients):
        "Drop what is known of the clients, (environment, client id) pairs"
        if clients:
            cls.delete(cls.search(['OR', *(
                            [('environment', '=', environment),
                                ('client_id', '=', client_id)]
                            for environment, client_id in clients)]))


_STATE = [
    'token_encrypted', 'token_until', 'blocked_until', 'problem', 'failures',
    'recent', 'open_until', 'open_seconds', 'probe_until', 'paced_until',
    'rate', 'rate_at', 'clock_skew', 'clock_skew_at']
