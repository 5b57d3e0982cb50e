# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import datetime as dt

from trytond.model.exceptions import AccessButtonError, AccessError

from trytond.modules.clinic_rme.exceptions import (
    EncounterAccessError, SignerError)

from .sealed import MODEL, SealedTestCase
from .tools import ago


class SignatureTestCase(SealedTestCase):
    "A branch that asks for the password again"

    def setUp(self):
        super().setUp()
        self.user('admin')(
            'clinic.configuration', 'write', [1],
            {'signature_required': True})

    def test_the_call_wants_a_fresh_session(self):
        rpc = self.config.pool.get(MODEL).__rpc__
        self.assertTrue(rpc['sign'].fresh_session)
        self.assertFalse(rpc['sign'].readonly)
        self.assertFalse(rpc['finish'].fresh_session)

    def test_finish_is_refused_and_sign_finishes(self):
        visit = self.create_visit('in_progress')
        for login in ['doctor', 'admin!']:
            with self.assertRaises(AccessButtonError):
                self.user(login)(MODEL, 'finish', [visit])
        for login in ['nurse', 'registration', 'admin']:
            with self.assertRaises(AccessButtonError):
                self.user(login)(MODEL, 'sign', [visit])
        self.assertEqual(self.seals(visit), [])
        self.user('doctor')(MODEL, 'sign', [visit])
        self.assertEqual(self.state(visit), 'finished')
        self.assertEqual(
            self.seals(visit)[0]['signed_by'], self.clinic['kota']['doctor'])

    def test_recorded_afterwards_and_signed_at_once(self):
        times = {'arrived_at': ago(hours=5), 'started_at': ago(hours=4)}
        visit = self.create_visit(**times)
        with self.assertRaises(AccessButtonError):
            self.user('doctor')(MODEL, 'finish', [visit])
        self.user('doctor')(MODEL, 'sign', [visit])
        self.assertEqual(self.state(visit), 'finished')
        visit = self.create_visit(arrived_at=ago(hours=5))
        with self.assertRaises(AccessButtonError):
            self.user('doctor')(MODEL, 'sign', [visit])

    def test_other_branch_finishes(self):
        visit = self.create_visit('in_progress', branch='desa')
        with self.assertRaises(AccessButtonError):
            self.user('doctor-desa')(MODEL, 'sign', [visit])
        self.user('doctor-desa')(MODEL, 'finish', [visit])
        self.assertEqual(self.state(visit), 'finished')

    def test_incomplete(self):
        visit = self.create_visit('in_progress', diagnoses=None)
        with self.assertRaisesRegex(Exception, "Missing"):
            self.user('doctor')(MODEL, 'sign', [visit])
        self.assertEqual(self.state(visit), 'in_progress')


class SignerTestCase(SealedTestCase):
    "Nobody acts without a name"

    def employees(self):
        "The contexts in which a doctor of one branch has no name there"
        return [{'employee': None}, {
                'employee': self.clinic['desa']['doctor']}]

    def test_visit(self):
        for context in self.employees():
            visit = self.create_visit('in_progress')
            with self.subTest(context=context):
                with self.assertRaisesRegex(SignerError, "preferences"):
                    self.user('doctor')(MODEL, 'finish', [visit], **context)
                self.assertEqual(self.state(visit), 'in_progress')
                self.assertEqual(self.seals(visit), [])

    def test_entry(self):
        visit = self.create_visit('in_progress')
        for context in self.employees():
            with self.subTest(context=context):
                with self.assertRaisesRegex(SignerError, "preferences"):
                    self.user('nurse')('clinic.vital_signs', 'create', [{
                                'encounter': visit, 'heart_rate': 80,
                                }], **context)

    def test_entry_of_another_time(self):
        visit = self.create_visit('in_progress', diagnoses=None)
        diagnosis = {
            'encounter': visit, 'code': self.clinic['codes'][0], 'rank': 1}
        doctor = self.user('doctor')
        for recorded_at in [ago(days=2), ago(minutes=-5)]:
            with self.subTest(recorded_at=recorded_at):
                with self.assertRaises(EncounterAccessError):
                    doctor.create('clinic.diagnosis', **{
                            **diagnosis, 'recorded_at': recorded_at})
        self.assertTrue(doctor.create('clinic.diagnosis', **{
                    **diagnosis, 'recorded_at': ago(minutes=5)}))


