# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The patient's form through the web client: who it is, visits and graphs."""

import datetime as dt

import pytest

pytestmark = pytest.mark.browser

NAME = "Bayu Pratama"


@pytest.fixture(scope='module')
def patient(clinic):
    "A patient with visits and an allergy, and the same person once more"
    admin = clinic.admin
    Party = admin.model('party.party')
    Patient = admin.model('clinic.patient')
    Encounter = admin.model('clinic.encounter')
    company, = admin.model('company.company').find([])
    records = []
    for _ in range(2):
        person = Party(name=NAME, birth_date=dt.date(1990, 5, 17), sex='male')
        person.save()
        record = Patient(party=person)
        record.save()
        records.append(record)
    first = records[0]
    first.payer = 'jkn'
    first.allergy_status = 'listed'
    first.allergies.new(substance="Amoksisilin")
    first.save()
    for days, systolic, weight in [(90, 150, 71), (60, 142, 70), (30, 135, 69)]:
        moment = dt.datetime.now(dt.timezone.utc).replace(
            tzinfo=None, microsecond=0) - dt.timedelta(days=days)
        visit = Encounter(
            company=company, patient=first, arrived_at=moment)
        visit.vital_signs.new(
            measured_at=moment, systolic=systolic, diastolic=90,
            weight=weight, temperature=36.6, heart_rate=80)
        visit.save()
        visit.click('arrive')
    return first


def test_doctor_sees_the_patient(client, clinic, patient):
    client.log_in(clinic.users['doctor'])
    client.open(*clinic.menu('clinic_rme.menu_patient'))
    client.picture('61-patients')
    client.open_row(patient.medical_record_number)
    client.picture('62-patient')
    assert "tahun" in client.value('age')
    assert client.value('allergy_text') == "Amoksisilin"
    client.press('open_graphs')
    client.picture('63-graphs')
    client.open(*clinic.menu('clinic_rme.menu_patient'))
    client.open_row(patient.medical_record_number)
    client.press('new_visit')
    client.picture('64-new-visit')
    assert NAME in client.value('patient')


def test_clerk_enters_person(client, clinic, patient):
    client.log_in(clinic.users['registration'])
    client.open(*clinic.menu('clinic_rme.menu_patient'))
    client.toolbar('new_')
    client.create('party', "Bayi Ny. Ani")
    client.choose('no_nik_reason', 'newborn')
    client.picture('65-newborn')
    client.answer()
    client.picture('66-newborn-patient')


def test_administrator_merges(client, clinic, patient):
    client.log_in(clinic.users['manager'])
    client.open(*clinic.menu('clinic_rme.menu_patient_duplicate'))
    client.picture('67-duplicates')
    client.open_row(NAME)
    client.toolbar('action')
    client.choose_action("Gabungkan")
    client.picture('68-merge')
    assert client.value('source_number') != client.value('destination_number')
    client.answer()
    client.open(*clinic.menu('clinic_rme.menu_patient'))
    client.toolbar('reload')
    client.open_row(patient.medical_record_number)
    assert client.value('former_numbers').startswith('RM-')
    client.picture('69-merged')
