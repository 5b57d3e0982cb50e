# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import datetime as dt
import itertools
import unittest

from trytond.model.exceptions import AccessError, SQLConstraintError
from trytond.pool import Pool
from trytond.tests.test_tryton import (
    DB_NAME, activate_module, with_transaction)
from trytond.transaction import Transaction

from trytond.modules.clinic_rme.exceptions import (
    AllergyStatusError, PatientAccessError, ServiceAccessError)
from trytond.modules.clinic_rme.patient import age_text

from .tools import RemoteTestCase

names = itertools.count(1)


class PatientTestCase(RemoteTestCase):
    "Patients, their numbers and their allergies"

    def create(self, login='registration', **values):
        user = self.user(login)
        person = user.create('party.party', name=f"Pasien {next(names)}")
        return user.create('clinic.patient', party=person, **values)

    def read(self, patient, *names):
        return self.root.read('clinic.patient', patient, *names)

    def number(self, patient):
        return self.read(
            patient, 'medical_record_number')['medical_record_number']

    def set_sequence(self, branch, prefix):
        with self.database() as pool:
            type_ = pool.get('ir.model.data').get_id(
                'clinic_rme', 'sequence_type_patient')
        company = self.clinic[branch]['company']
        sequence = self.root.create(
            'ir.sequence', name=prefix, prefix=prefix, padding=4,
            sequence_type=type_, company=company)
        self.root(
            'clinic.configuration', 'write', [1],
            {'patient_sequence': sequence}, company=company)

    def test_number_from_the_sequence_of_the_branch(self):
        self.set_sequence('kota', 'KOTA-')
        self.set_sequence('desa', 'DESA-')
        for branch, number in [
                ('kota', 'KOTA-0001'), ('desa', 'DESA-0001'),
                ('desa', 'DESA-0002'), ('kota', 'KOTA-0002')]:
            patient = self.create(f'registration-{branch}')
            self.assertEqual(self.number(patient), number)

    def test_numbers_in_one_call(self):
        user = self.user('registration')
        persons = user('party.party', 'create', [
                {'name': f"Pasien {next(names)}"} for _ in range(20)])
        patients = user(
            'clinic.patient', 'create', [{'party': p} for p in persons])
        self.assertEqual(len({self.number(p) for p in patients}), 20)

    def test_number_is_unique(self):
        number = self.number(self.patient)
        with self.assertRaisesRegex(
                SQLConstraintError, "medical record number must be unique"):
            self.create(medical_record_number=number)

    def test_identity_stays(self):
        patient = self.create()
        before = self.content('clinic.patient')
        for login in ['registration', 'admin', 'admin!']:
            for values in [
                    {'medical_record_number': 'RM-X'},
                    {'medical_record_number': None},
                    {'party': self.clinic['people'][0]},
                    ]:
                with self.subTest(login=login, values=values):
                    with self.assertRaisesRegex(
                            PatientAccessError, "can not be changed"):
                        self.user(login)(
                            'clinic.patient', 'write', [patient], values)
        with self.assertRaises(PatientAccessError):
            self.root('party.party', 'write', [self.clinic['people'][0]], {
                    'patients': [('add', [patient])]})
        self.assertEqual(self.content('clinic.patient'), before)

    def test_person_is_one_patient(self):
        with self.assertRaisesRegex(
                SQLConstraintError, "already a patient"):
            self.user('registration').create(
                'clinic.patient', party=self.clinic['people'][0])

    def test_nobody_deletes_a_patient(self):
        for login in ['registration', 'admin', 'doctor', 'admin!']:
            with self.subTest(login=login):
                with self.assertRaises(AccessError):
                    self.user(login)(
                        'clinic.patient', 'delete', [self.patient])

    def test_search_by_name_number_and_nik(self):
        clerk = self.user('registration')
        number = self.number(self.patient)
        for text in [
                '%ardianto%', f'%{number}%', '3174010101920001',
                '%3174010101%']:
            with self.subTest(text=text):
                self.assertEqual(
                    clerk.search(
                        'clinic.patient', [('rec_name', 'ilike', text)]),
                    [self.patient])
                self.assertNotIn(
                    self.patient,
                    clerk.search(
                        'clinic.patient', [('rec_name', 'not ilike', text)]))

    def test_search_by_nik_needs_the_right_to_read_it(self):
        for login, found in [
                ('registration', [self.patient]), ('cashier', []),
                ('pharmacist', [])]:
            with self.subTest(login=login):
                self.assertEqual(
                    self.user(login).search(
                        'clinic.patient',
                        [('rec_name', 'ilike', '317401%')]), found)
        for login in ['cashier', 'pharmacist']:
            for field in ['nik', 'party.nik']:
                with self.subTest(login=login, field=field):
                    with self.assertRaises(AccessError):
                        self.user(login).search(
                            'clinic.patient', [(field, 'like', '317401%')])

    def test_allergies(self):
        nurse = self.user('nurse')
        patient = self.create()
        self.assertEqual(
            self.read(patient, 'allergy_status', 'allergy_text'), {
                'id': patient,
                'allergy_status': 'not_asked',
                'allergy_text': "Not asked yet",
                })
        nurse('clinic.patient', 'write', [patient], {
                'allergy_status': 'none_known'})
        self.assertEqual(
            self.read(patient, 'allergy_text')['allergy_text'],
            "No known allergy")
        nurse('clinic.patient', 'write', [patient], {
                'allergy_status': 'listed',
                'allergies': [('create', [
                            {'substance': "Amoxicillin"},
                            {'substance': "Udang", 'category': 'food'}])],
                })
        self.assertEqual(
            self.read(patient, 'allergy_text')['allergy_text'],
            "Amoxicillin, Udang")

    def test_status_contradicts_list(self):
        nurse = self.user('nurse')
        listed, other = self.create(), self.create()
        nurse('clinic.patient', 'write', [listed], {
                'allergy_status': 'listed',
                'allergies': [('create', [{'substance': "Amoxicillin"}])],
                })
        allergy, = self.read(listed, 'allergies')['allergies']
        before = self.content('clinic.patient', 'clinic.allergy')
        new = [('create', [{'substance': "Udang"}])]
        for patient, values in [
                (listed, {'allergy_status': 'none_known'}),
                (listed, {'allergy_status': 'not_asked'}),
                (listed, {'allergies': [('delete', [allergy])]}),
                (other, {'allergy_status': 'listed'}),
                (other, {'allergies': new}),
                (other, {'allergy_status': 'none_known', 'allergies': new}),
                ]:
            with self.subTest(values=values):
                with self.assertRaisesRegex(
                        AllergyStatusError, "contradict each other"):
                    nurse('clinic.patient', 'write', [patient], values)
        for status in ['not_asked', 'none_known']:
            nurse('clinic.patient', 'write', [other], {
                    'allergy_status': status})
            with self.assertRaises(AllergyStatusError):
                nurse.create(
                    'clinic.allergy', patient=other, substance="Udang")
        with self.assertRaises(AllergyStatusError):
            nurse('clinic.allergy', 'delete', [allergy])
        with self.assertRaises(PatientAccessError):
            nurse('clinic.allergy', 'write', [allergy], {'patient': other})
        with self.assertRaises(PatientAccessError):
            nurse('clinic.patient', 'write', [other], {
                    'allergy_status': 'listed',
                    'allergies': [('add', [allergy])]})
        after = self.content('clinic.patient', 'clinic.allergy')
        before['clinic.patient'][other]['allergy_status'] = 'none_known'
        self.assertEqual(after, before)

    def test_status_of_a_new_patient_contradicts_list(self):
        new = [('create', [{'substance': "Udang"}])]
        # By who imports, without a user, too
        for values, text in [
                ({'allergy_status': 'listed'}, None),
                ({'allergies': new}, None),
                ({'allergy_status': 'none_known', 'allergies': new}, None),
                ({'allergy_status': 'listed', 'allergies': new}, "Udang"),
                ]:
            with self.subTest(values=values), Transaction().start(DB_NAME, 0):
                pool = Pool()
                person, = pool.get('party.party').create([
                        {'name': f"Pasien {next(names)}"}])
                Patient = pool.get('clinic.patient')
                if text:
                    patient, = Patient.create([
                            {'party': person.id, **values}])
                    self.assertEqual(patient.allergy_text, text)
                else:
                    with self.assertRaises(AllergyStatusError):
                        Patient.create([{'party': person.id, **values}])

    def test_list_replaced_and_withdrawn(self):
        nurse = self.user('nurse')
        patient = self.create()
        nurse('clinic.patient', 'write', [patient], {
                'allergy_status': 'listed',
                'allergies': [('create', [{'substance': "Amoxicillin"}])],
                })
        old = self.read(patient, 'allergies')['allergies']
        nurse('clinic.patient', 'write', [patient], {
                'allergies': [
                    ('delete', old), ('create', [{'substance': "Udang"}])]})
        nurse.create('clinic.allergy', patient=patient, substance="Debu")
        self.assertEqual(
            self.read(patient, 'allergy_text')['allergy_text'], "Udang, Debu")
        first, second = self.read(patient, 'allergies')['allergies']
        nurse('clinic.allergy', 'delete', [first])
        nurse('clinic.patient', 'write', [patient], {
                'allergy_status': 'none_known',
                'allergies': [('delete', [second])]})
        self.assertEqual(self.read(patient, 'allergies')['allergies'], ())

    def test_clerk_may_not_write_allergies(self):
        clerk = self.user('registration')
        patient = self.create()
        clerk('clinic.patient', 'write', [patient], {
                'allergy_status': 'none_known'})
        with self.assertRaises(AccessError):
            clerk('clinic.patient', 'write', [patient], {
                    'allergy_status': 'listed',
                    'allergies': [('create', [{'substance': "Udang"}])]})
        with self.assertRaises(AccessError):
            clerk.create('clinic.allergy', patient=patient, substance="Udang")

    def test_banner(self):
        values = self.user('nurse')(
            'clinic.encounter', 'on_change_patient', {'patient': self.patient})
        self.assertEqual(values['patient_sex'], 'female')
        self.assertEqual(values['patient_allergy_text'], "Not asked yet")

    def test_banner_without_right_to_allergies(self):
        for login in ['admin', 'cashier']:
            with self.subTest(login=login):
                values = self.user(login)(
                    'clinic.encounter', 'on_change_patient',
                    {'patient': self.patient})
                self.assertEqual(
                    values.get('patient_sex'),
                    'female' if login == 'admin' else None)
                self.assertNotIn('patient_allergy_text', values)
                self.assertNotIn('patient_allergy_status', values)


