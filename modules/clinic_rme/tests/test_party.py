# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import datetime as dt
import itertools
from types import SimpleNamespace
from unittest.mock import patch

from trytond.model.exceptions import SQLConstraintError

from trytond.modules.clinic_rme.exceptions import (
    BirthDateValidationError, NIKValidationError)

from .tools import RemoteTestCase

serials = itertools.count(2)


def new_nik(day='01'):
    return f'317401{day}0192{next(serials):04}'


def frozen(utc):
    class Frozen(dt.datetime):
        @classmethod
        def now(cls, tz=None):
            return utc.replace(tzinfo=dt.timezone.utc).astimezone(tz)
    return Frozen


class PersonTestCase(RemoteTestCase):
    "Identity of a person, as the registration clerk enters it"

    def setUp(self):
        super().setUp()
        self.clerk = self.user('registration')

    def create(self, **values):
        return self.clerk.create(
            'party.party', **{'name': "Budi Santoso", **values})

    def read(self, person, *names):
        return self.clerk.read('party.party', person, *names)

    def notices(self, **values):
        return self.clerk('party.party', 'on_change_notify', values)

    def test_nik(self):
        nik = new_nik()
        self.assertEqual(
            self.read(self.create(nik=nik), 'nik')['nik'], nik)

    def test_nik_with_spaces_and_dashes(self):
        for typed in ['{0} {1} {2} {3}', '{0}-{1}-{2}-{3}', ' {0}.{1}.{2}{3} ',
                '\t{0}{1}\u00a0{2}{3}\n']:
            with self.subTest(typed=typed):
                nik = new_nik()
                parts = [nik[i:i + 4] for i in range(0, 16, 4)]
                person = self.create(nik=typed.format(*parts))
                self.assertEqual(self.read(person, 'nik')['nik'], nik)
                self.clerk(
                    'party.party', 'write', [person],
                    {'nik': typed.format(*parts)})
                self.assertEqual(self.read(person, 'nik')['nik'], nik)

    def test_nik_impossible(self):
        before = self.content('party.party')
        for nik, message in [
                ('317401010192001', "must have 16 digits; 15 were entered"),
                ('31740101019200011', "must have 16 digits; 17 were entered"),
                ('31740101o1920001', "must have digits only"),
                ('3174013102920001', "digits 7 to 12 are not a date"),
                ('3174017202920001', "digits 7 to 12 are not a date"),
                ('3174010113920001', "digits 7 to 12 are not a date"),
                ('0000000000000000', "digits 7 to 12 are not a date"),
                ]:
            with self.subTest(nik=nik):
                with self.assertRaisesRegex(NIKValidationError, message):
                    self.create(nik=nik)
                with self.assertRaisesRegex(NIKValidationError, message):
                    self.clerk(
                        'party.party', 'write', [self.clinic['people'][0]],
                        {'nik': nik})
        self.assertEqual(self.content('party.party'), before)

    def test_nik_twice(self):
        nik = new_nik()
        self.create(nik=nik)
        other = self.create()
        for typed in [nik, f' {nik[:6]}-{nik[6:]} ']:
            with self.assertRaisesRegex(
                    SQLConstraintError, "belongs to another person"):
                self.create(nik=typed)
            with self.assertRaisesRegex(
                    SQLConstraintError, "belongs to another person"):
                self.clerk('party.party', 'write', [other], {'nik': typed})
        self.assertIsNone(self.read(other, 'nik')['nik'])

    def test_nik_twice_in_one_call(self):
        nik = new_nik()
        with self.assertRaises(SQLConstraintError):
            self.clerk('party.party', 'create', [
                    {'name': "Budi", 'nik': nik},
                    {'name': "Badu", 'nik': nik}])

    def test_nik_of_inactive_person(self):
        nik = new_nik()
        person = self.create(nik=nik)
        self.clerk('party.party', 'write', [person], {'active': False})
        with self.assertRaises(SQLConstraintError):
            self.create(nik=nik)

    def test_nik_empty(self):
        persons = [self.create(nik=nik) for nik in ['', ' ', '-', None]]
        for person in persons:
            self.assertIsNone(self.read(person, 'nik')['nik'])
        person = self.create(nik=new_nik())
        self.clerk('party.party', 'write', [person], {'nik': ''})
        self.assertIsNone(self.read(person, 'nik')['nik'])

    def test_nik_exchanged_with_another(self):
        first, second = self.create(nik=new_nik()), self.create(nik=new_nik())
        free, taken = (
            self.read(p, 'nik')['nik'] for p in [first, second])
        self.clerk('party.party', 'write', [first], {'nik': None})
        self.clerk('party.party', 'write', [second], {'nik': free})
        self.clerk('party.party', 'write', [first], {'nik': taken})
        self.assertEqual(self.read(second, 'nik')['nik'], free)

    def test_nik_copied(self):
        person = self.create(nik=new_nik())
        copy, = self.clerk('party.party', 'copy', [person])
        self.assertIsNone(self.read(copy, 'nik')['nik'])

    def test_batch(self):
        "Several persons in one call, and several writes in one"
        niks = [new_nik() for _ in range(3)]
        persons = self.clerk('party.party', 'create', [
                {'name': f"Anak {i}", 'nik': nik}
                for i, nik in enumerate(niks)])
        self.assertEqual([self.read(p, 'nik')['nik'] for p in persons], niks)
        self.clerk(
            'party.party', 'write',
            [persons[0]], {'sex': 'male'},
            [persons[1]], {'sex': 'female'},
            [persons[2]], {'birth_date': dt.date(2001, 2, 3)})
        self.assertEqual(
            [self.read(p, 'sex')['sex'] for p in persons],
            ['male', 'female', None])

    def test_code_is_found_by_its_digits(self):
        person = self.create(code="A-12/3")
        self.assertEqual(
            self.read(person, 'code_alnum', 'code_digit'),
            {'id': person, 'code_alnum': 'A123', 'code_digit': 123})
        self.clerk('party.party', 'write', [person], {'code': "B-7"})
        self.assertEqual(
            self.read(person, 'code_alnum', 'code_digit'),
            {'id': person, 'code_alnum': 'B7', 'code_digit': 7})
        given = self.create()
        code = self.read(given, 'code')['code']
        self.assertEqual(
            self.read(given, 'code_digit')['code_digit'], int(code))

    def test_language_is_optional(self):
        person = self.create()
        self.assertIsNone(self.read(person, 'lang')['lang'])
        language, = self.clerk.search('ir.lang', [('code', '=', 'id')])
        self.clerk('party.party', 'write', [person], {'lang': language})
        self.assertEqual(self.read(person, 'lang')['lang'], language)

    def test_disagreement_is_a_notice_and_does_not_stop(self):
        for field, message, values in [
                ('sex', "the other sex", {'sex': 'female'}),
                ('birth_date', "another birth date",
                    {'birth_date': dt.date(1990, 1, 1)}),
                ('province', "no known province", {}),
                ]:
            with self.subTest(field=field):
                nik = new_nik()
                if field == 'province':
                    nik = '99' + nik[2:]
                notices = self.notices(name="Budi", nik=nik, **values)
                self.assertEqual([n[0] for n in notices], ['warning'])
                self.assertRegex(notices[0][1], message)
                person = self.create(nik=nik, **values)
                self.assertEqual(self.read(person, 'nik')['nik'], nik)

    def test_no_notice_when_all_agrees(self):
        self.assertEqual(
            self.notices(
                name="Budi", nik=new_nik('41'), sex='female',
                birth_date=dt.date(1992, 1, 1)), [])

    def test_notice_of_impossible_nik(self):
        (kind, message), = self.notices(name="Budi", nik='12')
        self.assertEqual(kind, 'warning')
        self.assertRegex(message, "16 digits; 2 were entered")

    def test_notice_of_nik_of_another(self):
        person = self.create(nik=new_nik())
        nik = self.read(person, 'nik')['nik']
        (kind, message), = self.notices(nik=f'{nik[:8]} {nik[8:]}')
        self.assertEqual(kind, 'warning')
        self.assertRegex(message, "belongs to another person")
        self.assertEqual(self.notices(id=person, nik=nik), [])

    def test_namesake(self):
        born = dt.date(1977, 7, 7)
        person = self.create(name="Sri Wahyuni", birth_date=born)
        for name in ["Sri Wahyuni", "sri wahyuni ", "SRI WAHYUNI"]:
            with self.subTest(name=name):
                (kind, message), = self.notices(name=name, birth_date=born)
                self.assertEqual(kind, 'warning')
                self.assertRegex(message, "same name and birth date")
        self.assertEqual(
            self.notices(id=person, name="Sri Wahyuni", birth_date=born), [])
        self.assertEqual(
            self.notices(name="Sri Wahyuni", birth_date=dt.date(1977, 7, 8)),
            [])
        self.assertEqual(self.notices(name="Sri Wahyuni"), [])
        self.create(name="Sri Wahyuni", birth_date=born)

    def test_name_with_wildcards_is_no_pattern(self):
        born = dt.date(1966, 6, 6)
        self.create(name="Agus", birth_date=born)
        self.assertEqual(self.notices(name="A%", birth_date=born), [])
        self.assertEqual(self.notices(name="____", birth_date=born), [])

    def test_notices_tell_nothing_without_rights(self):
        nik = self.read(self.clinic['people'][0], 'nik')['nik']
        for login in ['nobody', 'cashier', 'pharmacist']:
            with self.subTest(login=login):
                self.assertEqual(
                    self.user(login)(
                        'party.party', 'on_change_notify', {
                            'nik': nik,
                            'name': "Ardianto Putra",
                            'birth_date': dt.date(1992, 1, 1),
                            }), [])

    def test_birth_date(self):
        today = dt.date(2026, 1, 10)
        with patch(
                'trytond.ir.date.Date.today', return_value=today):
            for birth_date in [today, dt.date(1870, 1, 1)]:
                self.create(birth_date=birth_date)
            for birth_date in [dt.date(2026, 1, 11), dt.date(1869, 12, 31)]:
                with self.subTest(birth_date=birth_date):
                    with self.assertRaisesRegex(
                            BirthDateValidationError, "future or before 1870"):
                        self.create(birth_date=birth_date)

    def test_newborn_of_the_branch_day(self):
        "At 06:30 in the branch it is still yesterday in UTC"
        company = self.clinic['kota']['company']
        for zone, utc in [
                ('Asia/Jakarta', dt.datetime(2026, 3, 1, 23, 30)),
                ('Asia/Makassar', dt.datetime(2026, 3, 1, 22, 30)),
                ('Asia/Jayapura', dt.datetime(2026, 3, 1, 21, 30)),
                ]:
            with self.subTest(zone=zone):
                self.root(
                    'company.company', 'write', [company],
                    {'timezone': zone})
                with patch(
                        'trytond.ir.date.datetime',
                        SimpleNamespace(datetime=frozen(utc))):
                    self.create(birth_date=dt.date(2026, 3, 2))
                    with self.assertRaises(BirthDateValidationError):
                        self.create(birth_date=dt.date(2026, 3, 3))
        self.root(
            'company.company', 'write', [company],
            {'timezone': 'Asia/Jakarta'})
