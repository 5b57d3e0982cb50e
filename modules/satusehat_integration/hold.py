# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Why nothing is sent for a branch for now, whatever it has to send.

As the gates tell it: that of the branch's client comes before that of the
host, which other branches have to wait for too.
"""

import datetime as dt
from dataclasses import dataclass

from sql import Null
from sql.conditionals import Case, Coalesce, Greatest
from trytond.pool import Pool
from trytond.transaction import Transaction

from .gate import HOST, database_now

# A token is being fetched: nothing that people have to know
FETCHING = 'token_pending'
# What a gate calls otherwise than a submission does
PROBLEMS = {'unauthorized': 'secret_refused'}
# The states of the submissions that a hold keeps from being tried
HELD = ['pending', 'waiting']
# The one that met the fault itself: it is the next probe, if it has a time
MET = 'needs_admin'


@dataclass(frozen=True)
class Hold:
    "Why nothing is sent for a branch, and until when (UTC, may be None)"
    reason: str
    until: dt.datetime | None


def holds():
    "Return {(company id, environment): Hold} of all branches that are held"
    cursor = Transaction().connection.cursor()
    cursor.execute(*held_branches(database_now()))
    return {
        (company, environment): Hold(reason, moment(until))
        for company, environment, reason, until in cursor}


def held_branches(now):
    "Return the query of company, environment, reason and until of the holds"
    credential = Pool().get('satusehat.credential').__table__()
    client, host = _shut(now), _shut(now)
    return (credential
        .join(client, 'LEFT',
            condition=(client.environment == credential.environment)
            & (client.client_id == credential.client_id))
        .join(host, 'LEFT',
            condition=(host.environment == credential.environment)
            & (host.client_id == HOST))
        .select(
            credential.company, credential.environment,
            Coalesce(client.reason, host.reason).as_('reason'),
            Case((client.reason != Null, client.until),
                else_=host.until).as_('until'),
            where=(client.reason != Null) | (host.reason != Null)))


def _shut(now):
    "Return the query of the gates that let not all through"
    gate = Pool().get('satusehat.gate').__table__()
    return gate.select(
        gate.environment, Coalesce(gate.client_id, HOST).as_('client_id'),
        Case(
            *((gate.problem == name, reason)
                for name, reason in PROBLEMS.items()),
            else_=gate.problem).as_('reason'),
        Greatest(*(
                Coalesce(end, gate.open_until, gate.blocked_until)
                for end in [
                    gate.open_until, gate.probe_until, gate.blocked_until]
                )).as_('until'),
        where=((gate.blocked_until > now) | (gate.open_until != Null))
        & (gate.problem != Null) & (gate.problem != FETCHING))


def moment(value):
    "Return the moment that a computed column holds; SQLite tells its text"
    return dt.datetime.fromisoformat(value) if isinstance(
        value, str) else value
