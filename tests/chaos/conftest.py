# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import pytest
from push_clinic import Clinic, create_database, drop_database
from satusehat_emulator.serving import serve


@pytest.fixture
def emulator(setting):
    with serve() as served:
        setting(local_url=served.url)
        yield served


@pytest.fixture
def clinic(emulator):
    database = create_database()
    yield Clinic(database)
    drop_database(database)
