# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The wheel: complete, and enough to run both modules on its own."""

import os
import shutil
import subprocess
import sys
import venv
from configparser import ConfigParser
from importlib import metadata
from pathlib import Path
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
DISTRIBUTION = 'klinik-rme'
EXTRAS = {'demo', 'data', 'emulator', 'metrics', 'postgresql', 'test'}
NOT_PACKAGED = {'doc', 'README.md'}


def run(*command, cwd=ROOT, **environment):
    "The output of the command, which must end well."
    done = subprocess.run(
        command, cwd=cwd, env={**clean_environment(), **environment},
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout
    return done.stdout


def clean_environment():
    "The environment without what points at this run's Python or trytond."
    return {
        name: value for name, value in os.environ.items()
        if not name.startswith(('TRYTOND_', 'PYTHON', 'DB_', 'VIRTUAL_ENV'))}


def tree_files():
    "The files that git tracks or would track, relative to the root."
    listed = run(
        'git', 'ls-files', '-z', '--cached', '--others', '--exclude-standard')
    return [
        path for path in map(Path, listed.strip('\0').split('\0'))
        if (ROOT / path).is_file()]


def manifest():
    config = ConfigParser()
    config.read(ROOT / 'tryton.cfg', encoding='utf-8')
    return (
        config.get('tryton', 'version'),
        config.get('tryton', 'modules').split())


def packaged_files():
    "Where each file of the packages belongs in the wheel."
    for path in tree_files():
        if NOT_PACKAGED & set(path.parts):
            continue
        if path.parts[0] == 'modules':
            yield Path('trytond', path).as_posix()
        elif path.parts[0] == 'satusehat_emulator':
            yield path.as_posix()


@pytest.fixture(scope='module')
def wheel(tmp_path_factory):
    "The wheel, built from a copy of the tree that holds nothing else."
    source = tmp_path_factory.mktemp('source')
    for path in tree_files():
        (source / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / path, source / path)
    run(sys.executable, '-m', 'build', '--wheel', cwd=source)
    built, = (source / 'dist').glob('*.whl')
    return built


@pytest.fixture(scope='module')
def installation(wheel, tmp_path_factory):
    "A virtual environment that holds the wheel and what it asks for."
    directory = tmp_path_factory.mktemp('installation')
    venv.create(directory, with_pip=True)
    run(directory / 'bin' / 'python', '-m', 'pip', 'install', '--quiet',
        '--constraint', ROOT / 'constraints.txt', wheel, cwd=directory)
    return directory


@pytest.mark.slow
def test_wheel_holds_every_file_of_the_packages(wheel):
    with ZipFile(wheel) as archive:
        missing = set(packaged_files()) - set(archive.namelist())
    assert not missing


@pytest.mark.slow
def test_wheel_has_the_version_of_the_suite(wheel):
    version, _ = manifest()
    assert wheel.name.split('-')[:2] == ['klinik_rme', version]


@pytest.mark.slow
def test_installed_wheel_activates_both_modules(installation, tmp_path):
    _, modules = manifest()
    (tmp_path / 'clinic.sqlite').touch()
    (tmp_path / 'password').write_text('correct horse battery staple')
    (tmp_path / 'trytond.conf').write_text(
        f'[database]\nuri = sqlite://\npath = {tmp_path}\n')
    run(installation / 'bin' / 'trytond-admin', '-c', 'trytond.conf',
        '-d', 'clinic', '-u', *modules, '--activate-dependencies',
        '--email', 'admin@example.com',
        cwd=tmp_path, TRYTONPASSFILE=str(tmp_path / 'password'))
    (tmp_path / 'active.py').write_text(
        "Module = pool.get('ir.module')\n"
        "Data = pool.get('ir.model.data')\n"
        "print(*(m.name for m in Module.search([('state', '=', 'activated')])\n"
        "    if Data.search([('module', '=', m.name)], limit=1)))\n")
    active = run(
        installation / 'bin' / 'trytond-console', '-c', 'trytond.conf',
        '-d', 'clinic', '-f', 'active.py', cwd=tmp_path)
    assert set(modules) <= set(active.split())


def requirements(name, extras=frozenset()):
    "The distributions that it requires here, each with the extras asked of it."
    for line in metadata.requires(name) or []:
        requirement = Requirement(line)
        marker = requirement.marker
        if marker is None or any(
                marker.evaluate({'extra': extra}) for extra in {'', *extras}):
            yield canonicalize_name(requirement.name), requirement.extras


def closure(name, extras):
    "Every distribution that an installation with these extras takes in."
    seen, waiting = {}, [(canonicalize_name(name), set(extras))]
    while waiting:
        name, extras = waiting.pop()
        known = seen.get(name)
        if known is None or not extras <= known:
            seen[name] = (known or set()) | extras
            waiting.extend(requirements(name, seen[name]))
    return set(seen)


def test_constraints_pin_every_requirement():
    lines = (ROOT / 'constraints.txt').read_text().splitlines()
    pins = [Requirement(x) for x in lines if x and not x.startswith('#')]
    assert all(
        [s.operator for s in pin.specifier] == ['=='] and not pin.url
        for pin in pins)
    pinned = {canonicalize_name(pin.name) for pin in pins}
    assert not closure(DISTRIBUTION, EXTRAS) - {DISTRIBUTION} - pinned
