# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import datetime as dt
import io
import logging
import zipfile
from decimal import Decimal
from unittest.mock import patch

import PIL.Image
from trytond.exceptions import UserError
from trytond.model.exceptions import AccessError

from trytond.modules.clinic_rme.latin import counted, roman

from .printed import LONG, NASTY, PrintTestCase, paragraphs
from .tools import ROLES

PRESCRIPTION = 'clinic.encounter.prescription'
LABEL = 'clinic.encounter.drug_label'
CARD = 'clinic.patient.card'
SUMMARY = 'clinic.encounter.summary'
RECORD = 'clinic.patient.record'
# Report: who prints it
PRINTS = {
    PRESCRIPTION: {'doctor', 'pharmacist'},
    LABEL: {'doctor', 'pharmacist'},
    CARD: {'registration', 'nurse', 'doctor'},
    SUMMARY: {'doctor', 'medical_records'},
    RECORD: {'doctor', 'medical_records'},
    }
OF_PATIENT = {CARD, RECORD}


class PrintAccessTestCase(PrintTestCase):
    "Who prints what"

    def setUp(self):
        super().setUp()
        self.visit = self.create_visit('in_progress')

    def record(self, report):
        return self.patient if report in OF_PATIENT else self.visit

    def test_roles(self):
        for report, roles in PRINTS.items():
            for role in (*ROLES, 'nobody'):
                with self.subTest(report=report, role=role):
                    if role in roles:
                        self.assertTrue(
                            self.printed(role, report, self.record(report)))
                    else:
                        with self.assertRaises(AccessError):
                            self.printed(role, report, self.record(report))

    def test_visit_of_another_branch(self):
        there = self.create_visit('in_progress', branch='desa')
        for report in PRINTS.keys() - OF_PATIENT:
            for context in [{}, {'company': self.clinic['desa']['company']},
                    {'_check_access': False}]:
                with self.subTest(report=report, context=context):
                    with self.assertRaises(AccessError):
                        self.execute('doctor', report, there, **context)
                    with self.assertRaises(AccessError):
                        self.execute(
                            'doctor', report, self.visit, there, **context)

    def test_action_of_another_report_opens_nothing(self):
        with self.database() as pool:
            ModelData = pool.get('ir.model.data')
            action = ModelData.get_id('clinic_rme', 'report_patient_card')
        for login, data in [
                ('registration', {'action_id': action}),
                ('registration', {
                        'action_id': action, 'model': 'clinic.encounter'}),
                ('doctor', {'action_id': action})]:
            with self.subTest(login=login), self.assertRaises(AccessError):
                self.execute(login, SUMMARY, self.visit, data=data)

    def test_several_visits(self):
        other = self.create_visit('in_progress')
        extension, content, _, _ = self.execute(
            'doctor', PRESCRIPTION, self.visit, other)
        self.assertEqual(extension, 'zip')
        with zipfile.ZipFile(io.BytesIO(bytes(content))) as prints:
            self.assertEqual(len(prints.namelist()), 2)

    def test_user_without_branch(self):
        with self.transaction() as pool:
            User = pool.get('res.user')
            user, = User.search([('login', '=', 'nurse-desa')])
            User.write([user], {'company': None, 'employee': None})
        with self.assertRaisesRegex(UserError, "Choose a branch"):
            self.printed('nurse-desa', CARD, self.patient)

    def test_server_without_libreoffice(self):
        "gives the OpenDocument text instead of an error"
        proxy = self.user('doctor').config.get_proxy(PRESCRIPTION, 'report')
        with patch('time.sleep'), patch(
                'trytond.report.report.subprocess.run',
                side_effect=FileNotFoundError), self.assertLogs(
                    'trytond.report.report', logging.ERROR):
            extension, content, _, _ = proxy.execute(
                [self.visit], {}, self.user('doctor').config.context)
        self.assertEqual(extension, 'odt')
        self.assertTrue(paragraphs(bytes(content)))


