# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import pytest


@pytest.fixture
def impatience(setting):
    "Wait for two seconds only, which is enough for all but silence"
    setting(read_timeout=2)
