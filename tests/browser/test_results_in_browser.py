# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""A nurse enters a result and the doctor reviews it, in the web client."""

import datetime as dt
from decimal import Decimal

import pytest

pytestmark = pytest.mark.browser

NAME = "Bagus Wirawan"


@pytest.fixture(scope='module')
def visit(clinic):
    "A visit in progress in which a laboratory test and an image are ordered"
    admin = clinic.admin
    person = admin.model('party.party')(
        name=NAME, birth_date=dt.date(1985, 2, 3), sex='male')
    person.save()
    patient = admin.model('clinic.patient')(party=person)
    patient.save()
    room = admin.only('clinic.room', ('code', '=', 'UMUM-1'))
    doctor = admin.only(
        'company.employee', ('profession', '=', 'general_practitioner'))
    visit = admin.model('clinic.encounter')(
        patient=patient, unit=room.unit, room=room, practitioner=doctor)
    visit.save()
    visit.click('arrive')
    visit.click('start')
    Order = admin.model('clinic.order')
    for code, priority in [('DL', 'stat'), ('THPA', 'routine')]:
        Order(
            encounter=visit, requester=doctor, priority=priority,
            investigation=admin.only(
                'clinic.investigation', ('code', '=', code))).save()
    return visit


def test_result_is_entered_and_reviewed(client, clinic, visit):
    client.log_in(clinic.users['nurse'])
    client.open(*clinic.menu('clinic_rme.menu_order_awaited'))
    client.picture('91-awaited')
    client.open_row("Darah Lengkap")
    client.picture('92-order')
    client.press('enter_result')
    client.see('[name="conclusion"]')
    client.picture('93-result')
    enter(clinic, visit)
    client.log_out()
    client.log_in(clinic.users['doctor'])
    client.open(*clinic.menu('clinic_rme.menu_result_new'))
    client.picture('94-new')
    client.open_row(NAME)
    client.picture('95-released')
    client.press('review')
    client.wait_value('reviewed_by', "dr. Alexander")
    client.open(*clinic.menu('clinic_rme.menu_encounter'))
    client.tab(1)
    client.open_row(NAME)
    client.picture('96-visit', height=1900)


def enter(clinic, visit):
    "Enter two values, one of them critical, and release them"
    result = clinic.admin.only(
        'clinic.result', ('order.encounter', '=', visit.id))
    for value in result.values:
        number = {'HB': '6.4', 'TROM': '210'}.get(value.investigation.code)
        if number:
            value.number = Decimal(number)
    result.save()
    result.click('release')
