# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import datetime as dt
import unittest

from trytond.model.exceptions import (
    AccessError, DomainValidationError, RequiredValidationError)

from trytond.modules.clinic_rme.checkup import bmi_class
from trytond.modules.clinic_rme.exceptions import (
    CheckupError, EncounterPartError)

from .tools import UNEXAMINED, RemoteTestCase, ago

CHECKUP = 'clinic.checkup'


class BMIClassTestCase(unittest.TestCase):
    "PMK 41/2014: 17.0, 18.5, 25.0 and 27.0"

    def test_limits(self):
        for value, name in [
                (12.0, 'very_thin'), (16.9, 'very_thin'), (17.0, 'thin'),
                (18.4, 'thin'), (18.5, 'normal'), (25.0, 'normal'),
                (25.1, 'overweight'), (27.0, 'overweight'),
                (27.1, 'obese'), (60.0, 'obese')]:
            with self.subTest(value):
                self.assertEqual(bmi_class(value), name)


class CheckupTestCase(RemoteTestCase):
    "The form of a medical check-up, as the doctor fills it"

    def setUp(self):
        super().setUp()
        self.doctor = self.user('doctor')
        self.visit = self.begin()

    def begin(self, **values):
        return self.create_visit(
            'in_progress', **{
                'checkups': None, 'vital_signs': None, **values})

    def fill(self, **values):
        return self.doctor.create(
            CHECKUP, encounter=self.visit,
            **{'purpose': 'employment', **values})

    def read(self, id_, *names, login='doctor'):
        return self.user(login).read(CHECKUP, id_, *names)

    def measure(self, **values):
        self.user('nurse').create(
            'clinic.vital_signs', encounter=self.visit, **values)

    def test_whole_form(self):
        values = {
            'purpose': 'other', 'purpose_note': "Lomba \"lari\"",
            'occupation': " Penyelam ", 'hazards': ('chemical', 'physical'),
            'hazard_note': "Tekanan", 'smoking': 'current', 'cigarettes': 12,
            'alcohol': 'never', 'exercise': 'often',
            'review_of_systems': "Tidak ada keluhan\n🙂" * 1000,
            'vision_right': '6/6', 'vision_left': '6/12',
            'corrected_right': '6/7.5', 'corrected_left': '1/~',
            'color_vision': 'normal', 'hearing_right': 'normal',
            'hearing_left': 'reduced', 'fitness': 'fit_with_note',
            'limits': "Memakai kacamata", 'advice': "Kontrol",
            'valid_until': dt.date.today() + dt.timedelta(90),
            }
        id_ = self.fill(**values)
        found = self.read(id_, *values)
        self.assertEqual(
            {n: tuple(sorted(v)) if n == 'hazards' else v
                for n, v in found.items() if n in values}, values)

    def test_body_mass_index(self):
        id_ = self.fill()
        self.assertEqual(
            self.read(id_, 'bmi', 'bmi_class'),
            {'id': id_, 'bmi': None, 'bmi_class': None})
        self.measure(
            weight=90.0, height=165.0, measured_at=ago(minutes=30))
        self.measure(weight=70.0, measured_at=ago(minutes=10))
        self.assertEqual(
            self.read(id_, 'bmi', 'bmi_class'),
            {'id': id_, 'bmi': 25.7, 'bmi_class': 'overweight'})

    def test_no_class_for_children(self):
        child = self.root.create('clinic.patient', party=self.root.create(
                'party.party', name="Anak",
                birth_date=dt.date.today() - dt.timedelta(17 * 365)))
        self.visit = self.begin(patient=child)
        id_ = self.fill()
        self.measure(weight=40.0, height=160.0)
        self.assertEqual(
            self.read(id_, 'bmi', 'bmi_class'),
            {'id': id_, 'bmi': 15.6, 'bmi_class': None})

    def test_visual_acuity(self):
        id_ = self.fill()
        for value in [
                '6/6', '6/60', '6/7.5', '6/7,5', '3/60', '1/300', '1/~',
                '0']:
            with self.subTest(value):
                self.doctor(CHECKUP, 'write', [id_], {'vision_left': value})
        for value in [
                '6', '66', '6/', '/6', '0/6', '7/6', '6/0', '6/1000',
                'baik', '6/6 F', '6:6', '１/６']:
            for name in ['vision_right', 'corrected_left']:
                with self.subTest(value=value, name=name):
                    with self.assertRaisesRegex(
                            CheckupError, "is no visual acuity"):
                        self.doctor(CHECKUP, 'write', [id_], {name: value})
                    self.assertIsNone(self.read(id_, name)[name])

    def test_cigarettes_of_who_smokes(self):
        for values in [
                {'smoking': 'never', 'cigarettes': 5},
                {'smoking': 'current', 'cigarettes': 0},
                {'smoking': 'current', 'cigarettes': 201},
                {'cigarettes': 5}]:
            with self.subTest(values):
                with self.assertRaises(DomainValidationError):
                    self.fill(**values)

    def test_what_has_to_be_told(self):
        for values in [
                {'purpose': None}, {'purpose': 'other'},
                {'fitness': 'fit_with_note'},
                {'fitness': 'temporarily_unfit'}]:
            with self.subTest(values):
                with self.assertRaises(RequiredValidationError):
                    self.fill(**values)
        self.fill(fitness='unfit')

    def test_valid_until(self):
        today = self.day()
        with self.assertRaisesRegex(CheckupError, "before the visit"):
            self.fill(valid_until=today - dt.timedelta(1))
        self.fill(valid_until=today)

    def day(self):
        with self.database() as pool:
            return pool.get('clinic.encounter')(self.visit).day

    def test_once_in_a_visit(self):
        self.fill()
        with self.assertRaisesRegex(EncounterPartError, "already"):
            self.fill()

    def test_examination_is_there(self):
        empty = self.begin(**UNEXAMINED)
        with self.database() as pool:
            Encounter = pool.get('clinic.encounter')
            self.assertFalse(Encounter(empty).holds_examination())
        self.visit = empty
        self.fill()
        with self.database() as pool:
            Encounter = pool.get('clinic.encounter')
            self.assertTrue(Encounter(empty).holds_examination())

    def test_who_fills(self):
        id_ = self.fill(fitness='fit')
        for role in ['nurse', 'medical_records']:
            self.assertEqual(
                self.read(id_, 'fitness', login=role)['fitness'], 'fit')
            with self.subTest(role), self.assertRaises(AccessError):
                self.user(role)(CHECKUP, 'write', [id_], {'fitness': 'unfit'})
        for role in ['registration', 'pharmacist', 'cashier', 'admin']:
            with self.subTest(role), self.assertRaises(AccessError):
                self.read(id_, 'fitness', login=role)
