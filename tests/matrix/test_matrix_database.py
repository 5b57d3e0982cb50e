# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Fault matrix: the database server is away."

import tempfile
from pathlib import Path

import pytest
from gateway import FHIR
from matrix_clinic import sees, settled, sweep_is_due
from push_clinic import DOCTOR_NIK, PATIENT_NIK
from renewed_clinic import RenewedClinic
from trytond import backend

PEOPLE = {PATIENT_NIK, DOCTOR_NIK, "Ardianto", "Alexander"}
MODES = pytest.mark.parametrize('mode', ['fast', 'immediate'])
pytestmark = [
    pytest.mark.nightly,
    pytest.mark.skipif(
        backend.name != 'postgresql', reason="SQLite has no server")]


@pytest.fixture(scope='module')
def server():
    "A PostgreSQL server that nobody else uses"
    from matrix_server import Server, postgresql_bin
    with tempfile.TemporaryDirectory(prefix='rme-matrix-') as home:
        Path(home).chmod(0o711)
        server = Server(home, postgresql_bin())
        server.start()
        yield server
        server.stop()


@pytest.fixture(scope='module')
def renewed_clinic(server):
    "The clinic of these tests is on that server"
    from matrix_server import served_by
    with served_by(server) as database:
        yield RenewedClinic(database)


@pytest.fixture
def sweeps(clinic, warm, start):
    "Start a process that sweeps: sweeps(moment)"
    sweep_is_due(clinic)
    return lambda moment='never': start('sweeps', moment)


def assert_says_nothing_of_people(clinic, emulator, process):
    assert 'sweep failed' in process.errors
    settled(
        clinic, emulator, canaries=frozenset(PEOPLE),
        texts=(('the log of the sender', process.errors),))


@MODES
@pytest.mark.fault(8)
def test_database_is_gone_when_the_answer_is_there(
        clinic, emulator, sweeps, gateway, server, mode):
    visit = clinic.visit()

    def take_the_database_away(exchange):
        answer = exchange.forward()
        server.go_away(mode)
        exchange.hand_back(answer)
    gateway.once('POST', FHIR, take_the_database_away)
    process = sweeps()
    process.go()
    assert process.says() == 'failed'
    server.come_back()
    assert clinic.submission(visit)['state'] == 'sending'
    assert clinic.exchanges(path=FHIR)[-1][2:] == (None, 'unknown')
    assert clinic.encounter_id(visit) is None
    clinic.pass_time(130)
    sweep_is_due(clinic)
    process.go()
    assert process.says() == 'swept'
    assert process.end() == 0
    assert sees(clinic, visit, 8)['state'] == 'sent'
    assert len(gateway.posts) == 1
    assert_says_nothing_of_people(clinic, emulator, process)


@MODES
@pytest.mark.fault(9)
@pytest.mark.parametrize('moment', ['never', 'claimed'])
def test_database_is_gone_when_rows_are_claimed(
        clinic, emulator, sweeps, gateway, server, mode, moment):
    visit = clinic.visit()
    before = clinic.submission(visit)
    asked = len(emulator.journal.entries())
    process = sweeps(moment)
    if moment == 'claimed':
        process.go()
        assert process.says() == 'claimed'
    server.go_away(mode)
    process.go()
    assert process.says() == 'failed'
    assert len(emulator.journal.entries()) == asked
    server.come_back()
    assert sees(clinic, visit, 9)['state'] == 'pending'
    assert clinic.submission(visit) == before
    sweep_is_due(clinic)
    process.go()
    assert process.says() == 'swept'
    assert process.end() == 0
    assert sees(clinic, visit, 9)['state'] == 'sent'
    assert len(gateway.posts) == 1
    assert_says_nothing_of_people(clinic, emulator, process)
