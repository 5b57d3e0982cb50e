# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import datetime as dt
import itertools
from decimal import Decimal
from types import SimpleNamespace

from trytond.model.exceptions import (
    DomainValidationError, RequiredValidationError, SQLConstraintError)

from trytond.modules.clinic_rme.exceptions import InvestigationError

from .tools import RemoteTestCase

MODEL = 'clinic.investigation'
serials = itertools.count(1)
DAY = dt.date(2026, 11, 22)
# What is typed, and what is among the first FIRST then
FIRST = 3
EVERYDAY = {
    'gula darah': 'GDS',
    'gula darah puasa': 'GDP',
    'gds stik': 'GDSTIK',
    'gula puasa': 'GDP',
    'gula darah 2 jam': 'GD2PP',
    'kolesterol': 'CHOL',
    'lemak darah': 'LIPID',
    'asam urat': 'AU',
    'darah lengkap': 'DL',
    'tes darah': 'DL',
    'hb': 'HB',
    'fungsi ginjal': 'UR',
    'SGPT': 'SGPT',
    'urin lengkap': 'UL',
    'cek kencing': 'UL',
    'tipes': 'WIDAL',
    'widal': 'WIDAL',
    'demam berdarah': 'NS1',
    'tes hiv': 'HIV',
    'hepatitis b': 'HBSAG',
    'raja singa': 'SIFILIS',
    'cek dahak': 'BTA',
    'TCM': 'TCM',
    'golongan darah': 'GOLDA',
    'test pack': 'HCG',
    'cek hamil': 'HCG',
    'rontgen dada': 'THPA',
    'thorax': 'THPA',
    'dada rontgen': 'THPA',
    'rontgen kaki': 'EKSB',
    'rontgen gigi': 'PANO',
    'usg kandungan': 'USGOB',
    'usg perut': 'USGABD',
    }


