# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"The stand-in for SATUSEHAT, as a process that never outlives the demo."

import ctypes
import select
import signal
import subprocess
import sys
import time
from contextlib import closing, contextmanager

from satusehat_emulator import seed
from satusehat_emulator.store import Store

from .folder import ROOT
from .loading import CommandFailed
from .records import PLATFORM

PATIENCE = 30
PR_SET_PDEATHSIG = 1


@contextmanager
def emulator(folder):
    """Run the emulator on a free port with the folder's store; yield its URL.

    Raises CommandFailed when it does not start.
    """
    with closing(Store(folder.store)) as store:
        seed.load(store, PLATFORM, time.time())
    command = [
        sys.executable, '-m', 'satusehat_emulator', '--port', '0',
        '--seed', 'demo', '--store', folder.store]
    with open(folder.log, 'ab') as log:
        process = subprocess.Popen(  # noqa: S603
            command, cwd=ROOT, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=log, text=True,
            start_new_session=True, preexec_fn=_end_with_parent)
    try:
        yield _address(process)
    finally:
        _end(process)


def _end_with_parent():
    "Be ended by the kernel when the demo is killed without a farewell"
    if sys.platform == 'linux':
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _address(process):
    readable, _, _ = select.select([process.stdout], [], [], PATIENCE)
    url = process.stdout.readline().strip() if readable else ''
    if not url.startswith('http://'):
        raise CommandFailed("Emulator SATUSEHAT tidak mau berjalan.")
    return url


def _end(process):
    process.terminate()
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    process.stdout.close()
