# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from trytond.model.exceptions import AccessError, DomainValidationError
from trytond.transaction import Transaction

from trytond.modules.clinic_rme.exceptions import ProcedureTimeError

from .tools import RemoteTestCase, ago

PROCEDURE = 'clinic.procedure'


class ProcedureTestCase(RemoteTestCase):
    "Procedures, as those who perform them record them"

    def setUp(self):
        super().setUp()
        self.doctor = self.user('doctor')
        self.visit = self.create_visit(
            arrived_at=ago(hours=3), started_at=ago(hours=2),
            procedures=None)
        for button in ['arrive', 'start']:
            self.doctor('clinic.encounter', button, [self.visit])

    def record(self, **values):
        return self.doctor.create(
            PROCEDURE, encounter=self.visit,
            **{'code': self.clinic['acts'][0], **values})

    def test_performer_and_time_are_given(self):
        before = ago()
        values = self.doctor.read(
            PROCEDURE, self.record(), 'performer', 'recorded_by',
            'performed_at', 'rec_name')
        self.assertEqual(values['performer'], self.clinic['kota']['doctor'])
        self.assertEqual(values['recorded_by'], self.clinic['kota']['doctor'])
        self.assertGreaterEqual(values['performed_at'], before)
        self.assertIn("89.52", values['rec_name'])

    def test_somebody_else_performs(self):
        nurse = self.clinic['kota']['nurse']
        id_ = self.record(performer=nurse)
        self.assertEqual(
            self.doctor.read(PROCEDURE, id_, 'performer')['performer'], nurse)

    def test_performer_of_another_branch(self):
        with self.assertRaises((DomainValidationError, AccessError)):
            self.record(performer=self.clinic['desa']['doctor'])

    def test_time_in_the_visit(self):
        for time in [ago(hours=2), ago(hours=1)]:
            self.record(performed_at=time)

    def test_time_outside_of_the_visit(self):
        for time, message in [
                (ago(hours=2, minutes=1), "before visit"),
                (ago(minutes=-1), "in the future")]:
            with self.subTest(message):
                with self.assertRaisesRegex(ProcedureTimeError, message):
                    self.record(performed_at=time)
                id_ = self.record()
                with self.assertRaisesRegex(ProcedureTimeError, message):
                    self.doctor(
                        PROCEDURE, 'write', [id_], {'performed_at': time})

    def test_same_procedure_twice(self):
        self.record()
        self.record()
        self.assertEqual(len(self.doctor.search(
                    PROCEDURE, [('encounter', '=', self.visit)])), 2)

    def test_long_note(self):
        note = "Luka 5 cm \"bersih\"\n🩹 " * 600
        id_ = self.record(note=note)
        self.assertEqual(
            self.doctor.read(PROCEDURE, id_, 'note')['note'], note)

    def test_who_records(self):
        id_ = self.record()
        for role in ['nurse', 'medical_records']:
            self.user(role).read(PROCEDURE, id_, 'code', 'performer')
        for role in ['nurse', 'pharmacist', 'registration', 'cashier']:
            with self.subTest(role), self.assertRaises(AccessError):
                self.user(role).create(
                    PROCEDURE, encounter=self.visit,
                    code=self.clinic['acts'][0])
        for role in ['pharmacist', 'registration', 'cashier', 'admin']:
            with self.subTest(role), self.assertRaises(AccessError):
                self.user(role).read(PROCEDURE, id_, 'code')

    def test_visit_with_a_procedure_is_not_deleted(self):
        visit = self.create_visit(
            vital_signs=None, diagnoses=None, examinations=None)
        with self.assertRaisesRegex(AccessError, "can not be deleted"):
            self.user('registration')('clinic.encounter', 'delete', [visit])

    def test_copied_visit_has_none(self):
        self.record()
        copied, = self.doctor('clinic.encounter', 'copy', [self.visit])
        self.assertEqual(self.doctor.read(
                'clinic.encounter', copied, 'procedures')['procedures'], ())

    def test_performed_most_comes_first(self):
        self.record(code=self.clinic['acts'][1])
        with self.transaction() as pool:
            ICD9CM = pool.get('clinic.icd9cm')
            ICD9CM._favourites_cache.clear()
            with Transaction().set_context(
                    company=self.clinic['kota']['company']):
                self.assertIn(self.clinic['acts'][1], ICD9CM.favourites())
