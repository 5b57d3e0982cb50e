# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What the tables say about the delivery at this moment.

Each function is one statement, however many branches there are.  To be
called in a transaction that only reads.
"""

import datetime as dt
from dataclasses import dataclass

from sql import Null
from sql.aggregate import Count, Max, Min
from sql.conditionals import Case
from sql.operators import Exists, NotIn
from trytond.pool import Pool
from trytond.transaction import Transaction

from ..claim import SETTLED
from ..gate import HOST

# States that a submission leaves by itself when it is due
DUE = ['pending', 'checking', 'waiting']
# States that it leaves by itself
UNSENT = [*DUE, 'sending']
# States that are not the end: by itself or with a person's help it goes on
UNFINISHED = [*UNSENT, 'needs_data', 'needs_admin']
SWEEP = 'satusehat.submission|push'


@dataclass(frozen=True)
class Queue:
    """Submissions of a branch in one state.

    ``environment`` is None while the branch has none. ``is_held`` tells of
    corrections whose visit is not delivered yet, so that they can not go.
    ``oldest`` is when the first of them was finished (UTC, the database's
    clock).
    """
    company: int
    environment: str | None
    state: str
    is_held: bool
    depth: int
    oldest: dt.datetime


@dataclass(frozen=True)
class Branch:
    "A branch in one environment, as the platform knows it"
    company: int
    environment: str
    organization_id: str
    client_id: str


@dataclass(frozen=True)
class Gate:
    """What keeps a client, or all of a host, from sending.

    A breaker is open still while one request finds out whether it can be
    closed. A pause is what the platform asked for, or one after a refused
    token.
    """
    is_open: bool = False
    is_paused: bool = False


def queues():
    "Return the Queues of all branches; what is finished is in none"
    t = Pool().get('satusehat.submission').__table__()
    rows = t.select(
        t.id, t.company, t.environment, t.state, t.create_date,
        Case((_is_held(t), 1), else_=0).as_('is_held'),
        where=t.state.in_(UNFINISHED))
    by = [rows.company, rows.environment, rows.state, rows.is_held]
    return [
        Queue(company, environment, state, bool(held), depth, _moment(oldest))
        for company, environment, state, held, depth, oldest in _execute(
            rows.select(
                *by, Count(rows.id), Min(rows.create_date), group_by=by))]


def _is_held(table):
    "Return whether an earlier version of the same visit is in the way"
    earlier = Pool().get('satusehat.submission').__table__()
    return (table.version > 1) & Exists(earlier.select(
            earlier.id, where=(earlier.encounter == table.encounter)
            & (earlier.version < table.version)
            & NotIn(earlier.state, SETTLED)))


def oldest_unsent(queues):
    """Return when the submission was finished that waits the longest.

    Only of those that go by themselves and have where to go; None when
    there is none.
    """
    return min((
            q.oldest for q in queues
            if q.state in UNSENT and q.environment and not q.is_held),
        default=None)


def oldest_due(now):
    """Return since when a submission is due that nobody has claimed.

    None when there is none.
    """
    t = Pool().get('satusehat.submission').__table__()
    (due,), = _execute(t.select(
            Min(t.next_attempt),
            where=t.state.in_(DUE) & (t.environment != Null)
            & (t.next_attempt <= now) & ~_is_held(t)))
    return _moment(due)


def branches():
    "Return the Branches that have a credential"
    t = Pool().get('satusehat.credential').__table__()
    return [Branch(*row) for row in _execute(t.select(
                t.company, t.environment, t.organization_id, t.client_id))]


def gates(now):
    """Return {(environment, client id): Gate}, without client id the host's.

    Of all that is kept there only what can be told.
    """
    t = Pool().get('satusehat.gate').__table__()
    return {
        (environment, client_id or HOST): Gate(
            open_until is not None, _is_after(_moment(blocked_until), now))
        for environment, client_id, open_until, blocked_until in _execute(
            t.select(
                t.environment, t.client_id, t.open_until, t.blocked_until))}


def last_sweep():
    """Return when the scheduled action that sends last came to its end.

    Read from the scheduler's own log: it is written when the action has
    ended well, and only then, by whichever process ran it, and it outlives
    that process.  The next call, which also moves when the action fails,
    would tell of a scheduler that is alive and not of a sweep.
    None when there was none within the time that the log is kept.
    """
    pool = Pool()
    log = pool.get('ir.cron.log').__table__()
    cron = pool.get('ir.cron').__table__()
    (ended,), = _execute(log
        .join(cron, condition=log.cron == cron.id)
        .select(Max(log.ended), where=cron.method == SWEEP))
    return _moment(ended)


def last_request():
    "Return when the last request to the platform was noted, None without any"
    t = Pool().get('satusehat.exchange').__table__()
    rows = _execute(t.select(
            t.create_date, order_by=t.id.desc, limit=1))
    return _moment(rows[0][0]) if rows else None


def _execute(query):
    cursor = Transaction().connection.cursor()
    cursor.execute(*query)
    return cursor.fetchall()


def _moment(value):
    "Return the datetime of a column; SQLite gives the text of an aggregate"
    if isinstance(value, str):
        return dt.datetime.fromisoformat(value)
    return value


def _is_after(moment, now):
    return moment is not None and moment > now
