# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Fault matrix: answers that are late, endless, no answer or nearly right."

import socket
import tracemalloc

import pytest
from gateway import FHIR
from matrix_clinic import bundles, drain, sees, settled

MEGABYTE = 1 << 20


def options(fault):
    "Return (name, options) of 'name:option=value,option=value'"
    name, _, rest = fault.partition(':')
    return name, dict(o.split('=') for o in rest.split(',') if o)


def meet(clinic, emulator, fault, number, stored=None):
    """Let the next Bundle meet the fault; return (visit, submission).

    The branch sees what the row says, and no id has been adopted.
    """
    name, chosen = options(fault)
    if stored is not None:
        chosen['stored'] = stored
    emulator.faults.add(name, resource='Bundle', times=1, **chosen)
    visit = clinic.visit()
    clinic.push()
    entry = bundles(emulator)[-1]
    assert entry['fault'] == name
    assert stored is None or bool(entry['stored']) == stored
    submission = sees(clinic, visit, number)
    assert submission['state'] != 'sent'
    assert clinic.encounter_id(visit) is None
    return visit, submission


def assert_comes_to_its_end(clinic, emulator, visit):
    """Looked for first; sent again only where it was not stored.

    A resend has the bytes of the first send.
    """
    before = clinic.submission(visit)
    stored = bundles(emulator)[-1]['stored']
    sendings = len(bundles(emulator))
    clinic.make_due()
    clinic.push()
    submission = clinic.submission(visit)
    if stored:
        assert submission['state'] == 'sent'
    else:
        assert submission['state'] == 'checking'
        assert submission['reason'] == 'not_found_yet'
        clinic.pass_time(700)
        clinic.push()
        assert clinic.submission(visit)['state'] == 'sent'
    assert len(bundles(emulator)) == sendings + (not stored)
    assert clinic.submission(visit)['bundle_hash'] == before['bundle_hash']
    settled(clinic, emulator)


STORED = pytest.mark.parametrize(
    'stored', [False, True], ids=['not_stored', 'stored'])


@pytest.mark.fault(24)
@pytest.mark.parametrize('head', ['true', 'false'], ids=['head', 'body'])
def test_dripping_answer_is_cut_off(clinic, emulator, warm, setting, head):
    setting(total_timeout=1.5)
    visit, submission = meet(
        clinic, emulator, f'drip:interval=0.2,head={head}', 24)
    assert (submission['state'], submission['reason']) == (
        'checking', 'no_answer')
    assert_comes_to_its_end(clinic, emulator, visit)


@pytest.mark.fault(26)
@pytest.mark.parametrize('fault', [
        'huge:megabytes=64', 'endless:megabytes=64',
        'gzip_bomb:megabytes=256'])
def test_unreasonable_answer_is_cut_off(clinic, emulator, warm, fault):
    tracemalloc.start()
    try:
        visit, submission = meet(clinic, emulator, fault, 26)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (submission['state'], submission['reason']) == (
        'checking', 'too_large')
    assert most < 20 * MEGABYTE
    assert_comes_to_its_end(clinic, emulator, visit)


@pytest.mark.fault(31)
@STORED
def test_page_is_no_success(clinic, emulator, warm, stored):
    visit, submission = meet(clinic, emulator, 'html', 31, stored)
    assert submission['reason'] == 'unrecognised'
    assert_comes_to_its_end(clinic, emulator, visit)


@pytest.mark.fault(32)
@STORED
@pytest.mark.parametrize('fault', ['empty', 'cut_json', 'malformed_json'])
def test_body_that_is_no_json(clinic, emulator, warm, fault, stored):
    visit, submission = meet(clinic, emulator, fault, 32, stored)
    assert submission['reason'] == 'unrecognised'
    assert_comes_to_its_end(clinic, emulator, visit)


@pytest.mark.fault(33)
@pytest.mark.parametrize('form', ['resource', 'array', 'null'])
def test_json_of_another_type(clinic, emulator, warm, form):
    visit, submission = meet(
        clinic, emulator, f'other_type:form={form}', 33, True)
    assert submission['reason'] == 'unrecognised'
    assert_comes_to_its_end(clinic, emulator, visit)


@pytest.mark.fault(33)
@STORED
def test_error_with_a_good_status(clinic, emulator, warm, stored):
    emulator.faults.add(
        'outcome_200', resource='Bundle', times=1, stored=stored)
    visit = clinic.visit()
    clinic.push()
    submission = sees(clinic, visit, 33)
    if not stored:
        assert submission['state'] != 'sent'
        assert clinic.encounter_id(visit) is None
    drain(clinic)
    assert clinic.submission(visit)['state'] == 'sent'
    assert len(emulator.store.find('Encounter')) == 3
    settled(clinic, emulator)


@pytest.mark.fault(34)
@pytest.mark.parametrize('fault', [
        'no_id', 'wrong_entries:form=reversed', 'wrong_entries:form=fewer'])
def test_id_that_is_not_proven_is_not_adopted(clinic, emulator, warm, fault):
    visit, submission = meet(clinic, emulator, fault, 34)
    assert submission['reason'] == 'unrecognised'
    assert_comes_to_its_end(clinic, emulator, visit)


@pytest.mark.fault(34)
@pytest.mark.parametrize('fault', ['other_identifier', 'other_subject'])
def test_found_record_that_is_not_ours_is_not_adopted(
        clinic, emulator, warm, fault):
    emulator.faults.add('drop', resource='Bundle', stored=True, times=1)
    visit = clinic.visit()
    clinic.push()
    emulator.faults.add(fault, method='GET', resource='Encounter')
    clinic.make_due()
    clinic.push()
    sees(clinic, visit, {'other_identifier': 34, 'other_subject': 45}[fault])
    assert clinic.encounter_id(visit) is None
    emulator.faults.clear()
    if clinic.submission(visit)['state'] == 'needs_admin':
        clinic.resend(visit)
    clinic.make_due()
    clinic.push()
    assert clinic.submission(visit)['state'] == 'sent'
    assert len(bundles(emulator)) == 3
    settled(clinic, emulator)


@pytest.fixture
def connections(monkeypatch):
    "The addresses that are connected to"
    genuine = socket.create_connection
    made = []

    def create_connection(address, *args, **kwargs):
        made.append('{}:{}'.format(*address))
        return genuine(address, *args, **kwargs)
    monkeypatch.setattr(socket, 'create_connection', create_connection)
    return made


@pytest.mark.fault(36)
@pytest.mark.parametrize('status, target', [
        *((status, None) for status in [301, 302, 303, 307, 308]),
        (307, 'http://127.0.0.1:9'),
        (307, 'http://169.254.169.254/latest'),
        (307, 'https://platform.example'),
        ])
def test_redirect_is_not_followed(
        clinic, gateway, emulator, warm, connections, status, target):
    gateway.once('POST', FHIR, lambda e: e.reply(
            status, b'', Location=target or f'{gateway.url}{FHIR}'))
    visit = clinic.visit()
    asked = len(gateway.seen)
    clinic.push()
    submission = sees(clinic, visit, 36)
    assert (submission['state'], submission['reason']) == (
        'needs_admin', 'redirected')
    assert len(gateway.seen) == asked + 1
    assert set(connections) <= {
        url.removeprefix('http://') for url in (gateway.url, emulator.url)}
    clinic.pass_time(700)
    clinic.resend(visit)
    clinic.push()
    assert clinic.submission(visit)['state'] == 'sent'
    settled(clinic, emulator)
