# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"What administrators see of a delivery that goes wrong."

import logging
from contextlib import contextmanager

import gateway as faults
import pytest
from gateway import FHIR, TOKEN
from push_clinic import (
    DOCTOR_NIK, PATIENT_NIK, TWIN_PATIENT_NIK, UNKNOWN_NIK)
from trytond.exceptions import UserError
from trytond.pool import Pool
from trytond.transaction import Transaction

NAME = "Zulkarnaen Kanari"
# Traces each statement with its values, for those who develop the core
SQL_TRACE = 'trytond.backend'
TABLES = [
    'satusehat.exchange', 'satusehat.gate', 'satusehat.notice',
    'satusehat.submission.action', 'res.notification', 'ir.error',
    'ir.cron.log', 'ir.model.log']


def unsent(clinic, language='en'):
    "Return {(branch's name, state): (cause, visits, next attempt)}"
    with clinic.transaction(user=0, context={'language': language}):
        return {
            (group.company.rec_name, group.state): (
                group.cause, group.visits, group.next_attempt)
            for group in Pool().get('satusehat.unsent').search([])}


def run_scheduler(clinic):
    "Run all scheduled actions as trytond-cron does"
    with Transaction().start(clinic.database, 0, readonly=True):
        Cron = Pool().get('ir.cron')
    Cron.run(clinic.database)


def columns(clinic, name):
    "Return all values of all rows of the model's table, with their column"
    with clinic.transaction(user=0) as transaction:
        cursor = transaction.connection.cursor()
        cursor.execute(*Pool().get(name).__table__().select())
        names = [column[0] for column in cursor.description]
        return [
            (column, value) for row in cursor
            for column, value in zip(names, row, strict=True)]


@contextmanager
def rights_of_the_administrator(clinic):
    company = clinic.branches['A']['company']
    clinic.write('res.user', [('id', '=', 1)], {
            'companies': [('add', [company])], 'company': company})
    with clinic.transaction(context={
                '_check_access': True, 'company': company,
                'companies': [company]}):
        yield


def refuse_with_nik(exchange):
    exchange.reply(400, {'resourceType': 'OperationOutcome', 'issue': [{
                    'severity': 'error', 'code': 'value',
                    'diagnostics': f"subject {PATIENT_NIK} {NAME}",
                    'details': {
                        'text': f"Bad {PATIENT_NIK} (RuleNumber: 10005)"},
                    'expression': [f"Patient.{PATIENT_NIK}"]}]})


def test_untouched_visits_show_the_problem_of_their_branch(clinic, gateway):
    clinic.write('satusehat.credential', [('client_id', '=', 'client-A')], {
            'client_secret': 'wrong'})
    visits = [clinic.visit('A') for _ in range(3)]
    clinic.push()
    later = clinic.visit('A')
    other = clinic.visit('B')
    clinic.push()
    assert clinic.submission(other)['state'] == 'sent'
    told = [clinic.submission(v) for v in [*visits, later]]
    assert {t['state'] for t in told} <= {'needs_admin', 'pending'}
    untouched = [t for t in told if t['state'] == 'pending']
    assert clinic.submission(later)['attempts'] == 0 and untouched
    for row in told:
        assert row['last_error'].startswith(
            "Client ID or Secret Key of the branch refused, tried again ")
    groups = unsent(clinic)
    assert {cause for cause, *_ in groups.values()} == {
        "Client ID or Secret Key of the branch refused"}
    assert sum(visits for _, visits, _ in groups.values()) == 4
    assert all(time for *_, time in groups.values())


def test_untouched_visits_show_the_problem_of_the_host(clinic, setting):
    setting(local_url='http://127.0.0.1:9')
    visits = [clinic.visit(branch) for branch in 'AABBAABB']
    for _ in range(6):
        clinic.push()
        clinic.make_due()
    clinic.push()
    later = clinic.visit('B')
    told = clinic.submission(later)
    assert (told['state'], told['attempts']) == ('pending', 0)
    assert told['last_error'].startswith(
        "The SATUSEHAT server cannot be reached, tried again ")
    assert {cause for cause, *_ in unsent(clinic).values()} == {
        "The SATUSEHAT server cannot be reached"}
    assert len(visits) + 1 == sum(
        count for _, count, _ in unsent(clinic).values())


