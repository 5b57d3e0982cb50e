# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import datetime as dt

from trytond.model.exceptions import (
    AccessError, SQLConstraintError, ValidationError)
from trytond.modules.satusehat_integration import crypto
from trytond.modules.satusehat_integration.credential import MASK
from trytond.modules.satusehat_integration.exceptions import (
    EncryptionKeyError)

from .tools import (
    EVERYBODY, ORGANIZATIONS, SECRETS, SatusehatTestCase, encryption_keys,
    new_key)

MODEL = 'satusehat.credential'
HIDDEN = 'client_secret_encrypted'


class SecretTestCase(SatusehatTestCase):
    "Test that nobody reads the secret"

    @property
    def credential(self):
        return self.credentials['kota']

    @property
    def administrator(self):
        return self.user('satusehat')

    def test_table_holds_ciphertext(self):
        row = self.row(MODEL, self.credential)

        self.assertNotIn('client_secret', row)
        self.assertNotIn(SECRETS['kota'], str(row))
        self.assertEqual(crypto.decrypt(row[HIDDEN]), SECRETS['kota'])

    def test_same_secret_has_other_ciphertext(self):
        before = self.row(MODEL, self.credential)[HIDDEN]

        self.administrator(MODEL, 'write', [self.credential], {
                'client_secret': SECRETS['kota']})

        after = self.row(MODEL, self.credential)[HIDDEN]
        self.assertNotEqual(after, before)
        self.assertEqual(crypto.decrypt(after), SECRETS['kota'])

    def test_mask_is_read(self):
        user = self.administrator
        self.assertEqual(
            user.read(MODEL, self.credential, 'client_secret'),
            {'id': self.credential, 'client_secret': MASK})
        row, = user(
            MODEL, 'search_read', [('id', '=', self.credential)], 0, None,
            None, ['client_secret'])
        self.assertEqual(row['client_secret'], MASK)
        self.assertEqual(
            user(MODEL, 'export_data', [self.credential], ['client_secret']),
            [[MASK]])

    def test_nothing_is_read_without_secret(self):
        user = self.administrator
        id_ = user.create(
            MODEL, company=self.company(), environment='local',
            organization_id='10000004', client_id='client')
        self.addCleanup(user, MODEL, 'delete', [id_])

        self.assertIsNone(
            user.read(MODEL, id_, 'client_secret')['client_secret'])
        self.assertIsNone(self.row(MODEL, id_)[HIDDEN])

    def test_answers_do_not_hold_the_secret(self):
        user = self.administrator
        names = [
            n for n in user(MODEL, 'fields_get', None) if n != HIDDEN]
        answers = [
            user.read(MODEL, self.credential, *names),
            user(MODEL, 'default_get', names),
            user(MODEL, 'on_change', {
                    'id': self.credential, 'client_secret': MASK},
                ['client_secret']),
            user(MODEL, 'on_change_with', {'id': self.credential}, []),
            user(MODEL, 'fields_view_get', None, 'form'),
            ]
        for answer in answers:
            self.assertNotIn(SECRETS['kota'], str(answer))
            self.assertNotIn(
                self.row(MODEL, self.credential)[HIDDEN], str(answer))

    def test_mask_saved_changes_nothing(self):
        before = self.row(MODEL, self.credential)[HIDDEN]

        self.administrator(MODEL, 'write', [self.credential], {
                'client_secret': MASK})

        self.assertEqual(self.row(MODEL, self.credential)[HIDDEN], before)

    def test_empty_secret_removes_it(self):
        self.addCleanup(self.administrator, MODEL, 'write',
            [self.credential], {'client_secret': SECRETS['kota']})

        self.administrator(MODEL, 'write', [self.credential], {
                'client_secret': ''})

        self.assertIsNone(self.row(MODEL, self.credential)[HIDDEN])

    def test_spaces_belong_to_the_secret(self):
        self.addCleanup(self.administrator, MODEL, 'write',
            [self.credential], {'client_secret': SECRETS['kota']})

        self.administrator(MODEL, 'write', [self.credential], {
                'client_secret': ' a b '})

        with self.database() as pool:
            self.assertEqual(
                pool.get(MODEL)(self.credential).secret, ' a b ')

    def test_copy(self):
        "Over RPC no copy can take the secret, or another branch's ids"
        for default in [{'environment': 'production'}, {HIDDEN: 'x'}]:
            with self.subTest(default=list(default)):
                self.assertRaises(
                    AccessError, self.administrator, MODEL, 'copy',
                    [self.credential], default)

    def test_no_history(self):
        with self.database() as pool:
            self.assertFalse(pool.get(MODEL)._history)

    def test_log_does_not_hold_the_secret(self):
        self.administrator(MODEL, 'write', [self.credential], {
                'client_secret': SECRETS['kota']})

        with self.database() as pool:
            logs = pool.get('ir.model.log').search([
                    ('resource', '=', f'{MODEL},{self.credential}')])
            self.assertTrue(logs)
            for log in logs:
                self.assertNotIn(SECRETS['kota'], str(log.target))

    def test_ciphertext_is_not_read_by_anybody(self):
        for login in EVERYBODY:
            user = self.user(login)
            for method, *args in [
                    ('read', [self.credential], [HIDDEN]),
                    ('search_read', [], 0, None, None, [HIDDEN]),
                    ('export_data', [self.credential], [HIDDEN]),
                    ]:
                with self.subTest(login=login, method=method):
                    self.assertRaises(AccessError, user, MODEL, method, *args)

    def test_ciphertext_is_not_written_by_anybody(self):
        ciphertext = self.row(MODEL, self.credential)[HIDDEN]
        for login in EVERYBODY:
            with self.subTest(login=login):
                self.assertRaises(
                    AccessError, self.user(login), MODEL, 'write',
                    [self.credential], {HIDDEN: ciphertext})

    def test_ciphertext_is_not_searched_by_anybody(self):
        for login in EVERYBODY:
            user = self.user(login)
            for domain, order in [
                    ([(HIDDEN, 'like', 'g%')], None),
                    ([('OR', [(HIDDEN, '!=', None)], [('id', '>', 0)])], None),
                    ([], [(HIDDEN, 'ASC')]),
                    ]:
                with self.subTest(login=login, domain=domain, order=order):
                    self.assertRaises(
                        AccessError, user, MODEL, 'search', domain, 0, None,
                        order)

    def test_secret_is_not_searched(self):
        for domain, order in [
                ([('client_secret', '=', SECRETS['kota'])], None),
                ([('client_secret', 'like', 'R%')], None),
                ([], [('client_secret', 'ASC')]),
                ]:
            with self.subTest(domain=domain, order=order):
                self.assertRaises(
                    (AccessError, NotImplementedError), self.administrator,
                    MODEL, 'search', domain, 0, None, order)


