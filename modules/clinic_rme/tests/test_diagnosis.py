# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.


from .tools import RemoteTestCase, ago

MODEL = 'clinic.encounter'
DIAGNOSIS = 'clinic.diagnosis'


class CaseTestCase(RemoteTestCase):
    "New and old cases follow from the visits before"

    def setUp(self):
        super().setUp()
        self.doctor = self.user('doctor')
        person = self.root.create('party.party', name="Pasien", sex='male')
        self.patient_id = self.root.create('clinic.patient', party=person)
        with self.transaction() as pool:
            ICD10 = pool.get('clinic.icd10')
            codes = ICD10.search([('code', '=', 'I10.0')])
            if not codes:
                codes = ICD10.create([{
                            'code': 'I10.0', 'name': "Benign hypertension",
                            'edition': "Test"}])
            self.benign = codes[0].id
        self.common_cold, self.hypertension, _ = self.clinic['codes']

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
        person = self.root.create('party.party', name="Ganda", sex='male')
        former = self.root.create('clinic.patient', party=person)
        self.visit(self.hypertension, hours=30, patient=former)
        with self.transaction() as pool:
            Patient = pool.get('clinic.patient')
            Patient.write([Patient(former)], {
                    'replaced_by': self.patient_id, 'active': False})
        self.assertEqual(
            self.cases(self.visit(self.benign)), [(self.benign, 'old')])


