# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Rows of branches without environment, and the words for every reason."

import re
from pathlib import Path

import pytest
from trytond.modules import satusehat_integration
from trytond.pool import Pool

SOURCES = Path(satusehat_integration.__file__).parent


def forget_environment(clinic):
    clinic.write('company.company', [], {'satusehat_environment': None})


def test_visit_finished_without_environment_waits(clinic, gateway):
    forget_environment(clinic)
    visit = clinic.visit()
    clinic.push()
    submission = clinic.submission(visit)
    assert (submission['state'], submission['attempts']) == ('pending', 0)
    assert 'no active' in submission['last_error']
    assert not gateway.seen


def test_environment_is_bound_after_a_warning_with_the_count(
        clinic, gateway):
    from trytond.modules.satusehat_integration.exceptions import BindWarning
    forget_environment(clinic)
    visits = [clinic.visit() for _ in range(2)]
    other = clinic.visit('B')
    company = clinic.branches['A']['company']
    clinic.write('res.user', [('id', '=', 1)], {
            'companies': [('add', [company])], 'company': company})
    context = {
        '_check_access': True, 'company': company, 'companies': [company]}
    values = {'satusehat_environment': 'local'}
    with pytest.raises(BindWarning) as raised:
        with clinic.transaction(context=context):
            Company = Pool().get('company.company')
            Company.write([Company(company)], values)
    assert '2 finished visits' in str(raised.value)
    with clinic.transaction(context={**context, '_skip_warnings': True}):
        Company = Pool().get('company.company')
        Company.write([Company(company)], values)
    clinic.push()
    assert {clinic.submission(v)['state'] for v in visits} == {'sent'}
    assert clinic.submission(other)['state'] == 'pending'


@pytest.mark.fault(59)
def test_row_stays_with_the_environment_it_was_bound_to(clinic, gateway):
    visit = clinic.visit()
    clinic.write('company.company', [], {
            'satusehat_environment': 'production'})
    assert clinic.read('satusehat.submission', [], 'environment') == [
        ('local',)]
    clinic.push()
    assert clinic.submission(visit)['state'] == 'sent'
    assert clinic.encounter_id(visit) is None


def reasons():
    from trytond.modules.satusehat_integration.platform.answer import OUTCOMES
    found = {
        reason for source in SOURCES.glob('*.py')
        for reason in re.findall(
            r"""Verdict\(\s*'[a-z_]+',\s*'([a-z_]+)'""", source.read_text())}
    places = {
        f'{who}_{what}' for who in ('patient', 'practitioner')
        for what in ('without_nik', 'ambiguous', 'not_found')}
    return found | places | (OUTCOMES - {'ok'}) | {
        'place_refused', 'duplicate_unseen', 'not_found_yet',
        'lease_expired', 'token_pending', 'internal'}


def test_every_reason_has_its_words(clinic):
    clinic.visit()
    assert 'refused' in reasons() and 'foreign' in reasons()
    for reason in sorted(reasons()):
        for state in ('needs_admin', 'waiting'):
            clinic.write('satusehat.submission', [], {
                    'state': state, 'reason': reason, 'detail': "Detail"})
            text, = clinic.read(
                'satusehat.submission', [], 'last_error')[0]
            assert text and 'msg_reason' not in text


def test_every_outcome_has_its_words(clinic):
    from trytond.i18n import gettext
    from trytond.modules.satusehat_integration.exchange import OUTCOMES
    from trytond.modules.satusehat_integration.platform import answer
    assert set(OUTCOMES) == answer.OUTCOMES | {'unknown'}
    with clinic.transaction():
        for outcome in OUTCOMES:
            assert gettext(f'satusehat_integration.msg_exchange_{outcome}')
        for outcome in answer.OUTCOMES - {'ok'}:
            assert gettext(
                f'satusehat_integration.msg_outcome_{outcome}',
                organization='1')


def test_scheduled_action_is_active_for_no_single_company(clinic):
    with clinic.transaction(user=0):
        cron, = Pool().get('ir.cron').search([
                ('method', '=', 'satusehat.submission|push')])
        assert cron.active and not cron.companies
        assert (cron.interval_number, cron.interval_type) == (1, 'minutes')
