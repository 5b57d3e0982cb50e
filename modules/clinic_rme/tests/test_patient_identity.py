# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import datetime as dt
import itertools
from types import SimpleNamespace
from unittest.mock import patch

from trytond.model.exceptions import (
    AccessButtonError, AccessError, DomainValidationError, RequiredValidationError,
    SelectionValidationError)
from trytond.modules.party.exceptions import InvalidPhoneNumber

from trytond.modules.clinic_rme import demographics
from trytond.modules.clinic_rme.exceptions import (
    NIKValidationError, PatientAccessError, PhoneValidationError)

from .test_party import frozen
from .tools import RemoteTestCase, ago

serials = itertools.count(1)


class IdentityTestCase(RemoteTestCase):
    "Who the patient is, with and without NIK"

    def setUp(self):
        super().setUp()
        self.clerk = self.user('registration')

    def person(self, **values):
        return self.clerk.create(
            'party.party', **{'name': f"Warga {next(serials)}", **values})

    def read(self, person, *names):
        return self.clerk.read('party.party', person, *names)

    def notices(self, person):
        return self.clerk(
            'clinic.patient', 'on_change_notify', {'party': person})

    def test_social_data(self):
        values = {
            'religion': 'islam', 'education': 'bachelor',
            'occupation': 'private', 'marital_status': 'married',
            'ethnicity': "Jawa", 'spoken_languages': "Indonesia, Jawa",
            'blood_type': 'AB', 'rhesus': 'negative', 'mother_name': "Siti",
            }
        person = self.person(**values)
        self.assertEqual(
            self.read(person, *values), {'id': person, **values})
        with self.assertRaises(SelectionValidationError):
            self.person(religion='9')

    def test_value_lists_are_those_of_the_decree(self):
        "As many values as the variables of KMK 1423/2022 have"
        for values, number in [
                (demographics.RELIGIONS, 8), (demographics.EDUCATIONS, 9),
                (demographics.OCCUPATIONS, 6),
                (demographics.MARITAL_STATUSES, 4)]:
            self.assertEqual(len({k for k, _ in values if k}), number)

    def test_foreigner(self):
        with self.assertRaises(RequiredValidationError):
            self.person(no_nik_reason='foreigner')
        for name in ['passport_number', 'stay_permit_number']:
            person = self.person(no_nik_reason='foreigner', **{name: 'X1'})
            self.assertEqual(self.notices(person), [])
            copy, = self.clerk('party.party', 'copy', [person])
            self.assertIsNone(self.read(copy, name)[name])

    def test_newborn(self):
        mother_nik = '3174 0141 0170 0001'
        newborn = self.person(no_nik_reason='newborn')
        (kind, message), = self.notices(newborn)
        self.assertEqual(kind, 'warning')
        self.assertRegex(message, "NIK of the mother")
        self.clerk(
            'party.party', 'write', [newborn], {'mother_nik': mother_nik})
        self.assertEqual(
            self.read(newborn, 'mother_nik')['mother_nik'],
            '3174014101700001')
        self.assertEqual(self.notices(newborn), [])
        twin = self.person(no_nik_reason='newborn', mother_nik=mother_nik)
        self.assertEqual(self.notices(twin), [])

    def test_mother_nik_impossible(self):
        for nik, message in [
                ('317401410170000', "16 digits; 15"),
                ('3174014113700001', "not a date"),
                ('31740141017O0001', "digits only")]:
            with self.subTest(nik=nik):
                with self.assertRaisesRegex(
                        NIKValidationError, f"NIK of the mother: .*{message}"):
                    self.person(no_nik_reason='newborn', mother_nik=nik)

    def test_unknown(self):
        values = {
            'no_nik_reason': 'unknown', 'estimated_age': '41-65',
            'found_place': "Terminal", 'found_at': ago(hours=1)}
        person = self.person(**values)
        self.assertEqual(
            self.read(person, *values), {'id': person, **values})
        self.assertEqual(self.notices(person), [])

    def test_neither_nik_nor_reason(self):
        person = self.person()
        (kind, message), = self.notices(person)
        self.assertEqual(kind, 'warning')
        self.assertRegex(message, "has no NIK")
        patient = self.clerk.create('clinic.patient', party=person)
        domain = [
            ('party.nik', '=', None), ('party.no_nik_reason', '=', None)]
        self.assertIn(patient, self.clerk.search('clinic.patient', domain))
        for login in ['cashier', 'pharmacist']:
            with self.subTest(login=login):
                self.assertEqual(
                    self.user(login)(
                        'clinic.patient', 'on_change_notify',
                        {'party': person}), [])

    def test_nik_ends_the_reason(self):
        person = self.person(no_nik_reason='newborn')
        nik = f'317401010192{next(serials):04}'
        self.clerk('party.party', 'write', [person], {'nik': nik})
        self.assertIsNone(self.read(person, 'no_nik_reason')['no_nik_reason'])
        self.assertEqual(
            self.clerk('party.party', 'on_change_nik', {
                    'nik': nik, 'no_nik_reason': 'newborn'}),
            {'nik': nik, 'no_nik_reason': None})

    def test_payer(self):
        with self.assertRaises(RequiredValidationError):
            self.clerk.create(
                'clinic.patient', party=self.person(), payer='insurance')
        patient = self.clerk.create(
            'clinic.patient', party=self.person(), payer='insurance',
            payer_name="Asuransi Sehat", payer_number='A-1')
        self.assertEqual(
            self.user('cashier').read(
                'clinic.patient', patient, 'name', 'medical_record_number',
                'payer', 'payer_name')['payer'], 'insurance')
        for name in ['birth_date', 'sex', 'age', 'related_persons']:
            with self.subTest(name=name):
                with self.assertRaises(AccessError):
                    self.user('cashier').read('clinic.patient', patient, name)


