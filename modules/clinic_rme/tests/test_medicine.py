# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import unittest

from trytond.model.exceptions import AccessError, SQLConstraintError
from trytond.pool import Pool
from trytond.tests.test_tryton import activate_module, with_transaction
from trytond.transaction import check_access

from trytond.modules.clinic_rme.csv_file import MAX_ROWS, read_csv
from trytond.modules.clinic_rme.exceptions import (
    CSVFileError, MedicineValidationError)
from trytond.modules.clinic_rme.medicine import FORM_NAMES, FORMS
from trytond.modules.clinic_rme.medicine_import import ingredients_of

from .test_terminology import as_user, create_user

LIST = '''\
Nama;Kode;Sediaan;Kekuatan;Zat Aktif;KFA
Parasetamol;P1;Tablet;500 mg;Parasetamol 500 mg;93000001
Amoksiklav;A1;kaplet;;Amoksisilin 500 mg + Asam Klavulanat 125 mg;
Bodrex;;Tab;;"Parasetamol 600 mg;Kafein 50 mg";
'''


def create_medicine(**values):
    Medicine = Pool().get('clinic.medicine')
    medicine, = Medicine.create([{'name': "Parasetamol", **values}])
    return medicine


def completion(text):
    return [
        row['name']
        for row in Pool().get('clinic.medicine').autocomplete(text, limit=5)]


class MedicineTestCase(unittest.TestCase):
    "Test what is stored of a medicine and how it is found"

    @classmethod
    def setUpClass(cls):
        activate_module('clinic_rme')

    @with_transaction()
    def test_search(self):
        Substance = Pool().get('clinic.substance')
        paracetamol, caffeine = Substance.create(
            [{'name': "Paracetamol"}, {'name': "Kafein"}])
        syrup = create_medicine(
            name="Sanmol", strength="120 mg/5 mL", form='syrup',
            kfa_code='93000002', code='S-1', ingredients=[
                ('create', [{'substance': paracetamol.id}])])
        create_medicine(name="Panadol", strength="500 mg", form='tablet')
        for text in [
                'sanmol', 'sirup sanmol', 'parace', '93000002', 's-1',
                'sanmol 120', 'syrup', 'Sanmol 120 mg/5 mL Syrup']:
            with self.subTest(text=text):
                self.assertEqual(
                    completion(text), ["Sanmol 120 mg/5 mL Syrup"])
        self.assertEqual(
            Pool().get('clinic.medicine').search(
                [('rec_name', '=', syrup.rec_name)]), [syrup])

        Substance.write([paracetamol], {'name': "Asetaminofen"})
        self.assertEqual(completion('asetam'), [syrup.rec_name])
        self.assertEqual(completion('paracetamol'), [])

        ingredient, = syrup.ingredients
        ingredient.substance = caffeine
        ingredient.save()
        self.assertEqual(completion('kafein'), [syrup.rec_name])
        Pool().get('clinic.medicine.ingredient').delete([ingredient])
        self.assertEqual(completion('kafein'), [])

    @with_transaction()
    def test_kfa_code(self):
        Substance = Pool().get('clinic.substance')
        for code in ['93000001', '92000001', '94000001', ' 93000009 ', '', None]:
            with self.subTest(code=code):
                self.assertEqual(
                    create_medicine(kfa_code=code).kfa_code,
                    (code or '').strip() or None)
        for code in ['91000001', '9300000', '930000011', '9300000x', "' OR 1"]:
            with self.subTest(code=code), \
                    self.assertRaises(MedicineValidationError):
                create_medicine(kfa_code=code)
        with self.assertRaises(MedicineValidationError):
            Substance.create([{'name': "X", 'kfa_code': '93000001'}])
        Substance.create([{'name': "Y", 'kfa_code': '91000001'}])

    @with_transaction()
    def test_kfa_code_unique(self):
        create_medicine(kfa_code='93000001')
        with self.assertRaises(SQLConstraintError):
            create_medicine(kfa_code='93000001')

    @with_transaction()
    def test_substance_once(self):
        substance, = Pool().get('clinic.substance').create([{'name': "X"}])
        with self.assertRaises(SQLConstraintError):
            create_medicine(ingredients=[
                    ('create', [{'substance': substance.id}] * 2)])

    def test_forms_have_names(self):
        self.assertEqual(
            {form for form, _ in FORMS if form}, set(FORM_NAMES))

    @with_transaction()
    def test_access(self):
        medicine = create_medicine()
        for group, allowed in [
                ('nurse', False), ('doctor', False), ('pharmacist', True),
                ('admin', True)]:
            with self.subTest(group=group), as_user(create_user(group)), \
                    check_access():
                self.assertEqual(completion('paras'), ["Parasetamol"])
                if allowed:
                    Pool().get('clinic.medicine').write(
                        [medicine], {'code': group})
                else:
                    with self.assertRaises(AccessError):
                        Pool().get('clinic.medicine').write(
                            [medicine], {'code': group})
        for group in ['registration', 'cashier']:
            with as_user(create_user(group)), check_access(), \
                    self.assertRaises(AccessError):
                completion('paras')


