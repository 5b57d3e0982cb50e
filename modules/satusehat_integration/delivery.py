# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""One submission on its way: what it needs before it leaves, and what became
of it."""

import datetime as dt
import json
import logging
import time
import traceback
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from trytond import backend

from . import revision, singly
from .channel import Channel
from .committed import committed
from .fhir.answer import entry_ids, search_ids
from .fhir.bundle import Entry, build, to_bytes
from .fhir.errors import AnswerMismatch, MappingError
from .fhir.record import is_id
from .fhir.validation import validate
from .lookup import Lookup
from .platform import answer as outcomes
from .platform import settings
from .verdict import RELEASED, THROTTLE_PAUSE, Halt, Verdict, of_write
from .visit import freeze, thaw
from .walk import keep_bundle

logger = logging.getLogger(__name__)

# Seconds kept between the latest answer and the end of the lease
TURN_MARGIN = 5
# What the store's gateway answers to what it does not even read
TOO_LARGE = 413


@dataclass(eq=False)
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
    is_frozen: bool = False
    entries: list = field(default_factory=list)
    channel: Channel | None = None
    lookup: Lookup | None = None
    token: str | None = None
    stale_token: str | None = None
    exchange: int | None = None
    is_renewed: bool = False
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
    def frozen(self):
        "The columns of the outbox that keep its Bundle, none without one"
        if not self.body:
            return {}
        bundle, digest = freeze(self.body)
        return {
            'bundle': bundle,
            'bundle_hash': digest,
            'bundle_index': json.dumps([asdict(e) for e in self.entries]),
            }

    @property
    def is_retraction(self):
        "Whether it only tells that the visit was entered in error"
        return bool(self.snapshot['encounter'].get('in_error'))

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
            job.is_frozen = True
    except (ValueError, TypeError):
        job.is_damaged = True
    return job


def is_ready(job):
    "Whether the frozen or built Bundle can leave as it is, at once"
    return bool(
        job.body and job.token and not job.stale_token and not job.singly
        and (job.has_looked or not (job.begun or job.version > 1)))


def build_bundle(job, references):
    """Build and check the Bundle; raises Halt and MappingError.

    What only tells that a visit was entered in error has none.
    """
    if job.is_retraction:
        return
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
        _renew_token(job)
    job.token = job.channel.token(job.log)
    if job.body is None and not job.is_retraction:
        build_bundle(job, job.lookup.references(
                job.snapshot, job.patient, job.log))
    if job.has_looked:
        return None
    if job.begun and job.body and not job.is_frozen:
        committed(keep_bundle, job)
    if job.version > 1 and (verdict := revision.bring(job)):
        return verdict
    if job.singly:
        return singly.deliver(job)
    if job.begun and (verdict := look(job)):
        return verdict
    job.has_looked = True


def _renew_token(job):
    "Have a new token for what was turned away before the platform saw it"
    job.channel.drop(job.stale_token)
    job.stale_token = None
    try:
        job.token = job.channel.token(job.log)
    except Halt as halt:
        raise Halt(replace(halt.verdict, begun=False)) from None


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
    reason = (
        'duplicate_unseen' if job.reason in singly.UNSEEN
        else 'not_found_yet')
    if job.may_be_indexed_later:
        return Verdict('checking', reason)
    if reason == 'duplicate_unseen':
        return Verdict('needs_admin', reason)


def _adopt_found(job, encounter_id):
    found = {
        kind: job.channel.search(kind, {'encounter': encounter_id}, job.log)
        for kind in sorted({e.resource_type for e in job.entries[1:]})}
    matching = [
        search_ids(
            found[entry.resource_type], entry.resource_type,
            entry.system, entry.value)
        for entry in job.entries[1:]]
    if any(len(ids) > 1 for ids in matching):
        return Verdict('needs_admin', 'twin')
    ids = [encounter_id, *(id_ for ids in matching for id_ in ids)]
    if len(ids) < len(job.entries):
        if job.may_be_indexed_later:
            return Verdict('checking', 'partial', singly.stored(
                    job, len(ids), len(job.entries)))
        return singly.deliver(job)
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
    if answer.outcome == outcomes.UNAUTHORIZED and not job.is_renewed:
        return None
    if answer.outcome != outcomes.OK:
        if answer.outcome == outcomes.THROTTLED:
            job.channel.pause(answer.retry_after or THROTTLE_PAUSE)
        return _not_taken(job, answer)
    try:
        ids = entry_ids(answer.body, job.entries)
    except AnswerMismatch:
        ids = [None]
    if not all(map(is_id, ids)):
        return Verdict('checking', 'unrecognised', begun=True)
    return sent(job, ids)


def _not_taken(job, answer):
    """Return the Verdict on a Bundle that the platform did not take.

    It may have kept some of the entries all the same: then the others are
    sent one by one, as they are where the branch says so or the Bundle is
    too large.
    """
    verdict = of_write(answer)
    if verdict.reason == 'refused':
        verdict = replace(verdict, detail=singly.complaints(job, answer))
    is_too_large = (
        answer.status == TOO_LARGE or verdict.reason == 'request_too_large')
    if is_too_large and len(job.entries) > 1:
        return Verdict('pending', delay=0, begun=False, singly=True)
    if verdict.state != 'needs_data':
        return verdict
    if singly.is_wanted(job.company):
        return Verdict(
            'pending', 'refused', verdict.detail, delay=0, begun=True,
            singly=True)
    return _kept_all_the_same(job) or verdict


def _kept_all_the_same(job):
    "Return the Verdict on a refused Bundle of which entries are found"
    try:
        count = singly.count_stored(job)
    except Halt:
        # It is looked for before it is sent again
        return None
    if count:
        return Verdict(
            'checking', 'partial', singly.stored(
                job, count, len(job.entries)), begun=True)


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
