# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import datetime as dt
import unittest
from unittest.mock import patch

from trytond import backend
from trytond.modules.clinic_rme import worklist
from trytond.pyson import PYSONDecoder
from trytond.tests.test_tryton import DB_NAME
from trytond.transaction import Transaction

from .tools import RemoteTestCase, ago

MODEL = 'clinic.encounter'
LISTED = [
    'company.rec_name', 'number', 'arrived_at', 'waiting_minutes',
    'waiting_level', 'patient.rec_name', 'unit.rec_name',
    'practitioner.rec_name', 'state']
# 06:30 of 10 March 2026 in the zone, in UTC
MORNINGS = {
    'Asia/Jakarta': dt.datetime(2026, 3, 9, 23, 30),
    'Asia/Pontianak': dt.datetime(2026, 3, 9, 23, 30),
    'Asia/Makassar': dt.datetime(2026, 3, 9, 22, 30),
    'Asia/Jayapura': dt.datetime(2026, 3, 9, 21, 30),
    }


class WorkListTestCase(RemoteTestCase):
    "What each role finds in the tabs of its list"

    def tearDown(self):
        with self.transaction() as pool:
            Encounter = pool.get(MODEL)
            opened = Encounter.search([
                    ('state', 'in', ['planned', 'arrived', 'in_progress'])])
            Encounter.cancel(opened)
        super().tearDown()

    def tabs(self, role):
        "Return {tab: (domain, order)} of the list of the role"
        with self.database() as pool:
            ModelData = pool.get('ir.model.data')
            action = pool.get('ir.action.act_window')(ModelData.get_id(
                    'clinic_rme', f'act_worklist_{role}'))
            decoder = PYSONDecoder({'context': {}})
            order = decoder.decode(action.pyson_order)
            self.assertTrue(all(d.count for d in action.act_window_domains))
            return {
                d.name: (decoder.decode(d.domain), order)
                for d in action.act_window_domains}

    def listed(self, role, login=None):
        "Return {tab: ids in their order}, whose number is the count shown"
        user = self.user(login or role)
        result = {}
        for tab, (domain, order) in self.tabs(role).items():
            result[tab] = user(MODEL, 'search', domain, 0, None, order)
            self.assertEqual(
                user(MODEL, 'search_count', domain), len(result[tab]))
        return result

    def test_registration(self):
        planned = self.create_visit()
        waiting = self.create_visit('arrived')
        examined = self.create_visit('in_progress')
        self.create_visit('arrived', branch='desa')
        tabs = self.listed('registration')
        self.assertEqual(tabs["Arrived Today"][-2:], [waiting, examined])
        self.assertEqual(tabs["Waiting"], [waiting])
        self.assertEqual(tabs["Not Arrived Yet"], [planned])

    def test_nurse(self):
        waiting = self.create_visit('arrived', vital_signs=None)
        examined = self.create_visit('in_progress')
        self.create_visit()
        old = self.create_visit('arrived', arrived_at=ago(days=2))
        afterwards = self.create_visit(arrived_at=ago(days=1))
        self.assertEqual(self.listed('nurse'), {
                "Waiting": [waiting],
                "Without Vital Signs": [waiting],
                "In Examination": [examined],
                "Not Finished": [old, afterwards],
                })

    def test_doctor_finds_own_patients_first(self):
        nurse = self.clinic['kota']['nurse']
        other = self.create_visit('in_progress', practitioner=nurse)
        nobody = self.create_visit('in_progress', practitioner=None)
        mine = self.create_visit('in_progress')
        old = self.create_visit(
            'in_progress', arrived_at=ago(days=2), started_at=ago(days=2))
        tabs = self.listed('doctor')
        self.assertEqual(tabs["In Examination"], [mine, other, nobody])
        self.assertEqual(tabs["Not Finished"], [old])
        self.assertEqual(tabs["Not Signed"], [])
        doctor = self.user('doctor')
        self.assertEqual(
            {*doctor.search(MODEL, [
                        ('mine', '=', True), ('state', '=', 'in_progress')])},
            {mine, old})
        self.assertEqual(
            {*doctor.search(MODEL, [
                        ('mine', '=', False),
                        ('state', '=', 'in_progress')])},
            {other, nobody})
        self.assertTrue(doctor.read(MODEL, mine, 'mine')['mine'])
        self.assertFalse(doctor.read(MODEL, nobody, 'mine')['mine'])

    def test_not_signed(self):
        def ask(branch, value):
            self.user(f'admin-{branch}')(
                'clinic.configuration', 'write', [1],
                {'signature_required': value},
                company=self.clinic[branch]['company'])
        visits = {
            branch: self.create_visit('in_progress', branch=branch)
            for branch in ['kota', 'desa']}
        self.create_visit(arrived_at=ago(hours=3))
        afterwards = self.create_visit(
            arrived_at=ago(hours=3), started_at=ago(hours=2))
        ask('kota', True)
        self.addCleanup(ask, 'kota', False)
        for branch, unsigned in [
                ('kota', [afterwards, visits['kota']]), ('desa', [])]:
            tabs = self.listed('doctor', f'doctor-{branch}')
            self.assertEqual(tabs["Not Signed"], unsigned)
        self.assertEqual(
            self.root.search(MODEL, [
                    ('signature_required', '=', False),
                    ('state', '=', 'in_progress')]), [visits['desa']])

    def test_roles_see_their_menu(self):
        for role in ['registration', 'nurse', 'doctor', 'cashier']:
            user = self.user(role)
            with self.database() as pool:
                get_id = pool.get('ir.model.data').get_id
                menus = {
                    name: get_id('clinic_rme', f'menu_worklist_{name}')
                    for name in ['registration', 'nurse', 'doctor']}
            found = user.search(
                'ir.ui.menu', [('id', 'in', list(menus.values()))])
            self.assertEqual(found, [
                    id_ for name, id_ in menus.items() if name == role])

    def test_waiting_time(self):
        for minutes, level in [
                (0, None), (29, None), (30, 'warning'), (59, 'warning'),
                (60, 'danger'), (600, 'danger')]:
            with self.subTest(minutes=minutes):
                moment = ago(minutes=minutes)
                visit = self.create_visit('arrived', arrived_at=moment)
                with patch.object(
                        worklist, 'now', return_value=moment
                        + dt.timedelta(minutes=minutes, seconds=59)):
                    row = self.user('nurse').read(
                        MODEL, visit, 'waiting_minutes', 'waiting_level')
                self.assertEqual(row['waiting_minutes'], minutes)
                self.assertEqual(row['waiting_level'], level)
        started = self.create_visit(
            'in_progress', arrived_at=ago(minutes=90),
            started_at=ago(minutes=20))
        row = self.user('nurse').read(
            MODEL, started, 'waiting_minutes', 'waiting_level')
        self.assertEqual(row['waiting_minutes'], 70)
        self.assertIsNone(row['waiting_level'])
        planned = self.create_visit()
        self.assertIsNone(self.user('nurse').read(
                MODEL, planned, 'waiting_minutes')['waiting_minutes'])

    def test_thresholds(self):
        admin = self.user('admin')

        def limit(warning, danger):
            admin('clinic.configuration', 'write', [1], {
                    'waiting_warning': warning, 'waiting_danger': danger})
        self.addCleanup(limit, 30, 60)
        visit = self.create_visit('arrived', arrived_at=ago(minutes=15))
        limit(5, 10)
        self.assertEqual(self.user('nurse').read(
                MODEL, visit, 'waiting_level')['waiting_level'], 'danger')
        with self.assertRaisesRegex(Exception, "Waiting Long"):
            limit(20, 10)

    def test_morning_in_each_zone(self):
        company = self.clinic['kota']['company']

        def move(zone):
            with self.transaction() as pool:
                Company = pool.get('company.company')
                Company.write([Company(company)], {'timezone': zone})
        self.addCleanup(move, 'Asia/Jakarta')
        hour = dt.timedelta(hours=1)
        for zone, morning in MORNINGS.items():
            with self.subTest(zone=zone):
                move(zone)
                midnight = morning - 6.5 * hour
                visits = {
                    moment: self.create_visit('arrived', arrived_at=moment)
                    for moment in [
                        midnight - dt.timedelta(seconds=1), midnight,
                        morning]}
                earlier, first, last = visits.values()
                clerk = self.user('registration')
                with patch.object(worklist, 'now', return_value=morning):
                    for domain, expected in [
                            (('arrival', '=', 'today'), {first, last}),
                            (('arrival', '=', 'earlier'), {earlier}),
                            (('arrival', '!=', 'today'), {earlier}),
                            (('arrival', 'in', ['today', 'earlier']),
                                {earlier, first, last}),
                            (('arrival', '=', None), set()),
                            ]:
                        self.assertEqual(
                            {*clerk.search(MODEL, [
                                        domain,
                                        ('id', 'in', [*visits.values()])])},
                            expected)
                    self.assertEqual(
                        [clerk.read(MODEL, v, 'arrival')['arrival']
                            for v in visits.values()],
                        ['earlier', 'today', 'today'])


