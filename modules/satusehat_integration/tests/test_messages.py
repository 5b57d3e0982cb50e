# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What people read, in their language."""

import ast
import datetime as dt
import inspect

from trytond.exceptions import UserError
from trytond.i18n import gettext
from trytond.modules.satusehat_integration import (
    channel, exchange, lookup, sender, submission, verdict)
from trytond.modules.satusehat_integration.credential import explain
from trytond.modules.satusehat_integration.platform import answer as outcomes
from trytond.modules.satusehat_integration.submission import STATES

from .tools import MODULE, SatusehatTestCase, encryption_keys

STATES_ID = {
    'pending': "Menunggu dikirim",
    'sending': "Sedang dikirim",
    'checking': "Memastikan",
    'waiting': "Tertunda",
    'needs_data': "Perlu perbaikan data",
    'needs_admin': "Perlu admin",
    'sent': "Terkirim",
    'stopped': "Dihentikan",
    }


def outcome_names():
    "The outcomes that an Answer can have"
    return {
        value for name, value in vars(outcomes).items()
        if name.isupper() and isinstance(value, str)}


def written_reasons():
    "The reasons that the sender's sources give a Verdict in so many words"
    reasons = set()
    for module in [channel, lookup, sender, submission, verdict]:
        for node in ast.walk(ast.parse(inspect.getsource(module))):
            if (isinstance(node, ast.Call)
                    and getattr(node.func, 'id', None) == 'Verdict'
                    and len(node.args) > 1
                    and isinstance(node.args[1], ast.Constant)):
                reasons.add(node.args[1].value)
    return reasons - {None}


class IndonesianTestCase(SatusehatTestCase):
    "A clinic with users who read Indonesian"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        self = cls()
        with self.changes() as pool:
            Lang = pool.get('ir.lang')
            User = pool.get('res.user')
            language, = Lang.search([('code', '=', 'id')])
            Lang.load_translations([language])
            User.write(User.search([]), {'language': language.id})

    def assert_refused(self, words, *args, **kwargs):
        with self.assertRaisesRegex(UserError, words):
            self.user('satusehat')(*args, **kwargs)

    def test_states(self):
        self.assertEqual(set(STATES_ID), set(dict(STATES)))
        for login, model, name in [
                ('satusehat', 'satusehat.submission', 'state'),
                ('doctor', 'clinic.encounter', 'satusehat_state')]:
            with self.subTest(model=model):
                field = self.user(login)(
                    model, 'fields_get', [name])[name]
                self.assertEqual(
                    {k: v for k, v in field['selection'] if k}, STATES_ID)

    def test_menus(self):
        user = self.user('satusehat')
        names = {
            m['name'] for m in user(
                'ir.ui.menu', 'search_read', [], 0, None, None, ['name'])}
        self.assertLessEqual({
                "SATUSEHAT", "Log server SATUSEHAT", "Pengiriman",
                "Kredensial"}, names)
        names = {
            m['name'] for m in self.user('doctor')(
                'ir.ui.menu', 'search_read', [], 0, None, None, ['name'])}
        self.assertIn("Klinik", names)

    def test_buttons(self):
        user = self.user('satusehat')
        for model, words in [
                ('satusehat.credential', "Uji koneksi"),
                ('satusehat.submission', "Kirim ulang")]:
            with self.subTest(model=model):
                view = user(model, 'fields_view_get', None, 'form')
                self.assertIn(f'string="{words}"', view['arch'])

    def test_refusals(self):
        model = 'satusehat.credential'
        id_ = self.credentials['kota']
        self.assert_refused(
            "hanya boleh berisi huruf, angka", model, 'write', [id_],
            {'organization_id': 'a b'})
        self.assert_refused(
            "satu kredensial per lingkungan", model, 'create', [{
                    'company': self.company(), 'environment': 'staging',
                    'organization_id': '1', 'client_id': 'x'}])
        with encryption_keys(''):
            self.assert_refused(
                "Kunci enkripsi server belum diatur", model, 'write', [id_],
                {'client_secret': "Rahasia"})

    def test_note_of_a_visit(self):
        id_ = self.submission(
            state='needs_data', reason='refused', detail="RuleNumber 10122")
        with self.database() as pool:
            visit = pool.get('satusehat.submission')(id_).encounter.id
        note = self.user('doctor').read(
            'clinic.encounter', visit, 'satusehat_note')['satusehat_note']
        self.assertEqual(
            note.splitlines(), [
                "SATUSEHAT menolak isi kunjungan. Pengiriman menunggu sampai "
                "kunjungan dikoreksi.", "RuleNumber 10122"])

    def test_note_for_who_may_not_read_diagnoses(self):
        id_ = self.submission(
            state='needs_data', reason='refused', detail="Code not found: J00")
        with self.database() as pool:
            visit = pool.get('satusehat.submission')(id_).encounter.id
        note = self.user('registration').read(
            'clinic.encounter', visit, 'satusehat_note')['satusehat_note']
        self.assertNotIn("J00", note)

    def test_next_attempt_in_the_time_of_the_branch(self):
        id_ = self.submission(
            state='waiting', reason='server_error',
            next_attempt=dt.datetime(2026, 3, 2, 20, 5))
        text = self.user('satusehat').read(
            'satusehat.submission', id_, 'last_error')['last_error']
        self.assertEqual(
            text, "SATUSEHAT sedang mengalami gangguan.\n"
            "Percobaan berikutnya: 03-03-2026 03:05.")

    def test_every_reason_has_words(self):
        reasons = (outcome_names() - {'ok'}) | written_reasons() | {
            f'{who}_{what}' for who in ['patient', 'practitioner']
            for what in ['without_nik', 'not_found', 'ambiguous']}
        self.assertLessEqual({'id_conflict', 'no_secret'}, reasons)
        for reason in reasons:
            with self.subTest(reason=reason):
                self.assert_words(f'{MODULE}.msg_reason_{reason}')

    def test_every_outcome_has_words(self):
        self.assertEqual(
            outcome_names() | {'unknown'}, set(exchange.OUTCOMES))
        for outcome in exchange.OUTCOMES:
            with self.subTest(outcome=outcome):
                self.assert_words(f'{MODULE}.msg_exchange_{outcome}')
        for outcome in outcome_names() - {'ok'}:
            with self.subTest(outcome=outcome):
                self.assert_words(f'{MODULE}.msg_outcome_{outcome}')

    def assert_words(self, message):
        with self.shown(language='en'):
            english = gettext(message)
        with self.shown(language='id'):
            indonesian = gettext(message)
        self.assertNotIn(message, [english, indonesian])
        self.assertNotEqual(english, indonesian)

    def test_answers_are_explained(self):
        class Answer:
            outcome = 'refused'
            causes = ()
        with self.shown(language='id'):
            self.assertEqual(
                explain(Answer()), "SATUSEHAT menolak permintaan ini.")