class ContactTestCase(RemoteTestCase):
    "Phones, and who is called"

    def setUp(self):
        super().setUp()
        self.clerk = self.user('registration')
        self.person = self.clerk.create(
            'party.party', name=f"Warga {next(serials)}")

    def contact(self, value, type='mobile'):
        return self.clerk.create(
            'party.contact_mechanism', party=self.person, type=type,
            value=value)

    def test_phone(self):
        for typed, number in [
                ('0812-3456-7890', '+62 812-3456-7890'),
                ('(021) 765 4321', '+62 21 7654321'),
                ('+62 812 3456 7890', '+62 812-3456-7890'),
                ('+65 6123 4567', '+65 6123 4567')]:
            with self.subTest(typed=typed):
                contact = self.contact(typed)
                self.assertEqual(
                    self.clerk.read(
                        'party.contact_mechanism', contact, 'value')['value'],
                    number)

    def test_no_phone(self):
        for typed in ['12', '0812', '0812-3456-7890-1234-5', 'abc', '😀']:
            with self.subTest(typed=typed):
                with self.assertRaises(InvalidPhoneNumber):
                    self.contact(typed)
                with self.assertRaisesRegex(
                        PhoneValidationError, "is no phone number"):
                    self.related_person(phone=typed)

    def related_person(self, login='registration', **values):
        return self.user(login).create(
            'clinic.related_person', **{
                'patient': self.patient, 'name': "Ibu Ani",
                'relationship': 'parent', **values})

    def test_related_person(self):
        related = self.related_person(phone='0812 3456 7890', guardian=True)
        self.assertEqual(
            self.clerk.read('clinic.related_person', related, 'phone'),
            {'id': related, 'phone': '+62 812-3456-7890'})
        self.assertEqual(
            self.clerk('clinic.related_person', 'on_change_phone', {
                    'phone': '021 7654321'}),
            {'phone': '+62 21 7654321'})
        self.clerk('clinic.patient', 'write', [self.patient], {
                'related_persons': [('write', [related], {'phone': None})]})
        self.assertIn(related, self.user('doctor').read(
                'clinic.patient', self.patient,
                'related_persons')['related_persons'])
        for login in ['doctor', 'nurse', 'cashier', 'pharmacist']:
            with self.subTest(login=login):
                with self.assertRaises(AccessError):
                    self.related_person(login)

    def test_related_person_stays(self):
        related = self.related_person()
        with self.assertRaises(PatientAccessError):
            self.clerk('clinic.related_person', 'write', [related], {
                    'patient': self.clinic['patients'][1]})


