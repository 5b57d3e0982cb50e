# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""One push in a process of its own: push_process.py DATABASE MOMENT.

MOMENT says when the process kills itself: claimed, frozen, answered or
never. Starts when it reads a line and then writes one.
"""

import os
import signal
import sys

from trytond.pool import Pool
from trytond.transaction import Transaction


def die(*args, **kwargs):
    os.kill(os.getpid(), signal.SIGKILL)


def main(database, moment):
    Pool.start()
    Pool(database).init()
    from trytond.modules.satusehat_integration import sender
    if moment == 'claimed':
        sender.Sender._prepare = die
    elif moment == 'frozen':
        sender.send = die
    elif moment == 'answered':
        sender.judge = die
    print('ready', flush=True)
    sys.stdin.readline()
    with Transaction().start(database, 0):
        Pool().get('satusehat.submission').push()


if __name__ == '__main__':
    main(*sys.argv[1:])
