# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Credentials and keys: one bad branch stops itself and tells why."

from urllib.parse import parse_qsl

import gateway as faults
import pytest
from cryptography.fernet import Fernet
from gateway import FHIR


def tokens_of(gateway, client):
    return [
        t for t in gateway.tokens
        if dict(parse_qsl(t.body.decode()))['client_id'] == client]


def set_secret(clinic, branch, secret):
    assert clinic.write('satusehat.credential', [
            ('client_id', '=', f'client-{branch}')],
        {'client_secret': secret}) == 1


@pytest.mark.fault(38)
def test_wrong_secret_stops_its_branch_only(clinic, gateway, emulator):
    set_secret(clinic, 'A', 'wrong')
    bad = [clinic.visit('A') for _ in range(2)]
    good = clinic.visit('B')
    clinic.push()
    assert clinic.states() == {
        ('needs_admin', 'secret_refused'): 1, ('pending', None): 1,
        ('sent', None): 1}, "one row met the fault, the other is untouched"
    assert clinic.submission(good)['state'] == 'sent'
    for visit in bad:
        assert 'wrong' not in (clinic.submission(visit)['last_error'] or '')
    late = clinic.visit('A')
    clinic.push()
    submission = clinic.submission(late)
    assert (submission['state'], submission['attempts']) == ('pending', 0)
    assert len(tokens_of(gateway, 'client-A')) == 1

    set_secret(clinic, 'A', 'secret-A')
    emulator.store.punish('client-A', 0)
    clinic.push()
    assert clinic.states() == {('sent', None): 4}
    assert len(tokens_of(gateway, 'client-A')) == 2


def test_refused_secret_is_tried_once_a_minute_at_most(clinic, gateway):
    set_secret(clinic, 'A', 'wrong')
    for seconds, tried in [(0, 1), (50, 1), (20, 2), (30, 2)]:
        clinic.pass_time(seconds)
        clinic.visit('A')
        clinic.push()
        assert len(tokens_of(gateway, 'client-A')) == tried


def test_penalty_of_the_platform_is_waited_out(clinic, gateway, emulator):
    set_secret(clinic, 'A', 'wrong')
    first = clinic.visit('A')
    clinic.push()
    set_secret(clinic, 'A', 'secret-A')
    clinic.push()
    submission = clinic.submission(first)
    assert (submission['state'], submission['reason']) == (
        'waiting', 'throttled')
    clinic.push()
    assert len(gateway.tokens) == 2
    emulator.store.punish('client-A', 0)
    clinic.pass_time(70)
    clinic.push()
    assert clinic.submission(first)['state'] == 'sent'


def test_rival_that_fetches_a_token_is_waited_for(clinic, gateway):
    from trytond.modules.satusehat_integration.gate import database_now
    with clinic.transaction(user=0):
        from trytond.pool import Pool
        Gate = Pool().get('satusehat.gate')
        gate = Gate.of('local', 'client-A')
        gate.close(60, database_now(), 'token_pending')
        gate.save()
    visit = clinic.visit()
    clinic.push()
    submission = clinic.submission(visit)
    assert (submission['state'], submission['attempts']) == ('pending', 0)
    assert not gateway.seen
    clinic.pass_time(61)
    clinic.push()
    assert clinic.submission(visit)['state'] == 'sent'


def test_token_is_reserved_before_it_is_fetched(clinic, gateway):
    held = []

    def look(exchange):
        with clinic.transaction(user=0):
            from trytond.pool import Pool
            held.extend(
                (g.problem, bool(g.blocked_until))
                for g in Pool().get('satusehat.gate').search(
                    [('client_id', '=', 'client-A')]))
        exchange.hand_back(exchange.forward())
    gateway.once('POST', faults.TOKEN, look)
    clinic.visit()
    clinic.push()
    assert held == [('token_pending', True)]
    assert clinic.states() == {('sent', None): 1}


def test_token_of_a_rival_that_was_faster_is_taken(
        clinic, gateway, monkeypatch):
    from trytond.modules.satusehat_integration.channel import Channel
    clinic.visit()
    clinic.push()
    kept, looks = Channel._kept_token, []

    def looked_too_early(channel):
        looks.append(channel)
        return kept(channel) if len(looks) > 1 else None
    monkeypatch.setattr(Channel, '_kept_token', looked_too_early)
    visit = clinic.visit()
    clinic.push()
    assert clinic.submission(visit)['state'] == 'sent'
    assert len(looks) == 2
    assert len(tokens_of(gateway, 'client-A')) == 1


