# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Fault matrix: the database is away, full, restored or updated."

import subprocess
import sys
from pathlib import Path

import pytest
from matrix_clinic import drain, sees, settled
from push_clinic import UNKNOWN_NIK
from trytond import backend

ON_SQLITE = pytest.mark.skipif(
    backend.name != 'sqlite',
    reason="the files of a PostgreSQL server are not ours to limit")


@ON_SQLITE
@pytest.mark.nightly
@pytest.mark.fault(55)
def test_visit_is_not_finished_on_a_full_disk(clinic, emulator, start):
    visit = clinic.visit(finish=False)
    process = start('finish', 'full_disk', visit)
    assert process.end() > 0
    assert 'Error' in process.errors
    assert clinic.read('clinic.encounter', [], 'state') == [
        ('in_progress',)]
    assert clinic.states() == {}
    clinic.finish(visit)
    clinic.push()
    assert sees(clinic, visit, 55)['state'] == 'sent'
    settled(clinic, emulator)


@ON_SQLITE
@pytest.mark.nightly
@pytest.mark.fault(55)
def test_visit_waits_while_the_disk_is_full(clinic, emulator, start):
    visit = clinic.visit()
    assert start('push', 'full_disk').end() > 0
    assert sees(clinic, visit, 55)['state'] == 'pending'
    assert not emulator.journal.entries()
    clinic.push()
    assert sees(clinic, visit, 55)['state'] == 'sent'
    settled(clinic, emulator)


@pytest.mark.fault(61)
def test_restored_backup_makes_no_twins(clinic, emulator, warm):
    emulator.faults.add('drop', resource='Bundle', stored=True, times=1)
    unknown = clinic.visit()
    clinic.push()
    visits = [unknown, *(clinic.visit(branch) for branch in 'AB')]
    with clinic.backup() as restore:
        clinic.make_due()
        clinic.push()
        numbers = [
            clinic.encounter_id(v, b)
            for v, b in zip(visits, 'AAB', strict=True)]
        assert all(numbers)
        restore()
    assert clinic.encounter_id(visits[1]) is None
    drain(clinic)
    for visit in visits:
        assert sees(clinic, visit, 61)['state'] == 'sent'
    assert numbers == [
        clinic.encounter_id(v, b) for v, b in zip(visits, 'AAB', strict=True)]
    # What was sent after the backup has left no trace in it
    settled(clinic, emulator, but={'I8'})


def each_state(clinic, emulator):
    "Return {state: visit}, one visit in each state of a submission"
    found = {}
    for state, fault in [
            ('checking', 'html'), ('waiting', 'server_error'),
            ('needs_admin', 'forbidden')]:
        emulator.faults.add(fault, resource='Bundle', times=1)
        found[state] = clinic.visit()
        clinic.push()
        emulator.faults.clear()
    found['needs_data'] = clinic.visit(nik=UNKNOWN_NIK)
    found['sent'] = clinic.visit('B')
    clinic.push()
    for state in ['pending', 'sending', 'stopped']:
        found[state] = clinic.visit('B')
    clinic.write('satusehat.submission', [
            ('encounter', '=', found['sending'])], {
            'state': 'sending', 'claim': 'gone',
            'lease_until': clinic.read(
                'clinic.encounter', [('id', '=', found['sending'])],
                'finished_at')[0][0]})
    clinic.write('satusehat.submission', [
            ('encounter', '=', found['stopped'])],
        {'state': 'stopped', 'next_attempt': None})
    assert {s: clinic.submission(v)['state'] for s, v in found.items()} == {
        s: s for s in found}
    return found


def kept(clinic):
    return clinic.read(
        'satusehat.submission', [], 'encounter', 'state', 'reason',
        'attempts', 'next_attempt', 'begun', 'begun_at', 'snapshot_hash',
        'bundle', 'bundle_hash')


@pytest.mark.nightly
@pytest.mark.fault(63)
def test_update_keeps_every_state(clinic, emulator, warm):
    visits = each_state(clinic, emulator)
    before = kept(clinic)
    update = subprocess.run(
        [Path(sys.executable).with_name('trytond-admin'), '-d',
            clinic.database, '-u', 'satusehat_integration'],
        capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert update.returncode == 0, update.stderr
    assert kept(clinic) == before
    clinic.resend(visits['needs_admin'])
    drain(clinic)
    assert {s: clinic.submission(v)['state'] for s, v in visits.items()} == {
        **dict.fromkeys(visits, 'sent'),
        'needs_data': 'needs_data', 'stopped': 'stopped'}
    settled(clinic, emulator)
