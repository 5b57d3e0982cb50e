# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The doctor writes a letter and takes a consent, through the web client."""

import datetime as dt

import pytest

pytestmark = pytest.mark.browser

NAME = "Bagus Wirawan"


@pytest.fixture(scope='module')
def visit(clinic):
    "A visit in progress that is worth a sick leave"
    admin = clinic.admin
    person = admin.model('party.party')(
        name=NAME, birth_date=dt.date(1985, 2, 11), sex='male')
    person.save()
    patient = admin.model('clinic.patient')(party=person)
    patient.save()
    room = admin.only('clinic.room', ('code', '=', 'UMUM-1'))
    visit = admin.model('clinic.encounter')(
        patient=patient, unit=room.unit, room=room)
    visit.diagnoses.new(code=admin.only('clinic.icd10', ('code', '=', 'J00')))
    visit.save()
    visit.click('arrive')
    visit.click('start')
    return visit


def open_related(client, clinic, action):
    client.log_in(clinic.users['doctor'])
    client.open(*clinic.menu('clinic_rme.menu_encounter'))
    client.tab(1)
    client.open_row(NAME)
    client.toolbar('relate')
    client.choose_action(action)
    client.toolbar('new_')


def test_doctor_issues_a_letter(client, clinic, visit):
    open_related(client, clinic, "Surat")
    assert "J00" in client.value('diagnosis')
    today = client.value('from_date')
    client.enter('to_date', today)
    client.wait_value('days', '1')
    client.picture('91-letter')
    client.save()
    client.press('issue')
    client.answer()
    client.picture('92-letter-issued')
    letter = clinic.admin.only(
        'clinic.letter', ('encounter', '=', visit.id))
    assert letter.state == 'issued' and letter.number
    assert client.value('number') == letter.number


def test_doctor_prepares_a_refusal(client, clinic, visit):
    open_related(client, clinic, "Persetujuan")
    assert "J00" in client.value('diagnosis')
    for name in [
            'procedure', 'goal', 'alternatives', 'risks', 'prognosis',
            'witness']:
        client.enter(name, f"Isi {name}")
    client.choose('decision', 'refused')
    client.picture('93-consent', 1200)
    client.save()
    client.press('sign')
    client.answer()
    client.picture('94-consent-signed', 1200)
    consent = clinic.admin.only(
        'clinic.consent', ('encounter', '=', visit.id))
    assert (consent.state, consent.decision) == ('signed', 'refused')
    assert consent.text
