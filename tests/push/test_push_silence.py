# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Nothing of a person and no secret in logs, exchange rows and errors."

import logging

import gateway as faults
from gateway import FHIR, TOKEN
from push_clinic import (
    DOCTOR_NIK, PATIENT_NIK, TWIN_PATIENT_NIK, UNKNOWN_NIK)

NAME = "Zulkarnaen Kanari"
# Traces each statement with its values, at level DEBUG only, for those who
# develop the core
SQL_TRACE = 'trytond.backend'
COLUMNS = (
    'method', 'path', 'request_id', 'outcome', 'rules', 'rec_name')


def refuse_with_nik(exchange):
    exchange.reply(400, {'resourceType': 'OperationOutcome', 'issue': [{
                    'severity': 'error', 'code': 'value',
                    'diagnostics': f"subject {PATIENT_NIK}", 'details': {
                        'text': f"Bad {PATIENT_NIK} (RuleNumber: 10005)"},
                    'expression': [f"Patient.{PATIENT_NIK}"]}]})


def unforeseen(exchange):
    exchange.reply(200, {'resourceType': 'Bundle', 'entry': [
                {'response': {'status': 5, 'location': [NAME]}}] * 6})


def test_no_canary_anywhere(clinic, gateway, impatience, caplog):
    caplog.set_level(logging.DEBUG)
    with clinic.transaction():
        clinic.person(PATIENT_NIK, NAME)
        clinic.person(UNKNOWN_NIK, NAME + " Dua")
    clinic.visit()
    clinic.push()
    for nik in (UNKNOWN_NIK, TWIN_PATIENT_NIK, None):
        clinic.visit(nik=nik)
    clinic.push()
    for fault in (
            faults.html, faults.malformed, faults.stored_500, faults.cut,
            faults.unauthorized, faults.throttled, refuse_with_nik,
            unforeseen, faults.stored_silence, faults.other_type):
        gateway.once('POST', FHIR, fault)
        clinic.visit()
        clinic.push()
        clinic.pass_time(130)
        clinic.push()
    gateway.once('GET', f'{FHIR}/Encounter', faults.error_500)
    clinic.make_due()
    clinic.push()
    clinic.write('satusehat.credential', [], {'client_secret': 'sekret-X'})
    clinic.visit()
    clinic.push()
    gateway.once('POST', TOKEN, faults.html)
    clinic.pass_time(130)
    clinic.visit()
    clinic.push()

    tokens = {s.token for s in gateway.seen if s.token}
    canaries = {
        'secret-A', 'sekret-X', NAME, 'Kanari', PATIENT_NIK, UNKNOWN_NIK,
        TWIN_PATIENT_NIK, DOCTOR_NIK, 'nasopharyngitis', 'J00', "Pilek",
        *tokens}
    lines = [
        f'{r.name} {r.getMessage()} {r.exc_text or ""} {r.exc_info or ""}'
        for r in caplog.records if not r.name.startswith(SQL_TRACE)]
    errors = clinic.read(
        'satusehat.submission', [], 'last_error', 'reason', 'detail')
    rows = clinic.read('satusehat.exchange', [], *COLUMNS)
    assert len(tokens) >= 2 and len(lines) > 20
    assert len(errors) > 10 and len(rows) > 20
    assert 'urllib3' in ' '.join(lines)
    for kind, texts in [('log', lines), ('error', errors), ('row', rows)]:
        for canary in canaries:
            found = [t for t in texts if canary in str(t)]
            assert not found, (kind, canary, found[:2])
    assert any('################' in str(e) for e in errors)


def test_frozen_data_is_kept_from_every_group(clinic):
    with clinic.transaction(user=0):
        from trytond.pool import Pool
        Access = Pool().get('ir.model.field.access')
        closed = {
            a.field for a in Access.search([
                    ('model', '=', 'satusehat.submission'),
                    ('group', '=', None)])
            if not a.perm_read and not a.perm_write}
    assert {'snapshot', 'bundle', 'bundle_index'} <= closed