def test_list_is_empty_when_all_was_sent(clinic, gateway):
    clinic.visit('A')
    clinic.visit('B')
    clinic.push()
    assert unsent(clinic) == {}


def test_notice_of_the_scheduler(clinic, gateway):
    clinic.write('satusehat.credential', [('client_id', '=', 'client-A')], {
            'client_secret': 'wrong'})
    company = clinic.branches['A']['company']
    clinic.write('res.user', [('id', '=', 1)], {
            'companies': [('add', [company])]})
    clinic.visit('A')
    run_scheduler(clinic)
    run_scheduler(clinic)
    with clinic.transaction(user=0):
        Cron = Pool().get('ir.cron')
        Cron.write(Cron.search([]), {'next_call': None})
    run_scheduler(clinic)
    (label, description), = clinic.read(
        'res.notification', [], 'label', 'description')
    assert label == "Client ID or Secret Key of the branch refused"
    assert description.startswith(
        "1 visits need an administrator (Klinik A). ")
    sweep = clinic.read(
        'ir.cron.log',
        [('cron.method', '=', 'satusehat.submission|push')], 'started')
    assert len(sweep) >= 2


def test_unknown_outcome_is_told_as_such(clinic, gateway, impatience):
    gateway.once('POST', FHIR, faults.silence)
    clinic.visit()
    clinic.push()
    with clinic.transaction(user=0, context={'language': 'en'}):
        Exchange = Pool().get('satusehat.exchange')
        unknown, = Exchange.search([('outcome', '=', 'unknown')])
        assert dict(Exchange.get_outcomes())['unknown'] == "Unknown"
        assert unknown.status is None


def test_server_log_has_no_query(clinic, gateway):
    clinic.visit()
    clinic.push()
    paths = [path for _, path, *_ in clinic.exchanges()]
    assert any(s.params for s in gateway.seen)
    assert paths and not [p for p in paths if '?' in p or '|' in p]


def test_no_canary_in_any_column_or_line(
        clinic, gateway, impatience, caplog):
    caplog.set_level(logging.DEBUG)
    with clinic.transaction():
        clinic.person(PATIENT_NIK, NAME)
        clinic.person(UNKNOWN_NIK, NAME + " Dua")
    for nik in (PATIENT_NIK, UNKNOWN_NIK, TWIN_PATIENT_NIK, None):
        clinic.visit(nik=nik)
    run_scheduler(clinic)
    for fault in (
            faults.stored_500, faults.cut, faults.malformed,
            faults.unauthorized, refuse_with_nik):
        gateway.once('POST', FHIR, fault)
        clinic.visit()
        clinic.pass_time(4000)
        clinic.push()
    gateway.once('POST', TOKEN, faults.html)
    clinic.write('satusehat.credential', [], {'client_secret': 'sekret-X'})
    clinic.visit()
    clinic.pass_time(4000)
    with clinic.transaction(user=0):
        Cron = Pool().get('ir.cron')
        Cron.write(Cron.search([]), {'next_call': None})
    run_scheduler(clinic)

    tokens = {s.token for s in gateway.seen if s.token}
    canaries = {
        'secret-A', 'sekret-X', NAME, 'Kanari', PATIENT_NIK, UNKNOWN_NIK,
        TWIN_PATIENT_NIK, DOCTOR_NIK, 'nasopharyngitis', 'J00', "Pilek",
        *tokens}
    values = {name: columns(clinic, name) for name in TABLES}
    assert tokens and len(values['satusehat.exchange']) > 100
    assert values['satusehat.gate'] and values['ir.cron.log']
    for name, rows in values.items():
        for column, value in rows:
            found = {c for c in canaries if c in str(value)}
            assert not found, (name, column, found)
    lines = [
        f'{r.name} {r.getMessage()} {r.exc_text or ""} {r.exc_info or ""}'
        for r in caplog.records if not r.name.startswith(SQL_TRACE)]
    assert len(lines) > 20
    for line in lines:
        assert not {c for c in canaries if c in line}, line[:60]


def test_gate_is_closed_to_everybody_over_rpc(clinic, gateway):
    clinic.visit()
    clinic.push()
    with pytest.raises(UserError), rights_of_the_administrator(clinic):
        Gate = Pool().get('satusehat.gate')
        Gate.read(list(map(int, Gate.search([]))), ['token_encrypted'])