class InvestigationTestCase(RemoteTestCase):
    "The list of investigations, as the administration keeps it"

    def setUp(self):
        super().setUp()
        self.admin = self.user('admin')
        self.ids = self.clinic['investigations']

    def create(self, **values):
        number = next(serials)
        return self.admin.create(MODEL, **{
                'code': f'X{number}', 'name': "Tes", 'kind': 'laboratory',
                'value_type': 'text', **values})

    def test_list_is_shipped(self):
        for kind, least in [('laboratory', 60), ('radiology', 15)]:
            self.assertGreaterEqual(
                len(self.admin.search(MODEL, [('kind', '=', kind)])), least)
        with self.database() as pool:
            Investigation = pool.get(MODEL)
            panel = Investigation(self.ids['DL'])
            self.assertEqual(
                [p.code for p in panel.parts[:3]], ['HB', 'HT', 'LEU'])
            self.assertEqual(len(panel.parts), 14)
            haemoglobin = Investigation(self.ids['HB'])
            self.assertEqual(haemoglobin.parts, [haemoglobin])
            self.assertEqual(haemoglobin.loinc_code, '718-7')
            self.assertEqual(haemoglobin.ucum_code, 'g/dL')
            self.assertEqual(Investigation(self.ids['THPA']).parts, [])
            self.assertEqual(
                [(c.name, c.interpretation)
                    for c in Investigation(self.ids['NS1']).choices],
                [("Negatif", 'N'), ("Positif", 'A')])

    def test_everyday_words(self):
        codes = {id_: code for code, id_ in self.ids.items()}
        doctor = self.user('doctor')
        for words, code in EVERYDAY.items():
            with self.subTest(words=words):
                found = doctor(
                    MODEL, 'search', [('rec_name', 'ilike', f'%{words}%')],
                    0, FIRST, None)
                self.assertIn(code, [codes[i] for i in found])

    def test_loinc(self):
        id_ = self.create(loinc_code=' 718-7 ')
        self.assertEqual(
            self.admin.read(MODEL, id_, 'loinc_code')['loinc_code'], '718-7')
        for code in ['718-8', '7187', 'LA6113-0', '718-7 ']:
            if code.strip() == '718-7':
                continue
            with self.subTest(code=code):
                with self.assertRaisesRegex(InvestigationError, "LOINC"):
                    self.create(loinc_code=code)
                with self.assertRaisesRegex(InvestigationError, "LOINC"):
                    self.admin(MODEL, 'write', [id_], {'loinc_code': code})

    def test_code_is_unique(self):
        with self.assertRaises(SQLConstraintError):
            self.create(code=' hb')

    def test_number_needs_a_unit(self):
        with self.assertRaises(RequiredValidationError):
            self.create(value_type='numeric')

    def test_limits_in_order(self):
        number = {
            'value_type': 'numeric', 'unit': 'g/dL', 'ucum_code': 'g/dL'}
        with self.assertRaises(DomainValidationError):
            self.create(
                minimum=Decimal(5), maximum=Decimal(4), **number)
        for wrong in [
                {'low': Decimal(5), 'high': Decimal(4)},
                {'low': Decimal(5), 'critical_low': Decimal(6)},
                {'high': Decimal(5), 'critical_high': Decimal(4)},
                {'age_from': 5, 'age_to': 5},
                {'age_from': -1},
                {'age_to': 0},
                ]:
            with self.subTest(wrong), self.assertRaises(
                    DomainValidationError):
                self.create(ranges=[('create', [wrong])], **number)

    def test_choice_needs_choices(self):
        with self.assertRaises(RequiredValidationError):
            self.create(value_type='choice')

    def test_panel_of_panels(self):
        for wrong in ['DL', 'THPA']:
            with self.subTest(wrong), self.assertRaises(
                    DomainValidationError):
                self.create(value_type='panel', components=[
                        ('create', [{'investigation': self.ids[wrong]}])])

    def test_component_twice(self):
        with self.assertRaises(SQLConstraintError):
            self.create(value_type='panel', components=[
                    ('create', [{'investigation': self.ids['HB']}] * 2)])

    def test_long_names(self):
        names = '\n'.join(f"\"nama\" {i} 🩸" for i in range(1000))
        id_ = self.create(everyday_names=names)
        self.assertEqual(self.admin.read(
                MODEL, id_, 'everyday_names')['everyday_names'], names)

    def test_inactive_is_not_offered(self):
        id_ = self.create(name="Tes Langka")
        self.admin(MODEL, 'write', [id_], {'active': False})
        self.assertEqual(self.user('doctor').search(
                MODEL, [('rec_name', 'ilike', "%tes langka%")]), [])

    def test_range_by_sex_and_age(self):
        "The first day of an age belongs to the range of that age"
        with self.database() as pool:
            investigation = pool.get(MODEL)(self.ids['HB'])
            for sex, birth, low in [
                    ('male', dt.date(2026, 11, 22), '13.5'),
                    ('male', dt.date(2026, 10, 23), '13.5'),
                    ('male', dt.date(2026, 10, 22), '9.5'),
                    ('female', dt.date(2021, 11, 23), '11'),
                    ('female', dt.date(2021, 11, 22), '11.5'),
                    ('male', dt.date(2011, 11, 23), '12'),
                    ('male', dt.date(2011, 11, 22), '13'),
                    ('female', dt.date(2011, 11, 22), '12'),
                    ('female', dt.date(1950, 1, 1), '12'),
                    ('unknown', dt.date(1950, 1, 1), None),
                    (None, dt.date(2020, 1, 1), '11.5'),
                    ('male', None, None),
                    ]:
                person = SimpleNamespace(sex=sex, birth_date=birth)
                with self.subTest(sex=sex, birth=birth):
                    found = investigation.range_for(person, DAY)
                    self.assertEqual(
                        found and found.low, low and Decimal(low))

    def test_glucose_of_newborns(self):
        with self.database() as pool:
            for code in ['GDS', 'GDSTIK']:
                investigation = pool.get(MODEL)(self.ids[code])
                for birth, limits in [
                        (DAY, [45, 125, 40, 200]),
                        (DAY - dt.timedelta(27), [45, 125, 40, 200]),
                        (DAY - dt.timedelta(28), [70, 139, 54, 400]),
                        (None, [70, 139, 54, 400])]:
                    person = SimpleNamespace(sex='male', birth_date=birth)
                    with self.subTest(code=code, birth=birth):
                        found = investigation.range_for(person, DAY)
                        self.assertEqual([
                                found.low, found.high, found.critical_low,
                                found.critical_high], limits)

    def test_glucose_by_specimen(self):
        with self.database() as pool:
            for code, loinc, specimen in [
                    ('GDS', '2345-7', 'serum'), ('GDP', '1558-6', 'serum'),
                    ('GD2PP', '1521-4', 'serum'),
                    ('GDSTIK', '2339-0', 'blood')]:
                investigation = pool.get(MODEL)(self.ids[code])
                self.assertEqual(
                    (investigation.loinc_code, investigation.specimen_type),
                    (loinc, specimen), code)

    def test_range_of_the_own_sex_first(self):
        id_ = self.create(
            value_type='numeric', unit='%', ucum_code='%',
            ranges=[('create', [
                        {'low': Decimal(1), 'sequence': 1},
                        {'low': Decimal(2), 'sex': 'female', 'sequence': 2},
                        ])])
        with self.database() as pool:
            investigation = pool.get(MODEL)(id_)
            for sex, low in [('female', 2), ('male', 1), ('other', 1)]:
                person = SimpleNamespace(sex=sex, birth_date=None)
                self.assertEqual(
                    investigation.range_for(person, DAY).low, low)
