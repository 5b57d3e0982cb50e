# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"What chaos runs have found, each made to happen for certain."

import threading

import pytest
from delivery_invariants import check
from trytond.transaction import Transaction

class Rival:
    "Another sender that delivers a visit of its own, once, when it is called"

    def __init__(self, clinic):
        self._clinic, self.visit = clinic, None

    def __call__(self):
        if not self.visit:
            self.visit = True
            thread = threading.Thread(target=self._deliver)
            thread.start()
            thread.join()

    def _deliver(self):
        self.visit = self._clinic.visit()
        self._clinic.push()


@pytest.fixture
def rival(clinic):
    return Rival(clinic)


def assert_registered_once(clinic, emulator, rival):
    assert rival.visit not in {None, True}, "no rival came"
    written = [
        write['path'] for write in emulator.writes()
        if write['path'].endswith(('Organization', 'Location'))]
    assert sorted(written) == [
        '/fhir-r4/v1/Location', '/fhir-r4/v1/Organization']
    assert not [
        str(v) for v in check(clinic.database, emulator, over=False)]


@pytest.mark.parametrize('resource_type', ['Organization', 'Location'])
def test_place_that_a_rival_registers_meanwhile_is_registered_once(
        clinic, emulator, rival, resource_type):
    emulator.settings.index_lag = 3600
    clinic.visit()

    def meet(request, response):
        if (request.method, request.path) == (
                'GET', f'/fhir-r4/v1/{resource_type}'):
            rival()
        return response
    emulator.doors.after.append(meet)
    clinic.push()
    assert_registered_once(clinic, emulator, rival)


@pytest.mark.parametrize('resource_type', ['Organization', 'Location'])
def test_place_whose_number_is_about_to_be_kept_is_registered_once(
        clinic, emulator, rival, monkeypatch, resource_type):
    from trytond.modules.satusehat_integration.lookup import Lookup
    emulator.settings.index_lag = 3600
    clinic.visit()
    adopt = Lookup._adopt

    def meet(self, type_, *args, **kwargs):
        if type_ == resource_type:
            rival()
        return adopt(self, type_, *args, **kwargs)
    monkeypatch.setattr(Lookup, '_adopt', meet)
    clinic.push()
    assert_registered_once(clinic, emulator, rival)


@pytest.mark.parametrize('after', [0, 1000])
@pytest.mark.parametrize('branch', ['A', 'B'])
def test_row_whose_sender_died_is_claimed_in_any_branch(
        clinic, branch, after):
    from trytond.modules.satusehat_integration import claim
    visits = {name: clinic.visit(name) for name in 'AB'}
    clinic.write(
        'satusehat.submission', [('encounter', '=', visits[branch])],
        {'lapses': 1})
    clinic.write(
        'satusehat.submission', [('encounter', '!=', visits[branch])],
        {'state': 'needs_data', 'next_attempt': None})
    with Transaction().start(clinic.database, 0) as transaction:
        rows, _ = claim.claim(8, 120, after, alone=True)
        assert [row.encounter.id for row in rows] == [visits[branch]]
        transaction.rollback()


@pytest.fixture
def stored_with_error(clinic, emulator):
    """A visit that the platform has stored and answered with an error in 200.

    Its index has not shown it since.
    """
    emulator.faults.add(
        'outcome_200', method='POST', resource='Bundle', stored=True, times=1)
    emulator.settings.index_lag = 3600
    visit = clinic.visit()
    clinic.push()
    emulator.settings.index_lag = 0
    assert len(emulator.store.find('Encounter')) == 1
    return visit


def test_trouble_of_the_platform_needs_no_person(clinic, stored_with_error):
    state = clinic.submission(stored_with_error)['state']
    assert state in {'checking', 'waiting', 'sent'}


def test_bytes_of_what_was_sent_are_kept(
        clinic, emulator, stored_with_error):
    bundle_hash = clinic.submission(stored_with_error)['bundle_hash']
    if clinic.submission(stored_with_error)['state'] == 'needs_data':
        clinic.resend(stored_with_error)
    clinic.make_due()
    clinic.push()
    found = clinic.submission(stored_with_error)
    assert found['state'] == 'sent'
    assert found['bundle_hash'] == bundle_hash
    assert not check(clinic.database, emulator)
