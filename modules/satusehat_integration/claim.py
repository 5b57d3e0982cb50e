# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Who takes which rows of the outbox.

All in one short transaction: the branches that have something due and may
send, then one statement that takes their rows, as many of each branch.
"""

import datetime as dt
import uuid
from collections import defaultdict

from sql import Column, Literal, Null, Union
from sql.conditionals import Case, Coalesce
from sql.operators import Exists, NotIn
from trytond import backend
from trytond.pool import Pool
from trytond.transaction import Transaction

from . import breaker
from .credential import ENVIRONMENTS
from .gate import HOST, database_now

DUE = ['pending', 'checking', 'waiting', 'needs_admin']
# Leases that ended with nothing sent: the row kills its sender
POISON = 3
# A version may go once the ones before it are out of the way
SETTLED = ['sent', 'stopped']


def claim(limit, lease, after=0, busy=(), alone=False):
    """Take up to limit due rows for lease seconds.

    Returns them and the gates they probe, (environment, client id) pairs.
    To be called in a transaction of its own, committed before anything is
    sent.  after is the branch (id of the company) behind which the turn
    goes on, busy are the branches to pass over.  Rows whose sender died
    with them are taken alone only, one at a time: they harm no other.
    """
    now = database_now()
    expire(now)
    queries, probes = _rows(limit, after, busy, alone, now, lease)
    if not queries:
        return [], []
    Submission = Pool().get('satusehat.submission')
    taken = _take(queries, lease, now)
    return Submission.search([('id', 'in', taken)], order=[
            ('next_attempt', 'ASC'), ('id', 'ASC')]), probes


def expire(now):
    """A sender that did not come back may have sent: look.

    Due at once: PostgreSQL rounds to whole seconds, possibly upwards.  A
    row that ended POISON leases with nothing sent waits for a person.
    """
    cursor = Transaction().connection.cursor()
    table = _table()
    lapses = table.lapses + Case((table.begun_at == Null, 1), else_=0)
    is_poison = (table.begun_at == Null) & (lapses >= POISON)
    cursor.execute(*table.update(
            [table.state, table.claim, table.lease_until, table.lapses,
                table.next_attempt, table.reason, table.detail],
            [Case((is_poison, 'needs_admin'), else_='checking'), Null, Null,
                lapses,
                Case((is_poison, Null), else_=now.replace(microsecond=0)),
                Case((is_poison, 'poison'), else_='lease_expired'), Null],
            where=(table.state == 'sending') & (table.lease_until < now)))


def _take(rows, lease, now):
    "Claim the rows of the queries and return their ids"
    cursor = Transaction().connection.cursor()
    table = _table()
    name = str(uuid.uuid4())
    query = Union(*rows, all_=True) if len(rows) > 1 else rows[0]
    cursor.execute(*table.update(
            [table.state, table.claimed_from, table.claim, table.lease_until,
                table.attempts],
            ['sending', table.state, name, now + dt.timedelta(seconds=lease),
                table.attempts + Literal(1)],
            where=table.id.in_(query) & table.state.in_(DUE)))
    cursor.execute(*table.select(table.id, where=table.claim == name))
    return [id_ for id_, in cursor]


def _rows(limit, after, busy, alone, now, lease):
    "Return the queries of the ids to take and the gates they probe"
    Gate = Pool().get('satusehat.gate')
    gates = Gate.shut(now)
    clients = _clients() if gates else {}
    rows, probes = [], []
    for environment in _environments():
        host = gates.get((environment, HOST))
        allowed = _allowed(host, limit, now)
        shut = {
            company: gates[environment, client_id]
            for (company, place), client_id in clients.items()
            if place == environment and (environment, client_id) in gates}
        kept_out = set(busy) | {
            company for company, gate in shut.items()
            if gate.allows(now) == 0}
        companies = _companies(
            environment, min(allowed, 1 if alone else limit), after,
            kept_out, alone, now) if allowed else []
        if not companies:
            continue
        share = 1 if alone else max(1, allowed // len(companies))
        shares = defaultdict(list)
        for company in companies:
            gate = shut.get(company)
            shares[_allowed(gate, share, now)].append(company)
            if gate and breaker.is_probing(gate, now):
                probes.append(gate)
        for count, same in shares.items():
            rows += _due(same, environment, count, alone, now)
        if host and breaker.is_probing(host, now):
            probes.append(host)
    for gate in probes:
        breaker.probe(gate, now, lease)
    Gate.save(probes)
    return rows, [(g.environment, g.client_id) for g in probes]


def _allowed(gate, limit, now):
    allowed = gate.allows(now) if gate else None
    return limit if allowed is None else allowed


def _environments():
    "Return the environments of rows that wait"
    cursor = Transaction().connection.cursor()
    found = []
    for environment, _ in ENVIRONMENTS:
        table = _table()
        cursor.execute(*table.select(
                table.id, where=(table.environment == environment)
                & table.state.in_(DUE), limit=1))
        if cursor.fetchone():
            found.append(environment)
    return found


def _clients():
    "Return {(company, environment): client id}"
    cursor = Transaction().connection.cursor()
    table = Pool().get('satusehat.credential').__table__()
    cursor.execute(*table.select(
            table.company, table.environment, table.client_id))
    return {(c, e): client_id for c, e, client_id in cursor}


def _companies(environment, limit, after, kept_out, alone, now):
    "Return up to limit branches with something due, beginning after one"
    cursor = Transaction().connection.cursor()
    found = []
    for is_behind in [True, False]:
        table = Pool().get('company.company').__table__()
        row = _table()
        # One look into the index for each branch, whatever the statistics
        due = Coalesce(row.select(row.id, where=_is_due(
                    row, table.id, environment, alone, now), limit=1), 0)
        where = (table.id > after) if is_behind else (table.id <= after)
        where &= due > 0
        if kept_out:
            where &= NotIn(table.id, sorted(kept_out))
        cursor.execute(*table.select(
                table.id, where=where, order_by=table.id,
                limit=limit - len(found)))
        found += [company for company, in cursor]
        if len(found) >= limit:
            break
    return found


def _due(companies, environment, limit, alone, now):
    """Return the queries of the first due rows, up to limit of each branch.

    One for all branches where the database knows LATERAL: it would need
    longer to plan one for each than to run them.
    """
    if backend.name != 'postgresql':
        return [
            _due_of(company, environment, limit, alone, now)
            for company in companies]
    company = Pool().get('company.company').__table__()
    due = _due_of(company.id, environment, limit, alone, now).lateral()
    return [company.join(due, type_='CROSS').select(
            Column(due, 'id'), where=company.id.in_(companies))]


def _due_of(company, environment, limit, alone, now):
    table = _table()
    query = table.select(
        table.id, where=_is_due(table, company, environment, alone, now),
        order_by=[table.next_attempt.asc, table.id.asc], limit=limit)
    database = Transaction().database
    if database.has_select_for():
        For = database.get_select_for_skip_locked()
        query.for_ = For('UPDATE')
    return query.select(query.id)


def _is_due(table, company, environment, alone, now):
    earlier = _table()
    is_next = (table.version == 1) | ~Exists(earlier.select(
            Literal(1), where=(earlier.encounter == table.encounter)
            & (earlier.version < table.version)
            & NotIn(earlier.state, SETTLED)))
    return (
        (table.company == company)
        & table.state.in_(DUE)
        & (table.next_attempt <= now)
        & (table.environment == environment)
        & (table.lapses > 0 if alone else table.lapses == 0)
        & is_next)


def _table():
    return Pool().get('satusehat.submission').__table__()
