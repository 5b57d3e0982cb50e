# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Faults of the way and of the platform: nothing lost, nothing twice."

import json
import socket

import gateway as faults
import pytest
from gateway import FHIR

NOT_STORED = [
    (faults.html, 'checking', 'unrecognised'),
    (faults.malformed, 'checking', 'unrecognised'),
    (faults.other_type, 'checking', 'unrecognised'),
    (faults.error_500, 'waiting', 'server_error'),
    (faults.silence, 'checking', 'no_answer'),
    (faults.cut, 'checking', 'no_answer'),
    ]
STORED = [
    (faults.stored_500, 'waiting', 'server_error'),
    (faults.stored_silence, 'checking', 'no_answer'),
    (faults.stored_cut, 'checking', 'no_answer'),
    (faults.stored_malformed, 'checking', 'unrecognised'),
    (faults.stored_without_ids, 'checking', 'unrecognised'),
    ]


def named(cases):
    return {
        'argvalues': cases, 'ids': [case[0].__name__ for case in cases]}


def looks(gateway):
    return gateway.requests('GET', f'{FHIR}/Encounter')


def assert_held_once(clinic, emulator, *visits):
    "The platform holds each visit once, under the id that we know"
    encounters = emulator.store.find('Encounter')
    identifiers = [
        e.body['identifier'][0]['value'] for e in encounters]
    assert len(set(identifiers)) == len(identifiers) == len(visits)
    assert {clinic.encounter_id(v) for v in visits} == {
        e.id for e in encounters}
    assert {clinic.submission(v)['state'] for v in visits} == {'sent'}
    per_visit = 5
    for type_, count in [('Condition', 1), ('Observation', per_visit - 1)]:
        assert len(emulator.store.find(type_)) == count * len(visits)


@pytest.mark.parametrize('fault, state, reason', **named(NOT_STORED))
@pytest.mark.fault(20, 23, 31)
def test_visit_without_answer_is_looked_for_before_it_goes_again(
        clinic, gateway, emulator, impatience, fault, state, reason):
    gateway.once('POST', FHIR, fault)
    visit = clinic.visit()
    clinic.push()
    submission = clinic.submission(visit)
    assert (submission['state'], submission['reason']) == (state, reason)
    assert submission['next_attempt'] and submission['last_error']
    assert clinic.exchanges(path=FHIR)[0][-1] == 'unknown'

    clinic.make_due()
    clinic.push()
    submission = clinic.submission(visit)
    assert (submission['state'], submission['reason']) == (
        'checking', 'not_found_yet')
    assert len(looks(gateway)) == 1 and len(gateway.posts) == 1

    clinic.pass_time(700)
    clinic.push()
    assert_held_once(clinic, emulator, visit)
    first, second = gateway.posts
    assert first.digest == second.digest == submission['bundle_hash']
    last = [s for s in gateway.seen if s.path.startswith(FHIR)][-2:]
    assert [s.method for s in last] == ['GET', 'POST']


@pytest.mark.parametrize('fault, state, reason', **named(STORED))
@pytest.mark.fault(21, 23, 30)
def test_stored_visit_without_answer_is_adopted_and_not_sent_again(
        clinic, gateway, emulator, impatience, fault, state, reason):
    gateway.once('POST', FHIR, fault)
    visit = clinic.visit()
    clinic.push()
    submission = clinic.submission(visit)
    assert (submission['state'], submission['reason']) == (state, reason)
    assert clinic.encounter_id(visit) is None
    clinic.make_due()
    clinic.push()
    assert_held_once(clinic, emulator, visit)
    assert len(gateway.posts) == 1
    assert len(clinic.read('satusehat.resource', [
                ('record', 'like', 'clinic.%'),
                ('resource_type', 'in', [
                        'Encounter', 'Condition', 'Observation'])],
            'id')) == 6


@pytest.mark.fault(16)
def test_closed_port_waits_and_nothing_is_begun(
        clinic, gateway, emulator, setting):
    clinic.visit()
    clinic.push()
    with socket.socket() as closed:
        closed.bind(('127.0.0.1', 0))
        setting(local_url=f'http://127.0.0.1:{closed.getsockname()[1]}')
        visit = clinic.visit()
        clinic.push()
    submission = clinic.submission(visit)
    assert (submission['state'], submission['reason']) == (
        'waiting', 'unreachable')
    assert 'tried again' in submission['last_error']
    assert clinic.exchanges(path=FHIR)[-1][2:] == (None, 'unreachable')
    setting(local_url=gateway.url)
    clinic.make_due()
    clinic.push()
    assert clinic.states() == {('sent', None): 2}
    assert len(emulator.store.find('Encounter')) == 2


