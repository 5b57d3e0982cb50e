# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""A visit entry by entry, where its Bundle can not go or went in part."""

import json
from contextlib import contextmanager

from trytond.i18n import gettext
from trytond.pool import Pool
from trytond.transaction import Transaction

from .committed import reading
from .fhir import singly
from .fhir.refusal import refused_entries
from .verdict import Verdict
from .walk import Walk

# The platform said that it has something and then did not show it
UNSEEN = {'duplicate', 'duplicate_unseen'}
LANGUAGE = 'id'


def deliver(job):
    """Send what the platform does not hold yet; return the Verdict.

    job has its Bundle, entries, channel and token.  Raises Halt.
    """
    bundle = json.loads(job.body)
    walk = Walk(job, job.entries, job.subject)
    if job.begun:
        walk.recall()
        # A refused Bundle of which nothing is there has left nothing: if
        # it has, the platform calls the visit a duplicate
        is_clean = job.reason == 'refused' and not walk.is_begun
        if not is_clean and (verdict := absent(walk, job.entries)):
            return verdict
    walk.go(lambda known, refused, done: (
            () if done.get(walk.visit.full_url) == 'PUT'
            else singly.next_steps(bundle, job.entries, known, refused)))
    return conclude(walk, job.entries)


def is_wanted(company):
    "Whether the branch sends the rest when one item is refused"
    with reading():
        return bool(Pool().get('company.company')(company).satusehat_singly)


def count_stored(job):
    "Return how many entries of a job the platform shows; raises Halt"
    walk = Walk(job, job.entries, job.subject)
    walk.recall()
    return len(job.entries) - len(walk.missing(job.entries))


def absent(walk, entries):
    """Return the Verdict on entries that were looked for and not found.

    None when they may be sent: what was begun last has had the time to be
    found.
    """
    missing = walk.missing(entries)
    if not missing:
        return None
    is_unseen = walk.job.reason in UNSEEN
    if walk.job.may_be_indexed_later:
        if is_unseen:
            return Verdict('checking', 'duplicate_unseen')
        if not walk.is_begun:
            return Verdict('checking', 'not_found_yet')
        return Verdict('checking', 'partial', stored(
                walk.job, len(entries) - len(missing), len(entries)))
    if is_unseen:
        return Verdict('needs_admin', 'duplicate_unseen')


def conclude(walk, entries):
    "Return the Verdict when nothing is left that can be sent"
    if not walk.refused:
        return Verdict('sent', begun=False)
    count = len(entries) - len(walk.missing(entries))
    lines = [
        part for entry in walk.entries if entry.full_url in walk.refused
        for part in [name(walk.job, entry), walk.refused[entry.full_url]]]
    if count:
        lines.append(stored(walk.job, count, len(entries)))
    return Verdict(
        'needs_data', 'partly' if count else 'refused',
        '\n'.join(filter(None, lines)), begun=False)


def stored(job, count, total):
    "Return the sentence how many entries of a visit are stored"
    with _speaking(job):
        return gettext(
            'satusehat_integration.msg_entries_stored',
            count=count, total=total)


def complaints(job, answer):
    """Return what the platform refuses of a Bundle, in words for people.

    Each item that is certainly at fault by its name, then the platform's
    words and the element they are about; what can not be told apart at last,
    in the platform's words alone.
    """
    found = refused_entries(answer.issues, json.loads(job.body))
    lines = [
        line for index, issue in sorted(found.items())
        for line in [name(job, job.entries[index]), _with_place(issue)]]
    at_fault = list(found.values())
    lines += [i.text for i in answer.causes if i not in at_fault]
    return '\n'.join(filter(None, lines)) or None


def _with_place(issue):
    "Return the platform's words, with the element that they do not name"
    places = [p for p in issue.expression if p not in issue.text]
    return f'{issue.text} ({", ".join(places)})' if places else issue.text


def name(job, entry):
    """Return how people call what an entry stands for.

    A diagnosis by its code, a vital sign by its label, else the visit or its
    complaint.
    """
    for diagnosis in job.snapshot['diagnoses']:
        if diagnosis['uid'] == entry.uid:
            return f'{diagnosis["code"]} {diagnosis["display"]}'
    with _speaking(job):
        pool = Pool()
        if not entry.key:
            return pool.get('ir.model').get_name(entry.model)
        found = pool.get(entry.model).fields_get([entry.key])
        return found[entry.key]['string']


@contextmanager
def _speaking(job):
    "A transaction in the language of the branch"
    with reading():
        language = Pool().get('company.company')(job.company).party.lang
        code = language.code if language else LANGUAGE
        with Transaction().set_context(language=code):
            yield
