# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import pytest
from gateway import gateway_to
from satusehat_emulator.serving import serve


@pytest.fixture(scope='session')
def renewed_clinic():
    from matrix_clinic import RenewedClinic
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
def emulator(setting, steady_pauses):
    "The platform; requests are not paced"
    setting(requests_per_minute=0, requests_per_minute_host=0)
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
def warm(clinic, emulator):
    "The branches have tokens, and the numbers of their people and places"
    for branch in 'AB':
        clinic.visit(branch)
    clinic.push()
    assert clinic.states() == {('sent', None): 2}


@pytest.fixture
def start(clinic):
    "Start matrix_process.py: start(work, moment, encounter)"
    from matrix_processes import Process
    started = []

    def start(*arguments, **environment):
        started.append(Process(clinic.database, *arguments, **environment))
        return started[-1]
    yield start
    for process in started:
        process.kill()
