# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"The push and its rows as users reach them over RPC."

import pytest
from trytond.exceptions import UserError
from trytond.pool import Pool


def rpc(clinic, branch='A', **context):
    "A transaction with the rights of the administrator of one branch"
    company = clinic.branches[branch]['company']
    clinic.write('res.user', [('id', '=', 1)], {
            'companies': [('add', [company])], 'company': company})
    return clinic.transaction(context={
            '_check_access': True, 'company': company,
            'companies': [company], **context})


def test_button_of_the_scheduler_serves_all_branches(clinic, gateway):
    visits = [clinic.visit('A'), clinic.visit('B')]
    with rpc(clinic, 'A'):
        Cron = Pool().get('ir.cron')
        Cron.run_once(Cron.search([
                    ('method', '=', 'satusehat.submission|push')]))
    assert [clinic.submission(v)['state'] for v in visits] == ['sent', 'sent']


@pytest.mark.parametrize('model, values', [
        ('satusehat.submission', {'state': 'sent'}),
        ('satusehat.exchange', {'status': 200}),
        ('satusehat.resource', {'resource_id': 'other'}),
        ])
def test_nobody_writes_or_deletes_what_the_push_wrote(
        clinic, gateway, model, values):
    clinic.visit()
    clinic.push()
    for change in [
            lambda Model, records: Model.write(records, values),
            lambda Model, records: Model.delete(records),
            lambda Model, records: Model.copy(records)]:
        with pytest.raises(UserError):
            with rpc(clinic):
                Model = Pool().get(model)
                records = Model.search([])
                assert records
                change(Model, records)


def test_frozen_bytes_are_not_read_over_rpc(clinic, gateway):
    visit = clinic.visit()
    clinic.push()
    id_ = clinic.submission(visit)['id']
    for name in ['snapshot', 'bundle', 'bundle_index']:
        with pytest.raises(UserError):
            with rpc(clinic):
                Pool().get('satusehat.submission').read([id_], [name])


def test_secret_is_written_over_rpc_and_never_read(clinic, gateway):
    with rpc(clinic):
        Credential = Pool().get('satusehat.credential')
        credential, = Credential.search([('client_id', '=', 'client-A')])
        Credential.write([credential], {'client_secret': 'secret-A'})
    with rpc(clinic):
        values, = Pool().get('satusehat.credential').read(
            [credential.id], ['client_secret'])
        assert 'secret' not in values['client_secret']
    with pytest.raises(UserError):
        with rpc(clinic):
            Pool().get('satusehat.credential').read(
                [credential.id], ['client_secret_encrypted'])
    visit = clinic.visit()
    clinic.push()
    assert clinic.submission(visit)['state'] == 'sent'


def test_visit_is_found_by_what_the_platform_knows(clinic, gateway):
    sent, waiting = clinic.visit(), clinic.visit(nik=None)
    clinic.push()
    id_ = clinic.encounter_id(sent)
    with rpc(clinic):
        pool = Pool()
        Encounter = pool.get('clinic.encounter')
        for domain, expected in [
                ([('satusehat_id', '=', id_)], [sent]),
                ([('satusehat_id', '=', None)], [waiting]),
                ([('satusehat_id', '!=', None)], [sent]),
                ([('satusehat_id', '!=', id_)], [waiting]),
                ([('satusehat_id', 'in', [id_])], [sent]),
                ([('satusehat_id', 'not in', [id_])], [waiting]),
                ([('satusehat_id', 'ilike', f'{id_[:8]}%')], [sent]),
                ([('satusehat_state', '=', 'sent')], [sent]),
                ([('satusehat_state', 'in', ['needs_data'])], [waiting]),
                ([('satusehat_state', '=', None)], []),
                ]:
            found = [e.id for e in Encounter.search(domain)]
            assert found == expected, domain
        patient, = pool.get('clinic.patient').search([
                ('ihs_number', '=', 'P02478375538')])
        assert patient.ihs_number == 'P02478375538'
        doctor = Encounter(sent).practitioner
        assert doctor.ihs_number == '10009880728'
