# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Fault matrix: JSON that parsers disagree about, and bytes by chance."

import pytest
from gateway import FHIR
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from matrix_clinic import bundles, drain, sees, settled


@pytest.mark.fault(35)
@pytest.mark.parametrize('form', [
        'duplicate_keys', 'nan', 'infinity', 'charset', 'utf_16', 'deep'])
def test_json_that_parsers_disagree_about(clinic, emulator, warm, form):
    emulator.faults.add('odd_json', resource='Bundle', times=1, form=form)
    visit = clinic.visit()
    clinic.push()
    submission = sees(clinic, visit, 35)
    assert (submission['state'], submission['reason']) == (
        'checking', 'unrecognised')
    assert clinic.encounter_id(visit) is None
    clinic.make_due()
    clinic.push()
    assert sees(clinic, visit, 35)['state'] == 'sent'
    assert len(bundles(emulator)) == 3
    settled(clinic, emulator)


@pytest.mark.fault(35)
@pytest.mark.parametrize('form', ['bom', 'text_plain'])
def test_json_that_is_only_labelled_oddly(clinic, emulator, warm, form):
    emulator.faults.add('odd_json', resource='Bundle', times=1, form=form)
    visit = clinic.visit()
    clinic.push()
    assert sees(clinic, visit, 35)['state'] == 'sent'
    settled(clinic, emulator)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(
        st.sampled_from([
                'resourceType', 'entry', 'response', 'resourceID', 'id',
                'issue', 'status', 'location', 'fault']) | st.text(), inner),
    max_leaves=20)
ANSWERS = st.tuples(
    st.sampled_from([200, 201, 202, 204, 299, 400, 409, 500]),
    st.binary(max_size=300) | JSON,
    st.sampled_from([
            'application/json', 'application/fhir+json', 'text/html',
            'text/plain; charset=utf-7', 'application/json; charset=latin-1',
            '']),
    st.booleans())


@pytest.mark.nightly
@pytest.mark.fault(35)
def test_any_answer_is_survived(clinic, emulator, warm, gateway):
    visits = []

    @settings(
        max_examples=60, deadline=None, database=None, derandomize=True,
        suppress_health_check=list(HealthCheck))
    @given(ANSWERS)
    def survive(answer):
        status, body, content_type, stored = answer

        def reply(exchange):
            if stored:
                exchange.forward()
            exchange.reply(status, body, Content_Type=content_type)
        gateway.once('POST', FHIR, reply)
        visit = clinic.visit()
        visits.append(visit)
        clinic.push()
        assert clinic.submission(visit)['state'] in {
            'checking', 'waiting', 'needs_data', 'needs_admin'}
        assert clinic.encounter_id(visit) is None
        drain(clinic)
        if clinic.submission(visit)['state'] != 'sent':
            clinic.resend(visit)
            drain(clinic)
        assert clinic.submission(visit)['state'] == 'sent'
    survive()
    assert len(emulator.store.find('Encounter')) == 2 + len(visits)
    settled(clinic, emulator)
