# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Server configuration of the monitoring, section [satusehat]."

import math
from dataclasses import dataclass, field

import trytond.config as config

from ..platform.settings import SECTION, ConfigurationError

SHORTEST_TOKEN = 16


@dataclass(frozen=True)
class Monitoring:
    """What may be watched, and when it is called ill.

    ``health`` opens the probe; a ``metrics_token`` opens the metrics to who
    knows it. ``health_unsent`` and ``health_sweep`` are seconds, 0 meaning
    not to judge by it.
    """
    health: bool = False
    metrics_token: str = field(default='', repr=False)
    health_unsent: float = 3600.0
    health_sweep: float = 300.0


def read():
    """Return the Monitoring in force now; without configuration all is off.

    Raise ConfigurationError for a value that is none of its kind, and for a
    token short enough to be guessed.
    """
    return Monitoring(
        health=_flag('health'),
        metrics_token=_token('metrics_token'),
        health_unsent=_seconds('health_unsent', Monitoring.health_unsent),
        health_sweep=_seconds('health_sweep', Monitoring.health_sweep))


def _text(option):
    return str(config.get(SECTION, option) or '').strip()


def _flag(option):
    if not _text(option):
        return False
    try:
        return config.getboolean(SECTION, option)
    except ValueError:
        raise ConfigurationError(option, 'not_a_boolean') from None


def _token(option):
    value = _text(option)
    if value and len(value) < SHORTEST_TOKEN:
        raise ConfigurationError(option, 'too_short')
    return value


def _seconds(option, default):
    value = _text(option)
    try:
        seconds = float(value) if value else default
    except ValueError:
        seconds = math.nan
    if not math.isfinite(seconds):
        raise ConfigurationError(option, 'not_a_number')
    if seconds < 0:
        raise ConfigurationError(option, 'too_small')
    return seconds
