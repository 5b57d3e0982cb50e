# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Whether three bad branches make the others wait.

The visits of many branches, unevenly spread, fall due one after the other,
as in a working day that runs faster. Of the bad branches one has a wrong
secret, one has all visits refused as data, one is answered too late; their
visits are all due from the start. The same load is sent without them and with
them, and before that all at once, as after an hour without connection. Each
branch has its token before, as in most of an hour, unless --cold is given.
Settings are those of a fresh installation, pacing included.
"""

import argparse
import datetime as dt
import random
import time
from collections import Counter

from trytond import backend

from . import clinics, database
from .platform import platform
from .processes import children, race
from .push import Costs, pair
from .report import Table, quantile

COLUMNS = [
    ('run', 14), ('visits', 7), ('sent', 6), ('p50 s', 7), ('p95 s', 7),
    ('p99 s', 7), ('max s', 7), ('seconds', 8), ('cpu ms', 7), ('db ms', 6),
    ('requests', 9), ('of bad', 7), ('states of bad', 14)]
DAY = 60_000
HOUR = 9_000
# Seconds: the late branch's answers, and how long the sender waits for them
SILENCE = 8
PATIENCE = 5
GRACE = 45


def places(branches, visits, exponent):
    "Return the branch of each visit: the k-th has 1 / k ** exponent of them"
    weights = [(k + 1) ** -exponent for k in range(len(branches))]
    return random.choices(branches, weights, k=visits)  # noqa: S311


def create(name, args):
    "Create the database; return the companies of the bad branches"
    database.create(name)
    with database.transaction(name, user=1):
        branches = clinics.create_branches(args.branches)
        people = clinics.create_people()
        codes = clinics.create_codes()
    *good, wrong, refused, slow = branches
    bad = [wrong] * args.bad + [refused] * 4 * args.bad + [slow] * args.bad
    clinics.create_visits(
        name, places(good, args.visits, args.exponent) + bad, people, codes)
    database.close(name)
    return [branch['company'] for branch in (wrong, refused, slow)]


def plan(name, bad, args, kind, start):
    """Say when each visit falls due, from the moment start (naive UTC).

    Returns {uid: due (seconds since 1970)} of the visits of good branches.
    """
    step = 0 if kind == 'all at once' else 1 / args.rate
    database.execute(
        name, 'UPDATE satusehat_submission AS s '
        "SET next_attempt = %s::timestamp + interval '1 second' * "
        'floor(r.rank * %s) '
        'FROM (SELECT id, row_number() OVER (ORDER BY md5(id::text)) - 1 '
        'AS rank FROM satusehat_submission WHERE company <> ALL(%s)) AS r '
        'WHERE r.id = s.id', [start, step, bad])
    database.execute(
        name, 'UPDATE satusehat_submission SET next_attempt = %s::timestamp '
        'WHERE company = ANY(%s)', [
            start if kind == 'with bad' else database.NEVER, bad])
    database.analyze(name)
    return {
        uid: due.replace(tzinfo=dt.timezone.utc).timestamp()
        for uid, due in database.query(
            name, 'SELECT e.uid, s.next_attempt '
            'FROM satusehat_submission AS s '
            'JOIN clinic_encounter AS e ON e.id = s.encounter '
            'WHERE s.company <> ALL(%s)', [bad])}


def rest(name, bad):
    "Return how many visits of good branches are not sent"
    (count,), = database.query(
        name, 'SELECT COUNT(*) FROM satusehat_submission '
        "WHERE state <> 'sent' AND company <> ALL(%s)", [bad])
    return count


def run(template, bad, args, kind):
    "Return the row of one run"
    name = database.new_name('run')
    database.copy(template, name)
    clients = [clinics.client(args.branches - back)[0] for back in (2, 1, 0)]
    treatment = [
        f'--{how}={client}' for how, client in zip(
            ['wrong', 'refused', 'slow'], clients, strict=True)]
    database.execute(
        name, 'UPDATE satusehat_submission SET next_attempt = %s::timestamp',
        [database.NEVER])
    due = {}

    def day():
        due.update(plan(name, bad, args, kind, soon()))
        wait(name, bad, max(due.values()))

    try:
        with platform(
                'standin', args.latency, args.branches, *treatment,
                f'--silence={SILENCE}') as far, children(
                args.senders, 'benchmark.sending', name, '--stay',
                *([] if args.cold else ['--warm']),
                **settings(far.url, args)) as senders:
            costs = Costs(name, far.child)
            results = race(senders, day)
            log, (of_database, _) = far.log(), costs.spent()
        began = min(result['started'] for result in results)
        return row(
            kind, due, [entry for entry in log if entry[1] >= began],
            results, of_database, clients, states(name, bad))
    finally:
        database.drop(name)


def soon():
    "Return the moment at which the run begins, naive UTC"
    return dt.datetime.now(dt.timezone.utc).replace(
        microsecond=0, tzinfo=None) + dt.timedelta(seconds=5)


def settings(url, args):
    options = {
        'local_url': url, 'senders': args.senders,
        'read_timeout': PATIENCE, **dict(args.setting)}
    return {
        f'TRYTOND_SATUSEHAT__{name.upper()}': str(value)
        for name, value in options.items()}


def wait(name, bad, last):
    "Wait until all visits of good branches are sent, or it is too late"
    while rest(name, bad) and time.time() < last + GRACE:
        time.sleep(1)


def states(name, bad):
    "Return what became of the visits of the bad branches, as text"
    found = Counter(dict(database.query(
            name, 'SELECT state, COUNT(*) FROM satusehat_submission '
            'WHERE company = ANY(%s) AND next_attempt IS DISTINCT FROM %s '
            'GROUP BY state', [bad, database.NEVER])))
    return ' '.join(f'{s}:{n}' for s, n in sorted(found.items())) or '-'


def row(kind, due, log, results, of_database, clients, bad_states):
    shift = time.time() - time.monotonic()
    waits = [
        answered + shift - due[visit]
        for _, answered, what, _, status, visit in log
        if what == 'bundle' and status == 200 and visit in due]
    served = [answered for _, answered, *_ in log]
    cpu = sum(r['cpu'] for r in results)
    return {
        'kind': kind, 'p95': quantile(waits, 0.95), 'row': [
            kind, len(due), len(waits),
            *(f'{quantile(waits, q):.2f}' for q in (0.5, 0.95, 0.99, 1)),
            f'{max(served) - min(served):.0f}',
            f'{1000 * cpu / len(waits):.1f}',
            f'{1000 * of_database / len(waits):.1f}', len(log),
            sum(client in clients for *_, client, _, _ in log), bad_states]}


def parser():
    result = argparse.ArgumentParser(prog='script/bench branches')
    result.add_argument('--branches', type=int, default=1000)
    result.add_argument('--visits', type=int, default=720)
    result.add_argument('--bad', type=int, default=60)
    result.add_argument('--rate', type=float, default=8)
    result.add_argument('--exponent', type=float, default=0.8)
    result.add_argument('--latency', type=float, default=100)
    result.add_argument('--senders', type=int, default=1)
    result.add_argument('--cold', action='store_true')
    result.add_argument('--setting', type=pair, action='append', default=[])
    return result


def main(arguments):
    args = parser().parse_args(arguments)
    if backend.name != 'postgresql':
        raise SystemExit("branches are measured on PostgreSQL")
    template = database.new_name('template')
    try:
        began = time.monotonic()
        bad = create(template, args)
        print(
            f'{args.branches} branches and {args.visits + 6 * args.bad} '
            f'visits made in {time.monotonic() - began:.0f} s', flush=True)
        report(template, bad, args)
    finally:
        database.drop(template)


def report(template, bad, args):
    "Print the figures"
    table = Table(COLUMNS)
    found = {}
    for kind in ['all at once', 'without bad', 'with bad']:
        found[kind] = run(template, bad, args, kind)
        table.add(found[kind]['row'])
    ratio = found['with bad']['p95'] / found['without bad']['p95']
    print(f'p95 with bad branches: {ratio:.2f} of that without them')
    seconds = float(found['all at once']['row'][7])
    cpu = float(found['without bad']['row'][8])
    print(
        f'{DAY} visits: {DAY * cpu / 60_000:.0f} minutes of CPU of the '
        f'senders; an hour of {HOUR} visits leaves in '
        f'{seconds * HOUR / args.visits / 60:.0f} minutes')
