# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Runs the test cases that lie inside the modules.

pytest is told of `tests/` only; this file brings in every `*TestCase` class
of `modules/*/tests/test_*.py`, so that a new file there needs no entry here.
"""

import inspect
import unittest
from configparser import ConfigParser
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def manifest_modules():
    "The names of the suite's modules, from the root tryton.cfg."
    config = ConfigParser()
    config.read(ROOT / 'tryton.cfg', encoding='utf-8')
    return config.get('tryton', 'modules').split()


def files_with_tests(module):
    "The files of the module that hold test cases."
    files = (ROOT / 'modules' / module / 'tests').glob('test_*.py')
    return sorted(f for f in files if f.name != 'test_scenario.py')


def own_cases(tests):
    "The test case classes that the test file itself defines, by name."
    return {
        name: case for name, case in vars(tests).items()
        if inspect.isclass(case)
        and issubclass(case, unittest.TestCase)
        and case.__module__ == tests.__name__}


def own_functions(tests):
    "Names of test functions outside a class, which nobody would run."
    return [
        name for name, value in vars(tests).items()
        if name.startswith('test_') and inspect.isfunction(value)
        and value.__module__ == tests.__name__]


def collect(files):
    "The test cases of the files by a name that tells module and file."
    return {
        f'Test_{module}_{name.rpartition(".test_")[2]}_{case_name}': case
        for name, module in files.items()
        for case_name, case in own_cases(import_module(name)).items()}


FILES = {
    f'trytond.modules.{module}.tests.{file.stem}': module
    for module in manifest_modules() for file in files_with_tests(module)}
globals().update(collect(FILES))


@pytest.mark.parametrize('module', manifest_modules())
def test_has_module_test(module):
    assert f'trytond.modules.{module}.tests.test_module' in FILES


@pytest.mark.parametrize('name', FILES)
def test_file_is_run(name):
    tests = import_module(name)
    assert own_cases(tests), "no TestCase in it"
    assert not own_functions(tests), "test functions outside a TestCase"
