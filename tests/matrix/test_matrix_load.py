# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Fault matrix: a backlog of 100,000 rows."

from collections import Counter

import pytest
from matrix_clinic import sees, settled
from trytond.pool import Pool
from trytond.transaction import Transaction

BACKLOG = 100_000
NUMBERS = (
    'WITH RECURSIVE numbers(i) AS ('
    'SELECT 1 UNION ALL SELECT i + 1 FROM numbers WHERE i < {}) ')


def multiply(clinic, visit, times):
    """Add copies of the visit and of its submission.

    They differ in number and uid only; their snapshots are the same, so
    that they are for counting and not for sending.
    """
    with clinic.transaction(user=0):
        copy_rows(
            'clinic.encounter', f'original.id = {visit}', times, {
                'number': "original.number || '-' || i",
                'uid': "original.uid || '-' || i"})
        copy_rows(
            'satusehat.submission', f'original.encounter = {visit}', times, {
                'encounter': '(SELECT id FROM clinic_encounter AS copy '
                'WHERE copy.number = (SELECT number FROM clinic_encounter '
                f"WHERE id = {visit}) || '-' || i)"})


def copy_rows(model, which, times, changed):
    table = model.replace('.', '_')
    cursor = Transaction().connection.cursor()
    cursor.execute(f'SELECT * FROM {table} WHERE 1 = 0')
    names = [column[0] for column in cursor.description]
    names.remove('id')
    columns = ', '.join(f'"{name}"' for name in names)
    values = ', '.join(
        changed.get(name, f'original."{name}"') for name in names)
    cursor.execute(
        f'INSERT INTO {table} ({columns}) ' + NUMBERS.format(times)
        + f'SELECT {values} FROM {table} AS original, numbers WHERE {which}')


@pytest.mark.nightly
@pytest.mark.fault(60)
def test_backlog_is_taken_in_turns(clinic, emulator, warm, setting):
    from trytond.modules.satusehat_integration import claim
    from trytond.modules.satusehat_integration.gate import database_now
    many, few = clinic.visit('A'), clinic.visit('B')
    multiply(clinic, many, BACKLOG - 100)
    multiply(clinic, few, 98)
    taken = []
    for _ in range(6):
        with clinic.transaction(user=0):
            rows, _ = claim.claim(32, 120)
            taken.append(Counter(row.company.id for row in rows))
    branches = [clinic.branches[b]['company'] for b in 'AB']
    assert {sum(turn.values()) for turn in taken} == {32}
    assert all(turn[b] == 16 for turn in taken for b in branches)
    assert clinic.states()['pending', None] == BACKLOG - 6 * 32

    with clinic.transaction(user=0):
        Submission = Pool().get('satusehat.submission')
        page = Submission.search([('state', '=', 'pending')], limit=1000)
        assert len(page) == 1000
        assert page == sorted(page, key=lambda s: s.id, reverse=True)

    setting(requests_per_minute=300, requests_per_minute_host=1200)
    with clinic.transaction(user=0):
        waits = Pool().get('satusehat.gate').reserve(
            'local', {'client-A': 300, 'client-B': 300}, database_now())
    for client in ['client-A', 'client-B']:
        assert 55 < max(waits[client]) < 65
    assert sees(clinic, many, 60)['state'] in {'sending', 'pending'}
    settled(clinic, emulator, over=False)