class PaperTestCase(PrintTestCase):
    "What stands on each paper"

    def setUp(self):
        super().setUp()
        branch = self.clinic['kota']
        with self.transaction() as pool:
            Address = pool.get('party.address')
            Company = pool.get('company.company')
            Employee = pool.get('company.employee')
            Party = pool.get('party.party')
            company = Company(branch['company'])
            Company.write([company], {
                    'facility_license': "IZIN-77", 'facility_code': "F123",
                    'header': None, 'timezone': 'Asia/Jakarta'})
            Address.write(list(company.party.addresses), {
                    'street': "Jl. Melati 1", 'city': "Bandung"})
            if not company.party.contact_mechanisms:
                Party.write([company.party], {
                        'contact_mechanisms': [('create', [{
                                        'type': 'phone',
                                        'value': "022 4200000"}])],
                        })
            Employee.write([Employee(branch['doctor'])], {
                    'sip_number': "SIP/1/2026"})
        self.items = [
            {'kind': 'simple', 'medicine': self.clinic['medicines']['Captopril'],
                'dose': Decimal('0.5'), 'dose_unit': 'tablet',
                'route': 'oral', 'frequency': 2, 'duration': 5,
                'meal': 'before', 'quantity': Decimal(5),
                'quantity_unit': 'tablet', 'substitution_allowed': False,
                'instructions': "Diminum pagi dan malam"},
            {'kind': 'simple', 'medicine': self.clinic['medicines']['Amoxsan'],
                'dose': Decimal(2), 'dose_unit': 'drop', 'route': 'otic',
                'frequency': 4, 'duration': 14, 'as_needed': True,
                'quantity': Decimal(1), 'quantity_unit': 'bottle'},
            self.compounded(meal='after'),
            ]
        self.visit = self.create_visit(
            'in_progress',
            vital_signs=[('create', [{'weight': 37.4, 'systolic': 120}])],
            prescription_items=[('create', self.items)])

    def test_letterhead(self):
        self.assertPrinted(
            self.printed('doctor', PRESCRIPTION, self.visit),
            "Klinik Kota", "Jl. Melati 1", "Bandung", "+62 22 4200000",
            "IZIN-77", "F123")

    def test_logo(self):
        image = io.BytesIO()
        PIL.Image.new('RGB', (300, 100), 'navy').save(image, 'png')
        with self.transaction() as pool:
            Company = pool.get('company.company')
            Company.write([Company(self.clinic['kota']['company'])], {
                    'logo': image.getvalue()})
        try:
            odt = self.odt('pharmacist', PRESCRIPTION, self.visit)
        finally:
            with self.transaction() as pool:
                Company = pool.get('company.company')
                Company.write([Company(self.clinic['kota']['company'])], {
                        'logo': None})
        with zipfile.ZipFile(io.BytesIO(odt)) as document:
            picture, = [
                n for n in document.namelist() if n.startswith('Pictures/')]
            with PIL.Image.open(document.open(picture)) as shown:
                self.assertEqual(shown.width, 3 * shown.height)

    def test_header_of_the_company_instead(self):
        with self.transaction() as pool:
            Company = pool.get('company.company')
            Company.write([Company(self.clinic['kota']['company'])], {
                    'header': "Baris satu\nTelp ${phone}"})
        texts = self.printed('doctor', PRESCRIPTION, self.visit)
        self.assertPrinted(texts, "Baris satu", "Telp +62 22 4200000")
        self.assertFalse([t for t in texts if "IZIN-77" in t])

    def test_prescription(self):
        self.assertPrinted(
            self.printed('pharmacist', PRESCRIPTION, self.visit),
            "R/ Captopril 500 mg Tablet No. V", "S 2 dd tab 0,5 a.c.",
            "2 x a day 0,5 tablet before meals for 5 days",
            "Diminum pagi dan malam", "Not to be substituted",
            "R/ Amoxsan 500 mg Tablet fl No. I",
            "S 4 dd p.r.n. gtt II u.e.", "as needed", "(Ear)",
            "R/ Paracetamol 125 mg", "m.f. pulv d.t.d. No. XV",
            "S 3 dd pulv I p.c.",
            "Doctor Kota", "SIP/1/2026", "Ardianto Putra",
            self.root.read('clinic.patient', self.patient,
                'medical_record_number')['medical_record_number'],
            self.root.read('clinic.encounter', self.visit,
                'patient_age')['patient_age'],
            "37,4 kg", "Not asked yet",
            self.root.read('clinic.encounter', self.visit, 'number')['number'])

    def test_prescription_despite_allergy(self):
        patient = self.root.create(
            'clinic.patient', party=self.root.create(
                'party.party', name="Alergi Amoksisilin"),
            allergy_status='listed',
            allergies=[('create', [{'substance': "Amoxicillin"}])])
        visit = self.create_visit(
            'in_progress', patient=patient, prescription_items=[
                ('create', [{**self.items[1], 'override_reason': "Darurat"}])])
        self.assertPrinted(
            self.printed('doctor', PRESCRIPTION, visit), "ALLERGY",
            "Amoxicillin", "Given despite allergy", "Darurat")

    def test_empty_prescription(self):
        visit = self.create_visit('in_progress', prescription_items=None)
        self.assertPrinted(
            self.printed('doctor', PRESCRIPTION, visit),
            "No medicine was prescribed")
        self.assertEqual(self.printed('doctor', LABEL, visit), [])

    def test_labels(self):
        texts = self.printed('pharmacist', LABEL, self.visit)
        self.assertEqual(texts.count("Klinik Kota"), 3)
        self.assertEqual(texts.count("TO BE TAKEN BY MOUTH"), 2)
        self.assertEqual(texts.count("NOT TO BE SWALLOWED"), 1)
        self.assertPrinted(
            texts, "Ardianto Putra", "Captopril 500 mg Tablet",
            "Quantity: 5 tablet", "2 x a day 0,5 tablet before meals",
            "Diminum pagi dan malam", "Ear",
            "Compounded Powder: Paracetamol 125 mg", "Quantity: 15 sachet")

    def of_route(self, route, unit, state='in_progress'):
        "Create a visit in which something is given by the route"
        return self.create_visit(state, prescription_items=[
                ('create', [{**self.items[1], 'route': route,
                            'dose_unit': unit, 'quantity_unit': unit}])])

    def test_injection(self):
        for route in ['intramuscular', 'intravenous', 'subcutaneous']:
            with self.subTest(route):
                visit = self.of_route(route, 'ampoule')
                label = self.printed('doctor', LABEL, visit)
                self.assertIn("FOR INJECTION", label)
                self.assertNotIn("NOT TO BE SWALLOWED", label)
                self.assertNotIn("TO BE TAKEN BY MOUTH", label)
                paper = self.printed('doctor', PRESCRIPTION, visit)
                self.assertIn("S 4 dd p.r.n. amp II", paper)

    def test_what_dissolves_in_the_mouth_is_taken(self):
        for route, unit, latin in [
                ('oromucosal', 'lozenge', 'troch'),
                ('sublingual', 'tablet', 'tab')]:
            with self.subTest(route):
                visit = self.of_route(route, unit)
                label = self.printed('doctor', LABEL, visit)
                self.assertIn("TO BE TAKEN BY MOUTH", label)
                self.assertNotIn("NOT TO BE SWALLOWED", label)
                paper = self.printed('doctor', PRESCRIPTION, visit)
                self.assertIn(f"S 4 dd p.r.n. {latin} II", paper)
        label = self.printed(
            'doctor', LABEL, self.of_route('oromucosal', 'ml'))
        self.assertIn("NOT TO BE SWALLOWED", label)

    def test_label_of_a_visit_that_does_not_count(self):
        cancelled = self.of_route('otic', 'drop', 'planned')
        self.assertNotIn(
            "CANCELLED", self.printed('pharmacist', LABEL, cancelled))
        self.root('clinic.encounter', 'cancel', [cancelled])
        self.assertIn(
            "CANCELLED", self.printed('pharmacist', LABEL, cancelled))
        wrong = self.of_route('otic', 'drop', 'finished')
        self.amend(wrong, 'doctor', 'entered_in_error', "Pasien tertukar")
        texts = self.printed('pharmacist', LABEL, wrong)
        self.assertIn("ENTERED IN ERROR", texts)
        self.assertNotIn("Pasien tertukar", '\n'.join(texts))

    def test_suspension_is_shaken(self):
        with self.transaction() as pool:
            Medicine = pool.get('clinic.medicine')
            medicine, = Medicine.create([{
                        'name': "Antasida", 'form': 'suspension'}])
        visit = self.create_visit('in_progress', prescription_items=[
                ('create', [{
                            'kind': 'simple', 'medicine': medicine.id,
                            'dose': Decimal(5), 'dose_unit': 'ml',
                            'route': 'oral', 'frequency': 3,
                            'quantity': Decimal(1),
                            'quantity_unit': 'bottle'}])])
        self.assertIn(
            "Shake before use", self.printed('doctor', LABEL, visit))
        self.assertNotIn(
            "Shake before use", self.printed('doctor', LABEL, self.visit))

    def test_card(self):
        day = dt.date.today() + dt.timedelta(9)
        self.create_visit(
            'finished', follow_up_date=day,
            follow_up_unit=self.clinic['kota']['unit'])
        odt = self.odt('registration', CARD, self.patient)
        self.assertPrinted(
            paragraphs(odt), "Ardianto Putra", self.shown(dt.date(1992, 1, 1)),
            self.shown(day),
            "Poli Umum", "Klinik Kota")
        with zipfile.ZipFile(io.BytesIO(odt)) as document:
            self.assertTrue([
                    n for n in document.namelist() if n.endswith('.svg')])

    def test_time_of_the_branch(self):
        "Half past eight in the evening, UTC, is tomorrow in Jayapura"
        with self.transaction() as pool:
            Company = pool.get('company.company')
            Company.write([Company(self.clinic['kota']['company'])], {
                    'timezone': 'Asia/Jayapura'})
        visit = self.create_visit(
            arrived_at=dt.datetime(2026, 2, 28, 20, 30),
            started_at=dt.datetime(2026, 2, 28, 20, 45),
            finished_at=dt.datetime(2026, 2, 28, 21, 0))
        texts = self.printed('doctor', PRESCRIPTION, visit)
        day = self.shown(dt.date(2026, 3, 1))
        self.assertPrinted(texts, day)
        self.assertPrinted(
            self.printed('doctor', SUMMARY, visit), f"{day} 05:30")

    def test_nasty_texts(self):
        patient = self.root.create(
            'clinic.patient', party=self.root.create(
                'party.party', name=NASTY))
        items = [{**self.items[0], 'instructions': f"{NASTY}\n{LONG}"}]
        visit = self.create_visit(
            'in_progress', patient=patient, chief_complaint=LONG,
            prescription_items=[('create', items)])
        for report in [PRESCRIPTION, LABEL, SUMMARY]:
            with self.subTest(report=report):
                texts = self.printed('doctor', report, visit)
                self.assertPrinted(texts, NASTY, LONG)
        for report in OF_PATIENT:
            self.assertPrinted(self.printed('doctor', report, patient), NASTY)

    def test_visit_that_does_not_count(self):
        cancelled = self.create_visit('cancelled')
        self.assertIn(
            "CANCELLED", self.printed('doctor', PRESCRIPTION, cancelled))
        wrong = self.create_visit('finished')
        self.amend(wrong, 'doctor', 'entered_in_error', "Pasien tertukar")
        self.assertPrinted(
            self.printed('doctor', SUMMARY, wrong),
            "ENTERED IN ERROR", "Pasien tertukar")
        texts = self.printed('pharmacist', PRESCRIPTION, wrong)
        self.assertPrinted(
            texts, "ENTERED IN ERROR", "Addenda and Corrections",
            "Entered in Error", "Doctor Kota")
        self.assertNotIn("Pasien tertukar", '\n'.join(texts))


class NumeralTestCase(PrintTestCase):
    "Roman numerals"

    def test_roman(self):
        self.assertEqual(
            [roman(n) for n in [1, 4, 9, 14, 40, 90, 400, 1994, 3999]],
            ['I', 'IV', 'IX', 'XIV', 'XL', 'XC', 'CD', 'MCMXCIV',
                'MMMCMXCIX'])

    def test_what_is_no_numeral(self):
        with self.database():
            self.assertEqual(counted(Decimal(10)), 'X')
            self.assertEqual(counted(Decimal('1.500')), '1.5')
            self.assertEqual(counted(Decimal(4000)), '4,000')
