# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Fault matrix: JSON that parsers disagree about."

import pytest
from matrix_clinic import bundles, sees, settled


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
