# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import json

from trytond.modules.satusehat_integration.visit import thaw

from .tools import SatusehatTestCase

MODEL = 'clinic.encounter'


class CorrectionTestCase(SatusehatTestCase):
    "What the platform is to learn of a correction in the medical record"

    def submissions(self, visit):
        "Return (version, state, snapshot) of each, the first one first"
        with self.shown() as pool:
            return [
                (s.version, s.state, json.loads(
                        thaw(s.snapshot, s.snapshot_hash)))
                for s in pool.get('satusehat.submission').search(
                    [('encounter', '=', visit)],
                    order=[('version', 'ASC')])]

    def correct(self, visit, systolic):
        self.amend(visit, 'doctor', 'correction')
        doctor = self.user('doctor')
        row, = self.root.search(
            'clinic.vital_signs', [('encounter', '=', visit)])
        doctor('clinic.vital_signs', 'write', [row], {'systolic': systolic})
        doctor(MODEL, 'complete_correction', [visit])

    def begin(self, visit):
        "Let a write of the first version have left"
        with self.changes() as pool:
            Submission = pool.get('satusehat.submission')
            Submission.write(Submission.search(
                    [('encounter', '=', visit)]), {
                    'begun': True, 'state': 'sent'})

    def test_corrected_version(self):
        visit = self.create_visit('finished')
        self.correct(visit, 130)
        (_, _, first), (version, state, second) = self.submissions(visit)
        self.assertEqual((version, state), (2, 'pending'))
        self.assertEqual(first['vital_signs'][0]['values']['systolic'], 120)
        self.assertEqual(second['vital_signs'][0]['values']['systolic'], 130)
        self.assertNotIn('in_error', second['encounter'])

    def test_nothing_changed(self):
        visit = self.create_visit('finished')
        self.correct(visit, 120)
        self.assertEqual(len(self.submissions(visit)), 1)

    def test_addendum(self):
        visit = self.create_visit('finished')
        self.amend(visit, 'doctor', 'addendum')
        self.assertEqual(len(self.submissions(visit)), 1)

    def test_entered_in_error_before_it_left(self):
        visit = self.create_visit('finished')
        self.amend(visit, 'doctor', 'entered_in_error', "Salah pasien")
        (version, state, _), = self.submissions(visit)
        self.assertEqual((version, state), (1, 'stopped'))
        with self.shown() as pool:
            action, = pool.get('satusehat.submission.action').search(
                [('submission.encounter', '=', visit)])
            self.assertEqual(
                (action.action, action.reason), ('withdraw', "Salah pasien"))

    def test_entered_in_error_after_it_left(self):
        visit = self.create_visit('finished')
        self.begin(visit)
        self.amend(visit, 'doctor', 'entered_in_error', "Salah pasien")
        (_, state, first), (version, _, second) = self.submissions(visit)
        self.assertEqual((state, version), ('sent', 2))
        self.assertTrue(second['encounter']['in_error'])
        self.assertEqual(
            second['encounter']['status_history'],
            first['encounter']['status_history'])
