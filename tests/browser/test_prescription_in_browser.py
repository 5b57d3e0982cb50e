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
    for name, form in [("Amoxsan", 'capsule'), ("Paracetamol", 'tablet')]:
        Medicine(name=name, strength="500 mg", form=form).save()
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
    client.complete('medicine', 'Paracetamol')
    client.enter('dose', '1')
    client.enter('frequency', '3')
    client.choose('meal', 'after')
    client.enter('duration', '5')
    client.wait_value('quantity', '15')
    assert client.value('signa') == (
        "3 x sehari 1 tablet sesudah makan selama 5 hari")
    client.picture('82-item')
    client.save()
    client.picture('83-prescribed')


def test_doctor_has_a_powder_made(client, clinic, visit):
    client.add_row('prescription_items')
    client.choose('kind', 'compounded')
    client.choose('compound_form', 'oral_powder')
    client.picture('84-compounded')
