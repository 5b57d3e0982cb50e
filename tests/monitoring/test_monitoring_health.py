# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"What a probe is told."

import pytest

HOUR = 3600


def told(clinic):
    response = clinic.health()
    assert response.headers['Content-Type'] == 'application/json'
    assert response.headers['Cache-Control'] == 'no-store'
    return response.status_code, response.json


def test_all_is_well(watched):
    watched.swept(age=20)
    status, data = told(watched)
    assert status == 200
    assert data['last_sweep_seconds'] in range(20, 80)
    del data['last_sweep_seconds']
    assert data == {
        'status': 'ok', 'problems': [], 'database': True,
        'oldest_unsent_seconds': None}


@pytest.mark.parametrize(
    'state', ['pending', 'sending', 'checking', 'waiting'])
def test_visit_that_waits_too_long(watched, state):
    watched.swept()
    watched.submissions(state=state, age=HOUR - 300)
    status, data = told(watched)
    assert status == 200
    assert data['oldest_unsent_seconds'] in range(HOUR - 300, HOUR)

    watched.submissions(branch='B', state=state, age=HOUR + 10)
    watched.submissions(state=state, age=10)
    status, data = told(watched)
    assert status == 503
    assert data['status'] == 'failing'
    assert data['problems'] == ['unsent']
    assert data['database'] is True
    assert data['oldest_unsent_seconds'] in range(HOUR + 10, HOUR + 120)


@pytest.mark.parametrize(
    'state', ['needs_data', 'needs_admin', 'sent', 'stopped'])
def test_visit_that_waits_for_a_person_or_for_nothing(watched, state):
    watched.swept()
    watched.submissions(state=state, age=100 * HOUR)
    status, data = told(watched)
    assert status == 200
    assert data['oldest_unsent_seconds'] is None


def test_visit_of_a_branch_that_does_not_send_yet(watched):
    watched.swept()
    watched.submissions(environment=None, age=100 * HOUR)
    status, data = told(watched)
    assert status == 200
    assert data['oldest_unsent_seconds'] is None


def test_sweep_never_was(watched):
    status, data = told(watched)
    assert status == 503
    assert data['problems'] == ['sweep']
    assert data['last_sweep_seconds'] is None


def test_sweep_was_long_ago(watched):
    watched.swept(age=2000)
    watched.swept(age=310)
    status, data = told(watched)
    assert status == 503
    assert data['problems'] == ['sweep']
    assert data['last_sweep_seconds'] in range(310, 370)
    watched.swept(age=200)
    assert told(watched)[0] == 200


def test_other_scheduled_actions_are_no_sweep(watched):
    watched.swept(method='ir.queue|clean')
    assert told(watched)[1]['problems'] == ['sweep']


def test_scheduler_that_runs_is_a_sweep(watched):
    "As trytond-cron does it, log and all"
    watched.run_scheduler()
    status, data = told(watched)
    assert status == 200
    assert data['last_sweep_seconds'] in range(60)


def test_scheduler_whose_sweep_fails_is_none(watched, monkeypatch):
    "The scheduler is alive then, and nothing is sent"
    from trytond.modules.satusehat_integration.sender import Sender

    def fail(self):
        raise RuntimeError("sweep fails")
    monkeypatch.setattr(Sender, 'run', fail)
    watched.run_scheduler()
    assert watched.next_sweep() is not None  # it was tried
    assert told(watched)[1]['problems'] == ['sweep']


def test_limits_are_settings(watched, setting):
    watched.swept(age=100)
    watched.submissions(age=500)
    assert told(watched)[0] == 200
    setting(health_unsent=499, health_sweep=99)
    assert told(watched)[1]['problems'] == ['unsent', 'sweep']


def test_without_limits_only_the_database_counts(watched, setting):
    "For a balancer, which must not take a clinic's server away"
    watched.submissions(age=100 * HOUR)
    setting(health_unsent=0, health_sweep=0)
    status, data = told(watched)
    assert status == 200
    assert data['oldest_unsent_seconds'] >= 100 * HOUR
