# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import io
import unittest
import zipfile
from xml.sax.saxutils import escape

from trytond.exceptions import UserError
from trytond.pool import Pool
from trytond.tests.test_tryton import activate_module, with_transaction

from trytond.modules.clinic_rme.icd9cm import CODE, GNUHealthICD9
from trytond.modules.clinic_rme.terminology import (
    ImportResult, everyday_names)

CODES = {
    '23.09': "Extraction of other tooth",
    '86.59': "Closure of skin & subcutaneous tissue of other sites",
    '89.52': "Electrocardiogram",
    }


def as_xml(codes):
    "Return the codes as the package writes them, a category included"
    records = ''.join(
        f'<record model="gnuhealth.procedure" id="cie9_{n}">'
        f'<field name="name">{code}</field>'
        f'<field name="description">{escape(title)}</field></record>'
        for n, (code, title) in enumerate({**codes, '89': "Group"}.items()))
    return f'<tryton><data>{records}</data></tryton>'.encode()


def as_wheel(codes, path='trytond/modules/health_icd9procs/data/icd9procs.xml'):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, 'w') as wheel:
        wheel.writestr(path, as_xml(codes))
        wheel.writestr('gnuhealth_icd9procs-9.8.7.dist-info/METADATA', b'')
    return buffer.getvalue()


def completion(text):
    ICD9CM = Pool().get('clinic.icd9cm')
    return [r['name'] for r in ICD9CM.autocomplete(text, limit=5)]


class SourceTestCase(unittest.TestCase):
    "Test what is read of the file"

    @classmethod
    def setUpClass(cls):
        activate_module('clinic_rme')

    def test_file(self):
        for data, edition in [
                (as_xml(CODES), "ICD-9-CM"),
                (as_wheel(CODES), "ICD-9-CM, gnuhealth-icd9procs 9.8.7"),
                ]:
            source = GNUHealthICD9(data)
            with self.subTest(edition=edition):
                self.assertEqual(dict(source.codes()), CODES)
                self.assertEqual(source.edition, edition)

    @with_transaction()
    def test_other_files(self):
        bomb = (
            b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>'
            b'<x>&b;</x>')
        for data in [
                b'', b'code;title\n1;2\n', b'PK\x03\x04 no archive', bomb,
                as_wheel(CODES, path='other.xml'),
                as_wheel(CODES)[:200]]:
            with self.subTest(data=data[:20]), \
                    self.assertRaisesRegex(UserError, "pip download"):
                GNUHealthICD9(data)

    def test_names(self):
        names = everyday_names('icd9cm_names.csv')
        self.assertGreater(len(names), 40)
        self.assertEqual([c for c in names if not CODE.fullmatch(c)], [])


class ImportTestCase(unittest.TestCase):
    "Test the import and the search of procedures"

    @classmethod
    def setUpClass(cls):
        activate_module('clinic_rme')

    def import_(self, data):
        Wizard = Pool().get('clinic.icd9cm.import', type='wizard')
        session, state, _ = Wizard.create()
        self.assertEqual(state, 'start')
        page = Wizard.execute(session, {'start': {'file': data}}, 'import_')
        return page['view']['defaults']

    @with_transaction()
    def test_wizard(self):
        shown = self.import_(as_wheel(CODES))
        self.assertEqual(
            (shown['new'], shown['codes'], shown['edition']),
            (3, 3, "ICD-9-CM, gnuhealth-icd9procs 9.8.7"))
        shown = self.import_(as_wheel({'89.52': "Renamed"}))
        self.assertEqual(
            (shown['new'], shown['changed'], shown['deactivated'],
                shown['codes']), (0, 1, 2, 1))

    @with_transaction()
    def test_file_without_codes_changes_nothing(self):
        self.import_(as_xml(CODES))
        with self.assertRaisesRegex(UserError, "has no code"):
            self.import_(as_xml({}))
        self.assertEqual(
            Pool().get('clinic.icd9cm').search([], count=True), 3)

    @with_transaction()
    def test_import_twice_changes_nothing(self):
        ICD9CM = Pool().get('clinic.icd9cm')
        source = GNUHealthICD9(as_xml(CODES))
        self.assertEqual(ICD9CM.import_(source), ImportResult(3, 0, 0))
        self.assertEqual(ICD9CM.import_(source), ImportResult(0, 0, 0))

    @with_transaction()
    def test_search(self):
        Pool().get('clinic.icd9cm').import_(GNUHealthICD9(as_xml(CODES)))
        for text, code in [
                ('89.52', '89.52'), ('8952', '89.52'), ('89', '89.52'),
                ('EKG', '89.52'), ('rekam jantung', '89.52'),
                ('electro', '89.52'),
                ('cabut gigi', '23.09'), ('tooth extraction', '23.09'),
                ('jahit luka', '86.59'), ('luka jahit', '86.59'),
                ]:
            with self.subTest(text=text):
                self.assertEqual(completion(text), [f'{code} {CODES[code]}'])
        self.assertEqual(completion('9.52'), [])
