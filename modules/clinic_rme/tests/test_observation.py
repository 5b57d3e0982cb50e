# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import datetime as dt

from trytond.model.exceptions import (
    DigitsValidationError, DomainValidationError, RequiredValidationError)

from trytond.modules.clinic_rme.exceptions import (
    DiagnosisRankError, EncounterAccessError, SignerError,
    VitalSignsValidationError)
from trytond.modules.clinic_rme.observation import RANGES

from .tools import CHILDREN, RemoteTestCase, ago

VITAL_SIGNS, DIAGNOSIS, *_ = CHILDREN
STEP = {'temperature': 0.1, 'weight': 0.1, 'height': 0.1}


class VitalSignsTestCase(RemoteTestCase):
    "Vital signs, as the nurse enters them"

    def setUp(self):
        super().setUp()
        self.nurse = self.user('nurse')
        self.visit = self.create_visit('in_progress', vital_signs=None)

    def create(self, **values):
        return self.nurse.create(VITAL_SIGNS, encounter=self.visit, **values)

    def read(self, id_, *names):
        return self.nurse.read(VITAL_SIGNS, id_, *names)

    def test_limits(self):
        for name, limits in RANGES.items():
            for value in limits:
                with self.subTest(name=name, value=value):
                    row = self.create(**{name: value})
                    self.assertEqual(self.read(row, name)[name], value)

    def test_out_of_range(self):
        row = self.create(heart_rate=80)
        before = self.content(VITAL_SIGNS)
        for name, (low, high) in RANGES.items():
            step = STEP.get(name, 1)
            for value in map(type(step), [
                        round(low - step, 1), round(high + step, 1), -low]):
                message = (
                    rf"{value} is not possible: "
                    rf"it must be between {low} and {high}\.")
                with self.subTest(name=name, value=value):
                    with self.assertRaisesRegex(
                            VitalSignsValidationError, message):
                        self.create(**{name: value})
                    with self.assertRaisesRegex(
                            VitalSignsValidationError, message):
                        self.nurse(
                            VITAL_SIGNS, 'write', [row], {name: value})
                    (kind, notice), = self.nurse(
                        VITAL_SIGNS, 'on_change_notify', {name: value})
                    self.assertEqual(kind, 'warning')
                    self.assertRegex(notice, message)
        self.assertEqual(self.content(VITAL_SIGNS), before)

    def test_out_of_range_through_the_visit(self):
        with self.assertRaisesRegex(
                VitalSignsValidationError, "Temperature 52.5 is not possible"):
            self.nurse('clinic.encounter', 'write', [self.visit], {
                    'vital_signs': [('create', [{'temperature': 52.5}])]})

    def test_decimals(self):
        self.create(temperature=36.7, weight=3.4, height=165.5)
        with self.assertRaises(DigitsValidationError):
            self.create(temperature=36.75)

    def test_not_a_number(self):
        with self.assertRaises(VitalSignsValidationError):
            self.create(temperature=float('nan'))
        with self.assertRaises(VitalSignsValidationError):
            self.create(temperature=float('inf'))

    def test_empty_row(self):
        row = self.create(heart_rate=80)
        with self.assertRaisesRegex(
                VitalSignsValidationError, "at least one vital sign"):
            self.create()
        with self.assertRaisesRegex(
                VitalSignsValidationError, "at least one vital sign"):
            self.nurse(VITAL_SIGNS, 'write', [row], {'heart_rate': None})
        self.nurse(VITAL_SIGNS, 'write', [row], {
                'heart_rate': None, 'respiratory_rate': 20})

    def test_blood_pressure(self):
        for systolic, diastolic in [(80, 120), (90, 90)]:
            with self.subTest(systolic=systolic):
                with self.assertRaisesRegex(
                        VitalSignsValidationError, "must be higher than"):
                    self.create(systolic=systolic, diastolic=diastolic)
        row = self.create(systolic=120, diastolic=80)
        with self.assertRaisesRegex(
                VitalSignsValidationError, "must be higher than"):
            self.nurse(VITAL_SIGNS, 'write', [row], {'systolic': 70})
        self.create(systolic=90)
        self.create(diastolic=60)

    def test_measured_at(self):
        measured = ago(hours=2).replace(microsecond=5)
        row = self.create(heart_rate=80, measured_at=measured)
        self.assertEqual(
            self.read(row, 'measured_at')['measured_at'],
            measured.replace(microsecond=0))
        row = self.create(heart_rate=80)
        self.assertLessEqual(
            self.read(row, 'measured_at')['measured_at'], ago())
        for values in [{'measured_at': ago(minutes=-5)}]:
            with self.assertRaisesRegex(
                    VitalSignsValidationError, "in the future"):
                self.create(heart_rate=80, **values)
            with self.assertRaisesRegex(
                    VitalSignsValidationError, "in the future"):
                self.nurse(VITAL_SIGNS, 'write', [row], values)
        with self.assertRaises(RequiredValidationError):
            self.create(heart_rate=80, measured_at=None)

    def test_name_is_the_time_at_the_branch(self):
        row = self.create(
            heart_rate=80, measured_at=dt.datetime(2026, 1, 9, 23, 30))
        self.assertEqual(
            self.read(row, 'rec_name')['rec_name'],
            "01/10/2026\N{NO-BREAK SPACE}06:30:00")

    def test_recorder_is_who_records(self):
        doctor = self.clinic['kota']['doctor']
        row = self.create(heart_rate=80, recorded_by=doctor)
        self.assertEqual(
            self.read(row, 'recorded_by')['recorded_by'],
            self.clinic['kota']['nurse'])
        with self.assertRaises(SignerError):
            self.nurse(VITAL_SIGNS, 'create', [{
                        'encounter': self.visit, 'heart_rate': 81,
                        }], employee=doctor)
        for user in [self.nurse, self.root]:
            with self.assertRaisesRegex(
                    EncounterAccessError, "by whom an entry was recorded"):
                user(VITAL_SIGNS, 'write', [row], {'recorded_by': doctor})


