# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The list of what is not sent yet, by branch and cause."""

from trytond.pyson import PYSONDecoder

from .waiting import HOUR, WaitingTestCase, now


def ago(minutes):
    return (now() - minutes / 60 * HOUR).replace(microsecond=0)


def wall_clock(moment):
    "Return the moment, UTC, as the branch's clock has it"
    local, today = moment + 7 * HOUR, now() + 7 * HOUR
    date = '' if local.date() == today.date() else f'{local:%d-%m-%Y} '
    return f'{date}{local:%H:%M} WIB'


class UnsentTestCase(WaitingTestCase):
    "The list of what waits and why"

    def setUp(self):
        super().setUp()
        self.clear()

    def unsent(self, login='satusehat'):
        user = self.user(login)
        names = ['company', 'state', 'cause', 'visits']
        return sorted(
            (row['state'], row['cause'], row['visits'])
            for row in user(
                'satusehat.unsent', 'search_read', [], 0, None, None, names))

    def test_groups(self):
        for _ in range(3):
            self.waiting(state='waiting', reason='unreachable')
        self.waiting(state='needs_data', reason='patient_without_nik')
        self.waiting()
        self.waiting(state='sending')
        self.waiting(environment=None)
        for state in ['sent', 'stopped']:
            self.submission(state=state)
        self.assertEqual(self.unsent(), [
                ('needs_data', "NIK pasien belum diisi", 1),
                ('pending', "Lingkungan SATUSEHAT cabang belum aktif", 1),
                ('pending', "Menunggu giliran dikirim", 1),
                ('sending', "Sedang dikirim", 1),
                ('waiting', "Server SATUSEHAT tidak terjangkau", 3),
                ])

    def test_nothing_waits(self):
        self.submission(state='sent')
        self.assertEqual(self.unsent(), [])

    def test_branches(self):
        self.waiting('kota')
        self.waiting('desa', state='needs_admin', reason='twin')
        self.assertEqual(
            self.unsent('satusehat'),
            [('pending', "Menunggu giliran dikirim", 1)])
        self.assertEqual(self.unsent('admin'), self.unsent('satusehat'))
        self.assertEqual(
            [row[0] for row in self.unsent('satusehat-desa')],
            ['needs_admin'])
        self.assertEqual(len(self.unsent('admin!')), 2)

    def test_held_branch_has_one_cause(self):
        self.waiting()
        self.waiting(reason='server_error')
        self.waiting(state='checking', reason='no_answer')
        until, _ = self.block(problem='throttled')
        rows = self.unsent()
        self.assertEqual(rows, [
                ('checking', "SATUSEHAT tidak menjawab tepat waktu", 1),
                ('pending', "Dibatasi server SATUSEHAT", 2)])
        with self.database() as pool:
            group, = pool.get('satusehat.unsent').search(
                [('state', '=', 'pending')])
            self.assertEqual(group.next_attempt, until)

    def test_row_that_met_the_fault_of_its_branch(self):
        self.waiting(state='needs_admin', reason='secret_refused')
        self.waiting()
        self.waiting()
        until = (now() + 2 * HOUR).replace(microsecond=0)
        self.gate(open_until=until, problem='secret_refused')
        self.assertEqual(self.unsent(), [
                ('needs_admin', "Client ID/Secret Key cabang ditolak", 1),
                ('pending', "Client ID/Secret Key cabang ditolak", 2)])
        with self.database() as pool:
            self.assertEqual(
                {g.next_attempt for g in
                    pool.get('satusehat.unsent').search([])}, {until})

    def block(self, **values):
        until = (now() + HOUR).replace(microsecond=0)
        self.gate(blocked_until=until, **values)
        return until, values

    def test_oldest(self):
        self.waiting(hours=2)
        self.waiting(hours=30)
        row, = self.user('satusehat')(
            'satusehat.unsent', 'search_read', [], 0, None, None, ['since'])
        age = now() - row['since']
        self.assertLess(abs(age - 30 * HOUR), HOUR)

    def test_sweep_that_does_not_run_is_the_cause(self):
        self.waiting(next_attempt=now() - HOUR)
        self.waiting(
            state='needs_data', reason='refused', next_attempt=None)
        self.sweep(ago(60))
        self.assertEqual(self.unsent(), [
                ('needs_data', "SATUSEHAT menolak isi kunjungan", 1),
                ('pending', "Pengiriman otomatis tidak berjalan sejak "
                    + wall_clock(ago(60)), 1)])
        self.sweep(None)
        self.assertIn(
            ('pending', "Pengiriman otomatis belum berjalan", 1),
            self.unsent())

    def test_sender_that_died_and_nobody_looks(self):
        self.waiting(
            state='sending', next_attempt=ago(90), lease_until=ago(60))
        self.waiting(
            state='sending', next_attempt=ago(90), lease_until=ago(-2))
        self.sweep(ago(60))
        (_, cause, _), = self.unsent()
        self.assertIn("tidak berjalan sejak", cause)
        self.sweep(now())
        (_, cause, _), = self.unsent()
        self.assertEqual(cause, "Sedang dikirim")

    def opened(self, login, group):
        "The submissions that a double click on the group shows"
        execute = self.wizard(
            login, 'satusehat.unsent.open', 'satusehat.unsent', [group])
        (action, _), = execute('open_')['actions']
        domain = PYSONDecoder({}).decode(action['pyson_domain'])
        return set(self.user(login).search(action['res_model'], domain))

    def test_double_click_opens_the_visits(self):
        wanted = {
            self.waiting(state='waiting', reason='unreachable')
            for _ in range(2)}
        self.waiting(state='waiting', reason='server_error')
        self.waiting('desa', state='waiting', reason='unreachable')
        for login in ['satusehat', 'admin']:
            with self.subTest(login=login):
                self.assertEqual(self.opened(login, min(wanted)), wanted)

    def test_visits_are_told_apart_by_those_who_may_not_see_them(self):
        ids = [self.waiting() for _ in range(2)]
        user = self.user('satusehat')
        with self.database() as pool:
            numbers = {
                s.id: s.encounter.number
                for s in pool.get('satusehat.submission').browse(ids)}
        for id_, number in numbers.items():
            self.assertEqual(
                user.read('satusehat.submission', id_, 'number')['number'],
                number)
            self.assertEqual(
                user.search(
                    'satusehat.submission', [('number', '=', number)]), [id_])

    def test_double_click_on_a_held_branch(self):
        wanted = {self.waiting(), self.waiting(reason='server_error')}
        self.block(problem='throttled')
        self.assertEqual(self.opened('satusehat', min(wanted)), wanted)

    def test_double_click_on_visits_without_environment(self):
        id_ = self.waiting(environment=None)
        self.waiting()
        self.assertEqual(self.opened('satusehat', id_), {id_})


del WaitingTestCase
