# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))


@pytest.fixture(scope='session')
def command():
    "The demo as script/demo starts it once everything is installed"
    return [sys.executable, '-m', 'demo']


@pytest.fixture(scope='session')
def environment():
    "The caller's shell, with a setting of trytond that must not reach it"
    return {
        **os.environ, 'PYTHONIOENCODING': 'utf-8',
        'TRYTOND_DATABASE_URI': 'sqlite:///nowhere',
        'TRYTOND_SATUSEHAT__LOCAL_URL': 'http://127.0.0.1:9'}
