# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import itertools

from trytond.model import ModelStorage
from trytond.model.exceptions import AccessButtonError, AccessError
from trytond.modules.clinic_rme.tests.tools import ROLES
from trytond.pool import isregisteredby
from trytond.tests.test_tryton import DB_NAME
from trytond.transaction import Transaction

from .tools import EVERYBODY, MODULE, SatusehatTestCase

# Role: what it may do; r(ead), w(rite), c(reate), d(elete)
MODELS = {
    'satusehat.credential': {'satusehat': 'rwcd'},
    'satusehat.credential.test.result': {'satusehat': 'rwc'},
    'satusehat.gate': {},
    'satusehat.resource': {'satusehat': 'r'},
    'satusehat.submission': {'satusehat': 'r', 'admin': 'r'},
    'satusehat.submission.action': {'satusehat': 'r', 'admin': 'r'},
    'satusehat.submission.resend.ask': {'satusehat': 'rwc'},
    'satusehat.submission.stop.ask': {'satusehat': 'rwc'},
    'satusehat.exchange': {'satusehat': 'r'},
    'satusehat.exchange.tally': {},
    'satusehat.unsent': {'satusehat': 'r', 'admin': 'r'},
    'satusehat.notice': {},
    }
# Models of other modules, whose rights stay as they are there
EXTENDED = {
    'ir.cron', 'res.notification', 'company.company', 'company.employee',
    'party.party', 'clinic.patient', 'clinic.unit', 'clinic.room',
    'clinic.encounter'}
WIZARDS = {
    'satusehat.credential.test': 'satusehat.credential',
    'satusehat.submission.resend': 'satusehat.submission',
    'satusehat.submission.stop': 'satusehat.submission',
    'satusehat.unsent.open': 'satusehat.unsent'}
# Who may start a wizard beside the SATUSEHAT administrator
STARTERS = {'satusehat.unsent.open': {'admin'}}
BUTTONS = [
    ('satusehat.submission', 'resend'),
    ('satusehat.submission', 'stop'),
    ('satusehat.credential', 'test_connection'),
    ]
KEPT = [
    'satusehat.resource', 'satusehat.submission',
    'satusehat.submission.action', 'satusehat.exchange']
INNER = ['satusehat.gate', 'satusehat.notice']
FROZEN = ['snapshot', 'bundle', 'bundle_index']
MODES = {'r': 'read', 'w': 'write', 'c': 'create', 'd': 'delete'}
CALLERS = (*ROLES, 'nobody', 'satusehat')


class KeptTestCase(SatusehatTestCase):
    "A record of each model in each branch"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        self = cls()
        cls.records = {b: self.create_records(b) for b in ['kota', 'desa']}

    def create_records(self, branch):
        submission = self.submission(branch, state='needs_admin')
        with self.changes() as pool:
            Submission = pool.get('satusehat.submission')
            visit = Submission(submission).encounter.id
            action, = pool.get('satusehat.submission.action').create([{
                        'submission': submission, 'action': 'resend',
                        'reason': "Sudah diperbaiki"}])
        self.adopt(
            'Encounter', f'clinic.encounter,{visit}', f'enc-{branch}',
            company=self.company(branch))
        with self.database() as pool:
            resource, = pool.get('satusehat.resource').search([
                    ('record', '=', f'clinic.encounter,{visit}')])
        return {
            'satusehat.credential': self.credentials[branch],
            'satusehat.resource': resource.id,
            'satusehat.submission': submission,
            'satusehat.submission.action': action.id,
            'satusehat.exchange': self.exchange(
                branch, submission=submission),
            'satusehat.unsent': submission,
            }