class EncryptionKeyTestCase(SatusehatTestCase):
    "Test the keys of the server's configuration"

    def write(self, secret, branch='kota'):
        self.user(f'satusehat-{branch}')(
            MODEL, 'write', [self.credentials[branch]],
            {'client_secret': secret})

    def secret(self, branch='kota'):
        with self.database() as pool:
            return pool.get(MODEL)(self.credentials[branch]).secret

    def test_without_key_nothing_is_stored(self):
        before = self.row(MODEL, self.credentials['kota'])
        for keys in [[''], ['no Fernet key']]:
            with self.subTest(keys=keys), encryption_keys(*keys):
                with self.assertRaisesRegex(
                        EncryptionKeyError, 'encryption_keys') as raised:
                    self.write("Rahasia baru")
                self.assertNotIn("Rahasia baru", str(raised.exception))
        self.assertEqual(self.row(MODEL, self.credentials['kota']), before)

    def test_without_key_nothing_is_created(self):
        user = self.user('satusehat')
        with encryption_keys(''), self.assertRaises(EncryptionKeyError):
            user.create(
                MODEL, company=self.company(), environment='production',
                organization_id='10000004', client_id='client',
                client_secret="Rahasia baru")
        self.assertEqual(
            user.search(MODEL, [('environment', '=', 'production')]), [])

    def test_mask_and_other_fields_need_no_key(self):
        with encryption_keys(''):
            self.user('satusehat')(
                MODEL, 'write', [self.credentials['kota']],
                {'client_secret': MASK, 'client_id': 'client-kota'})
            self.assertEqual(
                self.user('satusehat').read(
                    MODEL, self.credentials['kota'], 'client_secret'),
                {'id': self.credentials['kota'], 'client_secret': MASK})

    def test_rotation(self):
        old, new = new_key(), new_key()
        self.addCleanup(self.write, SECRETS['desa'], 'desa')
        with encryption_keys(old):
            self.write("Rahasia lama", 'desa')
        with encryption_keys(new, old):
            self.assertEqual(self.secret('desa'), "Rahasia lama")
            self.write("Rahasia baru", 'desa')
            token = self.row(MODEL, self.credentials['desa'])[HIDDEN]
        with encryption_keys(old), self.assertRaises(crypto.KeyWrong):
            crypto.decrypt(token)
        with encryption_keys(new):
            self.assertEqual(self.secret('desa'), "Rahasia baru")

    def test_rotate_gives_the_newest_key(self):
        old, new = new_key(), new_key()
        with encryption_keys(old):
            token = crypto.encrypt("Rahasia")
        with encryption_keys(new, old):
            token = crypto.rotate(token)
        with encryption_keys(new):
            self.assertEqual(crypto.decrypt(token), "Rahasia")

    def test_lost_key(self):
        with encryption_keys(new_key()):
            with self.assertRaises(crypto.KeyWrong):
                self.secret()
            self.assertEqual(
                self.user('satusehat').read(
                    MODEL, self.credentials['kota'], 'client_secret'),
                {'id': self.credentials['kota'], 'client_secret': MASK})