class DiagnosisTestCase(RemoteTestCase):
    "Diagnoses, as the doctor enters them"

    def setUp(self):
        super().setUp()
        self.doctor = self.user('doctor')
        self.visit = self.create_visit('in_progress', diagnoses=None)
        self.codes = self.clinic['codes']

    def create(self, *codes, **values):
        return self.doctor(DIAGNOSIS, 'create', [
                {'encounter': self.visit, 'code': c, **values}
                for c in codes])

    def write(self, *commands):
        self.doctor('clinic.encounter', 'write', [self.visit], {
                'diagnoses': list(commands)})

    def ranks(self):
        "The ranks by code, in the order of the list"
        with self.database() as pool:
            Encounter = pool.get('clinic.encounter')
            return {
                d.code.id: d.rank for d in Encounter(self.visit).diagnoses}

    def test_ranks_are_given(self):
        self.create(*self.codes)
        self.assertEqual(self.ranks(), {
                c: i for i, c in enumerate(self.codes, 1)})

    def test_ranks_are_given_one_by_one(self):
        for code in self.codes:
            self.create(code)
        self.assertEqual(self.ranks(), {
                c: i for i, c in enumerate(self.codes, 1)})

    def test_ranks_are_given_after_typed_ones(self):
        first, second, third = self.codes
        self.doctor(DIAGNOSIS, 'create', [
                {'encounter': self.visit, 'code': first},
                {'encounter': self.visit, 'code': second, 'rank': 1},
                {'encounter': self.visit, 'code': third},
                ])
        self.assertEqual(self.ranks(), {second: 1, first: 2, third: 3})
        self.assertEqual(list(self.ranks()), [second, first, third])

    def test_ranks_of_several_visits_in_one_call(self):
        visits = [self.visit, self.create_visit(diagnoses=None)]
        rows = self.doctor(DIAGNOSIS, 'create', [
                {'encounter': v, 'code': c}
                for c in self.codes[:2] for v in visits])
        self.assertEqual(
            [self.doctor.read(DIAGNOSIS, r, 'rank')['rank'] for r in rows],
            [1, 1, 2, 2])

    def test_one_primary(self):
        first, second, third = self.codes
        self.create(first)
        before = self.content(DIAGNOSIS)
        message = r"RJ-\d+ can have one primary diagnosis"
        with self.assertRaisesRegex(DiagnosisRankError, message):
            self.create(second, rank=1)
        with self.assertRaisesRegex(DiagnosisRankError, message):
            self.write(('create', [{'code': second, 'rank': 1}]))
        with self.assertRaisesRegex(DiagnosisRankError, message):
            self.create_visit(diagnoses=[('create', [
                            {'code': c, 'rank': 1} for c in self.codes])])
        self.assertEqual(self.content(DIAGNOSIS), before)
        other, = self.create(second)
        with self.assertRaisesRegex(DiagnosisRankError, message):
            self.doctor(DIAGNOSIS, 'write', [other], {'rank': 1})
        self.assertEqual(self.ranks(), {first: 1, second: 2})

    def test_code_twice(self):
        first, second, _ = self.codes
        self.create(first)
        message = r"RJ-\d+ has the diagnosis .*J06\.9.* twice"
        with self.assertRaisesRegex(DiagnosisRankError, message):
            self.create(first)
        other, = self.create(second)
        with self.assertRaisesRegex(DiagnosisRankError, message):
            self.doctor(DIAGNOSIS, 'write', [other], {'code': first})
        with self.assertRaisesRegex(DiagnosisRankError, message):
            self.write(('write', [other], {'code': first}))
        self.assertEqual(self.ranks(), {first: 1, second: 2})

    def test_same_code_in_another_visit(self):
        self.create(self.codes[0])
        self.create_visit(diagnoses=[
                ('create', [{'code': self.codes[0]}])])

    def test_ranks_swapped_in_one_save(self):
        first, second, third = self.codes
        one, two, _ = self.create(*self.codes)
        self.doctor(
            DIAGNOSIS, 'write', [one], {'rank': 2}, [two], {'rank': 1})
        self.assertEqual(self.ranks(), {second: 1, first: 2, third: 3})
        self.write(
            ('write', [one], {'rank': 1}), ('write', [two], {'rank': 2}))
        self.assertEqual(self.ranks(), {first: 1, second: 2, third: 3})

    def test_codes_swapped_in_one_save(self):
        first, second, _ = self.codes
        one, two = self.create(first, second)
        self.write(
            ('write', [one], {'code': second}),
            ('write', [two], {'code': first}))
        self.assertEqual(self.ranks(), {second: 1, first: 2})

    def test_primary_replaced_in_one_save(self):
        first, second, third = self.codes
        one, two = self.create(first, second)
        self.write(
            ('delete', [one]), ('create', [{'code': first, 'rank': 1}]))
        self.assertEqual(self.ranks(), {first: 1, second: 2})
        self.write(
            ('write', [two], {'rank': 3}), ('create', [{'code': third}]))
        self.assertEqual(self.ranks(), {first: 1, second: 3, third: 4})

    def test_rank_below_one(self):
        for rank in [0, -1]:
            with self.subTest(rank=rank):
                row, = self.create(self.codes[0])
                with self.assertRaises(DomainValidationError):
                    self.doctor(DIAGNOSIS, 'write', [row], {'rank': rank})
                self.doctor(DIAGNOSIS, 'delete', [row])
        with self.assertRaises(DomainValidationError):
            self.create(self.codes[0], rank=-1)

    def test_next_rank_in_the_form(self):
        self.create(*self.codes[:2])
        values = self.doctor(
            DIAGNOSIS, 'on_change_encounter', {
                'encounter': self.visit, 'rank': None})
        self.assertEqual(values['rank'], 3)

    def test_code_required(self):
        with self.assertRaises(RequiredValidationError):
            self.create(None)

    def test_recorder_is_who_records(self):
        row, = self.create(
            self.codes[0], recorded_by=self.clinic['kota']['nurse'])
        values = self.doctor.read(
            DIAGNOSIS, row, 'recorded_by', 'recorded_at')
        self.assertEqual(
            values['recorded_by'], self.clinic['kota']['doctor'])
        for values in [
                {'recorded_by': self.clinic['kota']['nurse']},
                {'recorded_at': ago(days=3)}]:
            for user in [self.doctor, self.root]:
                with self.assertRaises(EncounterAccessError):
                    user(DIAGNOSIS, 'write', [row], values)
