# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""A clinic with its staff, and what they do at the desk and in the room.

Each act is made of the calls that the client makes, each with the rights of
the person who makes it and in a transaction of its own.
"""

import datetime as dt
import random
import secrets
from contextlib import contextmanager
from itertools import count

from trytond.pool import Pool
from trytond.tools import grouped_slice
from trytond.transaction import Transaction

FIRST = """Adi Agus Ahmad Aisyah Anisa Arif Bagus Bambang Budi Citra Dedi Dewi
Dian Dwi Eka Endang Fajar Fitri Gilang Hadi Hana Indah Iwan Joko Kartika
Lestari Made Maya Mega Nurul Putri Rahmat Ratna Rini Sari Siti Slamet Tri Wati
Yusuf""".split()
LAST = """Ananda Anggraini Aritonang Astuti Darmawan Fauzi Firmansyah Gunawan
Halim Handayani Harahap Hartono Hidayat Iskandar Kurniawan Kusuma Lubis
Maharani Mulyani Nasution Nugroho Pangestu Permata Prasetyo Pratama Purnama
Rahayu Ramadhan Safitri Santoso Saputra Setiawan Siregar Sitorus Suharto
Suryani Utami Wibowo Widodo Wijaya""".split()
# What is looked up: words that a diagnosis and a person are found by
DISEASE = "diabetes"
PERSON = "santoso"
ROLES = {
    'registration': 'registration',
    'doctor': 'general_practitioner',
    }
SLICE = 200
VIEWS = ['encounter_view_list', 'patient_view_list']
PASSWORD = secrets.token_urlsafe()
_numbers = count(1)


def person(number):
    "Return the values of the person with the number"
    born = dt.date(1940, 1, 1) + dt.timedelta(days=number * 7919 % 28_000)
    female = number % 2
    day = born.day + 40 * female
    return {
        'name': ' '.join([
                FIRST[number % len(FIRST)],
                FIRST[number // len(FIRST) % len(FIRST)],
                LAST[number * 7 // 3 % len(LAST)]]),
        'sex': 'female' if female else 'male',
        'birth_date': born,
        # Of a district that does not exist
        'nik': f'319999{day:02}{born:%m%y}{number % 10_000:04}',
        }


def set_up():
    """Create the branch with its people and the codes, return their ids.

    The codes are the whole ICD-10 of the installed package.
    """
    pool = Pool()
    currency, = pool.get('currency.currency').create([{
                'name': "Rupiah", 'symbol': "Rp", 'code': 'IDR'}])
    party, = pool.get('party.party').create([{'name': "Klinik Ukur"}])
    company, = pool.get('company.company').create([{
                'party': party.id, 'currency': currency.id}])
    unit, = pool.get('clinic.unit').create([{
                'company': company.id, 'code': 'UMUM', 'name': "Poli Umum",
                'rooms': [('create', [{'code': 'R1', 'name': "Ruang 1"}])]}])
    staff = {role: _hire(company, role) for role in ROLES}
    ICD10 = pool.get('clinic.icd10')
    from trytond.modules.clinic_rme.icd10 import SimpleICD10
    ICD10.import_(SimpleICD10())
    codes = ICD10.search([('code', 'in', ['J06.9', 'I10'])])
    return {
        'company': company.id, 'unit': unit.id, 'room': unit.rooms[0].id,
        'codes': [c.id for c in codes],
        'employee': {r: e.id for r, (e, _) in staff.items()},
        'user': {r: u.id for r, (_, u) in staff.items()},
        }


def _hire(company, role):
    "Create the employee and the user, whose login is the role"
    pool = Pool()
    party, = pool.get('party.party').create([{'name': role.title()}])
    employee, = pool.get('company.employee').create([{
                'party': party.id, 'company': company.id,
                'profession': ROLES[role]}])
    group = pool.get('ir.model.data').get_id('clinic_rme', f'group_{role}')
    user, = pool.get('res.user').create([{
                'name': role.title(), 'login': role, 'password': PASSWORD,
                'groups': [('add', [group])],
                'companies': [('add', [company.id])],
                'company': company.id,
                'employees': [('add', [employee.id])],
                'employee': employee.id}])
    return employee, user


def visit(places, patient):
    "Return the values of a visit with vital signs and a diagnosis"
    start = dt.datetime.now(dt.timezone.utc).replace(
        tzinfo=None, microsecond=0) - dt.timedelta(minutes=40)
    minute = dt.timedelta(minutes=1)
    return {
        'company': places['company'],
        'patient': patient,
        'practitioner': places['employee']['doctor'],
        'unit': places['unit'],
        'room': places['room'],
        'arrived_at': start,
        'started_at': start + 10 * minute,
        'chief_complaint': "Demam sejak dua hari",
        'plan': "Parasetamol bila demam, kontrol bila memburuk",
        'vital_signs': [('create', [{
                        'measured_at': start + 5 * minute,
                        'systolic': 120, 'diastolic': 80, 'heart_rate': 82,
                        'respiratory_rate': 18, 'temperature': 37.4,
                        'oxygen_saturation': 98, 'weight': 61.5,
                        'height': 168.0}])],
        'diagnoses': [('create', [{
                        'code': random.choice(places['codes']),  # noqa: S311
                        'rank': 1, 'recorded_at': start + 20 * minute}])],
        }


class Desk:
    "The staff of one clinic in one process"

    def __init__(self, name, places):
        self.name, self.places = name, places
        self._contexts = {}
        with Transaction().start(name, 0, readonly=True):
            ModelData = Pool().get('ir.model.data')
            self.views = {
                view: ModelData.get_id('clinic_rme', view) for view in VIEWS}

    @contextmanager
    def as_user(self, role, readonly=False):
        "A transaction as of a call of the user of the role"
        user = self.places['user'][role]
        if role not in self._contexts:
            with Transaction().start(self.name, user, readonly=True):
                User = Pool().get('res.user')
                self._contexts[role] = User.get_preferences(context_only=True)
        with Transaction().start(
                self.name, user, readonly=readonly, context={
                    **self._contexts[role], '_check_access': True},
                ) as transaction:
            try:
                yield Pool()
            except BaseException:
                transaction.rollback()
                raise
            transaction.commit()

    def register(self, numbers=None):
        "Register people as patients, return the ids of the patients"
        numbers = numbers or [next(_numbers)]
        with self.as_user('registration') as pool:
            people = pool.get('party.party').create(
                [person(n) for n in numbers])
            return [p.id for p in pool.get('clinic.patient').create([
                        {'party': p.id} for p in people])]

    def open(self, patients):
        "Open a visit with vital signs and a diagnosis, return the ids"
        with self.as_user('doctor') as pool:
            return [e.id for e in pool.get('clinic.encounter').create(
                    [visit(self.places, p) for p in patients])]

    def complete(self, visits):
        "Press the button that ends the visits"
        with self.as_user('doctor') as pool:
            Encounter = pool.get('clinic.encounter')
            Encounter.finish(Encounter.browse(visits))

    def see(self, patients):
        "Open and complete a visit of each patient"
        self.complete(self.open(patients))

    def list_visits(self):
        "Read the first 100 rows of the list of visits as the client does"
        return self._listed('clinic.encounter', 'encounter_view_list', [], 100)

    def history(self, patient):
        "Read the visits of one patient as the list shows them"
        return self._listed(
            'clinic.encounter', 'encounter_view_list',
            [('patient', '=', patient)], 100)

    def find_person(self):
        "Find patients by a part of the name, up to 100 rows"
        return self._listed(
            'clinic.patient', 'patient_view_list',
            [('rec_name', 'ilike', f'%{PERSON}%')], 100, 'registration')

    def find_code(self):
        "Find a diagnosis by a word, as typed into the field"
        with self.as_user('doctor', readonly=True) as pool:
            return pool.get('clinic.icd10').autocomplete(DISEASE, limit=10)

    def _listed(self, model, view, domain, limit, role='doctor'):
        with self.as_user(role, readonly=True) as pool:
            Model = pool.get(model)
            fields = Model.fields_view_get(
                self.views[view], view_type='tree')['fields']
            names = [
                *fields, '_timestamp', 'rec_name', *(
                    f'{name}.rec_name' for name, field in fields.items()
                    if field['type'] == 'many2one')]
            return Model.read(
                list(map(int, Model.search(domain, limit=limit))), names)


def fill(desk, patients, visits):
    "Make a small clinic: patients in slices, each visit seen to its end"
    made = [
        patient
        for numbers in grouped_slice(range(10**6, 10**6 + patients), SLICE)
        for patient in desk.register(list(numbers))]
    for chunk in grouped_slice(
            random.choices(made, k=visits), SLICE):  # noqa: S311
        desk.see(list(chunk))
    return made
