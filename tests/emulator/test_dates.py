# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Dates: what is read, the window, and searching."

from datetime import date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from satusehat_emulator.dates import (
    FIRST_DAY, in_window, interval, matches, parse_date, parse_date_time)

ZONES = st.timedeltas(
    timedelta(hours=-12), timedelta(hours=14)).map(
        lambda delta: timezone(timedelta(minutes=delta // timedelta(
            minutes=1))))
MOMENTS = st.datetimes(
    datetime(2014, 1, 1), datetime(2030, 1, 1), timezones=ZONES)


@given(MOMENTS)
def test_written_dates_are_read_back(moment):
    assert parse_date_time(moment.isoformat()) == moment


@given(st.datetimes(datetime(2014, 1, 1), datetime(2030, 1, 1)))
def test_z_is_utc(moment):
    assert parse_date_time(f'{moment.isoformat()}Z') == moment.replace(
        tzinfo=timezone.utc)


@given(st.text() | st.none() | st.integers() | st.dates().map(str)
    | st.datetimes().map(lambda m: m.isoformat()))
def test_anything_without_zone_is_refused(text):
    with pytest.raises(ValueError):
        parse_date_time(text)


@given(st.from_regex(
    r'\A\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,9})?(Z|[+-]\d{2}:\d{2})\Z'))
def test_well_formed_text_is_a_date_or_a_value_error(text):
    try:
        moment = parse_date_time(text)
    except ValueError:
        return
    assert moment.utcoffset() is not None
    in_window(moment, datetime.now(timezone.utc))


@given(MOMENTS, MOMENTS)
def test_window(moment, now):
    assert in_window(moment, now) == (FIRST_DAY <= moment <= now)
    assert in_window(moment, now, future=True) == (FIRST_DAY <= moment)


@given(st.dates(date(1900, 1, 1)))
def test_partial_dates(day):
    assert parse_date(str(day)) == day
    assert parse_date(str(day)[:7]) == day.replace(day=1)
    assert parse_date(str(day)[:4]) == day.replace(month=1, day=1)


@given(MOMENTS, st.dates(date(2014, 1, 1), date(2030, 1, 1)))
def test_moment_against_a_day(moment, day):
    start = datetime(day.year, day.month, day.day, tzinfo=timezone.utc)
    end = start + timedelta(days=1)
    text = moment.isoformat()
    assert matches(text, str(day)) == (start <= moment < end)
    assert matches(text, f'ge{day}') == (moment >= start)
    assert matches(text, f'le{day}') == (moment < end)
    assert matches(text, f'gt{day}') == (moment >= end)
    assert matches(text, f'lt{day}') == (moment < start)
    assert matches(text, f'ne{day}') != matches(text, f'eq{day}')


@given(MOMENTS, MOMENTS)
def test_moment_against_a_moment(a, b):
    a_text, b_text = a.isoformat(), b.isoformat()
    assert matches(a_text, b_text) == (a == b)
    assert matches(a_text, f'ge{b_text}') == (a >= b)
    assert matches(a_text, f'le{b_text}') == (a <= b)
    assert matches(a_text, f'gt{b_text}') == (a > b)
    assert matches(a_text, f'lt{b_text}') == (a < b)


@given(MOMENTS, MOMENTS, st.dates(date(2014, 1, 1), date(2030, 1, 1)))
def test_period_against_a_day(a, b, day):
    start, end = sorted([a, b])
    period = {'start': start.isoformat(), 'end': end.isoformat()}
    midnight = datetime(day.year, day.month, day.day, tzinfo=timezone.utc)
    next_day = midnight + timedelta(days=1)
    touches = start < next_day and end > midnight or start == midnight
    assert matches(period, str(day)) == touches
    del period['end']
    assert matches(period, f'ge{day}')
    assert matches(period, f'lt{day}') == (start < midnight)


@pytest.mark.parametrize('text', [
    '', 'ge', '2026-13', '2026-02-30', '20260101', 'tomorrow',
    '2026-11-20 01:00', '2026-W01'])
def test_what_is_no_date(text):
    with pytest.raises(ValueError):
        matches('2026-11-20', text)
    assert not matches(text, '2026-11-20')


def test_last_of_days():
    assert interval('9999-12-31')[0].year == 9999
    assert not matches('9999', '2026')
