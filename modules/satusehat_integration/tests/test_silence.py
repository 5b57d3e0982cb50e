# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What administrators see at log-in when nothing is sent at all."""

from .waiting import HOUR, WaitingTestCase, now


class SilenceTestCase(WaitingTestCase):
    "What administrators see at log-in when nothing is sent at all"

    def setUp(self):
        super().setUp()
        self.clear()
        for _ in range(2):
            self.waiting(next_attempt=now() - HOUR)

    def told(self, login='satusehat'):
        "Return (label, description) of all notifications of the user"
        user = self.user(login)
        found = user('res.notification', 'get', 10)
        self.assertEqual(
            user('res.notification', 'get_count'), len(found))
        return [(n['label'], n['description']) for n in found]

    def test_neither_scheduler_nor_worker(self):
        moment = now() - HOUR
        self.sweep(moment)
        (label, description), = self.told()
        self.assertRegex(
            label, r"^Pengiriman otomatis tidak berjalan sejak "
            r"(\d\d-\d\d-\d{4} )?\d\d:\d\d WIB$")
        self.assertIn(f'{moment + 7 * HOUR:%H:%M} WIB', label)
        self.assertEqual(
            description, "Kunjungan yang menunggu: 2. "
            "Minta pengelola server memeriksa trytond-cron.")

    def test_scheduler_that_never_ran(self):
        self.sweep(None)
        self.assertEqual(self.told(), [(
                    "Pengiriman otomatis belum berjalan",
                    "Kunjungan yang menunggu: 2. "
                    "Minta pengelola server menjalankan trytond-cron.")])

    def test_scheduler_that_runs(self):
        self.sweep(now() - HOUR / 15)
        self.assertEqual(self.told(), [])

    def test_worker_that_delivers_without_scheduler(self):
        self.clear()
        self.submission(state='sent')
        self.waiting(next_attempt=now() - HOUR / 30)
        self.waiting(state='needs_data', reason='refused', next_attempt=None)
        self.sweep(now() - HOUR)
        self.assertEqual(self.told(), [])

    def test_who_is_told(self):
        self.sweep(now() - HOUR)
        for login, count in [
                ('satusehat', 1), ('admin!', 1), ('satusehat-desa', 0),
                ('admin', 0), ('doctor', 0)]:
            with self.subTest(login=login):
                self.assertEqual(len(self.told(login)), count)

    def test_it_opens_the_list_and_lasts(self):
        self.sweep(now() - HOUR)
        user = self.user('satusehat')
        for _ in range(2):
            told, = user('res.notification', 'get', 10)
            self.assertTrue(told['unread'])
            self.assertEqual(told['action']['res_model'], 'satusehat.unsent')
            user('res.notification', 'mark_read', [told['id']])

    def test_other_notifications_are_kept(self):
        self.sweep(now() - HOUR)
        with self.changes() as pool:
            user, = pool.get('res.user').search(
                [('login', '=', 'satusehat-kota')])
            pool.get('res.notification').create([
                    {'user': user.id, 'label': f"{number}"}
                    for number in range(3)])
        found = self.user('satusehat')('res.notification', 'get', 3)
        self.assertEqual(
            [n['label'] for n in found][1:], ["2", "1"])
        ids = [n['id'] for n in found]
        self.user('satusehat')('res.notification', 'mark_read', ids)
        self.assertEqual(
            self.user('satusehat')('res.notification', 'get_count'), 2)


del WaitingTestCase