class SatusehatAccessTestCase(KeptTestCase):
    "Who may do what with a model"

    def test_matrix_covers_the_module(self):
        with self.database() as pool:
            self.assertEqual(
                {name for name, model in pool.iterobject()
                    if isregisteredby(model, MODULE)},
                set(MODELS) | EXTENDED)
            self.assertEqual(
                {name for name, wizard in pool.iterobject('wizard')
                    if isregisteredby(wizard, MODULE, 'wizard')},
                set(WIZARDS))
            self.assertEqual(
                [name for name, _ in pool.iterobject('report')
                    if name.startswith('satusehat.')], [])

    def test_matrix(self):
        for model, role in itertools.product(MODELS, CALLERS):
            with self.subTest(model=model, role=role), Transaction().start(
                    DB_NAME, self.user(role).config.user,
                    context={'_check_access': True}):
                Access = self.config.pool.get('ir.model.access')
                self.assertEqual(
                    ''.join(
                        letter for letter, mode in MODES.items()
                        if Access.check(model, mode, raise_exception=False)),
                    MODELS[model].get(role, ''))

    def test_extended_models_have_no_rights_from_here(self):
        with self.database() as pool:
            ModelData = pool.get('ir.model.data')
            Access = pool.get('ir.model.access')
            rows = ModelData.search([
                    ('module', '=', MODULE),
                    ('model', '=', 'ir.model.access'),
                    ])
            self.assertEqual(
                {a.model for a in Access.browse([r.db_id for r in rows])},
                set(MODELS))

    def test_reading_over_rpc(self):
        for model, id_ in self.records['kota'].items():
            for role in CALLERS:
                user = self.user(role)
                for method, args in [
                        ('read', [[id_], ['id', 'rec_name']]),
                        ('search', [[], 0, None, None]),
                        ('search_count', [[]]),
                        ('search_read', [[], 0, None, None, ['rec_name']]),
                        ('export_data', [[id_], ['rec_name']]),
                        ]:
                    with self.subTest(model=model, role=role, method=method):
                        if 'r' in MODELS[model].get(role, ''):
                            self.assertTrue(user(model, method, *args))
                        else:
                            self.assertRaises(
                                AccessError, user, model, method, *args)

    def test_screens_of_who_may_read(self):
        "The names that the lists show can be read with them"
        for model, role in itertools.product(
                self.records['kota'], ['satusehat', 'admin']):
            if 'r' not in MODELS[model].get(role, ''):
                continue
            user = self.user(role)
            for kind in ['tree', 'form']:
                if kind == 'form' and model in {
                        'satusehat.submission.action', 'satusehat.unsent'}:
                    continue
                view = user(model, 'fields_view_get', None, kind)
                names = [
                    name for name in view['fields']
                    if name not in {'exchanges', 'actions'}]
                names += [
                    f'{name}.rec_name' for name in names
                    if view['fields'][name]['type'] == 'many2one']
                with self.subTest(model=model, role=role, kind=kind):
                    self.assertTrue(user.read(
                            model, self.records['kota'][model],
                            *names, 'rec_name'))

    def test_nobody_changes_what_is_kept(self):
        for model, login in itertools.product(KEPT, EVERYBODY):
            id_ = self.records['kota'][model]
            before = self.row(model, id_)
            user = self.user(login)
            field = {
                'satusehat.resource': 'resource_id',
                'satusehat.submission': 'state',
                'satusehat.submission.action': 'reason',
                'satusehat.exchange': 'path',
                }[model]
            values = {
                k: v for k, v in before.items()
                if k not in {
                    'id', 'create_uid', 'create_date', 'write_uid',
                    'write_date', *FROZEN}}
            for method, args in [
                    ('write', [[id_], {field: 'stopped'}]),
                    ('delete', [[id_]]),
                    ('create', [[values]]),
                    ('copy', [[id_]]),
                    ('copy', [[id_], {field: 'stopped'}]),
                    ('import_data', [['id', field], [[str(id_), 'x']]]),
                    ]:
                with self.subTest(model=model, login=login, method=method):
                    with self.assertRaises(AccessError):
                        user(model, method, *args)
                    self.assertEqual(self.row(model, id_), before)

    def test_a_credential_is_not_changed_by_others(self):
        model = 'satusehat.credential'
        id_ = self.records['kota'][model]
        for role in (*ROLES, 'nobody'):
            for method, args in [
                    ('write', [[id_], {'client_id': 'x'}]),
                    ('delete', [[id_]]),
                    ('create', [[{
                                    'company': self.company(),
                                    'environment': 'local',
                                    'organization_id': '1',
                                    'client_id': 'x'}]]),
                    ]:
                with self.subTest(role=role, method=method):
                    self.assertRaises(
                        AccessError, self.user(role), model, method, *args)

    def test_frozen_is_not_read_by_anybody(self):
        model = 'satusehat.submission'
        id_ = self.records['kota'][model]
        for login, field in itertools.product(EVERYBODY, FROZEN):
            user = self.user(login)
            for method, args in [
                    ('read', [[id_], [field]]),
                    ('search_read', [[], 0, None, None, [field]]),
                    ('export_data', [[id_], [field]]),
                    ('search', [[(field, '!=', None)], 0, None, None]),
                    ('search', [[], 0, None, [(field, 'ASC')]]),
                    ]:
                with self.subTest(login=login, field=field, method=method):
                    self.assertRaises(
                        AccessError, user, model, method, *args)

    def test_frozen_is_not_read_on_a_detour(self):
        for login, (model, field) in itertools.product(EVERYBODY, [
                    ('satusehat.exchange', 'submission'),
                    ('satusehat.submission.action', 'submission')]):
            user = self.user(login)
            id_ = self.records['kota'][model]
            for name in FROZEN:
                path = f'{field}.{name}'
                for method, args in [
                        ('read', [[id_], [path]]),
                        ('search', [[(path, '!=', None)], 0, None, None]),
                        ('search', [[], 0, None, [(path, 'ASC')]]),
                        ('export_data', [[id_], [f'{field}/{name}']]),
                        ]:
                    with self.subTest(login=login, path=path, method=method):
                        self.assertRaises(
                            AccessError, user, model, method, *args)

    def test_inner_models_are_not_called(self):
        for name in INNER:
            with self.subTest(model=name):
                Model = self.config.pool.get(name)
                self.assertEqual(Model.__rpc__, {})
                self.assertEqual(getattr(Model, '_buttons', {}), {})

    def test_inner_models_are_not_reached_from_others(self):
        with self.database() as pool:
            pointing = [
                (name, field_name)
                for name, model in pool.iterobject()
                if issubclass(model, ModelStorage)
                for field_name, field in model._fields.items()
                if getattr(field, 'model_name', None) in INNER]
        self.assertEqual(pointing, [])

    def test_sender_is_not_called(self):
        Submission = self.config.pool.get('satusehat.submission')
        self.assertFalse(Submission.__rpc__.keys() & {
                'push', 'enqueue', 'bind', 'claim_due', 'plan_again',
                'count_unbound', 'notify'})
        self.assertFalse(
            self.config.pool.get('satusehat.submission.action').__rpc__.keys()
            & {'stop'})
        self.assertFalse(
            self.config.pool.get('satusehat.resource').__rpc__.keys()
            & {'adopt', 'ids'})


