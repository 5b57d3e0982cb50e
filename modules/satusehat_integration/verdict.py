# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"What becomes of a submission after an answer of the platform."

from dataclasses import dataclass, replace
from types import SimpleNamespace

from tenacity import wait_random_exponential

from .platform import answer as outcomes
from .platform import settings

THROTTLE_PAUSE = 60
LONGEST_CHECK = 60
# Faults of the way to the platform, which pass by themselves
PASSING = {
    outcomes.UNREACHABLE, outcomes.SERVER_ERROR, outcomes.NO_ANSWER,
    outcomes.UNRECOGNISED, outcomes.TOO_LARGE}
# Faults that every visit of the client, or of all clients, would meet
OF_CLIENT, OF_HOST = 'client', 'host'
SHARED = {
    outcomes.UNAUTHORIZED: OF_CLIENT,
    outcomes.NO_PRODUCT: OF_CLIENT,
    outcomes.CERTIFICATE: OF_HOST,
    outcomes.EDGE_BLOCKED: OF_HOST,
    outcomes.REDIRECTED: OF_HOST,
    }


@dataclass(frozen=True)
class Verdict:
    """Where a submission goes.

    state and reason as in satusehat.submission, detail the platform's own
    words.  delay is the pause in seconds before the next attempt, None for
    the usual one.  begun tells whether a write may have reached the
    platform unconfirmed; None leaves what was known.  shared names whose
    fault it is when it is not the visit's: then nothing more is sent for
    the client, or for all, until a probe comes through.  singly asks to
    send the entries one by one from now on.
    """
    state: str
    reason: str | None = None
    detail: str | None = None
    delay: float | None = None
    begun: bool | None = None
    shared: str | None = None
    singly: bool = False

    def pause(self, attempts):
        "Return the seconds before the next attempt"
        if self.delay is not None:
            return self.delay
        if self.state == 'checking':
            return min(backoff(attempts), LONGEST_CHECK)
        return backoff(attempts)


# Put back as it was, as if it had never been claimed
RELEASED = Verdict('released')


class Halt(Exception):
    "The submission can not go on in this run; verdict says where it goes"

    def __init__(self, verdict):
        super().__init__(verdict.reason)
        self.verdict = verdict


def backoff(attempts):
    "Return a random pause in seconds, full jitter, that grows with attempts"
    current = settings.read()
    wait = wait_random_exponential(
        multiplier=current.backoff_base, max=current.backoff_cap)
    return wait(SimpleNamespace(attempt_number=max(attempts, 1)))


def of_read(answer):
    """Return the Verdict for a failed question to the platform.

    It tells nothing of a write that left before.
    """
    if answer.outcome == outcomes.THROTTLED:
        return _throttled(answer)
    if answer.outcome in PASSING:
        return Verdict('waiting', reason_of(answer), words(answer))
    return Verdict(
        'needs_admin', answer.outcome, words(answer),
        shared=SHARED.get(answer.outcome))


def of_write(answer):
    """Return the Verdict for a write that was not accepted.

    A duplicate is no failure: the platform holds it, so it is looked for.
    """
    unknown = outcomes.is_unknown(answer, write=True)
    if answer.outcome == outcomes.DUPLICATE:
        return Verdict('checking', 'duplicate', delay=0, begun=True)
    if answer.outcome == outcomes.TOO_LARGE and not unknown:
        return Verdict('needs_admin', 'request_too_large', begun=False)
    if answer.outcome == outcomes.NOT_FOUND and not answer.issues:
        return Verdict('needs_admin', answer.outcome, begun=False)
    if answer.outcome in {outcomes.REFUSED, outcomes.NOT_FOUND}:
        return Verdict('needs_data', 'refused', words(answer), begun=False)
    if answer.outcome == outcomes.THROTTLED:
        return replace(_throttled(answer), begun=False)
    if answer.outcome == outcomes.SERVER_ERROR:
        return Verdict(
            'waiting', answer.outcome, words(answer), begun=unknown)
    if answer.outcome == outcomes.REDIRECTED:
        return Verdict(
            'needs_admin', answer.outcome, begun=unknown, shared=OF_HOST)
    if unknown:
        return Verdict('checking', answer.outcome, begun=True)
    if answer.outcome in PASSING:
        return Verdict('waiting', reason_of(answer), begun=False)
    return Verdict(
        'needs_admin', answer.outcome, words(answer), begun=False,
        shared=_of_write(answer))


def reason_of(answer):
    "Return why the platform is not there, a name not found by itself"
    return 'name_not_found' if answer.reason == 'dns' else answer.outcome


def _of_write(answer):
    """Return whose fault a refused write is.

    What the facility may not do at all, or not under its number
    (SATUSEHAT, validation dictionary, rules 20003 and 20004), no other
    visit of it may.
    """
    if answer.outcome == outcomes.FORBIDDEN and answer.reason != 'consent':
        return OF_CLIENT
    return SHARED.get(answer.outcome)


def words(answer):
    "Return the platform's own words, None when it had none"
    return '\n'.join(i.text for i in answer.causes if i.text) or None


def _throttled(answer):
    return Verdict(
        'waiting', answer.outcome,
        delay=answer.retry_after or THROTTLE_PAUSE)