class CSVFileTestCase(unittest.TestCase):
    "Test files as clinics have them"

    @classmethod
    def setUpClass(cls):
        activate_module('clinic_rme')

    def test_read(self):
        for text, encoding, options in [
                ("Nama;Kode\nÅ;1\n", 'utf-8', {}),
                ("Nama,Kode\r\nÅ,1\r\n", 'utf-8-sig', {}),
                ("Nama\tKode\nÅ\t1\n", 'utf-16', {}),
                ("Nama;Kode\nÅ;1;\n;;\n\n", 'cp1252',
                    {'encoding': 'cp1252'}),
                ('"Nama";"Kode";\n"Å";"1"\n', 'utf-8', {}),
                ]:
            with self.subTest(text=text, encoding=encoding):
                table = read_csv(text.encode(encoding), **options)
                self.assertEqual(table.columns, ['Nama', 'Kode'])
                self.assertEqual(table.rows, [(2, ['Å', '1'])])

    def test_lines_of_rows_with_newlines(self):
        table = read_csv(b'a;b\n"x\ny";1\nz;2\n')
        self.assertEqual(table.rows, [(3, ['x\ny', '1']), (4, ['z', '2'])])

    @with_transaction()
    def test_refused(self):
        for data, message in [
                (b'', "first line"),
                (b'Nama;Kode\n', "first line"),
                (b'Nama;;Kode\n1;2;3\n', "first line"),
                (b'Nama;Nama\n1;2\n', "same title"),
                (b'Nama;Kode\nx;1\n\xc5;2\n', "Line 3"),
                (b'PK\x03\x04Nama;Kode\nx;1\n', "no CSV"),
                (b'Nama;Kode\nx\0;1\n', "no CSV"),
                (b'Nama;Kode\n"x;1\n', "quotation mark"),
                (b'Nama;Kode\n' + b'x;1\n' * (MAX_ROWS + 1), "too large"),
                (b'x' * 11 * 1024 ** 2, "too large"),
                ]:
            with self.subTest(data=data[:20]), \
                    self.assertRaisesRegex(CSVFileError, message):
                read_csv(data)

    def test_ingredients_of(self):
        for text, expected in [
                ("Parasetamol 500 mg", [("Parasetamol", "500 mg")]),
                ("Parasetamol", [("Parasetamol", None)]),
                ("Vitamin B12", [("Vitamin B12", None)]),
                ("Vitamin B12 50 mcg; Kafein 2,5 mg/5 mL ;", [
                        ("Vitamin B12", "50 mcg"),
                        ("Kafein", "2,5 mg/5 mL")]),
                ("A + B", [("A", None), ("B", None)]),
                ("", []),
                ]:
            with self.subTest(text=text):
                self.assertEqual(ingredients_of(text), expected)


