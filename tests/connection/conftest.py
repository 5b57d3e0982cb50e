# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import sys
from pathlib import Path

import pytest
from satusehat_emulator.serving import serve

PUSH = Path(__file__).resolve().parents[1] / 'push'
if str(PUSH) not in sys.path:
    sys.path.insert(0, str(PUSH))


@pytest.fixture(scope='module')
def clinic():
    from push_clinic import Clinic, create_database, drop_database
    database = create_database()
    yield Clinic(database)
    drop_database(database)


@pytest.fixture
def emulator(setting):
    with serve() as served:
        setting(local_url=served.url)
        yield served
