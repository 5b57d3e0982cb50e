# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The structure of the NIK (Nomor Induk Kependudukan).

Sixteen digits: province (2), city (2), district (2), day, month and year of
birth (2 each, 40 added to the day for women) and a serial number (4).
Source: Law 23/2006 on population administration, article 13, and Government
Regulation 40/2019; province codes as kept by the Ministry of Home Affairs.
"""

import datetime as dt
import re

LENGTH = 16
FEMALE_DAY_OFFSET = 40
PROVINCES = frozenset(
    '11 12 13 14 15 16 17 18 19 21 31 32 33 34 35 36 51 52 53 61 62 63 64 65 '
    '71 72 73 74 75 76 81 82 91 92 93 94 95 96'.split())


def compact(value):
    "Return the text without spaces, dots and dashes, None if nothing is left"
    if value is None:
        return None
    return re.sub(r'[\s.\-]', '', value) or None


def problem(nik):
    """Return what makes the text impossible as NIK.

    'length', 'digits' or 'date', None if it is well formed.
    """
    if not re.fullmatch(r'[0-9]*', nik):
        return 'digits'
    if len(nik) != LENGTH:
        return 'length'
    if not birth_dates(nik):
        return 'date'


def birth_dates(nik):
    """Return the set of birth dates that the NIK may stand for.

    The NIK has two digits for the year: there is one date per century.
    """
    day, month, year = int(nik[6:8]), int(nik[8:10]), int(nik[10:12])
    if day > FEMALE_DAY_OFFSET:
        day -= FEMALE_DAY_OFFSET
    dates = set()
    for century in [1900, 2000]:
        try:
            dates.add(dt.date(century + year, month, day))
        except ValueError:
            continue
    return dates


def sex(nik):
    "Return 'female' or 'male' as the day of birth tells"
    return 'female' if int(nik[6:8]) > FEMALE_DAY_OFFSET else 'male'


def disagreements(nik, birth_date=None, sex_=None):
    """Return what a well-formed NIK does not agree with.

    A set of 'province', 'birth_date' and 'sex'.  None of them is an error:
    a NIK is kept when the registry corrects the birth date, and province
    codes are added over time.
    """
    found = set()
    if nik[:2] not in PROVINCES:
        found.add('province')
    if birth_date and birth_date not in birth_dates(nik):
        found.add('birth_date')
    if sex_ in {'male', 'female'} and sex_ != sex(nik):
        found.add('sex')
    return found
