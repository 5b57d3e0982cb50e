# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Living through the week: each step by the user whose work it is.

The clerk registers patients and arrivals, the nurse asks for allergies,
measures and starts, the practitioner diagnoses and finishes, with the same
buttons as in the client.
Times are entered by hand, as after a power cut.
"""

from datetime import date, timedelta

from trytond.exceptions import UserError

from .records import login_for, login_of, moment

REGISTRATION = 'clinic_rme.group_registration'
NURSE = 'clinic_rme.group_nurse'


class Week:
    "The visits of the Records, done on a Desk"

    def __init__(self, desk, records):
        self.desk = desk
        self.records = records
        self.patients = {}
        self.companies = {
            key: desk.admin.only(
                'company.company', ('party.name', '=', row['name'])).id
            for key, row in records.branches.items()}

    def register_patients(self):
        "Create the patients; each gets a number of the branch they came to"
        for key, row in self.records.patients.items():
            self.patients[key] = self._register(row)

    def _register(self, row):
        clerk = self.desk.client(
            login_for(self.records, REGISTRATION, row['branch']))
        party = clerk.model('party.party')(
            name=row['name'], nik=row.get('nik'), sex=row['sex'],
            birth_date=date.fromisoformat(row['birth_date']),
            birth_place=row['birth_place'])
        party.save()
        patient = clerk.model('clinic.patient')(party=party)
        patient.save()
        if row['allergy_status'] != 'not_asked':
            self._note_allergies(row, patient.id)
        return patient.id

    def _note_allergies(self, row, id_):
        nurse = self.desk.client(
            login_for(self.records, NURSE, row['branch']))
        patient = nurse.record('clinic.patient', id_)
        patient.allergy_status = row['allergy_status']
        for allergy in row.get('allergies', []):
            patient.allergies.new(**allergy)
        patient.save()

    def visit(self, row):
        """Do one visit; return (number of the visit, refusal or None).

        refusal is what the practitioner is told when the visit cannot be
        finished; it stays in progress then. Any visit but one whose case is
        missing_diagnosis raises UserError instead.
        """
        branch = row['branch']
        company = self.companies[branch]
        clerk = self.desk.client(login_for(self.records, REGISTRATION, branch))
        nurse = self.desk.client(login_for(self.records, NURSE, branch))
        practitioner = self.desk.client(
            login_of(self.records, row['practitioner'], branch))
        employee = self._employee(row)
        practitioner.work_at(company, employee)
        encounter = self._arrive(clerk, row, company, employee)
        self._start(nurse, row, encounter)
        refusal = self._finish(practitioner, row, encounter)
        number = clerk.record('clinic.encounter', encounter).number
        return number, refusal

    def _employee(self, row):
        person = self.records.staff[row['practitioner']]
        return self.desk.admin.only(
            'company.employee', ('party.name', '=', person['name']),
            ('company', '=', self.companies[row['branch']])).id

    def _arrive(self, clerk, row, company, employee):
        room = clerk.only(
            'clinic.room', ('code', '=', row['room']),
            ('unit.company', '=', company))
        encounter = clerk.model('clinic.encounter')(
            patient=self.patients[row['patient']], unit=room.unit, room=room,
            practitioner=employee, arrived_at=self._moment(row, 'arrived'))
        encounter.click('arrive')
        return encounter.id

    def _start(self, nurse, row, id_):
        encounter = nurse.record('clinic.encounter', id_)
        encounter.chief_complaint = row['complaint']
        if 'finding' in row:
            encounter.chief_complaint_code = nurse.only(
                'clinic.clinical_finding', ('code', '=', row['finding']))
        for signs in row['vital_signs']:
            values = {k: v for k, v in signs.items() if k != 'at'}
            encounter.vital_signs.new(
                measured_at=self._time(row, signs['at']), **values)
        encounter.started_at = self._moment(row, 'started')
        encounter.click('start')

    def _finish(self, practitioner, row, id_):
        encounter = practitioner.record('clinic.encounter', id_)
        for rank, code in enumerate(row['diagnoses'], 1):
            encounter.diagnoses.new(rank=rank, code=practitioner.only(
                    'clinic.icd10', ('code', '=', code)))
        for finding in row.get('teeth', []):
            encounter.tooth_findings.new(**finding)
        if 'pregnancy' in row:
            encounter.obstetric_notes.new(**self._pregnancy(row))
        encounter.plan = row['plan']
        encounter.discharge_disposition = row['disposition']
        encounter.discharge_note = row.get('disposition_note')
        encounter.finished_at = self._moment(row, 'finished')
        try:
            encounter.click('finish')
        except UserError as error:
            if row.get('case') != 'missing_diagnosis':
                raise
            return error.message
        if row.get('case') == 'missing_diagnosis':
            raise ValueError('finished without a diagnosis')

    def _pregnancy(self, row):
        "Return the note, with the last period by the weeks before the visit"
        note = dict(row['pregnancy'])
        start = self._moment(row, 'started').date()
        note['last_period'] = start - timedelta(weeks=note.pop('weeks'))
        return note

    def _moment(self, row, name):
        return self._time(row, row[name])

    def _time(self, row, time):
        timezone = self.records.branches[row['branch']]['timezone']
        return moment(time, row['day'], timezone)
