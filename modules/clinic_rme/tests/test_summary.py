# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import datetime as dt
from decimal import Decimal
from unittest.mock import patch

from trytond.model import fields

from trytond.modules.clinic_rme import summary
from trytond.modules.clinic_rme.content import parts
from trytond.modules.clinic_rme.wording import HIDDEN

from .investigated import InvestigatedTestCase
from .printed import PrintTestCase
from .tools import CHILDREN

SUMMARY = 'clinic.encounter.summary'
RECORD = 'clinic.patient.record'
# A value of each type of field that nothing else on the paper has
NUMBERS = {
    'systolic': 137, 'diastolic': 79, 'heart_rate': 83,
    'respiratory_rate': 17, 'temperature': 37.3, 'oxygen_saturation': 97,
    'weight': 61.7, 'height': 168.4, 'pain_score': 4, 'fall_risk_score': 33}
ACUITY = {
    'vision_right': "6/6", 'vision_left': "6/12",
    'corrected_right': "3/60", 'corrected_left': "1/300"}


class SummaryTestCase(PrintTestCase):
    "The whole visit on paper"

    def setUp(self):
        super().setUp()
        self.values = self.full_values()
        self.visit = self.create_visit('in_progress', **self.values)

    def texts_of(self, model):
        "Return a text of its own for each text field in which people write"
        return {
            name: ACUITY.get(name, f"Isi {name} & <b>")
            for name, field in self.config.pool.get(model)._fields.items()
            if field._type in {'char', 'text'}
            and not isinstance(field, fields.Function)
            and not field.readonly and name not in {'uid', 'number'}}

    def full_values(self):
        "Return the values of a visit in which every field is filled"
        places = self.clinic['kota']
        with self.database() as pool:
            finding, = pool.get('clinic.clinical_finding').search([], limit=1)
        return {
            **self.texts_of('clinic.encounter'),
            'chief_complaint_code': finding.id,
            'psychological_status': 'anxious',
            'pregnancy_status': 'not_pregnant',
            'fall_risk_scale': 'morse',
            'fall_risk_score': NUMBERS['fall_risk_score'],
            'education_topics': ['disease', 'pain'],
            'prognosis': 'good',
            'follow_up_date': dt.date.today() + dt.timedelta(5),
            'follow_up_unit': places['unit'],
            'leaving_condition': 'improved',
            'discharge_disposition': 'other-hcf',
            'vital_signs': [('create', [{
                            **self.texts_of('clinic.vital_signs'),
                            **{n: v for n, v in NUMBERS.items()
                                if n != 'fall_risk_score'},
                            'consciousness': 'alert',
                            'pain_scale': 'nrs'}])],
            'diagnoses': [('create', [{
                            **self.texts_of('clinic.diagnosis'),
                            'code': self.clinic['codes'][1]}])],
            'examinations': [('create', [{
                            **self.texts_of('clinic.examination'),
                            'body_part': 'head', 'finding': 'abnormal'}])],
            'procedures': [('create', [{
                            **self.texts_of('clinic.procedure'),
                            'code': self.clinic['acts'][0],
                            'category': 'diagnostic'}])],
            'dental_examinations': [('create', [{
                            **self.texts_of('clinic.dental_examination'),
                            'diastema': 'present', 'anomaly': 'present'}])],
            'checkups': [('create', [{
                            **self.texts_of('clinic.checkup'),
                            'purpose': 'employment'}])],
            'orders': [('create', [{
                            **self.texts_of('clinic.order'),
                            'investigation': self.clinic[
                                'investigations']['HB'],
                            'requester': places['doctor'],
                            'performing': 'referred'}])],
            'prescription_items': [('create', [self.compounded(
                            **self.texts_of('clinic.prescription.item'),
                            components=[('create', [{
                                            **self.texts_of(
                                                'clinic.prescription'
                                                '.component'),
                                            'medicine': self.clinic[
                                                'medicines']['Paracetamol'],
                                            'amount': Decimal('123.4'),
                                            'amount_unit': 'mg'}])])])],
            }

    def test_every_text_comes_out(self):
        texts = self.printed('doctor', SUMMARY, self.visit)
        for model in ['clinic.encounter', *CHILDREN]:
            with self.subTest(model=model):
                self.assertPrinted(texts, *self.texts_of(model).values())

    def test_every_number_and_choice_comes_out(self):
        self.assertPrinted(
            self.printed('medical_records', SUMMARY, self.visit),
            "137 mmHg", "79 mmHg", "83 x/min", "17 x/min", "37,3 °C", "97 %",
            "61,7 kg", "168,4 cm", "Pain Score: 4", "33", "Anxious",
            "Not Pregnant", "Morse", "Disease, Pain", "Good", "Improved",
            "Referred to Another Facility", "Poli Umum", "Ruang 1", "I10",
            "Abnormal", "89.52", "Diagnostic", "123,4 mg", "Doctor Kota",
            "Alert", "Numeric", "Ardianto Putra", "3174010101920001",
            "Not asked yet")

    def test_no_stored_field_is_left_out(self):
        "Each field stands in a section, in the last one at least"
        with self.database() as pool:
            Encounter = pool.get('clinic.encounter')
            named = {n for s in summary.SECTIONS for n in s.fields}
            self.assertLessEqual(named, Encounter._fields.keys())
            printed = named | {*summary.unnamed()} | HIDDEN
            self.assertLessEqual(
                Encounter.recorded_fields()
                | Encounter.fields_sealed(), printed)
            lists = {
                f.model_name for n, f in Encounter._fields.items()
                if n in printed and f._type == 'one2many'}
            inner = {
                f.model_name for Part in parts()
                for f in Part._fields.values() if f._type == 'one2many'}
            self.assertEqual(
                {Part.__name__ for Part in parts()} - lists - inner, set())

    def test_what_no_section_names_comes_last(self):
        with patch.object(summary, 'SECTIONS', [
                    s for s in summary.SECTIONS if s.name != 'note']):
            texts = self.printed('doctor', SUMMARY, self.visit)
        self.assertPrinted(
            texts, "Other Entries", "Isi subjective", "137 mmHg", "I10")

    def test_seal(self):
        self.assertPrinted(
            self.printed('doctor', SUMMARY, self.visit),
            "The visit is not signed yet")
        self.root('clinic.encounter', 'write', [self.visit], {
                'unit': self.clinic['kota']['unit']})
        self.user('doctor')('clinic.encounter', 'finish', [self.visit])
        with self.transaction() as pool:
            pool.get('clinic.seal').seal()
        seal, = self.root('clinic.seal', 'search_read', [
                ('encounter', '=', self.visit)], 0, None, None,
            ['hash', 'link', 'number'])
        self.assertPrinted(
            self.printed('doctor', SUMMARY, self.visit),
            "Version 1", seal['hash'], seal['link'], f"Seal {seal['number']}")

    def test_amendments(self):
        self.user('doctor')('clinic.encounter', 'finish', [self.visit])
        self.amend(self.visit, 'pharmacist', 'addendum', "Obat diganti\nDua")
        self.amend(self.visit, 'doctor', 'correction', "Salah tekan")
        texts = self.printed('doctor', SUMMARY, self.visit)
        self.assertPrinted(
            texts, "Addenda and Corrections", "Obat diganti", "Dua",
            "Pharmacist Kota", "Salah tekan", "Not completed yet")
        self.user('doctor')('clinic.encounter', 'write', [self.visit], {
                'plan': "Rencana baru"})
        self.user('doctor')(
            'clinic.encounter', 'complete_correction', [self.visit])
        texts = self.printed('doctor', SUMMARY, self.visit)
        self.assertPrinted(
            texts, "What was changed", "Isi plan", "Rencana baru",
            "Version 2")
        self.assertNotIn("Not completed yet", texts)

    def test_whole_record(self):
        finished = self.create_visit('finished', chief_complaint="Batuk lama")
        self.amend(finished, 'nurse', 'addendum', "Ibu menelepon")
        wrong = self.create_visit('finished')
        self.amend(wrong, 'doctor', 'entered_in_error', "Pasien tertukar")
        there = self.create_visit(
            'finished', branch='desa', chief_complaint="Keluhan di desa")
        texts = self.printed('doctor', RECORD, self.patient)
        numbers = {
            row['id']: row['number'] for row in self.root(
                'clinic.encounter', 'read',
                [self.visit, finished, wrong, there], ['number'])}
        self.assertPrinted(
            texts, numbers[self.visit], numbers[finished], numbers[wrong],
            "Isi subjective", "Batuk lama", "Ibu menelepon",
            "ENTERED IN ERROR", "Pasien tertukar", "Ardianto Putra")
        paper = '\n'.join(texts)
        self.assertNotIn("Keluhan di desa", paper)
        self.assertPrinted(
            self.printed('doctor-desa', RECORD, self.patient),
            numbers[there], "Keluhan di desa")

    def test_record_of_a_merged_patient(self):
        "has the visits under both numbers"
        other = self.root.create(
            'clinic.patient', party=self.root.create(
                'party.party', name="Ardianto P"))
        visit = self.create_visit(
            'finished', patient=other, chief_complaint="Di nomor lama")
        with self.transaction() as pool:
            Patient = pool.get('clinic.patient')
            Patient(other).merge(Patient(self.patient))
        self.assertTrue(visit)
        self.assertPrinted(
            self.printed('doctor', RECORD, self.patient), "Di nomor lama",
            self.root.read('clinic.patient', other,
                'medical_record_number')['medical_record_number'])

    def test_patient_without_visit(self):
        self.assertPrinted(
            self.printed('doctor', RECORD, self.clinic['patients'][1]),
            "Claudia Sintia", self.shown(dt.date(1989, 11, 3)), "No visit")

    def test_what_is_derived_from_an_entry(self):
        visit = self.create_visit(
            'in_progress',
            vital_signs=[('create', [{'weight': 80.0, 'height': 160.0}])],
            checkups=[('create', [{'purpose': 'employment'}])],
            obstetric_notes=[('create', [{
                            'gravida': 1,
                            'last_period': dt.date.today() - dt.timedelta(
                                weeks=12)}])],
            dental_examinations=[('create', [{
                            **dict.fromkeys(['debris_16', 'debris_26'], 1),
                            **dict.fromkeys(
                                ['calculus_16', 'calculus_26'], 2)}])])
        with self.database() as pool:
            note, = pool.get('clinic.encounter')(visit).obstetric_notes
            age = note.gestational_age
        for report, id_ in [(SUMMARY, visit), (RECORD, self.patient)]:
            with self.subTest(report):
                self.assertPrinted(
                    self.printed('doctor', report, id_),
                    f"Gestational Age: {age}", "Body Mass Index: 31,2",
                    "Nutritional Status: Obese", "Debris Index: 1",
                    "Calculus Index: 2", "OHI-S: 3", "Oral Hygiene: Fair")


