# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import json

from trytond.model.exceptions import AccessButtonError, AccessError
from trytond.modules.clinic_rme.exceptions import (
    AmendmentAccessError, AmendmentError, EncounterAccessError,
    EncounterIncompleteError)
from trytond.modules.clinic_rme.verification import verify
from trytond.tests.test_tryton import DB_NAME
from trytond.transaction import Transaction

from .sealed import MODEL, SEAL, SealedTestCase
from .tools import ago

AMENDMENT = 'clinic.amendment'
VITAL_SIGNS = 'clinic.vital_signs'


class AmendmentTestCase(SealedTestCase):
    "What is said about a visit after its end"

    def tearDown(self):
        self.link()
        self.assertEqual(self.findings(), {})
        super().tearDown()

    def read(self, amendment, *names, login='doctor'):
        return self.user(login).read(AMENDMENT, amendment, *names)

    def decide(self, amendment, login, answer, note=None):
        "Decide with the wizard"
        user = self.user(login)
        proxy = user.config.get_proxy('clinic.amendment.decide', 'wizard')
        context = {
            **user.config.context, 'active_model': AMENDMENT,
            'active_id': amendment, 'active_ids': [amendment]}
        session, _, _ = proxy.create(context)
        proxy.execute(session, {'ask': {'note': note}}, answer, context)

    def age(self, visit, hours):
        "Let the visit have been signed some hours ago"
        with Transaction().start(DB_NAME, 0) as transaction:
            Seal = self.config.pool.get(SEAL)
            seals = Seal.search([
                    ('encounter', '=', visit), ('number', '=', None)])
            Seal.write(seals, {'signed_at': ago(hours=hours)})
            transaction.commit()

    def vital_signs(self, visit):
        return self.root.search(VITAL_SIGNS, [('encounter', '=', visit)])[0]

    def change(self, visit, login='doctor', systolic=130):
        self.user(login)(
            VITAL_SIGNS, 'write', [self.vital_signs(visit)],
            {'systolic': systolic})

    def complete(self, visit, login='doctor'):
        self.user(login)(MODEL, 'complete_correction', [visit])


class AddendumTestCase(AmendmentTestCase):
    "What is added changes nothing"

    def test_roles(self):
        visit = self.create_visit('finished')
        before = self.content(
            VITAL_SIGNS, 'clinic.diagnosis', visits=[visit])
        for login in ['nurse', 'doctor', 'pharmacist']:
            with self.subTest(login=login):
                amendment = self.amend(visit, login, 'addendum', "Hasil lab")
                values = self.read(
                    amendment, 'state', 'text', 'author', login=login)
                self.assertEqual(values['state'], 'done')
                self.assertEqual(values['text'], "Hasil lab")
                self.assertEqual(
                    values['author'], self.clinic['kota'][login])
        for login in ['registration', 'cashier', 'admin', 'nobody']:
            with self.subTest(login=login):
                with self.assertRaises(AccessError):
                    self.amend(visit, login, 'addendum')
        with self.assertRaises(AmendmentAccessError):
            self.amend(visit, 'medical_records', 'addendum')
        self.assertEqual(
            self.content(VITAL_SIGNS, 'clinic.diagnosis', visits=[visit]),
            before)
        self.assertEqual(
            [s['kind'] for s in self.seals(visit)],
            ['finished'] + ['addendum'] * 3)

    def test_pharmacy_reads_its_own(self):
        visit = self.create_visit('finished')
        of_doctor = self.amend(visit, 'doctor', 'addendum')
        own = self.amend(visit, 'pharmacist', 'addendum')
        self.assertEqual(
            self.user('pharmacist').search(
                AMENDMENT, [('encounter', '=', visit)]), [own])
        with self.assertRaises(AccessError):
            self.read(of_doctor, 'text', login='pharmacist')

    def test_state_and_text(self):
        for state in ['planned', 'arrived', 'in_progress', 'cancelled']:
            visit = self.create_visit(state)
            with self.subTest(state=state):
                with self.assertRaises(AmendmentError):
                    self.amend(visit, 'doctor', 'addendum')
        visit = self.create_visit('finished')
        for text in ['', '   ', '\n']:
            with self.assertRaises(AmendmentError):
                self.amend(visit, 'doctor', 'addendum', text)

    def test_long_text(self):
        visit = self.create_visit('finished')
        text = "\"Kutip\"\n🤒 " * 1000
        amendment = self.amend(visit, 'doctor', 'addendum', text)
        self.assertEqual(self.read(amendment, 'text')['text'], text.strip())

    def test_other_branch(self):
        visit = self.create_visit('finished')
        with self.assertRaises(AccessError):
            self.amend(visit, 'doctor-desa', 'addendum')

    def test_nobody_changes_it(self):
        visit = self.create_visit('finished')
        amendment = self.amend(visit, 'doctor', 'addendum')
        for login in ['doctor', 'everything', 'admin!']:
            for method, args in [
                    ('write', [[amendment], {'text': "Lain"}]),
                    ('write', [[amendment], {}]),
                    ('delete', [[amendment]]),
                    ('copy', [[amendment]]),
                    ('create', [[{'encounter': visit, 'kind': 'addendum',
                                    'text': "Lain"}]])]:
                with self.subTest(login=login, method=method):
                    with self.assertRaises(AccessError):
                        self.user(login)(AMENDMENT, method, *args)
            with self.assertRaises(AccessError):
                self.user(login)(MODEL, 'write', [visit], {
                        'amendments': [('delete', [amendment])]})

    def test_tampering_is_found(self):
        visit = self.create_visit('finished')
        amendment = self.amend(visit, 'doctor', 'addendum')
        for statement, what in [
                ("UPDATE clinic_amendment SET text = 'Lain'", 'altered'),
                ("UPDATE clinic_amendment SET state = 'rejected'",
                    'removed')]:
            with Transaction().start(DB_NAME, 0) as transaction:
                transaction.connection.cursor().execute(
                    f'{statement} WHERE id = {amendment}')
                pool = self.config.pool
                finding, = verify(
                    pool.get('company.company').search([])).findings
                transaction.rollback()
            self.assertEqual(
                (finding.model, finding.what), (AMENDMENT, what))