def test_closed_port_at_the_token_names_the_reason_to_all(
        clinic, emulator, setting):
    with socket.socket() as closed:
        closed.bind(('127.0.0.1', 0))
        setting(local_url=f'http://127.0.0.1:{closed.getsockname()[1]}')
        clinic.visit()
        clinic.visit()
        clinic.push()
    assert clinic.states() == {
        ('waiting', 'unreachable'): 1, ('pending', None): 1}
    assert len(clinic.exchanges()) == 1


@pytest.mark.fault(27)
def test_limit_of_the_platform_stops_the_whole_client(
        clinic, gateway, setting):
    clinic.visit()
    clinic.push()
    setting(connections=1)
    gateway.once('POST', FHIR, faults.throttled)
    for _ in range(3):
        clinic.visit()
    clinic.push()
    assert len(gateway.posts) == 2
    assert clinic.states() == {
        ('sent', None): 1, ('waiting', 'throttled'): 1, ('pending', None): 2}
    later = clinic.visit()
    asked = len(gateway.seen)
    clinic.push()
    assert len(gateway.seen) == asked
    submission = clinic.submission(later)
    assert (submission['state'], submission['attempts']) == ('pending', 0)
    clinic.pass_time(60)
    clinic.push()
    assert len(gateway.seen) == asked
    clinic.pass_time(70)
    clinic.push()
    assert clinic.states() == {('sent', None): 5}


@pytest.mark.fault(27)
def test_limit_of_one_branch_does_not_stop_the_other(clinic, gateway):
    clinic.visit('A')
    clinic.visit('B')
    clinic.push()
    gateway.once('POST', FHIR, faults.throttled)
    first, second = clinic.visit('A'), clinic.visit('B')
    with_pause = {first, second}
    clinic.push()
    states = {v: clinic.submission(v)['state'] for v in with_pause}
    assert sorted(states.values()) == ['sent', 'waiting']


def test_refused_token_is_renewed_once_and_the_visit_sent(
        clinic, gateway, emulator):
    clinic.visit()
    clinic.push()
    gateway.once('POST', FHIR, faults.unauthorized)
    visit = clinic.visit()
    clinic.push()
    assert clinic.submission(visit)['state'] == 'sent'
    assert len(gateway.tokens) == 2
    first, second = gateway.posts[1:]
    assert first.token != second.token and first.digest == second.digest
    assert [row[2:] for row in clinic.exchanges(path=FHIR)] == [
        (200, 'ok'), (401, 'unauthorized'), (200, 'ok')]
    assert len(emulator.store.find('Encounter')) == 2


@pytest.mark.fault(37)
def test_expired_token_in_mid_batch_is_renewed_once_for_all(
        clinic, gateway, setting):
    clinic.visit()
    clinic.push()
    setting(connections=2)
    used = gateway.posts[0].token

    def expired(exchange):
        if exchange.seen.token == used and len(gateway.posts) > 2:
            return faults.unauthorized(exchange)
        exchange.hand_back(exchange.forward())
    gateway.always('POST', FHIR, expired)
    for _ in range(6):
        clinic.visit()
    clinic.push()
    assert clinic.states() == {('sent', None): 7}
    assert len(gateway.tokens) == 2


def test_second_refusal_of_the_token_needs_the_administrator(
        clinic, gateway, emulator):
    clinic.visit()
    clinic.push()
    gateway.always('POST', FHIR, faults.unauthorized)
    visit = clinic.visit()
    clinic.push()
    submission = clinic.submission(visit)
    assert (submission['state'], submission['reason']) == (
        'needs_admin', 'unauthorized')
    assert len(gateway.posts) == 3 and len(gateway.tokens) == 2
    gateway.heal()
    clinic.resend(visit)
    clinic.push()
    assert clinic.submission(visit)['state'] == 'sent'
    assert len(emulator.store.find('Encounter')) == 2