class ResultOnPaperTestCase(PrintTestCase, InvestigatedTestCase):
    "Orders in the summary and in the whole record"

    def papers(self):
        return [
            self.printed('doctor', report, id_)
            for report, id_ in [(SUMMARY, self.visit), (RECORD, self.patient)]]

    def test_released_result(self):
        self.released(self.order(), HB={
                'number': Decimal('12.3'), 'note': "Diulang"})
        for texts in self.papers():
            self.assertPrinted(
                texts, "Laboratory and Radiology", "Hemoglobin 12,3 g/dL (L)",
                "Reference: 13 - 17", "Interpretation: Low", "Note: Diulang",
                "Performed by: Nurse Kota", "Issued at: ")
            paper = '\n'.join(texts)
            for limit in ["Low: ", "High: ", "Critically"]:
                self.assertNotIn(limit, paper)

    def test_draft_is_left_out(self):
        result = self.begin(self.order())
        self.enter(result, HB={'number': Decimal('12.7')})
        for texts in self.papers():
            self.assertPrinted(texts, "Hemoglobin")
            self.assertNotIn("12,7", '\n'.join(texts))

    def test_result_entered_in_error_is_left_out(self):
        order = self.order()
        self.take_out(self.released(order, HB={'number': Decimal('11.6')}))
        for texts in self.papers():
            paper = '\n'.join(texts)
            self.assertPrinted(texts, "Hemoglobin")
            self.assertNotIn("11,6", paper)
            self.assertNotIn("Tertukar", paper)
        self.released(order, HB={'number': Decimal('14.1')})
        for texts in self.papers():
            self.assertPrinted(texts, "Hemoglobin 14,1 g/dL")
            self.assertNotIn("11,6", '\n'.join(texts))

    def test_result_in_words(self):
        result = self.begin(self.order('THPA'))
        self.nurse('clinic.result', 'write', [result], {
                'findings': "Cor normal", 'conclusion': "Infiltrat kanan",
                'interpretation': 'A'})
        self.nurse('clinic.result', 'release', [result])
        for texts in self.papers():
            self.assertPrinted(
                texts, "Findings: Cor normal", "Conclusion: Infiltrat kanan",
                "Interpretation: Abnormal")

    def test_orders_stand_in_a_section(self):
        with self.database():
            self.assertNotIn('orders', summary.unnamed())
