# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"What the state of a submission means to people, in their own language."

import datetime as dt
import re

from trytond.i18n import gettext
from trytond.pool import Pool
from trytond.tools import timezone
from trytond.transaction import without_check_access

from .gate import database_now
from .hold import HELD, MET, holds
from .skew import minutes, skews

UNDERWAY = ['pending', 'checking', 'waiting', 'sending']
PATIENCE = dt.timedelta(minutes=5)
_FIRST_SENTENCE = re.compile(r'(?<=[.:])\s+')


def words(reason):
    "Return (what happened, who does what about it); the latter may be ''"
    return _split(gettext(f'satusehat_integration.msg_reason_{reason}'))


def _split(text):
    "Return the first sentence and the others, '' without any"
    what, *rest = _FIRST_SENTENCE.split(text, maxsplit=1)
    return what, ''.join(rest)


def headline(reason):
    "Return what happened, without full stop"
    return words(reason)[0].rstrip('.:')


def last_sweep():
    """Return when the scheduler last began to send (UTC), None for never.

    As the scheduler's own log tells it: the log is written when a run has
    come to its end.
    """
    Log = Pool().get('ir.cron.log')
    with without_check_access():
        logs = Log.search(
            [('cron.method', '=', 'satusehat.submission|push')],
            order=[('started', 'DESC'), ('id', 'DESC')], limit=1)
    return logs[0].started if logs else None


def is_stalled(state, due, sweep, now):
    """Whether what was due long ago was not tried as nothing runs.

    due and sweep are UTC; sweep is what last_sweep returns.  What a sender
    took is due again when its lease is over: the sender is dead.
    """
    return (state in UNDERWAY
        and due < now - PATIENCE
        and (sweep is None or sweep < now - PATIENCE))


def explain(submissions, detail=True):
    """Return {id: text}, None where there is nothing to tell.

    The text says what happened and when it is tried again, then who does
    what about it, then the platform's own words.  These, the detail, may
    quote a diagnosis: they are not for everybody who sees the visit.
    """
    held = holds() if any(waits_for_hold(s) for s in submissions) else {}
    now = database_now()
    sweep = last_sweep() if any(
        s.state in UNDERWAY for s in submissions) else None
    fast = {
        environment: minutes(seconds)
        for environment, seconds in skews(now).items() if seconds < 0
        } if any(_may_be_early(s) for s in submissions) else {}
    return {
        s.id: _explain(
            s, detail,
            held.get((s.company.id, s.environment))
            if waits_for_hold(s) else None,
            sweep, now,
            fast.get(s.environment) if _may_be_early(s) else None)
        for s in submissions}


def _may_be_early(submission):
    "Whether a clock that is fast may be why it was refused"
    return (submission.state == 'needs_data'
        and submission.reason in {'refused', 'partly'})


def waits_for_hold(submission):
    "Whether the submission goes on when the hold of its branch ends"
    return submission.state in HELD or (
        submission.state == MET and submission.next_attempt is not None)


def _explain(submission, detail, hold, sweep, now, fast):
    if submission.state == 'sent':
        return None
    if submission.state == 'sending':
        is_left = is_stalled(
            'sending', submission.lease_until or now, sweep, now)
        return _stalled(submission, sweep) if is_left else None
    if submission.state == 'stopped':
        return _stopped(submission, detail)
    reason, until = submission.reason, submission.next_attempt
    if not submission.environment:
        reason, until = 'no_environment', None
    elif hold:
        until = hold.until or until
        if submission.state in HELD:
            reason = hold.reason
    stalled = submission.environment and is_stalled(
        submission.state, until or submission.create_date, sweep, now)
    if not reason and not stalled:
        return None
    lines = []
    if reason:
        what, who = words(reason)
        own = reason == submission.reason and detail and submission.detail
        lines += [
            _with_time(what.rstrip('.:'), submission, until, now),
            who if own else who.replace(':', '.'),
            own or '',
            ]
        if submission.state == 'needs_admin' and not until:
            lines.append(gettext('satusehat_integration.msg_then_resend'))
    if fast:
        lines.append(gettext(
                'satusehat_integration.msg_clock_fast', minutes=fast))
    if stalled:
        lines.append(_stalled(submission, sweep))
    return '\n'.join(filter(None, lines))


def _with_time(what, submission, until, now):
    "Return the sentence about what happened, with the next attempt"
    if not until or submission.state == 'needs_data':
        return f'{what}.'
    if until <= now:
        return gettext('satusehat_integration.msg_retry_soon', problem=what)
    return gettext(
        'satusehat_integration.msg_retry_at', problem=what,
        time=clock(until, submission.company, now))


def _stalled(submission, sweep):
    return ' '.join(stall(sweep, submission.company))


def stall(sweep, company):
    """Return (what happened, who does what about it) as nothing is swept.

    sweep is what last_sweep returns, told by the clock of the company.
    """
    if sweep is None:
        return _split(gettext('satusehat_integration.msg_never_swept'))
    return _split(gettext(
            'satusehat_integration.msg_not_swept',
            time=clock(sweep, company)))


def _stopped(submission, detail):
    lines = []
    stops = [
        a for a in submission.actions if a.action in {'stop', 'withdraw'}]
    if stops:
        # The newest comes first
        stop = stops[0]
        lines.append(gettext(
                'satusehat_integration.msg_stopped',
                user=stop.create_uid.rec_name,
                time=clock(stop.create_date, submission.company)))
        if detail:
            lines.append(stop.reason)
    elif submission.reason:
        lines += words(submission.reason)
    if submission.begun_at:
        lines.append(gettext('satusehat_integration.msg_may_be_stored'))
    return '\n'.join(lines) or None


def history(versions):
    """Return the state of each version of a visit, None when it has but one.

    versions are its submissions, oldest first.
    """
    if len(versions) < 2:
        return None
    Submission = Pool().get('satusehat.submission')
    states = dict(
        Submission.fields_get(['state'])['state']['selection'])
    return ', '.join(f'v{s.version}: {states[s.state]}' for s in versions)


def clock(moment, company, now=None):
    """Return the moment (UTC) as the clock of the branch tells it.

    With the name of its zone, and the date unless it is today's there.
    """
    zone = timezone.ZoneInfo(company.timezone)
    local, today = (
        t.replace(tzinfo=dt.timezone.utc).astimezone(zone)
        for t in [moment, now or database_now()])
    date = '' if local.date() == today.date() else f'{local:%d-%m-%Y} '
    return f'{date}{local:%H:%M} {local.tzname()}'
