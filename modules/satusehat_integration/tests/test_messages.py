# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What people read, in their language."""

import ast
import inspect
import itertools
import os
from importlib import import_module
from pkgutil import iter_modules

from trytond.exceptions import UserError
from trytond.i18n import gettext
from trytond.modules.satusehat_integration import (
    exchange, explanation, verdict)
from trytond.modules.satusehat_integration.credential import explain
from trytond.modules.satusehat_integration.platform import answer as outcomes
from trytond.modules.satusehat_integration.submission import STATES

from .tools import MODULE, SatusehatTestCase, encryption_keys

PACKAGE = 'trytond.modules.satusehat_integration'
# Variables that hold a reason
REASON_NAMES = {'reason', 'FETCHING'}
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


def all_reasons():
    """The reasons that a submission can have.

    Those that the sources name, as a Verdict's or as a column's value, and
    those that they make of an answer's outcome or of a person's kind.
    """
    sources = [
        ast.parse(inspect.getsource(import_module(f'{PACKAGE}.{info.name}')))
        for info in iter_modules([os.path.dirname(verdict.__file__)])
        if not info.ispkg and info.name != 'credential']
    return {
        word for source in sources for node in ast.walk(source)
        for word in _reasons(node)} | (outcome_names() - {'ok'}) | {
            f'{who}_{what}' for who in ['patient', 'practitioner']
            for what in ['without_nik', 'not_found', 'ambiguous']}


def _reasons(node):
    "The reasons that the node of a source names in so many words"
    return {word for value in _values(node) for word in _words(value)}


def _words(value):
    "The texts that an expression can have as its value"
    if isinstance(value, ast.Constant) and isinstance(value.value, str):
        yield value.value
    elif isinstance(value, ast.IfExp):
        yield from _words(value.body)
        yield from _words(value.orelse)
    elif isinstance(value, ast.Call) and (
            getattr(value.func, 'id', None) == 'Case'):
        for case in value.args:
            yield from _words(case.elts[1])
        for keyword in value.keywords:
            yield from _words(keyword.value)
    elif isinstance(value, ast.Call) and isinstance(
            getattr(value.func, 'value', None), ast.Dict):
        for word in value.func.value.values:
            yield from _words(word)


def _values(node):
    "The parts of the node that are the reason of a submission"
    if isinstance(node, ast.Call):
        yield from (k.value for k in node.keywords if k.arg == 'reason')
        name = getattr(node.func, 'id', getattr(node.func, 'attr', None))
        if name in {'Verdict', 'Sent'}:
            yield from node.args[1:2]
        elif name == '_key_problem':
            yield from node.args[:1]
        elif name == 'update' and len(node.args) > 1:
            yield from _paired(*node.args[:2])
    elif isinstance(node, ast.Assign):
        for target in node.targets:
            yield from _paired(target, node.value)
    elif isinstance(node, ast.Dict):
        yield from (
            value for key, value in zip(node.keys, node.values, strict=True)
            if isinstance(key, ast.Constant) and key.value == 'reason')


def _paired(names, values):
    "The values of those names, or columns, that are a reason"
    pairs = (
        zip(names.elts, values.elts, strict=True)
        if hasattr(names, 'elts') and hasattr(values, 'elts')
        else [(names, values)])
    for name, value in pairs:
        if getattr(name, 'id', getattr(name, 'attr', None)) in REASON_NAMES:
            yield value


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
                "SATUSEHAT menolak isi kunjungan.",
                "Pengiriman menunggu sampai kunjungan dikoreksi.",
                "RuleNumber 10122"])

    def test_note_for_who_may_not_read_diagnoses(self):
        id_ = self.submission(
            state='needs_data', reason='refused', detail="Code not found: J00")
        with self.database() as pool:
            visit = pool.get('satusehat.submission')(id_).encounter.id
        note = self.user('registration').read(
            'clinic.encounter', visit, 'satusehat_note')['satusehat_note']
        self.assertNotIn("J00", note)

    def test_every_reason_has_words(self):
        reasons = all_reasons()
        self.assertLessEqual({
                'id_conflict', 'no_secret', 'lease_expired',
                'no_environment', 'not_found_yet', 'internal'}, reasons)
        for reason in reasons:
            with self.subTest(reason=reason):
                self.assert_words(f'{MODULE}.msg_reason_{reason}')

    def test_every_reason_says_what_happened_and_who_does_what(self):
        for language, reason in itertools.product(
                ['en', 'id'], all_reasons()):
            with self.shown(language=language), self.subTest(
                    reason=reason, language=language):
                what, who = explanation.words(reason)
                self.assertLessEqual(len(what), 80)
                self.assertRegex(what, r'^[A-Z].*\.$')
                self.assertRegex(who, r'^[A-Z].*[.:]$')

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
