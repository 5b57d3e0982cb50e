# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Runs the scenarios of the modules, one test each.

pytest ignores unittest's `load_tests`, through which Tryton finds its
`scenario_*.rst`; here the suites are loaded that way and laid out flat.
"""

import unittest
from importlib import import_module
from pathlib import Path

import pytest

MODULES = Path(__file__).resolve().parents[1] / 'modules'


def flatten(suite):
    "The test cases of a suite and of the suites within."
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from flatten(test)
        else:
            yield test


def load_cases(module):
    "The scenarios that the module's test_scenario.py loads."
    if not (MODULES / module / 'tests' / 'test_scenario.py').exists():
        return []
    tests = import_module(f'trytond.modules.{module}.tests.test_scenario')
    suite = tests.load_tests(
        unittest.TestLoader(), unittest.TestSuite(), None)
    return list(flatten(suite))


CASES = {
    path.name: load_cases(path.name)
    for path in sorted(MODULES.iterdir()) if path.is_dir()}


def case_name(case):
    return Path(case._dt_test.filename).stem


@pytest.mark.parametrize('case', [
        pytest.param(case, id=f'{module}-{case_name(case)}')
        for module, cases in CASES.items() for case in cases])
def test_scenario(case):
    result = unittest.TestResult()
    case.run(result)
    for _, reason in result.skipped:
        pytest.skip(reason)
    for _, text in result.failures + result.errors:
        pytest.fail(text, pytrace=False)
    assert result.testsRun == 1


@pytest.mark.parametrize('module', CASES)
def test_every_scenario_is_loaded(module):
    written = {p.stem for p in MODULES.glob(f'{module}/tests/scenario_*.rst')}
    assert {case_name(case) for case in CASES[module]} == written
