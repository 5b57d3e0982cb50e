# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Units and rooms: registered once and found again."

import json

import pytest
from gateway import (
    FHIR, error_500, html, malformed, stored_500, stored_cut,
    stored_malformed, stored_without_id, unauthorized)

PLACES = ['Organization', 'Location']


def registrations(gateway, type_):
    return gateway.requests('POST', f'{FHIR}/{type_}')


def held(emulator, type_):
    return [r for r in emulator.store.find(type_) if r.owner]


def test_places_are_registered_once_and_shown(clinic, gateway, emulator):
    clinic.visit()
    clinic.visit()
    clinic.push()
    for type_ in PLACES:
        assert len(registrations(gateway, type_)) == 1
        row, = held(emulator, type_)
        assert row.owner == '10000004'
    branch = clinic.branches['A']
    with clinic.transaction(context={'company': branch['company']}):
        from trytond.pool import Pool
        unit = Pool().get('clinic.unit')(branch['unit'])
        room = Pool().get('clinic.room')(branch['room'])
        assert unit.ihs_number == held(emulator, 'Organization')[0].id
        assert room.ihs_number == held(emulator, 'Location')[0].id
    location = held(emulator, 'Location')[0].body
    assert location['managingOrganization']['reference'] == (
        f"Organization/{held(emulator, 'Organization')[0].id}")


def test_forgotten_places_are_found_again(clinic, gateway, emulator):
    clinic.visit()
    clinic.push()
    clinic.delete('satusehat.resource', [
            ('resource_type', 'in', PLACES)])
    visit = clinic.visit()
    clinic.push()
    assert clinic.submission(visit)['state'] == 'sent'
    for type_ in PLACES:
        assert len(registrations(gateway, type_)) == 1
        assert clinic.read(
            'satusehat.resource', [('resource_type', '=', type_)],
            'resource_id') == [(held(emulator, type_)[0].id,)]


def test_unit_is_found_on_a_later_page(clinic, gateway, emulator):
    emulator.settings.page_size = 2
    with clinic.transaction():
        from trytond.pool import Pool
        company = clinic.branches['A']['company']
        units = Pool().get('clinic.unit').create([{
                    'company': company, 'code': f'U{n}', 'name': f"Poli {n}",
                    'rooms': [('create', [{
                                    'code': f'R{n}', 'name': f"Ruang {n}"}])],
                    } for n in range(5)])
        places = [(u.id, u.rooms[0].id) for u in units]
    for unit, room in places:
        clinic.visit(unit=unit, room=room)
    clinic.push()
    assert clinic.states() == {('sent', None): 5}
    clinic.delete('satusehat.resource', [('resource_type', 'in', PLACES)])
    asked = len(gateway.requests('GET', f'{FHIR}/Organization'))
    unit, room = places[-1]
    clinic.visit(unit=unit, room=room)
    clinic.push()
    assert clinic.states() == {('sent', None): 6}
    assert len(registrations(gateway, 'Organization')) == 5
    assert len(held(emulator, 'Organization')) == 5
    pages = gateway.requests('GET', f'{FHIR}/Organization')[asked:]
    assert len(pages) == 3


@pytest.mark.parametrize('fault', [
        stored_500, stored_cut, stored_malformed],
    ids=lambda fault: fault.__name__)
@pytest.mark.parametrize('type_', PLACES)
def test_place_registered_without_answer_is_looked_up(
        clinic, gateway, emulator, type_, fault):
    gateway.once('POST', f'{FHIR}/{type_}', fault)
    visit = clinic.visit()
    clinic.push()
    assert clinic.submission(visit)['state'] in {'checking', 'waiting'}
    assert not gateway.posts
    assert clinic.read('satusehat.exchange', [
            ('path', '=', f'{FHIR}/{type_}'), ('method', '=', 'POST'),
            ], 'outcome') == [('unknown',)]
    clinic.make_due()
    clinic.push()
    assert clinic.submission(visit)['state'] == 'sent'
    assert len(registrations(gateway, type_)) == 1
    assert len(held(emulator, type_)) == 1


@pytest.mark.parametrize('fault', [error_500, html, malformed],
    ids=lambda fault: fault.__name__)
def test_place_not_seen_is_registered_again_after_grace_only(
        clinic, gateway, emulator, fault):
    gateway.once('POST', f'{FHIR}/Organization', fault)
    visit = clinic.visit()
    clinic.push()
    clinic.make_due()
    clinic.push()
    submission = clinic.submission(visit)
    assert (submission['state'], submission['reason']) == (
        'checking', 'registration_unknown')
    assert len(registrations(gateway, 'Organization')) == 1
    clinic.pass_time(700)
    clinic.push()
    assert clinic.submission(visit)['state'] == 'sent'
    first, second = registrations(gateway, 'Organization')
    assert first.digest == second.digest
    assert len(held(emulator, 'Organization')) == 1


@pytest.mark.parametrize('type_', PLACES)
def test_place_registered_without_number_is_not_registered_again(
        clinic, gateway, emulator, type_):
    "While the index of the platform lags, a search does not show it"
    gateway.once('POST', f'{FHIR}/{type_}', stored_without_id)
    emulator.faults.add('index_lag', seconds=3600)
    visits = [clinic.visit(), clinic.visit()]
    clinic.push()
    clinic.make_due()
    clinic.push()
    assert clinic.states() == {('checking', 'registration_unknown'): 2}
    assert len(registrations(gateway, type_)) == 1
    emulator.faults.clear()
    clinic.make_due()
    clinic.push()
    assert {clinic.submission(v)['state'] for v in visits} == {'sent'}
    assert len(held(emulator, type_)) == 1


def test_refused_token_at_registration_is_renewed_once(clinic, gateway):
    gateway.once('POST', f'{FHIR}/Organization', unauthorized)
    visit = clinic.visit()
    clinic.push()
    assert clinic.submission(visit)['state'] == 'sent'
    assert len(gateway.tokens) == 2


def test_refused_place_waits_for_the_administrator(clinic, gateway):
    def refuse(exchange):
        exchange.reply(400, {'resourceType': 'OperationOutcome', 'issue': [{
                        'severity': 'error', 'code': 'value', 'details': {
                            'text': "Invalid (RuleNumber: 10447)"}}]})
    gateway.always('POST', f'{FHIR}/Location', refuse)
    visit = clinic.visit()
    clinic.push()
    submission = clinic.submission(visit)
    assert (submission['state'], submission['reason']) == (
        'needs_admin', 'place_refused')
    assert '10447' in submission['last_error']
    assert not gateway.posts


def test_place_held_twice_is_not_adopted(clinic, gateway):
    def twice(exchange):
        status, headers, body = exchange.forward()
        found = json.loads(body)
        uid, = clinic.read('clinic.room', [
                ('id', '=', clinic.branches['A']['room'])], 'uid')[0]
        found['entry'] = [{'resource': {
                    'resourceType': 'Location', 'id': id_, 'identifier': [{
                            'system': 'http://sys-ids.kemkes.go.id/location/'
                            '10000004', 'value': f'R1-{uid[:8]}'}]}}
            for id_ in ('one', 'two')]
        exchange.reply(200, found)
    gateway.always('GET', f'{FHIR}/Location', twice)
    visit = clinic.visit()
    clinic.push()
    assert clinic.submission(visit)['reason'] == 'place_ambiguous'
    assert not registrations(gateway, 'Location')
