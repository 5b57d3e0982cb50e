# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The folder of the demo: database, the emulator's store, keys, log, lock.

    lock               held while a demo runs, with its process id
    trytond.conf       the server's configuration with its key, mode 0600
    clinic.sqlite      the clinic's database
    emulator.sqlite    what the stand-in for SATUSEHAT has received
    loaded.json        written last: the database is complete
    demo.log           what trytond and the emulator had to say
"""

import configparser
import fcntl
import hashlib
import json
import os
import tempfile
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DEFAULT = ROOT / 'var' / 'demo'
DATABASE = 'clinic'
LOCK_FD = 'KLINIK_DEMO_LOCK_FD'
CONFIGURATION = """\
# Server configuration of the demo, written by script/demo.
# The address of the emulator is not here: it has another port each time and
# comes from the environment, which this file would overrule.

[database]
uri = sqlite://
path = {path}
list = False

[password]
length = 12

[queue]
worker = False

[satusehat]
encryption_keys = {key}
# The emulator finds at once what it has stored.
checking_grace = 10
"""


class Busy(Exception):
    "Another demo holds the lock; the argument is its process id or ''"


class Folder:
    "The files of one demo"

    def __init__(self, path=DEFAULT):
        self.path = Path(path).resolve()
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.configuration = self.path / 'trytond.conf'
        self.database = self.path / f'{DATABASE}.sqlite'
        self.store = self.path / 'emulator.sqlite'
        self.mark = self.path / 'loaded.json'
        self.log = self.path / 'demo.log'

    @contextmanager
    def locked(self):
        """Hold the lock, raise Busy when another process does.

        A descriptor that script/demo has locked already is taken over.
        """
        inherited = os.environ.pop(LOCK_FD, None)
        descriptor = int(inherited) if inherited else os.open(
            self.path / 'lock', os.O_RDWR | os.O_CREAT, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Busy(os.pread(descriptor, 20, 0).decode().strip()) from None
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f'{os.getpid()}\n'.encode(), 0)
            yield
        finally:
            os.close(descriptor)

    @property
    def is_loaded(self):
        return self.mark.exists() and self.database.exists()

    def remarks(self):
        "Return what `finish_loading` has kept"
        return json.loads(self.mark.read_text('utf-8'))

    def finish_loading(self, remarks):
        "Mark the database as complete, in one step"
        draft = self.mark.with_suffix('.draft')
        draft.write_text(json.dumps(remarks, indent=1), 'utf-8')
        draft.replace(self.mark)

    def clear(self):
        "Remove the database and the emulator's store, the mark first"
        self.mark.unlink(missing_ok=True)
        for path in [self.database, self.store]:
            for suffix in ['', '-wal', '-shm', '-journal']:
                path.with_name(path.name + suffix).unlink(missing_ok=True)

    def configure(self):
        "Write the configuration; a key that is there stays"
        from cryptography.fernet import Fernet
        known = configparser.RawConfigParser()
        known.read(self.configuration, 'utf-8')
        key = known.get('satusehat', 'encryption_keys', fallback=None)
        self._write_private(self.configuration, CONFIGURATION.format(
                path=self.path, key=key or Fernet.generate_key().decode()))

    def touch_database(self):
        "Create the empty file that trytond-admin wants to find"
        os.close(os.open(self.database, os.O_WRONLY | os.O_CREAT, 0o600))

    @contextmanager
    def password_file(self, password):
        "Yield the path of a file with the password, gone afterwards"
        path = self.path / 'password'
        self._write_private(path, password + '\n')
        try:
            yield path
        finally:
            path.unlink()

    def _write_private(self, path, text):
        descriptor, draft = tempfile.mkstemp(dir=self.path)
        with open(descriptor, 'w', encoding='utf-8') as file:
            file.write(text)
        Path(draft).replace(path)


def digest(*folders):
    "Return a hash over the names and contents of all files in the folders"
    result = hashlib.sha256()
    for folder in folders:
        for path in sorted(folder.rglob('*')):
            if path.is_file() and '__pycache__' not in path.parts:
                result.update(f'{path.relative_to(folder)}\0'.encode())
                result.update(hashlib.sha256(path.read_bytes()).digest())
    return result.hexdigest()
