# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The pages of dental, check-up and pregnancy visits, in the web client."""

import datetime as dt

import pytest

pytestmark = pytest.mark.browser

# Kind of the unit: its name, the patient, and the page of the visit
UNITS = {
    'dental': ("Poli Gigi", "Wulan Sari", "Gigi"),
    'checkup': ("Unit MCU", "Yusuf Hidayat", "Medical check-up (MCU)"),
    'maternal_child': ("Poli KIA", "Ratna Dewi", "Kehamilan"),
    }


@pytest.fixture(scope='module')
def visits(clinic):
    "A visit in progress in a unit of each kind"
    admin = clinic.admin
    branch = admin.only('clinic.room', ('code', '=', 'UMUM-1')).unit.company
    result = {}
    for kind, (name, patient_name, _) in UNITS.items():
        unit = admin.model('clinic.unit')(
            company=branch, code=kind.upper(), name=name, kind=kind)
        unit.rooms.new(code='1', name="Ruang 1")
        unit.save()
        person = admin.model('party.party')(
            name=patient_name, birth_date=dt.date(1990, 5, 17), sex='female')
        person.save()
        patient = admin.model('clinic.patient')(party=person)
        patient.save()
        visit = admin.model('clinic.encounter')(
            patient=patient, unit=unit, room=unit.rooms[0])
        visit.vital_signs.new(weight=52.5, height=160)
        visit.save()
        visit.click('arrive')
        visit.click('start')
        result[kind] = visit
    return result


def open_page(client, clinic, kind):
    "Open the visit at the page of its unit; no other kind has one"
    client.log_in(clinic.users['doctor'])
    client.open(*clinic.menu('clinic_rme.menu_encounter'))
    client.tab(1)
    _, patient, page = UNITS[kind]
    client.open_row(patient)
    pages = {
        tab.text: tab for tab in client.visible(
            '.nav-tabs > li > a', client.scope())}
    assert {p for _, _, p in UNITS.values()} & pages.keys() == {page}
    pages[page].click()
    client.settle()


def test_dentist_records_teeth(client, clinic, visits):
    open_page(client, clinic, 'dental')
    client.picture('101-empty-chart', height=1400)
    client.add_row('tooth_findings')
    client.choose('tooth', '16')
    client.choose('condition', 'car')
    client.enter('surface_letters', 'do')
    client.wait_value('surface_letters', 'OD')
    client.picture('102-finding', height=1400)
    client.save()
    client.hide_menu()
    client.picture('103-chart', height=1400)
    assert "16: car = karies OD" in client.value('dental_chart_text')
    finding, = clinic.admin.model('clinic.tooth.finding').find(
        [('encounter', '=', visits['dental'].id)])
    assert {*finding.surfaces} == {'O', 'D'}


def test_dentist_examines_the_mouth(client, clinic, visits):
    open_page(client, clinic, 'dental')
    client.add_row('dental_examinations')
    client.choose('occlusion', 'normal')
    for tooth in ['16', '11']:
        client.enter(f'debris_{tooth}', '1')
        client.enter(f'calculus_{tooth}', '0')
    client.picture('104-mouth', height=1800)
    assert client.shown('oral_hygiene') == "Baik"
    client.save()
    client.picture('105-mouth-saved', height=1800)


def test_doctor_fills_the_check_up_form(client, clinic, visits):
    open_page(client, clinic, 'checkup')
    client.picture('106-no-form', height=1400)
    client.add_row('checkups')
    client.choose('purpose', 'employment')
    client.enter('vision_right', '6/6')
    client.choose('fitness', 'fit')
    client.save()
    client.picture('107-check-up', height=1400)
    assert client.shown('bmi_class') == "Normal"


def test_doctor_notes_the_pregnancy(client, clinic, visits):
    open_page(client, clinic, 'maternal_child')
    client.add_row('obstetric_notes')
    client.enter('gravida', '2')
    start = dt.date.today() - dt.timedelta(weeks=16)
    client.enter('last_period', start.strftime('%d/%m/%Y'))
    client.save()
    client.picture('108-pregnancy', height=1100)
    assert client.value('gestational_age').endswith(" hari")
