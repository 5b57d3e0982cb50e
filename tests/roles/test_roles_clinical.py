# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The day of those who treat and of those who keep the record: doctor,
dentist, administration and medical records."""

import datetime as dt
import json
from decimal import Decimal

from proteus import Model
from roles_worker import ENCOUNTER, PATIENT, PERSON, ClinicDayTestCase
from trytond.model.exceptions import AccessButtonError, AccessError
from trytond.modules.clinic_rme.exceptions import (
    AmendmentAccessError, EncounterAccessError, EncounterIncompleteError,
    PrescriptionAllergyError)

ITEM = 'clinic.prescription.item'


class DoctorDayTestCase(ClinicDayTestCase):
    "The doctor, from the first patient to the last signature"

    def setUp(self):
        super().setUp()
        self.doctor = self.worker('doctor')

    def allergic(self):
        patient = self.patient_of(self.worker('registration'))
        self.worker('nurse')(PATIENT, 'write', [patient], {
                'allergy_status': 'listed',
                'allergies': [('create', [{'substance': "Amoksisilin"}])]})
        return patient

    def test_day(self):
        menus = self.doctor.sign_in()
        self.assertIn('menu_worklist_doctor', menus)
        self.assertFalse(menus & {
                'menu_configuration', 'menu_import_patient',
                'menu_worklist_registration'})
        visit = self.waiting(patient=self.allergic())
        self.assertIn(
            visit, self.doctor.tabs('menu_worklist_doctor')["Waiting"])
        form = self.doctor.form(ENCOUNTER, visit)
        self.doctor.press(form, 'start')
        self.assertIn(
            visit, self.doctor.tabs('menu_worklist_doctor')["In Examination"])

        told = self.doctor.refused(
            ENCOUNTER, 'finish', [visit], error=EncounterIncompleteError)
        for page in ["chief complaint", "examination", "diagnosis"]:
            self.assertIn(page, told.lower())
        self.assertEqual(self.state(visit), 'in_progress')

        form.subjective = "Batuk \"berdahak\"\n3 hari 😷"
        form.objective = "Faring hiperemis"
        form.assessment = 'x' * 10_000
        form.plan = "Istirahat"
        form.chief_complaint = "Batuk"
        found = self.doctor.complete('clinic.icd10', 'respiratory acute')
        self.assertEqual(found, [self.clinic['codes'][0]])
        diagnosis = form.diagnoses.new()
        diagnosis.code = Model.get(
            'clinic.icd10', config=self.doctor.remote.config)(found[0])
        self.assertEqual(diagnosis.rank, 1)
        form.save()
        self.prescribe(form)
        self.doctor.press(form, 'finish')
        self.assertEqual(form.state, 'finished')
        for tab in self.doctor.tabs('menu_worklist_doctor').values():
            self.assertNotIn(visit, tab)
        self.after(visit)

    def prescribe(self, form):
        Medicine = Model.get(
            'clinic.medicine', config=self.doctor.remote.config)
        item = form.prescription_items.new()
        item.medicine = Medicine(self.clinic['medicines']['Amoxsan'])
        self.assertEqual((item.dose_unit, item.route), ('tablet', 'oral'))
        item.dose, item.frequency, item.duration = Decimal(1), 3, 5
        self.assertEqual(item.quantity, 15)
        with self.assertRaisesRegex(PrescriptionAllergyError, "Amoksisilin"):
            form.save()
        self.assertEqual(self.root.search(
                ITEM, [('encounter', '=', form.id)]), [])
        item.override_reason = "Tidak ada pilihan lain"
        form.save()
        stored, = self.root.search(ITEM, [('encounter', '=', form.id)])
        row = self.root.read(ITEM, stored, 'override_by', 'override_at')
        self.assertEqual(row['override_by'], self.clinic['kota']['doctor'])
        self.assertTrue(row['override_at'])

    def after(self, visit):
        "What is left to do with a finished visit"
        self.doctor.refused(
            ENCOUNTER, 'write', [visit], {'plan': "Lain"},
            error=EncounterAccessError, text="is closed")
        self.amend(visit, 'doctor', 'addendum', "Hasil rontgen normal")
        self.amend(visit, 'doctor', 'correction', "Salah tulis")
        form = self.doctor.form(ENCOUNTER, visit)
        form.plan = "Istirahat 3 hari"
        form.save()
        self.doctor.press(form, 'complete_correction')
        self.assertEqual(
            [a.kind for a in form.amendments], ['correction', 'addendum'])
        self.doctor.refused(
            ENCOUNTER, 'write', [visit], {'plan': "Lagi"},
            error=EncounterAccessError)
        page = self.doctor.wizard(
            'clinic.patient.export', (PATIENT, form.patient.id),
            ({'ask': {'reason': "Rujukan ke rumah sakit"}}, 'export'))
        document = json.loads(bytes(page['view']['defaults']['file']))
        self.assertEqual(
            document['visits'][-1]['encounter']['fields']['plan']['value'],
            "Istirahat 3 hari")

    def test_two_edit_at_once(self):
        "The second is told and loses nothing"
        visit = self.create_visit('in_progress')
        colleague = self.worker('colleague')
        first = self.doctor.form(ENCOUNTER, visit)
        second = colleague.form(ENCOUNTER, visit)
        for form, text in [(first, "Satu"), (second, "Dua")]:
            form.plan = text
        first.save()
        with self.assertRaises(Exception) as refusal:
            second.save()
        self.assertIn("Concurrency", type(refusal.exception).__name__)
        self.assertEqual(second.plan, "Dua")
        self.assertEqual(
            self.root.read(ENCOUNTER, visit, 'plan')['plan'], "Satu")

    def test_refused(self):
        visit = self.create_visit('in_progress')
        there = self.create_visit('in_progress', branch='desa')
        self.doctor.refused(
            ENCOUNTER, 'read', [there], ['number'], error=AccessError)
        for button in ['finish', 'cancel']:
            self.doctor.refused(ENCOUNTER, button, [there], error=AccessError)
        self.doctor.refused(ENCOUNTER, 'delete', [visit], error=AccessError)
        self.doctor.refused(
            PERSON, 'create', [{'name': "Baru"}], error=AccessError)
        self.doctor.refused(
            'clinic.unit', 'create', [{'code': 'X', 'name': "X"}],
            error=AccessError)
        self.doctor.refused(
            'clinic.configuration', 'write', [1], {'correction_hours': 1000},
            error=AccessError)
        with self.assertRaises(AccessError):
            self.doctor.wizard('clinic.patient.import', None)
        finished = self.create_visit('finished')
        amendment = self.amend(
            finished, 'colleague-kota', 'correction', "Bukan penulisnya")
        self.assertEqual(
            self.root.read('clinic.amendment', amendment, 'state')['state'],
            'requested')
        with self.assertRaises(AccessError):
            self.doctor.wizard(
                'clinic.amendment.decide', ('clinic.amendment', amendment),
                ({'ask': {}}, 'approve'))


class DentistDayTestCase(ClinicDayTestCase):
    "The dentist, a doctor with a unit of another kind"

    def test_day(self):
        branch = self.clinic['kota']
        dentist = self.worker('dentist')
        self.assertIn('menu_worklist_doctor', dentist.sign_in())
        other = self.waiting()
        visit = self.waiting(
            unit=branch['dental'], room=branch['dental_room'],
            practitioner=branch['dentist'])
        waiting = dentist.tabs('menu_worklist_doctor')["Waiting"]
        self.assertLess(waiting.index(visit), waiting.index(other))
        form = dentist.form(ENCOUNTER, visit)
        dentist.press(form, 'start')
        form.chief_complaint = "Gigi berlubang"
        form.objective = "Karies 36"
        procedure = form.procedures.new()
        procedure.code = Model.get(
            'clinic.icd9cm', config=dentist.remote.config)(
                self.clinic['acts'][0])
        self.assertEqual(procedure.performer.id, branch['dentist'])
        diagnosis = form.diagnoses.new()
        diagnosis.code = Model.get(
            'clinic.icd10', config=dentist.remote.config)(
                self.clinic['codes'][2])
        form.save()
        dentist.press(form, 'finish')
        self.assertEqual(form.finished_by.id, branch['dentist'])
        self.assertEqual(form.unit.kind, 'dental')


class AdministrationDayTestCase(ClinicDayTestCase):
    "The administration, which runs the clinic and reads no record"

    def setUp(self):
        super().setUp()
        self.admin = self.worker('admin')

    def test_day(self):
        menus = self.admin.sign_in()
        self.assertLessEqual({
                'menu_configuration', 'menu_unit', 'menu_room',
                'menu_import_patient', 'menu_patient_duplicate',
                'menu_record_export', 'menu_completion_rule'}, menus)
        unit = self.admin.form(
            'clinic.unit', code='KIA2', name="Poli KIA 2")
        self.assertEqual(unit.company.id, self.clinic['kota']['company'])
        unit.save()
        self.assertIn(unit.id, self.admin.tabs('menu_unit')["All"])
        rule = self.admin.form('clinic.completion.rule')
        rule.unit_kind, rule.requirement = 'checkup', 'prognosis'
        rule.save()
        configuration = self.admin.form('clinic.configuration', 1)
        configuration.waiting_warning = 25
        configuration.save()
        text = "No RM;Nama;JK\nA-1;Lama Satu;L\nA-2;Lama Dua;P\n"
        start = {'start': {'file': text.encode(), 'encoding': None}}
        page = self.admin.wizard(
            'clinic.patient.import', None, (start, 'mapping'))
        mapping = {'mapping': page['view']['defaults']}
        page = self.admin.wizard(
            'clinic.patient.import', None, ({**start, **mapping}, 'preview'))
        self.assertEqual(page['view']['defaults']['new'], 2)
        self.admin.wizard(
            'clinic.patient.import', None, ({**start, **mapping}, 'import_'))
        self.assertEqual(len(self.admin.complete(PATIENT, 'Lama')), 2)
        self.assertEqual(len(self.admin.complete(PATIENT, 'A-1')), 1)

    def test_duplicates(self):
        clerk = self.worker('registration')
        born = dt.date(1990, 1, 1)
        one, two = (
            self.patient_of(clerk, name="Kembar Siam", birth_date=born)
            for _ in range(2))
        found = self.admin.tabs('menu_patient_duplicate')["All"]
        rows = self.admin(
            'clinic.patient.duplicate', 'read', found, ['patient', 'other'])
        self.assertIn((two, one), [(r['patient'], r['other']) for r in rows])

    def test_refused(self):
        visit = self.create_visit('in_progress')
        for name in [
                'chief_complaint', 'vital_signs', 'diagnoses', 'assessment',
                'prescription_items', 'amendments']:
            with self.subTest(name=name):
                self.admin.refused(
                    ENCOUNTER, 'read', [visit], [name], error=AccessError)
        for model in [
                'clinic.vital_signs', 'clinic.diagnosis', ITEM,
                'clinic.amendment', 'clinic.allergy']:
            self.admin.refused(
                model, 'search', [], 0, None, None, error=AccessError)
        for button in ['start', 'finish']:
            self.admin.refused(
                ENCOUNTER, button, [visit], error=AccessButtonError)
        self.admin.refused(PATIENT, 'delete', [self.patient],
            error=AccessError)
        with self.assertRaises(AccessError):
            self.admin.wizard(
                'clinic.patient.export', (PATIENT, self.patient),
                ({'ask': {'reason': "Ingin tahu"}}, 'export'))


class MedicalRecordsDayTestCase(ClinicDayTestCase):
    "The medical records officer, who reads all and writes nothing"

    def setUp(self):
        super().setUp()
        self.officer = self.worker('medical_records')

    def test_day(self):
        menus = self.officer.sign_in()
        self.assertLessEqual({
                'menu_patient', 'menu_encounter', 'menu_medical_records',
                'menu_amendment', 'menu_seal', 'menu_record_export'}, menus)
        visit = self.create_visit('finished')
        amendment = self.amend(
            visit, 'colleague-kota', 'correction', "Diagnosis keliru")
        listed = self.officer.tabs('menu_amendment')
        self.assertIn(amendment, [*listed.values()][0])
        self.officer.wizard(
            'clinic.amendment.decide', ('clinic.amendment', amendment),
            ({'ask': {'note': "Setuju"}}, 'approve'))
        self.assertEqual(
            self.root.read('clinic.amendment', amendment, 'state')['state'],
            'open')
        self.worker('colleague')(
            ENCOUNTER, 'write', [visit], {'plan': "Diperbaiki"})
        self.worker('colleague')(ENCOUNTER, 'complete_correction', [visit])
        form = self.officer.form(ENCOUNTER, visit)
        self.assertEqual(form.plan, "Diperbaiki")
        self.assertIn("Diperbaiki", form.amendments[0].changes)
        seals = self.officer.tabs('menu_seal')
        self.assertGreaterEqual(len([*seals.values()][0]), 2)
        self.officer.wizard(
            'clinic.patient.export', (PATIENT, self.patient),
            ({'ask': {'reason': "Permintaan asuransi"}}, 'export'))
        exports = self.officer.tabs('menu_record_export')["All"]
        self.assertEqual(
            self.officer.remote.read(
                'clinic.record.export', exports[0], 'reason')['reason'],
            "Permintaan asuransi")

    def test_late_request_is_rejected_with_a_reason(self):
        visit = self.create_visit('finished')
        amendment = self.amend(visit, 'colleague-kota', 'correction', "x")
        steps = ('clinic.amendment.decide', ('clinic.amendment', amendment))
        with self.assertRaises(Exception):  # noqa: B017
            self.officer.wizard(*steps, ({'ask': {}}, 'reject'))
        self.officer.wizard(
            *steps, ({'ask': {'note': "Tidak beralasan"}}, 'reject'))
        self.assertEqual(
            self.root.read('clinic.amendment', amendment, 'state')['state'],
            'rejected')

    def test_refused(self):
        visit = self.create_visit('in_progress')
        for values in [
                {'plan': "Lain"}, {'chief_complaint': "Lain"},
                {'patient': self.clinic['patients'][1]}]:
            self.officer.refused(
                ENCOUNTER, 'write', [visit], values, error=AccessError)
        for model in ['clinic.diagnosis', 'clinic.vital_signs', ITEM]:
            ids = self.root.search(model, [('encounter', '=', visit)])
            self.officer.refused(model, 'delete', ids, error=AccessError)
        for button in ['arrive', 'start', 'finish', 'cancel']:
            self.officer.refused(
                ENCOUNTER, button, [visit], error=AccessButtonError)
        self.officer.refused(
            PERSON, 'write', self.clinic['people'][:1], {'name': "Lain"},
            error=AccessError)
        finished = self.create_visit('finished')
        with self.assertRaises(AmendmentAccessError):
            self.amend(finished, 'medical_records', 'correction')
