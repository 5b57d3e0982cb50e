# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from trytond.model.exceptions import AccessError, SQLConstraintError
from trytond.modules.clinic_rme.completion import LEGAL, OPTIONAL
from trytond.modules.clinic_rme.exceptions import EncounterIncompleteError
from trytond.pool import Pool
from trytond.tests.test_tryton import DB_NAME
from trytond.transaction import Transaction

from .tools import UNEXAMINED, RemoteTestCase

MODEL = 'clinic.encounter'
RULE = 'clinic.completion.rule'
UNTREATED = {'procedures': None, 'prescription_items': None, 'orders': None}
NOTHING = {
    'practitioner': None, 'room': None, 'chief_complaint': None,
    'diagnoses': None, **UNEXAMINED, **UNTREATED}
# What fulfils each requirement of a branch
FULFILLED = {
    'nik': {},
    'complaint_code': None,
    'allergy': {'allergy_status': 'none_known'},
    'vital_signs': {},
    'consciousness': {'vital_signs': [('create', [
                    {'consciousness': 'alert'}])]},
    'pain': {'vital_signs': [('create', [
                    {'pain_scale': 'nrs', 'pain_score': 0}])]},
    'head_to_toe': {},
    'assessment': {'assessment': "ISPA"},
    'plan': {'plan': "Istirahat"},
    'prognosis': {'prognosis': 'good'},
    'leaving_condition': {'leaving_condition': 'stable'},
    'psychological': {'psychological_status': 'well'},
    'fall_risk': {'fall_risk_scale': 'morse', 'fall_risk_score': 0},
    'education': {'education_topics': ['disease']},
    }
# Visits that do not fulfil what the usual one of the tests does
UNFULFILLED = {
    'vital_signs': {'vital_signs': None},
    'head_to_toe': {'examinations': None},
    }


