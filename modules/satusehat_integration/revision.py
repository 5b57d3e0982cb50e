# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The versions of a visit after its first."""

import json
from types import SimpleNamespace

from trytond.pool import Pool

from .committed import committed, reading
from .fhir import version
from .fhir.bundle import Entry
from .singly import absent, conclude
from .verdict import Halt, Verdict
from .visit import thaw
from .walk import Walk, keep_bundle


def bring(job):
    """Bring the platform from the versions before to that of the job.

    Returns the Verdict, or None where the platform holds nothing of the
    visit yet: then the Bundle of the job is to be sent like a first one.
    Raises Halt.
    """
    earlier = _earlier(job)
    if not earlier.versions:
        return _nothing(job)
    before = version.merged(earlier.versions, earlier.is_certain)
    own = job.entries if job.body else before.entries
    encounter = before.bundle['entry'][0]['resource']
    walk = Walk(
        job, [*own, *before.entries], encounter['subject']['reference'],
        *([job.subject] if job.body else []))
    if job.begun or not before.is_certain:
        walk.recall()
    if not walk.is_begun:
        return _nothing(job)
    if job.begun and (verdict := absent(walk, own)):
        return verdict
    if job.is_retraction:
        walk.go(lambda known, refused, done: tuple(
                step for step in version.retraction(before, known)
                if step.entry.full_url not in {*refused, *done}))
        return conclude(walk, own)
    if not job.is_frozen:
        committed(keep_bundle, job)
    after = version.Version(json.loads(job.body), tuple(job.entries))
    walk.go(lambda known, refused, done: version.next_steps(
            before, after, known, refused, done))
    return conclude(walk, own)


def _nothing(job):
    "Return the Verdict where nothing of the visit is on the platform"
    return Verdict('stopped', 'withdrawn') if job.is_retraction else None


def _earlier(job):
    """Return what was sent before: versions, and whether all of it arrived.

    From the last version on that arrived as a whole.
    """
    with reading():
        Submission = Pool().get('satusehat.submission')
        rows = Submission.search([
                ('encounter', '=', Submission(job.id).encounter.id),
                ('environment', '=', job.environment),
                ('version', '<', job.version),
                ['OR', ('begun', '=', True), ('state', '=', 'sent')],
                ], order=[('version', 'ASC')])
        last = max((
                index for index, row in enumerate(rows)
                if row.state == 'sent' and row.bundle), default=0)
        rows = rows[last:]
        return SimpleNamespace(
            versions=[_version(row) for row in rows if row.bundle],
            is_certain=len(rows) == 1 and rows[0].state == 'sent')


def _version(row):
    try:
        return version.Version(
            json.loads(thaw(row.bundle, row.bundle_hash)),
            tuple(Entry(**e) for e in json.loads(row.bundle_index)))
    except (ValueError, TypeError):
        raise Halt(Verdict('needs_admin', 'damaged')) from None
