# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Whether the delivery is well, in a few words and numbers."

import datetime as dt
from dataclasses import dataclass

from ..gate import database_now
from . import readings

DATABASE, UNSENT, SWEEP = 'database', 'unsent', 'sweep'


@dataclass(frozen=True)
class Health:
    """The state of the delivery.

    Ages are in whole seconds, None when there is nothing to tell the age of.
    ``problems`` holds those of DATABASE, UNSENT and SWEEP that are there.
    """
    problems: tuple = ()
    oldest_unsent: int | None = None
    last_sweep: int | None = None

    @property
    def is_well(self):
        return not self.problems

    def as_json(self):
        "Return the plain data of the answer to a probe"
        return {
            'status': 'ok' if self.is_well else 'failing',
            'problems': list(self.problems),
            'database': DATABASE not in self.problems,
            'oldest_unsent_seconds': self.oldest_unsent,
            'last_sweep_seconds': self.last_sweep,
            }


UNREACHABLE = Health(problems=(DATABASE,))


def examine(unsent_limit, sweep_limit):
    """Return the Health; the limits are in seconds, 0 for no limit.

    A sweep that never was is a problem too: without it nothing is sent.
    """
    now = database_now()
    unsent = _age(readings.oldest_unsent(readings.queues()), now)
    sweep = _age(readings.last_sweep(), now)
    problems = []
    if unsent_limit and unsent is not None and unsent > unsent_limit:
        problems.append(UNSENT)
    if sweep_limit and (sweep is None or sweep > sweep_limit):
        problems.append(SWEEP)
    return Health(tuple(problems), unsent, sweep)


def _age(moment, now):
    "Return the whole seconds since then; clocks may differ a little"
    if moment is None:
        return None
    return max(0, int((now - moment) / dt.timedelta(seconds=1)))
