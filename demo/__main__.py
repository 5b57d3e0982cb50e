# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Command line: python -m demo [--directory DIR] [--reset].

Exit codes: 0 all done, 1 failed or another demo is running, 128 + n ended by
signal n.
"""

import argparse
import logging
import os
import signal
import sys

from . import loading, records
from .console import complain, prepare, say, step
from .emulator import emulator
from .folder import DEFAULT, Busy, Folder, digest

LOCAL_URL = 'TRYTOND_SATUSEHAT__LOCAL_URL'
SIGNALS = [signal.SIGTERM, signal.SIGHUP]


def parser():
    result = argparse.ArgumentParser(
        prog='script/demo', add_help=False,
        description="Klinik contoh: dari pendaftaran sampai SATUSEHAT.",
        usage='script/demo [--directory DIR] [--reset]')
    result.add_argument(
        '--directory', default=DEFAULT,
        help="tempat basis data, kunci dan catatan (var/demo)")
    result.add_argument(
        '--reset', action='store_true',
        help="hapus basis data demo dan mulai dari awal")
    result.add_argument(
        '--help', '-h', action='help', help="tampilkan keterangan ini")
    return result


def main(argv=None):
    "Run the demo; return the exit code"
    arguments = parser().parse_args(argv)
    for stream in (sys.stdout, sys.stderr):
        prepare(stream)
    for number in SIGNALS:
        signal.signal(number, _end)
    os.umask(0o077)
    folder = Folder(arguments.directory)
    try:
        with folder.locked():
            return _run(folder, arguments.reset)
    except Busy as error:
        who = f" (proses {error})" if str(error) else ""
        complain(
            f"script/demo: demo atau server lain masih berjalan{who}.\n"
            "Tunggu atau hentikan yang itu, lalu jalankan lagi.")
        return 1
    except KeyboardInterrupt:
        complain("\nDihentikan.")
        return 128 + signal.SIGINT


def _end(number, frame):
    sys.exit(128 + number)


def _run(folder, reset):
    folder.log.write_bytes(b'')
    logging.basicConfig(
        filename=folder.log, level=logging.INFO,
        format='%(asctime)s %(levelname)s %(name)s %(message)s')
    try:
        return _demo(folder, reset)
    except Exception as error:
        logging.exception("demo failed")
        complain(
            f"script/demo gagal: {_words(error)}\n"
            f"Rincian: {folder.log}\n"
            "Jalankan script/demo lagi, atau mulai dari awal dengan "
            "script/demo --reset.")
        return 1


def _words(error):
    "Return what went wrong: a Tryton message where there is one"
    text = getattr(error, 'message', None) or str(error)
    if isinstance(error, (loading.CommandFailed, records.Unreadable)):
        return text
    return f'{type(error).__name__}: {text}'


def _demo(folder, reset):
    say("Klinik Purnama, klinik contoh")
    rows = records.read()
    if reset or not folder.is_loaded:
        folder.clear()
    folder.configure()
    _clean_environment()
    with emulator(folder) as url:
        # trytond reads the environment once, when it is first imported.
        os.environ[LOCAL_URL] = url
        if folder.is_loaded:
            desk = loading.open_(folder)
        else:
            desk = loading.load(folder, rows)
        return _deliver(folder, desk)


def _clean_environment():
    "Forget what the caller's shell says about trytond"
    for name in [n for n in os.environ if n.startswith('TRYTOND_')]:
        del os.environ[name]


def _deliver(folder, desk):
    from .result import count_requests, lines, outcomes
    from .sending import send
    with step("Mengirim ke SATUSEHAT (emulator) lewat penjadwal"):
        left = send(desk.admin)
    remarks = folder.remarks()
    found = outcomes(desk.admin, remarks['refusals'])
    say()
    for line in lines(found, count_requests(desk.admin)):
        say(line)
    say()
    if remarks['data'] != digest(records.DATA):
        say("Berkas di demo/data berubah sejak dimuat; muat ulang dengan "
            "script/demo --reset.")
    if left:
        complain(
            f"{left} kunjungan belum selesai dikirim. Jalankan script/demo "
            f"sekali lagi. Rincian: {folder.log}")
        return 1
    say("Buka kliniknya di peramban: script/server")
    return 0


if __name__ == '__main__':
    sys.exit(main())
