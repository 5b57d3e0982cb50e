# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"The switches of the emulator."

import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class Settings:
    """What a run of the emulator can be told.

    Where the platform's behaviour is not published, the switch's default
    says which behaviour is assumed; README.md explains each of them.
    """
    token_lifetime: int = 3599
    token_penalty_status: int = 429
    token_penalty_seconds: int = 60
    clock_skew: int = 0
    index_lag: float = 0.0
    creator_identifier: bool = False
    page_size: int = 20
    suppressed_rows: bool = True
    strict_conditional: bool = False
    check_references: bool = True
    cascade: bool = False
    delete_status: int = 405
    patient_id_key: str = 'Patient ID:'
    latency: float = 0.0
    clock: Callable[[], float] = field(default=time.time, repr=False)
