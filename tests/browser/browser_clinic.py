# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""A clinic on a server of its own, for tests through the web client.

The server is a process of its own with an SQLite file in a temporary folder;
whatever is prepared goes over its XML-RPC interface, as from any client.
"""

import datetime as dt
import os
import secrets
import socket
import sqlite3
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

from demo.desk import Client
from demo.records import Records
from demo.setting_up import finish_module_wizards, set_up
from proteus.config import set_xmlrpc_session

DATABASE = 'klinik'
MINUTE = dt.timedelta(minutes=1)
MODULES = ['clinic_rme', 'satusehat_integration']
CURRENCY = {
    'code': 'IDR', 'numeric_code': '360', 'name': "Rupiah", 'symbol': "Rp",
    'digits': 0, 'rounding': '1'}
BRANCH = {
    'name': "Klinik Purnama", 'street': "Jl. Contoh Raya No. 1",
    'city': "Jakarta Selatan", 'postal_code': '12110',
    'timezone': 'Asia/Jakarta', 'facility_type': 'main_clinic',
    'facility_code': 'UJI-1', 'facility_license': 'UJI/KLINIK/1',
    'patient_prefix': 'RM-', 'encounter_prefix': 'RJ-',
    'satusehat': {
        'environment': 'local', 'organization_id': '10000004',
        'client_id': 'client-A', 'client_secret': 'secret-A'},
    'units': [
        {'code': 'UMUM', 'name': "Poli Umum", 'kind': 'general', 'rooms': [
            {'code': 'UMUM-1', 'name': "Ruang Periksa 1"}]}],
    }
STAFF = {
    'registration': ("Rini Kusuma", 'female', None, 'registration'),
    'nurse': ("Ns. Tiga Lestari", 'female', None, 'nurse'),
    'doctor': (
        "dr. Alexander", 'male', '7209061211900001', 'general_practitioner'),
    'manager': ("Bima Admin", 'male', None, 'administrator'),
    'head': ("Kirana Kepala", 'female', None, 'administrator'),
    'satusehat': ("Sari Integrasi", 'female', None, 'administrator'),
    }
GROUPS = {
    'registration': ['clinic_rme.group_registration'],
    'nurse': ['clinic_rme.group_nurse'],
    'doctor': ['clinic_rme.group_doctor'],
    'manager': [
        'clinic_rme.group_admin',
        'satusehat_integration.group_satusehat_admin'],
    'head': ['clinic_rme.group_admin'],
    'satusehat': ['satusehat_integration.group_satusehat_admin'],
    }
ICD10 = [
    ('A01.0', "Typhoid fever"),
    ('I10', "Essential (primary) hypertension"),
    ('J00', "Acute nasopharyngitis [common cold]"),
    ('J02.9', "Acute pharyngitis, unspecified"),
    ]


class User(NamedTuple):
    login: str
    password: str


class Server:
    "A trytond that serves the web client from a database of its own"

    def __init__(self, folder, web_client, satusehat_url):
        self._folder, self._process = folder, None
        self.file = folder / f'{DATABASE}.sqlite'
        self.url = f'http://127.0.0.1:{_free_port()}'
        self._environment = {
            **os.environ,
            'TRYTOND_DATABASE__URI': 'sqlite://',
            'TRYTOND_DATABASE__PATH': str(folder),
            'TRYTOND_WEB__LISTEN': self.url.removeprefix('http://'),
            'TRYTOND_WEB__ROOT': str(web_client),
            'TRYTOND_SATUSEHAT__LOCAL_URL': satusehat_url,
            'TZ': 'Asia/Jakarta',
            }
        self._environment.pop('TRYTOND_DATABASE_URI', None)
        self.file.touch()

    def make_database(self, password):
        "Activate the modules, with the Indonesian language"
        secret = self._folder / 'password'
        secret.write_text(password)
        self._run(
            'trytond-admin', '-d', DATABASE, '-u', *MODULES, '-l', 'id',
            '--activate-dependencies', '--email', 'admin@example.com',
            TRYTONPASSFILE=str(secret))
        secret.unlink()

    def _run(self, command, *arguments, **environment):
        with open(self._folder / 'admin.log', 'wb') as log:
            subprocess.run(
                [_script(command), *arguments], check=True,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={**self._environment, **environment})

    def start(self):
        "Serve until `stop`"
        self._log = open(self._folder / 'server.log', 'wb')
        self._process = subprocess.Popen(
            [_script('trytond'), '-d', DATABASE], stdin=subprocess.DEVNULL,
            stdout=self._log, stderr=self._log, env=self._environment)
        while not self._answers():
            if self._process.poll() is not None:
                raise RuntimeError(self.log())

    def _answers(self):
        try:
            urllib.request.urlopen(self.url, timeout=10).close()
        except urllib.error.URLError:
            try:
                self._process.wait(0.1)
            except subprocess.TimeoutExpired:
                pass
            return False
        return True

    def log(self):
        return (self._folder / 'server.log').read_text('utf-8', 'replace')

    def stop(self):
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()


def _script(name):
    return str(Path(sys.executable).with_name(name))


def _free_port():
    with socket.socket() as listener:
        listener.bind(('127.0.0.1', 0))
        return listener.getsockname()[1]


class Clinic:
    "What tests know of the clinic: its users, menu and scheduled action"

    def __init__(self, server, admin):
        self.url, self.database = server.url, DATABASE
        self._admin, self._file = admin, server.file
        self.users = {
            role: User(role, secrets.token_urlsafe(16)) for role in STAFF}
        finish_module_wizards(admin)
        set_up(admin, self._records())
        Code = admin.model('clinic.icd10')
        Code.save([
                Code(code=code, name=name, edition="WHO 2010")
                for code, name in ICD10])

    def _records(self):
        return Records(
            currency=CURRENCY, admin_password=None,
            branches={'main': BRANCH},
            staff={
                role: {
                    'name': name, 'sex': sex, 'nik': nik,
                    'employments': [
                        {'branch': 'main', 'profession': profession}]}
                for role, (name, sex, nik, profession) in STAFF.items()},
            users={
                user.login: {
                    'person': role, 'branches': ['main'],
                    'password': user.password, 'groups': GROUPS[role]}
                for role, user in self.users.items()},
            patients={}, visits=[])

    @property
    def admin(self):
        "The Client of the built-in administrator, to prepare records"
        return self._admin

    def menu(self, name):
        "Return the names on the way to a menu entry, as users read them"
        ModelData = self._admin.model('ir.model.data')
        entry = self._admin.record(
            'ir.ui.menu', ModelData.get_id(*name.split('.'), {}))
        path = []
        while entry:
            path.insert(0, entry.name)
            entry = entry.parent
        return path

    def finish_visit(self, name, nik):
        "Let a new patient have come and gone"
        admin = self._admin
        party = admin.model('party.party')(name=name, nik=nik, sex='female')
        party.save()
        patient = admin.model('clinic.patient')(party=party)
        patient.save()
        now = dt.datetime.now(dt.timezone.utc).replace(
            tzinfo=None, microsecond=0)
        room = admin.only('clinic.room', ('code', '=', 'UMUM-1'))
        visit = admin.model('clinic.encounter')(
            patient=patient, unit=room.unit, room=room,
            practitioner=admin.only(
                'company.employee', ('party.name', '=', STAFF['doctor'][0])),
            arrived_at=now - 60 * MINUTE, started_at=now - 45 * MINUTE,
            finished_at=now - 20 * MINUTE, chief_complaint="Pilek",
            plan="Istirahat")
        visit.click('arrive')
        visit.vital_signs.new(
            measured_at=now - 50 * MINUTE, systolic=120, diastolic=80)
        visit.click('start')
        visit.diagnoses.new(rank=1, code=admin.only(
                'clinic.icd10', ('code', '=', 'J00')))
        visit.click('finish')

    def identify(self, name, nik):
        "Correct the NIK of a person"
        party = self._admin.only('party.party', ('name', '=', name))
        party.nik = nik
        party.save()

    def deliver(self):
        "Let the scheduled action send what is due"
        self._run_once('push')

    def notify(self):
        "Let the scheduled action tell people what was not sent"
        self._run_once('notify')

    def _run_once(self, name):
        cron = self._admin.only(
            'ir.cron', ('method', '=', f'satusehat.submission|{name}'))
        cron.click('run_once')

    def pass_time(self, hours):
        "Let the visits that are not sent have been finished hours earlier"
        with closing(sqlite3.connect(self._file, 30)) as database, database:
            database.execute(
                "UPDATE satusehat_submission"
                " SET create_date = datetime(create_date, ?),"
                " next_attempt = datetime(next_attempt, ?)"
                " WHERE state NOT IN ('sent', 'stopped')",
                [f'-{hours} hours'] * 2)


@contextmanager
def serve_clinic(folder, web_client, satusehat_url):
    "Yield a Clinic whose server runs within the `with` block"
    server = Server(folder, web_client, satusehat_url)
    password = secrets.token_urlsafe(16)
    server.make_database(password)
    try:
        server.start()
        with set_xmlrpc_session(
                f'{server.url}/{DATABASE}/rpc/', 'admin', password) as config:
            yield Clinic(server, Client(config))
    finally:
        server.stop()
