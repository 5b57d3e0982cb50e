# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Faults: what goes wrong between a client and the platform, on demand."

from . import answers, chance, network, refusals, replies, tokens  # noqa: F401
from .options import FaultError
from .registry import KINDS
from .switchboard import Faults

__all__ = ['FaultError', 'Faults', 'KINDS']
