# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Processes of matrix_process.py, started, stopped and waited for."

import os
import signal
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import trytond.config as config

SCRIPT = Path(__file__).with_name('matrix_process.py')


class Process:
    """One piece of work on a database; it begins with go() or end().

    It has the settings of this process, and ``environment``.
    """

    def __init__(
            self, database, work, moment='never', *encounter, **environment):
        self._process = subprocess.Popen(
            [sys.executable, str(SCRIPT), database, work, moment,
                *map(str, encounter)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, env={
                **os.environ, **_settings(), **environment})
        self.errors = ''
        self._gone = False
        first = self._process.stdout.readline()
        assert first == 'ready\n', self._process.stderr.read()

    def go(self):
        self._gone = True
        self._process.stdin.write('\n')
        self._process.stdin.flush()

    def says(self):
        "Return the next word that it writes, '' when it has ended"
        return self._process.stdout.readline().strip()

    def stop(self):
        self._process.send_signal(signal.SIGSTOP)

    def carry_on(self):
        self._process.send_signal(signal.SIGCONT)

    def kill(self):
        self._process.kill()
        self._process.communicate()

    def end(self):
        "Let it work and return its exit code, negative for a signal"
        if not self._gone:
            self.go()
        _, self.errors = self._process.communicate(timeout=120)
        return self._process.returncode


def _settings():
    "Return the section [satusehat] as environment variables"
    from trytond.modules.satusehat_integration.platform import settings
    options = {
        **asdict(settings.read()),
        'local_url': config.get('satusehat', 'local_url')}
    return {
        f'TRYTOND_SATUSEHAT__{name.upper()}': str(value)
        for name, value in options.items()}
