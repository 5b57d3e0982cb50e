# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Each row of the fault matrix has its test, and the guide says so."

from dataclasses import replace

import fault_matrix
import pytest
from fault_matrix import Proof, Row

DAY = Proof('tests/a.py', 'test_day', (1,))
NIGHT = Proof('tests/b.py', 'test_night', (2,), is_nightly=True)
ROWS = [
    Row(1, "Fault", "Outcome", 'PR'), Row(2, "Fault", "Outcome", 'nightly')]


@pytest.fixture(scope='module')
def matrix():
    return fault_matrix.rows()


@pytest.fixture(scope='module')
def marked():
    return fault_matrix.tests()


@pytest.fixture(scope='module')
def words():
    return fault_matrix.words()


def test_matrix_has_64_rows(matrix):
    assert [row.number for row in matrix] == list(range(1, 65))
    assert all(row.fault and row.outcome for row in matrix)


def test_each_row_has_its_tests(matrix, marked):
    assert fault_matrix.problems(matrix, marked) == []


def test_table_of_the_guide_is_up_to_date(matrix, marked, words):
    assert fault_matrix.TABLE.read_text(encoding='utf-8') == (
        fault_matrix.table(matrix, marked, words)), (
        "run script/fault-matrix")


def test_branch_reads_indonesian(matrix, words):
    for row in matrix:
        assert all(fault_matrix.seen(row, words)), row.number


@pytest.mark.parametrize('change, problem', [
        ({'rows': [*ROWS, Row(3, "Fault", "Outcome", 'PR')]},
            "row 3 has neither a test nor a reason for none"),
        ({'tests': [replace(DAY, faults=(1, 9)), NIGHT]},
            "tests/a.py::test_day is marked with row 9, which there is not"),
        ({'tests': [DAY, replace(NIGHT, is_nightly=False)]},
            "tests/b.py::test_night proves rows of the night alone but is "
            "not marked nightly"),
        ({'tests': [replace(DAY, is_nightly=True), NIGHT]},
            "row 1 is for each change, its tests are nightly"),
        ({'rows': [replace(ROWS[0], why="Reason"), ROWS[1]]},
            "row 1 has a test and a reason for none"),
        ({'rows': [replace(ROWS[0], tier='never'), ROWS[1]]},
            "row 1 has no tier"),
        ], ids=['gap', 'unknown', 'unmarked', 'night', 'both', 'tier'])
def test_problem_is_named(change, problem):
    sound = {'rows': ROWS, 'tests': [DAY, NIGHT]}
    assert fault_matrix.problems(**sound) == []
    assert fault_matrix.problems(**{**sound, **change}) == [problem]


def test_reason_stands_for_a_test():
    rows = [replace(ROWS[0], why="Reason"), ROWS[1]]
    assert fault_matrix.problems(rows, [NIGHT]) == []


@pytest.mark.parametrize('source, faults, is_nightly', [
        ("@pytest.mark.fault(3, 1)\ndef test_it(): pass", (1, 3), False),
        ("@pytest.mark.nightly\n@pytest.mark.fault(1)\n"
            "def test_it(): pass", (1,), True),
        ("pytestmark = [pytest.mark.fault(1), pytest.mark.nightly]\n"
            "def test_it(): pass", (1,), True),
        ("@pytest.mark.parametrize('a', [\n"
            "    pytest.param(1, marks=pytest.mark.fault(1)),\n"
            "    pytest.param(2, marks=[pytest.mark.fault(2)])])\n"
            "def test_it(a): pass", (1, 2), False),
        ("@pytest.mark.fault(1)\nclass Tests:\n"
            "    @pytest.mark.fault(2)\n    def test_it(self): pass",
            (1, 2), False),
        ], ids=['function', 'nightly', 'module', 'parameter', 'class'])
def test_marker_is_found(source, faults, is_nightly):
    assert fault_matrix.tests_of(source, 'tests/a.py') == [
        Proof('tests/a.py', 'test_it', faults, is_nightly)]


@pytest.mark.parametrize('source', [
        "def test_fault(): pass", "@pytest.mark.slow\ndef test_it(): pass",
        "@pytest.mark.fault(1)\ndef helper(): pass"])
def test_file_without_marker_has_no_tests(source):
    assert fault_matrix.tests_of(source, 'tests/a.py') == []


@pytest.mark.parametrize('mark', ['fault', 'fault()', 'fault(NUMBER)'])
def test_marker_without_a_number_is_refused(mark):
    with pytest.raises(ValueError):
        fault_matrix.tests_of(
            f"@pytest.mark.{mark}\ndef test_it(): pass", 'tests/a.py')
