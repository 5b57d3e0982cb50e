# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Counts of the requests to the platform that only ever grow.

A Prometheus counter must never go down, must be the same whichever server
process answers, and must not cost a walk through all of
`satusehat.exchange` at each scrape.  Senders are processes that come and go,
so nothing is counted in memory.  Instead the exchanges themselves are the
count: those that can not change any more are added to the rows of
`satusehat.exchange.tally` by a scheduled action, each once, up to the
exchange that `last_exchange` names; those after it are counted at the
scrape, as far as they are closed.  An exchange only goes from open to
closed and from there into the tally, so no count is taken back, not even
when old exchanges are deleted.  Only the restore of a backup sets the counts
back, which Prometheus takes for the restart it is.
"""

import datetime as dt
import re
from collections import defaultdict
from dataclasses import dataclass

from sql import Null
from sql.aggregate import Count, Max, Min, Sum
from sql.conditionals import Case
from sql.functions import Function
from trytond.model import ModelSQL, Unique, fields
from trytond.pool import Pool
from trytond.transaction import Transaction

from ..gate import database_now
from ..platform import settings

# Upper limits of durations in milliseconds, up to the longest request
LIMITS = (100, 250, 500, 1000, 2500, 5000, 10000, 30000, 60000)
NO_LIMIT = 2 ** 31 - 1
NO_DURATION = 0
NO_RULE = 0
OTHER_RULE = -1
METHODS = {'GET', 'POST', 'PUT', 'PATCH', 'DELETE'}
# Exchanges after the tally that one scrape counts at most; with more of them
# the counts lag behind until the scheduled action has run again
MOST_RECENT = 50_000
SHORTEST_WAIT = 600
_RESOURCE_TYPE = re.compile(r'[A-Z][A-Za-z]{1,39}|accesstoken')
_RULE = re.compile(r'[0-9]{5}')


class _SplitPart(Function):
    __slots__ = ()
    _function = 'SPLIT_PART'


@dataclass(frozen=True)
class Key:
    """What is counted together.

    A Key with a rule counts refusals by it, one without counts exchanges.
    ``duration_limit``, in milliseconds, is exceeded by none of them.
    """
    environment: str
    method: str
    resource_type: str
    outcome: str
    rule: int = NO_RULE
    duration_limit: int = NO_DURATION


class Tally(ModelSQL):
    __name__ = 'satusehat.exchange.tally'

    environment = fields.Char("Environment", required=True)
    method = fields.Char("Method", required=True)
    resource_type = fields.Char("Resource Type", required=True)
    outcome = fields.Char("Outcome", required=True)
    rule = fields.Integer(
        "Rule Number", required=True,
        help="0 where exchanges are counted and not refusals.")
    duration_limit = fields.Integer(
        "Duration up to (ms)", required=True,
        help="0 where there was no answer to wait for.")
    total = fields.Integer("Total", required=True)
    seconds = fields.Float("Seconds", required=True)
    last_exchange = fields.Integer("Last Exchange", required=True)

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_constraints.append(
            ('key_unique', Unique(t, *(getattr(t, n) for n in _KEY)),
                'satusehat_integration.msg_exchange_tally_unique'))
        cls.__rpc__.clear()

    @classmethod
    def add_settled(cls):
        """Add the exchanges that can not change any more (scheduled action).

        Those are older than two leases: by then their sender has closed
        them or is gone, and no earlier one is still to be committed.
        """
        _, last = cls._kept()
        until = cls._settled_until(last)
        if until <= last:
            return
        rows = {_key(row): row for row in cls.search([])}
        for key, (total, seconds, last_exchange) in _count(
                last, until, closed=False).items():
            if key in rows:
                row = rows[key]
            else:
                row = rows[key] = cls(**vars(key), total=0, seconds=0)
            row.total += total
            row.seconds += seconds
            row.last_exchange = last_exchange
        cls.save(list(rows.values()))

    @classmethod
    def totals(cls):
        """Return {Key: (total, seconds)} over all exchanges until now.

        ``seconds`` is the sum of their durations.
        """
        kept, last = cls._kept()
        totals = defaultdict(lambda: (0, 0.0))
        totals.update(kept)
        for key, (total, seconds, _) in _count(
                last, last + MOST_RECENT, closed=True).items():
            before = totals[key]
            totals[key] = before[0] + total, before[1] + seconds
        return dict(totals)

    @classmethod
    def _kept(cls):
        "Return {Key: (total, seconds)} and the last exchange counted there"
        cursor = Transaction().connection.cursor()
        t = cls.__table__()
        cursor.execute(*t.select(
                *(getattr(t, name) for name in _KEY),
                t.total, t.seconds, t.last_exchange))
        kept, last = {}, 0
        for *key, total, seconds, last_exchange in cursor:
            kept[Key(*key)] = total, seconds
            last = max(last, last_exchange)
        return kept, last

    @classmethod
    def _settled_until(cls, last):
        "Return the last exchange before the first that may still change"
        cursor = Transaction().connection.cursor()
        t = Pool().get('satusehat.exchange').__table__()
        wait = max(SHORTEST_WAIT, 2 * settings.read().lease)
        since = database_now() - dt.timedelta(seconds=wait)
        cursor.execute(*t.select(
                Max(t.id), Min(Case((t.create_date > since, t.id))),
                where=t.id > last))
        newest, unsettled = cursor.fetchone()
        return unsettled - 1 if unsettled else newest or last


_KEY = tuple(Key.__dataclass_fields__)


def _key(row):
    return Key(*(getattr(row, name) for name in _KEY))


def _count(last, until, closed):
    """Return {Key: (total, seconds, last exchange)} of exchanges by id.

    Those after ``last`` up to ``until``, all or only the ``closed`` ones.
    """
    counts = {}
    for environment, method, name, outcome, rules, limit, *figures in (
            _groups(last, until, closed)):
        place = (
            environment, method_of(method), type_of(name),
            outcome or 'unknown')
        total, duration, newest = figures
        _add(counts, Key(*place, duration_limit=limit),
            total, (duration or 0) / 1000, newest)
        for rule in rules_of(rules):
            _add(counts, Key(*place, rule=rule), total, 0, newest)
    return counts


def _add(counts, key, total, seconds, newest):
    before = counts.get(key, (0, 0.0, 0))
    counts[key] = (
        before[0] + total, before[1] + seconds, max(before[2], newest))


def _groups(last, until, closed):
    cursor = Transaction().connection.cursor()
    t = Pool().get('satusehat.exchange').__table__()
    where = (t.id > last) & (t.id <= until)
    if closed:
        where &= t.duration != Null
    limit = Case(
        (t.duration == Null, NO_DURATION),
        *((t.duration <= limit, limit) for limit in LIMITS),
        else_=NO_LIMIT)
    rows = t.select(
        t.id, t.environment, t.method, t.outcome, t.rules, t.duration,
        _SplitPart(t.path, '/', 4).as_('name'), limit.as_('duration_limit'),
        where=where)
    by = [
        rows.environment, rows.method, rows.name, rows.outcome, rows.rules,
        rows.duration_limit]
    cursor.execute(*rows.select(
            *by, Count(rows.id), Sum(rows.duration), Max(rows.id),
            group_by=by))
    return cursor.fetchall()


def method_of(method):
    "Return the HTTP method, 'other' for what is none of ours"
    return method if method in METHODS else 'other'


def type_of(name):
    """Return the type of resource that the fourth part of a path names.

    A transaction is posted to the base itself.  The count must stay small
    and free of ids, so anything that does not look like a type is 'other'.
    """
    if not name:
        return 'Bundle'
    return name if _RESOURCE_TYPE.fullmatch(name) else 'other'


def rules_of(text):
    """Return the numbers of the rules in the field of an exchange.

    The published ones have five digits (SATUSEHAT, validation dictionary);
    what else the platform calls a rule is counted as OTHER_RULE.
    """
    return [
        int(rule) if _RULE.fullmatch(rule) else OTHER_RULE
        for rule in (text or '').split(', ') if rule]