class CompletionTestCase(RemoteTestCase):
    "What a visit needs before its end"

    def setUp(self):
        super().setUp()
        self.doctor = self.user('doctor')

    def tearDown(self):
        with self.transaction() as pool:
            Rule = pool.get(RULE)
            Rule.delete(Rule.search([]))
        super().tearDown()

    def ask_for(self, requirement, kind='all', branch='kota'):
        return self.user(f'admin-{branch}').create(
            RULE, company=self.clinic[branch]['company'], unit_kind=kind,
            requirement=requirement)

    def missing(self, visit):
        return self.doctor.read(MODEL, visit, 'missing')['missing']

    def assert_refused(self, visit, *texts):
        "The visit is not finished and each text tells why"
        with self.assertRaises(EncounterIncompleteError) as refused:
            self.doctor(MODEL, 'finish', [visit])
        for text in texts:
            self.assertIn(text, str(refused.exception))
        self.assertEqual(self.state(visit), 'in_progress')
        return str(refused.exception)

    def test_legal_minimum(self):
        for values, text in [
                ({'practitioner': None},
                    "Practitioner is empty (Top of the visit: Practitioner)"),
                ({'room': None}, "Room is empty (Top of the visit: Room)"),
                ({'chief_complaint': None},
                    "Complaint is not recorded "
                    "(Examination: Chief Complaint)"),
                ({'chief_complaint': " \n"}, "Complaint is not recorded"),
                (UNEXAMINED,
                    "No vital signs or findings yet "
                    "(Examination: Vital Signs)"),
                ({'diagnoses': None},
                    "Primary Diagnosis is missing (Examination: Diagnoses)"),
                ({'diagnoses': [('create', [
                                {'code': self.clinic['codes'][0],
                                    'rank': 2}])]},
                    "Primary Diagnosis is missing"),
                (UNTREATED,
                    "Treatment is not recorded (Examination: Plan)"),
                ]:
            with self.subTest(values=values):
                visit = self.create_visit('in_progress', **values)
                told = self.assert_refused(visit, f"Missing: {text}")
                self.assertNotIn(';', told)

    def test_what_was_cancelled_is_no_treatment(self):
        visit = self.create_visit(
            'in_progress', **{**UNTREATED, 'orders': [('create', [{
                            'investigation':
                            self.clinic['investigations']['HB'],
                            'requester': self.clinic['kota']['doctor'],
                            }])]})
        self.assertIsNone(self.missing(visit))
        with self.transaction() as pool:
            Order = pool.get('clinic.order')
            Order.withdraw(Order.search([('encounter', '=', visit)]), "Batal")
        self.assert_refused(visit, "Treatment is not recorded")

    def test_everything_in_one_message(self):
        visit = self.create_visit('in_progress', **NOTHING)
        other = self.create_visit('in_progress', room=None)
        with self.assertRaises(EncounterIncompleteError) as refused:
            self.doctor(MODEL, 'finish', [visit, other])
        first, second = str(refused.exception).splitlines()
        self.assertEqual(first.count(';'), 5)
        self.assertIn("Room is empty", second)

    def test_each_way_to_tell_it(self):
        for values in [
                {'chief_complaint': None, 'subjective': "Batuk"},
                {'chief_complaint': None, 'present_illness': "Batuk"},
                {'vital_signs': None},
                {'examinations': None},
                {**UNEXAMINED, 'objective': "Faring merah"},
                {**UNTREATED, 'plan': "Istirahat"},
                {**UNTREATED, 'education_topics': ['disease']},
                {**UNTREATED, 'discharge_disposition': 'aadvice'},
                ]:
            with self.subTest(values=values):
                self.assertEqual(
                    self.state(self.create_visit('finished', **values)),
                    'finished')

    def test_start_and_treatment(self):
        with Transaction().start(DB_NAME, 0):
            visit = Pool().get(MODEL)(started_at=None)
            for name in [*visit.treatment_fields(), 'orders']:
                setattr(visit, name, None)
            self.assertFalse(visit.holds_started_at())
            visit.discharge_disposition = 'home'
            self.assertFalse(visit.holds_treatment())
            visit.discharge_disposition = 'aadvice'
            self.assertTrue(visit.holds_treatment())
            visit.discharge_disposition = 'home'
            visit.education_note = "Minum air hangat"
            self.assertTrue(visit.holds_treatment())
            self.assertFalse(visit.holds_plan())

    def test_identity(self):
        unknown = self.root.create('party.party', sex='female')
        patient = self.root.create('clinic.patient', party=unknown)
        visit = self.create_visit('in_progress', patient=patient)
        self.assert_refused(visit, "The patient is not identified")
        self.root('party.party', 'write', [unknown], {
                'no_nik_reason': 'unknown'})
        self.doctor(MODEL, 'finish', [visit])
        self.assertEqual(self.state(visit), 'finished')

    def test_requirements_are_those_that_are_declared(self):
        with self.database() as pool:
            self.assertEqual(
                [n for n, _ in pool.get(RULE).requirement.selection],
                [c.name for c in OPTIONAL])
            for check in [*LEGAL, *OPTIONAL]:
                self.assertIn(check.field, pool.get(MODEL)._fields)
        self.assertEqual({*FULFILLED}, {c.name for c in OPTIONAL})

    def test_each_requirement(self):
        finding = self.root.search('clinic.clinical_finding', [])[0]
        fulfilled = {
            **FULFILLED, 'complaint_code': {'chief_complaint_code': finding}}
        with_birth_date = self.clinic['patients'][1]
        for check in OPTIONAL:
            with self.subTest(check=check.name):
                values = UNFULFILLED.get(check.name, {})
                if check.name == 'nik':
                    values = {'patient': with_birth_date}
                visit = self.create_visit('in_progress', **values)
                self.assertIsNone(self.missing(visit))
                rule = self.ask_for(check.name)
                self.assertRegex(self.missing(visit), r'^Incomplete: \w')
                self.assert_refused(visit)
                complete = self.create_visit('in_progress')
                if entries := fulfilled[check.name]:
                    self.doctor(MODEL, 'write', [complete], entries)
                self.assertIsNone(self.missing(complete))
                self.doctor(MODEL, 'finish', [complete])
                self.user('admin')(RULE, 'delete', [rule])
                self.doctor(MODEL, 'finish', [visit])

    def test_by_kind_of_unit_and_branch(self):
        self.ask_for('prognosis', kind='dental')
        self.ask_for('education', branch='desa')
        self.create_visit('finished')
        self.root('clinic.unit', 'write', [self.clinic['kota']['unit']], {
                'kind': 'dental'})
        self.addCleanup(
            self.root, 'clinic.unit', 'write', [self.clinic['kota']['unit']],
            {'kind': 'general'})
        visit = self.create_visit('in_progress')
        told = self.assert_refused(visit, "Prognosis is empty")
        self.assertNotIn("Education", told)

    def test_missing_while_working(self):
        visit = self.create_visit('arrived', diagnoses=None)
        self.assertEqual(
            self.missing(visit),
            "Incomplete: The start is not recorded; "
            "Primary Diagnosis is missing")
        self.doctor(MODEL, 'cancel', [visit])
        self.assertIsNone(self.missing(visit))

    def test_who_reads_what_is_missing(self):
        visit = self.create_visit('arrived', diagnoses=None)
        for role in ['nurse', 'doctor', 'medical_records']:
            self.assertIn("Diagnosis", self.user(role).read(
                    MODEL, visit, 'missing')['missing'])
        for role in ['registration', 'pharmacist', 'cashier', 'admin']:
            with self.subTest(role=role), self.assertRaises(AccessError):
                self.user(role).read(MODEL, visit, 'missing')

    def test_who_asks_for_more(self):
        for role in ['registration', 'nurse', 'doctor', 'pharmacist',
                'cashier', 'medical_records']:
            with self.subTest(role=role), self.assertRaises(AccessError):
                self.user(role).create(
                    RULE, company=self.clinic['kota']['company'],
                    requirement='plan')
        with self.assertRaises(AccessError):
            self.user('admin-desa').create(
                RULE, company=self.clinic['kota']['company'],
                requirement='plan')
        self.ask_for('plan')
        with self.assertRaises(SQLConstraintError):
            self.ask_for('plan')
