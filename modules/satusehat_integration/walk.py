# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The Steps of one submission, a request each.

Runs in a thread of the sender.  The row of each write is committed before
its first byte, and what the answer tells right after it: whenever the process
dies, the next attempt looks and goes on.
"""

import json
import re
from dataclasses import replace

from trytond.pool import Pool

from .committed import committed, reading
from .exceptions import ResourceIdConflict
from .exchange import close
from .fhir.answer import search_ids
from .fhir.record import is_id
from .fhir.step import holds, is_ours
from .gate import database_now
from .platform import answer as outcomes
from .verdict import RELEASED, THROTTLE_PAUSE, Halt, Verdict, of_write, words

CONFLICTS = {409, 412}
# What somebody else changes again and again is not ours to fight for
TRIES = 2
_VERSION = re.compile(r'[\x21\x23-\x7e]+')


class Walk:
    """Carries out the Steps of a job.

    entries are those of all that the Steps are about, the visit's first;
    subjects are the references that the patient has or had.  known takes
    the ids by fullUrl, refused the platform's words by the fullUrl of what it
    does not take, done the method by the fullUrl of what was written.
    """

    def __init__(self, job, entries, *subjects):
        self.job = job
        self.entries = list({e.full_url: e for e in entries}.values())
        self.subjects = set(subjects)
        self.known = self._adopted()
        self.refused = {}
        self.done = {}
        with reading():
            company = Pool().get('company.company')(job.company)
            self.sends_rest = bool(company.satusehat_singly)

    @property
    def visit(self):
        "The entry of the visit itself"
        return self.entries[0]

    @property
    def is_begun(self):
        "Whether the platform is known to hold the visit, whole or not"
        return self.visit.full_url in self.known

    def missing(self, entries):
        "Return those entries that the platform is not known to hold"
        return [e for e in entries if e.full_url not in self.known]

    def _adopted(self):
        with reading():
            Resource = Pool().get('satusehat.resource')
            ids = Resource.stored({_record(e) for e in self.entries})
        found = {
            e.full_url: ids.get((
                    self.job.environment, e.resource_type, _record(e),
                    e.key or ''))
            for e in self.entries}
        return {url: id_ for url, id_ in found.items() if id_}

    def recall(self):
        """Look for what earlier attempts may have stored, and adopt it.

        Raises Halt for what is not ours.
        """
        found = {}
        if not self.is_begun:
            found = self._find([self.visit], {
                    'identifier': f'{self.visit.system}|{self.visit.value}'})
        if self.visit.full_url in {*self.known, *found}:
            encounter = {**self.known, **found}[self.visit.full_url]
            found |= self._find(
                self.missing(self.entries[1:]), {'encounter': encounter})
        if found:
            committed(self._adopt, [
                    e for e in self.entries if e.full_url in found], found)
            self.known |= found

    def _find(self, entries, params):
        "Return the ids by fullUrl of those entries that a search shows"
        ids = {}
        for kind in sorted({e.resource_type for e in entries}):
            shown = self.job.channel.search(kind, params, self.job.log)
            for entry in entries:
                if entry.resource_type == kind and (
                        id_ := self._pick(shown, entry)):
                    ids[entry.full_url] = id_
        return ids

    def _pick(self, shown, entry):
        what = shown, entry.resource_type, entry.system, entry.value
        ids = [
            id_ for subject in sorted(self.subjects)
            for id_ in search_ids(*what, subject)]
        if len(ids) > 1:
            raise Halt(Verdict('needs_admin', 'twin'))
        if not ids and search_ids(*what):
            raise Halt(Verdict('needs_admin', 'foreign'))
        if ids and not is_id(ids[0]):
            raise Halt(Verdict('needs_admin', 'unrecognised'))
        return ids[0] if ids else None

    def go(self, plan):
        """Carry out what plan returns until nothing is left.

        plan is a function of known, refused and done that returns Steps.  A
        refusal ends it unless the branch sends the rest all the same.  Raises
        Halt for what ends the attempt.
        """
        while steps := plan(self.known, self.refused, self.done):
            for step in steps:
                make = self._create if step.method == 'POST' else self._replace
                if make(step):
                    self.done[step.entry.full_url] = step.method
                elif self.sends_rest:
                    break
                else:
                    return

    def _create(self, step):
        "Create the resource; return whether the platform took it"
        answer = self._write(step)
        if answer.outcome == outcomes.DUPLICATE:
            self._take_over(step.entry, answer)
        elif answer.outcome != outcomes.OK:
            return self._refuse(step, answer)
        return True

    def _take_over(self, entry, answer):
        "Adopt what the platform says it has, if it shows it and it is ours"
        params = {'encounter': self.known.get(self.visit.full_url)}
        if entry.full_url == self.visit.full_url:
            params = {'identifier': f'{entry.system}|{entry.value}'}
        found = self._find([entry], params)
        if not found:
            raise Halt(of_write(answer))
        committed(self._adopt, [entry], found)
        self.known |= found

    def _replace(self, step):
        """Replace the resource; return whether the platform took it.

        On the version that was read just before.  What the platform holds
        already is left alone, what somebody else changed is not overwritten
        unless a person has said so.
        """
        wanted = json.loads(step.body)
        for _ in range(TRIES):
            shown = self._read(step)
            if holds(shown, wanted):
                return True
            if self._is_changed(step, shown):
                break
            answer = self._write(replace(step, if_match=_etag(shown)))
            if answer.outcome == outcomes.OK:
                return True
            if answer.status not in CONFLICTS:
                return self._refuse(step, answer)
        raise Halt(Verdict('needs_admin', 'changed_there'))

    def _read(self, step):
        shown = self.job.channel.ask(
            step.path, None, self.job.log, [step.expect])
        entry = step.entry
        if step.path.rpartition('/')[2] not in search_ids(
                {'entry': [{'resource': shown}]}, entry.resource_type,
                entry.system, entry.value):
            raise Halt(Verdict('needs_admin', 'foreign'))
        return shown

    def _is_changed(self, step, shown):
        return (
            step.previous and not is_ours(shown, step.previous)
            and self.job.reason != 'changed_there')

    def _refuse(self, step, answer):
        """Note that the platform does not take the resource.

        Raises Halt for what is not the fault of its content.
        """
        if answer.outcome == outcomes.THROTTLED:
            self.job.channel.pause(answer.retry_after or THROTTLE_PAUSE)
        verdict = of_write(answer)
        if answer.outcome != outcomes.DUPLICATE and (
                verdict.state != 'needs_data'):
            raise Halt(verdict)
        self.refused[step.entry.full_url] = words(answer)
        return False

    def _write(self, step):
        "Make the request of the step and return its Answer"
        job = self.job
        for is_last in (False, True):
            job.channel.wait_turn()
            if job.channel.is_paused or job.is_late:
                raise Halt(RELEASED)
            exchange = committed(self._begin, step)
            answer = job.channel.write(
                step.method, step.path, step.body, job.token, [step.expect],
                step.if_match)
            id_ = self._answered(step, answer)
            committed(self._end, exchange, step, answer, id_)
            if id_:
                self.known[step.entry.full_url] = id_
            elif answer.outcome == outcomes.OK:
                raise Halt(Verdict('checking', outcomes.UNRECOGNISED))
            if answer.outcome != outcomes.UNAUTHORIZED or is_last:
                return answer
            job.channel.drop(job.token)
            job.token = job.channel.token(job.log)

    def _answered(self, step, answer):
        "Return the id in the Answer if it is that of the resource written"
        if answer.outcome != outcomes.OK:
            return None
        entry, sent = step.entry, json.loads(step.body)
        ids = search_ids(
            {'entry': [{'resource': answer.body}]}, entry.resource_type,
            entry.system, entry.value, sent['subject']['reference'])
        if ids and is_id(ids[0]) and sent.get('id', ids[0]) == ids[0]:
            return ids[0]

    def _begin(self, step):
        "Write that a request is about to leave; return its exchange"
        pool = Pool()
        Submission = pool.get('satusehat.submission')
        Exchange = pool.get('satusehat.exchange')
        job = self.job
        if not _is_held(job):
            raise Halt(RELEASED)
        now = database_now()
        Submission.write([Submission(job.id)], {
                'begun': True, 'begun_at': now, 'singly': True,
                **job.frozen})
        exchange, = Exchange.create([{
                    **job.channel.opening(step.path, now, step.method),
                    'submission': job.id,
                    }])
        return exchange.id

    def _end(self, exchange, step, answer, id_):
        "Write what the answer tells"
        Submission = Pool().get('satusehat.submission')
        close(exchange, answer)
        if not _is_held(self.job):
            return
        if id_:
            self._adopt([step.entry], {step.entry.full_url: id_})
        is_open = (
            answer.outcome in {outcomes.OK, outcomes.DUPLICATE} and not id_)
        if not is_open and not outcomes.is_unknown(answer, write=True):
            Submission.write(
                [Submission(self.job.id)], {'begun_at': None})

    def _adopt(self, entries, ids):
        Resource = Pool().get('satusehat.resource')
        try:
            Resource.adopt([
                    row_of(self.job, entry, ids[entry.full_url])
                    for entry in entries])
        except ResourceIdConflict:
            raise Halt(Verdict('needs_admin', 'id_conflict')) from None


def keep_bundle(job):
    "Freeze the Bundle of what may turn out to need no write"
    Submission = Pool().get('satusehat.submission')
    if _is_held(job):
        Submission.write([Submission(job.id)], job.frozen)
        job.is_frozen = True


def _is_held(job):
    "Whether no other sender has claimed the row since"
    Submission = Pool().get('satusehat.submission')
    return Submission(job.id).claim == job.claim


def row_of(job, entry, resource_id):
    "Return the values of satusehat.resource for the id of an entry"
    return {
        'environment': job.environment,
        'resource_type': entry.resource_type,
        'resource_id': resource_id,
        'record': _record(entry),
        'key': entry.key or '',
        'company': job.company,
        }


def _record(entry):
    return f'{entry.model},{entry.record}'


def _etag(resource):
    "Return the ETag of a resource as the platform shows it"
    version = (resource.get('meta') or {}).get('versionId')
    if isinstance(version, str) and _VERSION.fullmatch(version):
        return f'W/"{version}"'
