# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import csv
import datetime as dt
import io
import unittest
from unittest.mock import patch

from trytond import backend
from trytond.model.exceptions import AccessError
from trytond.pool import Pool
from trytond.tests.test_tryton import activate_module, with_transaction
from trytond.transaction import Transaction, check_access

from trytond.modules.clinic_rme import patient_import, patient_words
from trytond.modules.clinic_rme.csv_file import is_formula, write_csv
from trytond.modules.clinic_rme.demographics import (
    BLOOD_TYPES, EDUCATIONS, MARITAL_STATUSES, OCCUPATIONS, RELIGIONS,
    RHESUS_FACTORS)
from trytond.modules.clinic_rme.exceptions import CSVFileError
from trytond.modules.clinic_rme.contact import RELATIONSHIPS
from trytond.modules.clinic_rme.party import SEXES
from trytond.modules.clinic_rme.patient import PAYERS
from trytond.modules.clinic_rme.patient_csv import date_orders, guess_columns
from trytond.modules.clinic_rme.search import normalised

from .test_terminology import as_user, create_user
from .tools import RemoteTestCase

# As the table `pasien` of SIMRS Khanza is exported
KHANZA = '''\
no_rkm_medis,nm_pasien,no_ktp,jk,tmp_lahir,tgl_lahir,nm_ibu,alamat,gol_darah,\
pekerjaan,stts_nikah,agama,tgl_daftar,no_tlp,umur,pnd,keluarga,namakeluarga,\
kd_pj,no_peserta,email
000101,ARDIANTO PUTRA,3174010101920001,L,JAKARTA,1992-01-01,SITI,\
"JL. MERDEKA 1, RT 2",O,KARYAWAN SWASTA,MENIKAH,ISLAM,2020-01-02,0812-3456-7890,\
34 Th,S1,ISTRI,DEWI,BPJ,0001234567890,ardi@klinik.example.com
000102,NY. CLAUDIA,-,P,-,1989-11-03,-,-,-,-,BELUM MENIKAH,KATOLIK,2020-01-02,-,\
37 Th,SLTA/SEDERAJAT,DIRI SENDIRI,-,UMU,-,-
'''
TARGETS = dict(patient_import.ImportPatientColumn.target.selection)


class WizardMixin:
    "Go through the wizard as an administrator of the clinic does"

    def page(self, data, state='preview', mapping=None, date_order=None,
            encoding=None):
        "Return the values that the state of the wizard shows"
        if isinstance(data, str):
            data = data.encode()
        Wizard = Pool().get('clinic.patient.import', type='wizard')
        session, first, _ = Wizard.create()
        self.assertEqual(first, 'start')
        entered = {'start': {'file': data, 'encoding': encoding}}
        shown = Wizard.execute(
            session, entered, 'mapping')['view']['defaults']
        for column in shown['columns']:
            if mapping is not None:
                column['target'] = mapping.get(column['title'])
        if state == 'mapping':
            return shown
        entered['mapping'] = {**shown, 'date_order': date_order}
        return Wizard.execute(session, entered, state)['view']['defaults']

    def stored(self):
        return {
            p.medical_record_number: p
            for p in Pool().get('clinic.patient').search([])}


