# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What an administrator decides about submissions, over RPC."""

from trytond.exceptions import UserError
from trytond.modules.satusehat_integration.decision import STOPPABLE
from trytond.modules.satusehat_integration.exceptions import (
    ReasonRequired, StopError)

from .tools import SatusehatTestCase, now


class DecisionTestCase(SatusehatTestCase):
    "Sending again and stopping"

    def test_resend(self):
        id_ = self.submission(
            state='needs_data', reason='refused', detail="Ditolak")
        execute = self.wizard(
            'satusehat', 'satusehat.submission.resend',
            'satusehat.submission', [id_])

        execute('resend', ask={'reason': "NIK sudah diperbaiki"})

        user = self.user('satusehat')
        row = user.read(
            'satusehat.submission', id_, 'state', 'last_error', 'actions')
        self.assertEqual((row['state'], row['last_error']), ('pending', None))
        action, = row['actions']
        self.assertEqual(
            user.read(
                'satusehat.submission.action', action, 'reason',
                'create_uid')['reason'], "NIK sudah diperbaiki")
        self.assertEqual(
            user.read(
                'satusehat.submission.action', action,
                'create_uid')['create_uid'], user.config.user)

    def test_resend_needs_a_reason(self):
        id_ = self.submission(state='needs_data', reason='refused')
        before = self.row('satusehat.submission', id_)
        execute = self.wizard(
            'satusehat', 'satusehat.submission.resend',
            'satusehat.submission', [id_])

        for reason in [None, '', '  \n']:
            with self.subTest(reason=reason):
                self.assertRaises(
                    UserError, execute, 'resend', ask={'reason': reason})
                self.assertEqual(
                    self.row('satusehat.submission', id_), before)

    def stop(self, id_, reason="Salah pasien", login='satusehat'):
        execute = self.wizard(
            login, 'satusehat.submission.stop', 'satusehat.submission', [id_])
        execute('stop', ask={'reason': reason})

    def test_stop(self):
        for state in STOPPABLE:
            id_ = self.submission(
                state=state, reason='refused', next_attempt=now())
            with self.subTest(state=state):
                self.stop(id_)
                row = self.row('satusehat.submission', id_)
                self.assertEqual(
                    (row['state'], row['next_attempt']), ('stopped', None))
                self.assertEqual(
                    self.actions(id_), [
                        ('stop', "Salah pasien",
                            self.user('satusehat').config.user)])

    def actions(self, id_):
        with self.database() as pool:
            return [
                (a.action, a.reason, a.create_uid.id)
                for a in pool.get('satusehat.submission')(id_).actions]

    def test_stop_comes_too_late(self):
        for state in ['sending', 'sent']:
            id_ = self.submission(state=state)
            before = self.row('satusehat.submission', id_)
            with self.subTest(state=state):
                self.assertRaises(StopError, self.stop, id_)
                self.assertEqual(
                    self.row('satusehat.submission', id_), before)
                self.assertEqual(self.actions(id_), [])

    def test_stop_needs_a_reason(self):
        id_ = self.submission()
        before = self.row('satusehat.submission', id_)
        for reason in [None, '', '  \n']:
            with self.subTest(reason=reason):
                self.assertRaises(ReasonRequired, self.stop, id_, reason)
                self.assertEqual(
                    self.row('satusehat.submission', id_), before)

    def test_stopped_twice_is_told_once(self):
        id_ = self.submission()
        self.stop(id_, "Pertama")
        before = self.row('satusehat.submission', id_)
        self.stop(id_, "Kedua")
        self.assertEqual(self.row('satusehat.submission', id_), before)
        self.assertEqual(
            [reason for _, reason, _ in self.actions(id_)], ["Pertama"])

    def test_stop_warns_of_an_unknown_outcome(self):
        ids = [
            self.submission(state='checking', begun=True, begun_at=now()),
            self.submission(state='waiting')]
        for chosen, warned in [(ids, True), (ids[1:], False)]:
            execute = self.wizard(
                'satusehat', 'satusehat.submission.stop',
                'satusehat.submission', chosen)
            defaults = execute('ask')['view']['defaults']
            with self.subTest(chosen=len(chosen)):
                self.assertIn(str(len(chosen)), defaults['notice'])
                self.assertEqual("Take care" in defaults['notice'], warned)

    def test_stopped_can_be_sent_again(self):
        id_ = self.submission()
        self.stop(id_)
        execute = self.wizard(
            'satusehat', 'satusehat.submission.resend',
            'satusehat.submission', [id_])
        execute('resend', ask={'reason': "Ternyata benar"})
        self.assertEqual(
            self.row('satusehat.submission', id_)['state'], 'pending')
        self.assertEqual(
            [action for action, *_ in self.actions(id_)], ['resend', 'stop'])

    def test_many_at_once(self):
        ids = [
            self.submission(state='needs_data', reason='refused')
            for _ in range(3)]
        for name, state, reached in [
                ('satusehat.submission.stop', 'stop', 'stopped'),
                ('satusehat.submission.resend', 'resend', 'pending')]:
            execute = self.wizard(
                'satusehat', name, 'satusehat.submission', ids)
            execute(state, ask={'reason': "Semua"})
            for id_ in ids:
                with self.subTest(state=state):
                    self.assertEqual(
                        self.row('satusehat.submission', id_)['state'],
                        reached)
