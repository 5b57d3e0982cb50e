# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Measures of the push: speed, claim, fairness. Run by script/bench.

Nothing here is installed with the suite.
"""
