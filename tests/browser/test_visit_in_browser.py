# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""One visit from registration until SATUSEHAT has it, through the web client.

Each test is what one member of the staff does and goes on where the one
before ended.
"""

import pytest

pytestmark = pytest.mark.browser

NAME = "Ardianto Putra"
NIK = '9271060312000001'
NURSE, DOCTOR = "Ns. Tiga Lestari", "dr. Alexander"
# The browser's own language says how a number is typed: here English
VITAL_SIGNS = {
    'systolic': '120', 'diastolic': '80', 'heart_rate': '82',
    'respiratory_rate': '18', 'temperature': '37.4',
    'oxygen_saturation': '98', 'weight': '62.5', 'height': '168'}
# Menu entry and a field of its form
LISTS = {
    'clinic_rme.menu_unit': 'kind',
    'clinic_rme.menu_room': 'unit',
    'clinic_rme.menu_icd10': 'edition',
    'clinic_rme.menu_clinical_finding': 'display',
    'satusehat_integration.menu_resource': 'resource_id',
    }


def test_clerk_registers_the_patient(client, clinic):
    client.log_in(clinic.users['registration'])
    client.open(*clinic.menu('clinic_rme.menu_patient'))
    client.toolbar('new_')
    client.create('party', NAME)
    client.enter('nik', NIK[:-1])
    assert "NIK harus 16 angka, yang diisi 15 angka." in client.messages()
    client.picture('11-nik-of-15-digits')
    client.enter('nik', NIK)
    client.enter('birth_date', '03/12/2000')
    client.choose('sex', 'male')
    client.picture('12-person')
    client.answer()
    client.choose('allergy_status', 'none_known')
    client.save()
    assert client.value('medical_record_number').startswith('RM-')
    client.picture('13-patient')


def test_clerk_lets_the_patient_arrive(client, clinic):
    client.log_in(clinic.users['registration'])
    client.open(*clinic.menu('clinic_rme.menu_encounter'))
    client.picture('21-no-visits')
    client.toolbar('new_')
    client.complete('patient', 'Ardianto')
    client.pick('unit', 'Poli Umum')
    client.pick('room', 'Ruang Periksa 1')
    client.complete('practitioner', 'Alexander')
    client.picture('22-new-visit')
    client.save()
    assert client.value('number').startswith('RJ-')
    client.press('arrive')
    client.wait_value('state', 'arrived')
    client.picture('23-arrived')
    client.log_out()
    client.picture('24-logged-out')


def test_nurse_examines(client, clinic):
    client.log_in(clinic.users['nurse'])
    client.open(*clinic.menu('clinic_rme.menu_encounter'))
    client.picture('31-waiting')
    client.open_row(NAME)
    client.enter('chief_complaint', "Batuk dan pilek sejak 3 hari, demam ringan")
    client.complete('chief_complaint_code', 'Batuk')
    client.add_row('vital_signs')
    for name, value in VITAL_SIGNS.items():
        client.enter(name, value)
    client.picture('32-vital-signs')
    client.press('start')
    client.wait_value('state', 'in_progress')
    client.picture('33-in-progress')


def test_doctor_finishes(client, clinic):
    client.log_in(clinic.users['doctor'])
    client.open(*clinic.menu('clinic_rme.menu_encounter'))
    client.tab(1)
    client.open_row(NAME)
    client.picture('41-visit')
    client.press('finish')
    assert "tidak dapat diubah" in client.dialog()
    client.picture('42-confirm')
    client.answer()
    assert "Diagnosis utama" in client.dialog()
    client.picture('43-missing')
    client.answer('.modal-footer button')
    client.add_row('diagnoses')
    client.complete('code', 'nasopharyngitis')
    client.enter('plan', "Parasetamol bila demam, banyak minum")
    client.picture('44-diagnosis')
    client.press('finish')
    client.answer()
    client.wait_value('state', 'finished')
    client.picture('45-finished')


def test_doctor_sees_the_visit_delivered(client, clinic, platform):
    client.log_in(clinic.users['doctor'])
    client.open(*clinic.menu('clinic_rme.menu_encounter'))
    client.tab(2)
    client.open_row(NAME)
    assert client.value('satusehat_state') == 'pending'
    clinic.deliver()
    client.toolbar('reload')
    client.wait_value('satusehat_state', 'sent')
    assert client.shown('satusehat_state') == "Terkirim"
    visit = platform.store.get('Encounter', client.value('satusehat_id'))
    assert visit.body['status'] == 'finished'
    assert visit.owner == '10000004'
    client.picture('51-visit')
    client.hide_menu()
    client.picture('52-visit-without-menu', height=1160)


def test_administrator_follows_the_submission(client, clinic):
    client.log_in(clinic.users['manager'])
    client.open(*clinic.menu('satusehat_integration.menu_submission'))
    client.tab(3)
    client.row("Terkirim")
    client.picture('61-submissions')
    client.open_row("Terkirim")
    client.picture('62-submission')
    client.open(*clinic.menu('satusehat_integration.menu_exchange'))
    client.row('POST')
    client.picture('63-server-log')
    client.open_row('POST')
    client.picture('64-exchange')


def test_administrator_tests_the_connection(client, clinic):
    client.log_in(clinic.users['manager'])
    client.open(*clinic.menu('satusehat_integration.menu_credential'))
    client.picture('71-credentials')
    client.open_row('10000004')
    assert set(client.value('client_secret')) == {'x'}
    client.picture('72-credential')
    client.press('test_connection')
    assert "berhasil" in client.value('result')
    client.picture('73-connection')
    client.answer()


def test_administrator_opens_every_list(client, clinic):
    client.log_in(clinic.users['manager'])
    for name in LISTS:
        client.open(*clinic.menu(name))
        picture = name.split('.menu_')[1]
        client.row('')
        client.picture(f'81-{picture}-list')
        client.open_row()
        client.field(LISTS[name])
        client.picture(f'82-{picture}')
    client.open(*clinic.menu('clinic_rme.menu_clinic_configuration'))
    client.field('patient_sequence')
    client.picture('83-configuration')