class ImportTestCase(unittest.TestCase):
    "Test the import of a list of medicines"

    @classmethod
    def setUpClass(cls):
        activate_module('clinic_rme')

    def page(self, text, state, mapping=None, encoding='utf-8'):
        "Return the values shown by the state of the wizard"
        Wizard = Pool().get('clinic.medicine.import', type='wizard')
        session, first, _ = Wizard.create()
        self.assertEqual(first, 'start')
        data = {'start': {
                'file': text.encode(encoding), 'encoding': 'utf-8'}}
        page = Wizard.execute(session, data, 'mapping')
        data['mapping'] = {
            **page['view']['defaults'], **(mapping or {})}
        if state == 'mapping':
            return data['mapping']
        page = Wizard.execute(session, data, state)
        return page['view']['defaults']

    def stored(self):
        return {
            m.name: (
                m.code, m.kfa_code, m.form, m.strength,
                sorted(i.rec_name for i in m.ingredients))
            for m in Pool().get('clinic.medicine').search([])}

    EXPECTED = {
        "Parasetamol": (
            'P1', '93000001', 'tablet', "500 mg", ["Parasetamol 500 mg"]),
        "Amoksiklav": (
            'A1', None, 'caplet', None,
            ["Amoksisilin 500 mg", "Asam Klavulanat 125 mg"]),
        "Bodrex": (
            None, None, 'tablet', None,
            ["Kafein 50 mg", "Parasetamol 600 mg"]),
        }

    @with_transaction()
    def test_import(self):
        mapping = self.page(LIST, 'mapping')
        self.assertEqual(
            (mapping['name'], mapping['code'], mapping['form'],
                mapping['ingredients'], mapping['kfa_code']),
            ('Nama', 'Kode', 'Sediaan', 'Zat Aktif', 'KFA'))
        shown = self.page(LIST, 'preview')
        self.assertEqual(
            (shown['new'], shown['changed'], shown['faulty'],
                shown['errors']), (3, 0, 0, ''))
        self.assertEqual(self.stored(), {})

        shown = self.page(LIST, 'import_')
        self.assertEqual((shown['new'], shown['changed']), (3, 0))
        self.assertEqual(self.stored(), self.EXPECTED)
        self.assertEqual(
            Pool().get('clinic.substance').search([], count=True), 4)
        self.assertEqual(completion('kafein'), ["Bodrex Tablet"])

    @with_transaction()
    def test_import_again_changes(self):
        self.page(LIST, 'import_')
        Medicine = Pool().get('clinic.medicine')
        Medicine.write(Medicine.search([]), {'active': False})
        shown = self.page(
            LIST.replace("500 mg;Para", "650 mg;Para"), 'import_')
        self.assertEqual((shown['new'], shown['changed']), (0, 3))
        self.assertEqual(self.stored(), {
                **self.EXPECTED,
                "Parasetamol": (
                    'P1', '93000001', 'tablet', "650 mg",
                    ["Parasetamol 500 mg"])})

    @with_transaction()
    def test_own_columns(self):
        text = "Barang;Isi\nParasetamol;Tablet\n"
        shown = self.page(
            text, 'import_', mapping={'name': 'Barang', 'form': 'Isi'})
        self.assertEqual(shown['new'], 1)
        self.assertEqual(
            self.stored(),
            {"Parasetamol": (None, None, 'tablet', None, [])})

    @with_transaction()
    def test_errors_are_listed_and_nothing_is_imported(self):
        rows = [
            ("Baik;B1;Tablet;;;", None),
            (";B2;Tablet;;;", "Line 3: The name is missing."),
            ("=1+1;B3;Tablet;;;",
                'Line 4: "Nama" begins like a formula.'),
            ("@cmd;B4;Tablet;;;",
                'Line 5: "Nama" begins like a formula.'),
            ("X;B5;Bola;;;", 'Line 6: "Bola" is no dosage form.'),
            ("X;B6;Tablet;;;91000001", 'Line 7: "91000001" is no KFA code'),
            ("Lagi;B1;Tablet;;;", "Line 8: The medicine is in the file"),
            ("X;B7;Tablet;;;;lebih", "Line 9: The row has more cells"),
            (f"{'x' * 201};B8;;;;", 'Line 10: "Nama" is longer than 200'),
            ("X;B9;;;A + a;", "Line 11: A substance may be only once"),
            ]
        text = '\n'.join([LIST.splitlines()[0], *(r for r, _ in rows)])
        shown = self.page(text, 'preview')
        self.assertEqual((shown['new'], shown['faulty']), (1, 9))
        lines = shown['errors'].splitlines()
        expected = [error for _, error in rows if error]
        self.assertEqual(len(lines), len(expected))
        for line, error in zip(lines, expected, strict=True):
            with self.subTest(error=error):
                self.assertTrue(line.startswith(error), line)

        shown = self.page(text, 'import_')
        self.assertEqual(shown['faulty'], 9)
        self.assertEqual(self.stored(), {})
        self.assertEqual(
            Pool().get('clinic.substance').search([], count=True), 0)

    @with_transaction()
    def test_codes_of_two_medicines(self):
        create_medicine(name="A", code='A')
        create_medicine(name="B", kfa_code='93000001')
        shown = self.page("Nama;Kode;KFA\nC;A;93000001\n", 'preview')
        self.assertIn("two medicines", shown['errors'])

    @with_transaction()
    def test_wrong_encoding(self):
        with self.assertRaisesRegex(CSVFileError, "Line 2"):
            self.page("Nama;Kode\nÅ;1\n", 'mapping', encoding='cp1252')

    @with_transaction()
    def test_who_imports(self):
        for group in ['pharmacist', 'admin']:
            with self.subTest(group=group), as_user(create_user(group)), \
                    check_access():
                self.page(LIST, 'import_')
        self.assertEqual(self.stored(), self.EXPECTED)
        Wizard = Pool().get('clinic.medicine.import', type='wizard')
        for group in ['doctor', 'nurse', 'registration', 'cashier']:
            with self.subTest(group=group), as_user(create_user(group)), \
                    check_access(), self.assertRaises(AccessError):
                Wizard.create()
