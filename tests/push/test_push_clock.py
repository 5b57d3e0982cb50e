# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"This server's clock beside that of the platform."

import datetime as dt
import logging

import pytest

MINUTE = 60
LOGGER = 'trytond.modules.satusehat_integration.skew'


def skews(clinic):
    "Return {environment: minutes from this server's clock to the platform's}"
    from trytond.modules.satusehat_integration import skew
    from trytond.modules.satusehat_integration.gate import database_now
    with clinic.transaction(user=0):
        return {
            environment: round(seconds / MINUTE)
            for environment, seconds in skew.skews(database_now()).items()}


def lines(caplog):
    return [r.getMessage() for r in caplog.records if r.name == LOGGER]


def deliver(clinic, emulator, seconds):
    "Send a visit while the platform's clock is so many seconds ahead"
    emulator.faults.clear()
    emulator.faults.add('wrong_date', seconds=seconds, endpoint='any')
    visit = clinic.visit()
    clinic.push()
    return clinic.submission(visit)['state']


@pytest.mark.parametrize('minutes, words', [
        (10, "10 minutes behind the platform's"),
        (-10, "10 minutes ahead of the platform's"),
        (-24 * 60, "1440 minutes ahead of the platform's"),
        ])
def test_difference_is_known(clinic, emulator, caplog, minutes, words):
    assert deliver(clinic, emulator, minutes * MINUTE) == 'sent'
    assert skews(clinic) == {'local': minutes}
    assert lines(caplog) == [
        f"SATUSEHAT local: this server's clock is {words}"]


@pytest.mark.parametrize('seconds', [-110, 0, 110])
def test_small_difference_is_none(clinic, emulator, caplog, seconds):
    assert deliver(clinic, emulator, seconds) == 'sent'
    assert skews(clinic) == {}
    assert clinic.read('satusehat.gate', [
            ('clock_skew_at', '!=', None)], 'id') == []
    assert lines(caplog) == []


def test_same_difference_is_told_once(clinic, emulator, caplog):
    for seconds in [600, 610, 590]:
        deliver(clinic, emulator, seconds)
    assert len(lines(caplog)) == 1
    deliver(clinic, emulator, 900)
    assert len(lines(caplog)) == 2
    assert skews(clinic) == {'local': 15}


def test_difference_is_confirmed_after_an_hour(clinic, emulator):
    deliver(clinic, emulator, 600)
    before = clinic.read('satusehat.gate', [
            ('clock_skew', '!=', None)], 'clock_skew_at')
    clinic.write('satusehat.gate', [('clock_skew', '!=', None)], {
            'clock_skew_at': before[0][0] - dt.timedelta(hours=2)})
    deliver(clinic, emulator, 600)
    assert clinic.read('satusehat.gate', [
            ('clock_skew', '!=', None)], 'clock_skew_at') >= before


def test_what_nobody_confirms_for_a_day_is_history(clinic, emulator):
    deliver(clinic, emulator, 600)
    (at,), = clinic.read('satusehat.gate', [
            ('clock_skew', '!=', None)], 'clock_skew_at')
    clinic.write('satusehat.gate', [('clock_skew', '!=', None)], {
            'clock_skew_at': at - dt.timedelta(hours=25)})
    assert skews(clinic) == {}


def test_clock_is_set_right(clinic, emulator, caplog):
    caplog.set_level(logging.INFO, LOGGER)
    deliver(clinic, emulator, 600)
    deliver(clinic, emulator, 0)
    assert skews(clinic) == {}
    assert lines(caplog)[1:] == [
        "SATUSEHAT local: this server's clock agrees with the platform's "
        "again"]


@pytest.mark.parametrize('outcome, seconds, known', [
        ('ok', None, {}),
        ('refused', 600, {'local': 10}),
        ('unrecognised', 600, {}),
        ('redirected', 600, {}),
        ('edge_blocked', 600, {}),
        ])
def test_stranger_on_the_way_has_no_say(clinic, outcome, seconds, known):
    from trytond.modules.satusehat_integration.platform.answer import Answer
    from trytond.modules.satusehat_integration.skew import Clock
    with clinic.transaction(user=0):
        clock = Clock('local')
    with clinic.transaction(user=0):
        clock.compare(Answer(
                'GET', '/fhir-r4/v1/Encounter', outcome, clock_skew=seconds))
    assert skews(clinic) == known


def test_delivery_goes_on_when_it_cannot_be_kept(
        clinic, emulator, monkeypatch, caplog):
    from trytond import backend
    from trytond.modules.satusehat_integration import skew

    def busy(*args):
        raise backend.DatabaseOperationalError("database is locked")
    monkeypatch.setattr(skew, '_keep', busy)
    assert deliver(clinic, emulator, 600) == 'sent'
    assert lines(caplog) == []
