# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"What Prometheus is told of this moment, and what nobody is told."

import datetime as dt
import socket

import pytest
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as openmetrics)
from prometheus_client.parser import text_string_to_metric_families
from push_clinic import DOCTOR_NIK, PATIENT_NIK, PATIENT_NUMBER, UNKNOWN_NIK
from satusehat_emulator.serving import serve
from trytond import backend
from trytond.pool import Pool
from watched_clinic import LABELS, TOKEN, key, now, samples

HOUR = 3600


def place(clinic, branch='A', organization='10000004', **labels):
    return {
        'branch': str(clinic.branches[branch]['company']),
        'organization': organization, 'environment': 'local', **labels}


def test_a_clinic_that_has_sent_nothing(watched):
    metrics = watched.metrics()
    assert metrics[key('satusehat_oldest_unsent_age_seconds')] == 0
    assert metrics[key('satusehat_oldest_due_age_seconds')] == 0
    assert metrics[key('satusehat_last_sweep_timestamp_seconds')] == 0
    assert metrics[key('satusehat_last_request_timestamp_seconds')] == 0
    assert not [name for name, _ in metrics if name in {
                'satusehat_submissions', 'satusehat_requests_total'}]


def test_every_family_is_described(watched):
    watched.submissions()
    families = {
        family.name: family for family in text_string_to_metric_families(
            watched.scrape().get_data(as_text=True))}
    assert {n: f.type for n, f in families.items()} == {
        **dict.fromkeys(LABELS, 'gauge'),
        'satusehat_requests': 'counter',
        'satusehat_refusals': 'counter',
        'satusehat_request_duration_seconds': 'histogram'}
    assert all(f.documentation for f in families.values())


def test_depth_and_age_by_state_and_branch(watched):
    watched.submissions(state='pending', count=3, age=100)
    watched.submissions(state='pending', age=700)
    watched.submissions(state='needs_data', count=2, age=50 * HOUR)
    watched.submissions(branch='B', state='waiting', age=10)
    watched.submissions(state='sent', age=90 * HOUR)
    watched.submissions(state='stopped', age=90 * HOUR)
    metrics = watched.metrics()
    here = place(watched, state='pending')
    assert {k: v for k, v in metrics.items()
        if k[0] == 'satusehat_submissions'} == {
            key('satusehat_submissions', **here): 4,
            key('satusehat_submissions', **{**here, 'state': 'needs_data'}): 2,
            key('satusehat_submissions', **place(
                    watched, 'B', '10000005', state='waiting')): 1}
    name = 'satusehat_oldest_submission_age_seconds'
    assert 700 <= metrics[key(name, **here)] < 800
    assert metrics[key(
            name, **{**here, 'state': 'needs_data'})] >= 50 * HOUR
    assert 700 <= metrics[key('satusehat_oldest_unsent_age_seconds')] < 800


def test_branch_without_environment_or_credential(watched):
    watched.submissions(environment=None, age=9 * HOUR)
    watched.submissions(environment='staging', state='needs_admin')
    metrics = watched.metrics()
    for environment, state in [('none', 'pending'), ('staging', 'needs_admin')]:
        assert metrics[key('satusehat_submissions', **place(
                watched, organization='', environment=environment,
                state=state))] == 1
    assert metrics[key('satusehat_oldest_unsent_age_seconds')] == 0
    assert metrics[key('satusehat_oldest_due_age_seconds')] == 0


def test_due_and_not_taken(watched):
    watched.submissions(state='waiting', due=-500, age=9 * HOUR)
    watched.submissions(state='sending', due=9 * HOUR)
    watched.submissions(state='needs_data', due=9 * HOUR)
    assert watched.metrics()[key('satusehat_oldest_due_age_seconds')] == 0
    watched.submissions(state='checking', due=300)
    watched.submissions(branch='B', state='pending', due=200)
    age = watched.metrics()[key('satusehat_oldest_due_age_seconds')]
    assert 300 <= age < 400


