# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"What the tests of the fault matrix do with a clinic, and what must hold."

import datetime as dt
import re

import fault_matrix
from delivery_invariants import check
from trytond.pool import Pool

SWEEP = 'satusehat.submission|push'
NEVER = dt.datetime(2100, 1, 1)
ROWS = {row.number: row for row in fault_matrix.rows()}


def settled(clinic, platform, but=(), **how):
    """Assert that all ten promises hold now that the faults are over.

    platform and the keywords are those of delivery_invariants.check, but
    are the numbers of promises that the test itself breaks.
    """
    broken = [
        violation for violation in check(clinic.database, platform, **how)
        if violation.invariant not in but]
    assert not broken, broken


def sees(clinic, visit, number):
    """Assert that the branch sees what the row of the matrix says.

    Returns what is known of the visit's submission.
    """
    row, submission = ROWS[number], clinic.submission(visit)
    assert submission['state'] in row.states, submission
    assert submission['reason'] in {None, *row.reasons}, submission
    if submission['reason']:
        with clinic.transaction(user=0, context={'language': 'id'}):
            shown = Pool().get('satusehat.submission')(
                submission['id']).last_error
        texts = fault_matrix.seen(row, fault_matrix.words())
        assert shown.startswith(tuple(
                re.split('[.:]', text)[0] for text in texts)), shown
    return submission


def drain(clinic):
    "Let leases, pauses and the grace time pass until all has come to an end"
    for _ in range(3):
        clinic.pass_time(4000)
        clinic.push()


def sweep_is_due(clinic):
    "Let the sweep be the only scheduled action that is due"
    clinic.write('ir.cron', [('method', '!=', SWEEP)], {'next_call': NEVER})
    clinic.write('ir.cron', [('method', '=', SWEEP)], {'next_call': None})


def bundles(emulator):
    "Return the journal's entries of the Bundles that the platform got"
    return [
        entry for entry in emulator.journal.entries()
        if (entry['method'], entry['path']) == ('POST', '/fhir-r4/v1')]