class ResourceTestCase(SealedTestCase):
    "Attachments and notes close with the visit"

    values = {
        'ir.attachment': {'name': "foto.jpg", 'data': b'x'},
        'ir.note': {'message': "Catatan"},
        }

    def create(self, user, model, resource):
        return user.create(model, resource=resource, **self.values[model])

    def test_closed(self):
        doctor = self.user('doctor')
        for model in ['ir.attachment', 'ir.note']:
            new = self.values[model]
            visit = self.create_visit('in_progress')
            part = self.row('clinic.diagnosis', visit)
            resources = [f'{MODEL},{visit}', f'clinic.diagnosis,{part}']
            records = [self.create(doctor, model, r) for r in resources]
            change = {
                'ir.attachment': {'name': "lain.jpg"},
                'ir.note': {'message': "Lain"}}[model]
            doctor(model, 'write', records, change)
            loose = self.create(
                doctor, model, f'clinic.patient,{self.patient}')
            doctor(MODEL, 'finish', [visit])
            for login in ['doctor', 'everything', 'admin!']:
                user = self.user(login)
                for resource, record in zip(resources, records, strict=True):
                    patient = f'clinic.patient,{self.patient}'
                    for method, *args in [
                            ('create', [{**new, 'resource': resource}]),
                            ('write', [record], change),
                            ('delete', [record]),
                            ('copy', [record]),
                            ('write', [record], {'resource': patient}),
                            ('write', [loose], {'resource': resource}),
                            ]:
                        with self.subTest(
                                model=model, login=login, method=method):
                            with self.assertRaisesRegex(
                                    AccessError, "is closed"):
                                user(model, method, *args)
            self.assertEqual(
                sorted(doctor.search(
                        model, [('resource', 'in', resources)])),
                sorted(records))

    def test_note_is_read(self):
        doctor = self.user('doctor')
        visit = self.create_visit('in_progress')
        note = self.create(doctor, 'ir.note', f'{MODEL},{visit}')
        doctor(MODEL, 'finish', [visit])
        doctor('ir.note', 'write', [note], {'unread': False})
        self.assertFalse(doctor.read('ir.note', note, 'unread')['unread'])

    def test_of_a_patient(self):
        doctor = self.user('doctor')
        for model in ['ir.attachment', 'ir.note']:
            record = self.create(
                doctor, model, f'clinic.patient,{self.patient}')
            doctor(model, 'delete', [record])


class RetentionTestCase(SealedTestCase):
    "Until when a record is kept"

    def until(self, patient):
        return self.root.read(
            'clinic.patient', patient, 'retention_until')['retention_until']

    def test_last_visit(self):
        person = self.root.create('party.party', name="Orang")
        patient = self.root.create('clinic.patient', party=person)
        self.assertIsNone(self.until(patient))
        for days in [30, 400]:
            arrived = ago(days=days)
            self.create_visit('arrived', patient=patient, arrived_at=arrived)
        last = ago(days=30)
        self.create_visit('cancelled', patient=patient)
        self.assertIn(
            (self.until(patient).year, self.until(patient).month),
            {(last.year + 25, last.month), (
                    ago(days=29).year + 25, ago(days=29).month)})
        self.create_visit('arrived', patient=patient, branch='desa')
        self.assertEqual(self.until(patient).year, ago(hours=-7).year + 25)

    def test_day_of_the_branch(self):
        "06:30 in the branch is the day before in UTC"
        for zone, hour in [
                ('Asia/Jakarta', 23), ('Asia/Makassar', 22),
                ('Asia/Jayapura', 21)]:
            person = self.root.create('party.party', name=f"Orang {zone}")
            patient = self.root.create('clinic.patient', party=person)
            self.root('company.company', 'write', [
                    self.clinic['kota']['company']], {'timezone': zone})
            self.create_visit(
                'arrived', patient=patient,
                arrived_at=dt.datetime(2025, 12, 31, hour, 30))
            self.assertEqual(self.until(patient), dt.date(2051, 1, 1))
        self.root('company.company', 'write', [
                self.clinic['kota']['company']],
            {'timezone': 'Asia/Jakarta'})

    def test_never_less_than_25_years(self):
        with self.assertRaisesRegex(Exception, "Retention Years"):
            self.user('admin')(
                'clinic.configuration', 'write', [1],
                {'retention_years': 24})