class DoorTestCase(KeptTestCase):
    "Who may press a button, start a wizard and see a menu"

    def test_buttons(self):
        for (model, button), login in itertools.product(BUTTONS, CALLERS):
            args = (model, button, [self.records['kota'][model]])
            with self.subTest(model=model, button=button, login=login):
                if login == 'satusehat':
                    self.assertIsInstance(self.user(login)(*args), int)
                else:
                    self.assertRaises(
                        (AccessButtonError, AccessError),
                        self.user(login), *args)

    def test_wizards(self):
        for (name, model), login in itertools.product(
                WIZARDS.items(), CALLERS):
            ids = [self.records['kota'][model]]
            with self.subTest(wizard=name, login=login):
                if login in {'satusehat', *STARTERS.get(name, [])}:
                    self.wizard(login, name, model, ids)
                else:
                    self.assertRaises(
                        AccessError, self.wizard, login, name, model, ids)
                    self.assertRaises(
                        AccessError, self.wizard, login, name, None, [])

    def test_a_wizard_does_not_trust_the_action_of_the_context(self):
        with self.database() as pool:
            Action = pool.get('ir.action.wizard')
            other, = Action.search(
                [('wiz_name', '=', 'clinic.icd10.import')])
            ids = [other.id, other.action.id, 0]
        for (name, model), id_ in itertools.product(WIZARDS.items(), ids):
            for login in {'nobody', 'admin', 'registration'} - STARTERS.get(
                    name, set()):
                with self.subTest(wizard=name, login=login, action=id_):
                    self.assertRaises(
                        AccessError, self.wizard, login, name, model,
                        [self.records['kota'][model]], action_id=id_)

    def test_a_running_session_is_not_taken_over(self):
        for name, state in [
                ('satusehat.submission.resend', 'resend'),
                ('satusehat.submission.stop', 'stop')]:
            with self.subTest(wizard=name):
                self.assert_not_taken_over(name, state)

    def assert_not_taken_over(self, name, state):
        model = WIZARDS[name]
        id_ = self.records['kota'][model]
        user = self.user('admin')
        proxy = user.config.get_proxy(name, 'wizard')
        administrator = self.user('satusehat')
        session, _, _ = administrator.config.get_proxy(
            name, 'wizard').create({
                **administrator.config.context, 'active_model': model,
                'active_id': id_, 'active_ids': [id_]})
        before = self.row(model, id_)

        for context in [
                {'active_model': model, 'active_id': id_, 'active_ids': [id_]},
                {}]:
            self.assertRaises(
                AccessError, proxy.execute, session,
                {'ask': {'reason': "Saya"}}, state,
                {**user.config.context, **context})
        self.assertEqual(self.row(model, id_), before)

    def test_menus(self):
        visible = {
            'satusehat': {
                'menu_satusehat', 'menu_unsent', 'menu_submission',
                'menu_exchange', 'menu_credential', 'menu_resource'},
            'admin': {'menu_satusehat', 'menu_unsent', 'menu_submission'},
            }
        with self.database() as pool:
            ModelData = pool.get('ir.model.data')
            menus = {d.db_id: d.fs_id for d in ModelData.search([
                        ('module', '=', MODULE),
                        ('model', '=', 'ir.ui.menu')])}
        for login in CALLERS:
            with self.subTest(login=login):
                self.assertEqual(
                    {menus[i] for i in self.user(login).search(
                            'ir.ui.menu', [('id', 'in', list(menus))])},
                    visible.get(login, set()))