def test_refused_token_and_unreachable_token_service_wait(clinic, gateway):
    clinic.visit()
    clinic.push()
    gateway.once('POST', FHIR, faults.unauthorized)
    gateway.once('POST', faults.TOKEN, faults.error_500)
    visit = clinic.visit()
    clinic.push()
    submission = clinic.submission(visit)
    assert (submission['state'], submission['reason']) == (
        'waiting', 'server_error')
    clinic.pass_time(70)
    clinic.push()
    assert clinic.submission(visit)['state'] == 'sent'


@pytest.mark.fault(44)
def test_duplicate_of_ours_is_adopted(clinic, gateway, emulator):
    gateway.once('POST', FHIR, faults.stored_cut)
    visit = clinic.visit()
    clinic.push()
    clinic.write('satusehat.submission', [], {'begun_at': None})

    def nothing(exchange):
        exchange.reply(200, {'resourceType': 'Bundle', 'total': 0})
    gateway.once('GET', f'{FHIR}/Encounter', nothing)
    clinic.make_due()
    clinic.push()
    assert_held_once(clinic, emulator, visit)
    assert len(gateway.posts) == 2
    assert clinic.exchanges(path=FHIR)[-1][2:] == (400, 'duplicate')


def test_duplicate_of_another_patient_is_not_adopted(
        clinic, gateway, emulator):
    def foreign(exchange):
        exchange.forward()
        row, = emulator.store.find('Encounter')
        terms = [
            ('identifier', i['system'], i['value'])
            for i in row.body['identifier']]
        row.body['subject']['reference'] = 'Patient/P03647103112'
        emulator.store.save(row, terms)
        exchange.cut()
    gateway.once('POST', FHIR, foreign)
    visit = clinic.visit()
    clinic.push()
    clinic.make_due()
    clinic.push()
    submission = clinic.submission(visit)
    assert (submission['state'], submission['reason']) == (
        'needs_admin', 'foreign')
    assert clinic.encounter_id(visit) is None
    assert len(gateway.posts) == 1


@pytest.mark.fault(22)
def test_lag_of_the_index_is_waited_out(clinic, gateway, emulator):
    gateway.once('POST', FHIR, faults.stored_cut)
    visit = clinic.visit()
    clinic.push()
    emulator.settings.index_lag = 300
    for _ in range(3):
        clinic.make_due()
        clinic.push()
        assert clinic.submission(visit)['reason'] == 'not_found_yet'
    assert len(gateway.posts) == 1
    emulator.settings.index_lag = 0
    clinic.make_due()
    clinic.push()
    assert_held_once(clinic, emulator, visit)
    assert len(gateway.posts) == 1


def test_limit_met_while_looking_shortens_no_wait_for_the_index(
        clinic, gateway, emulator):
    gateway.once('POST', FHIR, faults.stored_cut)
    visit = clinic.visit()
    clinic.push()
    emulator.settings.index_lag = 300
    gateway.once('GET', f'{FHIR}/Encounter', faults.throttled)
    clinic.pass_time(130)
    clinic.push()
    assert clinic.submission(visit)['reason'] == 'throttled'
    clinic.pass_time(130)
    clinic.push()
    assert clinic.submission(visit)['reason'] == 'not_found_yet'
    assert len(gateway.posts) == 1


@pytest.mark.fault(22)
def test_duplicate_that_is_never_shown_ends_with_a_person(
        clinic, gateway, emulator):
    gateway.once('POST', FHIR, faults.stored_cut)
    gateway.always('GET', f'{FHIR}/Encounter', lambda e: e.reply(
            200, {'resourceType': 'Bundle', 'entry': []}))
    visit = clinic.visit()
    clinic.push()
    seen = []
    for _ in range(6):
        clinic.pass_time(700)
        clinic.push()
        seen.append(clinic.submission(visit)['reason'])
    submission = clinic.submission(visit)
    assert (submission['state'], submission['reason']) == (
        'needs_admin', 'duplicate_unseen'), seen
    assert len(gateway.posts) == 2
    gateway.heal()
    clinic.resend(visit)
    clinic.push()
    assert_held_once(clinic, emulator, visit)
    assert len(gateway.posts) == 2


