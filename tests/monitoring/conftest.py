# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import pytest
from push_clinic import create_database, drop_database
from satusehat_emulator.serving import serve
from watched_clinic import TOKEN, WatchedClinic


@pytest.fixture(scope='module')
def shared_clinic():
    database = create_database()
    yield WatchedClinic(database)
    drop_database(database)


@pytest.fixture
def clinic(shared_clinic):
    "A clinic that has not sent anything yet"
    yield shared_clinic
    shared_clinic.clear()


@pytest.fixture
def watched(clinic, setting):
    "The clinic, with health and metrics turned on"
    setting(health='True', metrics_token=TOKEN)
    return clinic


@pytest.fixture
def emulator(setting):
    with serve() as served:
        setting(local_url=served.url)
        yield served
