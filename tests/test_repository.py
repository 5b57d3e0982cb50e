# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What must hold for the tree as a whole: layout, borders, habits of code.

Looks at the files that git tracks or would track, so that a mistake shows
before it is committed.
"""

import ast
import json
import os
import re
import subprocess
import sys
from collections import Counter
from configparser import ConfigParser
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SIZE_LIMIT = 1_000_000
HEADER = "# This file is part of Klinik RME."
REGISTRY_HOST = re.compile(
    r'pypi[.]org|pythonhosted[.]org|npmjs[.](?:org|com)|golang[.]org'
    r'|(?:deb|security)[.]debian[.]org|archive[.]ubuntu[.]com|crates[.]io',
    re.IGNORECASE)
MACHINE_PATH = re.compile(r'(?<![\w.])/(?:work|root|home|Users)/\w')
UNVERIFIED = re.compile(r'_create_unverified_context|CERT_NONE')
FOREIGN_WORDS = re.compile(r'satusehat|fhir', re.IGNORECASE)


def list_files():
    "The files of the tree, relative to its root."
    listed = subprocess.run(
        ['git', 'ls-files', '-z', '--cached', '--others',
            '--exclude-standard'],
        cwd=ROOT, check=True, capture_output=True, text=True)
    return sorted(
        path for path in map(Path, listed.stdout.strip('\0').split('\0'))
        if (ROOT / path).is_file())


FILES = list_files()
PYTHON = [path for path in FILES if path.suffix == '.py']
SCRIPTS = [
    path for path in FILES
    if path.parts[0] in {'script', '.ci'}
    and (ROOT / path).read_bytes().startswith(b'#!')]
SHELL = [path for path in FILES if path.suffix == '.sh'] + [
    path for path in SCRIPTS
    if re.match(r'#!.*\b(?:ba)?sh\b', (ROOT / path).read_text())]


def in_tests(path):
    return 'tests' in path.parts


def each(paths):
    "Parametrize a test over the paths."
    return pytest.mark.parametrize('path', paths, ids=str)


def parse(path):
    return ast.parse((ROOT / path).read_text(encoding='utf-8'), str(path))


def read_text(path):
    "The file's text, or nothing for a binary one."
    try:
        return (ROOT / path).read_text(encoding='utf-8')
    except UnicodeDecodeError:
        return ''


def read_config(path):
    config = ConfigParser()
    config.read(ROOT / path, encoding='utf-8')
    return config


def imported(tree):
    "The absolute names that the module imports."
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module
            yield from (f'{node.module}.{n.name}' for n in node.names)


def modules():
    return read_config('tryton.cfg').get('tryton', 'modules').split()


def test_manifest_lists_the_modules():
    folders = {p.parts[1] for p in FILES if p.parts[0] == 'modules'}
    assert set(modules()) == folders


@pytest.mark.parametrize('module', modules())
def test_module_has_the_version_of_the_suite(module):
    version = read_config('tryton.cfg').get('tryton', 'version')
    config = read_config(f'modules/{module}/tryton.cfg')
    assert config.get('tryton', 'version') == version


@each([p for p in PYTHON
        if p.is_relative_to('modules/clinic_rme') and not in_tests(p)])
def test_clinical_record_knows_nothing_of_the_platform(path):
    assert not FOREIGN_WORDS.findall(read_text(path))


@each([p for p in PYTHON if p.parts[0] == 'satusehat_emulator'])
def test_emulator_stands_alone(path):
    assert not [
        n for n in imported(parse(path))
        if n.split('.')[0] in {'trytond', 'proteus'}]


@each([p for p in PYTHON if p.parts[0] == 'modules'])
def test_modules_do_not_know_the_emulator(path):
    assert not [
        n for n in imported(parse(path))
        if n.split('.')[0] == 'satusehat_emulator']


def import_name(path):
    """The name by which pytest imports a test file: bare, or below the
    packages that hold it."""
    names = [path.stem]
    for folder in path.parents:
        if not (ROOT / folder / '__init__.py').exists():
            break
        names.insert(0, folder.name)
    return '.'.join(names)


def test_test_files_are_told_apart():
    names = Counter(
        import_name(p) for p in PYTHON
        if p.parts[0] == 'tests' and p.name != 'conftest.py')
    assert not [name for name, count in names.items() if count > 1]
    assert not {n.split('.')[0] for n in names} & sys.stdlib_module_names


def test_no_big_files():
    assert not [p for p in FILES if (ROOT / p).stat().st_size > SIZE_LIMIT]


@each(PYTHON)
def test_python_says_whose_it_is(path):
    lines = read_text(path).splitlines()
    assert any(line.startswith(HEADER) for line in lines[:4])


@each(SCRIPTS)
def test_script_can_be_run(path):
    assert os.access(ROOT / path, os.X_OK)


@each(SHELL)
def test_shell_syntax(path):
    check = subprocess.run(
        ['bash', '-n', path], cwd=ROOT, capture_output=True, text=True)
    assert not check.returncode, check.stderr


def test_no_package_registry_is_named():
    assert not [p for p in FILES if REGISTRY_HOST.search(read_text(p))]


def test_no_path_of_a_machine_is_named():
    assert not [
        f'{path}: {found.group()}' for path in FILES
        if (found := MACHINE_PATH.search(read_text(path)))]


def test_web_client_lock_names_no_source():
    lock = json.loads(read_text('script/lib/sao/package-lock.json'))
    assert not [
        name for name, package in lock['packages'].items()
        if 'resolved' in package or (name and 'integrity' not in package)]


def is_formatted(node):
    "Whether the expression puts values into a string."
    if isinstance(node, ast.JoinedStr):
        return True
    if isinstance(node, ast.BinOp):
        return (
            isinstance(node.op, (ast.Mod, ast.Add))
            and any(
                is_formatted(side) or isinstance(side, ast.Constant)
                for side in (node.left, node.right)))
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == 'format')


def formatted_queries(tree):
    "Line numbers of execute() with a query made by string formatting."
    return [
        node.lineno for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in {'execute', 'executemany'}
        and node.args and is_formatted(node.args[0])]


def is_false(node):
    return isinstance(node, ast.Constant) and node.value is False


def unverified_connections(tree):
    "Line numbers where the check of a server's certificate is turned off."
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword):
            if node.arg == 'verify' and is_false(node.value):
                yield node.value.lineno
        elif isinstance(node, ast.Assign) and is_false(node.value):
            if any(getattr(t, 'attr', None) == 'verify'
                    for t in node.targets):
                yield node.lineno


@pytest.mark.parametrize('query', [
        'f"SELECT {x}"', '"SELECT %s" % x', '"SELECT " + x',
        '"SELECT {}".format(x)'])
def test_formatted_query_is_noticed(query):
    assert formatted_queries(ast.parse(f'cursor.execute({query})')) == [1]


@pytest.mark.parametrize('query', ['*table.select()', '"SELECT 1", (x,)'])
def test_sound_query_is_not_noticed(query):
    assert not formatted_queries(ast.parse(f'cursor.execute({query})'))


@pytest.mark.parametrize('code', [
        'get(url, verify=False)', 'session.verify = False'])
def test_unverified_connection_is_noticed(code):
    assert list(unverified_connections(ast.parse(code))) == [1]


@each([p for p in PYTHON if not in_tests(p)])
def test_no_query_is_made_by_formatting(path):
    assert not formatted_queries(parse(path))


@each([p for p in PYTHON if p.parts[0] != 'tests'])
def test_certificates_are_verified(path):
    assert not list(unverified_connections(parse(path)))
    assert not UNVERIFIED.findall(read_text(path))
