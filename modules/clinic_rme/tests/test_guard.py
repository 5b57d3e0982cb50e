# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"What a client may not reach by calls that it forms itself"

from trytond.model.exceptions import AccessError
from trytond.pool import Pool
from trytond.tests.test_tryton import DB_NAME
from trytond.transaction import Transaction

from .tools import RemoteTestCase

MODEL = 'clinic.encounter'
LETTER = 'clinic.letter'
CONSENT = 'clinic.consent'


class EntryGuardTestCase(RemoteTestCase):
    "on_change tells nobody what he may not read"

    def setUp(self):
        super().setUp()
        self.visit = self.create_visit('in_progress')

    def letter(self, login):
        "Return what a new letter of the visit takes over"
        return self.user(login)(LETTER, 'on_change', {
                'kind': 'referral', 'encounter': self.visit}, ['encounter'])

    def test_author(self):
        self.assertIn(
            "Acute upper respiratory infection",
            self.letter('doctor')['diagnosis'])

    def test_one_field_as_the_web_client_asks(self):
        config = self.user('doctor').config
        Letter = config.pool.get(LETTER)
        rpc = Letter.__rpc__['on_change_with_patient']
        with Transaction().start(
                DB_NAME, config.user, context=config.context, readonly=True):
            args, kwargs, context, _ = rpc.convert(
                Letter, {'encounter': self.visit}, dict(config.context))
            method = rpc.decorate(Letter.on_change_with_patient)
            with Transaction().set_context(context):
                changed = rpc.result(method(*args, **kwargs))
        self.assertEqual(changed['patient'], self.patient)

    def test_who_may_not_enter(self):
        for login in ['nobody', 'registration', 'cashier', 'pharmacist']:
            with self.subTest(login=login), self.assertRaises(AccessError):
                self.letter(login)

    def test_other_branch(self):
        with self.assertRaises(AccessError):
            self.letter('doctor-desa')

    def test_visit_of_another_branch_as_parent(self):
        doctor = self.user('doctor-desa')
        for values in [
                {'encounter': self.visit},
                {'encounter': {'id': self.visit}},
                ]:
            with self.subTest(values=values), self.assertRaises(AccessError):
                doctor('clinic.diagnosis', 'on_change', {
                        'code': self.clinic['codes'][0], **values}, ['code'])

    def test_consent_of_who_reads_no_diagnosis(self):
        for login, told in [('registration', False), ('doctor', True)]:
            changes = self.user(login)(CONSENT, 'on_change', {
                    'kind': 'informed', 'encounter': self.visit},
                ['encounter'])
            with self.subTest(login=login):
                self.assertEqual(bool(changes.get('diagnosis')), told)

    def test_notices(self):
        "Who may not make the entry is told nothing about it"
        self.root('clinic.patient', 'write', [self.patient], {
                'allergy_status': 'listed',
                'allergies': [('create', [{
                                'substance': "Captopril",
                                'category': 'medication'}])]})
        values = {
            'encounter': self.visit,
            'medicine': self.clinic['medicines']['Captopril']}
        notices = {
            login: self.user(login)(
                'clinic.prescription.item', 'on_change_notify', values)
            for login in ['doctor', 'nobody', 'doctor-desa']}
        self.assertTrue(notices.pop('doctor'))
        self.assertEqual(notices, {'nobody': [], 'doctor-desa': []})

    def test_methods_of_one_field(self):
        "As the server calls them for a client"
        name = 'on_change_with_allergy_text'
        for login, refused in [('doctor', False), ('nobody', True)]:
            config = self.user(login).config
            with Transaction().start(
                    DB_NAME, config.user,
                    context={**config.context, '_check_access': True}):
                Patient = Pool().get('clinic.patient')
                call = Patient.__rpc__[name].decorate(getattr(Patient, name))
                patient = Patient(allergy_status='none_known')
                with self.subTest(login=login):
                    if refused:
                        self.assertRaises(AccessError, call, patient)
                    else:
                        call(patient)


class LoadingTestCase(RemoteTestCase):

    def test_what_not_everybody_reads_is_loaded_alone(self):
        "Whoever looks first: clients keep the definitions"
        for login in ['admin!', 'cashier']:
            definitions = self.user(login)(
                MODEL, 'fields_get', ['assessment', 'state'])
            with self.subTest(login=login):
                self.assertEqual(
                    {n: d['loading'] for n, d in definitions.items()},
                    {'assessment': 'lazy', 'state': 'eager'})


