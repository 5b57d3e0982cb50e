# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What several workers of pytest-xdist have in common.

Each has databases of its own; the templates of a PostgreSQL server are for
all of them. Without workers nothing here does anything.
"""

import fcntl
from contextlib import contextmanager
from types import SimpleNamespace

import pytest


def is_worker(config):
    return hasattr(config, 'workerinput')


@contextmanager
def one_at_a_time():
    with open(__file__) as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def share_templates():
    """Let no two workers make the same template database.

    trytond looks for it first, in a list that it keeps for a while.
    """
    from trytond import backend
    from trytond.tests import test_tryton
    dump = test_tryton._pg_dump

    def dump_alone(cache_file):
        with one_at_a_time():
            backend.Database.clear_cache()
            return dump(cache_file)
    test_tryton._pg_dump = dump_alone


class Deselected:
    "Tells the closing line what the workers left out, which it does not know"

    def __init__(self, config):
        self._config = config

    def pytest_deselected(self, items):
        if is_worker(self._config):
            output = self._config.workeroutput
            output['deselected'] = output.get('deselected', 0) + len(items)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node):
        count = getattr(node, 'workeroutput', {}).get('deselected')
        reporter = self._config.pluginmanager.get_plugin('terminalreporter')
        if count and reporter:
            # Each worker leaves out the same
            reporter.stats['deselected'] = [SimpleNamespace()] * count


def pytest_configure(config):
    config.pluginmanager.register(Deselected(config))


def pytest_sessionstart(session):
    if is_worker(session.config):
        share_templates()
