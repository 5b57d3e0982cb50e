# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"One demo at a time, and words for whatever goes wrong."

import fcntl
import json
import os
import stat
import subprocess

import pytest
from demo.folder import LOCK_FD, ROOT, Busy, Folder
from demo.loading import sources


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path / 'demo')


@pytest.fixture
def holder(folder):
    "Another process's hold on the folder, by a descriptor of its own"
    with open(folder.path / 'lock', 'w') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write('4711\n')
        lock.flush()
        yield lock


@pytest.mark.parametrize('arguments', [[], ['--reset']], ids=str)
@pytest.mark.parametrize('shell', [False, True], ids=['python', 'shell'])
def test_a_second_demo_says_so_and_leaves_all_alone(
        command, environment, folder, holder, shell, arguments):
    folder.mark.write_text('{}')
    run = subprocess.run(
        [*([ROOT / 'script' / 'demo'] if shell else command),
            '--directory', folder.path, *arguments],
        cwd=ROOT, env=environment, capture_output=True, text=True)
    assert run.returncode == 1
    assert "demo atau server lain masih berjalan (proses 4711)" in run.stderr
    assert not run.stdout
    assert sorted(os.listdir(folder.path)) == ['loaded.json', 'lock']


def test_the_lock_is_free_again_afterwards(folder):
    for _ in range(2):
        with folder.locked():
            assert (folder.path / 'lock').read_text() == f'{os.getpid()}\n'
            with pytest.raises(Busy), Folder(folder.path).locked():
                pass


def test_the_lock_of_the_shell_is_taken_over(folder, monkeypatch):
    descriptor = os.open(folder.path / 'lock', os.O_RDWR | os.O_CREAT)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    monkeypatch.setenv(LOCK_FD, str(descriptor))
    with folder.locked():
        assert LOCK_FD not in os.environ
        with pytest.raises(Busy), Folder(folder.path).locked():
            pass


def test_a_database_that_cannot_be_read_is_reported(
        command, environment, folder):
    folder.database.write_bytes(b'no database' * 1000)
    folder.finish_loading(
        {'sources': sources(), 'data': '', 'refusals': {}})
    run = subprocess.run(
        [*command, '--directory', folder.path],
        cwd=ROOT, env=environment, capture_output=True, text=True)
    assert run.returncode == 1
    assert 'script/demo gagal: ' in run.stderr
    assert f'Rincian: {folder.log}' in run.stderr
    assert 'Traceback' not in run.stdout + run.stderr
    assert 'Traceback' in folder.log.read_text()


def test_an_unknown_argument_is_refused(command, environment, folder):
    run = subprocess.run(
        [ROOT / 'script' / 'demo', '--directory', folder.path, '--rest'],
        cwd=ROOT, env=environment, capture_output=True, text=True)
    assert run.returncode == 1
    assert '--rest' in run.stderr


def test_clearing_takes_the_mark_first_and_keeps_the_key(folder):
    folder.configure()
    key = folder.configuration.read_text()
    for path in [folder.database, folder.store]:
        path.touch()
        path.with_name(path.name + '-wal').touch()
    folder.finish_loading({})
    assert folder.is_loaded
    folder.clear()
    folder.configure()
    assert not folder.is_loaded
    assert os.listdir(folder.path) == ['trytond.conf']
    assert folder.configuration.read_text() == key


def test_secrets_are_private(folder):
    folder.configure()
    with folder.password_file('secret') as path:
        for private in [path, folder.configuration]:
            assert stat.S_IMODE(private.stat().st_mode) == 0o600
    assert not path.exists()


def test_a_moved_folder_keeps_its_key(folder, tmp_path):
    folder.configure()
    before = folder.configuration.read_text()
    moved = Folder(folder.path.rename(tmp_path / 'elsewhere'))
    moved.configure()
    assert moved.configuration.read_text() == before.replace(
        str(folder.path), str(moved.path))


def test_the_mark_is_whole_or_absent(folder):
    folder.finish_loading({'refusals': {'RJ-1': "belum lengkap"}})
    assert json.loads(folder.mark.read_text()) == folder.remarks()
    with pytest.raises(TypeError):
        folder.finish_loading({'refusals': object()})
    assert folder.remarks()['refusals'] == {'RJ-1': "belum lengkap"}
