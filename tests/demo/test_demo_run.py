# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"The demo from an empty folder, interrupted, finished and repeated."

import os
import re
import signal
import sqlite3
import stat
import subprocess
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest
from demo import records as records_
from demo.folder import LOCK_FD, ROOT, Folder
from satusehat_emulator.store import Store

pytestmark = pytest.mark.slow

RECORDS = records_.read()
SENT = [v for v in RECORDS.visits if 'case' not in v]
ROW = re.compile(
    r'(RJ-\w+-\d+)  +(.+?)  +(.+?)  +([0-9a-f-]{36}|-)  +(\d+|-)  +(\S.*)')
LABELS = {
    None: "Terkirim", 'missing_diagnosis': "Sedang diperiksa",
    'patient_without_nik': "Perlu perbaikan data",
    'patient_unknown': "Perlu perbaikan data",
    'two_practitioners': "Perlu perbaikan data",
    'refused_code': "Perlu perbaikan data"}
REASONS = {
    'missing_diagnosis': "Diagnosis utama",
    'patient_without_nik': "NIK pasien",
    'patient_unknown': "NIK pasien tidak ditemukan",
    'two_practitioners': "beberapa tenaga kesehatan",
    'refused_code': "U07.1"}


class Run(NamedTuple):
    "A finished demo, and what the platform and the clinic hold after it"
    code: int
    output: str
    errors: str
    platform: list
    exchanges: list
    attempts: list

    @property
    def rows(self):
        return [m.groups() for m in map(
            ROW.fullmatch, self.output.splitlines()) if m]


def platform(folder):
    "What the organizations have written: (type, id, version, owner, body)"
    with closing(Store(folder.store)) as store:
        return sorted(
            (row.type, row.id, row.body['meta']['versionId'], row.owner,
                str(row.body))
            for type_ in {t for t, owner in store.counts() if owner}
            for row in store.find(type_) if row.owner)


def clinic(folder, query):
    with closing(sqlite3.connect(folder.database)) as database:
        return database.execute(query).fetchall()


def processes_of(folder):
    "The command lines that name the folder"
    found = []
    for path in Path('/proc').glob('[0-9]*/cmdline'):
        try:
            text = path.read_text()
        except OSError:
            continue
        if str(folder.path) in text:
            found.append(text)
    return found


def run_demo(command, environment, folder, descriptor=None):
    if descriptor is not None:
        environment = {**environment, LOCK_FD: str(descriptor)}
    run = subprocess.run(
        [*command, '--directory', folder.path], cwd=ROOT, env=environment,
        capture_output=True, encoding='utf-8',
        pass_fds=[] if descriptor is None else [descriptor])
    assert run.returncode == 0, run.stdout + run.stderr
    return Run(
        run.returncode, run.stdout, run.stderr, platform(folder),
        clinic(folder, 'select id, method, path, status '
            'from satusehat_exchange order by id'),
        clinic(folder, 'select encounter, state, attempts '
            'from satusehat_submission order by id'))


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    return Folder(tmp_path_factory.mktemp('demo') / 'var')


@pytest.fixture(scope='module')
def interrupted(command, environment, folder):
    "A demo that gets Ctrl-C while its database is made"
    with subprocess.Popen(
            [*command, '--directory', folder.path], cwd=ROOT,
            env={**environment, 'PYTHONUNBUFFERED': '1'},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        output = b''
        while b'Menyiapkan' not in output:
            output += os.read(process.stdout.fileno(), 1000)
        process.send_signal(signal.SIGINT)
        output += process.stdout.read()
    return process.returncode, output.decode(), processes_of(folder)


@pytest.fixture(scope='module')
def first(command, environment, folder, interrupted):
    return run_demo(command, environment, folder)


@pytest.fixture(scope='module')
def second(command, environment, folder, first):
    "Started as by script/demo, which has locked the folder already"
    descriptor = os.open(folder.path / 'lock', os.O_RDWR)
    try:
        return run_demo(command, environment, folder, descriptor)
    finally:
        os.close(descriptor)


def test_ctrl_c_ends_everything(interrupted, folder):
    code, output, processes = interrupted
    assert code == 130
    assert "Dihentikan." in output
    assert 'Traceback' not in output
    assert not processes


def test_every_visit_is_in_the_table(first):
    expected = [
        (RECORDS.patients[v['patient']]['name'], LABELS[v.get('case')])
        for v in RECORDS.visits]
    assert [(row[1], row[2]) for row in first.rows] == expected
    assert [row[3] != '-' for row in first.rows] == [
        'case' not in v for v in RECORDS.visits]


def test_waiting_visits_say_why(first):
    for visit, row in zip(RECORDS.visits, first.rows, strict=True):
        lines = [
            line for line in first.output.splitlines()
            if line.startswith(f'  {row[0]}  ')]
        if 'case' in visit:
            assert len(lines) == 1
            assert REASONS[visit['case']] in lines[0]
        else:
            assert not lines


def test_the_platform_holds_exactly_the_sent_visits(first):
    encounters = [row for row in first.platform if row[0] == 'Encounter']
    assert sorted(e[1] for e in encounters) == sorted(
        row[3] for row in first.rows if row[3] != '-')
    assert Counter(e[3] for e in encounters) == Counter(
        RECORDS.branches[v['branch']]['satusehat']['organization_id']
        for v in SENT)


def test_the_platform_holds_exactly_what_was_recorded(first):
    counts = Counter(row[0] for row in first.platform)
    assert counts['Condition'] == sum(
        len(v['diagnoses']) + ('finding' in v) for v in SENT)
    assert counts['Observation'] == sum(
        len(signs) - 1 for v in SENT for signs in v['vital_signs'])
    assert counts['Location'] == len(
        {(v['branch'], v['room']) for v in SENT})


def test_each_visit_took_requests(first):
    assert all(
        int(row[4]) > 0 for row in first.rows if row[2] == "Terkirim")
    assert f'dengan {len(first.exchanges)} permintaan' in first.output


def test_a_second_run_shows_the_same(first, second):
    assert second.rows == first.rows
    table = first.output.index('Kunjungan  ')
    assert second.output.endswith(first.output[table:])


def test_a_second_run_sends_nothing(first, second):
    assert second.platform == first.platform
    assert second.exchanges == first.exchanges
    assert second.attempts == first.attempts


def test_a_second_run_loads_nothing(second):
    assert "Membuka basis data yang ada" in second.output
    assert "Menyiapkan" not in second.output
    assert "Mendaftarkan" not in second.output


def test_nothing_is_left_running(second, folder):
    assert not processes_of(folder)


def test_keys_and_data_are_private(second, folder):
    assert {
        path.name: stat.S_IMODE(path.stat().st_mode)
        for path in folder.path.iterdir()
        if stat.S_IMODE(path.stat().st_mode) & 0o077} == {}
    assert not (folder.path / 'password').exists()


def test_the_address_of_the_emulator_is_not_in_the_configuration(
        second, folder):
    assert 'local_url' not in folder.configuration.read_text()


def test_users_see_their_branch_and_the_owner_sees_both(second, folder):
    companies = dict(clinic(
        folder, 'select u.login, count(*) from res_user u '
        'join "res_user-company_company" c on c."user" = u.id '
        'group by u.login'))
    assert {
        login: len(user['branches'])
        for login, user in RECORDS.users.items()} == {
        login: companies[login] for login in RECORDS.users}


def test_no_configuration_wizard_waits_for_the_administrator(second, folder):
    assert clinic(
        folder, 'select count(*) from ir_module_config_wizard_item '
        "where state != 'done'") == [(0,)]