class PatientWordsTestCase(unittest.TestCase):
    "Test the words that are known"

    def test_targets(self):
        self.assertEqual({*TARGETS} - {None}, {*patient_words.TITLES})

    def test_titles_are_of_one_target(self):
        titles = [t for names in patient_words.TITLES.values() for t in names]
        self.assertEqual(len(titles), len({*titles}))
        for title in titles:
            with self.subTest(title=title):
                self.assertEqual(normalised(title), title)

    def test_words_stand_for_values(self):
        for known, values in [
                (patient_words.SEXES, SEXES),
                (patient_words.RELIGIONS, RELIGIONS),
                (patient_words.EDUCATIONS, EDUCATIONS),
                (patient_words.OCCUPATIONS, OCCUPATIONS),
                (patient_words.MARITAL_STATUSES, MARITAL_STATUSES),
                (patient_words.BLOOD_TYPES, BLOOD_TYPES),
                (patient_words.RHESUS_FACTORS, RHESUS_FACTORS),
                (patient_words.PAYERS, PAYERS),
                (patient_words.RELATIONSHIPS, RELATIONSHIPS)]:
            values = {v for v, _ in values if v}
            with self.subTest(values=values):
                self.assertLessEqual({*known.values()}, values)
                if known is not patient_words.RHESUS_FACTORS:
                    self.assertEqual([*known], [*map(normalised, known)])

    def test_khanza(self):
        columns = KHANZA.splitlines()[0].split(',')
        self.assertEqual(
            {*columns} - guess_columns(columns).keys(),
            {'tgl_daftar', 'umur'})

    def test_date_orders(self):
        for cells, expected in [
                (['1990-12-31', '2001-02-03'], set()),
                (['31/12/1990', '1/2/1990'], {'dmy'}),
                (['12-31-1990', '1-2-1990'], {'mdy'}),
                (['31/12/1990', '12/31/1990'], {'dmy'}),
                (['1/2/1990', '03.04.1990'], {'dmy', 'mdy'}),
                (['5/5/1990', ''], set()),
                (['kemarin'], set()),
                ]:
            with self.subTest(cells=cells):
                self.assertEqual(date_orders(cells), expected)


class CSVWriterTestCase(unittest.TestCase):
    "Test that a spreadsheet program calculates nothing"

    def test_formulas(self):
        cells = [
            "=cmd|' /C calc'!A0", "+1", "-1", "@SUM(1)", "\t=1", "\r=1",
            "biasa", "a;b", 'kutip "dua"', "😷\nbaris"]
        data = write_csv(["Isi"], [[c] for c in cells])
        rows = list(csv.reader(
                io.StringIO(data.decode('utf-8-sig'), newline=''),
                delimiter=';'))
        self.assertEqual(rows[0], ["Isi"])
        for cell, (written,) in zip(cells, rows[1:], strict=True):
            with self.subTest(cell=cell):
                self.assertFalse(is_formula(written))
                self.assertEqual(written.removeprefix("'"), cell)


