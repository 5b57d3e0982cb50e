# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Fixtures for tests of the push, in any folder: a clinic and its platform.

The clinic is made once and renewed for each test; who needs a new one makes
a fixture of its own with push_clinic.create_database.
"""

import pytest


@pytest.fixture(scope='session')
def renewed_clinic():
    from renewed_clinic import RenewedClinic
    clinic = RenewedClinic()
    yield clinic
    clinic.drop()


@pytest.fixture
def clinic(renewed_clinic):
    "Two branches with staff that have seen nobody yet"
    renewed_clinic.renew()
    return renewed_clinic


@pytest.fixture
def steady_pauses(clinic, monkeypatch):
    "Pauses between attempts of one minute, without their chance"
    from trytond.modules.satusehat_integration import verdict
    monkeypatch.setattr(verdict, 'backoff', lambda attempts: 60)


@pytest.fixture
def pace(setting):
    "Requests keep to a pace, one that hardly makes them wait"
    setting(requests_per_minute=60000, requests_per_minute_host=240000)


@pytest.fixture
def emulator(setting, steady_pauses, pace):
    "The platform"
    from satusehat_emulator.serving import serve
    with serve() as served:
        setting(local_url=served.url)
        yield served


@pytest.fixture
def gateway(emulator, setting):
    "A gateway before the emulator"
    from gateway import gateway_to
    with gateway_to(emulator.url) as gateway:
        setting(local_url=gateway.url)
        yield gateway
