# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Each promise is kept by a good delivery and found broken when it is.

The database or the platform's store is damaged on purpose; a damage may
break more than one promise, never another one alone.
"""

import dataclasses
import datetime as dt
import uuid
from contextlib import suppress

import delivery_facts
import pytest
from delivery_facts import Platform
from delivery_invariants import PROMISES, Limits, check
from push_clinic import PATIENT_NIK
from trytond.pool import Pool
from trytond.transaction import Transaction

SYSTEM = 'http://sys-ids.kemkes.go.id/encounter/10000004'


class Undone(Exception):
    "What was written to the store is taken back"


@pytest.fixture
def broken(clinic, emulator):
    "Return the texts of what is broken by invariant"
    def broken(platform=emulator, **how):
        found = {}
        for violation in check(clinic.database, platform, **how):
            found.setdefault(violation.invariant, []).append(str(violation))
        return found
    assert broken() == {}
    return broken


@pytest.fixture
def sql(clinic):
    "Run an update or delete behind the models' backs"
    def run(model, where=None, **values):
        with clinic.transaction(user=0):
            table = Pool().get(model).__table__()
            condition = None
            for name, value in (where or {}).items():
                clause = getattr(table, name) == value
                condition = clause if condition is None else condition & clause
            query = table.update(
                [getattr(table, name) for name in values],
                list(values.values()), where=condition
                ) if values else table.delete(where=condition)
            Transaction().connection.cursor().execute(*query)
    return run


@pytest.fixture
def platform(emulator):
    "The facts of the platform, to be damaged"
    return delivery_facts.of(emulator)


def encounter(platform, organization='10000004'):
    "Return the Encounter of an organization"
    found, = [
        r for r in platform.resources
        if r.type == 'Encounter' and r.organization == organization]
    return found


def test_every_promise_is_checked():
    assert list(PROMISES) == [f'I{number}' for number in range(1, 11)]


# I1

def test_visit_without_submission_is_a_loss(clinic, broken, sql):
    sql('satusehat.submission', {'encounter': clinic.visits[0]})
    assert broken()['I1'] == [
        f'I1 clinic.encounter,{clinic.visits[0]}: '
        'is finished and has no submission']


@pytest.mark.parametrize(
    'state', ['pending', 'sending', 'checking', 'waiting'])
def test_submission_that_never_ends_is_a_loss(
        clinic, broken, sql, state):
    sql('satusehat.submission', {'encounter': clinic.visits[0]}, state=state)
    assert f'is still {state}' in broken()['I1'][0]
    assert 'I1' not in broken(over=False)
    company = clinic.branches['A']['company']
    assert 'I1' not in broken(excused=frozenset([company]))


def test_version_behind_one_that_waits_for_people_waits_with_it(
        clinic, broken, sql):
    visit = clinic.visits[0]
    sql('satusehat.submission', {'encounter': visit}, state='needs_admin')
    with clinic.transaction(user=0):
        pool = Pool()
        pool.get('satusehat.submission').enqueue(
            pool.get('clinic.encounter').browse([visit]))
    assert 'I1' not in broken()
    sql('satusehat.submission', {
            'encounter': visit, 'version': 1}, state='stopped')
    assert 'is still pending' in broken()['I1'][0]


def test_missing_version_is_a_loss(clinic, broken, sql):
    sql('satusehat.submission', {'encounter': clinic.visits[0]}, version=2)
    assert 'has the versions [2]' in broken()['I1'][0]


def test_submission_of_an_unfinished_visit_is_found(clinic, broken, sql):
    sql('clinic.encounter', {'id': clinic.visits[0]}, state='in_progress')
    assert 'is in_progress but has a submission' in broken()['I1'][0]


# I2

def test_twin_is_found(broken, platform):
    platform.resources.append(
        encounter(platform)._replace(id=str(uuid.uuid4())))
    found = broken(platform)
    assert set(found) == {'I2'}
    assert 'is held 2 times by 10000004' in found['I2'][0]


def test_visit_sent_again_while_its_fate_is_unknown_is_found(
        clinic, broken):
    with clinic.transaction(user=0):
        Exchange = Pool().get('satusehat.exchange')
        sent, = Exchange.search([
                ('submission.encounter', '=', clinic.visits[0]),
                ('path', '=', '/fhir-r4/v1')])
        Exchange.copy([sent], {
                'outcome': 'unknown', 'request_id': None, 'status': None,
                'started_at': sent.started_at})
        Exchange.copy([sent], {
                'outcome': 'unknown', 'request_id': None, 'status': None,
                'started_at': sent.started_at + dt.timedelta(seconds=9)})
    assert 'left again' in broken(grace=10)['I2'][0]
    assert 'I2' not in broken(grace=9)


# I3

def test_id_of_something_else_is_found(broken, sql, platform):
    other = encounter(platform, '10000005')
    sql('satusehat.resource', {
            'resource_id': encounter(platform).id}, resource_id=other.id)
    assert 'has an id of the organization 10000005' in broken()['I3'][0]
    assert 'of something else' in broken()['I3'][1]


def test_id_that_the_platform_does_not_hold_is_found(broken, sql, platform):
    sql('satusehat.resource', {
            'resource_id': encounter(platform).id}, resource_id='gone')
    assert 'which the platform does not hold' in broken()['I3'][0]


def test_number_of_another_person_is_found(broken, sql):
    sql('satusehat.resource', {
            'resource_type': 'Patient'}, resource_id='P03647103112')
    assert 'of another person' in broken()['I3'][0]


def test_sent_visit_without_ids_is_found(broken, sql):
    sql('satusehat.resource', {'resource_type': 'Encounter'})
    assert all('has no id here' in text for text in broken()['I3'])


# I4

def test_ghost_is_found(broken, platform):
    ghost = str(uuid.uuid4())
    platform.resources.append(encounter(platform)._replace(
            id='ghost', identifiers=((SYSTEM, ghost),)))
    assert broken(platform)['I4'][0].endswith(f'stands for {ghost}, which is not here')


def test_visit_told_before_its_end_is_a_ghost(clinic, broken, sql):
    sql('clinic.encounter', {'id': clinic.visits[0]}, state='in_progress')
    assert 'of an unfinished visit' in broken()['I4'][0]


# I5

def version_two(clinic, **values):
    with clinic.transaction(user=0):
        Submission = Pool().get('satusehat.submission')
        first, = Submission.search([('encounter', '=', clinic.visits[0])])
        Submission.create([{
                    'encounter': first.encounter.id, 'version': 2,
                    'company': first.company.id, 'environment': 'local',
                    'state': 'sent', 'bundle_index': first.bundle_index,
                    'bundle': b'', 'snapshot': b'',
                    'sent_at': first.sent_at, **values}])


def test_version_sent_before_the_one_before_it_is_found(
        clinic, broken, sql):
    version_two(clinic)
    assert 'I5' not in broken()
    sql('satusehat.submission', {
            'encounter': clinic.visits[0], 'version': 1}, state='stopped')
    assert 'I5' not in broken()
    sql('satusehat.submission', {
            'encounter': clinic.visits[0], 'version': 1}, state='waiting')
    assert 'is sent and version 1 is not' in broken()['I5'][0]


def test_version_settled_before_the_one_before_it_is_found(clinic, broken):
    version_two(clinic, sent_at=dt.datetime(2020, 1, 1))
    assert 'was sent before version 1' in broken()['I5'][0]


def test_version_begun_too_early_is_found(clinic, broken, sql):
    version_two(clinic, state='checking', begun=True, sent_at=None)
    sql('satusehat.submission', {
            'encounter': clinic.visits[0], 'version': 1},
        state='needs_data', sent_at=None)
    assert 'was begun before version 1 was sent' in broken()['I5'][0]


def test_update_of_what_was_not_created_is_found(broken, platform):
    place = next(
        n for n, r in enumerate(platform.requests)
        if r.path == '/fhir-r4/v1')
    late = platform.requests[place]._replace(method='PUT')
    assert 'I5' not in broken(
        Platform(platform.resources, [*platform.requests, late]))
    platform.requests.insert(0, late)
    assert broken(platform)['I5'] == [
        f'I5 {late}: updates what was not created before']


# I6

def test_resource_of_another_branch_is_found(broken, platform):
    resources = platform.resources
    row = encounter(platform)
    resources[resources.index(row)] = row._replace(organization='10000005')
    text, *_ = broken(platform)['I6']
    assert f'of 10000005 has the system {SYSTEM}' in text


def test_request_by_another_branch_is_found(clinic, broken, sql):
    sql('satusehat.exchange', {
            'company': clinic.branches['A']['company'],
            'path': '/fhir-r4/v1'}, company=clinic.branches['B']['company'])
    assert 'of 10000005 was made by 10000004' in broken()['I6'][0]


# I7

@pytest.mark.parametrize('model, values', [
        ('satusehat.submission', {'detail': f"bad {PATIENT_NIK}"}),
        ('satusehat.submission', {'detail': "about Ardianto Putra"}),
        ('satusehat.exchange', {'path': f'/Patient?identifier={PATIENT_NIK}'}),
        ('satusehat.exchange', {'rules': "secret-A"}),
        ('satusehat.gate', {'problem': "Acute nasopharyngitis [common cold]"}),
        ])
def test_word_that_should_not_be_told_is_found(broken, sql, model, values):
    sql(model, **values)
    assert any('shows' in text for text in broken()['I7'])


def test_word_in_a_log_is_found(clinic, broken):
    with clinic.transaction(user=0):
        gate, *_ = Pool().get('satusehat.gate').search([
                ('token_encrypted', '!=', None)])
        token = gate.token(dt.datetime.min)
    for word in [token, PATIENT_NIK, 'secret-B', 'kanari']:
        assert broken(
            texts=(('log', f'... {word} ...'),),
            canaries=frozenset(['kanari']))['I7'] == [
                f"I7 log: shows {word!r}"]


# I8

def test_write_without_row_is_found(broken, sql):
    sql('satusehat.exchange', {'path': '/fhir-r4/v1'})
    assert len(broken()['I8']) == 2
    assert 'left without a row' in broken()['I8'][0]


def test_row_left_open_is_found(broken, sql):
    sql('satusehat.exchange', {'path': '/fhir-r4/v1'}, outcome=None)
    assert 'is neither closed nor unknown' in broken()['I8'][0]


def test_row_about_another_request_is_found(broken, sql):
    sql('satusehat.exchange', {
            'path': '/fhir-r4/v1/Location'}, path='/fhir-r4/v1/Organization')
    assert 'is about another request than' in broken()['I8'][0]


def test_answer_that_nobody_gave_is_found(broken, sql):
    sql('satusehat.exchange', {
            'path': '/fhir-r4/v1/Location'}, request_id='invented')
    assert any(
        'has an answer that the platform never gave' in text
        for text in broken()['I8'])


def test_row_of_a_lost_answer_stands_for_its_write(broken, sql):
    sql('satusehat.exchange', {
            'path': '/fhir-r4/v1'}, request_id=None, status=None,
        outcome='unknown')
    assert broken() == {}


def test_row_written_after_its_request_is_found(broken, sql):
    sql('satusehat.exchange', {
            'path': '/fhir-r4/v1'}, request_id=None, status=None,
        outcome='unknown', started_at=dt.datetime(2100, 1, 1))
    assert 'left without a row' in broken()['I8'][0]


# I9

def test_endless_attempts_are_found(broken, sql):
    sql('satusehat.submission', attempts=101)
    assert 'had 101 attempts' in broken()['I9'][0]
    assert 'I9' not in broken(limits=Limits(attempts=101))


@pytest.mark.parametrize('name', ['rss', 'threads', 'files'])
def test_process_that_takes_too_much_is_found(broken, name):
    sample = {'process': 'sender', 'rss': 1, 'threads': 1, 'files': 1}
    assert broken(usage=(sample,)) == {}
    sample[name] = 1 << 40
    assert f'used {name}' in broken(usage=(sample,))['I9'][0]


# I10

def test_row_that_is_still_planned_is_found(clinic, broken, sql):
    sql('satusehat.submission', {'encounter': clinic.visits[0]},
        state='needs_admin', next_attempt=dt.datetime(2026, 1, 1))
    found = broken()
    assert set(found) == {'I10'}
    company = clinic.branches['A']['company']
    assert broken(excused=frozenset([company])) == {}


def test_backlog_that_empties_too_late_is_found(broken):
    long_ago = dt.datetime(2020, 1, 1)
    assert len(broken(ended=long_ago, drain=60)['I10']) == 2
    assert broken(ended=dt.datetime(2100, 1, 1), drain=60) == {}


def test_platform_may_be_in_another_process(clinic, emulator):
    assert check(clinic.database, emulator.url) == []
    nothing = check(clinic.database, Platform())
    assert {v.invariant for v in nothing} == {'I3', 'I8'}


def test_the_stores_own_rows_are_looked_at(clinic, emulator, broken):
    row, *_ = emulator.store.find('Encounter')
    body = {**row.body, 'id': str(uuid.uuid4())}
    with suppress(Undone), emulator.store.transaction():
        emulator.store.save(
            dataclasses.replace(row, id=body['id'], body=body))
        assert set(broken()) == {'I2'}
        raise Undone
