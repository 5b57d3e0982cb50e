# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Counts that only grow, whatever happens to the exchanges meanwhile."

import datetime as dt
from collections import Counter

import pytest
from trytond.modules.satusehat_integration.monitoring.tally import (
    Key, rules_of, type_of)
from trytond.pool import Pool
from watched_clinic import key

OLD = 3600


def totals(clinic):
    "Return {Key: (total, seconds)}, as a scrape reads them"
    with clinic.transaction(user=0):
        return Pool().get('satusehat.exchange.tally').totals()


def requests(clinic):
    "Return {outcome: number of requests}"
    counted = Counter()
    for key_, (total, _) in totals(clinic).items():
        if not key_.rule:
            counted[key_.outcome] += total
    return counted


def kept(clinic):
    "Return {outcome: number} of the requests that the table itself holds"
    counted = Counter()
    for outcome, total in clinic.read(
            'satusehat.exchange.tally', [('rule', '=', 0)],
            'outcome', 'total'):
        counted[outcome] += total
    return counted


def close(clinic, ids, **values):
    clinic.write('satusehat.exchange', [('id', 'in', ids)], {
            'status': 200, 'duration': 90, 'outcome': 'ok', **values})


OPEN = {'status': None, 'duration': None, 'outcome': 'unknown'}


def test_nothing_yet(clinic):
    clinic.tally()
    assert totals(clinic) == {}


def test_exchange_is_counted_as_soon_as_it_is_closed(clinic):
    ids = clinic.exchange(**OPEN)
    assert requests(clinic) == {}
    close(clinic, ids)
    assert totals(clinic) == {
        Key('local', 'POST', 'Bundle', 'ok', duration_limit=100): (1, 0.09)}


def test_same_before_and_after_the_tally(clinic):
    clinic.exchange(age=OLD, count=3)
    clinic.exchange(
        age=OLD, count=2, method='GET', path='/fhir-r4/v1/Patient',
        duration=300)
    clinic.exchange(
        age=OLD, outcome='refused', status=400, duration=70000,
        rules='10003, 20012, 20012')
    before = totals(clinic)
    assert before == {
        Key('local', 'POST', 'Bundle', 'ok', duration_limit=100):
            (3, pytest.approx(0.12)),
        Key('local', 'GET', 'Patient', 'ok', duration_limit=500):
            (2, pytest.approx(0.6)),
        Key('local', 'POST', 'Bundle', 'refused', duration_limit=2 ** 31 - 1):
            (1, pytest.approx(70)),
        Key('local', 'POST', 'Bundle', 'refused', rule=10003): (1, 0),
        Key('local', 'POST', 'Bundle', 'refused', rule=20012): (2, 0),
        }
    assert kept(clinic) == {}
    clinic.tally()
    assert kept(clinic) == {'ok': 5, 'refused': 1}
    assert totals(clinic) == before


def test_tally_twice_counts_once(clinic):
    clinic.exchange(age=OLD, count=3)
    clinic.tally()
    clinic.tally()
    assert requests(clinic) == {'ok': 3}
    clinic.exchange(age=OLD, count=2)
    clinic.tally()
    assert requests(clinic) == {'ok': 5}
    assert kept(clinic) == {'ok': 5}


def test_young_exchanges_are_left_for_later(clinic):
    clinic.exchange(age=OLD, count=2)
    clinic.exchange(age=30, count=3)
    clinic.tally()
    assert kept(clinic) == {'ok': 2}
    assert requests(clinic) == {'ok': 5}


def test_nothing_is_counted_past_a_young_exchange(clinic):
    "An earlier one may still be on its way into the database"
    clinic.exchange(age=OLD)
    clinic.exchange(age=30)
    clinic.exchange(age=OLD)
    clinic.tally()
    assert kept(clinic) == {'ok': 1}
    assert requests(clinic) == {'ok': 3}


def test_waiting_time_follows_the_lease(clinic, setting):
    setting(lease=2 * OLD)
    clinic.exchange(age=3 * OLD)
    clinic.tally()
    assert kept(clinic) == {}
    setting(lease=OLD)
    clinic.tally()
    assert kept(clinic) == {'ok': 1}


def test_sender_that_never_came_back(clinic):
    clinic.exchange(age=OLD, **OPEN)
    assert requests(clinic) == {}
    clinic.tally()
    assert totals(clinic) == {
        Key('local', 'POST', 'Bundle', 'unknown', duration_limit=0): (1, 0)}


def test_late_closing_takes_nothing_back(clinic):
    "A sender that was stopped for an hour settles after all"
    ids = clinic.exchange(age=OLD, **OPEN)
    clinic.tally()
    close(clinic, ids)
    assert requests(clinic) == {'unknown': 1}
    clinic.tally()
    assert requests(clinic) == {'unknown': 1}


def test_deleted_exchanges_stay_counted(clinic):
    clinic.exchange(age=OLD, count=4, rules='10003')
    clinic.tally()
    before = totals(clinic)
    clinic.delete('satusehat.exchange', [])
    assert totals(clinic) == before
    clinic.tally()
    assert totals(clinic) == before


