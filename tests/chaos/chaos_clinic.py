# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"The clinic of a chaos run, and what its processes do."

import datetime as dt
import logging
import os
import time

import chaos_plan
from push_clinic import Clinic
from trytond import backend
from trytond.pool import Pool
from trytond.transaction import Transaction

logger = logging.getLogger(__name__)
PAUSE = 0.2
COMPLAINT = "Keluhan kunjungan nomor {}"


class ChaosClinic(Clinic):
    "The branches of a plan, and its people"

    def __init__(self, database, plan):
        self.database, self.plan, self.branches = database, plan, {}

    def set_up(self):
        "Write branches, rooms, credentials and codes"
        with self.transaction():
            pool = Pool()
            currency, = pool.get('currency.currency').create([{
                        'name': "Rupiah", 'symbol': "Rp", 'code': 'IDR'}])
            for branch in range(self.plan.branches):
                _, organization = chaos_plan.client(branch)
                self._set_up_branch(
                    chaos_plan.branch_name(branch), currency, organization,
                    chaos_plan.secret(branch))
            pool.get('clinic.icd10').create([
                    {'code': code, 'name': name, 'edition': "WHO 2019"}
                    for code, name in [
                        ('J00', "Acute nasopharyngitis [common cold]"),
                        ('I10', "Essential (primary) hypertension")]])

    def find_branches(self):
        "Read the places that set_up wrote"
        with self.transaction(user=0):
            for room in Pool().get('clinic.room').search([]):
                company = room.unit.company
                branch = company.party.name.removeprefix("Klinik ")
                self.branches[branch] = {
                    'company': company.id, 'unit': room.unit.id,
                    'room': room.id}

    def done(self, numbers):
        "Return which of the visits with these numbers are there"
        texts = {COMPLAINT.format(number): number for number in numbers}
        with self.transaction(user=0):
            found = Pool().get('clinic.encounter').search([
                    ('chief_complaint', 'in', list(texts))])
            return {texts[encounter.chief_complaint] for encounter in found}

    def finish_visits(self, visits):
        "Record planned visits of one branch and finish them together"
        place = self.branches[chaos_plan.branch_name(visits[0].branch)]
        with self.transaction(context={'company': place['company']}):
            Encounter = Pool().get('clinic.encounter')
            encounters = Encounter.create([
                    self._values(visit, place) for visit in visits])
            Encounter.arrive(encounters)
            Encounter.start(encounters)
            Encounter.finish(encounters)

    def _values(self, visit, place):
        start = dt.datetime.now(dt.timezone.utc).replace(
            tzinfo=None, microsecond=0) - dt.timedelta(hours=1)
        patient = (
            (chaos_plan.STRANGER_NIK, chaos_plan.STRANGER_NAME)
            if visit.patient is None else (
                chaos_plan.nik(visit.patient), chaos_plan.name(visit.patient)))
        doctor = self.person(
            chaos_plan.nik(visit.doctor, True),
            chaos_plan.name(visit.doctor, True))
        code, = Pool().get('clinic.icd10').search([('code', '=', visit.code)])
        return {
            **place,
            'patient': self._patient(self.person(*patient)),
            'practitioner': self._doctor(doctor, place['company']),
            'arrived_at': start,
            'started_at': start + dt.timedelta(minutes=15),
            'finished_at': start + dt.timedelta(minutes=40),
            'chief_complaint': COMPLAINT.format(visit.number),
            'plan': "Istirahat, kontrol bila memburuk",
            'vital_signs': [('create', [{
                            'measured_at': start, 'systolic': 120,
                            'diastolic': 80, 'temperature': 37.4}])],
            'diagnoses': [('create', [{
                            'code': code.id, 'rank': 1,
                            'recorded_at': start}])],
            }


def desk(database, plan, begun):
    """Finish the visits of the plan, each at its time, and return.

    begun is the monotonic time of the start.  Goes on where another one was
    killed: a visit that is there already is not made again.
    """
    clinic = ChaosClinic(database, plan)
    patiently(clinic.find_branches)
    done = patiently(
        clinic.done, [visit.number for visit in plan.all_visits])
    for visits in plan.turns:
        if done.issuperset(visit.number for visit in visits):
            continue
        time.sleep(max(0, begun + visits[-1].after - time.monotonic()))
        while missing := _missing(clinic, visits):
            try:
                clinic.finish_visits(missing)
                break
            except backend.DatabaseOperationalError:
                logger.warning("desk: the database is away")
                time.sleep(PAUSE)


def _missing(clinic, visits):
    "Return those of the visits that are not there"
    done = patiently(clinic.done, [visit.number for visit in visits])
    return [visit for visit in visits if visit.number not in done]


def sender(database):
    """Push until the run is gone, as the scheduler does every minute.

    A loop instead of trytond-cron, which waits for the next full minute and
    runs one push of a database at a time.
    """
    parent = os.getppid()
    while os.getppid() == parent:
        try:
            with Transaction().start(
                    database, 0, context={'_skip_warnings': True}):
                Pool().get('satusehat.submission').push()
        except backend.DatabaseOperationalError:
            logger.warning("sender: the database is away")
        time.sleep(PAUSE)


def change_secret(database, plan, branch, secret):
    "Enter a branch's new secret as its administrator does"
    client, _ = chaos_plan.client(branch)
    patiently(
        ChaosClinic(database, plan).write, 'satusehat.credential',
        [('client_id', '=', client)], {'client_secret': secret})


def resend_parked(database, plan):
    """Send again what waits for a person, and return how many there were.

    Not the visits that the platform is right to refuse.
    """
    clinic = ChaosClinic(database, plan)
    with clinic.transaction():
        Submission = Pool().get('satusehat.submission')
        parked = Submission.search([
                ('state', 'in', ['needs_data', 'needs_admin']),
                ('reason', '!=', 'patient_not_found')])
        parked += [
            row for row in Submission.search([
                    ('state', '=', 'needs_data'),
                    ('reason', '=', 'patient_not_found')])
            if row.encounter.patient.party.nik != chaos_plan.STRANGER_NIK]
        Submission.plan_again(parked, "Gangguan selesai")
        return len(parked)


def patiently(function, *args):
    "Call a function again and again until the database is there"
    while True:
        try:
            return function(*args)
        except backend.DatabaseOperationalError:
            time.sleep(PAUSE)
