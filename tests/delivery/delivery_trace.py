# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Which row of satusehat.exchange stands for which request of the platform.

An answer carries the platform's request id, so its row is known.  A request
whose answer was lost is paired with a row of the same subject and address
that was written before it.
"""

import datetime as dt
import re
from collections import defaultdict

# Outcomes of a write that need not have reached the platform
UNREACHED = {'unknown', 'unreachable', 'certificate'}
# The address that Bundles are posted to
BUNDLE = re.compile(r'/fhir-r4/v1/?')


def answered(case):
    "Yield (exchange row, Received) for the answers that came back"
    requests = case.platform.by_request_id
    for exchange in case.records.exchanges:
        if exchange.request_id in requests:
            yield exchange, requests[exchange.request_id]


def problems(case):
    "Yield (where, what is wrong) for writes and rows without counterpart"
    rows = [
        e for e in case.records.exchanges
        if e.method in {'POST', 'PUT'} and '/oauth2/' not in e.path]
    by_id = defaultdict(list)
    for row in rows:
        if not row.outcome:
            yield _name(row), "is neither closed nor unknown"
        if row.request_id:
            by_id[row.request_id].append(row)
    lost, paired = [], set()
    for write in case.platform.writes:
        found = by_id.get(write.request_id, [])
        paired.update(row.id for row in found)
        if not found:
            lost.append(write)
        elif len(found) > 1:
            yield str(write), f"has {len(found)} rows"
        elif (found[0].method, found[0].path) != (write.method, write.path):
            yield _name(found[0]), f"is about another request than {write}"
    rest = [row for row in rows if row.id not in paired]
    yield from _pair(case, lost, rest)


def _pair(case, lost, rows):
    "Pair the writes whose answer was lost with the rows that are left"
    encounters = {s.id: s.encounter for s in case.records.submissions}
    left = []
    for row in sorted(rows, key=lambda row: (row.started_at, row.id)):
        if row.request_id:
            yield _name(row), "has an answer that the platform never gave"
            continue
        row.subject = (
            f'clinic.encounter,{encounters[row.submission]}'
            if row.submission else row.record)
        row.organization = case.records.organizations.get(row.company)
        left.append(row)
    for write in sorted(lost, key=lambda write: write.time):
        subject, moment = _named(case, write), _moment(write)
        row = next((
                row for row in left
                if (row.method, row.path) == (write.method, write.path)
                and row.started_at <= moment
                and (row.subject == subject if subject
                    else row.organization == write.organization)), None)
        if row:
            left.remove(row)
        else:
            yield str(write), "left without a row"
    for row in left:
        if row.status is None and row.outcome not in UNREACHED:
            yield _name(row), f"is {row.outcome} without a request"


def _named(case, write):
    """Return the name of the visit, unit or room that the write is about.

    None when its body names none, as when it came in pieces.
    """
    for _, value in write.identifiers:
        if record := case.records.named(value):
            if record.visit:
                return f'clinic.encounter,{record.visit}'
            return f'{record.model},{record.id}'


def _moment(write):
    return dt.datetime.fromtimestamp(
        write.time, dt.timezone.utc).replace(tzinfo=None)


def _name(row):
    return f'satusehat.exchange,{row.id}'


def hasty(case):
    """Yield (where, what is wrong) for visits sent again too early.

    While it is not known whether the platform stored a Bundle, no other
    leaves for the visit before the grace time is over.
    """
    if case.grace is None:
        return
    unknown = {}
    for row in sorted(case.records.exchanges, key=lambda row: row.id):
        if not row.submission or not BUNDLE.fullmatch(row.path):
            continue
        before = unknown.get(row.submission)
        if before and (row.started_at - before).total_seconds() < case.grace:
            yield f'satusehat.submission,{row.submission}', (
                f"left again at {row.started_at}, "
                f"unknown since {before}")
        if row.outcome == 'unknown':
            unknown[row.submission] = row.started_at


def repeated(case):
    "Return how many writes created what an earlier one had stored"
    stored, count = set(), 0
    for write in case.platform.writes:
        if write.method == 'POST' and write.identifiers:
            count += bool(stored.intersection(write.identifiers))
            if write.stored:
                stored.update(write.identifiers)
    return count
