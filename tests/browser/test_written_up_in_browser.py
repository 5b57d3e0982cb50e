# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"A visit that was recorded afterwards ends with one press."

import datetime as dt

import pytest

pytestmark = pytest.mark.browser

NAME = "Sri Rejeki"


@pytest.fixture(scope='module')
def visit(clinic):
    "A visit on paper by candlelight, typed in when there was power again"
    admin = clinic.admin
    person = admin.model('party.party')(
        name=NAME, birth_date=dt.date(1984, 2, 3), sex='female')
    person.save()
    patient = admin.model('clinic.patient')(
        party=person, allergy_status='none_known')
    patient.save()
    room = admin.only('clinic.room', ('code', '=', 'UMUM-1'))
    doctor = admin.only(
        'company.employee', ('party.name', '=', "dr. Alexander"))
    now = dt.datetime.now(dt.timezone.utc).replace(tzinfo=None, microsecond=0)
    visit = admin.model('clinic.encounter')(
        patient=patient, unit=room.unit, room=room, practitioner=doctor,
        arrived_at=now - dt.timedelta(hours=3),
        chief_complaint="Pusing", plan="Istirahat")
    visit.vital_signs.new(systolic=120, diastolic=80)
    visit.diagnoses.new(
        code=admin.only('clinic.icd10', ('code', '=', 'J00')))
    visit.save()
    return visit


def test_doctor_finishes_at_once(client, clinic, visit):
    client.log_in(clinic.users['doctor'])
    client.open(*clinic.menu('clinic_rme.menu_encounter'))
    client.open_row(NAME)
    assert client.value('state') == 'planned'
    assert not client.visible('button[name="finish"]', client.scope())
    visit.started_at = visit.arrived_at + dt.timedelta(minutes=20)
    visit.save()
    client.toolbar('reload')
    client.picture('111-recorded-afterwards')
    client.press('finish')
    client.answer()
    client.wait_value('state', 'finished')
    client.picture('112-finished-at-once')
    visit.reload()
    assert [row.status for row in visit.status_history] == [
        'arrived', 'in_progress', 'finished']
