# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The doctor prescribes, through the web client."""

import datetime as dt

import pytest

pytestmark = pytest.mark.browser

NAME = "Dewi Anggraini"


@pytest.fixture(scope='module')
def visit(clinic):
    "A visit in progress of a patient who is allergic to a medicine"
    admin = clinic.admin
    Medicine = admin.model('clinic.medicine')
    Medicine(name="Amoxsan", strength="500 mg", form='capsule').save()
    person = admin.model('party.party')(
        name=NAME, birth_date=dt.date(1990, 5, 17), sex='female')
    person.save()
    patient = admin.model('clinic.patient')(
        party=person, allergy_status='listed')
    patient.allergies.new(substance="Amoxsan")
    patient.save()
    room = admin.only('clinic.room', ('code', '=', 'UMUM-1'))
    visit = admin.model('clinic.encounter')(
        patient=patient, unit=room.unit, room=room)
    visit.vital_signs.new(weight=52.5)
    visit.save()
    visit.click('arrive')
    visit.click('start')
    return visit


def test_doctor_prescribes(client, clinic, visit):
    client.log_in(clinic.users['doctor'])
    client.open(*clinic.menu('clinic_rme.menu_encounter'))
    client.tab(1)
    client.open_row(NAME)
    client.add_row('prescription_items')
    client.complete('medicine', 'Amoxsan')
    client.picture('81-allergy')
    assert "Pasien alergi terhadap Amoxsan" in client.messages()[0]
    client.enter('override_reason', "Sudah diuji")
    client.enter('dose', '1')
    client.enter('frequency', '3')
    client.enter('duration', '5')
    client.wait_value('quantity', '15')
    client.wait_value('signa', "3 x sehari 1 kapsul selama 5 hari")
    client.picture('82-item')
    client.answer()
    client.save()
    client.picture('83-prescribed')
    item = clinic.admin.only(
        'clinic.prescription.item', ('encounter', '=', visit.id))
    assert item.override_reason == "Sudah diuji"
