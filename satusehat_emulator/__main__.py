# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Command line: python -m satusehat_emulator --port N [--seed demo]."

import argparse
import signal
import sys
import threading

from . import seed
from .app import create_app
from .faults import FaultError
from .faults.fault import parse as parse_fault
from .serving import Served
from .settings import Settings
from .store import Store

SWITCHES = [
    ('--token-lifetime', int, "seconds an access token is valid"),
    ('--token-penalty-status', int,
        "HTTP status within the penalty after a wrong secret (429 or 401)"),
    ('--token-penalty-seconds', int, "length of that penalty"),
    ('--clock-skew', int, "seconds a date may lie in the future"),
    ('--index-lag', float, "seconds searches miss what was just written"),
    ('--page-size', int, "rows on a page of a search without _count"),
    ('--delete-status', int, "HTTP status of DELETE (405 or 404)"),
    ('--latency', float, "milliseconds each answer takes"),
    ('--patient-id-key', str, "key of the number of a new patient"),
    ]
FLAGS = [
    ('--creator-identifier', 'creator_identifier', True,
        "add the creator identifier to what is written"),
    ('--strict-conditional', 'strict_conditional', True,
        "enforce rules whose condition is not published"),
    ('--cascade', 'cascade', True,
        "refuse the entries after a refused one too (rule 20012)"),
    ('--no-suppressed-rows', 'suppressed_rows', False,
        "leave rows without consent out of searches"),
    ('--no-reference-check', 'check_references', False,
        "accept references to what is not stored"),
    ]


def parser():
    result = argparse.ArgumentParser(
        prog='satusehat-emulator', description=(
            "Serve a stand-in for the SATUSEHAT platform. "
            "For tests and demonstrations: never send it real patients."))
    result.add_argument('--host', default='127.0.0.1')
    result.add_argument(
        '--port', type=int, default=0, help="0 takes a free one")
    result.add_argument(
        '--seed', help="'demo' or a JSON file with people and clients")
    result.add_argument(
        '--store', help="SQLite file; without it all is kept in memory")
    for name, type_, text in SWITCHES:
        result.add_argument(name, type=type_, help=text)
    for name, field, value, text in FLAGS:
        result.add_argument(
            name, dest=field, action='store_const', const=value, help=text)
    _add_faults(result.add_argument_group('faults'))
    return result


def _add_faults(group):
    group.add_argument(
        '--fault', action='append', default=[], metavar='NAME:OPTION=VALUE,...',
        help="a fault such as server_error:stored=true,times=1; repeatable")
    group.add_argument(
        '--faults', metavar='CHANCE',
        help="let each request go wrong with a chance such as 20%%")
    group.add_argument(
        '--fault-kinds', default='passing', metavar='KINDS',
        help="what may go wrong by chance: 'passing' (what a client gets "
        "over by itself), 'all', or faults joined by +")
    group.add_argument(
        '--seed-faults', type=int, metavar='N',
        help="the same seed and requests give the same faults")


def add_faults(faults, args):
    "Add what the arguments ask for; raises FaultError."
    faults.add_all([parse_fault(text) for text in args.fault])
    if args.faults is not None:
        chance = faults.add(
            'random', probability=args.faults, seed=args.seed_faults,
            kinds=args.fault_kinds)
        print(
            f'faults: chance {args.faults}, seed {chance.when["seed"]}',
            file=sys.stderr, flush=True)


def settings(args):
    "Return the Settings for parsed arguments; what is not given stays."
    given = {
        name: value for name, value in vars(args).items()
        if value is not None and name in Settings.__dataclass_fields__}
    return Settings(**given)


def main(argv=None):
    """Serve until SIGTERM or SIGINT; return the exit code.

    Prints one line with the address as soon as it listens.
    """
    args = parser().parse_args(argv)
    chosen = settings(args)
    store = Store(args.store)
    if args.seed:
        try:
            seed.load(store, args.seed, chosen.clock())
        except (OSError, ValueError, KeyError) as error:
            print(f'cannot read the seed: {error!r}', file=sys.stderr)
            return 2
    app = create_app(store, chosen)
    try:
        add_faults(app.extensions['emulator'].faults, args)
    except FaultError as error:
        print(f'cannot add the fault: {error}', file=sys.stderr)
        return 2
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        served = Served(app, args.host, args.port)
    except OSError as error:
        print(f'cannot listen: {error}', file=sys.stderr)
        return 1
    print(served.url, flush=True)
    stop.wait()
    served.close()
    store.close()
    return 0


if __name__ == '__main__':
    sys.exit(main())
