# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Fault matrix: the token service and the platform's clock."

import pytest
from matrix_clinic import bundles, drain, sees, settled
from push_clinic import DOCTOR_NIK
from trytond.pool import Pool

NO_TOKEN = [
    ('timeout', {'seconds': 3}, 'no_answer'),
    ('rate_limit', {}, 'throttled'),
    ('html', {}, 'unrecognised'),
    ('no_token', {}, 'unrecognised'),
    ('server_error', {}, 'server_error'),
    ('empty', {}, 'unrecognised'),
    ]


def token_calls(emulator):
    return [
        entry for entry in emulator.journal.entries()
        if entry['path'].endswith('/accesstoken')]


def seconds_left(clinic):
    "Return how long the token of branch A is to be used, in seconds"
    from trytond.modules.satusehat_integration.gate import database_now
    with clinic.transaction(user=0):
        gate, = Pool().get('satusehat.gate').search([
                ('client_id', '=', 'client-A')])
        return (gate.token_until - database_now()).total_seconds()


@pytest.mark.fault(39)
@pytest.mark.parametrize(
    'fault, options, reason', NO_TOKEN, ids=[case[0] for case in NO_TOKEN])
def test_no_token_is_asked_for_once_a_minute(
        clinic, emulator, setting, fault, options, reason):
    setting(read_timeout=1)
    emulator.faults.add(fault, endpoint='token', **options)
    visits = [clinic.visit(), clinic.visit()]
    clinic.push()
    first, second = (sees(clinic, visit, 39) for visit in visits)
    assert (first['state'], first['reason']) == ('waiting', reason)
    assert (second['state'], second['attempts']) == ('pending', 0)
    assert len(emulator.journal.entries()) == 1
    clinic.pass_time(50)
    clinic.push()
    assert len(emulator.journal.entries()) == 1
    clinic.pass_time(130)
    clinic.push()
    assert len(emulator.journal.entries()) == 2
    emulator.faults.clear()
    drain(clinic)
    assert clinic.states() == {('sent', None): 2}
    assert len(bundles(emulator)) == 2
    settled(clinic, emulator)


@pytest.mark.fault(39)
@pytest.mark.parametrize('form, least, most', [
        ('text', 200, 300), ('missing', 200, 300), ('zero', 200, 300),
        ('negative', 200, 300), ('number', 300, 3600),
        ('huge', 3600, 86400)])
def test_odd_life_of_a_token(clinic, emulator, form, least, most):
    emulator.faults.add('token_lifetime', form=form)
    for _ in range(3):
        clinic.visit()
        clinic.push()
    assert clinic.states() == {('sent', None): 3}
    assert len(token_calls(emulator)) == 1
    assert least < seconds_left(clinic) < most
    settled(clinic, emulator)


@pytest.mark.fault(40)
def test_token_of_another_organization(clinic, emulator):
    emulator.faults.add('wrong_organization', client='client-A')
    visit = clinic.visit('A', doctor=DOCTOR_NIK)
    clinic.push()
    submission = sees(clinic, visit, 40)
    assert submission['state'] in {'needs_admin', 'needs_data'}
    for type_ in ['Encounter', 'Condition', 'Observation']:
        assert not emulator.store.find(type_)
    assert not [r for r in emulator.store.find('Location') if r.owner]


@pytest.mark.fault(54)
@pytest.mark.parametrize('seconds', [-86400, 86400], ids=['slow', 'fast'])
def test_clock_of_the_platform_is_off(clinic, emulator, seconds):
    emulator.faults.add('wrong_date', seconds=seconds, endpoint='any')
    for _ in range(3):
        clinic.visit()
        clinic.push()
    assert clinic.states() == {('sent', None): 3}
    assert len(token_calls(emulator)) == 1
    assert 300 < seconds_left(clinic) < 3600
    settled(clinic, emulator)