class PatientViewTestCase(RemoteTestCase):
    "What the patient's form shows of the visits"

    def register(self, **values):
        person = self.root.create(
            'party.party', name=f"Warga {next(serials)}", **values)
        return self.root.create('clinic.patient', party=person)

    def vital_signs(self, **values):
        return [('create', [values])]

    def test_visits_and_weight(self):
        patient = self.register()
        first = self.create_visit(
            'finished', patient=patient,
            arrived_at=ago(days=2), started_at=ago(days=2),
            vital_signs=self.vital_signs(
                weight=60.5, measured_at=ago(days=2)))
        second = self.create_visit(
            'arrived', patient=patient,
            vital_signs=self.vital_signs(
                systolic=120, diastolic=80, measured_at=ago(days=1)))
        there = self.create_visit(
            'arrived', branch='desa', patient=patient,
            vital_signs=self.vital_signs(weight=99))
        doctor = self.user('doctor')
        self.assertEqual(
            doctor.read('clinic.patient', patient, 'visits')['visits'],
            (second, first))
        self.assertEqual(
            self.root.read('clinic.patient', patient, 'visits')['visits'],
            (there, second, first))
        self.assertEqual(
            self.user('registration').read(
                'clinic.patient', patient, 'visits')['visits'],
            (second, first))
        self.assertEqual(
            self.user('pharmacist').read(
                'clinic.patient', patient, 'last_weight')['last_weight'],
            60.5)
        self.assertEqual(
            doctor.read('clinic.encounter', first, 'diagnosis_text')[
                'diagnosis_text'],
            "J06.9 Acute upper respiratory infection, unspecified")

    def test_visits_are_not_written_on_the_patient(self):
        visit = self.create_visit()
        before = self.content('clinic.encounter')
        with self.assertRaises(PatientAccessError):
            self.root('clinic.patient', 'write', [self.patient], {
                    'visits': [('delete', [visit])]})
        self.assertEqual(self.content('clinic.encounter'), before)

    def test_graphs(self):
        for role in ['nurse', 'doctor']:
            with self.subTest(role=role):
                self.assertTrue(self.user(role)(
                        'clinic.patient', 'open_graphs', [self.patient]))
        for role in ['registration', 'pharmacist', 'cashier', 'admin']:
            with self.subTest(role=role):
                with self.assertRaises(AccessButtonError):
                    self.user(role)(
                        'clinic.patient', 'open_graphs', [self.patient])

    def test_new_visit(self):
        for role in ['registration', 'doctor', 'admin']:
            with self.subTest(role=role):
                action = self.user(role)(
                    'clinic.patient', 'new_visit', [self.patient])
                self.assertTrue(action)
        for role in ['nurse', 'pharmacist', 'cashier']:
            with self.subTest(role=role):
                with self.assertRaises(AccessButtonError):
                    self.user(role)(
                        'clinic.patient', 'new_visit', [self.patient])
        values = self.user('registration')(
            'clinic.encounter', 'default_get', ['patient', 'state'],
            default_patient=self.patient)
        self.assertEqual(values['patient'], self.patient)

    def test_banner(self):
        patient = self.register(
            sex='female', birth_date=dt.date(1990, 1, 1))
        self.root('clinic.patient', 'write', [patient], {'payer': 'jkn'})
        visit = self.create_visit(patient=patient)
        for login, expected in [
                ('nurse', {'patient_payer': 'jkn', 'patient_sex': 'female'}),
                ('cashier', {'patient_payer': 'jkn'})]:
            with self.subTest(login=login):
                self.assertEqual(
                    self.user(login).read(
                        'clinic.encounter', visit, *expected),
                    {'id': visit, **expected})
        for name in ['patient_sex', 'patient_age']:
            with self.assertRaises(AccessError):
                self.user('cashier').read('clinic.encounter', visit, name)

    def test_age_on_the_day_of_the_visit(self):
        "At 06:30 in the branch it is still yesterday in UTC"
        company = self.clinic['kota']['company']
        patient = self.register(birth_date=dt.date(2020, 3, 2))
        for zone, utc in [
                ('Asia/Jakarta', dt.datetime(2026, 3, 1, 23, 30)),
                ('Asia/Makassar', dt.datetime(2026, 3, 1, 22, 30)),
                ('Asia/Jayapura', dt.datetime(2026, 3, 1, 21, 30)),
                ]:
            self.root(
                'company.company', 'write', [company], {'timezone': zone})
            for moment, age in [
                    (utc, "6 years 0 months 0 days"),
                    (utc - dt.timedelta(hours=7),
                        "5 years 11 months 27 days")]:
                with self.subTest(zone=zone, moment=moment):
                    visit = self.create_visit(
                        patient=patient, arrived_at=moment)
                    self.assertEqual(
                        self.user('doctor').read(
                            'clinic.encounter', visit, 'patient_age')[
                            'patient_age'], age)
            with self.subTest(zone=zone), patch(
                    'trytond.ir.date.datetime',
                    SimpleNamespace(datetime=frozen(utc))):
                self.assertEqual(
                    self.user('doctor').read(
                        'clinic.patient', patient, 'age')['age'],
                    "6 years 0 months 0 days")
        self.root(
            'company.company', 'write', [company],
            {'timezone': 'Asia/Jakarta'})

    def test_menu_of_all_parties_is_not_for_clinical_staff(self):
        with self.database() as pool:
            menu = pool.get('ir.model.data').get_id('party', 'menu_party')
        for role, seen in [
                ('registration', False), ('doctor', False),
                ('cashier', False), ('admin', True)]:
            with self.subTest(role=role):
                self.assertEqual(
                    menu in self.user(role).search('ir.ui.menu', []), seen)


class VisitOfMergedRecordTestCase(RemoteTestCase):
    "No new visit for a record that another one stands for"

    def test_refused(self):
        persons = [
            self.root.create('party.party', name=f"Warga {next(serials)}")
            for _ in range(2)]
        source, destination = (
            self.root.create('clinic.patient', party=p) for p in persons)
        with self.transaction() as pool:
            Patient = pool.get('clinic.patient')
            Patient(source).merge(Patient(destination))
        with self.assertRaises(DomainValidationError):
            self.create_visit(patient=source)
