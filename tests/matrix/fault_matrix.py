# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The fault matrix: what can go wrong between a visit and the platform.

matrix.json holds the rows, the marker ``fault`` says which tests prove them.
Run as a program it writes the table of the developer's guide.
"""

import ast
import json
import sys
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import polib

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
ROWS = HERE / 'matrix.json'
TABLE = ROOT / 'docs' / 'developer' / 'fault-matrix.md'
LOCALE = (
    ROOT / 'modules' / 'satusehat_integration' / 'locale' / 'id.po')
PATTERNS = ['tests/**/test_*.py', 'modules/*/tests/test_*.py']
TIERS = ('PR', 'nightly')
LABELS = {
    'pending': "Pending", 'sending': "Sending", 'checking': "Checking",
    'waiting': "Waiting", 'needs_data': "Needs Data",
    'needs_admin': "Needs Administrator", 'sent': "Sent",
    'stopped': "Stopped"}
HEAD = """\
# Fault matrix

Written by `script/fault-matrix` from `tests/matrix/matrix.json` and the tests
marked `@pytest.mark.fault(number)`; do not edit it by hand. For each row nothing
may be lost (every finished visit has one submission that comes to an end) and
nothing may be there twice (one record at the platform for each identifier).
*PR* rows are proven by `script/test`, *nightly* ones by `script/test --nightly`.

| # | fault | what must hold | what the branch sees | tests | tier |
| --- | --- | --- | --- | --- | --- |
"""


@dataclass(frozen=True)
class Row:
    """One fault and what must hold.

    ``states`` and ``reasons`` are those of satusehat.submission that the
    branch may see on the way, ``note`` is what it sees instead or besides
    (Indonesian). ``tier`` is ``PR`` for rows proven at each change,
    ``nightly`` for the others. ``why`` tells why the row has no test.
    """
    number: int
    fault: str
    outcome: str
    tier: str
    states: tuple = ()
    reasons: tuple = ()
    note: str = ''
    why: str = ''


@dataclass(frozen=True)
class Proof:
    "A test function; ``faults`` are the numbers of the rows it proves."
    path: str
    name: str
    faults: tuple = field(default=())
    is_nightly: bool = False


def rows(path=ROWS):
    "Return the Rows of the matrix, by number."
    return [
        Row(**{
                name: tuple(value) if isinstance(value, list) else value
                for name, value in row.items()})
        for row in json.loads(path.read_text(encoding='utf-8'))]


# Collecting

def tests(root=ROOT, patterns=PATTERNS):
    "Return the Proofs below root that carry the marker ``fault``."
    found = []
    for path in sorted({p for g in patterns for p in root.glob(g)}):
        source = path.read_text(encoding='utf-8')
        if 'fault' in source:
            found += tests_of(source, path.relative_to(root).as_posix())
    return found


def tests_of(source, path):
    """Return the Proofs of a file with the marker ``fault``.

    Reads markers of functions, classes, parameters (``pytest.param``) and
    the module (``pytestmark``); raises ValueError for a marker whose numbers
    are not written out.
    """
    tree = ast.parse(source, path)
    outer = [
        mark for node in tree.body if isinstance(node, ast.Assign)
        and any(getattr(t, 'id', None) == 'pytestmark' for t in node.targets)
        for mark in _marks(node.value)]
    return [t for t in _tests_in(tree, outer, path) if t.faults]


def _tests_in(tree, outer, path):
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            yield from _tests_in(node, outer + _decorations(node), path)
        elif isinstance(node, ast.FunctionDef) and node.name.startswith(
                'test'):
            marks = outer + _decorations(node)
            yield Proof(
                path, node.name,
                tuple(sorted({n for m in marks for n in _faults(m)})),
                any(_name(m) == 'nightly' for m in marks))


def _decorations(node):
    return [
        mark for decorator in node.decorator_list
        for mark in _marks(decorator)]


def _marks(node):
    "Yield the marks in a decorator or an assignment, those of params too."
    for inner in ast.walk(node):
        if (isinstance(inner, ast.Attribute)
                and ast.unparse(inner.value).endswith('pytest.mark')):
            yield next(
                (call for call in ast.walk(node)
                    if isinstance(call, ast.Call) and call.func is inner),
                inner)


def _name(mark):
    return (mark.func if isinstance(mark, ast.Call) else mark).attr


def _faults(mark):
    if _name(mark) != 'fault':
        return []
    if not isinstance(mark, ast.Call) or not mark.args:
        raise ValueError("the marker fault without a number")
    return [ast.literal_eval(argument) for argument in mark.args]


# Checking

def problems(rows, tests):
    "Return what is wrong between the rows and the tests, in words."
    tiers = {row.number: row.tier for row in rows}
    proofs = by_number(tests)
    return [
        *(f"{t.path}::{t.name} is marked with row {n}, which there is not"
            for t in tests for n in t.faults if n not in tiers),
        *(f"{t.path}::{t.name} proves rows of the night alone but is not "
            "marked nightly"
            for t in tests if not t.is_nightly and all(
                tiers.get(n) == 'nightly' for n in t.faults)),
        *(problem for row in rows
            for problem in _problems_of(row, proofs[row.number])),
        ]


def _problems_of(row, tests):
    if row.tier not in TIERS:
        yield f"row {row.number} has no tier"
    if not tests and not row.why:
        yield f"row {row.number} has neither a test nor a reason for none"
    if tests and row.why:
        yield f"row {row.number} has a test and a reason for none"
    if tests and row.tier == 'PR' and all(t.is_nightly for t in tests):
        yield f"row {row.number} is for each change, its tests are nightly"


def by_number(tests):
    "Return {number: [Proof]}, for any number."
    found = defaultdict(list)
    for test in tests:
        for number in test.faults:
            found[number].append(test)
    return found


# Showing

def words(locale=LOCALE):
    "Return {(context, English text): Indonesian text} of the module."
    return {
        (entry.msgctxt, entry.msgid): entry.msgstr
        for entry in polib.pofile(str(locale), encoding='utf-8')}


def seen(row, words):
    """Return the texts that the branch sees, in Indonesian.

    ``words`` as of words(); raises KeyError for a state or a reason that has
    none.
    """
    reasons = {context: text for (context, _), text in words.items()}
    states = [
        words['selection:satusehat.submission,state:', LABELS[state]]
        for state in row.states]
    return [
        *([" → ".join(states)] if states else []),
        *(reasons[f'model:ir.message,text:msg_reason_{reason}']
            for reason in row.reasons),
        *([row.note] if row.note else [])]


def table(rows, tests, words):
    "Return the page of the developer's guide, Markdown."
    proofs = by_number(tests)
    lines = [
        ' | '.join([
                str(row.number), row.fault, row.outcome,
                '<br>'.join(map(_cell, seen(row, words))),
                row.why or '<br>'.join(map(_link, proofs[row.number])),
                row.tier])
        for row in rows]
    return HEAD + ''.join(f'| {line} |\n' for line in lines)


def _cell(text):
    return text.replace('|', '\\|').replace('\n', ' ')


def _link(test):
    night = " (nightly)" if test.is_nightly else ''
    return f'[{test.name}](../../{test.path}){night}'


def main():
    "Write the table; return 1 when the matrix has gaps."
    found = rows(), tests()
    TABLE.write_text(table(*found, words()), encoding='utf-8')
    gaps = problems(*found)
    print('\n'.join(gaps), file=sys.stderr, end='\n' if gaps else '')
    return int(bool(gaps))


if __name__ == '__main__':
    sys.exit(main())
