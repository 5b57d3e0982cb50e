# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The database of a chaos run: a file, or a PostgreSQL server of our own.

A commit of that server survives its crash (synchronous_commit), though not
one of the machine (no fsync), which a chaos run does not cause.
"""

import os
import pwd
import shutil
import socket
import subprocess
from pathlib import Path

OPTIONS = {
    'listen_addresses': '127.0.0.1', 'fsync': 'off',
    'synchronous_commit': 'on', 'full_page_writes': 'off',
    'max_connections': '200'}
NAME = 'chaos'


class SQLite:
    "A file in the folder of the run"

    backend = 'sqlite'

    def __init__(self, home):
        self._home = Path(home)

    def start(self):
        pass

    def stop(self):
        pass

    @property
    def uri(self):
        return 'sqlite://'

    @property
    def address(self):
        "Where a connection beside trytond finds the database"
        return f'sqlite:///{self._home / NAME}.sqlite'

    @property
    def evidence(self):
        return self._home / f'{NAME}.sqlite'


class PostgreSQL:
    "A server on a free port, with its data in the folder of the run"

    backend = 'postgresql'

    def __init__(self, home, bin):
        self._home, self._bin = Path(home, 'postgresql'), Path(bin)
        self._user = None
        if os.geteuid() == 0:
            self._user = next(
                name for name in ('postgres', 'nobody') if _is_user(name))
        self.port = None

    def _run(self, command, *arguments):
        subprocess.run(
            [self._bin / command, *map(str, arguments)], check=True,
            user=self._user, cwd='/', stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL)

    def start(self):
        "Make the server and start it"
        self._home.mkdir()
        if self._user:
            shutil.chown(self._home, self._user)
        self._run(
            'initdb', '--pgdata', self._data, '--username', 'tryton',
            '--auth', 'trust', '--encoding', 'UTF8', '--locale', 'C.UTF-8',
            '--no-sync')
        self.port = _free_port()
        self._start()

    @property
    def _data(self):
        return self._home / 'data'

    def _start(self):
        options = ' '.join(f'-c {k}={v}' for k, v in OPTIONS.items())
        self._run(
            'pg_ctl', 'start', '--silent', '--wait', '--pgdata', self._data,
            '--log', self._home / 'log', '--options',
            f"-p {self.port} -k '' {options}")

    def _stop(self, mode):
        self._run(
            'pg_ctl', 'stop', '--silent', '--wait', '--pgdata', self._data,
            '--mode', mode)

    def restart(self, mode):
        "Stop in a mode of pg_ctl, `immediate` being a crash, and start"
        self._stop(mode)
        self._start()

    def stop(self):
        if (self._data / 'postmaster.pid').exists():
            self._stop('immediate')

    @property
    def uri(self):
        return f'postgresql://tryton@127.0.0.1:{self.port}/'

    @property
    def address(self):
        return self.uri + NAME

    @property
    def evidence(self):
        "The file of a dump, made now"
        path = self._home / f'{NAME}.dump'
        self._run(
            'pg_dump', '--format', 'custom', '--file', path, self.address)
        return path


def postgresql_bin():
    "Return the folder of PostgreSQL's programs, None if there is none"
    found = shutil.which('pg_ctl')
    folders = [Path(found).resolve().parent] if found else []
    folders += sorted(
        Path('/usr/lib/postgresql').glob('*/bin'), reverse=True)
    for folder in folders:
        if (folder / 'initdb').exists() and (folder / 'pg_ctl').exists():
            return folder


def _is_user(name):
    try:
        return bool(pwd.getpwnam(name))
    except KeyError:
        return False


def _free_port():
    with socket.socket() as listener:
        listener.bind(('127.0.0.1', 0))
        return listener.getsockname()[1]
