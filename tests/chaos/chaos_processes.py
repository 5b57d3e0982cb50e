# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"The processes of a chaos run: started, watched, killed, started again."

import json
import logging
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from urllib.request import Request, urlopen

HERE = Path(__file__).parent
fork = multiprocessing.get_context('fork')


class Platform:
    "The emulator as a process of its own"

    def __init__(self, seed, settings, address, log):
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / 'chaos_platform.py'), str(seed),
                json.dumps(settings), address],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
            text=True, start_new_session=True)
        self.url = self._process.stdout.readline().strip()
        if not self.url:
            raise RuntimeError("the emulator did not start")

    def order(self, **order):
        "Let it do something and return what the witness saw"
        self._process.stdin.write(json.dumps(order) + '\n')
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def faults(self, *wanted):
        "Let these faults happen from now on, and no others"
        address = f'{self.url}/_emulator/faults'
        urlopen(Request(address, method='DELETE'), timeout=30).close()
        for fault in wanted:
            urlopen(Request(
                    address, json.dumps(fault).encode(),
                    {'Content-Type': 'application/json'}), timeout=30).close()

    def end(self):
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()


class Child:
    "One process of the clinic, forked where the modules are loaded already"

    def __init__(self, name, function, *args, log):
        self.name = name
        self._process = fork.Process(
            target=_run, args=(name, log, function, args), daemon=True)
        self._process.start()
        self.pid = self._process.pid

    @property
    def code(self):
        "The exit code, negative for a signal, None while it runs"
        return self._process.exitcode

    def kill(self):
        self._process.kill()
        self._process.join()

    def usage(self):
        "Return what it uses now, None if it is gone"
        try:
            status = Path(f'/proc/{self.pid}/status').read_text()
            found = dict(
                line.split(':', 1) for line in status.splitlines())
            return {
                'process': self.name,
                'rss': int(found['VmRSS'].split()[0]) * 1024,
                'threads': int(found['Threads']),
                'files': len(os.listdir(f'/proc/{self.pid}/fd')),
                }
        except (OSError, KeyError, ValueError):
            return None


def apart(function, *args, log):
    "Return what the function returns, run in a process of its own"
    ours, theirs = fork.Pipe(duplex=False)
    child = Child(
        function.__name__, _send, theirs, function, args, log=log)
    theirs.close()
    try:
        return ours.recv()
    except EOFError:
        raise RuntimeError(f"{child.name} failed, see {log}") from None
    finally:
        child._process.join()
        ours.close()


def _send(pipe, function, args):
    pipe.send(function(*args))


def _run(name, log, function, args):
    "Run it with its log, which tells why it ended by itself"
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    root = logging.getLogger()
    root.handlers.clear()
    handler = logging.FileHandler(log)
    handler.setFormatter(logging.Formatter(
            f'%(asctime)s {os.getpid()} {name} %(name)s %(message)s'))
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    try:
        function(*args)
    except Exception:
        logging.getLogger('chaos').exception("%s ended", name)
        logging.shutdown()
        os._exit(1)
    os._exit(0)


class Crew:
    "Children by name, each of which is to be there until it is dismissed"

    def __init__(self, log):
        self._log, self._roles, self._children = log, {}, {}
        self.crashes, self.usage = [], []
        self.kills = 0

    def hire(self, name, function, *args):
        self._roles[name] = function, args
        self._start(name)

    def _start(self, name):
        function, args = self._roles[name]
        self._children[name] = Child(name, function, *args, log=self._log)

    def kill(self, share):
        "Kill one of them, chosen by a share of 1, and start it again"
        names = sorted(self._roles)
        name = names[int(share * len(names))]
        self._children[name].kill()
        self.kills += 1
        self._start(name)

    def look_after(self):
        "Start what ended by itself, unless its work is done"
        for name, child in list(self._children.items()):
            if child.code is None:
                if sample := child.usage():
                    self.usage.append(sample)
            elif child.code == 0:
                self.dismiss(name)
            else:
                self.crashes.append(f'{name} ended with {child.code}')
                self._start(name)

    def dismiss(self, name):
        self._roles.pop(name)
        child = self._children.pop(name)
        if child.code is None:
            child.kill()

    def dismiss_all(self):
        for name in list(self._roles):
            self.dismiss(name)

    def peak(self):
        "Return the highest sample of each kind"
        return [
            max(self.usage, key=lambda sample: sample[name])
            for name in ('rss', 'threads', 'files') if self.usage]


def wait_until(condition, seconds, crew, pause=0.3):
    "Return whether the condition came true within the seconds"
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            return False
        crew.look_after()
        time.sleep(pause)
    return True
