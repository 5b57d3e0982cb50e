# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Reading the data files of the demo clinic.

Rows are plain dicts as they stand in the files; see data/README.md.
"""

import datetime as dt
import json
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

DATA = Path(__file__).parent / 'data'
FILES = ['branches', 'staff', 'users', 'patients', 'visits']
PLATFORM = DATA / 'platform.json'
DAY = dt.timedelta(days=1)


class Unreadable(Exception):
    "A data file cannot be used; the argument says which and why"


class Records(NamedTuple):
    "The rows of all files, keyed where they have a key or login"
    currency: dict
    admin_password: str
    branches: dict
    staff: dict
    users: dict
    patients: dict
    visits: list


def read(folder=DATA, now=None):
    """Return the Records of a folder, visits in the order they took place.

    now is an aware datetime (the present without it).  Raises Unreadable.
    """
    files = {name: _parse(folder / f'{name}.json') for name in FILES}
    try:
        return _records(files, now)
    except KeyError as error:
        raise Unreadable(f"{folder}: {error} tidak ada") from error


def _parse(path):
    try:
        return json.loads(path.read_text('utf-8'))
    except (OSError, ValueError) as error:
        raise Unreadable(f"{path} tidak terbaca: {error}") from error


def _records(files, now=None):
    branches = _by('key', files['branches']['branches'])
    now = now or dt.datetime.now(dt.timezone.utc)
    return Records(
        currency=files['branches']['currency'],
        admin_password=files['users']['admin_password'],
        branches=branches,
        staff=_by('key', files['staff']['staff']),
        users=_by('login', files['users']['users']),
        patients=_by('key', files['patients']['patients']),
        visits=sorted(files['visits']['visits'], key=lambda visit: moment(
                visit['arrived'], visit['day'],
                branches[visit['branch']]['timezone'], now)),
        )


def _by(key, rows):
    return {row[key]: row for row in rows}


def moment(time, day, timezone, now=None):
    """Return the naive UTC datetime of a local time some days before today.

    time is 'HH:MM', day 0 today and -1 yesterday at the place of the
    timezone, now an aware datetime (the present without it).
    """
    zone = ZoneInfo(timezone)
    now = now or dt.datetime.now(dt.timezone.utc)
    date = now.astimezone(zone).date() + day * DAY
    local = dt.datetime.combine(date, dt.time.fromisoformat(time), zone)
    return local.astimezone(dt.timezone.utc).replace(tzinfo=None)


def login_of(records, person, branch):
    "Return the login of a member of the staff who works at the branch"
    return next(
        user['login'] for user in records.users.values()
        if user['person'] == person and branch in user['branches'])


def login_for(records, group, branch):
    "Return the first login of the group that is at home in the branch"
    return next(
        user['login'] for user in records.users.values()
        if group in user['groups'] and user['branches'][0] == branch)
