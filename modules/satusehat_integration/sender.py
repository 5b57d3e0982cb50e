# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The sender: claim, prepare, freeze, send, settle.

Each step has its own short transactions, and none is open while the
platform is asked.  Threads make requests and nothing else.
"""

import datetime as dt
import json
import logging
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from trytond import backend
from trytond.pool import Pool

from .channel import Channel
from .committed import committed
from .exceptions import ResourceIdConflict
from .exchange import closing_write
from .fhir.answer import entry_ids, search_ids
from .fhir.bundle import Entry, build, to_bytes
from .fhir.errors import AnswerMismatch, MappingError
from .fhir.record import is_id
from .fhir.validation import validate
from .gate import database_now
from .lookup import Lookup
from .platform import answer as outcomes
from .platform import settings
from .verdict import THROTTLE_PAUSE, Halt, Verdict, of_write
from .visit import freeze, thaw

logger = logging.getLogger(__name__)

TURN_MARGIN = 5
# The platform said that it has the visit and then did not show it
UNSEEN = {'duplicate', 'duplicate_unseen'}


@dataclass
class Job:
    "A claimed submission as plain data"
    id: int
    claim: str
    company: int
    environment: str
    version: int
    attempts: int
    patient: int
    reason: str | None
    begun: bool
    begun_at: dt.datetime | None
    claimed_at: dt.datetime
    deadline: float
    is_damaged: bool = False
    snapshot: dict | None = None
    body: bytes | None = None
    entries: list = field(default_factory=list)
    channel: Channel | None = None
    lookup: Lookup | None = None
    token: str | None = None
    exchange: int | None = None
    log: list = field(default_factory=list)
    is_released: bool = False

    @property
    def encounter(self):
        "The entry of the visit itself"
        return self.entries[0]

    @property
    def subject(self):
        "The patient's reference in the frozen Bundle"
        resource = json.loads(self.body)['entry'][0]['resource']
        return resource['subject']['reference']

    def is_late(self, margin):
        "Whether the lease may end before an answer is settled"
        return time.monotonic() + margin > self.deadline


class Sender:
    "Delivers due submissions of all branches until none is left or time is up"

    def __init__(self):
        self.settings = settings.read()
        self._until = time.monotonic() + self.settings.push_seconds
        self._lines = {}

    def run(self):
        "Claim and deliver in batches"
        with ThreadPoolExecutor(self.settings.connections) as pool:
            while time.monotonic() < self._until:
                jobs = committed(self.claim)
                if not jobs or not self.deliver(jobs, pool):
                    break

    def claim(self):
        "Take due rows and return them as jobs"
        deadline = time.monotonic() + self.settings.lease
        Submission = Pool().get('satusehat.submission')
        rows = Submission.claim_due(
            self.settings.batch_size, self.settings.lease)
        now = database_now()
        return [_job(row, now, deadline) for row in rows]

    def deliver(self, jobs, pool):
        """Bring each job as far as it goes.

        Returns whether any was dealt with: with a lease too short for one
        request none ever is.
        """
        ready = [job for job in jobs if self._is_ready(job)]
        size = self.settings.connections
        for start in range(0, len(ready), size):
            turn = [
                job for job in ready[start:start + size]
                if self._is_on_time(job)]
            sendings = [
                (job, pool.submit(send, job))
                for job in (committed(self.freeze, turn) if turn else [])]
            for job, sending in sendings:
                self.receive(job, sending)
        return not all(job.is_released for job in jobs)

    def _is_ready(self, job):
        "Whether the job can be sent; it is settled when not"
        if not self._is_on_time(job):
            return False
        if verdict := self.prepare(job):
            self.settle(job, verdict)
        return not verdict

    def prepare(self, job):
        """Make the job ready to send; return a Verdict when it is not.

        What was begun before is looked for.  Nothing of the visit is written
        to the platform here.
        """
        try:
            if job.is_damaged:
                return Verdict('needs_admin', 'damaged')
            job.channel, job.lookup = self._line(job)
            job.token = job.channel.token(job.log)
            if job.body is None:
                self.build(job)
            if job.begun:
                return self.look(job)
        except Halt as halt:
            return halt.verdict
        except MappingError as e:
            return Verdict('needs_data', 'mapping', e.field)
        except backend.DatabaseOperationalError:
            raise
        except Exception as e:
            return unforeseen(job, e, 'needs_admin')

    def _line(self, job):
        "Return the channel and the look-ups of the job's branch"
        key = (job.company, job.environment)
        if key not in self._lines:
            channel = Channel(*key)
            self._lines[key] = channel, Lookup(channel)
        return self._lines[key]

    def look(self, job):
        """Search the platform for what an earlier attempt may have stored.

        Returns None when it is not there and may be sent.
        """
        encounter = job.encounter
        token = f'{encounter.system}|{encounter.value}'
        found = job.channel.search(
            'Encounter', {'identifier': token}, job.log)
        ids = search_ids(
            found, 'Encounter', encounter.system, encounter.value, job.subject)
        if len(ids) > 1:
            return Verdict('needs_admin', 'twin')
        if not ids:
            if search_ids(
                    found, 'Encounter', encounter.system, encounter.value):
                return Verdict('needs_admin', 'foreign')
            return self._absent(job)
        return self._adopt_found(job, ids[0])

    def _absent(self, job):
        reason = (
            'duplicate_unseen' if job.reason in UNSEEN else 'not_found_yet')
        if self._may_be_indexed_later(job):
            return Verdict('checking', reason)
        if reason == 'duplicate_unseen':
            return Verdict('needs_admin', reason)

    def _may_be_indexed_later(self, job):
        grace = dt.timedelta(seconds=self.settings.checking_grace)
        return job.begun_at and job.claimed_at - job.begun_at < grace

    def _adopt_found(self, job, encounter_id):
        found = {
            kind: job.channel.search(
                kind, {'encounter': encounter_id}, job.log)
            for kind in sorted({e.resource_type for e in job.entries[1:]})}
        ids = [encounter_id]
        for entry in job.entries[1:]:
            matching = search_ids(
                found[entry.resource_type], entry.resource_type,
                entry.system, entry.value)
            if len(matching) != 1:
                if self._may_be_indexed_later(job):
                    return Verdict('checking', 'partial')
                return Verdict('needs_admin', 'incomplete')
            ids += matching
        if not all(map(is_id, ids)):
            return Verdict('needs_admin', 'unrecognised')
        return sent(job, ids)

    def build(self, job):
        "Build and check the Bundle; raises Halt and MappingError"
        references = job.lookup.references(
            job.snapshot, job.patient, job.log)
        bundle = build(job.snapshot, references)
        if problems := validate(bundle.resource):
            raise Halt(Verdict('needs_data', 'invalid', problems[0]))
        job.body = to_bytes(bundle.resource)
        job.entries = list(bundle.entries)

    def freeze(self, jobs):
        """Write the bytes and the rows of the requests about to leave.

        To be committed before the first byte goes out: from then on the
        platform may hold the visits.  Returns the jobs that still are this
        sender's; the others must not be sent.
        """
        pool = Pool()
        Submission = pool.get('satusehat.submission')
        Exchange = pool.get('satusehat.exchange')
        jobs = _still_held(jobs)
        now = database_now()
        to_write = []
        for job in jobs:
            bundle, digest = freeze(job.body)
            to_write.extend(([Submission(job.id)], {
                        'bundle': bundle,
                        'bundle_hash': digest,
                        'bundle_index': json.dumps(
                            [asdict(e) for e in job.entries]),
                        'begun': True,
                        'begun_at': now,
                        }))
        if to_write:
            Submission.write(*to_write)
        exchanges = Exchange.create([{
                    **job.channel.opening('', now),
                    'submission': job.id,
                    } for job in jobs])
        for job, exchange in zip(jobs, exchanges, strict=True):
            job.exchange = exchange.id
            job.begun, job.begun_at = True, now
        return jobs

    def _is_on_time(self, job):
        """Whether the job may be sent now.

        When its lease is about to end, or its client is paused since it was
        made ready, it is settled as not begun.
        """
        if job.is_late(self.settings.total_timeout + TURN_MARGIN):
            job.is_released = True
            state = 'checking' if job.begun_at else 'pending'
            self.settle(job, Verdict(state, job.reason, delay=0))
            return False
        try:
            if job.channel:
                job.channel.check_pause()
        except Halt as halt:
            self.settle(job, halt.verdict)
            return False
        return True

    def receive(self, job, sending):
        "Settle a sent job by what the platform answered"
        answer = None
        try:
            answer = sending.result()
            if answer.outcome == outcomes.UNAUTHORIZED:
                answer = self._send_once_more(job, answer)
            verdict = self.judge(job, answer)
        except Halt as halt:
            verdict = replace(halt.verdict, begun=False)
        except backend.DatabaseOperationalError:
            raise
        except Exception as e:
            answer, verdict = None, unforeseen(job, e, 'checking')
        self.settle(job, verdict, answer)

    def _send_once_more(self, job, answer):
        """Send again with a new token what was refused for the old one.

        The gateway turned the request away before the platform saw it.
        Raises Halt when that can not be done now.
        """
        job.channel.drop(job.token)
        job.token = job.channel.token(job.log)
        if job.is_late(self.settings.total_timeout + TURN_MARGIN):
            raise Halt(Verdict('pending', delay=0))
        committed(self._write_exchange, job, answer)
        if not committed(self.freeze, [job]):
            return answer
        return send(job)

    def judge(self, job, answer):
        "Return the Verdict on the answer to the Bundle"
        if answer.outcome != outcomes.OK:
            if answer.outcome == outcomes.THROTTLED:
                job.channel.pause(answer.retry_after or THROTTLE_PAUSE)
            return of_write(answer)
        try:
            ids = entry_ids(answer.body, job.entries)
        except AnswerMismatch:
            ids = [None]
        if not all(map(is_id, ids)):
            return Verdict('checking', 'unrecognised', begun=True)
        return sent(job, ids)

    def settle(self, job, verdict, answer=None):
        """Write what became of the job, in one transaction.

        A late settle, of a job that another sender has claimed since,
        changes nothing but the row of its own request.  What can not be
        written parks the job: it must neither stop the others nor come back
        for ever.
        """
        try:
            committed(self._settle, job, verdict, answer)
        except backend.DatabaseOperationalError:
            raise
        except Exception as e:
            job.log.clear()
            committed(
                self._settle, job, unforeseen(job, e, 'needs_admin'), None)

    def _settle(self, job, verdict, answer):
        pool = Pool()
        Submission = pool.get('satusehat.submission')
        Exchange = pool.get('satusehat.exchange')
        Resource = pool.get('satusehat.resource')
        if answer is not None:
            self._write_exchange(job, answer)
        Exchange.create([{**row, 'submission': job.id} for row in job.log])
        submission = Submission(job.id)
        if submission.claim != job.claim:
            logger.warning("late settle of submission %s ignored", job.id)
            return
        if isinstance(verdict, Sent):
            try:
                Resource.adopt(verdict.rows)
            except ResourceIdConflict:
                verdict = Verdict('needs_admin', 'id_conflict')
        now = database_now()
        Submission.write(
            [submission], _values(job, verdict, now.replace(microsecond=0)))

    @staticmethod
    def _write_exchange(job, answer):
        Exchange = Pool().get('satusehat.exchange')
        Exchange.write([Exchange(job.exchange)], closing_write(answer))


@dataclass(frozen=True)
class Sent(Verdict):
    "The platform holds the visit; rows are the values of satusehat.resource"
    rows: tuple = ()


def sent(job, ids):
    "Return the verdict for ids the platform gave, parallel to the entries"
    return Sent('sent', begun=False, rows=tuple({
                'environment': job.environment,
                'resource_type': entry.resource_type,
                'resource_id': resource_id,
                'record': f'{entry.model},{entry.record}',
                'key': entry.key or '',
                'company': job.company,
                } for entry, resource_id in zip(
                    job.entries, ids, strict=True)))


def send(job):
    "Post the frozen bytes and return the Answer; no database in here"
    return job.channel.post('', job.body, job.token, expect=['Bundle'])


def unforeseen(job, error, state):
    """Return the Verdict after an error of ours, and log it.

    Only its kind and place are told: its text may quote the visit.
    """
    frame = traceback.extract_tb(error.__traceback__)[-1]
    text = f'{type(error).__name__} ({Path(frame.filename).name}:{frame.lineno})'
    logger.error("unforeseen %s with submission %s", text, job.id)
    return Verdict(state, 'internal', text)


def _still_held(jobs):
    "Return the jobs whose rows no other sender has claimed since"
    Submission = Pool().get('satusehat.submission')
    claims = {
        row.id: row.claim for row in Submission.search(
            [('id', 'in', [job.id for job in jobs])])}
    held = [job for job in jobs if claims.get(job.id) == job.claim]
    if lost := {job.id for job in jobs} - {job.id for job in held}:
        logger.warning("claims of submissions %s were lost", sorted(lost))
    return held


def _job(row, now, deadline):
    job = Job(
        id=row.id, claim=row.claim, company=row.company.id,
        environment=row.environment, version=row.version,
        attempts=row.attempts, patient=row.encounter.patient.party.id,
        reason=row.reason, begun=bool(row.begun), begun_at=row.begun_at,
        claimed_at=now, deadline=deadline)
    try:
        job.snapshot = json.loads(thaw(row.snapshot, row.snapshot_hash))
        if row.bundle:
            job.body = thaw(row.bundle, row.bundle_hash)
            job.entries = [Entry(**e) for e in json.loads(row.bundle_index)]
    except (ValueError, TypeError):
        job.is_damaged = True
    return job


def _values(job, verdict, now):
    values = {
        'state': verdict.state,
        'reason': verdict.reason,
        'detail': verdict.detail,
        'claim': None,
        'lease_until': None,
        'next_attempt': None,
        }
    if verdict.state in {'pending', 'checking', 'waiting'}:
        values['next_attempt'] = now + dt.timedelta(
            seconds=verdict.pause(job.attempts))
    if verdict.state == 'sent':
        values['sent_at'] = now
    if verdict.begun is False:
        values['begun_at'] = None
    return values
