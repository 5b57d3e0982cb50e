# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Making the database of the demo, or bringing an older one up to date."

import os
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

from . import records as records_
from .console import step
from .folder import DATABASE, ROOT, digest


class CommandFailed(Exception):
    "A program ended badly; the argument says so, the log has its output"


def modules():
    "Return the names of the suite's modules"
    manifest = ConfigParser()
    manifest.read(ROOT / 'tryton.cfg', 'utf-8')
    return manifest.get('tryton', 'modules').split()


def sources():
    "Return a hash over the sources of the modules"
    return digest(*(ROOT / 'modules' / name for name in modules()))


def load(folder, records):
    """Make the database in an empty folder; return its Desk.

    It counts only when all of it has worked: the mark comes last.
    """
    with step("Menyiapkan basis data SQLite"):
        folder.touch_database()
        with folder.password_file(records.admin_password) as path:
            _trytond_admin(
                folder, '-l', 'id', '--email', 'admin@example.com',
                '--activate-dependencies', password_file=path)
    from .desk import Desk
    from .setting_up import finish_module_wizards, import_icd10, set_up
    from .week import Week
    with step("Membuka basis data"):
        desk = Desk(folder.configuration)
        finish_module_wizards(desk.admin)
    with step("Mengimpor ICD-10 dari paket terpasang") as remarks:
        remarks.append(f'{import_icd10(desk.admin)} kode')
    with step("Membuat cabang, poli, petugas dan pengguna") as remarks:
        set_up(desk.admin, records)
        remarks.append(
            f'{len(records.branches)} cabang, {len(records.users)} pengguna')
    week = Week(desk, records)
    with step("Mendaftarkan pasien") as remarks:
        week.register_patients()
        remarks.append(f'{len(records.patients)} pasien')
    refusals = {}
    with step("Menjalankan kunjungan minggu ini") as remarks:
        for row in records.visits:
            number, refusal = week.visit(row)
            if refusal:
                refusals[number] = refusal
        remarks.append(f'{len(records.visits)} kunjungan')
    folder.finish_loading({
            'sources': sources(),
            'data': digest(records_.DATA),
            'refusals': refusals,
            })
    return desk


def open_(folder):
    """Return the Desk of an earlier run's database, brought up to date.

    Modules changed since then are updated as on a server.
    """
    from .desk import Desk
    remarks = folder.remarks()
    present = sources()
    if remarks['sources'] != present:
        with step("Memperbarui basis data, modul berubah"):
            _trytond_admin(folder)
            folder.finish_loading({**remarks, 'sources': present})
    with step("Membuka basis data yang ada"):
        return Desk(folder.configuration)


def _trytond_admin(folder, *arguments, password_file=None):
    environment = dict(os.environ)
    if password_file:
        environment['TRYTONPASSFILE'] = str(password_file)
    command = [
        Path(sys.executable).with_name('trytond-admin'),
        '-c', folder.configuration, '-d', DATABASE, '-u', *modules(),
        *arguments]
    with open(folder.log, 'ab') as log:
        status = subprocess.run(  # noqa: S603
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            env=environment).returncode
    if status:
        raise CommandFailed(f"trytond-admin berhenti dengan kode {status}.")
