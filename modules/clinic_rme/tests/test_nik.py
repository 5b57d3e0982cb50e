# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import datetime as dt
import unittest

from hypothesis import given, settings
from hypothesis import strategies as st

from trytond.modules.clinic_rme import nik

quick = settings(max_examples=200, deadline=None)
digits16 = st.text('0123456789', min_size=16, max_size=16)
birth_dates = st.dates(dt.date(1900, 1, 1), dt.date(2099, 12, 31))
sexes = st.sampled_from(['male', 'female'])
provinces = st.sampled_from(sorted(nik.PROVINCES))


def build(birth_date, sex, province='31', serial=1):
    "Write the NIK that a person gets"
    day = birth_date.day + 40 * (sex == 'female')
    return (
        f'{province}7401{day:02}{birth_date.month:02}'
        f'{birth_date.year % 100:02}{serial:04}')


class NIKTestCase(unittest.TestCase):
    "The structure of the identity number"

    @quick
    @given(digits16)
    def test_digits_have_problem_or_birth_dates(self, text):
        problem = nik.problem(text)
        self.assertIn(problem, {None, 'date'})
        self.assertEqual(problem is None, bool(nik.birth_dates(text)))

    @quick
    @given(st.text())
    def test_every_text_has_an_answer(self, text):
        problem = nik.problem(text)
        self.assertIn(problem, {None, 'digits', 'length', 'date'})
        if problem is None:
            self.assertRegex(text, r'\A[0-9]{16}\Z')

    @quick
    @given(st.text('0123456789', max_size=30).filter(lambda t: len(t) != 16))
    def test_other_length(self, text):
        self.assertEqual(nik.problem(text), 'length')

    @quick
    @given(st.none() | st.text() | st.text(' .-\t\n0123456789'))
    def test_compact_is_idempotent(self, text):
        once = nik.compact(text)
        self.assertEqual(nik.compact(once), once)
        self.assertNotEqual(once, '')

    @quick
    @given(digits16, st.lists(
            st.tuples(st.integers(0, 16), st.sampled_from(' .-\t\u00a0'))))
    def test_compact_takes_out_what_people_type(self, text, marks):
        typed = text
        for position, mark in marks:
            typed = typed[:position] + mark + typed[position:]
        self.assertEqual(nik.compact(typed), text)

    @quick
    @given(birth_dates, sexes, provinces, st.integers(0, 9999))
    def test_person_agrees_with_own_number(
            self, birth_date, sex, province, serial):
        number = build(birth_date, sex, province, serial)
        self.assertIsNone(nik.problem(number))
        self.assertIn(birth_date, nik.birth_dates(number))
        self.assertEqual(nik.sex(number), sex)
        self.assertEqual(
            nik.disagreements(number, birth_date, sex), set())

    @quick
    @given(birth_dates, birth_dates, sexes)
    def test_other_birth_date_disagrees(self, birth_date, other, sex):
        number = build(birth_date, sex)
        same = (
            (birth_date.day, birth_date.month, birth_date.year % 100)
            == (other.day, other.month, other.year % 100))
        self.assertEqual(
            'birth_date' in nik.disagreements(number, other), not same)

    def test_days_of_women(self):
        for day, sex in [
                ('01', 'male'), ('31', 'male'),
                ('41', 'female'), ('71', 'female')]:
            with self.subTest(day=day):
                number = f'317401{day}01920001'
                self.assertIsNone(nik.problem(number))
                self.assertEqual(nik.sex(number), sex)

    def test_days_that_no_month_has(self):
        for day in ['00', '32', '40', '72', '99']:
            with self.subTest(day=day):
                self.assertEqual(nik.problem(f'317401{day}01920001'), 'date')

    def test_day_past_the_end_of_its_month(self):
        self.assertEqual(nik.problem('3174013104920001'), 'date')
        self.assertEqual(nik.problem('3174017104920001'), 'date')
        self.assertEqual(nik.problem('3174010113920001'), 'date')
        self.assertEqual(nik.problem('3174010100920001'), 'date')

    def test_leap_days(self):
        for year, dates in {
                '00': {dt.date(2000, 2, 29)},
                '01': set(),
                '04': {dt.date(1904, 2, 29), dt.date(2004, 2, 29)},
                '90': set(),
                '96': {dt.date(1996, 2, 29), dt.date(2096, 2, 29)},
                }.items():
            for day in ['29', '69']:
                with self.subTest(day=day, year=year):
                    number = f'317401{day}02{year}0001'
                    self.assertEqual(nik.birth_dates(number), dates)
                    self.assertEqual(
                        nik.problem(number), None if dates else 'date')

    def test_digits_of_other_scripts(self):
        self.assertEqual(nik.problem('٣١٧٤٠١٠١٠١٩٢٠٠٠١'), 'digits')
        self.assertEqual(nik.problem('３１７４０１０１０１９２０００１'), 'digits')
        self.assertEqual(nik.problem('317401010192000¹'), 'digits')

    def test_disagreements(self):
        number = '3174010101920001'
        born = dt.date(1992, 1, 1)
        for expected, arguments in [
                (set(), (number, born, 'male')),
                (set(), (number, None, None)),
                (set(), (number, born, 'unknown')),
                (set(), (number, born, 'other')),
                ({'sex'}, (number, born, 'female')),
                ({'birth_date'}, (number, dt.date(1992, 1, 2), 'male')),
                ({'province'}, ('99' + number[2:], born, 'male')),
                ({'province', 'birth_date', 'sex'},
                    ('00' + number[2:], dt.date(1993, 1, 1), 'female')),
                ]:
            with self.subTest(arguments=arguments):
                self.assertEqual(nik.disagreements(*arguments), expected)

    def test_provinces_of_papua(self):
        for province in ['91', '92', '93', '94', '95', '96']:
            with self.subTest(province=province):
                self.assertEqual(
                    nik.disagreements(province + '74010101920001'), set())
