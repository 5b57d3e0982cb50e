# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""A clinic in a committed database, for tests of the push.

The push opens transactions of its own, so it needs a database that other
connections see: a file on SQLite, a database on PostgreSQL.
"""

import datetime as dt
import gzip
import json
import os
import uuid
from collections import Counter
from contextlib import contextmanager

from trytond import backend
from trytond.pool import Pool
from trytond.tests import test_tryton
from trytond.transaction import Transaction

MODULE = 'satusehat_integration'
PATIENT_NIK = '9271060312000001'
PATIENT_NUMBER = 'P02478375538'
DOCTOR_NIK = '7209061211900001'
DOCTOR_NUMBER = '10009880728'
TWIN_DOCTOR_NIK = '3171010101800099'
TWIN_PATIENT_NIK = '3171014101900077'
UNKNOWN_NIK = '3171010203040005'


def create_database():
    "Create a database with the module and return its name"
    name = f'push_{uuid.uuid4().hex[:12]}'
    if not _restore(name):
        test_tryton.activate_module(MODULE)
        assert _restore(name)
    return name


def _restore(name):
    "Make the database from the cached one; whether there was one"
    default = test_tryton.DB_NAME
    test_tryton.DB_NAME = name
    try:
        return test_tryton.restore_db_cache(MODULE)
    finally:
        test_tryton.DB_NAME = default


def drop_database(name):
    "Remove a database and what trytond knows of it"
    backend.Database(name).close()
    Pool.stop(name)
    if backend.name == 'sqlite':
        os.remove(os.path.join(
                os.environ['TRYTOND_DATABASE__PATH'], name + '.sqlite'))
        return
    with Transaction().start(None, 0, close=True, autocommit=True) as t:
        t.database.drop(t.connection, name)


class Clinic:
    "Two branches with staff; writes and reads committed records"

    def __init__(self, database):
        self.database = database
        self.branches = {}
        with self.transaction():
            self._set_up()

    @contextmanager
    def transaction(self, user=1, context=None):
        "A transaction that is committed at the end"
        with Transaction().start(
                self.database, user, context=context) as transaction:
            try:
                yield transaction
            except BaseException:
                transaction.rollback()
                raise

    def _set_up(self):
        pool = Pool()
        Currency = pool.get('currency.currency')
        currency, = Currency.create([{
                    'name': "Rupiah", 'symbol': "Rp", 'code': 'IDR'}])
        for branch, organization, secret in [
                ('A', '10000004', 'secret-A'), ('B', '10000005', 'secret-B')]:
            self.branches[branch] = self._set_up_branch(
                branch, currency, organization, secret)
        pool.get('clinic.icd10').create([
                {'code': code, 'name': name, 'edition': "WHO 2019"}
                for code, name in [
                    ('J00', "Acute nasopharyngitis [common cold]"),
                    ('I10', "Essential (primary) hypertension"),
                    ('U07.1', "COVID-19, virus identified")]])

    def _set_up_branch(self, branch, currency, organization, secret):
        pool = Pool()
        party, = pool.get('party.party').create([{
                    'name': f"Klinik {branch}"}])
        company, = pool.get('company.company').create([{
                    'party': party.id, 'currency': currency.id,
                    'satusehat_environment': 'local'}])
        pool.get('satusehat.credential').create([{
                    'company': company.id, 'environment': 'local',
                    'organization_id': organization,
                    'client_id': f'client-{branch}',
                    'client_secret': secret}])
        unit, = pool.get('clinic.unit').create([{
                    'company': company.id, 'code': 'UMUM',
                    'name': "Poli Umum"}])
        room, = pool.get('clinic.room').create([{
                    'unit': unit.id, 'code': 'R1', 'name': "Ruang 1"}])
        return {
            'company': company.id, 'unit': unit.id, 'room': room.id}

    def person(self, nik=PATIENT_NIK, name="Ardianto Putra"):
        "Return the id of the person with the NIK, a new one if needed"
        Party = Pool().get('party.party')
        if nik and (found := Party.search([('nik', '=', nik)])):
            return found[0].id
        return Party.create([{'name': name, 'nik': nik}])[0].id

    def _patient(self, party):
        Patient = Pool().get('clinic.patient')
        found = Patient.search([('party', '=', party)])
        return (found or Patient.create([{'party': party}]))[0].id

    def _doctor(self, party, company):
        Employee = Pool().get('company.employee')
        found = Employee.search([
                ('party', '=', party), ('company', '=', company)])
        return (found or Employee.create([{
                        'party': party, 'company': company,
                        'profession': 'general_practitioner'}]))[0].id

    def visit(
            self, branch='A', nik=PATIENT_NIK, doctor=DOCTOR_NIK,
            code='J00', minutes=60, finish=True, **values):
        "Record a visit that ended now and return the id of the encounter"
        place = self.branches[branch]
        finding = values.pop('finding', None)
        with self.transaction(context={'company': place['company']}):
            pool = Pool()
            Encounter = pool.get('clinic.encounter')
            icd10, = pool.get('clinic.icd10').search([('code', '=', code)])
            if finding:
                found, = pool.get('clinic.clinical_finding').search([
                        ('code', '=', finding)])
                values['chief_complaint_code'] = found.id
            start = dt.datetime.now(dt.timezone.utc).replace(
                tzinfo=None, microsecond=0) - dt.timedelta(minutes=minutes)
            doctor = self._doctor(
                self.person(doctor, "dr. Alexander"), place['company'])
            encounter, = Encounter.create([{
                        'company': place['company'],
                        'patient': self._patient(self.person(nik)),
                        'practitioner': doctor,
                        'unit': values.pop('unit', place['unit']),
                        'room': values.pop('room', place['room']),
                        'arrived_at': start,
                        'started_at': start + dt.timedelta(minutes=15),
                        'finished_at': start + dt.timedelta(minutes=40),
                        'chief_complaint': "Pilek \"sejak\" 2 hari\n😷",
                        'plan': "Istirahat, kontrol bila memburuk",
                        'vital_signs': [('create', [{
                                        'measured_at': start,
                                        'systolic': 120, 'diastolic': 80,
                                        'heart_rate': 82,
                                        'temperature': 37.4}])],
                        'diagnoses': [('create', [{
                                        'code': icd10.id, 'rank': 1,
                                        'recorded_at': start}])],
                        **values}])
            Encounter.arrive([encounter])
            Encounter.start([encounter])
            if finish:
                Encounter.finish([encounter])
            return encounter.id

    def finish(self, encounter):
        with self.transaction():
            Encounter = Pool().get('clinic.encounter')
            Encounter.finish([Encounter(encounter)])

    def push(self):
        "Run the scheduled action as the scheduler does"
        with self.transaction(user=0):
            pool = Pool()
            Cron = pool.get('ir.cron')
            cron, = Cron.search([('method', '=', 'satusehat.submission|push')])
            Cron.run_once([cron])

    def submission(self, encounter):
        "Return what is known of the encounter's only submission"
        with self.transaction(user=0, context={'language': 'en'}):
            submission, = Pool().get('satusehat.submission').search([
                    ('encounter', '=', encounter)])
            return {
                name: getattr(submission, name) for name in [
                    'id', 'state', 'reason', 'detail', 'attempts',
                    'last_error', 'begun', 'next_attempt', 'bundle',
                    'bundle_hash']}

    def encounter_id(self, encounter, branch='A'):
        "Return the Encounter id that the visit shows"
        with self.transaction(
                context={'company': self.branches[branch]['company']}):
            return Pool().get('clinic.encounter')(encounter).satusehat_id

    def exchanges(self, **domain):
        "Return (method, path, status, outcome) of all requests, oldest first"
        with self.transaction(user=0):
            rows = Pool().get('satusehat.exchange').search(
                [(k, '=', v) for k, v in domain.items()],
                order=[('id', 'ASC')])
            return [(r.method, r.path, r.status, r.outcome) for r in rows]

    def make_due(self):
        "Let the pauses of all rows be over"
        with self.transaction(user=0):
            Submission = Pool().get('satusehat.submission')
            rows = Submission.search([('next_attempt', '!=', None)])
            if rows:
                Submission.write(rows, {
                        'next_attempt': dt.datetime(2020, 1, 1)})

    def resend(self, encounter, reason="Sudah diperbaiki"):
        "Send the visit again as the button does"
        with self.transaction():
            Submission = Pool().get('satusehat.submission')
            Submission.plan_again(
                Submission.search([('encounter', '=', encounter)]), reason)

    def pass_time(self, seconds):
        "Let what was begun lie the seconds further back, and all be due"
        back = dt.timedelta(seconds=seconds)
        with self.transaction(user=0):
            pool = Pool()
            Submission = pool.get('satusehat.submission')
            Exchange = pool.get('satusehat.exchange')
            Gate = pool.get('satusehat.gate')
            for model, name in [
                    (Submission, 'begun_at'), (Submission, 'lease_until'),
                    (Exchange, 'started_at'), (Gate, 'blocked_until'),
                    (Gate, 'open_until'), (Gate, 'probe_until'),
                    (Gate, 'paced_until'), (Gate, 'rate_at')]:
                for row in model.search([(name, '!=', None)]):
                    model.write([row], {name: getattr(row, name) - back})
        self.make_due()

    def write(self, model, domain, values):
        "Write values to the records, return how many there were"
        with self.transaction(user=0):
            Model = Pool().get(model)
            records = Model.search(domain)
            Model.write(records, values)
            return len(records)

    def delete(self, model, domain):
        with self.transaction(user=0):
            Model = Pool().get(model)
            Model.delete(Model.search(domain))

    def read(self, model, domain, *names):
        "Return the values of the records, oldest first"
        with self.transaction(user=0):
            return [
                tuple(_plain(getattr(record, name)) for name in names)
                for record in Pool().get(model).search(
                    domain, order=[('id', 'ASC')])]

    def bundle(self, encounter):
        "Return (Bundle, entries) as they were frozen"
        with self.transaction(user=0):
            submission, = Pool().get('satusehat.submission').search([
                    ('encounter', '=', encounter)])
            return (
                json.loads(gzip.decompress(submission.bundle)),
                json.loads(submission.bundle_index))

    def states(self):
        "Return how many submissions are in each (state, reason)"
        return Counter(self.read(
                'satusehat.submission', [], 'state', 'reason'))


def _plain(value):
    return value if not hasattr(value, '__name__') else str(value)
