# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import pytest


@pytest.fixture
def pace(setting):
    "Requests do not keep to a pace"
    setting(requests_per_minute=0, requests_per_minute_host=0)


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
