# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The day of those who receive, prepare and bill: desk, nurse, midwife,
pharmacist and cashier."""

import datetime as dt

from proteus import Model
from roles_worker import ENCOUNTER, PATIENT, PERSON, ClinicDayTestCase, serials
from trytond.model.exceptions import AccessButtonError, AccessError
from trytond.modules.clinic_rme.exceptions import (
    BirthDateValidationError, NIKValidationError)
from trytond.modules.clinic_rme.tests.tools import ago

CLINICAL = [
    'clinic.vital_signs', 'clinic.diagnosis', 'clinic.examination',
    'clinic.procedure', 'clinic.prescription.item']


class RegistrationDayTestCase(ClinicDayTestCase):
    "The clerk at the desk"

    def setUp(self):
        super().setUp()
        self.clerk = self.worker('registration')

    def nik(self):
        return f'317401410190{next(serials):04}'

    def test_morning(self):
        menus = self.clerk.sign_in()
        self.assertLessEqual(
            {'menu_patient', 'menu_worklist_registration', 'menu_encounter'},
            menus)
        self.assertFalse(menus & {
                'menu_configuration', 'menu_medical_records',
                'menu_import_patient', 'menu_record_export', 'menu_medicine'})
        tabs = self.clerk.tabs('menu_worklist_registration')
        self.assertEqual(
            [*tabs], ["Arrived Today", "Waiting", "Not Arrived Yet"])

    def test_new_patient(self):
        nik = self.nik()
        person = self.clerk.form(PERSON, name="Dewi 'Ayu' \"Putri\" 😷")
        person.nik = ' '.join([nik[:4], nik[4:8], nik[8:12], nik[12:]])
        person.sex = 'female'
        person.birth_date = dt.date.today() + dt.timedelta(days=3)
        with self.assertRaises(BirthDateValidationError):
            person.save()
        person.birth_date = dt.date(1990, 1, 1)
        person.nik = '317401'
        with self.assertRaises(NIKValidationError):
            person.save()
        self.assertEqual(person.name, "Dewi 'Ayu' \"Putri\" 😷")
        person.nik = nik
        person.save()
        patient = self.clerk.form(PATIENT, party=person)
        self.assertEqual(patient.allergy_status, 'not_asked')
        patient.save()
        self.assertRegex(patient.medical_record_number, r'^RM-\d{6}$')
        for text in ["dewi 'ayu'", patient.medical_record_number, nik]:
            with self.subTest(text=text):
                self.assertEqual(
                    self.clerk.complete(PATIENT, text), [patient.id])
        self.assertIn(
            patient.id, self.clerk.tabs('menu_patient')["All"])

    def test_the_same_person_is_noticed(self):
        first = self.clerk.form(PERSON, name=f"Kembar {next(serials)}")
        first.birth_date, first.nik = dt.date(1990, 1, 1), self.nik()
        first.save()
        told = self.clerk(
            PERSON, 'on_change_notify', {
                'id': -1, 'name': first.name, 'birth_date': first.birth_date,
                'nik': first.nik, 'sex': 'male'})
        text = ' '.join(message for _, message in told)
        self.assertIn("same name and birth date", text)
        self.assertIn("belongs to another person", text)
        self.assertIn("stands for the other sex", text)

    def test_visit(self):
        patient = self.patient_of(self.clerk)
        Encounter = Model.get(ENCOUNTER, config=self.clerk.remote.config)
        visit = Encounter(patient=patient)
        self.assertEqual(visit.company.id, self.clinic['kota']['company'])
        self.assertEqual(visit.state, 'planned')
        visit.unit = Model.get(
            'clinic.unit', config=self.clerk.remote.config)(
                self.clinic['kota']['unit'])
        visit.save()
        tabs = self.clerk.tabs('menu_worklist_registration')
        self.assertIn(visit.id, tabs["Not Arrived Yet"])
        self.clerk.press(visit, 'arrive')
        self.assertEqual(visit.state, 'arrived')
        tabs = self.clerk.tabs('menu_worklist_registration')
        self.assertIn(visit.id, tabs["Waiting"])
        self.assertIn(visit.id, tabs["Arrived Today"])
        self.assertNotIn(visit.id, tabs["Not Arrived Yet"])
        self.clerk.press(visit, 'cancel')
        tabs = self.clerk.tabs('menu_worklist_registration')
        self.assertNotIn(visit.id, tabs["Waiting"])

    def test_refused(self):
        visit = self.waiting()
        for button in ['start', 'finish']:
            self.clerk.refused(
                ENCOUNTER, button, [visit], error=AccessButtonError)
        for name in ['chief_complaint', 'diagnoses', 'subjective',
                'prescription_items']:
            self.clerk.refused(
                ENCOUNTER, 'read', [visit], [name], error=AccessError)
        self.clerk.refused(
            ENCOUNTER, 'write', [visit], {'chief_complaint': "Pusing"},
            error=AccessError)
        for model in CLINICAL:
            for method, args in [
                    ('search', [[], 0, None, None]),
                    ('create', [[{'encounter': visit}]])]:
                self.clerk.refused(model, method, *args, error=AccessError)
        self.clerk.refused(PATIENT, 'delete', [self.patient],
            error=AccessError)
        for name in ['clinic.patient.import', 'clinic.patient.export']:
            with self.assertRaises(AccessError):
                self.clerk.wizard(name, (PATIENT, self.patient))
        self.assertEqual(self.state(visit), 'arrived')


class NurseDayTestCase(ClinicDayTestCase):
    "The nurse, who measures and asks before the doctor sees the patient"
    login = 'nurse'

    def setUp(self):
        super().setUp()
        self.nurse = self.worker(self.login)

    def test_day(self):
        menus = self.nurse.sign_in()
        self.assertIn('menu_worklist_nurse', menus)
        self.assertFalse(menus & {
                'menu_configuration', 'menu_worklist_doctor',
                'menu_import_patient'})
        visit = self.waiting()
        tabs = self.nurse.tabs('menu_worklist_nurse')
        for tab in ["Waiting", "Without Vital Signs"]:
            self.assertIn(visit, tabs[tab])

        form = self.nurse.form(ENCOUNTER, visit)
        form.chief_complaint = "Pusing\n\"berputar\" 😵"
        form.nursing_note = "Terpasang gelang"
        measured = form.vital_signs.new()
        self.assertTrue(measured.measured_at)
        measured.systolic, measured.diastolic = 150, 95
        measured.weight, measured.height = 70.5, 165.0
        form.save()
        tabs = self.nurse.tabs('menu_worklist_nurse')
        self.assertIn(visit, tabs["Waiting"])
        self.assertNotIn(visit, tabs["Without Vital Signs"])
        row, = self.nurse(
            'clinic.vital_signs', 'search_read',
            [('encounter', '=', visit)], 0, None, None, ['recorded_by'])
        self.assertEqual(
            row['recorded_by'], self.clinic['kota'][self.login])

        patient = self.nurse.form(PATIENT, form.patient.id)
        patient.allergy_status = 'listed'
        allergy = patient.allergies.new()
        allergy.substance, allergy.reaction = "Amoksisilin", "Gatal"
        patient.save()
        self.assertEqual(self.nurse.remote.read(
                ENCOUNTER, visit, 'patient_allergy_text')[
                    'patient_allergy_text'], "Amoksisilin")

        self.nurse.press(form, 'start')
        self.assertIn(
            visit,
            self.nurse.tabs('menu_worklist_nurse')["In Examination"])
        doctor = self.worker('doctor')
        seen = doctor.form(ENCOUNTER, visit)
        self.assertEqual(seen.chief_complaint, "Pusing\n\"berputar\" 😵")
        self.assertEqual([v.systolic for v in seen.vital_signs], [150])

    def test_impossible_values_lose_nothing(self):
        visit = self.waiting()
        form = self.nurse.form(ENCOUNTER, visit)
        form.nursing_note = 'x' * 10_000
        measured = form.vital_signs.new()
        measured.systolic, measured.diastolic = 80, 120
        with self.assertRaises(Exception):  # noqa: B017
            form.save()
        self.assertEqual(
            self.root.search(
                'clinic.vital_signs', [('encounter', '=', visit)]), [])
        measured.systolic, measured.diastolic = 120, 80
        form.save()
        self.assertEqual(len(form.nursing_note), 10_000)

    def test_old_visit(self):
        visit = self.waiting(arrived_at=ago(days=2))
        tabs = self.nurse.tabs('menu_worklist_nurse')
        self.assertIn(visit, tabs["Not Finished"])
        self.assertNotIn(visit, tabs["Waiting"])

    def test_refused(self):
        visit = self.create_visit('in_progress')
        code = self.clinic['codes'][1]
        for method, args in [
                ('create', [[{'encounter': visit, 'code': code}]]),
                ('delete', [self.root.search(
                            'clinic.diagnosis',
                            [('encounter', '=', visit)])])]:
            self.nurse.refused(
                'clinic.diagnosis', method, *args, error=AccessError)
        for name in ['subjective', 'objective', 'assessment', 'plan']:
            self.nurse.refused(
                ENCOUNTER, 'write', [visit], {name: "Teks"},
                error=AccessError)
        for button in ['finish', 'cancel']:
            self.nurse.refused(
                ENCOUNTER, button, [visit], error=AccessButtonError)
        self.nurse.refused(
            ENCOUNTER, 'delete', [visit], error=AccessError)
        self.nurse.refused(
            PERSON, 'create', [{'name': "Baru"}], error=AccessError)
        finished = self.create_visit('finished')
        self.nurse.refused(
            ENCOUNTER, 'write', [finished], {'nursing_note': "Telat"},
            error=AccessError)
        self.amend(finished, f'{self.login}-kota', 'addendum', "Terlambat")
        with self.assertRaises(AccessError):
            self.amend(finished, f'{self.login}-kota', 'correction')


class MidwifeDayTestCase(NurseDayTestCase):
    "The midwife, who works as the nurse does and has patients of her own"
    login = 'midwife'

    def test_own_patients(self):
        branch = self.clinic['kota']
        visit = self.waiting(
            practitioner=branch['midwife'], unit=branch['maternal_child'],
            room=branch['maternal_child_room'])
        self.assertIn(visit, self.nurse.remote.search(
                ENCOUNTER, [('mine', '=', True)]))
        form = self.nurse.form(ENCOUNTER, visit)
        form.pregnancy_status = 'pregnant'
        form.save()
        self.nurse.press(form, 'start')
        self.assertEqual(form.practitioner.id, branch['midwife'])
        self.assertEqual(self.state(visit), 'in_progress')


class PharmacistDayTestCase(ClinicDayTestCase):
    "The pharmacist, who reads prescriptions and keeps the medicines"

    def test_day(self):
        pharmacist = self.worker('pharmacist')
        menus = pharmacist.sign_in()
        self.assertLessEqual({'menu_encounter', 'menu_medicine'}, menus)
        self.assertFalse(menus & {
                'menu_configuration', 'menu_medical_records',
                'menu_worklist_doctor', 'menu_import_patient'})
        visit = self.create_visit('finished')
        self.assertIn(visit, pharmacist.tabs('menu_encounter')["All"])
        row = pharmacist.remote.read(
            ENCOUNTER, visit, 'patient_weight', 'patient_allergy_text',
            'patient_age', 'prescription_items', 'pregnancy_status')
        self.assertEqual(row['patient_allergy_text'], "Not asked yet")
        item, = row['prescription_items']
        item = pharmacist.remote.read(
            'clinic.prescription.item', item, 'name', 'signa', 'quantity',
            'instructions')
        self.assertIn("Paracetamol", item['name'])
        self.assertIn("5 days", item['signa'].lower())
        self.amend(visit, 'pharmacist', 'addendum', "Diganti puyer")

        medicine = pharmacist.form('clinic.medicine', name="Sanmol Forte")
        medicine.form, medicine.strength = 'tablet', "650 mg"
        medicine.save()
        self.assertIn(medicine.id, pharmacist.complete(
                'clinic.medicine', "sanmol forte"))

    def test_refused(self):
        pharmacist = self.worker('pharmacist')
        visit = self.create_visit('in_progress')
        for name in [
                'chief_complaint', 'diagnoses', 'vital_signs', 'assessment']:
            pharmacist.refused(
                ENCOUNTER, 'read', [visit], [name], error=AccessError)
        item, = self.root.search(
            'clinic.prescription.item', [('encounter', '=', visit)])
        pharmacist.refused(
            'clinic.prescription.item', 'write', [item],
            {'instructions': "Lain"}, error=AccessError)
        pharmacist.refused(
            'clinic.diagnosis', 'search', [], 0, None, None,
            error=AccessError)
        pharmacist.refused(
            PATIENT, 'read', [self.patient], ['nik'], error=AccessError)
        for button in ['arrive', 'start', 'finish', 'cancel']:
            pharmacist.refused(
                ENCOUNTER, button, [visit], error=AccessButtonError)


class CashierDayTestCase(ClinicDayTestCase):
    "The cashier, who knows who was here and nothing of why"

    def test_day(self):
        cashier = self.worker('cashier')
        menus = cashier.sign_in()
        self.assertIn('menu_encounter', menus)
        self.assertFalse(menus & {
                'menu_configuration', 'menu_medical_records',
                'menu_worklist_doctor', 'menu_worklist_nurse',
                'menu_import_patient', 'menu_medicine'})
        visit = self.create_visit('finished')
        self.assertIn(visit, cashier.tabs('menu_encounter')["All"])
        row = cashier.remote.read(
            ENCOUNTER, visit, 'state', 'patient.rec_name', 'patient_payer')
        self.assertEqual(row['state'], 'finished')
        patient = cashier.form(PATIENT, self.patient)
        self.assertRegex(patient.medical_record_number, r'^RM-')
        items = cashier(
            'clinic.prescription.item', 'search_read',
            [('encounter', '=', visit)], 0, None, None,
            ['name', 'quantity', 'quantity_unit'])
        self.assertEqual(len(items), 1)

    def test_refused(self):
        cashier = self.worker('cashier')
        visit = self.create_visit('in_progress')
        for model, record, names in [
                (PATIENT, self.patient, [
                        'nik', 'birth_date', 'sex', 'allergy_status',
                        'allergies']),
                (PERSON, self.clinic['people'][0], [
                        'nik', 'birth_date', 'religion', 'mother_name']),
                (ENCOUNTER, visit, [
                        'chief_complaint', 'vital_signs', 'diagnoses',
                        'assessment', 'patient_allergy_text'])]:
            for name in names:
                with self.subTest(model=model, name=name):
                    cashier.refused(
                        model, 'read', [record], [name], error=AccessError)
        for model in CLINICAL[:4]:
            cashier.refused(
                model, 'search', [], 0, None, None, error=AccessError)
        cashier.refused(
            'clinic.prescription.item', 'read', self.root.search(
                'clinic.prescription.item', [('encounter', '=', visit)]),
            ['signa'], error=AccessError)
        for model, values in [
                (PERSON, {'name': "Baru"}), (PATIENT, {'party': 1}),
                (ENCOUNTER, {'patient': self.patient})]:
            cashier.refused(model, 'create', [values], error=AccessError)
        for button in ['arrive', 'start', 'finish', 'cancel']:
            cashier.refused(
                ENCOUNTER, button, [visit], error=AccessButtonError)