@pytest.mark.parametrize('state, is_held', [
        ('needs_data', True), ('needs_admin', True), ('checking', True),
        ('sent', False), ('stopped', False)])
def test_correction_of_a_visit_that_is_not_delivered(
        watched, state, is_held):
    "It can not go, which is nobody's fault who sends"
    visit, = watched.submissions(state=state, due=-HOUR)
    watched.submissions(count=2, due=-HOUR)
    watched.correction(visit, age=9 * HOUR, due=9 * HOUR)
    metrics = watched.metrics()
    assert (metrics[key('satusehat_oldest_unsent_age_seconds')]
        >= 9 * HOUR) is not is_held
    assert (metrics[key('satusehat_oldest_due_age_seconds')]
        >= 9 * HOUR) is not is_held
    here = place(watched, state='pending')
    assert metrics[key('satusehat_submissions', **here)] == 3
    assert metrics[key(
            'satusehat_oldest_submission_age_seconds', **here)] >= 9 * HOUR


def test_moments(watched):
    watched.swept(age=1000)
    watched.swept(age=100)
    watched.exchange(age=2000)
    watched.exchange(age=50)
    metrics = watched.metrics()
    stamp = now().replace(tzinfo=dt.timezone.utc).timestamp()
    for name, age in [('sweep', 100), ('request', 50)]:
        moment = metrics[key(f'satusehat_last_{name}_timestamp_seconds')]
        assert age <= stamp - moment < age + 60


def breaker(clinic, scope, branch=None, organization=''):
    labels = {'branch': '', 'organization': '', 'environment': 'local'}
    if branch:
        labels = place(clinic, branch, organization)
    return clinic.metrics()[key(
            'satusehat_breaker_open', scope=scope, **labels)]


def test_breakers_without_a_request_are_closed(watched):
    assert breaker(watched, 'host') == 0
    assert breaker(watched, 'branch', 'A', '10000004') == 0


@pytest.mark.parametrize('seconds', [60, -60])
def test_open_breaker_of_a_branch(watched, seconds):
    "It is open as well while a trial is under way"
    watched.gates({
            'environment': 'local', 'client_id': 'client-A',
            'open_until': now() + dt.timedelta(seconds=seconds),
            'open_seconds': 60, 'failures': 5})
    assert breaker(watched, 'host') == 0
    assert breaker(watched, 'branch', 'A', '10000004') == 1
    assert breaker(watched, 'branch', 'B', '10000005') == 0
    watched.write('satusehat.gate', [], {'open_until': None})
    assert breaker(watched, 'branch', 'A', '10000004') == 0


def test_open_breaker_of_a_host(watched):
    watched.gates({
            'environment': 'local', 'client_id': '',
            'open_until': now() + dt.timedelta(seconds=60)})
    assert breaker(watched, 'host') == 1
    assert breaker(watched, 'branch', 'A', '10000004') == 0


def test_breaker_of_a_host_that_is_away(watched, setting):
    "From the first failure to the trial that comes through"
    with socket.create_server(('127.0.0.1', 0)) as away:
        port = away.getsockname()[1]
    setting(local_url=f'http://127.0.0.1:{port}')
    for branch in ['A', 'B'] * 3:
        watched.visit(branch=branch)
    for _ in range(4):
        watched.pass_time(130)
        watched.push()
    assert breaker(watched, 'host') == 1

    with serve() as served:
        setting(local_url=served.url)
        for _ in range(4):
            watched.pass_time(2 * HOUR)
            watched.push()
    assert breaker(watched, 'host') == 0
    assert watched.states() == {('sent', None): 6}
    metrics = watched.metrics()
    assert metrics[key(
            'satusehat_requests_total', environment='local', method='POST',
            resource_type='accesstoken', outcome='unreachable')] >= 5
    assert sum(
        value for (name, labels), value in metrics.items()
        if name == 'satusehat_requests_total'
        and {('resource_type', 'Bundle'), ('outcome', 'ok')} <= labels) == 6