def test_counts_never_go_down(clinic):
    "Through every step of the life of exchanges, in any order of steps"
    seen, opened = Counter(), []

    def check():
        nonlocal seen
        now = Counter({
                key_: total for key_, (total, _) in totals(clinic).items()})
        assert all(now[key_] >= n for key_, n in seen.items())
        seen = now
    for n in range(4):
        opened += clinic.exchange(age=OLD if n % 2 else 100, **OPEN)
        clinic.exchange(age=OLD, rules='10003' if n == 2 else None)
        check()
        clinic.tally()
        check()
        close(clinic, opened[n:n + 1], outcome='server_error', status=500)
        check()
        clinic.exchange(age=0, count=2)
        check()
        clinic.age_exchanges(400)
        check()
        clinic.tally()
        check()
    clinic.age_exchanges(OLD)
    clinic.tally()
    check()
    assert sum(kept(clinic).values()) == 16


def test_far_behind_counts_lag_and_never_go_down(clinic, monkeypatch):
    "Without the scheduled action a scrape stays as cheap as it is"
    from trytond.modules.satusehat_integration.monitoring import tally
    monkeypatch.setattr(tally, 'MOST_RECENT', 10)
    clinic.exchange(age=OLD)
    clinic.tally()
    clinic.exchange(age=OLD, count=25)
    assert requests(clinic) == {'ok': 11}
    clinic.exchange(age=OLD, count=5)
    assert requests(clinic) == {'ok': 11}
    clinic.tally()
    assert requests(clinic) == {'ok': 31}


def test_each_environment_by_itself(clinic):
    for environment in ['local', 'staging', 'staging', 'production']:
        clinic.exchange(age=OLD, environment=environment)
    clinic.tally()
    assert {
        key_.environment: total
        for key_, (total, _) in totals(clinic).items()} == {
            'local': 1, 'staging': 2, 'production': 1}


@pytest.mark.parametrize('path, name', [
        ('/fhir-r4/v1', 'Bundle'),
        ('/fhir-r4/v1/', 'Bundle'),
        ('/fhir-r4/v1/Encounter', 'Encounter'),
        ('/fhir-r4/v1/Encounter/0a1b2c3d', 'Encounter'),
        ('/oauth2/v1/accesstoken', 'accesstoken'),
        ('/fhir-r4/v1/9271060312000001', 'other'),
        ('/fhir-r4/v1/patient', 'other'),
        ('/fhir-r4/v1/Patient?name=x', 'other'),
        ('', 'Bundle'),
        ])
def test_resource_type_of_a_path(clinic, path, name):
    clinic.exchange(path=path or '/')
    assert {k.resource_type for k in totals(clinic)} == {name}


def test_resource_type_is_short():
    assert type_of('X' * 41) == 'other'


@pytest.mark.parametrize('text, rules', [
        (None, []), ('', []), ('10003', [10003]),
        ('10003, 20012', [10003, 20012]),
        ('1, 927106031', [-1, -1]), ('9271060312000001', [-1]),
        ('rule', [-1])])
def test_rules_of_an_exchange(text, rules):
    assert rules_of(text) == rules


def test_scheduled_action_is_there(clinic):
    row, = clinic.read(
        'ir.cron', [('method', '=', 'satusehat.exchange.tally|add_settled')],
        'interval_number', 'interval_type', 'active', 'companies')
    assert row == (5, 'minutes', True, ())


def test_scheduler_runs_it(clinic):
    clinic.exchange(age=OLD)
    clinic.run_scheduler('satusehat.exchange.tally|add_settled')
    assert kept(clinic) == {'ok': 1}


def test_nobody_may_read_it_over_rpc(clinic):
    with clinic.transaction():
        Tally = Pool().get('satusehat.exchange.tally')
        assert not Tally.__rpc__


def test_scrape_shows_counters_and_histogram(watched):
    watched.exchange(age=OLD, duration=90)
    watched.exchange(duration=250)
    watched.exchange(duration=61_000, outcome='server_error', status=500)
    watched.exchange(age=OLD, outcome='refused', rules='10003, 777')
    watched.tally()
    metrics = watched.metrics()
    place = {
        'environment': 'local', 'method': 'POST', 'resource_type': 'Bundle'}
    assert metrics[key(
            'satusehat_requests_total', outcome='ok', **place)] == 2
    assert metrics[key(
            'satusehat_requests_total', outcome='server_error', **place)] == 1
    name = 'satusehat_request_duration_seconds'
    buckets = {
        dict(labels)['le']: value for (n, labels), value in metrics.items()
        if n == name + '_bucket'}
    assert buckets == {
        '0.1': 2, '0.25': 3, '0.5': 3, '1.0': 3, '2.5': 3, '5.0': 3,
        '10.0': 3, '30.0': 3, '60.0': 3, '+Inf': 4}
    assert metrics[key(name + '_count', **place)] == 4
    assert metrics[key(name + '_sum', **place)] == pytest.approx(61.38)
    for rule in ['10003', 'other']:
        assert metrics[key(
                'satusehat_refusals_total', environment='local',
                resource_type='Bundle', rule=rule)] == 1


def test_clock_of_the_sender_is_not_asked(clinic):
    "An exchange from the future does not hold up the count"
    clinic.exchange(
        age=OLD, started_at=dt.datetime(2100, 1, 1))
    clinic.exchange(age=OLD)
    clinic.tally()
    assert kept(clinic) == {'ok': 2}