class CredentialTestCase(SatusehatTestCase):
    "Test what a credential can be"

    def setUp(self):
        super().setUp()
        with self.changes() as pool:
            Gate = pool.get('satusehat.gate')
            Gate.delete(Gate.search([]))

    def open_gate(self, client_id, environment='staging'):
        with self.changes() as pool:
            gate = pool.get('satusehat.gate').of(environment, client_id)
            gate.open("token", 3600, dt.datetime(2030, 1, 1))
            gate.save()

    def gates(self):
        with self.database() as pool:
            return {
                (g.environment, g.client_id)
                for g in pool.get('satusehat.gate').search([])}

    def test_one_per_company_and_environment(self):
        with self.assertRaisesRegex(SQLConstraintError, "per environment"):
            self.user('satusehat').create(
                MODEL, company=self.company(), environment='staging',
                organization_id='10000099', client_id='client')

    def test_one_per_organization_and_environment(self):
        with self.assertRaisesRegex(SQLConstraintError, "Organization ID"):
            self.user('satusehat').create(
                MODEL, company=self.company(), environment='production',
                organization_id='10000099', client_id='client')
            self.user('satusehat-desa').create(
                MODEL, company=self.company('desa'),
                environment='production',
                organization_id='10000099', client_id='client')
        with self.changes() as pool:
            Credential = pool.get(MODEL)
            Credential.delete(Credential.search([
                        ('environment', '=', 'production')]))

    def test_other_environment(self):
        user = self.user('satusehat')
        id_ = user.create(
            MODEL, company=self.company(), environment='production',
            organization_id=ORGANIZATIONS['kota'], client_id='client')
        user(MODEL, 'delete', [id_])
        self.assertEqual(user.search(MODEL, [('id', '=', id_)]), [])

    def test_organization_id_is_part_of_an_address(self):
        for value in ['../Patient', 'a b', 'a/b', 'a?b', 'ä', 'a' * 65, '']:
            with self.subTest(value=value), self.assertRaises(ValidationError):
                self.user('satusehat')(
                    MODEL, 'write', [self.credentials['kota']],
                    {'organization_id': value})

    def test_company_of_the_context_is_default(self):
        self.assertEqual(
            self.user('satusehat-desa')(
                MODEL, 'default_get', ['company'])['company'],
            self.company('desa'))

    def test_new_secret_opens_the_gate(self):
        self.open_gate('client-kota')
        self.open_gate('client-desa')
        self.open_gate('client-kota', 'production')

        self.user('satusehat')(
            MODEL, 'write', [self.credentials['kota']],
            {'client_secret': SECRETS['kota']})

        self.assertEqual(self.gates(), {
                ('staging', 'client-desa'), ('production', 'client-kota')})

    def test_mask_keeps_other_gates(self):
        self.open_gate('client-desa')

        self.user('satusehat')(
            MODEL, 'write', [self.credentials['kota']],
            {'client_secret': MASK})

        self.assertEqual(self.gates(), {('staging', 'client-desa')})

    def test_token_is_ciphertext(self):
        self.open_gate('client-kota')

        with self.database() as pool:
            gate, = pool.get('satusehat.gate').search([])
            self.assertEqual(crypto.decrypt(gate.token_encrypted), "token")
