# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from trytond.model.exceptions import DomainValidationError

from .tools import RemoteTestCase, ago

MODEL = 'clinic.encounter'
DIAGNOSIS = 'clinic.diagnosis'


class CaseTestCase(RemoteTestCase):
    "New and old cases follow from the visits before"

    def setUp(self):
        super().setUp()
        self.doctor = self.user('doctor')
        self.refresh()
        with self.transaction() as pool:
            ICD10 = pool.get('clinic.icd10')
            codes = ICD10.search([('code', '=', 'I10.0')])
            if not codes:
                codes = ICD10.create([{
                            'code': 'I10.0', 'name': "Benign hypertension",
                            'edition': "Test"}])
            self.benign = codes[0].id
        self.common_cold, self.hypertension, _ = self.clinic['codes']

    def refresh(self):
        "Go on with a patient without visits"
        person = self.root.create('party.party', name="Pasien", sex='female')
        self.patient_id = self.root.create('clinic.patient', party=person)

    def visit(self, *codes, state='finished', hours=2, **values):
        "Create a visit that began the hours ago, with the diagnoses"
        return self.create_visit(
            state, patient=values.pop('patient', self.patient_id),
            arrived_at=ago(hours=hours, minutes=5),
            started_at=ago(hours=hours),
            procedures=None,
            diagnoses=[('create', [
                        {'code': code, **values} for code in codes])])

    def cases(self, visit):
        "Return [(code, case)] of the visit by rank"
        return [
            (row['code'], row['case']) for row in self.doctor(
                DIAGNOSIS, 'search_read', [('encounter', '=', visit)], 0,
                None, [('rank', 'ASC')], ['code', 'case'])]

    def test_first_is_new_and_next_is_old(self):
        first = self.visit(self.hypertension, hours=30)
        self.assertEqual(self.cases(first), [(self.hypertension, 'new')])
        again = self.visit(self.common_cold, self.benign)
        self.assertEqual(
            self.cases(again),
            [(self.common_cold, 'new'), (self.benign, 'old')])

    def test_other_people_and_open_visits_do_not_count(self):
        self.visit(self.hypertension, hours=30, patient=self.patient)
        self.visit(self.hypertension, hours=20, state='in_progress')
        self.assertEqual(
            self.cases(self.visit(self.hypertension)),
            [(self.hypertension, 'new')])

    def test_visit_entered_later_is_the_first(self):
        self.visit(self.hypertension)
        self.assertEqual(
            self.cases(self.visit(self.hypertension, hours=40)),
            [(self.hypertension, 'new')])

    def test_suspicion_does_not_count(self):
        for certainty in ['differential', 'provisional']:
            self.visit(self.hypertension, hours=30, certainty=certainty)
            with self.subTest(certainty):
                self.assertEqual(
                    self.cases(self.visit(self.benign)),
                    [(self.benign, 'new')])
                self.refresh()
        self.visit(self.hypertension, hours=30, certainty='confirmed')
        self.assertEqual(
            self.cases(self.visit(self.benign)), [(self.benign, 'old')])

    def test_disease_of_long_ago_is_new_again(self):
        self.visit(self.common_cold, hours=93 * 24)
        self.assertEqual(
            self.cases(self.visit(self.common_cold, hours=30)),
            [(self.common_cold, 'new')])
        self.assertEqual(
            self.cases(self.visit(self.common_cold)),
            [(self.common_cold, 'old')])

    def test_days_count_from_the_last_visit(self):
        for days in [160, 80]:
            self.visit(self.hypertension, hours=days * 24)
        self.assertEqual(
            self.cases(self.visit(self.hypertension)),
            [(self.hypertension, 'old')])

    def test_days_are_a_setting_of_the_branch(self):
        for days, case in [(400, 'old'), (399, 'new'), (0, 'old')]:
            self.user('admin')('clinic.configuration', 'write', [1], {
                    'case_days': days})
            self.refresh()
            self.visit(self.common_cold, hours=400 * 24 + 4)
            with self.subTest(days):
                visit = self.visit(self.benign, state='in_progress')
                changed = self.doctor(DIAGNOSIS, 'on_change', {
                        'code': self.common_cold, 'encounter': visit},
                    ['code'])
                self.assertEqual(changed['case'], case)
                self.assertEqual(
                    self.cases(self.visit(self.common_cold)),
                    [(self.common_cold, case)])
        self.assertEqual(self.user('admin-desa').read(
                'clinic.configuration', 1, 'case_days')['case_days'], 90)
        self.user('admin')(
            'clinic.configuration', 'write', [1], {'case_days': 90})

    def test_days_are_not_negative(self):
        with self.assertRaises(DomainValidationError):
            self.user('admin')(
                'clinic.configuration', 'write', [1], {'case_days': -1})

    def test_doctor_decides(self):
        self.visit(self.hypertension, hours=30)
        visit = self.visit(
            self.hypertension, state='in_progress', case='new',
            certainty='provisional')
        row, = self.doctor(
            DIAGNOSIS, 'search_read', [('encounter', '=', visit)], 0, None,
            None, ['case', 'certainty', 'rank'])
        self.assertEqual(
            (row['case'], row['certainty'], row['rank']),
            ('new', 'provisional', 1))
        self.doctor(DIAGNOSIS, 'write', [row['id']], {'case': 'old'})
        self.assertEqual(self.cases(visit), [(self.hypertension, 'old')])

    def test_certainty_has_no_silent_default(self):
        defaults = self.doctor(
            DIAGNOSIS, 'default_get', ['certainty', 'case'])
        self.assertFalse({'certainty', 'case'} & {
                name for name, value in defaults.items() if value})

    def test_case_is_shown_when_the_code_is_chosen(self):
        self.visit(self.hypertension, hours=30)
        visit = self.visit(self.common_cold, state='in_progress')
        for code, case in [(self.benign, 'old'), (self.common_cold, 'new')]:
            changed = self.doctor(DIAGNOSIS, 'on_change', {
                    'code': code, 'encounter': visit}, ['code'])
            self.assertEqual(changed['case'], case)

    def test_record_that_was_merged_counts(self):
        person = self.root.create('party.party', name="Ganda", sex='female')
        former = self.root.create('clinic.patient', party=person)
        self.visit(self.hypertension, hours=30, patient=former)
        with self.transaction() as pool:
            Patient = pool.get('clinic.patient')
            Patient.write([Patient(former)], {
                    'replaced_by': self.patient_id, 'active': False})
        self.assertEqual(
            self.cases(self.visit(self.benign)), [(self.benign, 'old')])


