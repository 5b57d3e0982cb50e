# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Half past six in the morning in the three zones of Indonesia.

In UTC it is still the day before: whoever takes the server's day for that of
the clinic is a day late until 07:00 WIB, 08:00 WITA and 09:00 WIT.
"""

import datetime as dt
import json
from contextlib import contextmanager

import time_machine
from roles_worker import ENCOUNTER, PATIENT, PERSON, ClinicDayTestCase
from trytond.modules.clinic_rme.exceptions import (
    BirthDateValidationError, EncounterTimeError, FollowUpError)

TODAY = dt.date(2026, 3, 10)
DAY = dt.timedelta(days=1)
ZONES = {
    'Asia/Jakarta': 7, 'Asia/Pontianak': 7, 'Asia/Makassar': 8,
    'Asia/Jayapura': 9}


def morning(offset):
    "Return 06:30 of the day, where clocks are so many hours ahead, in UTC"
    return dt.datetime(2026, 3, 10, 6, 30) - dt.timedelta(hours=offset)


class MorningTestCase(ClinicDayTestCase):
    "What the first patients of the day get to see"

    @contextmanager
    def at(self, zone, offset):
        company = self.clinic['kota']['company']

        def move(name):
            with self.transaction() as pool:
                Company = pool.get('company.company')
                Company.write([Company(company)], {'timezone': name})
        move(zone)
        moment = morning(offset)
        self.assertEqual(moment.date(), TODAY - DAY)
        try:
            with time_machine.travel(
                    moment.replace(tzinfo=dt.timezone.utc), tick=False), \
                    self.subTest(zone=zone):
                yield moment
        finally:
            move('Asia/Jakarta')

    def read(self, worker, model, id_, name):
        return worker.remote.read(model, id_, name)[name]

    def test_birth_date_and_age(self):
        clerk = self.worker('registration')
        for zone, offset in ZONES.items():
            with self.at(zone, offset):
                for born, age in [
                        (TODAY, [0, 0, 0]),
                        (TODAY - DAY, [0, 0, 1]),
                        (dt.date(1990, 3, 10), [36, 0, 0]),
                        (dt.date(1990, 3, 11), [35, 11, 27])]:
                    patient = self.patient_of(clerk, birth_date=born)
                    shown = self.read(clerk, PATIENT, patient, 'age')
                    self.assertEqual(
                        [int(n) for n in shown.split() if n.isdigit()], age)
                    visit = self.waiting(patient=patient)
                    self.assertEqual(
                        self.read(clerk, ENCOUNTER, visit, 'patient_age'),
                        shown)
                with self.assertRaises(BirthDateValidationError):
                    clerk.remote.create(
                        PERSON, name="Besok", birth_date=TODAY + DAY)

    def test_day_of_the_visit_and_work_lists(self):
        for zone, offset in ZONES.items():
            with self.at(zone, offset) as moment:
                clerk = self.worker('registration')
                visit = self.waiting()
                self.assertEqual(
                    self.read(clerk, ENCOUNTER, visit, 'arrived_at'), moment)
                with self.database() as pool:
                    self.assertEqual(
                        pool.get(ENCOUNTER)(visit).day, TODAY)
                midnight = moment - dt.timedelta(hours=6, minutes=30)
                first = self.waiting(arrived_at=midnight)
                late = self.waiting(
                    arrived_at=midnight - dt.timedelta(seconds=1))
                tabs = clerk.tabs('menu_worklist_registration')
                for tab in ["Arrived Today", "Waiting"]:
                    self.assertLessEqual({visit, first}, {*tabs[tab]})
                    self.assertNotIn(late, tabs[tab])
                tabs = self.worker('nurse').tabs('menu_worklist_nurse')
                self.assertIn(visit, tabs["Waiting"])
                self.assertIn(late, tabs["Not Finished"])
                tabs = self.worker('doctor').tabs('menu_worklist_doctor')
                self.assertIn(visit, tabs["Waiting"])
                self.assertNotIn(late, tabs["Waiting"])
                self.assertEqual(self.read(
                        clerk, ENCOUNTER, first, 'waiting_minutes'), 390)

    def test_follow_up_and_times(self):
        doctor = self.worker('doctor')
        for zone, offset in ZONES.items():
            with self.at(zone, offset) as moment:
                visit = self.waiting()
                doctor(ENCOUNTER, 'start', [visit])
                doctor(ENCOUNTER, 'write', [visit], {'follow_up_date': TODAY})
                doctor.refused(
                    ENCOUNTER, 'write', [visit],
                    {'follow_up_date': TODAY - DAY}, error=FollowUpError)
                doctor.refused(
                    ENCOUNTER, 'write', [visit], {
                        'started_at': moment + dt.timedelta(minutes=1)},
                    error=EncounterTimeError)

    def test_finished_visit(self):
        "Retention and the exported record say the clinic's day"
        for zone, offset in ZONES.items():
            with self.at(zone, offset):
                patient = self.patient_of(self.worker('registration'))
                visit = self.create_visit('finished', patient=patient)
                officer = self.worker('medical_records')
                self.assertEqual(
                    self.read(officer, PATIENT, patient, 'retention_until'),
                    dt.date(2051, 3, 10))
                page = officer.wizard(
                    'clinic.patient.export', (PATIENT, patient),
                    ({'ask': {'reason': "Pasien"}}, 'export'))
                document = json.loads(bytes(page['view']['defaults']['file']))
                exported, = document['visits']
                self.assertEqual(exported['encounter']['id'], visit)
                for name in ['arrived_at', 'finished_at']:
                    field = exported['encounter']['fields'][name]
                    self.assertEqual(
                        field['value'],
                        f'2026-03-10T06:30:00+{offset:02}:00')
                    self.assertIn("10", field['text'].split('/'))

    def test_imported_newborn(self):
        for zone, offset in ZONES.items():
            with self.at(zone, offset):
                admin = self.worker('admin')
                for born, faulty in [(TODAY, 0), (TODAY + DAY, 1)]:
                    page = admin.wizard('clinic.patient.import', None, ({
                                'start': {
                                    'file': f"n,t\nBayi,{born}\n".encode(),
                                    'encoding': None},
                                'mapping': {'date_order': None, 'columns': [
                                        {'title': 'n', 'target': 'name'},
                                        {'title': 't',
                                            'target': 'birth_date'}]},
                                }, 'preview'))
                    self.assertEqual(
                        page['view']['defaults']['faulty'], faulty)