class WizardGuardTestCase(RemoteTestCase):
    "Wizards take from clients what their views ask for, and no more"

    def wizard(self, login, name, **context):
        user = self.user(login)
        return (
            user.config.get_proxy(name, 'wizard'),
            {**user.config.context, **context})

    def begin(self, login, visit):
        "Begin an amendment of the visit"
        proxy, context = self.wizard(
            login, 'clinic.encounter.amend', active_model=MODEL,
            active_id=visit, active_ids=[visit])
        session, _, _ = proxy.create(context)
        return proxy, session, context

    def test_model_is_not_changed(self):
        visit = self.create_visit('finished')
        proxy, session, context = self.begin('nurse', visit)
        proxy.execute(session, {
                'model': {'is_closed': False, '__name__': 'ir.lang'},
                '__class__': {'states': {}},
                }, 'end', context)
        with self.transaction() as pool:
            Encounter = pool.get(MODEL)
            self.assertIsInstance(Encounter.is_closed, property)
            self.assertEqual(Encounter.__name__, MODEL)
            self.assertTrue(Encounter(visit).is_closed)

    def test_record_is_not_changed(self):
        "Another doctor does not become the author"
        visit = self.create_visit('finished')
        with self.transaction() as pool:
            Employee = pool.get('company.employee')
            Encounter = pool.get(MODEL)
            other, = Employee.create([{
                        'party': pool.get('party.party').create(
                            [{'name': "Lain"}])[0].id,
                        'company': self.clinic['kota']['company'],
                        'profession': 'general_practitioner'}])
            Encounter.write([Encounter(visit)], {
                    'practitioner': other.id, 'finished_by': other.id})
        proxy, session, context = self.begin('doctor', visit)
        proxy.execute(session, {
                'record': {
                    'practitioner': self.clinic['kota']['doctor'],
                    'finished_by': self.clinic['kota']['doctor']},
                'ask': {'kind': 'correction', 'text': "Alasan"},
                }, 'amend', context)
        row, = self.root('clinic.amendment', 'search_read', [
                ('encounter', '=', visit)], 0, None, None, ['state'])
        self.assertEqual(row['state'], 'requested')

    def test_session_of_another_user(self):
        visit = self.create_visit('finished')
        _, session, _ = self.begin('doctor', visit)
        proxy, context = self.wizard(
            'nurse', 'clinic.encounter.amend', active_model=MODEL,
            active_id=visit, active_ids=[visit])
        with self.assertRaises(AccessError):
            proxy.execute(session, {}, 'ask', context)
        with self.assertRaises(AccessError):
            proxy.delete(session, context)

    def test_action_of_the_context(self):
        for login in ['nobody', 'registration', 'doctor']:
            proxy, context = self.wizard(
                login, 'clinic.patient.import', action_id=999_999)
            with self.subTest(login=login), self.assertRaises(AccessError):
                proxy.create(context)

    def test_without_record(self):
        for name in ['clinic.encounter.amend', 'clinic.patient.export']:
            proxy, context = self.wizard('doctor', name)
            # Clients name the records only when they run the wizard
            session, state, _ = proxy.create(context)
            with self.subTest(name=name), self.assertRaises(AccessError):
                proxy.execute(session, {}, state, context)

    def test_as_a_client_runs_it(self):
        visit = self.create_visit('finished')
        proxy, context = self.wizard('doctor', 'clinic.encounter.amend')
        session, state, _ = proxy.create(context)
        shown = proxy.execute(session, {}, state, {
                **context, 'active_model': MODEL, 'active_id': visit,
                'active_ids': [visit]})
        self.assertIn('view', shown)


class EmailTestCase(RemoteTestCase):

    def test_only_what_the_user_reads_is_sent(self):
        visit = self.create_visit('in_progress')
        attachment = self.user('doctor').create(
            'ir.attachment', name="hasil.txt", data=b'rahasia',
            resource=f'{MODEL},{visit}')
        for login in ['nobody', 'doctor-desa']:
            with self.subTest(login=login), self.assertRaises(AccessError):
                self.user(login)(
                    'ir.email', 'send', 'x@example.com', '', '', "s", "b",
                    None, None, None, [attachment])
            with self.subTest(login=login), self.assertRaises(AccessError):
                self.user(login)(
                    'ir.email', 'send', 'x@example.com', '', '', "s", "b",
                    None, [MODEL, visit])
