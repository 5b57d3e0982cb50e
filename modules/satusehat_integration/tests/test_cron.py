# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import datetime as dt
import unittest

from trytond.modules.company.tests import create_company
from trytond.modules.currency.tests import create_currency
from trytond.pool import Pool
from trytond.tests.test_tryton import (
    activate_module, drop_db, with_transaction)

from .tools import MODULE

METHOD = 'satusehat.submission|push'
NOTIFY = 'satusehat.submission|notify'


def find_cron(method=METHOD):
    cron, = Pool().get('ir.cron').search([('method', '=', method)])
    return cron


class CronTestCase(unittest.TestCase):
    "Test the scheduled action that sends"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        drop_db()
        activate_module(MODULE)

    @classmethod
    def tearDownClass(cls):
        drop_db()
        super().tearDownClass()

    @with_transaction()
    def test_is_active_every_minute(self):
        cron = find_cron()
        self.assertTrue(cron.active)
        self.assertEqual(
            (cron.interval_number, cron.interval_type), (1, 'minutes'))

    @with_transaction()
    def test_is_due_at_once(self):
        self.assertIsNone(find_cron().next_call)

    @with_transaction()
    def test_next_call_is_the_next_minute(self):
        self.assertEqual(
            find_cron().compute_next_call(dt.datetime(2026, 3, 2, 8, 0, 30)),
            dt.datetime(2026, 3, 2, 8, 1))

    @with_transaction()
    def test_runs_once_for_all_companies(self):
        "A loop over companies would break the turns between branches"
        currency = create_currency('IDR')
        for name in ["A", "B"]:
            create_company(name, currency=currency)
        self.assertEqual(find_cron().companies, ())

    @with_transaction()
    def test_settings_of_the_administrator_stay(self):
        "An update of the module changes nothing that somebody has set"
        data, = Pool().get('ir.model.data').search([
                ('module', '=', MODULE), ('fs_id', '=', 'cron_push')])
        self.assertTrue(data.noupdate)
        self.assertEqual(data.db_id, find_cron().id)

    @with_transaction()
    def test_method_can_be_chosen(self):
        Cron = Pool().get('ir.cron')
        methods = dict(Cron.fields_get(['method'])['method']['selection'])
        self.assertEqual(methods[METHOD], "Push to SATUSEHAT")

    @with_transaction()
    def test_method_exists(self):
        model, name = METHOD.split('|')
        self.assertTrue(callable(getattr(Pool().get(model), name)))

    @with_transaction()
    def test_only_one_record(self):
        "Two would claim against each other"
        self.assertEqual(
            len(Pool().get('ir.cron').search([
                        ('method', '=', METHOD),
                        ('active', 'in', [True, False])])), 1)

    @with_transaction()
    def test_who_has_to_know_is_told_within_two_minutes(self):
        cron = find_cron(NOTIFY)
        self.assertTrue(cron.active)
        self.assertEqual(
            (cron.interval_number, cron.interval_type), (1, 'minutes'))
        self.assertIsNone(cron.next_call)
        self.assertEqual(cron.companies, ())
        self.assertTrue(callable(Pool().get('satusehat.submission').notify))
        data, = Pool().get('ir.model.data').search([
                ('module', '=', MODULE), ('fs_id', '=', 'cron_notify')])
        self.assertTrue(data.noupdate)

    @with_transaction()
    def test_people_are_told_of_all_companies_at_once(self):
        currency = create_currency('IDR')
        for name in ["A", "B"]:
            create_company(name, currency=currency)
        self.assertEqual(find_cron(NOTIFY).companies, ())
