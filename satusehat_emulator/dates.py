# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Dates as the platform's rule processor reads them."

import re
from datetime import date, datetime, timedelta, timezone
from functools import lru_cache

FIRST = datetime.min.replace(tzinfo=timezone.utc)
LAST = datetime.max.replace(tzinfo=timezone.utc)
FIRST_DAY = datetime(2014, 6, 3, tzinfo=timezone.utc)
DATE_TIME = re.compile(
    r'\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,9})?(Z|[+-]\d{2}:\d{2})',
    re.ASCII)
MOMENT = re.compile(
    r'(\d{4}-\d{2}-\d{2}T\d{2}:\d{2})(:\d{2})?(\.\d{1,9})?'
    r'(Z|[+-]\d{2}:\d{2})?', re.ASCII)
DATE = re.compile(r'\d{4}(-\d{2}(-\d{2})?)?', re.ASCII)


def parse_date_time(text):
    """Return the aware datetime for a FHIR dateTime with seconds and zone.

    Raises ValueError for anything else, a date alone included
    (SATUSEHAT, validation: 'Format allowed : YYYY-MM-DDThh:mm:ss+00:00').
    """
    if not isinstance(text, str):
        raise ValueError(f'not a date time: {text!r}')
    return _date_time(text)


@lru_cache(4096)
def _date_time(text):
    match = DATE_TIME.fullmatch(text)
    if not match:
        raise ValueError(f'not a date time: {text!r}')
    fraction, zone = match.groups()
    seconds = text[:19]
    micro = ((fraction or '.')[1:7]).ljust(6, '0')
    zone = '+00:00' if zone == 'Z' else zone
    return datetime.fromisoformat(f'{seconds}.{micro}{zone}')


def parse_date(text):
    """Return the first day (a date) of a FHIR date of any precision.

    Raises ValueError when `text` is no date.
    """
    if not (isinstance(text, str) and DATE.fullmatch(text)):
        raise ValueError(f'not a date: {text!r}')
    year, month, day = (text.split('-') + ['01', '01'])[:3]
    return date(int(year), int(month), int(day))


def in_window(moment, now, future=False):
    """Say whether the platform takes `moment`.

    Not before 3 June 2014 and not after `now`, unless `future`
    (SATUSEHAT, validation: 'Future Date or Past Date before 3rd June 2014').
    """
    return FIRST_DAY <= moment and (future or moment <= now)


def interval(text):
    """Return the (start, end) instants a search value or element covers.

    `end` is exclusive; for an instant both are the same. Takes dates of any
    precision and dateTimes, without zone as UTC; raises ValueError.
    """
    if not isinstance(text, str):
        raise ValueError(f'not a date: {text!r}')
    return _interval(text)


@lru_cache(4096)
def _interval(text):
    if DATE.fullmatch(text):
        first = parse_date(text)
        start = datetime(
            first.year, first.month, first.day, tzinfo=timezone.utc)
        return start, _next(start, len(text))
    moment = _moment(text)
    return moment, moment


def _moment(text):
    match = MOMENT.fullmatch(text)
    if not match:
        raise ValueError(f'not a date: {text!r}')
    minutes, seconds, fraction, zone = match.groups()
    return parse_date_time(
        f'{minutes}{seconds or ":00"}{fraction or ""}{zone or "Z"}')


def _next(start, precision):
    try:
        if precision == 4:
            return start.replace(year=start.year + 1)
        if precision == 7:
            year, month = divmod(start.year * 12 + start.month, 12)
            return start.replace(year=year, month=month + 1)
        return start + timedelta(days=1)
    except (OverflowError, ValueError):
        return LAST


def covered(element):
    """Return the (start, end) of an element: a date, a dateTime or a Period.

    A Period without start or end has none; raises ValueError.
    """
    if not isinstance(element, dict):
        return interval(element)
    start, end = element.get('start'), element.get('end')
    if start is None and end is None:
        raise ValueError('an empty period')
    return (
        interval(start)[0] if start is not None else FIRST,
        interval(end)[1] if end is not None else LAST)


def matches(element, condition):
    """Say whether an element's date fits a search value ('ge2026-07-01').

    Raises ValueError when the search value is no date.
    """
    prefix, value = condition[:2], condition[2:]
    if prefix not in COMPARE:
        prefix, value = 'eq', condition
    wanted = interval(value)
    try:
        found = covered(element)
    except ValueError:
        return False
    return COMPARE[prefix](found, wanted)


def _overlap(a, b):
    return (a[0] < b[1] and b[0] < a[1]) or a[0] == b[0]


COMPARE = {
    'eq': _overlap,
    'ne': lambda a, b: not _overlap(a, b),
    'ge': lambda a, b: a[1] > b[0] or a[0] >= b[0],
    'le': lambda a, b: a[0] < b[1] or a[0] <= b[0],
    'gt': lambda a, b: a[1] > b[1] or (b[0] < b[1] <= a[0]),
    'lt': lambda a, b: a[0] < b[0],
    }