class PatientImportTestCase(WizardMixin, unittest.TestCase):
    "Test the import of a list of patients"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        activate_module('clinic_rme')

    @with_transaction()
    def test_khanza(self):
        shown = self.page(KHANZA)
        self.assertEqual(
            (shown['new'], shown['faulty'], shown['doubtful'],
                shown['findings'], shown['report']), (2, 0, 0, '', None))
        self.assertEqual(self.stored(), {})
        self.assertEqual(self.page(KHANZA, 'import_'), {'new': 2})
        first, second = self.stored().values()
        person = first.party
        self.assertEqual(first.medical_record_number, '000101')
        for name, value in {
                'name': "ARDIANTO PUTRA", 'nik': '3174010101920001',
                'sex': 'male', 'birth_place': "JAKARTA",
                'birth_date': dt.date(1992, 1, 1), 'mother_name': "SITI",
                'blood_type': 'O', 'rhesus': None, 'occupation': 'private',
                'marital_status': 'married', 'religion': 'islam',
                'education': 'bachelor'}.items():
            with self.subTest(name=name):
                self.assertEqual(getattr(person, name), value)
        self.assertEqual(
            person.addresses[0].street, "JL. MERDEKA 1, RT 2")
        self.assertEqual(
            {(c.type, c.value) for c in person.contact_mechanisms},
            {('phone', '+62 812-3456-7890'),
                ('email', 'ardi@klinik.example.com')})
        self.assertEqual(
            (first.payer, first.payer_number), ('jkn', '0001234567890'))
        guardian, = first.related_persons
        self.assertEqual(
            (guardian.name, guardian.relationship, guardian.guardian),
            ("DEWI", 'spouse', True))
        person = second.party
        self.assertEqual(
            (person.nik, person.birth_place, person.blood_type,
                person.occupation, person.marital_status, person.education,
                person.sex, person.addresses, person.contact_mechanisms,
                second.related_persons, second.payer),
            (None, None, None, None, 'single', 'upper_secondary', 'female',
                (), (), (), 'self_pay'))
        self.assertEqual(
            (second.allergy_status, second.active), ('not_asked', True))

    @with_transaction()
    def test_first_rows_are_shown(self):
        shown = self.page("Nama;Lain\nA;1\nB;\nC;3\nD;4\nE;5\nF;6\n", 'mapping')
        self.assertEqual([
                (c['title'], c['target'], c['samples'])
                for c in shown['columns']], [
                ('Nama', 'name', "A | B | C | D | E"),
                ('Lain', None, "1 | 3 | 4 | 5")])

    @with_transaction()
    def test_encodings_and_delimiters(self):
        text = 'Nama{0}Alamat\nRené{0}"Jl. “A”, 1"\n'
        for number, (encoding, delimiter) in enumerate([
                    ('utf-8', ','), ('utf-8-sig', ';'), ('cp1252', '\t'),
                    ('cp1252', ';'), ('utf-16', ',')], 1):
            with self.subTest(encoding=encoding, delimiter=delimiter):
                data = text.format(delimiter).encode(encoding)
                self.assertEqual(self.page(data, 'import_'), {'new': 1})
                patients = self.stored().values()
                self.assertEqual(len(patients), number)
                self.assertEqual(
                    {p.party.name for p in patients}, {"René"})
                self.assertEqual(
                    {p.party.addresses[0].street for p in patients},
                    {"Jl. “A”, 1"})

    @with_transaction()
    def test_own_columns(self):
        mapping = {'A': 'name', 'B': 'birth_date', 'C': None}
        text = "A;B;C\nX;3/4/1990;Y\n"
        with self.assertRaisesRegex(CSVFileError, "two ways"):
            self.page(text, mapping=mapping)
        for order, date in [
                ('dmy', dt.date(1990, 4, 3)), ('mdy', dt.date(1990, 3, 4))]:
            self.page(text, 'import_', mapping, order)
            self.assertIn(date, {
                    p.party.birth_date for p in self.stored().values()})
        with self.assertRaisesRegex(CSVFileError, "holds the name"):
            self.page(text, mapping={'A': 'sex'})
        with self.assertRaisesRegex(CSVFileError, "same thing"):
            self.page(text, mapping={'A': 'name', 'B': 'name'})

    @with_transaction()
    def test_errors_are_listed_and_nothing_is_imported(self):
        Pool().get('party.party').create([{
                    'name': "Lama", 'nik': '3174010101920009',
                    'birth_date': dt.date(1992, 1, 1)}])
        known, = Pool().get('clinic.patient').create([{
                    'party': Pool().get('party.party').create(
                        [{'name': "Arsip"}])[0].id,
                    'medical_record_number': 'A1', 'active': False}])
        cases = [
            ("Baik;B1;3174010101920001;1/1/1992;L;;", ()),
            (";B2;;;;;", [("Nama", '', "The name is missing.")]),
            ("X;B3;317401;;;;", [
                    ("NIK", '317401', "The NIK must have 16 digits")]),
            ("X;B4;3,17401E+15;;;;", [
                    ("NIK", '3,17401E+15', "shortened the NIK")]),
            ("X;B5;317401010192000x;;;;", [
                    ("NIK", '317401010192000x', "digits only")]),
            ("X;B6;;31/02/1990;;;", [
                    ("Lahir", '31/02/1990', "This is no date")]),
            ("X;B7;;1/1/90;;;", [("Lahir", '1/1/90', "four digits")]),
            ("X;B8;;1/1/2999;;;", [("Lahir", '1/1/2999', "in the future")]),
            ("X;B9;;;Z;;", [("JK", 'Z', "This is no sex")]),
            ("X;B1;;;;;", [("No RM", 'B1', "It is in line 2 already.")]),
            ("X;BA;3174010101920001;;;;", [
                    ("NIK", '3174010101920001', "It is in line 2 already.")]),
            ("X;BB;3174010101920009;;;;", [
                    ("NIK", '3174010101920009', "belongs to another")]),
            ("X;A1;;;;;", [("No RM", 'A1', "exists already")]),
            ("X;BC;;;;;99", [
                    ("Kode Wilayah", '99', "no region with this code")]),
            (f"{'x' * 201};BD;Q;;;{'y' * 501};", [
                    ("Nama", 'x' * 201, "more than 200"),
                    ("NIK", 'Q', "digits only"),
                    ("Alamat", 'y' * 501, "more than 500")]),
            ("X;BE;;;;;;lebih", [('', '', "more cells")]),
            ]
        text = "Nama;No RM;NIK;Lahir;JK;Alamat;Kode Wilayah\n" + '\n'.join(
            row for row, _ in cases)
        mapping = {**guess_columns(text.splitlines()[0].split(';')),
            'Lahir': 'birth_date'}
        count = len(self.stored())
        shown = self.page(text, mapping=mapping)
        self.assertEqual((shown['new'], shown['faulty']), (1, 15))
        rows = list(csv.reader(io.StringIO(
                    bytes(shown['report']).decode('utf-8-sig'), newline=''),
                delimiter=';'))
        self.assertEqual(
            rows[0], ["Line", "Kind", "Column", "Content", "Reason"])
        errors = [r for r in rows[1:] if r[1] == "Error"]
        expected = [
            (str(line), *error) for line, (_, found) in enumerate(cases, 2)
            for error in found]
        self.assertEqual(len(errors), len(expected))
        for row, (line, column, cell, reason) in zip(
                errors, expected, strict=True):
            with self.subTest(line=line, column=column):
                self.assertEqual((row[0], row[2], row[3]), (
                        line, column, cell))
                self.assertIn(reason, row[4])
        self.assertEqual(shown['report_name'], 'impor-pasien.csv')
        self.assertIn("Line 3, Nama: The name is missing.",
            shown['findings'].splitlines())

        shown = self.page(text, 'import_', mapping)
        self.assertEqual(shown['faulty'], 15)
        self.assertEqual(len(self.stored()), count)
        self.assertFalse(known.active)

    @with_transaction()
    def test_warnings_do_not_keep_from_importing(self):
        Pool().get('party.party').create([{
                    'name': "Siti  AMINAH", 'birth_date': dt.date(1990, 1, 1)}])
        text = (
            "Nama;NIK;Tgl Lahir;JK;No HP;Email;Agama;Pekerjaan;Status Nikah;"
            "Gol Darah;Penjamin;Keluarga;Nama Keluarga\n"
            "Siti Aminah;;1990-01-01;P;;;;;;;;;\n"
            "siti aminah;9974010101920001;1990-01-01;P;12;bukan@;Jedi;"
            "Nelayan;JANDA;C;Sultan;Tetangga;Budi\n")
        shown = self.page(text)
        self.assertEqual(
            (shown['new'], shown['faulty'], shown['doubtful']), (2, 0, 2))
        for line in [
                "Line 2, Nama (warning): Siti  AMINAH has the same name",
                "Line 3, Nama (warning): The same name and birth date are in "
                "line 2.",
                "Line 3, NIK (warning): The first two digits",
                "Line 3, NIK (warning): The NIK stands for another birth",
                "Line 3, NIK (warning): The NIK stands for the other sex",
                "Line 3, No HP (warning): This can be no phone number.",
                "Line 3, Email (warning): This can be no e-mail",
                "Line 3, Agama (warning): The word is not known.",
                'Line 3, Pekerjaan (warning): The occupation is not known.',
                "Line 3, Status Nikah (warning): The word is not known.",
                "Line 3, Gol Darah (warning): The word is not known.",
                "Line 3, Penjamin (warning): The word is not known.",
                "Line 3, Keluarga (warning): The relationship is not known.",
                ]:
            with self.subTest(line=line):
                self.assertTrue(any(
                        shown_line.startswith(line)
                        for shown_line in shown['findings'].splitlines()),
                    shown['findings'])
        self.assertEqual(self.page(text, 'import_'), {'new': 2})
        patient = next(
            p for p in self.stored().values() if p.party.name == "siti aminah")
        self.assertEqual(
            {(c.type, c.value) for c in patient.party.contact_mechanisms},
            {('other', '12'), ('other', 'bukan@')})
        self.assertEqual(patient.party.occupation, 'other')
        self.assertIsNone(patient.party.religion)

    @with_transaction()
    def test_texts_as_they_are(self):
        formulas = [
            "=cmd|' /C calc'!A0", "+62 budi", "@budi", "-budi",
            'Budi "Kecil"', "😷 Budi", "O'Budi", "'=budi", "Bu\ndi\tsatu"]
        text = io.StringIO(newline='')
        csv.writer(text).writerows([["Nama"], *([f] for f in formulas)])
        self.assertEqual(
            self.page(text.getvalue(), 'import_'), {'new': len(formulas)})
        self.assertEqual(
            {p.party.name for p in self.stored().values()},
            {*formulas[:-2], "=budi", "Bu di satu"})

    @with_transaction()
    def test_words_and_apostrophes(self):
        text = (
            "Nama,NIK,JK,Gol Darah,Penjamin,RT,Tgl Lahir\n"
            "A,'3174010101920001,laki-laki,AB+,Asuransi,'007,01-01-1992\n"
            "B,3174 0101 0192 0002,W,0,PERUSAHAAN,7,15.08.1992\n"
            "C,0,Perempuan,b rh negatif,Umum,,1992-08-15 00:00:00\n")
        shown = self.page(text)
        self.assertEqual(shown['faulty'], 0, shown['findings'])
        self.page(text, 'import_')
        self.assertEqual({
                p.party.name: (
                    p.party.nik, p.party.sex, p.party.blood_type,
                    p.party.rhesus, p.payer, p.payer_name,
                    p.party.birth_date)
                for p in self.stored().values()}, {
                "A": ('3174010101920001', 'male', 'AB', 'positive',
                    'insurance', "Asuransi", dt.date(1992, 1, 1)),
                "B": ('3174010101920002', 'female', 'O', None, 'company',
                    "PERUSAHAAN", dt.date(1992, 8, 15)),
                "C": (None, 'female', 'B', 'negative', 'self_pay', None,
                    dt.date(1992, 8, 15)),
                })

    @with_transaction()
    def test_numbers(self):
        "Numbers of the file are kept, and not given to anybody else"
        Patient = Pool().get('clinic.patient')
        self.page(
            "Nama;No RM\nB;\nA;RM-000007\nC;12345\nD;RM-9\nF;RM-000001\n",
            'import_')
        numbers = {
            p.party.name: p.medical_record_number
            for p in self.stored().values()}
        self.assertEqual(
            numbers, {
                "A": 'RM-000007', "B": 'RM-000008', "C": '12345',
                "D": 'RM-9', "F": 'RM-000001'})
        Party = Pool().get('party.party')
        patient, = Patient.create([
                {'party': Party.create([{'name': "E"}])[0].id}])
        self.assertEqual(patient.medical_record_number, 'RM-000009')

    @with_transaction()
    def test_region(self):
        Region = Pool().get('clinic.region')
        province, = Region.create([{
                    'code': '31', 'name': "DKI Jakarta",
                    'full_name': "DKI Jakarta", 'level': 'province'}])
        region, = Region.create([{
                    'code': '3174', 'name': "Jakarta Selatan",
                    'full_name': "Jakarta Selatan, DKI Jakarta",
                    'level': 'city', 'parent': province.id}])
        self.page("Nama;Kode Wilayah\nA;31.74\n", 'import_')
        patient, = self.stored().values()
        self.assertEqual(patient.party.addresses[0].region, region)

    @with_transaction()
    def test_who_imports(self):
        with as_user(create_user('admin')), check_access():
            self.assertEqual(self.page("Nama\nA\n", 'import_'), {'new': 1})
        Wizard = Pool().get('clinic.patient.import', type='wizard')
        for group in [
                'doctor', 'nurse', 'registration', 'cashier', 'pharmacist',
                'medical_records']:
            with self.subTest(group=group), as_user(create_user(group)), \
                    check_access(), self.assertRaises(AccessError):
                Wizard.create()

    @unittest.skipUnless(
        backend.name == 'sqlite', "counts statements through SQLite's trace")
    @with_transaction()
    def test_queries_do_not_grow_with_the_rows(self):
        def selects(start, count):
            rows = '\n'.join(
                f"{i:06};Orang {i};31740101019{i:05};L;1992-01-01;Jl. {i};"
                f"08123456{i:04};Ibu {i}" for i in range(start, start + count))
            found = []
            connection = Transaction().connection
            connection.set_trace_callback(
                lambda s: found.append(s)
                if s.lstrip('( ').startswith('SELECT') else None)
            try:
                shown = self.page(
                    "No RM;Nama;NIK;JK;Tgl Lahir;Alamat;No HP;Nama Keluarga\n"
                    + rows, 'import_')
            finally:
                connection.set_trace_callback(None)
            self.assertEqual(shown, {'new': count})
            return len(found)
        selects(1000, 2)  # fills the caches
        few, many = selects(2000, 10), selects(3000, 100)
        self.assertGreater(few, 0)
        self.assertLess(many, few + 20)


