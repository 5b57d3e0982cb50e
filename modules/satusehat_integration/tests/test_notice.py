# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Who is told of what was not sent."""

import datetime as dt
from unittest.mock import patch

from trytond.modules.satusehat_integration import notice

from .tools import ORGANIZATIONS
from .waiting import HOUR, WaitingTestCase, now


class NoticeTestCase(WaitingTestCase):
    "Who is told of what was not sent"

    def setUp(self):
        super().setUp()
        self.clear()

    def give(self):
        with self.changes(user=0) as pool:
            pool.get('satusehat.submission').notify()

    def told(self):
        "Return {login: [(label, description)]} of all notifications"
        with self.database() as pool:
            told = {}
            for n in pool.get('res.notification').search(
                    [], order=[('id', 'ASC')]):
                told.setdefault(n.user.login, []).append(
                    (n.label, n.description))
            return told

    def test_nothing_to_tell_in_the_first_day(self):
        self.waiting(hours=23, state='waiting', reason='unreachable')
        self.waiting(hours=1)
        self.give()
        self.assertEqual(self.told(), {})

    def test_branch_after_a_day(self):
        for _ in range(3):
            self.waiting(hours=25, state='waiting', reason='secret_refused')
        self.waiting(hours=2, state='waiting', reason='secret_refused')
        self.give()
        told = self.told()
        self.assertEqual(
            set(told), {'admin-kota', 'everything-kota', 'admin'})
        self.assertEqual(told['admin-kota'], [(
                    "Client ID/Secret Key cabang ditolak",
                    "3 kunjungan belum terkirim sejak 24 jam (Klinik Kota). "
                    "Minta administrator SATUSEHAT memeriksa keduanya di "
                    "Kredensial.")])

    def test_administrators_after_three_days(self):
        self.waiting(hours=73, state='needs_data', reason='refused')
        self.give()
        told = self.told()
        self.assertEqual(
            set(told), {'admin-kota', 'everything-kota', 'satusehat-kota',
                'admin'})
        self.assertEqual(told['satusehat-kota'], [(
                    "SATUSEHAT menolak isi kunjungan",
                    "1 kunjungan belum terkirim sejak 3 hari (Klinik Kota). "
                    "Pengiriman menunggu sampai kunjungan dikoreksi.")])
        self.assertEqual(told['admin'], told['satusehat-kota'])

    def test_administrators_at_once(self):
        self.waiting(state='needs_admin', reason='twin')
        self.give()
        told = self.told()
        self.assertEqual(set(told), {'satusehat-kota', 'admin'})
        (label, description), = told['admin']
        self.assertTrue(label.startswith("Kunjungan ini tercatat"))
        self.assertTrue(description.startswith(
                "1 kunjungan perlu admin (Klinik Kota). Minta "))

    def test_each_cause_once_a_day(self):
        self.waiting(state='needs_admin', reason='twin')
        for _ in range(3):
            self.give()
            self.waiting(state='needs_admin', reason='twin')
        self.assertEqual(len(self.told()['satusehat-kota']), 1)
        self.waiting(state='needs_admin', reason='damaged')
        self.give()
        self.assertEqual(len(self.told()['satusehat-kota']), 2)

    def test_again_on_the_next_day(self):
        self.waiting(state='needs_admin', reason='twin')
        self.give()
        with self.changes() as pool:
            Notice = pool.get('satusehat.notice')
            given, = Notice.search([])
            Notice.write(
                [given], {'day': given.day - dt.timedelta(days=1)})
        self.give()
        self.give()
        self.assertEqual(len(self.told()['satusehat-kota']), 2)

    def test_branches_of_one_cause_are_told_together(self):
        for branch in ORGANIZATIONS:
            self.waiting(branch, state='needs_admin', reason='certificate')
        self.give()
        told = self.told()
        label, description = told['admin'][0]
        self.assertEqual(len(told['admin']), 1)
        self.assertTrue(label.startswith("Sertifikat"))
        self.assertTrue(description.startswith(
                "2 kunjungan perlu admin (Klinik Kota, Klinik Desa). "))
        self.assertEqual(len(told['satusehat-kota']), 1)
        self.assertTrue(
            told['satusehat-desa'][0][1].startswith("1 kunjungan"))

    def test_many_branches_are_not_all_named(self):
        same = [
            notice.Concern(
                'administrators', self.company(branch), 'twin', 2,
                'msg_notice_admin')
            for branch in ['kota', 'desa', 'kota', 'desa', 'kota']]
        with self.shown(language='id'):
            (_, description), = notice.texts(same)
        self.assertTrue(description.startswith("10 kunjungan"), description)
        self.assertIn(", 2 cabang lain). ", description)

    def test_language_of_the_user(self):
        with self.changes() as pool:
            User = pool.get('res.user')
            Lang = pool.get('ir.lang')
            user, = User.search([('login', '=', 'satusehat-kota')])
            before = user.language
            english, = Lang.search([('code', '=', 'en')])
            User.write([user], {'language': english.id})
        self.waiting(state='needs_admin', reason='damaged')
        self.give()
        with self.changes() as pool:
            pool.get('res.user').write([user], {'language': before})
        told = self.told()
        self.assertTrue(told['satusehat-kota'][0][1].startswith(
                "1 visits need an administrator (Klinik Kota). "))
        self.assertTrue(told['admin'][0][1].startswith("1 kunjungan perlu"))

    def test_who_is_both_is_told_once(self):
        self.waiting(hours=25, state='needs_admin', reason='twin')
        with self.changes() as pool:
            User = pool.get('res.user')
            Group = pool.get('res.group')
            user, = User.search([('login', '=', 'satusehat-kota')])
            group, = Group.search([('name', '=', "Clinic Administration")])
            User.write([user], {'groups': [('add', [group.id])]})
        self.give()
        self.give()
        with self.changes() as pool:
            pool.get('res.user').write(
                [user], {'groups': [('remove', [group.id])]})
        self.assertEqual(len(self.told()['satusehat-kota']), 1)
        self.assertEqual(len(self.told()['admin-kota']), 1)

    def differ(self, seconds, hours=0, environment='staging'):
        self.gate(
            client_id='', environment=environment, clock_skew=seconds,
            clock_skew_at=now() - hours * HOUR)

    def test_clock_that_is_slow(self):
        self.differ(612.4)
        self.give()
        self.give()
        told = self.told()
        self.assertEqual(
            set(told), {'satusehat-kota', 'satusehat-desa', 'admin'})
        self.assertEqual(told['satusehat-kota'], [(
                    "Jam server tidak sama dengan jam SATUSEHAT",
                    "Jam server terlambat 10 menit (Klinik Kota). "
                    "Minta pengelola server menyetel jam server.")])
        self.assertEqual(len(told['admin']), 1)
        self.assertIn("(Klinik Kota, Klinik Desa)", told['admin'][0][1])

    def test_clock_that_is_fast(self):
        self.differ(-600.0)
        self.give()
        self.assertTrue(self.told()['admin'][0][1].startswith(
                "Jam server terlalu cepat 10 menit (Klinik Kota"))

    def test_clock_that_is_told_no_more(self):
        self.differ(None)
        self.differ(600.0, hours=25, environment='production')
        self.differ(600.0, environment='local')
        self.give()
        self.assertEqual(self.told(), {})

    def test_sweep_that_does_not_run(self):
        "The scheduler is alive again, or another one tells"
        self.waiting(hours=25, next_attempt=now() - 25 * HOUR)
        self.sweep(now() - HOUR)
        self.give()
        self.assertEqual(
            self.told()['admin-kota'][0][0],
            "Pengiriman otomatis tidak berjalan")

    def test_notification_opens_the_list(self):
        self.waiting(state='needs_admin', reason='twin')
        self.give()
        user = self.user('satusehat')
        told, = user('res.notification', 'get', 10)
        # Given whole: the web client does not open one by its number
        self.assertEqual(told['action']['type'], 'ir.action.act_window')
        self.assertEqual(told['action']['res_model'], 'satusehat.unsent')

    def test_nobody_to_tell(self):
        self.waiting('desa', hours=25, state='waiting', reason='unreachable')
        with patch.object(notice, '_users', lambda *args: set()), (
                self.assertLogs(notice.logger, 'WARNING')) as logged:
            self.give()
            self.give()
        self.assertEqual(self.told(), {})
        self.assertEqual(len(logged.output), 1)
        self.assertIn("nobody to tell at branch", logged.output[0])

    def test_old_notices_go(self):
        self.waiting(state='needs_admin', reason='twin')
        self.give()
        with self.changes() as pool:
            Notice = pool.get('satusehat.notice')
            Notice.write(
                Notice.search([]), {'day': dt.date(2026, 1, 1)})
        self.give()
        with self.database() as pool:
            notices = pool.get('satusehat.notice').search([])
            self.assertEqual(len(notices), 1)
            self.assertGreater(notices[0].day, dt.date(2026, 1, 1))


del WaitingTestCase
