# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""How fast visits leave, beside a bare loop that posts the same bytes.

Each line is a run of its own on a fresh copy of one database, against a
fresh platform. Look-ups are warm and pacing is off.
"""

import argparse
import json
import math
import os
from dataclasses import dataclass
from pathlib import Path

from trytond import backend

from . import clinics, database
from .platform import KINDS, platform
from .processes import children, cpu, family_cpu, parent, race
from .report import Table

FASTEST = 150
FEWEST = 48
COLUMNS = [
    ('database', 10), ('platform', 9), ('ms', 5), ('conn', 5), ('send', 5),
    ('R4B', 4), ('visits', 7), ('enc/s', 8), ('loop/s', 8), ('ratio', 6),
    ('cpu ms', 7), ('http ms', 8), ('db ms', 6), ('starved', 7), ('req/visit', 10),
    ('MB', 6), ('not sent', 9)]
MEMORY = [
    ('database', 10), ('conn', 5), ('visits', 7), ('MB', 8), ('enc/s', 8),
    ('not sent', 9)]
SHARES = [0.2, 0.5, 1]


@dataclass(frozen=True)
class Case:
    "One run: connections are in all, shared out over the senders"
    kind: str
    latency: float
    connections: int
    senders: int
    validation: bool

    def is_possible(self):
        "Whether there is a connection for each, and SQLite has one writer"
        return self.senders <= self.connections and (
            self.senders == 1 or backend.name != 'sqlite')

    def visits(self, args):
        "Return how many visits fill about the seconds of a run"
        rate = FASTEST
        if self.latency:
            rate = min(rate, self.connections / self.latency * 1000)
        return int(min(args.visits, max(FEWEST, rate * args.seconds)))

    def settings(self, url, extra):
        "Return the environment of the senders"
        share = self.connections // self.senders
        options = {
            'local_url': url, 'connections': share,
            'branch_connections': share, 'requests_per_minute': 0,
            'requests_per_minute_host': 0, 'push_seconds': 900,
            'validate_r4b': int(self.validation), **extra}
        return {
            f'TRYTOND_SATUSEHAT__{name.upper()}': str(value)
            for name, value in options.items()}


def server_of(name):
    "Return the process id of the PostgreSQL server of the database"
    (pid,), = database.query(name, 'SELECT pg_backend_pid()')
    return parent(pid)


class Costs:
    "The CPU seconds of the database's and the platform's processes"

    def __init__(self, name, child):
        self._child, self._server = child.pid, None
        if backend.name == 'postgresql':
            self._server = server_of(name)
        self._before = self._now()

    def _now(self):
        return (
            family_cpu(self._server) if self._server else 0, cpu(self._child))

    def spent(self):
        return [
            now - before for now, before in zip(
                self._now(), self._before, strict=True)]


def send(template, case, args):
    """Send the visits of the case and return what it took.

    With the payloads, {'rate', 'cpu', ...} where times are milliseconds for
    each visit.
    """
    visits = case.visits(args)
    name = database.new_name('run')
    database.copy(template, name)
    try:
        database.keep_due(name, visits)
        with platform(case.kind, case.latency, args.branches) as far:
            costs = Costs(name, far.child)
            profile = _profile(args, case)
            with children(
                    case.senders, 'benchmark.sending', name, '--warm', *profile,
                    **case.settings(far.url, args.setting)) as senders:
                results = race(senders)
            of_database, of_platform = costs.spent()
            log = far.log() if case.kind == 'standin' else None
        return {
            'visits': visits,
            'payloads': database.payloads(name),
            **_figures(results, visits),
            'database_cpu': 1000 * of_database / visits,
            'platform_cpu': 1000 * of_platform / visits,
            'log': log,
            'requests': _requests(name, log) / visits,
            **_outcome(name, visits),
            }
    finally:
        database.drop(name)


def _profile(args, case):
    if not args.profile:
        return []
    directory = Path(args.profile).absolute()
    directory.mkdir(parents=True, exist_ok=True)
    return ['--profile', directory / (
            f'{backend.name}-{case.kind}-{case.latency:g}ms'
            f'-{case.connections}c-{case.senders}s'
            f'-{"r4b" if case.validation else "plain"}.txt')]


def _figures(results, visits):
    wall = max(r['ended'] for r in results) - min(
        r['started'] for r in results)
    total = sum(r['cpu'] for r in results)
    return {
        'rate': visits / wall,
        'cpu': 1000 * total / visits,
        'http_cpu': 1000 * (
            total - sum(r['main_cpu'] for r in results)) / visits,
        'starved': 1000 * sum(r['starved'] for r in results) / visits,
        'resident': max(
            kilobytes for r in results for _, kilobytes in
            [*r['memory'], [0, r['resident']]]) / 1024,
        'results': results,
        }


def _requests(name, log):
    "Return how many requests there were, those for tokens left out"
    if log is not None:
        return sum(kind != 'token' for _, _, kind, *_ in log)
    return sum(
        count for (_, path), count in database.requests(name).items()
        if 'accesstoken' not in path)


def _outcome(name, visits):
    "Return how many visits were not sent, and what became of all"
    states = database.states(name)
    return {'unsent': visits - states.pop(('sent', None), 0), 'states': states}


def ceiling(case, payloads, args):
    "Return how many of the same Bundles a bare loop posts in a second"
    companies = sorted({company for company, _ in payloads})
    number = {c: n for n, c in enumerate(companies, start=1)}
    path = Path(os.environ['SCRATCH'], 'payloads.jsonl')
    with open(path, 'w', encoding='utf-8') as lines:
        for company, body in payloads:
            lines.write(json.dumps([
                        *clinics.client(number[company]),
                        body.decode()]) + '\n')
    with platform(case.kind, case.latency, args.branches) as far:
        with children(
                1, 'benchmark.loop', far.url, case.connections,
                path) as loops:
            result, = race(loops)
    if result['taken'] != result['count']:
        raise RuntimeError(
            f"the loop had {result['taken']} of {result['count']} taken")
    return result['count'] / (result['ended'] - result['started'])


def row(case, sent, rate):
    return [
        backend.name, case.kind, f'{case.latency:g}', case.connections,
        case.senders, 'on' if case.validation else 'off', sent['visits'],
        f"{sent['rate']:.1f}", f'{rate:.1f}', f"{sent['rate'] / rate:.2f}",
        f"{sent['cpu']:.1f}", f"{sent['http_cpu']:.1f}",
        f"{sent['database_cpu']:.1f}", f"{sent['starved']:.1f}",
        f"{sent['requests']:.2f}",
        f"{sent['resident']:.0f}",
        sent['unsent'] and f"{sent['unsent']} {sent['states']}"]


def measure(template, args):
    "Run all possible cases and print a line for each"
    table = Table(COLUMNS)
    for kind in args.platform:
        for validation in args.validation:
            for latency in args.latency:
                for connections in args.connections:
                    rate = None
                    for senders in args.senders:
                        case = Case(
                            kind, latency, connections, senders, validation)
                        if case.is_possible():
                            sent = send(template, case, args)
                            rate = rate or ceiling(
                                case, sent['payloads'], args)
                            table.add(row(case, sent, rate))


def watch_memory(template, args):
    """Print the memory of one sender as visits pass through it.

    At a fifth, the half and the end of the visits.
    """
    case = Case('standin', 0, max(args.connections), 1, args.validation[0])
    table = Table(MEMORY)
    sent = send(template, case, args)
    arrivals = sorted(
        arrival for arrival, _, kind, *_ in sent['log'] if kind == 'bundle')
    samples = sent['results'][0]['memory']
    for share in SHARES:
        count = int(share * sent['visits'])
        at = arrivals[count - 1]
        resident = [k for moment, k in samples if moment <= at][-1:] or [0]
        table.add([
                backend.name, case.connections, count,
                f'{resident[0] / 1024:.1f}', f"{sent['rate']:.1f}",
                sent['unsent'] and f"{sent['unsent']} {sent['states']}"])


def numbers(type_):
    "Return a parser of numbers joined by commas"
    return lambda text: [type_(part) for part in text.split(',')]


def choices(allowed):
    "Return a parser of words joined by commas, 'both' standing for all"
    def parse(text):
        words = list(allowed) if text == 'both' else text.split(',')
        if unknown := set(words) - set(allowed):
            raise argparse.ArgumentTypeError(
                f"unknown: {', '.join(sorted(unknown))}")
        return words
    return parse


def pair(text):
    name, _, value = text.partition('=')
    return name, value


def parser():
    result = argparse.ArgumentParser(prog='script/bench push')
    result.add_argument('--latency', type=numbers(float), default=[0, 50, 200])
    result.add_argument(
        '--connections', type=numbers(int), default=[1, 4, 16])
    result.add_argument('--senders', type=numbers(int), default=[1, 2, 4])
    result.add_argument('--visits', type=int, default=1000)
    result.add_argument('--branches', type=int, default=16)
    result.add_argument('--seconds', type=float, default=12)
    result.add_argument('--platform', type=choices(KINDS), default=['standin'])
    result.add_argument(
        '--validation', type=choices(['on', 'off']), default=['on'])
    result.add_argument('--memory', action='store_true')
    result.add_argument('--profile')
    result.add_argument('--setting', type=pair, action='append', default=[])
    return result


def main(arguments):
    args = parser().parse_args(arguments)
    args.validation = [word == 'on' for word in args.validation]
    args.setting = dict(args.setting)
    if args.memory:
        args.seconds = math.inf
    template = database.new_name('template')
    try:
        clinics.create_clinics(template, args.branches, args.visits)
        if args.memory:
            watch_memory(template, args)
        else:
            measure(template, args)
    finally:
        database.drop(template)
