# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""One submission on its way: what it needs before it leaves, and what became
of it.  Nothing in here writes the outbox."""

import datetime as dt
import json
import logging
import time
import traceback
from dataclasses import dataclass, field
from pathlib import Path

from trytond import backend

from .channel import Channel
from .fhir.answer import entry_ids, search_ids
from .fhir.bundle import Entry, build, to_bytes
from .fhir.errors import AnswerMismatch, MappingError
from .fhir.record import is_id
from .fhir.validation import validate
from .lookup import Lookup
from .platform import answer as outcomes
from .platform import settings
from .verdict import RELEASED, THROTTLE_PAUSE, Halt, Verdict, of_write
from .visit import thaw

logger = logging.getLogger(__name__)

# Seconds kept between the latest answer and the end of the lease
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
    singly: bool = False
    is_damaged: bool = False
    snapshot: dict | None = None
    body: bytes | None = None
    entries: list = field(default_factory=list)
    channel: Channel | None = None
    lookup: Lookup | None = None
    token: str | None = None
    stale_token: str | None = None
    exchange: int | None = None
    closings: list = field(default_factory=list)
    has_looked: bool = False
    begun_before: tuple | None = None
    log: list = field(default_factory=list)

    @property
    def line(self):
        "The branch and environment"
        return self.company, self.environment

    @property
    def encounter(self):
        "The entry of the visit itself"
        return self.entries[0]

    @property
    def subject(self):
        "The patient's reference in the frozen Bundle"
        resource = json.loads(self.body)['entry'][0]['resource']
        return resource['subject']['reference']

    @property
    def is_late(self):
        "Whether the lease may end before an answer is settled"
        needed = settings.read().total_timeout + TURN_MARGIN
        return time.monotonic() + needed > self.deadline

    @property
    def may_be_indexed_later(self):
        "Whether the platform may hold what its search does not show yet"
        grace = dt.timedelta(seconds=settings.read().checking_grace)
        return bool(
            self.begun_at and self.claimed_at - self.begun_at < grace)


@dataclass(frozen=True)
class Sent(Verdict):
    "The platform holds the visit; rows are the values of satusehat.resource"
    rows: tuple = ()


def job_of(row, now, deadline):
    "Return the Job of a claimed record"
    job = Job(
        id=row.id, claim=row.claim, company=row.company.id,
        environment=row.environment, version=row.version,
        attempts=row.attempts, patient=row.encounter.patient.party.id,
        reason=row.reason, begun=bool(row.begun), begun_at=row.begun_at,
        singly=bool(row.singly), claimed_at=now, deadline=deadline)
    try:
        job.snapshot = json.loads(thaw(row.snapshot, row.snapshot_hash))
        if row.bundle:
            job.body = thaw(row.bundle, row.bundle_hash)
            job.entries = [Entry(**e) for e in json.loads(row.bundle_index)]
    except (ValueError, TypeError):
        job.is_damaged = True
    return job


def is_ready(job):
    "Whether the frozen or built Bundle can leave as it is, at once"
    return bool(
        job.body and job.token and not job.stale_token and not job.singly
        and (job.has_looked or not job.begun))


def build_bundle(job, references):
    "Build and check the Bundle; raises Halt and MappingError"
    bundle = build(job.snapshot, references)
    if settings.read().validate_r4b and (
            problems := validate(bundle.resource)):
        raise Halt(Verdict('needs_data', 'invalid', problems[0]))
    job.body = to_bytes(bundle.resource)
    job.entries = list(bundle.entries)


def scout(job):
    """Ask the platform what has to be known before the Bundle can leave.

    A token, the numbers of people and places, and whether the platform
    holds what an earlier attempt began.  Returns the Verdict when the job
    ends here, None when its Bundle is to be sent.
    """
    if job.stale_token:
        job.channel.drop(job.stale_token)
        job.stale_token = None
    job.token = job.channel.token(job.log)
    if job.body is None:
        build_bundle(job, job.lookup.references(
                job.snapshot, job.patient, job.log))
    if job.begun and not job.has_looked:
        if verdict := look(job):
            return verdict
        job.has_looked = True


def look(job):
    """Search the platform for what an earlier attempt may have stored.

    Returns None when it is not there and may be sent.
    """
    encounter = job.encounter
    token = f'{encounter.system}|{encounter.value}'
    found = job.channel.search('Encounter', {'identifier': token}, job.log)
    ids = search_ids(
        found, 'Encounter', encounter.system, encounter.value, job.subject)
    if len(ids) > 1:
        return Verdict('needs_admin', 'twin')
    if not ids:
        if search_ids(
                found, 'Encounter', encounter.system, encounter.value):
            return Verdict('needs_admin', 'foreign')
        return _absent(job)
    return _adopt_found(job, ids[0])


def _absent(job):
    reason = 'duplicate_unseen' if job.reason in UNSEEN else 'not_found_yet'
    if job.may_be_indexed_later:
        return Verdict('checking', reason)
    if reason == 'duplicate_unseen':
        return Verdict('needs_admin', reason)


def _adopt_found(job, encounter_id):
    found = {
        kind: job.channel.search(kind, {'encounter': encounter_id}, job.log)
        for kind in sorted({e.resource_type for e in job.entries[1:]})}
    ids = [encounter_id]
    for entry in job.entries[1:]:
        matching = search_ids(
            found[entry.resource_type], entry.resource_type,
            entry.system, entry.value)
        if len(matching) != 1:
            if job.may_be_indexed_later:
                return Verdict('checking', 'partial')
            return Verdict('needs_admin', 'incomplete')
        ids += matching
    if not all(map(is_id, ids)):
        return Verdict('needs_admin', 'unrecognised')
    return sent(job, ids)


def send(job):
    """Post the frozen bytes and return the Answer.

    Raises Halt when it must not leave any more.
    """
    if job.channel.is_paused or job.is_late:
        raise Halt(RELEASED)
    return job.channel.post('', job.body, job.token, expect=['Bundle'])


def judge(job, answer):
    """Return the Verdict on the answer to the Bundle.

    None asks to send it once more with a new token: the gateway turned the
    request away before the platform saw it.
    """
    if answer.outcome == outcomes.UNAUTHORIZED and not job.closings:
        return None
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


def guarded(step, job, state):
    """Return what the step returns for the job, or the Verdict of its end.

    Only what the database can not do now leaves as an exception: any other
    error of ours parks the job in the given state.
    """
    try:
        return step(job)
    except Halt as halt:
        return halt.verdict
    except MappingError as e:
        return Verdict('needs_data', 'mapping', e.field)
    except backend.DatabaseOperationalError:
        raise
    except Exception as e:
        return unforeseen(job, e, state)


def unforeseen(job, error, state):
    """Return the Verdict after an error of ours, and log it.

    Only its kind and place are told: its text may quote the visit.
    """
    frame = traceback.extract_tb(error.__traceback__)[-1]
    text = f'{type(error).__name__} ({Path(frame.filename).name}:{frame.lineno})'
    logger.error("unforeseen %s with submission %s", text, job.id)
    return Verdict(state, 'internal', text)
