# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Processes beside this one, and what they cost."

import json
import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TICK = os.sysconf('SC_CLK_TCK')


class ChildError(RuntimeError):
    "A child process ended before it had said what was asked"


class Child:
    """A Python module run as a process, spoken to by lines.

    It is expected to end when its input does.
    """

    def __init__(self, module, *arguments, **environment):
        self._process = subprocess.Popen(  # noqa: S603
            [sys.executable, '-m', module, *map(str, arguments)], cwd=ROOT,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, **environment})
        self.module, self.pid = module, self._process.pid

    def line(self):
        "Return the next line it prints; raises ChildError at the end"
        line = self._process.stdout.readline()
        if not line:
            raise ChildError(
                f"{self.module} ended with {self._process.wait()}")
        return line.rstrip('\n')

    def go(self):
        "Let it begin"
        self._process.stdin.write('go\n')
        self._process.stdin.flush()

    def hush(self):
        "Close its input, which tells it to come to an end"
        self._process.stdin.close()

    def result(self):
        "Return the JSON value that it prints last"
        return json.loads(self.line())

    def end(self):
        "Wait until it is gone; it is terminated when it does not go"
        if not self._process.stdin.closed:
            self.hush()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.terminate()
            self._process.wait()
        self._process.stdout.close()


@contextmanager
def children(count, module, *arguments, **environment):
    "The module run count times, gone at the end"
    started = []
    try:
        for _ in range(count):
            started.append(Child(module, *arguments, **environment))
        yield started
    finally:
        for child in started:
            child.end()


def race(runners, meanwhile=None):
    """Let all begin when each is ready; return their results.

    Those that stay are told to end when meanwhile returns.
    """
    for runner in runners:
        runner.line()
    for runner in runners:
        runner.go()
    if meanwhile:
        meanwhile()
        for runner in runners:
            runner.hush()
    return [runner.result() for runner in runners]


def cpu(pid):
    "Return the CPU seconds a process has used, without its children"
    return sum(_stat(pid)[11:13]) / TICK


def family_cpu(pid):
    """Return the CPU seconds of a process and its children.

    Both those that run and those that have ended.
    """
    running = [
        int(entry.name) for entry in Path('/proc').iterdir()
        if entry.name.isdecimal()]
    total = sum(_stat(pid)[11:15])
    for other in running:
        try:
            stat = _stat(other)
        except OSError:
            continue
        if stat[1] == pid:
            total += sum(stat[11:13])
    return total / TICK


def parent(pid):
    "Return the process id of the parent"
    return _stat(pid)[1]


def _stat(pid):
    "Return the fields of /proc/PID/stat after the name, as numbers"
    text = Path(f'/proc/{pid}/stat').read_text()
    state, *numbers = text.rpartition(')')[2].split()
    return [state, *map(int, numbers)]


def resident():
    "Return the resident memory of this process in kB"
    pages = int(Path('/proc/self/statm').read_text().split()[1])
    return pages * os.sysconf('SC_PAGE_SIZE') // 1024


def starved():
    """Return the seconds this thread was ready and had no processor.

    0 where the kernel does not say.
    """
    try:
        text = Path('/proc/thread-self/schedstat').read_text()
    except OSError:
        return 0
    return int(text.split()[1]) / 1e9
