# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The lines of the server's log."""

import unittest
from collections import Counter

from trytond.modules.satusehat_integration.report import (
    clock, problem, summary)


class ReportTestCase(unittest.TestCase):
    "What a sender says of its run"

    def test_run(self):
        self.assertEqual(
            summary(Counter({
                        'claimed': 12, 'requests': 15, 'sent': 8,
                        'needs_data': 1, 'waiting': 2, 'checking': 1}), 3.21),
            "SATUSEHAT: 12 visits claimed: 8 sent, 2 to be tried again, "
            "1 to be looked for, 1 refused for their data; "
            "15 requests in 3.2 s")

    def test_run_that_settled_nothing(self):
        self.assertEqual(
            summary({'claimed': 2}, 50),
            "SATUSEHAT: 2 visits claimed: none settled; 0 requests in 50.0 s")

    def test_clock(self):
        for seconds, words in [
                (600, "is 10 minutes behind the platform's"),
                (-130, "is 2 minutes ahead of the platform's"),
                (None, "agrees with the platform's again")]:
            with self.subTest(seconds=seconds):
                self.assertEqual(
                    clock('staging', seconds),
                    f"SATUSEHAT staging: this server's clock {words}")

    def test_problem_of_a_branch(self):
        self.assertEqual(
            problem('production', 7, 'secret_refused', 1),
            "SATUSEHAT production, branch 7: secret_refused (1 visits)")

    def test_problem_of_the_host(self):
        self.assertEqual(
            problem('staging', None, 'certificate', 2),
            "SATUSEHAT staging, host: certificate (2 visits)")
