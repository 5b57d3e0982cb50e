# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Sending what is due, as the scheduler of a server does each minute."

import datetime as dt
import math
import time

from .console import still

DUE = ['pending', 'checking', 'waiting']
UNSETTLED = [*DUE, 'sending']
METHOD = 'satusehat.submission|push'
LONGEST_PAUSE = 150
LONGEST = 300


def send(admin):
    """Run the scheduled push until nothing is due.

    Rows that an interrupted run had in its hands are waited for: they come
    due within two minutes. Returns the number of rows that are still without
    a final state.
    """
    cron = admin.only('ir.cron', ('method', '=', METHOD))
    until = time.monotonic() + LONGEST
    seen = None
    while True:
        cron.click('run_once')
        rows = _unsettled(admin)
        wait = _seconds_until_due(rows)
        if (not rows or rows == seen or wait > LONGEST_PAUSE
                or time.monotonic() + wait > until):
            return len(rows)
        seen = rows
        if wait:
            _wait(wait)


def _wait(duration):
    still(f'menunggu {math.ceil(duration)} d, ada kiriman yang tertunda')
    time.sleep(duration)


def _unsettled(admin):
    return admin.rows(
        'satusehat.submission',
        [('state', 'in', UNSETTLED), ('environment', '!=', None)],
        ['state', 'attempts', 'next_attempt', 'lease_until'])


def _seconds_until_due(rows):
    "Return the seconds until the first of the rows may be sent, 0 for now"
    now = dt.datetime.now(dt.timezone.utc).replace(tzinfo=None)
    moments = [
        row['lease_until' if row['state'] == 'sending' else 'next_attempt']
        or now for row in rows]
    return max(0, (min(moments, default=now) - now).total_seconds())