@pytest.mark.fault(40)
def test_organization_of_the_other_branch_is_refused(
        clinic, gateway, emulator):
    clinic.delete('satusehat.credential', [('client_id', '=', 'client-B')])
    clinic.write('satusehat.credential', [], {'organization_id': '10000005'})
    visit = clinic.visit('A')
    clinic.push()
    submission = clinic.submission(visit)
    assert submission['state'] == 'needs_admin', submission
    assert submission['last_error']
    for type_ in ['Encounter', 'Condition', 'Observation', 'Location']:
        assert not emulator.store.find(type_)
    assert not [
        r for r in emulator.store.find('Organization') if r.owner]

    clinic.write('satusehat.credential', [], {'organization_id': '10000004'})
    clinic.resend(visit)
    clinic.push()
    assert clinic.submission(visit)['state'] == 'sent'
    row, = emulator.store.find('Encounter')
    assert row.owner == '10000004'


def test_visit_goes_under_no_other_organization_after_a_change(
        clinic, gateway, emulator):
    clinic.visit('A')
    clinic.push()
    clinic.delete('satusehat.credential', [('client_id', '=', 'client-B')])
    clinic.write('satusehat.credential', [], {'organization_id': '10000005'})
    visit = clinic.visit('A')
    clinic.push()
    assert clinic.submission(visit)['state'] in {'needs_admin', 'needs_data'}
    assert {r.owner for r in emulator.store.find('Encounter')} == {'10000004'}


def test_branch_without_product_needs_the_administrator(clinic, gateway):
    gateway.always('POST', FHIR, lambda e: e.reply(401, {'fault': {
                'faultstring': "Invalid API call as no apiproduct match",
                'detail': {'errorcode': 'keymanagement.service.'
                    'InvalidAPICallAsNoApiProductMatchFound'}}}))
    visit = clinic.visit()
    clinic.push()
    assert clinic.submission(visit)['reason'] == 'no_product'
    assert len(gateway.tokens) == 1 and len(gateway.posts) == 1


def test_visit_finished_without_credential_waits_for_one(clinic, gateway):
    clinic.delete('satusehat.credential', [])
    visit = clinic.visit()
    assert clinic.submission(visit)['state'] == 'pending'
    clinic.push()
    submission = clinic.submission(visit)
    assert (submission['state'], submission['reason']) == (
        'needs_admin', 'no_credential')
    assert not gateway.seen
    with clinic.transaction():
        from trytond.pool import Pool
        Pool().get('satusehat.credential').create([{
                    'company': clinic.branches['A']['company'],
                    'environment': 'local', 'organization_id': '10000004',
                    'client_id': 'client-A', 'client_secret': 'secret-A'}])
    clinic.push()
    assert clinic.submission(visit)['state'] == 'sent'


def test_credential_without_secret_needs_the_administrator(clinic, gateway):
    set_secret(clinic, 'A', None)
    visit = clinic.visit()
    clinic.push()
    assert clinic.submission(visit)['reason'] == 'no_secret'
    assert not gateway.seen


@pytest.mark.parametrize('keys, reason', [
        ('', 'key_missing'), ('not a key', 'key_missing'),
        (Fernet.generate_key().decode(), 'key_wrong')],
    ids=['missing', 'malformed', 'wrong'])
@pytest.mark.parametrize('warm', [False, True], ids=['cold', 'warm'])
@pytest.mark.fault(42)
def test_lost_encryption_key_stops_sending(
        clinic, gateway, setting, keys, reason, warm):
    if warm:
        clinic.visit()
        clinic.push()
    asked = len(gateway.seen)
    setting(encryption_keys=keys)
    visit = clinic.visit()
    assert clinic.submission(visit)['state'] == 'pending'
    clinic.push()
    submission = clinic.submission(visit)
    assert (submission['state'], submission['reason']) == (
        'needs_admin', reason)
    assert 'secret-A' not in submission['last_error']
    assert len(gateway.seen) == asked


@pytest.mark.fault(41)
def test_rotated_key_still_reads_the_secret(clinic, gateway, setting):
    import trytond.config as config
    old = config.get('satusehat', 'encryption_keys')
    setting(encryption_keys=f'{Fernet.generate_key().decode()},{old}')
    visit = clinic.visit()
    clinic.push()
    assert clinic.submission(visit)['state'] == 'sent'


def test_configuration_that_reaches_nobody_names_its_option(
        clinic, emulator, setting):
    setting(local_url='http://example.com')
    visit = clinic.visit()
    clinic.push()
    submission = clinic.submission(visit)
    assert (submission['state'], submission['reason']) == (
        'needs_admin', 'configuration')
    assert 'local_url' in submission['last_error']
    assert 'example.com' not in submission['last_error']