def test_part_of_a_visit_is_looked_for_within_grace_only(
        clinic, gateway, emulator):
    gateway.once('POST', FHIR, faults.stored_cut)
    gateway.always('GET', f'{FHIR}/Condition', lambda e: e.reply(
            200, {'resourceType': 'Bundle', 'entry': []}))
    visit = clinic.visit()
    clinic.push()
    clinic.make_due()
    clinic.push()
    assert clinic.submission(visit)['reason'] == 'partial'
    clinic.pass_time(700)
    clinic.push()
    submission = clinic.submission(visit)
    assert (submission['state'], submission['reason']) == (
        'checking', 'duplicate_unseen')
    assert len(gateway.requests('POST', f'{FHIR}/Condition')) == 1
    clinic.pass_time(700)
    clinic.push()
    submission = clinic.submission(visit)
    assert (submission['state'], submission['reason']) == (
        'needs_admin', 'duplicate_unseen')
    assert len(gateway.posts) == 1
    gateway.heal()
    clinic.resend(visit)
    clinic.push()
    assert_held_once(clinic, emulator, visit)
    assert len(gateway.posts) == 1


def test_redirect_is_not_followed(clinic, gateway, emulator):
    gateway.once('POST', FHIR, lambda e: e.reply(
            307, b'', Location=f'{emulator.url}{FHIR}'))
    visit = clinic.visit()
    clinic.push()
    submission = clinic.submission(visit)
    assert (submission['state'], submission['reason']) == (
        'needs_admin', 'redirected')
    assert not emulator.store.find('Encounter')
    clinic.resend(visit)
    clinic.push()
    assert clinic.submission(visit)['reason'] == 'not_found_yet'
    assert len(gateway.posts) == 1


def test_wrong_address_is_no_refusal_of_content(clinic, gateway):
    gateway.once('POST', FHIR, lambda e: e.reply(404))
    visit = clinic.visit()
    clinic.push()
    submission = clinic.submission(visit)
    assert (submission['state'], submission['reason']) == (
        'needs_admin', 'not_found')


@pytest.mark.fault(43)
def test_refusal_tells_the_platforms_words_and_waits(
        clinic, gateway, emulator):
    visit = clinic.visit(code='U07.1')
    clinic.push()
    submission = clinic.submission(visit)
    assert (submission['state'], submission['reason']) == (
        'needs_data', 'refused')
    assert 'U07.1' in submission['last_error']
    assert 'RuleNumber' in submission['last_error']
    assert 'until the visit is corrected' in submission['last_error']
    exchange = clinic.read('satusehat.exchange', [
            ('path', '=', FHIR)], 'status', 'outcome', 'rules')[0]
    assert exchange[:2] == (400, 'refused') and exchange[2]
    assert exchange[2] in submission['last_error']
    asked = len(gateway.seen)
    clinic.pass_time(100_000)
    clinic.push()
    clinic.push()
    assert len(gateway.seen) == asked
    assert not emulator.store.find('Encounter')
    assert not emulator.store.find('Condition')


def test_refused_visit_sent_again_is_built_anew_and_looked_for(
        clinic, gateway, emulator):
    def refuse(exchange):
        exchange.reply(400, {'resourceType': 'OperationOutcome', 'issue': [{
                        'severity': 'error', 'code': 'value', 'details': {
                            'text': "No (RuleNumber: 10005)"}}]})
    gateway.once('POST', FHIR, refuse)
    visit = clinic.visit()
    clinic.push()
    first = clinic.submission(visit)['bundle_hash']
    assert clinic.submission(visit)['state'] == 'needs_data'
    clinic.resend(visit)
    clinic.push()
    assert_held_once(clinic, emulator, visit)
    assert len(looks(gateway)) == 2, "after the refusal and before it went"
    assert clinic.submission(visit)['bundle_hash'] == first
    assert clinic.read('satusehat.submission.action', [], 'action', 'reason'
        ) == [('resend', "Sudah diperbaiki")]


def test_rebuilt_visit_uses_the_numbers_of_today(clinic, gateway, emulator):
    def refuse(exchange):
        exchange.reply(400, {'resourceType': 'OperationOutcome', 'issue': [{
                        'severity': 'error', 'code': 'value', 'details': {
                            'text': "No (RuleNumber: 10005)"}}]})
    gateway.once('POST', FHIR, refuse)
    visit = clinic.visit()
    clinic.push()
    clinic.write('satusehat.resource', [('resource_type', '=', 'Patient')], {
            'resource_id': 'P03647103112'})
    clinic.resend(visit)
    clinic.push()
    row, = emulator.store.find('Encounter')
    assert row.body['subject']['reference'] == 'Patient/P03647103112'
    assert json.loads(gateway.posts[0].body) != json.loads(
        gateway.posts[1].body)
