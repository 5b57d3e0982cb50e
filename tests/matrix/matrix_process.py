# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""A piece of work in a process of its own, which dies on the way.

matrix_process.py DATABASE WORK MOMENT [ENCOUNTER]: WORK is ``finish`` or
``push``; MOMENT says when the process kills itself: ``uncommitted``,
``committed``, ``half_sent``, ``building`` (the Bundle of the encounter) or
``never``.  With ``full_disk`` it can write no file.  Writes
``ready``, begins when it reads a line, and writes ``done`` at the end.

With the WORK ``sweeps`` each line it reads lets the scheduler run once, and
it writes ``swept``, or ``failed`` where that raised.  With the MOMENT
``claimed`` it writes this word before a claim is committed, and goes on at
the next line.
"""

import logging
import os
import resource
import signal
import sys
from functools import partialmethod

from trytond.cron import run_cron
from trytond.pool import Pool
from trytond.transaction import Transaction


def die(*args, **kwargs):
    os.kill(os.getpid(), signal.SIGKILL)


def finish(database, moment, encounter):
    with Transaction().start(database, 1):
        Encounter = Pool().get('clinic.encounter')
        Encounter.finish([Encounter(int(encounter))])
        if moment == 'uncommitted':
            die()
    if moment == 'committed':
        die()


def push(database, moment, *encounter):
    if moment == 'half_sent':
        die_in_mid_body()
    elif moment == 'building':
        die_while_building(int(*encounter))
    with Transaction().start(database, 0):
        Pool().get('satusehat.submission').push()


def sweeps(database, moment):
    """Go on as trytond-cron does, which no error ends.

    Until the first one a lost database is given up after a second instead
    of half a minute.
    """
    from psycopg_pool import ConnectionPool
    getconn = ConnectionPool.getconn
    ConnectionPool.getconn = partialmethod(getconn, timeout=1)
    if moment == 'claimed':
        wait_before_commit_of_claim()
    is_first = True
    while is_first or sys.stdin.readline():
        is_first = False
        try:
            run_cron(database)
        except Exception:
            logging.exception("sweep failed")
            ConnectionPool.getconn = getconn
            print('failed', flush=True)
        else:
            print('swept', flush=True)


def wait_before_commit_of_claim():
    from trytond.modules.satusehat_integration import claim
    take = claim.claim

    def take_and_wait(*args, **kwargs):
        claim.claim = take
        taken = take(*args, **kwargs)
        print('claimed', flush=True)
        sys.stdin.readline()
        return taken
    claim.claim = take_and_wait


def die_in_mid_body():
    "Let a half of the first Bundle leave"
    from urllib3.connection import HTTPConnection
    send = HTTPConnection.send

    def send_half(connection, data):
        if isinstance(data, bytes) and b'"resourceType":"Bundle"' in data:
            send(connection, data[:len(data) // 2])
            die()
        return send(connection, data)
    HTTPConnection.send = send_half


def die_while_building(encounter):
    "As the kernel ends a process that takes too much memory"
    from trytond.modules.satusehat_integration import delivery
    build = delivery.build

    def build_others(snapshot, references):
        if snapshot['encounter']['record'] == encounter:
            die()
        return build(snapshot, references)
    delivery.build = build_others


def fill_disk():
    "Let no file grow, and no page of the database but the first be written"
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))


def main(database, work, moment, *encounter):
    logging.basicConfig(level=logging.INFO)
    Pool.start()
    Pool(database).init()
    print('ready', flush=True)
    sys.stdin.readline()
    if moment == 'full_disk':
        fill_disk()
    {'finish': finish, 'push': push, 'sweeps': sweeps}[work](
        database, moment, *encounter)
    print('done', flush=True)


if __name__ == '__main__':
    main(*sys.argv[1:])
