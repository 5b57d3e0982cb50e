# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""How far this server's clock is from the platform's.

Times of the future are refused (SATUSEHAT, data validation, date and time),
so a server whose clock is fast has its visits refused.  The gate of the host
holds the difference while there is one; nothing is written while the clocks
agree.
"""

import datetime as dt
import logging

from sql import Null
from sql.conditionals import Coalesce
from trytond.pool import Pool
from trytond.transaction import Transaction

from . import report
from .committed import RIVALRY, committed
from .gate import HOST, database_now
from .hold import moment as read
from .platform import answer as outcomes

logger = logging.getLogger(__name__)

# Seconds that nobody has to be told of
TOLERANCE = 120
# Seconds that an answer may have been on its way
LEEWAY = 60
# What nothing has confirmed for so long is written again, or is history
REPEATED = dt.timedelta(hours=1)
VALID = dt.timedelta(days=1)
# Answers that may come from somebody on the way and not from the platform
STRANGE = {outcomes.UNRECOGNISED, outcomes.REDIRECTED, outcomes.EDGE_BLOCKED}


class Clock:
    """Compares this server's clock with that of an environment's host.

    To be created in a transaction; for one run of a sender.
    """

    def __init__(self, environment):
        self.environment = environment
        self._kept, self._is_old = _kept(environment)

    def compare(self, answer):
        "Keep what an Answer tells of the clocks, if it is news"
        if answer.clock_skew is None or answer.outcome in STRANGE:
            return
        seconds = answer.clock_skew
        if abs(seconds) <= TOLERANCE:
            seconds = None
        if not self._is_news(seconds):
            return
        try:
            committed(_keep, self.environment, seconds)
        except RIVALRY:
            # The next answer tells it again; the delivery goes on
            return
        self._tell(seconds)
        self._kept, self._is_old = seconds, False

    def _is_news(self, seconds):
        if seconds is None or self._kept is None:
            return seconds != self._kept
        return self._is_old or abs(seconds - self._kept) > LEEWAY

    def _tell(self, seconds):
        level = logging.INFO if seconds is None else logging.WARNING
        logger.log(level, report.clock(self.environment, seconds))


def _kept(environment):
    "Return the seconds kept of the host, and whether that was long ago"
    for _, seconds, at in _rows(environment):
        return seconds, at < database_now() - REPEATED
    return None, False


def _rows(environment=None):
    "Return (environment, seconds, when) of the hosts whose clock differs"
    cursor = Transaction().connection.cursor()
    gate = Pool().get('satusehat.gate').__table__()
    where = (Coalesce(gate.client_id, HOST) == HOST) & (
        gate.clock_skew != Null)
    if environment:
        where &= gate.environment == environment
    cursor.execute(*gate.select(
            gate.environment, gate.clock_skew, gate.clock_skew_at,
            where=where))
    return [
        (environment, seconds, read(at))
        for environment, seconds, at in cursor]


def _keep(environment, seconds):
    gate = Pool().get('satusehat.gate').of(environment, HOST)
    gate.clock_skew, gate.clock_skew_at = seconds, database_now()
    gate.save()


def skews(now):
    """Return {environment: seconds from this server's clock to the platform's}.

    Of those that differ by more than TOLERANCE: positive where this server
    is slow.  now is the database's clock, UTC.
    """
    return {
        environment: seconds for environment, seconds, at in _rows()
        if at > now - VALID}


def minutes(seconds):
    "Return the whole minutes between the clocks, without direction"
    return round(abs(seconds) / 60)
