# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""A clinic, the platform's stand-in and a browser, for all tests here.

CHROMIUM, CHROMEDRIVER and SAO_ROOT name the browser, its driver and the
folder of the web client; `script/test` sets them. A missing one fails the
tests: `script/test --no-browser` leaves them out.
"""

import os
import shutil
from pathlib import Path

import pytest
from browser_clinic import serve_clinic
from satusehat_emulator.serving import serve
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from web_client import WebClient

PICTURES = Path(__file__).resolve().parents[2] / 'var' / 'screenshots'
ARGUMENTS = [
    '--headless=new', '--no-sandbox', '--disable-gpu', '--disable-quic',
    '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-default-apps',
    '--disable-dev-shm-usage', '--disable-extensions', '--disable-sync', '--lang=en-US',
    '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1']


def _find(variable, command):
    path = os.environ.get(variable) or shutil.which(command)
    assert path, f"{command} is missing: install it or set {variable}"
    return path


@pytest.fixture(scope='session')
def web_client_root():
    root = Path(os.environ.get('SAO_ROOT', 'var/sao'))
    assert (root / 'index.html').exists(), \
        f"no web client in {root}: script/test installs it"
    return root


@pytest.fixture(scope='session')
def platform():
    with serve(seed='demo') as served:
        yield served


@pytest.fixture(scope='session')
def clinic(tmp_path_factory, web_client_root, platform):
    folder = tmp_path_factory.mktemp('clinic')
    with serve_clinic(folder, web_client_root, platform.url) as clinic:
        yield clinic


@pytest.fixture(scope='session')
def driver(tmp_path_factory):
    options = webdriver.ChromeOptions()
    options.binary_location = _find('CHROMIUM', 'chromium')
    options.set_capability('goog:loggingPrefs', {'browser': 'ALL'})
    profile = tmp_path_factory.mktemp('profile')
    for argument in [*ARGUMENTS, f'--user-data-dir={profile}']:
        options.add_argument(argument)
    service = Service(
        _find('CHROMEDRIVER', 'chromedriver'),
        env={**os.environ, 'TZ': 'Asia/Jakarta'})
    driver = webdriver.Chrome(options=options, service=service)
    try:
        yield driver
    finally:
        driver.quit()


@pytest.fixture
def client(request, driver, clinic):
    "The web client; a failed test leaves a picture and the console's lines"
    client = WebClient(driver, clinic.url, clinic.database, PICTURES)
    yield client
    if request.node.stash.get(FAILED, False):
        client.evidence(f'failed-{request.node.name}')


FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.when == 'call':
        item.stash[FAILED] = report.failed
    return report
