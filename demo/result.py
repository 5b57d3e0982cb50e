# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"What became of the visits: the table at the end of the demo."

from collections import Counter
from typing import NamedTuple

from .console import seconds, table

HEADS = (
    "Kunjungan", "Pasien", "Status", "Encounter SATUSEHAT", " Permintaan",
    " Waktu")


class Outcome(NamedTuple):
    "One visit; requests counts HTTP requests, duration is in milliseconds"
    number: str
    patient: str
    state: str
    label: str
    encounter_id: str | None
    requests: int
    duration: int
    reason: str | None

    @property
    def is_sent(self):
        return self.state == 'sent'


def outcomes(admin, refusals):
    """Return the Outcomes of all visits, in the order they took place.

    refusals: {number: what the practitioner was told at the finish button}.
    """
    requests, durations = Counter(), Counter()
    for row in admin.rows(
            'satusehat.exchange', [('submission', '!=', None)],
            ['submission.encounter', 'duration']):
        encounter = row['submission.']['encounter']
        requests[encounter] += 1
        durations[encounter] += row['duration'] or 0
    visit_states = admin.labels('clinic.encounter', 'state')
    states = admin.labels('clinic.encounter', 'satusehat_state')
    visits = admin.rows(
        'clinic.encounter', [], [
            'number', 'patient.name', 'state', 'satusehat_id',
            'satusehat_state', 'satusehat_note'],
        order=[('arrived_at', 'ASC'), ('id', 'ASC')])
    return [
        Outcome(
            number=visit['number'],
            patient=visit['patient.']['name'],
            state=visit['satusehat_state'] or visit['state'],
            label=(
                states.get(visit['satusehat_state'])
                if visit['satusehat_state'] else visit_states[visit['state']]),
            encounter_id=visit['satusehat_id'],
            requests=requests[visit['id']],
            duration=durations[visit['id']],
            reason=_reason(visit, refusals))
        for visit in visits]


def count_requests(admin):
    "Return how many requests have gone to the platform"
    return len(admin.model('satusehat.exchange').find([]))


def _reason(visit, refusals):
    if visit['satusehat_state']:
        return visit['satusehat_note']
    if visit['state'] == 'in_progress':
        return refusals.get(visit['number'])


def lines(found, requests):
    """Return the lines of the table, and one for each visit that waits.

    requests is the number of all requests; those that registered units and
    rooms belong to no visit.
    """
    yield from table(HEADS, [
        (
            o.number, o.patient, o.label, o.encounter_id or '-',
            str(o.requests or '-'),
            seconds(o.duration / 1000) if o.requests else '-')
        for o in found])
    yield ''
    sent = sum(o.is_sent for o in found)
    yield (
        f"{sent} dari {len(found)} kunjungan sudah di SATUSEHAT, "
        f"dengan {requests} permintaan.")
    waiting = [o for o in found if not o.is_sent]
    if waiting:
        yield "Yang belum, dan sebabnya:"
    for outcome in waiting:
        reason = ' '.join((outcome.reason or outcome.label).split())
        yield f'  {outcome.number}  {outcome.patient}: {reason}'
