# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import pytest
from satusehat_emulator.serving import serve
from watched_clinic import TOKEN, WatchedClinic


@pytest.fixture(scope='session')
def renewed_clinic():
    clinic = WatchedClinic()
    yield clinic
    clinic.drop()


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
