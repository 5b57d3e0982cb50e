# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"What chaos runs have found, each made to happen for certain."

import pytest
from delivery_invariants import check
from trytond.pool import Pool
from trytond.transaction import Transaction


def rival(clinic, emulator, method, path):
    "Let another sender run right after the first such request is answered"
    met = []

    def run(request, response):
        if (request.method, request.path) == (method, path) and not met:
            met.append(path)
            with Transaction(new=True).start(clinic.database, 0):
                Pool().get('satusehat.submission').push()
        return response
    emulator.doors.after.append(run)
    return met


@pytest.mark.parametrize('method, path', [
        ('GET', '/fhir-r4/v1/Organization'),
        ('GET', '/fhir-r4/v1/Location')])
def test_unit_and_room_are_registered_once_by_two_senders(
        clinic, emulator, setting, method, path):
    setting(batch_size=1, connections=1)
    emulator.settings.index_lag = 3600
    for _ in range(2):
        clinic.visit()
    met = rival(clinic, emulator, method, path)
    clinic.push()
    assert met, "no rival came"
    written = [
        write['path'] for write in emulator.writes()
        if write['path'].endswith(('Organization', 'Location'))]
    assert sorted(written) == [
        '/fhir-r4/v1/Location', '/fhir-r4/v1/Organization']
    assert not [
        str(v) for v in check(clinic.database, emulator, over=False)]


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
