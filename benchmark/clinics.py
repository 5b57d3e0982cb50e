# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Branches with staff and finished visits, made in bulk through the models."

import datetime as dt
import random

from trytond.pool import Pool
from trytond.tools import grouped_slice

from . import database

SLICE = 200
PEOPLE = 500
CODES = {
    'J00': "Acute nasopharyngitis [common cold]",
    'I10': "Essential (primary) hypertension",
    }


def client(number):
    "Return (client id, secret) of the branch with the number"
    return f'bench-{number}', f'bench-secret-{number}'


def organization(number):
    "Return the number of the facility of the branch with the number"
    return str(10_000_000 + number)


def nik(number):
    "Return a NIK that no person has: of a district that does not exist"
    return f'319999010180{number:04d}'


def create_branches(count):
    """Create branches with a doctor, a unit and a room that are known.

    Returns a list of {company, unit, room, doctor} (ids), and keeps numbers
    of the platform for doctor, unit and room, so that nothing is looked up.
    """
    pool = Pool()
    currency, = pool.get('currency.currency').create([{
                'name': "Rupiah", 'symbol': "Rp", 'code': 'IDR'}])
    return [
        branch for numbers in grouped_slice(range(1, count + 1), SLICE)
        for branch in _create_branches(list(numbers), currency)]


def _create_branches(numbers, currency):
    pool = Pool()
    parties = pool.get('party.party').create([
            {'name': f"Klinik {n}"} for n in numbers])
    companies = pool.get('company.company').create([{
                'party': party.id,
                'currency': currency.id,
                'satusehat_environment': 'local',
                } for party in parties])
    pool.get('satusehat.credential').create([{
                'company': company.id,
                'environment': 'local',
                'organization_id': organization(n),
                'client_id': client(n)[0],
                'client_secret': client(n)[1],
                } for n, company in zip(numbers, companies, strict=True)])
    units = pool.get('clinic.unit').create([{
                'company': company.id, 'code': 'UMUM', 'name': "Poli Umum",
                } for company in companies])
    rooms = pool.get('clinic.room').create([{
                'unit': unit.id, 'code': 'R1', 'name': "Ruang 1",
                } for unit in units])
    people = pool.get('party.party').create([
            {'name': f"dr. {n}"} for n in numbers])
    doctors = pool.get('company.employee').create([{
                'party': person.id,
                'company': company.id,
                'profession': 'general_practitioner',
                } for person, company in zip(people, companies, strict=True)])
    _know('Organization', units, [c.id for c in companies])
    _know('Location', rooms, [c.id for c in companies])
    _know('Practitioner', people)
    return [{
            'company': company.id,
            'unit': unit.id,
            'room': room.id,
            'doctor': doctor.id,
            } for company, unit, room, doctor in zip(
                companies, units, rooms, doctors, strict=True)]


def create_people(count=PEOPLE):
    "Create patients who are known to the platform, return their ids"
    pool = Pool()
    people = pool.get('party.party').create([
            {'name': f"Pasien {n}", 'nik': nik(n)} for n in range(count)])
    _know('Patient', people)
    return [p.id for p in pool.get('clinic.patient').create([
                {'party': person.id} for person in people])]


def _know(resource_type, records, companies=None):
    "Keep a number of the platform for each of the records"
    companies = companies or [None] * len(records)
    Pool().get('satusehat.resource').adopt([{
                'environment': 'local',
                'resource_type': resource_type,
                'resource_id': f'{resource_type}-{record.id}',
                'record': str(record),
                'company': company,
                } for record, company in zip(records, companies, strict=True)])


def create_codes():
    "Create the diagnoses of the visits, return {name: id} of all codes"
    pool = Pool()
    diagnoses = pool.get('clinic.icd10').create([
            {'code': code, 'name': name, 'edition': "WHO 2019"}
            for code, name in CODES.items()])
    findings = pool.get('clinic.clinical_finding').search([], limit=1)
    return {
        'diagnoses': [d.id for d in diagnoses],
        'finding': findings[0].id if findings else None,
        }


def create_visits(name, places, people, codes):
    """Finish a visit in each of the places, in slices of one transaction.

    places may repeat a branch.  The visits have two diagnoses and a whole
    set of vital signs, and lie in the last hours.
    """
    for chunk in grouped_slice(places, SLICE):
        with database.transaction(name, user=1):
            _create_visits(list(chunk), people, codes)


def _create_visits(places, people, codes):
    Encounter = Pool().get('clinic.encounter')
    start = dt.datetime.now(dt.timezone.utc).replace(
        tzinfo=None, microsecond=0) - dt.timedelta(hours=2)
    encounters = Encounter.create([
            _visit(place, random.choice(people), codes, start)  # noqa: S311
            for place in places])
    Encounter.arrive(encounters)
    Encounter.start(encounters)
    Encounter.finish(encounters)


def _visit(place, patient, codes, start):
    minute = dt.timedelta(minutes=1)
    return {
        'company': place['company'],
        'patient': patient,
        'practitioner': place['doctor'],
        'unit': place['unit'],
        'room': place['room'],
        'arrived_at': start,
        'started_at': start + 15 * minute,
        'finished_at': start + 40 * minute,
        'chief_complaint': "Demam sejak dua hari",
        'plan': "Parasetamol bila demam, kontrol bila memburuk",
        'chief_complaint_code': codes['finding'],
        'vital_signs': [('create', [{
                        'measured_at': start + 5 * minute,
                        'systolic': 120, 'diastolic': 80, 'heart_rate': 82,
                        'respiratory_rate': 18, 'temperature': 37.4,
                        'oxygen_saturation': 98, 'weight': 61.5,
                        'height': 168.0}])],
        'diagnoses': [('create', [{
                        'code': code, 'rank': rank,
                        'recorded_at': start + 30 * minute,
                        } for rank, code in enumerate(
                            codes['diagnoses'], start=1)])],
        }


def create_clinics(name, branches, visits):
    """Create the database with visits, the branches taking turns.

    Returns the branches as of create_branches.
    """
    database.create(name)
    with database.transaction(name, user=1):
        places = create_branches(branches)
        people = create_people(min(PEOPLE, max(visits, 1)))
        codes = create_codes()
    create_visits(
        name, [places[i % branches] for i in range(visits)], people, codes)
    database.close(name)
    return places
