# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"The chaos run's command line, which script/chaos --help explains."

import argparse
import secrets
import shlex
import shutil
import signal
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [
    str(HERE), *(str(HERE.parent / name) for name in ('delivery', 'push'))]

import chaos_run  # noqa: E402
from chaos_database import postgresql_bin  # noqa: E402


def span(text):
    low, _, high = text.partition('-')
    return float(low), float(high or low)


def parser():
    result = argparse.ArgumentParser(prog='script/chaos')
    result.add_argument('--visits', type=int, default=300)
    result.add_argument('--seed', type=int)
    result.add_argument('--faults', default='20%')
    result.add_argument('--kinds', default='passing')
    result.add_argument('--senders', type=int)
    result.add_argument('--kill-every', type=span, default=(3, 10))
    result.add_argument('--restart-database', type=int, default=2)
    result.add_argument(
        '--database', choices=['postgresql', 'sqlite'], default='postgresql')
    result.add_argument('--branches', type=int, default=8)
    result.add_argument('--storm', type=float)
    result.add_argument('--drain', type=float, default=180)
    result.add_argument('--directory')
    return result


def options(arguments):
    "Return the Options of parsed arguments; what is not given is chosen"
    is_sqlite = arguments.database == 'sqlite'
    return chaos_run.Options(
        seed=secrets.randbits(31) if arguments.seed is None
        else arguments.seed,
        visits=arguments.visits, branches=arguments.branches,
        senders=arguments.senders or (1 if is_sqlite else 3),
        faults=arguments.faults, kinds=arguments.kinds,
        kill_every=arguments.kill_every,
        restarts=0 if is_sqlite else arguments.restart_database,
        database=arguments.database,
        storm=arguments.storm or max(20, arguments.visits / 10),
        drain=arguments.drain,
        postgresql_bin=None if is_sqlite else postgresql_bin())


def command(chosen):
    "Return the command that makes the same run again"
    low, high = chosen.kill_every
    return shlex.join([
            'script/chaos', '--seed', str(chosen.seed),
            '--visits', str(chosen.visits),
            '--branches', str(chosen.branches),
            '--senders', str(chosen.senders), '--faults', chosen.faults,
            '--kinds', chosen.kinds, '--kill-every', f'{low:g}-{high:g}',
            '--restart-database', str(chosen.restarts),
            '--database', chosen.database, '--storm', f'{chosen.storm:g}',
            '--drain', f'{chosen.drain:g}'])


def lines(result):
    "Yield the lines of the report"
    figures = result.figures
    yield '  '.join(f'{name} {figures[name]}' for name in [
            'visits', 'sent', 'lost', 'twins', 'needs_data', 'needs_admin',
            'stopped'])
    yield (
        f"requests {figures['requests']}, of which {figures['writes']} "
        f"writes, {figures['repeated']} of what was stored already")
    yield "parked while it lasted: " + (', '.join(
            f'{count} {name}' for name, count in sorted(
                (result.parked or {}).items())) or 'none')
    yield f"faults met: {sum(result.faults.values())}: " + ', '.join(
        f'{name} {count}' for name, count in sorted(result.faults.items()))
    yield (
        f"killed with -9: {result.kills}; database restarted: "
        f"{', '.join(result.restarts) or 'never'}; "
        f"secret changed: {result.rotated or 'never'}")
    yield (
        "rows seen committed before the first byte: "
        f"{result.witnessed['witnessed']}, not looked for with the database "
        f"away: {result.witnessed['blind']}")
    yield "most used by a process: " + ', '.join(
        f'{name} {value}' for name, value in peaks(result).items())
    yield "seconds since the start: " + ', '.join(
        f'{name} {value}' for name, value in result.seconds.items())
    broken = sorted({v[0] for v in result.violations})
    yield "invariants I1 to I10: " + (
        f"BROKEN: {', '.join(broken)}" if broken else "hold")
    yield from (
        f'  {name} {record}: {problem}'
        for name, record, problem in result.violations[:50])


def peaks(result):
    return {
        name: max(sample[name] for sample in result.peaks)
        for name in ('rss', 'threads', 'files') if result.peaks}


def main(argv=None):
    # A terminated run tears down what it started as an interrupted one does
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    arguments = parser().parse_args(argv)
    chosen = options(arguments)
    if chosen.database != 'sqlite' and not chosen.postgresql_bin:
        parser().error("there is no PostgreSQL: --database sqlite")
    home = Path(tempfile.mkdtemp(
            prefix='klinik-chaos-', dir=arguments.directory))
    home.chmod(0o711)
    report = home / 'report'

    def say(text):
        print(text, flush=True)
        with report.open('a') as file:
            print(text, file=file)
    say(f"seed {chosen.seed}; again: {command(chosen)}")
    result = chaos_run.Run(chosen, home, say).execute()
    for line in lines(result):
        say(line)
    if result.violations:
        say(f"kept in {home}")
        return 1
    shutil.rmtree(home, ignore_errors=True)
    return 0


if __name__ == '__main__':
    sys.exit(main())