class CorrectionTestCase(AmendmentTestCase):
    "A corrected version, with the old values kept"

    def test_author_within_the_hours(self):
        visit = self.create_visit('finished', chief_complaint="Demam")
        self.age(visit, 47)
        with self.assertRaises(EncounterAccessError):
            self.change(visit)
        amendment = self.amend(visit, 'doctor', 'correction', "Salah ketik")
        self.assertEqual(self.read(amendment, 'state')['state'], 'open')
        self.change(visit, systolic=130)
        self.user('doctor')(
            MODEL, 'write', [visit], {'chief_complaint': "Batuk"})
        self.complete(visit)
        with self.assertRaises(EncounterAccessError):
            self.change(visit, systolic=140)

        values = self.read(
            amendment, 'state', 'changes', 'old_values', 'before', 'after',
            'ended_at')
        self.assertEqual(values['state'], 'done')
        self.assertIn("Systolic: from 120 to 130", values['changes'])
        self.assertIn("from Demam to Batuk", values['changes'])
        self.assertEqual(len(values['changes'].splitlines()), 2)
        self.assertIn("Systolic: 120", values['old_values'])
        self.assertIn("J06.9", values['old_values'])
        row, = json.loads(values['before'])[VITAL_SIGNS].values()
        self.assertEqual(row['systolic'], 120)
        self.assertEqual(
            [(s['kind'], s['version']) for s in self.seals(visit)],
            [('finished', 1), ('corrected', 2)])
        self.assertEqual(self.state(visit), 'finished')

    def test_open_for_the_author_alone(self):
        visit = self.create_visit('finished')
        self.amend(visit, 'doctor', 'correction')
        for login in ['nurse', 'everything', 'admin!']:
            with self.subTest(login=login):
                with self.assertRaises(EncounterAccessError):
                    self.change(visit, login)
                with self.assertRaises((AccessButtonError, AccessError)):
                    self.complete(visit, login)
        for login, open_ in [('doctor', True), ('everything', False)]:
            self.assertEqual(
                self.user(login).read(
                    MODEL, visit, 'correction_open')['correction_open'],
                open_)
        with self.assertRaises(EncounterAccessError):
            self.user('doctor')(MODEL, 'write', [visit], {'correction': None})
        self.assertEqual(self.findings(), {})
        self.change(visit)
        self.assertEqual(self.findings(), {})
        self.complete(visit)

    def test_nothing_changed(self):
        visit = self.create_visit('finished')
        amendment = self.amend(visit, 'doctor', 'correction')
        self.complete(visit)
        self.assertEqual(self.read(amendment, 'state')['state'], 'unchanged')
        self.assertEqual(len(self.seals(visit)), 1)

    def test_incomplete(self):
        visit = self.create_visit('finished')
        self.amend(visit, 'doctor', 'correction')
        diagnosis, = self.root.search(
            'clinic.diagnosis', [('encounter', '=', visit)])
        doctor = self.user('doctor')
        doctor('clinic.diagnosis', 'delete', [diagnosis])
        with self.assertRaises(EncounterIncompleteError):
            self.complete(visit)
        doctor.create('clinic.diagnosis', encounter=visit,
            code=self.clinic['codes'][1])
        self.complete(visit)
        amendment, = self.root.search(
            AMENDMENT, [('encounter', '=', visit)])
        self.assertIn(
            "J06.9", self.read(amendment, 'old_values')['old_values'])

    def test_one_at_a_time(self):
        visit = self.create_visit('finished')
        self.amend(visit, 'doctor', 'correction')
        for kind in ['correction', 'entered_in_error']:
            with self.assertRaises(AmendmentError):
                self.amend(visit, 'doctor', kind)
        self.complete(visit)
        self.amend(visit, 'doctor', 'correction')
        self.change(visit, systolic=150)
        self.complete(visit)
        self.assertEqual(
            [s['version'] for s in self.seals(visit)], [1, 2])

    def test_too_late_or_not_the_author(self):
        late = self.create_visit('finished')
        self.age(late, 49)
        for visit, login in [
                (late, 'doctor'),
                (self.create_visit('finished'), 'everything')]:
            with self.subTest(login=login):
                amendment = self.amend(visit, login, 'correction')
                self.assertEqual(
                    self.read(amendment, 'state')['state'], 'requested')
                with self.assertRaises(EncounterAccessError):
                    self.change(visit, login)
                for other in ['nurse', 'doctor', 'admin', 'registration']:
                    with self.assertRaises(AccessError):
                        self.decide(amendment, other, 'approve')
                self.decide(amendment, 'medical_records', 'approve', "Boleh")
                self.assertEqual(
                    self.read(amendment, 'state', 'decision'), {
                        'id': amendment, 'state': 'open',
                        'decision': "Boleh"})
                self.change(visit, login)
                self.complete(visit, login)
                self.assertEqual(
                    self.read(amendment, 'state')['state'], 'done')

    def test_rejected(self):
        visit = self.create_visit('finished')
        self.age(visit, 49)
        amendment = self.amend(visit, 'doctor', 'correction')
        with self.assertRaises(AmendmentError):
            self.decide(amendment, 'medical_records', 'reject')
        self.decide(amendment, 'medical_records', 'reject', "Tidak perlu")
        self.assertEqual(self.read(amendment, 'state')['state'], 'rejected')
        with self.assertRaises(EncounterAccessError):
            self.change(visit)
        self.decide(amendment, 'medical_records', 'approve')
        self.assertEqual(self.read(amendment, 'state')['state'], 'rejected')

    def test_four_eyes(self):
        visit = self.create_visit('finished')
        amendment = self.amend(visit, 'everything', 'correction')
        with self.assertRaises(AmendmentAccessError):
            self.decide(amendment, 'everything', 'approve')

    def test_hours_are_a_setting(self):
        self.user('admin-desa')(
            'clinic.configuration', 'write', [1], {'correction_hours': 1})
        for branch, state in [('desa', 'requested'), ('kota', 'open')]:
            visit = self.create_visit('finished', branch=branch)
            self.age(visit, 2)
            amendment = self.amend(visit, f'doctor-{branch}', 'correction')
            self.assertEqual(
                self.root.read(AMENDMENT, amendment, 'state')['state'], state)

    def test_who_may(self):
        visit = self.create_visit('finished')
        for login in ['nurse', 'pharmacist', 'medical_records']:
            with self.assertRaises(AmendmentAccessError):
                self.amend(visit, login, 'correction')

    def test_kinds_offered(self):
        for login, kinds in [
                ('nurse', ['addendum']),
                ('doctor', ['addendum', 'correction', 'entered_in_error']),
                ('medical_records', ['entered_in_error'])]:
            user = self.user(login)
            self.assertEqual([
                    kind for kind, _ in user(
                        'clinic.encounter.amend.ask', 'get_kinds')], kinds)

    def test_times_and_status_history(self):
        visit = self.create_visit('finished', arrived_at=ago(hours=3))
        self.amend(visit, 'doctor', 'correction')
        self.user('doctor')(
            MODEL, 'write', [visit], {'arrived_at': ago(hours=4)})
        self.complete(visit)
        rows = self.content('clinic.encounter.status', visits=[visit])
        self.assertEqual([
                r['status'] for r in rows[
                    'clinic.encounter.status'].values()],
            ['arrived', 'in_progress', 'finished'])

    def test_signed(self):
        self.user('admin')(
            'clinic.configuration', 'write', [1],
            {'signature_required': True})
        visit = self.create_visit('in_progress')
        doctor = self.user('doctor')
        doctor(MODEL, 'sign', [visit])
        self.amend(visit, 'doctor', 'correction')
        self.change(visit)
        with self.assertRaises(AccessButtonError):
            self.complete(visit)
        doctor(MODEL, 'sign', [visit])
        self.assertEqual(
            [s['kind'] for s in self.seals(visit)],
            ['finished', 'corrected'])
        self.user('admin')(
            'clinic.configuration', 'write', [1],
            {'signature_required': False})

    def test_copy_of_the_visit(self):
        visit = self.create_visit('finished')
        self.amend(visit, 'doctor', 'correction')
        copied, = self.user('doctor')(MODEL, 'copy', [visit])
        self.assertEqual(
            self.root.read(MODEL, copied, 'correction', 'amendments'),
            {'id': copied, 'correction': None, 'amendments': ()})
        self.complete(visit)


