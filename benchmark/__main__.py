# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""python -m benchmark push|claim|branches|clinic: see script/bench.

Sets the environment before trytond is imported.
"""

import os
import shutil
import signal
import sys
import tempfile
from importlib import import_module

from cryptography.fernet import Fernet
from demo.loading import sources

from .processes import ROOT

SUBJECTS = ['push', 'claim', 'branches', 'clinic']


def set_environment(scratch):
    "Replace what the caller's shell says about trytond"
    uri = os.environ.get('TRYTOND_DATABASE_URI', 'sqlite://')
    for name in [n for n in os.environ if n.startswith('TRYTOND_')]:
        del os.environ[name]
    os.environ.update({
        'TRYTOND_DATABASE_URI': uri,
        'TRYTOND_DATABASE__PATH': scratch,
        'TRYTOND_SATUSEHAT__ENCRYPTION_KEYS': Fernet.generate_key().decode(),
        'SCRATCH': scratch,
        })
    os.environ.setdefault(
        'DB_CACHE', str(ROOT / 'var' / 'benchmark' / sources()[:16]))


def main():
    if len(sys.argv) < 2 or sys.argv[1] not in SUBJECTS:
        sys.exit(f"usage: python -m benchmark {'|'.join(SUBJECTS)} ...")
    # A terminated run clears up as an interrupted one does
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    scratch = tempfile.mkdtemp(prefix='rme-bench-')
    set_environment(scratch)
    try:
        import_module(f'benchmark.{sys.argv[1]}').main(sys.argv[2:])
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


if __name__ == '__main__':
    main()
