# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The ground under all tests: environment, database cache, selection.

The database backend is chosen once per process, by TRYTOND_DATABASE_URI
(SQLite in memory without it), so `script/test` runs pytest twice. What does
not depend on the backend is listed in BACKEND_INDEPENDENT, by folder or file
of this directory; the second run leaves it out with --database-only. Anything
not listed there runs on both databases.

Nothing may import trytond before this file has set the environment: trytond
reads it when it is imported.
"""

import atexit
import base64
import hashlib
import json
import os
import re
import shutil
import signal
import tempfile
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TESTS = ROOT / 'tests'
BACKEND_INDEPENDENT = {
    'browser', 'demo', 'emulator', 'fhir', 'platform', 'prints',
    'test_packaging.py', 'test_repository.py'}
CACHE = ROOT / '.pytest_cache' / 'tryton-db'
CACHES_KEPT = 3
TEMPLATE = re.compile(r'test-[0-9a-f]{40}')
TEMPLATE_MARK = 'test-of-'


def is_schema_source(path):
    "Whether the file may change what activating a module leaves behind."
    return (
        path.is_file()
        and '__pycache__' not in path.parts
        and not path.match('tests/test_*.py')
        and not path.match('tests/scenario_*'))


def schema_digest():
    "Hash (hex) over the modules' sources and the versions of Tryton's parts."
    digest = hashlib.sha256()
    for path in sorted(filter(is_schema_source, ROOT.glob('modules/**/*'))):
        digest.update(str(path.relative_to(ROOT)).encode() + b'\0')
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    versions = sorted({
        f'{d.name}=={d.version}' for d in metadata.distributions()
        if d.name and d.name.startswith(('trytond', 'proteus'))})
    digest.update('\n'.join(versions).encode())
    return digest.hexdigest()[:32]


DIGEST = schema_digest()
SCRATCH = Path(tempfile.mkdtemp(prefix='rme-test-'))
atexit.register(shutil.rmtree, SCRATCH, ignore_errors=True)


def is_postgresql():
    return os.environ['TRYTOND_DATABASE_URI'].startswith('postgresql')


def set_environment():
    """Replace what the caller's shell says about trytond.

    The encryption key is no secret: it follows from the sources, as a cached
    database may hold values that an earlier run encrypted.
    """
    uri = os.environ.get('TRYTOND_DATABASE_URI', 'sqlite://')
    for name in [n for n in os.environ if n.startswith('TRYTOND_')]:
        del os.environ[name]
    worker = os.environ.get('PYTEST_XDIST_WORKER', 'main')
    key = hashlib.sha256(f'test {DIGEST}'.encode()).digest()
    os.environ.update({
        'TRYTOND_DATABASE_URI': uri,
        'TRYTOND_DATABASE__PATH': str(SCRATCH),
        'TRYTOND_SATUSEHAT__ENCRYPTION_KEYS':
            base64.urlsafe_b64encode(key).decode(),
        })
    if is_postgresql():
        os.environ['DB_NAME'] = f'test_{worker}_{os.getpid()}'
        os.environ['DB_CACHE'] = 'postgresql://'
    else:
        os.environ['DB_NAME'] = ':memory:'
        os.environ['DB_CACHE'] = str(SCRATCH / 'cache')
    web_client = ROOT / 'var' / 'sao'
    if (web_client / 'index.html').exists():
        os.environ.setdefault('SAO_ROOT', str(web_client))


set_environment()
pytest_plugins = ['workers', 'clinic_fixtures']


def fetch_sqlite_cache():
    """Copy the dumps of these sources to a directory of this process.

    Several runs may share the working tree; none sees the half-written dump
    of another.
    """
    cache = Path(os.environ['DB_CACHE'])
    cache.mkdir()
    for dump in (CACHE / DIGEST).glob('*.dump'):
        shutil.copy2(dump, cache)


def store_sqlite_cache():
    "Keep this run's dumps, and those of the last few states of the sources."
    dumps = list(Path(os.environ['DB_CACHE']).glob('*.dump'))
    if not dumps:
        return
    kept = CACHE / DIGEST
    kept.mkdir(parents=True, exist_ok=True)
    for dump in dumps:
        if not (kept / dump.name).exists():
            partial = kept / f'{dump.name}.{os.getpid()}'
            shutil.copy2(dump, partial)
            partial.replace(kept / dump.name)
    os.utime(kept)
    by_age = sorted(
        CACHE.iterdir(), key=lambda p: p.stat().st_mtime, reverse=True)
    for stale in by_age[CACHES_KEPT:]:
        shutil.rmtree(stale, ignore_errors=True)


def drop_stale_templates():
    """Drop the template databases that other sources left on the server.

    trytond names them by the modules alone, so a database whose name carries
    the digest says whose templates the server holds.
    """
    import psycopg
    from psycopg.sql import SQL, Identifier
    uri = os.environ['TRYTOND_DATABASE_URI'].rstrip('/') + '/postgres'
    with psycopg.connect(uri, autocommit=True) as connection:
        names = {name for name, in connection.execute(
                'SELECT datname FROM pg_database')}
        mark = TEMPLATE_MARK + DIGEST
        if mark in names:
            return
        for name in names:
            if TEMPLATE.fullmatch(name) or name.startswith(TEMPLATE_MARK):
                connection.execute(SQL('DROP DATABASE {}').format(
                        Identifier(name)))
        connection.execute(SQL('CREATE DATABASE {}').format(Identifier(mark)))


def pytest_addoption(parser):
    parser.addoption(
        '--database-only', action='store_true',
        help="leave out the tests that do not depend on the database backend")


def pytest_sessionstart(session):
    # A terminated run tears its fixtures down as an interrupted one does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if not is_postgresql():
        fetch_sqlite_cache()
    elif not hasattr(session.config, 'workerinput'):
        drop_stale_templates()


def pytest_sessionfinish(session, exitstatus):
    if is_postgresql():
        from trytond.tests.test_tryton import drop_db
        drop_db()
    elif exitstatus in {pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED}:
        store_sqlite_cache()


def place(item):
    "The folder or file of this directory that the test lies in."
    return item.path.relative_to(TESTS).parts[0]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config, items):
    for item in items:
        if place(item) == 'browser':
            item.add_marker('browser')
    if config.getoption('database_only'):
        left_out = [i for i in items if place(i) in BACKEND_INDEPENDENT]
        items[:] = [i for i in items if place(i) not in BACKEND_INDEPENDENT]
        config.hook.pytest_deselected(items=left_out)


def pytest_terminal_summary(terminalreporter, exitstatus):
    "Leave the counts where script/test adds them up."
    target = os.environ.get('TEST_COUNTS')
    if target and not hasattr(terminalreporter.config, 'workerinput'):
        counts = {
            outcome: sum(
                getattr(report, 'count_towards_summary', True)
                for report in reports)
            for outcome, reports in terminalreporter.stats.items() if outcome}
        with open(target, 'a') as lines:
            lines.write(json.dumps(counts) + '\n')


@pytest.fixture
def setting():
    "Set options of the section [satusehat] for one test"
    import trytond.config as config
    if not config.has_section('satusehat'):
        config.add_section('satusehat')
    before = {}

    def set_(**options):
        for name, value in options.items():
            before.setdefault(name, config.get('satusehat', name, default=''))
            config.set('satusehat', name, str(value))
    yield set_
    for name, value in before.items():
        config.set('satusehat', name, value)
