# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What a submission tells about itself, in Indonesian."""

import datetime as dt

from .waiting import WaitingTestCase, now


def soon(minutes):
    "A time on the same day or the next, UTC, and as the branch's clock has it"
    moment = now().replace(microsecond=0) + dt.timedelta(minutes=minutes)
    local = moment + dt.timedelta(hours=7)
    today = now() + dt.timedelta(hours=7)
    date = '' if local.date() == today.date() else f'{local:%d-%m-%Y} '
    return moment, f'{date}{local:%H:%M} WIB'


class ExplanationTestCase(WaitingTestCase):
    "What one submission tells"

    def told(self, id_, login='satusehat'):
        text = self.user(login).read(
            'satusehat.submission', id_, 'last_error')['last_error']
        return (text or '').splitlines()

    def test_nothing_to_tell(self):
        for state in ['pending', 'sending', 'sent']:
            with self.subTest(state=state):
                self.assertEqual(self.told(self.submission(state=state)), [])

    def test_time_of_the_next_attempt(self):
        moment, clock = soon(7)
        self.assertEqual(
            self.told(self.submission(
                    state='waiting', reason='unreachable',
                    next_attempt=moment))[0],
            f"Server SATUSEHAT tidak terjangkau, dicoba lagi {clock}.")

    def test_another_day_has_its_date(self):
        self.assertEqual(
            self.told(self.submission(
                    state='waiting', reason='server_error',
                    next_attempt=dt.datetime(2099, 3, 2, 20, 5)))[0],
            "SATUSEHAT sedang mengalami gangguan, dicoba lagi "
            "03-03-2099 03:05 WIB.")

    def test_clock_of_the_branch(self):
        with self.changes() as pool:
            Company = pool.get('company.company')
            Company.write(
                [Company(self.company())], {'timezone': 'Asia/Jayapura'})
        try:
            told = self.told(self.submission(
                    state='waiting', reason='server_error',
                    next_attempt=dt.datetime(2099, 3, 2, 20, 5)))[0]
        finally:
            with self.changes() as pool:
                Company = pool.get('company.company')
                Company.write(
                    [Company(self.company())], {'timezone': 'Asia/Jakarta'})
        self.assertTrue(told.endswith("03-03-2099 05:05 WIT."), told)

    def test_attempt_that_is_due(self):
        self.assertEqual(
            self.told(self.submission(
                    state='waiting', reason='unreachable',
                    next_attempt=soon(-1)[0]))[0],
            "Server SATUSEHAT tidak terjangkau, segera dicoba lagi.")

    def test_refused_data_is_not_tried_again(self):
        self.assertEqual(
            self.told(self.submission(
                    state='needs_data', reason='patient_without_nik',
                    next_attempt=None)),
            ["NIK pasien belum diisi.", "Isi NIK, lalu kirim ulang."])

    def test_who_has_to_act(self):
        self.assertEqual(
            self.told(self.submission(
                    state='needs_admin', reason='twin', next_attempt=None)),
            ["Kunjungan ini tercatat lebih dari sekali di SATUSEHAT.",
                "Minta administrator SATUSEHAT menghubungi helpdesk "
                "SATUSEHAT.", "Setelah diperbaiki, tekan Kirim ulang."])

    def test_fault_of_the_branch_goes_on_by_itself(self):
        moment, clock = soon(9)
        told = self.told(self.submission(
                state='needs_admin', reason='secret_refused',
                next_attempt=moment))
        self.assertEqual(
            told[0],
            f"Client ID/Secret Key cabang ditolak, dicoba lagi {clock}.")
        self.assertEqual(len(told), 2)

    def test_detail_follows_the_colon(self):
        self.assertEqual(
            self.told(self.submission(
                    state='needs_admin', reason='configuration',
                    next_attempt=None, detail="local_url"))[1:3],
            ["Minta pengelola server memeriksa opsi ini pada bagian "
                "[satusehat]:", "local_url"])

    def test_no_colon_without_detail(self):
        for line in self.told(self.submission(
                    state='needs_data', reason='mapping', detail=None)):
            self.assertTrue(line.endswith('.'), line)

    def test_branch_without_environment(self):
        told = self.told(self.submission(environment=None))
        self.assertEqual(
            told[0], "Lingkungan SATUSEHAT cabang belum aktif.")

    def test_untouched_row_of_a_client_that_has_to_wait(self):
        id_ = self.submission()
        until, clock = soon(8)
        self.gate(blocked_until=until, problem='throttled')
        self.assertEqual(
            self.told(id_)[0],
            f"Dibatasi server SATUSEHAT, dicoba lagi {clock}.")

    def test_untouched_row_behind_the_breaker_of_the_client(self):
        id_ = self.submission()
        until, clock = soon(8)
        self.gate(open_until=until, problem='secret_refused')
        self.assertEqual(
            self.told(id_)[0],
            f"Client ID/Secret Key cabang ditolak, dicoba lagi {clock}.")

    def test_untouched_row_behind_the_breaker_of_the_host(self):
        ids = {
            branch: self.submission(branch) for branch in ['kota', 'desa']}
        until, clock = soon(8)
        self.gate(open_until=until, problem='certificate', client_id='')
        for branch, id_ in ids.items():
            with self.subTest(branch=branch):
                self.assertEqual(
                    self.told(id_, f'satusehat-{branch}')[0],
                    "Sertifikat server SATUSEHAT tidak sah, dicoba lagi "
                    f"{clock}.")

    def test_breaker_of_the_client_comes_before_that_of_the_host(self):
        id_ = self.submission()
        until, clock = soon(8)
        self.gate(
            open_until=soon(3)[0], problem='unreachable', client_id='')
        self.gate(open_until=until, problem='secret_refused')
        self.assertIn(f"ditolak, dicoba lagi {clock}.", self.told(id_)[0])

    def test_breaker_of_another_environment(self):
        id_ = self.submission()
        self.gate(
            open_until=soon(8)[0], problem='unreachable', client_id='',
            environment='production')
        self.assertEqual(self.told(id_), [])

    def test_probe_under_way(self):
        id_ = self.submission()
        until, clock = soon(2)
        self.gate(
            open_until=soon(-1)[0], probe_until=until, problem='unreachable')
        self.assertIn(f"dicoba lagi {clock}.", self.told(id_)[0])

    def test_breaker_that_lets_a_probe_through(self):
        id_ = self.submission()
        self.gate(open_until=soon(-1)[0], problem='unreachable')
        self.assertEqual(
            self.told(id_)[0],
            "Server SATUSEHAT tidak terjangkau, segera dicoba lagi.")

    def test_closed_breaker(self):
        id_ = self.submission()
        self.gate(failures=3, recent='000', problem=None)
        self.assertEqual(self.told(id_), [])

    def test_row_that_met_the_fault_of_the_branch(self):
        id_ = self.submission(
            state='needs_admin', reason='secret_refused',
            next_attempt=soon(-1)[0])
        until, clock = soon(8)
        self.gate(open_until=until, problem='secret_refused')
        self.assertIn(f"ditolak, dicoba lagi {clock}.", self.told(id_)[0])

    def test_row_that_needs_a_person_is_not_held(self):
        id_ = self.submission(
            state='needs_admin', reason='twin', next_attempt=None)
        self.gate(open_until=soon(8)[0], problem='secret_refused')
        self.assertIn("lebih dari sekali", self.told(id_)[0])
        self.assertNotIn("dicoba lagi", ' '.join(self.told(id_)))

    def test_token_refusal_is_told_as_the_secret(self):
        id_ = self.submission()
        self.gate(blocked_until=soon(8)[0], problem='unauthorized')
        self.assertIn(
            "Client ID/Secret Key cabang ditolak", self.told(id_)[0])

    def test_fetching_a_token_is_nothing_to_tell(self):
        id_ = self.submission()
        self.gate(blocked_until=soon(1)[0], problem='token_pending')
        self.assertEqual(self.told(id_), [])

    def test_the_other_branch_is_not_held(self):
        id_ = self.submission('desa')
        self.gate(blocked_until=soon(8)[0], problem='throttled')
        self.assertEqual(self.told(id_, 'satusehat-desa'), [])

    def test_refused_data_is_not_explained_by_the_client(self):
        id_ = self.submission(state='needs_data', reason='refused')
        self.gate(blocked_until=soon(8)[0], problem='throttled')
        self.assertEqual(
            self.told(id_)[0], "SATUSEHAT menolak isi kunjungan.")

    def test_refused_while_the_clock_is_fast(self):
        ids = [
            self.submission(state='needs_data', reason=reason)
            for reason in ['refused', 'patient_not_found']]
        self.gate(client_id='', clock_skew=-600.0, clock_skew_at=now())
        self.assertEqual(
            self.told(ids[0])[-1],
            "Jam server terlalu cepat 10 menit sehingga waktu kunjungan bisa "
            "dianggap di masa depan. Minta pengelola server menyetel jam "
            "server, lalu kirim ulang.")
        self.assertNotIn("Jam server", ' '.join(self.told(ids[1])))

    def test_refused_while_the_clock_is_slow(self):
        id_ = self.submission(state='needs_data', reason='refused')
        self.gate(client_id='', clock_skew=600.0, clock_skew_at=now())
        self.assertNotIn("Jam server", ' '.join(self.told(id_)))

    def test_sweep_that_does_not_run(self):
        id_ = self.submission(next_attempt=soon(-20)[0])
        moment, clock = soon(-12)
        self.sweep(moment)
        self.assertEqual(
            self.told(id_), [
                f"Pengiriman otomatis tidak berjalan sejak {clock}. "
                "Minta pengelola server memeriksa trytond-cron."])

    def test_sweep_that_never_ran(self):
        id_ = self.submission(next_attempt=soon(-20)[0])
        self.sweep(None)
        self.assertEqual(
            self.told(id_), [
                "Pengiriman otomatis belum berjalan. "
                "Minta pengelola server menjalankan trytond-cron."])

    def test_sweep_of_the_last_minutes_is_in_time(self):
        id_ = self.submission(next_attempt=soon(-20)[0])
        self.sweep(soon(-4)[0])
        self.assertEqual(self.told(id_), [])

    def test_sender_died_and_the_sweep_does_not_run(self):
        id_ = self.submission(
            state='sending', next_attempt=soon(-20)[0],
            lease_until=soon(-12)[0])
        self.assertEqual(self.told(id_), [])
        moment, clock = soon(-12)
        self.sweep(moment)
        self.assertIn(
            f"tidak berjalan sejak {clock}.", ' '.join(self.told(id_)))

    def test_sender_at_work_without_sweep(self):
        id_ = self.submission(
            state='sending', next_attempt=soon(-20)[0],
            lease_until=soon(1)[0])
        self.sweep(None)
        self.assertEqual(self.told(id_), [])

    def test_row_that_is_not_due_does_not_wait_for_the_sweep(self):
        id_ = self.submission(
            state='waiting', reason='unreachable', next_attempt=soon(30)[0])
        self.sweep(None)
        self.assertNotIn("otomatis", ' '.join(self.told(id_)))

    def test_stopped(self):
        id_ = self.submission(state='needs_admin', reason='twin')
        execute = self.wizard(
            'satusehat', 'satusehat.submission.stop',
            'satusehat.submission', [id_])
        execute('stop', ask={'reason': "Kunjungan salah pasien"})
        told = self.told(id_)
        self.assertRegex(
            told[0], r"^Dihentikan oleh .+, \d\d:\d\d WIB\.$")
        self.assertEqual(told[1:], ["Kunjungan salah pasien"])

    def test_stopped_with_unknown_outcome(self):
        id_ = self.submission(state='checking', begun=True, begun_at=now())
        execute = self.wizard(
            'satusehat', 'satusehat.submission.stop',
            'satusehat.submission', [id_])
        execute('stop', ask={'reason': "Salah"})
        self.assertIn("SATUSEHAT mungkin tetap menyimpan", self.told(id_)[2])

    def test_nothing_was_there_to_withdraw(self):
        self.assertEqual(
            self.told(self.submission(state='stopped', reason='withdrawn')),
            ["SATUSEHAT tidak menyimpan data kunjungan ini.",
                "Tidak ada yang perlu ditarik."])

    def test_versions_of_a_visit(self):
        id_ = self.submission(state='sent')
        with self.changes() as pool:
            first = pool.get('satusehat.submission')(id_)
            pool.get('satusehat.submission').create([{
                        'encounter': first.encounter.id, 'version': 2,
                        'company': first.company.id, 'environment': 'staging',
                        }])
            visit = first.encounter.id
        self.assertEqual(
            self.user('doctor').read(
                'clinic.encounter', visit, 'satusehat_note'
                )['satusehat_note'], "v1: Terkirim, v2: Menunggu dikirim")
