# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""When to stop asking a host or a client that only fails, and to try again.

The functions work on anything that has the fields of `satusehat.gate` with
these names: failures, recent, open_until, open_seconds, probe_until,
problem.  Libraries for this keep the state in the memory of one process and
know neither a share of failures nor one probe for all processes.
"""

import datetime as dt

ROW = 5
WINDOW = 20
SHARE = 0.5


def is_open(state, now):
    "Whether nothing at all is to be sent"
    return bool(state.open_until and (
            state.open_until > now
            or (state.probe_until and state.probe_until > now)))


def is_probing(state, now):
    "Whether one request may find out if the way is free again"
    return bool(state.open_until) and not is_open(state, now)


def probe(state, now, seconds):
    "Note that one sender tries, for so long at most"
    state.probe_until = now + dt.timedelta(seconds=seconds)


def succeed(state):
    "Note a request that came through; return whether anything changed"
    if not state.failures and not state.open_until and (
            '0' not in (state.recent or '')):
        return False
    if state.open_until:
        close(state)
    else:
        state.failures = 0
        state.recent = _slide(state, '1')
    return True


def close(state):
    "Forget all failures"
    state.failures = 0
    state.recent = ''
    state.open_until = state.probe_until = state.open_seconds = None
    state.problem = None


def fail(state, now, problem, pause, cap, at_once=False):
    """Note a request that failed; open after ROW in a row or SHARE of WINDOW.

    A failed probe doubles the pause, up to cap seconds.  What fails while it
    is open already left before it was.
    """
    state.failures = (state.failures or 0) + 1
    state.recent = _slide(state, '0')
    if is_open(state, now) and not _is_probed(state, now):
        return
    was_open = bool(state.open_until)
    many = (len(state.recent) == WINDOW
        and state.recent.count('0') >= WINDOW * SHARE)
    if at_once or was_open or state.failures >= ROW or many:
        state.open_seconds = (
            min(state.open_seconds * 2, cap)
            if was_open and state.open_seconds else pause)
        state.open_until = now + dt.timedelta(seconds=state.open_seconds)
        state.probe_until = None
        state.problem = problem


def _is_probed(state, now):
    return state.open_until <= now


def _slide(state, outcome):
    return ((state.recent or '') + outcome)[-WINDOW:]