class SatusehatBranchTestCase(KeptTestCase):
    "What users of another branch see"

    def test_a_branch_sees_its_own(self):
        for model, id_ in self.records['desa'].items():
            with self.subTest(model=model):
                ids = self.user('satusehat-desa').search(model, [])
                self.assertIn(id_, ids)
                self.assertNotIn(self.records['kota'][model], ids)

    def test_the_other_branch_is_closed(self):
        for model, login in itertools.product(
                self.records['desa'], ['satusehat', 'everything', 'admin']):
            user = self.user(login)
            if login == 'everything':
                allowed = MODELS[model].get('admin')
            else:
                allowed = MODELS[model].get(login)
            if not allowed:
                continue
            id_ = self.records['desa'][model]
            for method, args in [
                    ('read', [[id_], ['id']]),
                    ('read', [[id_], ['rec_name']]),
                    ('write', [[id_], {}]),
                    ('delete', [[id_]]),
                    ]:
                with self.subTest(model=model, login=login, method=method):
                    self.assertRaises(
                        (AccessError, NotImplementedError),
                        user, model, method, *args)
            self.assertEqual(
                user.search(model, [('id', '=', id_)]), [])
            self.assertEqual(
                user(model, 'search_count', [('id', '=', id_)]), 0)

    def test_export_of_the_other_branch(self):
        for model in self.records['desa']:
            if model == 'satusehat.submission.action':
                continue
            with self.subTest(model=model):
                self.assertRaises(
                    AccessError, self.user('satusehat'), model,
                    'export_data', [self.records['desa'][model]],
                    ['rec_name'])

    def test_export_of_the_other_branch_through_another_record(self):
        model = 'satusehat.submission.action'
        self.assertRaises(
            AccessError, self.user('satusehat'), model, 'export_data',
            [self.records['desa'][model]], ['reason'])

    def test_company_of_the_context_gives_no_right(self):
        for model, id_ in self.records['desa'].items():
            with self.subTest(model=model):
                self.assertRaises(
                    AccessError, self.user('satusehat'), model, 'read',
                    [id_], ['id'], company=self.company('desa'),
                    companies=[self.company('desa')])

    def test_a_credential_is_not_moved_to_the_other_branch(self):
        user = self.user('satusehat')
        model = 'satusehat.credential'
        id_ = user.create(
            model, company=self.company(), environment='production',
            organization_id='1', client_id='x')
        with self.assertRaises(AccessError):
            user(model, 'write', [id_], {'company': self.company('desa')})
        with self.assertRaises(AccessError):
            user.create(
                model, company=self.company('desa'), environment='local',
                organization_id='2', client_id='x')
        user(model, 'delete', [id_])

    def test_wizards_on_the_other_branch(self):
        for name, model in WIZARDS.items():
            with self.subTest(wizard=name):
                self.assertRaises(
                    AccessError, self.wizard, 'satusehat', name, model,
                    [self.records['desa'][model]])

    def test_buttons_on_the_other_branch(self):
        for model, button in BUTTONS:
            with self.subTest(model=model, button=button):
                self.assertRaises(
                    AccessError, self.user('satusehat'), model, button,
                    [self.records['desa'][model]])

    def test_national_ids_are_seen_by_all(self):
        self.adopt(
            'Patient', f"party.party,{self.clinic['people'][1]}",
            'P0000001')
        for login in ['satusehat', 'satusehat-desa']:
            with self.subTest(login=login):
                self.assertTrue(self.user(login).search(
                        'satusehat.resource',
                        [('resource_id', '=', 'P0000001')]))