def test_pause_of_a_branch(watched):
    def paused(branch, organization):
        return watched.metrics()[key('satusehat_paused', **place(
                    watched, branch, organization, scope='branch'))]
    watched.gates({
            'environment': 'local', 'client_id': 'client-A',
            'blocked_until': now() + dt.timedelta(seconds=60)})
    assert paused('A', '10000004') == 1
    assert paused('B', '10000005') == 0
    assert breaker(watched, 'branch', 'A', '10000004') == 0
    watched.write('satusehat.gate', [], {
            'blocked_until': now() - dt.timedelta(seconds=1)})
    assert paused('A', '10000004') == 0


def test_clock_of_this_server(watched):
    name = key('satusehat_clock_skew_seconds', environment='local')
    assert watched.metrics()[name] == 0
    watched.gates({
            'environment': 'local', 'client_id': '', 'clock_skew': -600.0,
            'clock_skew_at': now() - dt.timedelta(hours=2)})
    assert watched.metrics()[name] == -600
    watched.write('satusehat.gate', [], {
            'clock_skew_at': now() - dt.timedelta(hours=25)})
    assert watched.metrics()[name] == 0


def test_gate_of_a_client_that_is_gone(watched):
    watched.gates({
            'environment': 'local', 'client_id': 'canary-client',
            'open_until': now() + dt.timedelta(seconds=60)})
    response = watched.scrape()
    assert response.status_code == 200
    assert b'canary-client' not in response.data


def test_openmetrics_when_asked_for(watched):
    watched.exchange(rules='10003')
    watched.submissions()
    response = watched.scrape(
        Accept='application/openmetrics-text;version=1.0.0,text/plain;q=0.5')
    assert response.headers['Content-Type'].startswith(
        'application/openmetrics-text')
    families = list(openmetrics(response.get_data(as_text=True)))
    assert {f.name for f in families} == set(LABELS)


def texts(clinic):
    "Return all texts of the answers, in every format"
    return [
        clinic.scrape().get_data(as_text=True),
        clinic.scrape(Accept='application/openmetrics-text;version=1.0.0'
            ).get_data(as_text=True),
        clinic.health().get_data(as_text=True)]


def columns(clinic, model, *names):
    return {
        str(value) for row in clinic.read(model, [], *names)
        for value in row if value}


def test_nothing_of_a_person_and_no_secret(watched, emulator):
    "After visits that went well and that did not"
    watched.visit(nik=PATIENT_NIK)
    watched.visit(nik=UNKNOWN_NIK, branch='B')
    watched.visit(nik=None)
    watched.push()
    with watched.transaction(user=0):
        tokens = {
            gate.token(dt.datetime.min)
            for gate in Pool().get('satusehat.gate').search(
                [('token_encrypted', '!=', None)])}
    watched.write('satusehat.credential', [('client_id', '=', 'client-B')], {
            'client_secret': 'sekret-canary'})
    watched.visit(branch='B')
    watched.push()
    watched.exchange(
        path=f'/fhir-r4/v1/{PATIENT_NIK}', method='CANARY',
        rules=PATIENT_NIK, request_id='request-canary')
    assert len(columns(watched, 'satusehat.submission', 'state')) > 1
    canaries = {
        'secret-A', 'secret-B', 'sekret-canary', TOKEN,
        DOCTOR_NIK, PATIENT_NIK, UNKNOWN_NIK, PATIENT_NUMBER,
        PATIENT_NIK[:9], PATIENT_NIK[-9:], 'CANARY', 'request-canary',
        'J00', 'nasopharyngitis', "Pilek", *tokens,
        *columns(watched, 'party.party', 'name'),
        *columns(watched, 'clinic.patient', 'medical_record_number'),
        *columns(watched, 'clinic.encounter', 'uid', 'number'),
        *columns(watched, 'satusehat.credential', 'client_id',
            'client_secret_encrypted'),
        *columns(watched, 'satusehat.gate', 'token_encrypted'),
        *columns(watched, 'satusehat.resource', 'resource_id'),
        *columns(watched, 'satusehat.submission', 'detail', 'bundle_hash'),
        *columns(watched, 'satusehat.exchange', 'request_id'),
        } - columns(watched, 'satusehat.credential', 'organization_id')
    assert len(tokens) == 2 and len(canaries) > 30
    for text in texts(watched):
        assert {c for c in canaries if c in text} == set()


