# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Fault matrix: 100,000 rows are due at once."

from collections import Counter

import pytest
from matrix_clinic import sees
from trytond import backend
from trytond.pool import Pool

ROWS, SENT = 100_000, 50_000
BRANCHES = 40
BATCH = 32
pytestmark = [
    pytest.mark.nightly,
    pytest.mark.skipif(
        backend.name != 'postgresql', reason="its plans are looked at")]


@pytest.fixture(scope='module')
def clinic(renewed_clinic):
    """A clinic of many branches that was cut off from the platform for long.

    What was sent before lies in front of what waits.
    """
    from matrix_backlog import add_branches, multiply
    clinic = renewed_clinic
    clinic.renew()
    add_branches(clinic, BRANCHES - 2)
    clinic.first = clinic.visit()
    multiply(
        clinic, clinic.first, SENT, state="'sent'", next_attempt='NULL')
    multiply(clinic, clinic.first, ROWS)
    return clinic


def claimed(clinic, after):
    "Return the branches of the rows that a sender claims, one for each row"
    from trytond.modules.satusehat_integration.claim import claim
    with clinic.transaction(user=0):
        rows, _ = claim(BATCH, 120, after=after)
        return [row.company.id for row in rows]


def count(clinic, state):
    with clinic.transaction(user=0):
        return Pool().get('satusehat.submission').search(
            [('state', '=', state)], count=True)


@pytest.mark.fault(60)
def test_claims_of_a_backlog_are_small_and_go_round(clinic, emulator):
    turns, after = Counter(), 0
    for _ in range(5):
        branches = claimed(clinic, after)
        assert len(set(branches)) == len(branches) == BATCH
        turns.update(branches)
        after = max([b for b in branches if b <= after] or branches)
    assert set(turns.values()) == {5 * BATCH // BRANCHES}
    assert len(turns) == BRANCHES
    assert count(clinic, 'sending') == 5 * BATCH
    assert count(clinic, 'pending') == ROWS + 1 - 5 * BATCH
    assert not emulator.journal.entries()
    sees(clinic, clinic.first, 60)


@pytest.mark.fault(60)
def test_claim_of_a_backlog_uses_an_index(clinic):
    from matrix_backlog import scans, statements
    with statements() as found:
        claimed(clinic, 0)
    assert any('FOR UPDATE' in sql for sql, _ in found)
    assert scans(clinic, found) == []


@pytest.mark.fault(60)
def test_backlog_goes_at_the_pace_that_is_set(clinic, setting):
    from trytond.modules.satusehat_integration.gate import database_now
    setting(requests_per_minute=300, requests_per_minute_host=1200)
    clients = {f'client-{n}': 1 for n in range(BATCH)}
    with clinic.transaction(user=0):
        Gate = Pool().get('satusehat.gate')
        now = database_now()
        waits = [
            seconds for _ in range(3)
            for of_client in Gate.reserve('local', clients, now).values()
            for seconds in of_client]
    assert waits == pytest.approx([n * 60 / 1200 for n in range(3 * BATCH)])


@pytest.mark.fault(60)
def test_page_of_a_backlog_is_read_by_an_index(clinic):
    from matrix_backlog import PAGE, Desk, scans, statements
    desk = Desk(clinic)
    desk.page('satusehat.submission', [])
    for wanted in [[], [['state', 'in', ['pending', 'waiting', 'checking']]]]:
        with statements() as found:
            page = desk.page('satusehat.submission', wanted)
        assert len(page) == PAGE
        assert {row['state'] for row in page} == {'pending'}
        assert len(found) < PAGE // 2, "some are made for each row"
        assert scans(clinic, found) == []


def test_reading_without_an_index_is_noticed(clinic):
    from matrix_backlog import scans
    sql = 'SELECT "a"."id" FROM "satusehat_submission" AS "a" '
    assert scans(clinic, [
            (sql + 'WHERE "a"."id" < %s', [0]),
            (sql + 'WHERE "a"."attempts" < %s', [0]),
            (sql + 'WHERE "a"."attempts" >= %s LIMIT 5', [0]),
            ]) == [(ROWS + SENT + 1, sql + 'WHERE "a"."attempts" < %s')]
