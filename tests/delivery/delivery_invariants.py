# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The ten promises of the delivery, checked over both sides at once.

`check(database, served)` returns what is broken, an empty list when nothing
is.  Each promise is a function of the Case that yields what is wrong.  Call
it when no sender is at work.
"""

import datetime as dt
import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import delivery_facts
import delivery_records
import delivery_trace

PARKED = {'needs_data', 'needs_admin'}
FINAL = {'sent', 'stopped'} | PARKED
UNFINISHED = {'planned', 'arrived', 'in_progress', 'cancelled'}
SYSTEM = re.compile(r'http://sys-ids\.kemkes\.go\.id/[a-z-]+/(.+)')


class Violation(NamedTuple):
    "A broken promise: its number, the record it is about and what is wrong"
    invariant: str
    record: str
    problem: str

    def __str__(self):
        return f'{self.invariant} {self.record}: {self.problem}'


@dataclass(frozen=True)
class Limits:
    """What a process and a row may use.

    rss is in bytes, threads and files are counts of one process, attempts
    those of one row.
    """
    attempts: int = 100
    rss: int = 512 << 20
    threads: int = 100
    files: int = 256


@dataclass
class Case:
    """Everything the promises are checked over.

    over: whether faults have ended and the time to drain is past.  excused
    are company ids whose fault has not ended.  ended and drain: since when
    (naive UTC) nothing goes wrong any more and how many seconds the backlog
    may take after it.  usage are dicts with process, rss, threads, files.
    grace: seconds for which a visit whose fate is unknown is not sent again,
    None where the times of the rows are not to be relied upon.
    """
    records: delivery_records.Records
    platform: delivery_facts.Platform
    over: bool = True
    excused: frozenset = frozenset()
    canaries: frozenset = frozenset()
    texts: tuple = ()
    usage: tuple = ()
    limits: Limits = Limits()
    ended: dt.datetime | None = None
    drain: float | None = None
    grace: float | None = None

    @cached_property
    def awaited(self):
        """The submissions that should have come to an end by now.

        A version that is to follow one that waits for people waits with it.
        """
        if not self.over:
            return []
        parked = defaultdict(list)
        for row in self.records.submissions:
            if row.state in PARKED:
                parked[row.encounter, row.environment].append(row.version)
        return [
            s for s in self.records.submissions
            if s.environment == self.records.environment
            and s.company not in self.excused
            and not (s.state == 'pending' and any(
                    version < s.version
                    for version in parked[s.encounter, s.environment]))]

    @cached_property
    def held(self):
        "The Stored resources by (organization, type, system, value)"
        found = defaultdict(list)
        for resource in self.platform.written:
            for system, value in resource.identifiers:
                found[
                    resource.organization, resource.type, system, value
                    ].append(resource)
        return found

    @cached_property
    def known(self):
        "The rows of satusehat.resource by (type, record, key)"
        return {
            (r.resource_type, r.record, r.key or ''): r
            for r in self.records.resources}


def check(database, platform, environment='local', **how):
    """Return the Violations found, sorted by invariant.

    database is the name of a trytond database, platform an emulator served
    in this process, the address of one in another, or a
    delivery_facts.Platform.  The keywords are those of Case.
    """
    case = Case(
        platform=delivery_facts.of(platform),
        records=delivery_records.read(database, environment), **how)
    return violations(case)


def violations(case):
    "Return what is broken in a Case, sorted by invariant"
    return [
        Violation(name, *found)
        for name, promise in PROMISES.items() for found in promise(case)]


def no_loss(case):
    "I1: a row for each version of a finished visit, and each at its end"
    for encounter, state in case.records.visits.items():
        versions = [s.version for s in case.records.versions[encounter]]
        if state in UNFINISHED and versions:
            yield f'clinic.encounter,{encounter}', (
                f"is {state} but has a submission")
        if state == 'finished' and not versions:
            yield f'clinic.encounter,{encounter}', (
                "is finished and has no submission")
        if versions != list(range(1, len(versions) + 1)):
            yield f'clinic.encounter,{encounter}', (
                f"has the versions {versions}")
    for row in case.awaited:
        if row.state not in FINAL:
            yield _submission(row), f"is still {row.state} ({row.reason})"


def no_twin(case):
    """I2: one resource of each type for an identifier of an organization

    That the platform may refuse a twin is not relied upon.
    """
    for (organization, type_, system, value), found in case.held.items():
        if len(found) > 1:
            yield f'{type_} {system}|{value}', (
                f"is held {len(found)} times by {organization}: "
                + ', '.join(r.id for r in found))
    yield from delivery_trace.hasty(case)


def same_ids(case):
    "I3: what we know by an id is what the platform holds under it"
    for row in case.records.resources:
        if row.company:
            yield from _check_own(case, row)
        else:
            yield from _check_person(case, row)
    for row in case.records.submissions:
        if row.state == 'sent' and (
                row.environment == case.records.environment):
            yield from _check_sent(case, row)


def _check_own(case, row):
    where = f'{row.record} {row.key or ""}'.strip()
    held = case.platform.get(row.resource_type, row.resource_id)
    if held is None:
        yield where, (
            f"has the id {row.resource_type}/{row.resource_id}, "
            "which the platform does not hold")
        return
    if held.organization != case.records.organizations.get(row.company):
        yield where, f"has an id of the organization {held.organization}"
    record = case.records.by_record.get(row.record)
    if record and not any(
            _is_of(value, record, row.key) for _, value in held.identifiers):
        yield where, (
            f"has the id {held.type}/{held.id} of something else: "
            f"{held.identifiers}")


def _is_of(value, record, key):
    if record.visit:
        return value == (f'{record.uid}-{key}' if key else record.uid)
    return value.endswith(f'-{record.uid[:8]}')


def _check_person(case, row):
    party = int(row.record.partition(',')[2])
    held = case.platform.get(row.resource_type, row.resource_id)
    if held is None and case.platform.tells_people:
        yield row.record, (
            f"has the number {row.resource_id}, "
            "which the platform does not know")
    elif held and held.nik and held.nik != case.records.niks.get(party):
        yield row.record, (
            f"has the number {row.resource_id} of another person")


def _check_sent(case, row):
    entries = delivery_records.entries(row)
    if not entries and row.version == 1:
        yield _submission(row), "is sent without a Bundle"
    for entry in entries:
        name = f'{entry["resource_type"]} {entry["value"]}'
        known = case.known.get((
            entry['resource_type'], f'{entry["model"]},{entry["record"]}',
            entry['key'] or ''))
        if not known:
            yield _submission(row), f"is sent but {name} has no id here"
        if not case.held.get((
                case.records.organizations.get(row.company),
                entry['resource_type'], entry['system'], entry['value'])):
            yield _submission(row), (
                f"is sent but the platform does not hold {name}")


def no_ghost(case):
    "I4: the platform holds nothing whose record is not committed here"
    for resource in case.platform.written:
        where = f'{resource.type}/{resource.id}'
        if not resource.identifiers:
            yield where, "has no identifier of ours"
        for _, value in resource.identifiers:
            record = case.records.named(value)
            if record is None:
                yield where, f"stands for {value}, which is not here"
            elif record.visit and (
                    case.records.visits[record.visit] in UNFINISHED):
                yield where, f"stands for {value} of an unfinished visit"


def in_order(case):
    """I5: no version before the one before it, no update before its create

    A version that a person has stopped holds none back.
    """
    for versions in case.records.versions.values():
        for before, after in zip(versions, versions[1:], strict=False):
            if before.state == 'stopped':
                continue
            if after.state == 'sent' and before.state != 'sent':
                yield _submission(after), (
                    f"is sent and version {before.version} is not")
            elif after.begun and not before.sent_at:
                yield _submission(after), (
                    f"was begun before version {before.version} was sent")
            elif (after.sent_at and before.sent_at
                    and after.sent_at < before.sent_at):
                yield _submission(after), (
                    f"was sent before version {before.version}")
    created = set()
    for write in case.platform.writes:
        if write.method == 'POST' and write.stored:
            created.update(write.identifiers)
        elif write.method == 'PUT' and not created.issuperset(
                write.identifiers):
            yield str(write), "updates what was not created before"


def own_branch(case):
    "I6: each request goes by the branch its record belongs to"
    for resource in case.platform.written:
        yield from _check_branch(
            case, f'{resource.type}/{resource.id}', resource)
    for request in case.platform.requests:
        if request.organization:
            yield from _check_branch(case, str(request), request)
    branches = case.records.organizations
    for exchange, request in delivery_trace.answered(case):
        if request.organization not in {None, branches.get(exchange.company)}:
            yield f'satusehat.exchange,{exchange.id}', (
                f"of {branches.get(exchange.company)} was made by "
                f"{request.organization}")


def _check_branch(case, where, sent):
    for system, value in sent.identifiers:
        match = SYSTEM.fullmatch(system)
        if match and match[1] != sent.organization:
            yield where, f"of {sent.organization} has the system {system}"
        record = case.records.named(value)
        if record and sent.organization != (
                case.records.organizations.get(record.company)):
            yield where, (
                f"of {sent.organization} is about {record.model},{record.id} "
                "of another branch")


def silence(case):
    "I7: no secret, number or name of a person in any log or message"
    canaries = {c for c in case.canaries | case.records.secrets if c}
    if not canaries:
        return
    pattern = re.compile('|'.join(map(re.escape, sorted(canaries))))
    for where, text in [*case.records.texts.items(), *case.texts]:
        if found := pattern.search(text):
            yield where, f"shows {found[0]!r}"


def trace(case):
    "I8: each write the platform saw has its own row, closed or unknown"
    yield from delivery_trace.problems(case)


def bounded(case):
    "I9: attempts, memory, threads and open files stay under their limits"
    limits = case.limits
    for row in case.records.submissions:
        if row.attempts > limits.attempts:
            yield _submission(row), f"had {row.attempts} attempts"
    for sample in case.usage:
        for name in ('rss', 'threads', 'files'):
            if sample[name] > getattr(limits, name):
                yield sample['process'], f"used {name} {sample[name]}"


def live(case):
    "I10: the backlog empties in time, and nothing is planned any more"
    for row in case.awaited:
        if row.next_attempt and row.state != 'sent':
            yield _submission(row), (
                f"is {row.state} ({row.reason}) and due {row.next_attempt}")
    if case.ended is None or case.drain is None:
        return
    last = case.ended + dt.timedelta(seconds=case.drain)
    for row in case.awaited:
        if row.sent_at and row.sent_at > last:
            yield _submission(row), f"was sent at {row.sent_at}, too late"


def _submission(row):
    return f'satusehat.submission,{row.id}'


def figures(case):
    """Return the counts that a report states.

    lost: finished visits that neither are sent nor wait for a person; twins:
    resources beyond the first for an identifier; repeated: writes of what
    the platform held already.
    """
    states = Counter(s.state for s in case.records.submissions)
    finished = sum(s == 'finished' for s in case.records.visits.values())
    return {
        'visits': finished,
        **{state: states[state] for state in sorted(FINAL)},
        'lost': finished - sum(
            s.state in FINAL for s in case.records.submissions
            if s.version == 1),
        'twins': sum(len(found) - 1 for found in case.held.values()),
        'repeated': delivery_trace.repeated(case),
        'requests': len(case.platform.requests),
        'writes': len(case.platform.writes),
        }


PROMISES = {
    'I1': no_loss, 'I2': no_twin, 'I3': same_ids, 'I4': no_ghost,
    'I5': in_order, 'I6': own_branch, 'I7': silence, 'I8': trace,
    'I9': bounded, 'I10': live}
