# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Vital signs in words, as they stand in letters."""

from trytond.i18n import gettext

from .prescription import shown

UNITS = {
    'systolic': "mmHg", 'diastolic': "mmHg", 'heart_rate': "x/min",
    'respiratory_rate': "x/min", 'temperature': "°C",
    'oxygen_saturation': "%", 'weight': "kg", 'height': "cm",
    }


def measures_text(visit):
    "Return what was measured last in the visit, of each kind, in one line"
    found = {}
    for name in UNITS:
        rows = [r for r in visit.vital_signs if getattr(r, name) is not None]
        if rows and name != 'diastolic':
            found[name] = rows[0]
    return '; '.join(
        f'{_label(row, name)} {_value(row, name)} {UNITS[name]}'
        for name, row in found.items())


def _label(row, name):
    if name == 'systolic':
        return gettext('clinic_rme.msg_blood_pressure')
    return row.__names__(name)['field']


def _value(row, name):
    value = shown(getattr(row, name))
    if name == 'systolic' and row.diastolic is not None:
        return f'{value}/{shown(row.diastolic)}'
    return value