class ServiceTestCase(RemoteTestCase):
    "Units and rooms"

    def setUp(self):
        super().setUp()
        self.admin = self.user('admin')

    def create_unit(self, code, branch='kota', **values):
        return self.admin.create(
            'clinic.unit', code=code, name=code.title(),
            company=self.clinic[branch]['company'], **values)

    def test_code_of_unit_is_unique_in_branch(self):
        self.create_unit('GIGI')
        with self.assertRaisesRegex(
                SQLConstraintError, "unit must be unique in its branch"):
            self.create_unit('GIGI')
        self.user('admin-desa').create(
            'clinic.unit', code='GIGI', name="Gigi",
            company=self.clinic['desa']['company'])

    def test_code_of_room_is_unique_in_unit(self):
        units = [self.create_unit('KIA'), self.create_unit('MCU')]
        for unit in units:
            self.admin.create(
                'clinic.room', unit=unit, code='R1', name="Ruang 1")
        with self.assertRaisesRegex(
                SQLConstraintError, "room must be unique in its service unit"):
            self.admin.create(
                'clinic.room', unit=units[0], code='R1', name="Ruang lain")

    def test_place_stays(self):
        unit, other = self.create_unit('LAB'), self.create_unit('RO')
        room = self.admin.create(
            'clinic.room', unit=unit, code='R1', name="Ruang 1")
        for model, id_, values in [
                ('clinic.unit', unit,
                    {'company': self.clinic['desa']['company']}),
                ('clinic.room', room, {'unit': other}),
                ('clinic.unit', other, {'rooms': [('add', [room])]}),
                ('clinic.unit', unit, {'rooms': [('remove', [room])]}),
                ]:
            for user in [self.admin, self.root]:
                with self.subTest(values=values, user=user.login):
                    with self.assertRaisesRegex(
                            ServiceAccessError, "stays in its branch"):
                        user(model, 'write', [id_], values)

    def test_uid_is_given_once(self):
        unit = self.create_unit('UGD', uid='mine')
        uid = self.admin.read('clinic.unit', unit, 'uid')['uid']
        self.assertRegex(uid, r'\A[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z')
        self.admin('clinic.unit', 'write', [unit], {'uid': 'mine'})
        self.assertEqual(
            self.admin.read('clinic.unit', unit, 'uid')['uid'], uid)

    def test_uid_is_not_copied(self):
        unit = self.create_unit('ISPA', rooms=[
                ('create', [{'code': 'R1', 'name': "Ruang 1"}])])
        copy, = self.admin(
            'clinic.unit', 'copy', [unit], {'code': 'ISPA2'})
        units = self.content('clinic.unit')['clinic.unit']
        self.assertNotEqual(units[unit]['uid'], units[copy]['uid'])
        rooms = self.content('clinic.room')['clinic.room'].values()
        self.assertEqual(len({r['uid'] for r in rooms}), len(rooms))


class AgeTestCase(unittest.TestCase):
    "Ages in words"

    @classmethod
    def setUpClass(cls):
        activate_module('clinic_rme')

    @with_transaction()
    def test_age(self):
        for birth_date, today, text in [
                (None, dt.date(2026, 1, 10), ""),
                (dt.date(2026, 1, 11), dt.date(2026, 1, 10), ""),
                (dt.date(2026, 1, 10), dt.date(2026, 1, 10),
                    "0 years 0 months 0 days"),
                (dt.date(2024, 2, 29), dt.date(2025, 2, 28),
                    "1 years 0 months 0 days"),
                (dt.date(2021, 1, 11), dt.date(2026, 1, 10),
                    "4 years 11 months 30 days"),
                (dt.date(2021, 1, 10), dt.date(2026, 1, 10),
                    "5 years 0 months 0 days"),
                (dt.date(1940, 6, 15), dt.date(2026, 1, 10),
                    "85 years 6 months 26 days"),
                ]:
            with self.subTest(birth_date=birth_date, today=today):
                self.assertEqual(age_text(birth_date, today), text)