class PatientImportFailureTestCase(RemoteTestCase):
    "Test that nothing is half-imported"

    def execute(self, data, state):
        user = self.user('admin')
        proxy = user.config.get_proxy('clinic.patient.import', 'wizard')
        session, _, _ = proxy.create(user.config.context)
        return proxy.execute(session, data, state, user.config.context)

    def count(self):
        return {
            model: self.root(model, 'search_count', [])
            for model in [
                'clinic.patient', 'party.party', 'party.address',
                'party.contact_mechanism', 'clinic.related_person']}

    def entered(self):
        rows = '\n'.join(
            f"Orang {i};{i:06};0812345678{i};Jl. {i};Ibu {i}"
            for i in range(5))
        return {
            'start': {
                'file': f"a;b;c;d;e\n{rows}\n".encode(), 'encoding': None},
            'mapping': {'columns': [
                    {'title': title, 'target': target}
                    for title, target in zip('abcde', [
                            'name', 'medical_record_number', 'phone',
                            'street', 'guardian_name'], strict=True)],
                'date_order': None}}

    def test_failure_at_the_end(self):
        before = self.count()
        with patch.object(patient_import, 'BATCH', 2), \
                patch.object(
                    patient_import, '_pass_numbers',
                    side_effect=RuntimeError), \
                self.assertRaises(RuntimeError):
            self.execute(self.entered(), 'import_')
        self.assertEqual(self.count(), before)

        with patch.object(patient_import, 'BATCH', 2):
            self.execute(self.entered(), 'import_')
        self.assertEqual(
            self.count(), {model: n + 5 for model, n in before.items()})

        shown = self.execute(self.entered(), 'import_')['view']
        self.assertEqual(shown['state'], 'preview')
        self.assertEqual(shown['defaults']['faulty'], 5)
