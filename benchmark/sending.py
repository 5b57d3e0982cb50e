# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""One sender in a process of its own: python -m benchmark.sending DATABASE.

Prints "ready", begins at a line of input and prints what it took as JSON:
moments of the monotonic clock, CPU seconds, the main thread's part of them,
the seconds it waited for a processor, and samples of the memory. With --stay
it goes on until its input ends; otherwise until nothing is due. With --warm
the branches have their tokens before it is ready, as in most of an hour.
"""

import argparse
import cProfile
import io
import json
import pstats
import sys
import threading
import time
from contextlib import suppress

from trytond.pool import Pool
from trytond.transaction import Transaction

from .processes import resident, starved

SAMPLE = 0.25
PAUSE = 0.25
LINES = 45


class Memory(threading.Thread):
    "Samples the memory of this process, [moment, kB]"

    def __init__(self):
        super().__init__(daemon=True)
        self.samples, self._over = [], threading.Event()

    def run(self):
        while not self._over.wait(SAMPLE):
            self.samples.append([time.monotonic(), resident()])

    def end(self):
        self._over.set()
        self.join()


def is_due(database):
    "Whether any row could be sent now"
    with Transaction().start(database, 0, readonly=True):
        pool = Pool()
        Submission = pool.get('satusehat.submission')
        from trytond.modules.satusehat_integration.gate import database_now
        return bool(Submission.search([
                    ('state', 'in', ['pending', 'checking', 'waiting']),
                    ('next_attempt', '<=', database_now()),
                    ], limit=1))


def warm(database):
    "Have a token for each branch, unless another sender is fetching it"
    from trytond.modules.satusehat_integration.channel import Channel
    from trytond.modules.satusehat_integration.verdict import Halt
    with Transaction().start(database, 0):
        Credential = Pool().get('satusehat.credential')
        for credential in Credential.search([]):
            channel = Channel(credential.company.id, credential.environment)
            with suppress(Halt):
                channel.token([])


def deliver(database):
    "Do what the scheduler does"
    from trytond.modules.satusehat_integration.sender import Sender
    with Transaction().start(database, 0):
        Sender().run()


def drain(database, seconds):
    "Deliver until nothing is due, at most the seconds"
    until = time.monotonic() + seconds
    while time.monotonic() < until and is_due(database):
        deliver(database)


def stay(database):
    "Deliver what falls due until the input ends"
    over = threading.Event()

    def wait():
        sys.stdin.read()
        over.set()

    threading.Thread(target=wait, daemon=True).start()
    while not over.is_set():
        deliver(database)
        over.wait(PAUSE)


def measured(run):
    "Run and return what it took"
    memory = Memory()
    memory.start()
    started, cpu, own = time.monotonic(), time.process_time(), time.thread_time()
    idle = starved()
    run()
    result = {
        'started': started, 'ended': time.monotonic(),
        'cpu': time.process_time() - cpu,
        'main_cpu': time.thread_time() - own,
        'starved': starved() - idle,
        }
    memory.end()
    return {**result, 'memory': memory.samples, 'resident': resident()}


def write_profile(profile, path):
    "Write where the main thread's time went, by function"
    with open(path, 'w', encoding='utf-8') as lines:
        for order in ['cumulative', 'tottime']:
            text = io.StringIO()
            pstats.Stats(profile, stream=text).strip_dirs().sort_stats(
                order).print_stats(LINES)
            lines.write(text.getvalue())
    profile.dump_stats(f'{path}.pstats')


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('database')
    parser.add_argument('--seconds', type=float, default=600)
    parser.add_argument('--stay', action='store_true')
    parser.add_argument('--warm', action='store_true')
    parser.add_argument('--profile')
    args = parser.parse_args()
    Pool.start()
    Pool(args.database).init()
    is_due(args.database)
    if args.warm:
        warm(args.database)
    print('ready', flush=True)
    sys.stdin.readline()
    profile = cProfile.Profile()

    def run():
        if args.profile:
            profile.enable()
        if args.stay:
            stay(args.database)
        else:
            drain(args.database, args.seconds)
        profile.disable()

    result = measured(run)
    if args.profile:
        write_profile(profile, args.profile)
    print(json.dumps(result), flush=True)


if __name__ == '__main__':
    main()