def test_labels_are_of_a_few_kinds(watched, emulator):
    "Nothing else can come in by a label"
    watched.visit()
    watched.push()
    watched.exchange(rules='10003', outcome='refused')
    watched.submissions()
    for family in text_string_to_metric_families(
            watched.scrape().get_data(as_text=True)):
        for sample in family.samples:
            assert set(sample.labels) - {'le'} == LABELS[family.name]
    values = {
        name: {dict(labels)[name] for _, labels in watched.metrics()
            if name in dict(labels)}
        for name in ['branch', 'organization', 'rule', 'environment']}
    companies = {str(b['company']) for b in watched.branches.values()}
    assert values['branch'] <= companies | {''}
    assert values['organization'] == {'10000004', '10000005', ''}
    assert values['rule'] == {'10003'}
    assert values['environment'] == {'local'}


def test_name_of_a_branch_is_not_told(watched):
    "A practice may bear the name of its doctor"
    watched.write('party.party', [('name', '=', "Klinik A")], {
            'name': "Praktik dr. Kanari"})
    watched.submissions()
    watched.write('party.party', [('name', '=', "Praktik dr. Kanari")], {
            'name': "Klinik A"})
    assert all('Kanari' not in text for text in texts(watched))


@pytest.fixture
def statements(monkeypatch):
    "The statements of the test, in their order"
    if backend.name == 'sqlite':
        from trytond.backend.sqlite.database import SQLiteCursor as Cursor
    else:
        from trytond.backend.postgresql.database import LoggingCursor as Cursor
    made, execute = [], Cursor.execute

    def note(self, query, *args, **kwargs):
        made.append(str(query))
        return execute(self, query, *args, **kwargs)
    monkeypatch.setattr(Cursor, 'execute', note)
    return made


def test_statements_do_not_grow_with_the_branches(watched, statements):
    def count(answer):
        del statements[:]
        assert answer().status_code in {200, 503}
        return len(statements)

    def fill(branches):
        for branch in branches:
            for state in ['pending', 'needs_data']:
                watched.submissions(branch, state=state)
        watched.gates(*({
                    'environment': 'local', 'client_id': f'client-{b}',
                    'open_until': now()} for b in branches))
        watched.exchange(count=len(branches), rules='10003')
    fill(['A', 'B'])
    for answer in [watched.health, watched.scrape]:
        answer()
    few = count(watched.health), count(watched.scrape)
    fill(watched.add_branches(30))
    many = count(watched.health), count(watched.scrape)
    assert few == many
    assert few[0] < few[1] < 20
    assert watched.metrics()[key('satusehat_breaker_open', **place(
            watched, list(watched.branches)[-1],
            list(watched.branches)[-1], scope='branch'))] == 1


def test_nothing_is_written(watched, statements):
    watched.submissions()
    watched.exchange(age=HOUR)
    del statements[:]
    watched.health()
    watched.scrape()
    assert [
        s for s in statements
        if s and s.split()[0].upper() not in {'SELECT', 'SET', 'SHOW'}] == []
    assert sum(s.startswith('SELECT') for s in statements) > 8


def test_scrape_leaves_things_as_they_are(watched):
    watched.exchange(age=HOUR, count=5)
    first = samples(watched.scrape().get_data(as_text=True))
    second = samples(watched.scrape().get_data(as_text=True))
    assert first.keys() == second.keys()
    assert watched.read('satusehat.exchange.tally', [], 'total') == []