class EnteredInErrorTestCase(AmendmentTestCase):
    "A visit that never was"

    def test_author(self):
        visit = self.create_visit('finished')
        before = self.content(
            VITAL_SIGNS, 'clinic.diagnosis', 'clinic.encounter.status',
            visits=[visit])
        amendment = self.amend(
            visit, 'doctor', 'entered_in_error', "Pasien lain")
        self.assertEqual(self.state(visit), 'entered_in_error')
        self.assertEqual(
            self.content(
                VITAL_SIGNS, 'clinic.diagnosis', 'clinic.encounter.status',
                visits=[visit]), before)
        self.assertIn(
            "Systolic: 120",
            self.read(amendment, 'old_values')['old_values'])
        self.assertEqual(
            [s['kind'] for s in self.seals(visit)],
            ['finished', 'entered_in_error'])
        for kind in ['correction', 'entered_in_error']:
            with self.assertRaises(AmendmentError):
                self.amend(visit, 'doctor', kind)
        self.amend(visit, 'doctor', 'addendum')
        with self.assertRaises(EncounterAccessError):
            self.change(visit)

    def test_approval(self):
        visit = self.create_visit('finished')
        amendment = self.amend(visit, 'medical_records', 'entered_in_error')
        self.assertEqual(self.state(visit), 'finished')
        with self.assertRaises(AmendmentAccessError):
            self.decide(amendment, 'medical_records', 'approve')
        self.decide(amendment, 'admin!', 'approve')
        self.assertEqual(self.state(visit), 'entered_in_error')

    def test_corrected_before(self):
        visit = self.create_visit('finished')
        self.amend(visit, 'doctor', 'correction')
        self.change(visit)
        self.complete(visit)
        self.amend(visit, 'doctor', 'entered_in_error')
        self.assertEqual(
            [(s['kind'], s['version']) for s in self.seals(visit)],
            [('finished', 1), ('corrected', 2), ('entered_in_error', 2)])


class PrintTestCase(AmendmentTestCase):
    "What every print of a visit shows"

    def test_amendments_to_print(self):
        visit = self.create_visit('finished')
        self.age(visit, 49)
        addendum = self.amend(visit, 'nurse', 'addendum')
        rejected = self.amend(visit, 'doctor', 'correction')
        self.decide(rejected, 'medical_records', 'reject', "Tidak")
        correction = self.amend(visit, 'doctor', 'correction')
        self.assertEqual(self.printed(visit), [addendum])
        self.decide(correction, 'medical_records', 'approve')
        self.assertEqual(self.printed(visit), [addendum, correction])
        self.change(visit)
        self.complete(visit)
        self.assertEqual(self.printed(visit), [addendum, correction])

    def printed(self, visit):
        with self.database() as pool:
            return [
                a.id for a in pool.get(MODEL)(visit).amendments_to_print()]
