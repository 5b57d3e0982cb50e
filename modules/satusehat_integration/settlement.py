# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What is written about claimed submissions: before they leave, and after.

Each function is to be run in a transaction of its own.
"""

import datetime as dt
import logging
from collections import Counter, defaultdict
from dataclasses import dataclass

from sql.aggregate import Max
from trytond.pool import Pool
from trytond.transaction import Transaction

from . import rows
from .delivery import Job, Sent
from .exceptions import ResourceIdConflict
from .exchange import closing_write
from .gate import database_now
from .platform.answer import Answer
from .verdict import Verdict

logger = logging.getLogger(__name__)

PLANNED = {'pending', 'checking', 'waiting'}


@dataclass
class Result:
    "What became of a job; answer is that to the last write, if any"
    job: Job
    verdict: Verdict
    answer: Answer | None = None


def freeze(jobs):
    """Write the bytes and the rows of the requests about to leave.

    To be committed before the first byte goes out: from then on the
    platform may hold the visits.  Returns the jobs that still are this
    sender's; the others must not be sent.
    """
    pool = Pool()
    Submission = pool.get('satusehat.submission')
    Exchange = pool.get('satusehat.exchange')
    jobs = held(jobs)
    now = database_now()
    rows.update([
            (Submission(job.id), {
                **job.frozen, 'begun': True, 'begun_at': now})
            for job in jobs])
    rows.insert(Exchange, [{
                **job.channel.opening('', now),
                'submission': job.id,
                } for job in jobs])
    exchanges = _last_exchanges(jobs)
    for job in jobs:
        job.exchange = exchanges[job.id]
        job.begun_before = job.begun_before or (job.begun, job.begun_at)
        job.begun, job.begun_at, job.has_looked = True, now, True
    return jobs


def _last_exchanges(jobs):
    "Return {submission id: id of the newest row of its requests}"
    cursor = Transaction().connection.cursor()
    table = Pool().get('satusehat.exchange').__table__()
    cursor.execute(*table.select(
            table.submission, Max(table.id),
            where=table.submission.in_([job.id for job in jobs] or [None]),
            group_by=table.submission))
    return dict(cursor)


def held(jobs):
    "Return the jobs whose rows no other sender has claimed since"
    claims = _claims(jobs)
    kept = [job for job in jobs if claims.get(job.id) == job.claim]
    if lost := {job.id for job in jobs} - {job.id for job in kept}:
        logger.warning("claims of submissions %s were lost", sorted(lost))
    return kept


def _claims(jobs):
    cursor = Transaction().connection.cursor()
    table = Pool().get('satusehat.submission').__table__()
    cursor.execute(*table.select(
            table.id, table.claim,
            where=table.id.in_([job.id for job in jobs] or [None])))
    return dict(cursor)


def settle(results):
    """Write what became of the jobs.

    A late settle, of a job that another sender has claimed since, changes
    nothing but the rows of its own requests.
    """
    pool = Pool()
    Submission = pool.get('satusehat.submission')
    _write_exchanges(results)
    claims = _claims([r.job for r in results])
    own = [r for r in results if claims.get(r.job.id) == r.job.claim]
    for result in results:
        if result not in own:
            logger.warning(
                "late settle of submission %s ignored", result.job.id)
    _adopt(own)
    now = database_now().replace(microsecond=0)
    to_write = []
    for result in own:
        if result.verdict.state != 'released':
            to_write.append((
                    Submission(result.job.id),
                    _values(result.job, result.verdict, now)))
    rows.update(to_write)
    _release([r.job for r in own if r.verdict.state == 'released'])
    if refused := [r.job.id for r in own if r.verdict.state == 'needs_data']:
        Submission.give_way(Submission.browse(refused))


def _write_exchanges(results):
    Exchange = Pool().get('satusehat.exchange')
    to_write = []
    not_sent = []
    for result in results:
        exchange = Exchange(result.job.exchange)
        if result.answer is not None:
            to_write.append((exchange, closing_write(result.answer)))
        elif result.verdict.state == 'released' and result.job.exchange:
            not_sent.append(exchange)
    rows.update(to_write)
    if not_sent:
        Exchange.delete(not_sent)
    Exchange.create([
            {**row, 'submission': result.job.id}
            for result in results for row in result.job.log])


def _adopt(results):
    "Store the ids of what was sent; who has another id already is parked"
    Resource = Pool().get('satusehat.resource')
    new = [r for r in results if isinstance(r.verdict, Sent)]
    try:
        Resource.adopt([row for r in new for row in r.verdict.rows])
    except ResourceIdConflict:
        for result in new:
            try:
                Resource.adopt(result.verdict.rows)
            except ResourceIdConflict:
                result.verdict = Verdict('needs_admin', 'id_conflict')


def _values(job, verdict, now):
    values = {
        'state': verdict.state,
        'reason': verdict.reason,
        'detail': verdict.detail,
        'claim': None,
        'lease_until': None,
        'next_attempt': None,
        'lapses': 0,
        }
    if verdict.shared:
        # The next probe, whenever the breaker lets one through
        values['next_attempt'] = now
    elif verdict.state in PLANNED:
        values['next_attempt'] = now + dt.timedelta(
            seconds=verdict.pause(job.attempts))
    if verdict.state == 'sent':
        values['sent_at'] = now
    if verdict.begun is False:
        values['begun_at'] = None
    if verdict.singly:
        values['singly'] = True
    return values


def _release(jobs):
    "Put rows back as they were before their claim, for nothing was tried"
    Submission = Pool().get('satusehat.submission')
    to_write = []
    for job, row in zip(
            jobs, Submission.browse([job.id for job in jobs]), strict=True):
        begun, begun_at = job.begun_before or (row.begun, row.begun_at)
        to_write.append((row, {
                    'state': row.claimed_from or 'pending',
                    'claim': None,
                    'lease_until': None,
                    'attempts': row.attempts - 1,
                    'begun': begun,
                    'begun_at': begun_at,
                    }))
    rows.update(to_write)


def record(pulses):
    """Tell the breakers what became of requests.

    pulses is a list of (environment, client id, problem or None, whether it
    opens at once).  Returns {(environment, client id): seconds for which
    nothing is to be sent} of all that failed lately.
    """
    Gate = Pool().get('satusehat.gate')
    now = database_now()
    grouped = defaultdict(list)
    for environment, client_id, problem, at_once in pulses:
        grouped[environment, client_id].append((problem, at_once))
    Gate.record(grouped, now)
    return Gate.troubled(now)


def end_probes(clients):
    "Note that the probes of (environment, client id) pairs are over"
    Gate = Pool().get('satusehat.gate')
    Gate.record({client: [] for client in clients}, database_now())


def reserve(jobs):
    "Return the seconds each job is to wait for its turn, in their order"
    Gate = Pool().get('satusehat.gate')
    now = database_now()
    counts = defaultdict(Counter)
    for job in jobs:
        counts[job.environment][job.channel.client_id] += 1
    waits = {
        environment: Gate.reserve(environment, clients, now)
        for environment, clients in sorted(counts.items())}
    return [
        waits[job.environment][job.channel.client_id].pop(0) for job in jobs]