@unittest.skipUnless(
    backend.name == 'sqlite', "counts statements through SQLite's trace")
class WorkListStatementTestCase(RemoteTestCase):
    "A list of many visits is read with as few statements as one of few"

    def statements(self, visits, names):
        "Return how many statements reading takes with warm caches"
        config = self.user('doctor').config
        selects = []
        with Transaction().start(
                DB_NAME, config.user,
                context={**config.context, '_check_access': True},
                ) as transaction:
            Encounter = config.pool.get(MODEL)
            transaction.connection.set_trace_callback(selects.append)
            try:
                Encounter.read(visits, names)
            finally:
                transaction.connection.set_trace_callback(None)
        return len([s for s in selects if s.lstrip('( ').startswith('SELECT')])

    def test_list_and_missing(self):
        with self.transaction() as pool:
            Encounter = pool.get(MODEL)
            visits = [e.id for e in Encounter.create([
                        self.visit_values(arrived_at=ago(minutes=50))
                        for _ in range(100)])]
            Encounter.arrive(Encounter.browse(visits))
        for names, most in [(LISTED, 12), (['missing'], 12)]:
            with self.subTest(names=names):
                self.statements(visits[:2], names)
                few = self.statements(visits[:2], names)
                many = self.statements(visits, names)
                self.assertEqual(many, few)
                self.assertLessEqual(many, most)
