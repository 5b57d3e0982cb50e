# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import datetime as dt
import unittest

from trytond.model.exceptions import AccessError, DomainValidationError

from trytond.modules.clinic_rme.exceptions import (
    EncounterPartError, ObstetricNoteError)
from trytond.modules.clinic_rme.obstetric import RANGES, expected_delivery

from .tools import PARTS, RemoteTestCase

NOTE = 'clinic.obstetric_note'


class NaegeleTestCase(unittest.TestCase):
    "Seven days later, three months back, a year on"

    def test_dates(self):
        for last_period, delivery in [
                (dt.date(2026, 1, 1), dt.date(2026, 10, 8)),
                (dt.date(2026, 6, 15), dt.date(2027, 3, 22)),
                (dt.date(2026, 5, 25), dt.date(2027, 3, 1)),
                (dt.date(2026, 12, 28), dt.date(2027, 10, 4)),
                (dt.date(2023, 5, 22), dt.date(2024, 2, 29)),
                (dt.date(2024, 2, 29), dt.date(2024, 12, 7))]:
            with self.subTest(last_period):
                self.assertEqual(expected_delivery(last_period), delivery)


class ObstetricNoteTestCase(RemoteTestCase):
    "The note of a visit in pregnancy"

    def setUp(self):
        super().setUp()
        self.doctor = self.user('doctor')
        self.visit = self.create_visit(
            'in_progress', patient=self.clinic['patients'][1],
            obstetric_notes=None)
        with self.database() as pool:
            self.day = pool.get('clinic.encounter')(self.visit).day

    def note(self, **values):
        return self.doctor.create(NOTE, encounter=self.visit, **values)

    def read(self, id_, *names):
        return self.doctor.read(NOTE, id_, *names)

    def ago(self, weeks, days=0):
        return self.day - dt.timedelta(weeks=weeks, days=days)

    def test_delivery_and_age(self):
        start = self.ago(12, 3)
        id_ = self.note(
            gravida=3, para=1, abortus=1, last_period=start,
            fundal_height=12, fetal_heart_rate=144)
        values = self.read(id_, 'expected_delivery', 'gestational_age')
        delivery = expected_delivery(start)
        self.assertEqual(values['expected_delivery'], delivery)
        self.assertEqual(values['gestational_age'], "12 weeks 3 days")

    def test_age_by_naegele(self):
        "The months between have 280 to 283 days"
        with self.database() as pool:
            Note = pool.get(NOTE)
            Encounter = pool.get('clinic.encounter')
            for start in [
                    dt.date(2026, 1, 1), dt.date(2026, 5, 15),
                    dt.date(2026, 6, 25), dt.date(2024, 2, 29)]:
                noon = dt.datetime.combine(start, dt.time(5))
                note = Note(
                    last_period=start,
                    expected_delivery=expected_delivery(start),
                    encounter=Encounter(
                        arrived_at=noon + dt.timedelta(weeks=37),
                        company=self.clinic['kota']['company']))
                with self.subTest(start):
                    self.assertEqual(note.gestational_days, 37 * 7)

    def test_delivery_known_better(self):
        id_ = self.note(
            last_period=self.ago(12),
            expected_delivery=self.day + dt.timedelta(140))
        self.assertEqual(
            self.read(id_, 'gestational_age')['gestational_age'],
            "20 weeks 0 days")

    def test_on_change_last_period(self):
        start = self.ago(8)
        for changed, expected in [
                (start, expected_delivery(start)), (None, None)]:
            self.assertEqual(
                self.doctor(NOTE, 'on_change', {
                    'last_period': changed}, ['last_period'],
                )['expected_delivery'], expected)

    def test_no_age_without_pregnancy(self):
        for values in [
                {}, {'last_period': self.ago(60)},
                {'expected_delivery': self.day + dt.timedelta(300)}]:
            with self.subTest(values):
                id_ = self.note(**values)
                self.assertFalse(
                    self.read(id_, 'gestational_age')['gestational_age'])
                self.doctor(NOTE, 'delete', [id_])

    def test_impossible_dates(self):
        for values in [
                {'last_period': self.day + dt.timedelta(1)},
                {'last_period': self.ago(8),
                    'expected_delivery': self.ago(9)},
                {'last_period': self.ago(8),
                    'expected_delivery': self.ago(8)}]:
            with self.subTest(values):
                with self.assertRaises(ObstetricNoteError):
                    self.note(**values)

    def test_late_delivery_is_a_doubt(self):
        for days, count in [(315, 0), (316, 1)]:
            values = {
                'last_period': self.ago(30),
                'expected_delivery': self.ago(30) + dt.timedelta(days)}
            with self.subTest(days):
                warnings = self.doctor(NOTE, 'on_change_notify', values)
                self.assertEqual(
                    [kind for kind, _ in warnings], ['warning'] * count)
        id_ = self.note(
            last_period=self.ago(60),
            expected_delivery=self.day + dt.timedelta(70))
        self.assertEqual(
            self.read(id_, 'gestational_age')['gestational_age'],
            "30 weeks 0 days")

    def test_man(self):
        person = self.root.create('party.party', name="Budi", sex='male')
        patient = self.root.create('clinic.patient', party=person)
        self.visit = self.create_visit(
            'in_progress', patient=patient, obstetric_notes=None)
        with self.assertRaisesRegex(ObstetricNoteError, "is a man"):
            self.note(gravida=1)

    def test_examination_is_there(self):
        self.visit = self.create_visit(
            'in_progress', **dict.fromkeys(PARTS.values()))
        for holds in [False, True]:
            with self.database() as pool:
                self.assertEqual(
                    pool.get('clinic.encounter')(
                        self.visit).holds_examination(), holds)
            if not holds:
                self.note(gravida=1)

    def test_pregnancies(self):
        for values in [
                {'gravida': 1, 'para': 1, 'abortus': 1},
                {'gravida': 0, 'abortus': 1}]:
            with self.subTest(values):
                with self.assertRaisesRegex(
                        ObstetricNoteError, "more than gravida"):
                    self.note(**values)
        self.note(gravida=2, para=1, abortus=1)

    def test_ranges(self):
        for name, (low, high) in RANGES.items():
            for value in [low - 1, high + 1]:
                with self.subTest(name=name, value=value):
                    with self.assertRaises(DomainValidationError):
                        self.note(**{name: value})

    def test_once_in_a_visit(self):
        self.note()
        with self.assertRaisesRegex(EncounterPartError, "already"):
            self.note()

    def test_who_writes(self):
        id_ = self.note(gravida=1, note="Baik \"sekali\"\n🤰" * 800)
        for role in ['nurse', 'medical_records']:
            self.user(role).read(NOTE, id_, 'gravida', 'note')
            with self.subTest(role), self.assertRaises(AccessError):
                self.user(role)(NOTE, 'write', [id_], {'gravida': 2})
        for role in ['registration', 'pharmacist', 'cashier', 'admin']:
            with self.subTest(role), self.assertRaises(AccessError):
                self.user(role).read(NOTE, id_, 'gravida')
