# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"What all senders share: tokens and pauses, per client of the platform."

import datetime as dt

from sql import Select
from sql.functions import CurrentTimestamp
from trytond.model import ModelSQL, Unique, fields
from trytond.transaction import Transaction

from . import crypto


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
    client_id = fields.Char("Client ID", required=True, strip=False)
    token_encrypted = fields.Char("Encrypted Token", strip=False)
    token_until = fields.Timestamp("Token until")
    blocked_until = fields.Timestamp("Blocked until")
    problem = fields.Char("Problem")

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
        return cls(
            environment=environment, client_id=client_id,
            token_encrypted=None, token_until=None, blocked_until=None,
            problem=None)

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
    def forget(cls, clients):
        "Drop what is known of the clients, (environment, client id) pairs"
        if clients:
            cls.delete(cls.search(['OR', *(
                            [('environment', '=', environment),
                                ('client_id', '=', client_id)]
                            for environment, client_id in clients)]))
