# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import pytest
from gateway import gateway_to
from push_clinic import Clinic, create_database, drop_database
from satusehat_emulator.serving import serve


@pytest.fixture
def clinic():
    database = create_database()
    yield Clinic(database)
    drop_database(database)


@pytest.fixture
def steady_pauses(clinic, monkeypatch):
    "Pauses between attempts of one minute, without their chance"
    from trytond.modules.satusehat_integration import verdict
    monkeypatch.setattr(verdict, 'backoff', lambda attempts: 60)


@pytest.fixture
def emulator(setting, steady_pauses):
    with serve() as served:
        setting(local_url=served.url)
        yield served


@pytest.fixture
def gateway(emulator, setting):
    "A gateway before the emulator"
    with gateway_to(emulator.url) as gateway:
        setting(local_url=gateway.url)
        yield gateway


@pytest.fixture
def impatience(setting):
    "Wait for two seconds only, which is enough for all but silence"
    setting(read_timeout=2)
