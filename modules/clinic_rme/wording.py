# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Records in words, as they stand on paper: each field by its label."""

from trytond.i18n import gettext
from trytond.model import fields
from trytond.pool import Pool
from trytond.tools import timezone

from .dental_examination import COUNTS
from .measure import UNITS
from .prescription import shown
from .result_value import LIMITS

# On the head of the paper, or of no use to a reader
HIDDEN = {
    'id', 'uid', 'company', 'patient', 'encounter', 'correction', 'item',
    'create_uid', 'create_date', 'write_uid', 'write_date'}
# Told by another value of the same entry
TOLD = {
    'clinic.prescription.item': {
        'kind', 'medicine', 'dose', 'dose_unit', 'frequency', 'period_days',
        'as_needed', 'meal', 'duration'},
    'clinic.prescription.component': {'amount', 'amount_unit'},
    'clinic.result': {'order', 'state'},
    'clinic.result.value': {
        'result', 'investigation', 'number', 'choice', 'text', 'unit',
        'ucum_code', 'reference_text', *LIMITS},
    }
# What is not stored and belongs to the entry nevertheless
DERIVED = {
    'clinic.prescription.item': {'signa'},
    'clinic.checkup': {'bmi', 'bmi_class'},
    'clinic.obstetric_note': {'gestational_age'},
    'clinic.dental_examination': {
        'debris_index', 'calculus_index', 'ohi_s', 'oral_hygiene', *COUNTS},
    'clinic.result.value': {'reference'},
    }
# Those of the entries that count
COUNTED = {
    ('clinic.order', 'results'): lambda result: result.state == 'final',
    }


def day(date):
    "Return the date with the name of its month"
    return Pool().get('ir.lang').get().strftime(date, '%d %B %Y')


def moment(time, zone):
    "Return the UTC time as the clocks of the zone (ZoneInfo) show it"
    return Pool().get('ir.lang').get().strftime(
        time.replace(tzinfo=timezone.UTC).astimezone(zone),
        '%d %B %Y %H:%M')


def field_lines(record, name, zone):
    "Return the value of the field in lines, none of an empty one"
    if record._fields[name]._type != 'one2many':
        text = value(record, name, zone)
        return text.splitlines() if text else []
    counts = COUNTED.get((record.__name__, name), lambda entry: True)
    return [
        line for entry in getattr(record, name) if counts(entry)
        for line in entry_lines(entry, zone)]


def entry_lines(entry, zone):
    """Return the entry in lines: its name, then each value with its label.

    Short values share a line.
    """
    short, long = [], []
    left_out = HIDDEN | TOLD.get(entry.__name__, set())
    derived = DERIVED.get(entry.__name__, set())
    for name, field in entry._fields.items():
        if name in left_out or (
                isinstance(field, fields.Function) and name not in derived):
            continue
        found = field_lines(entry, name, zone)
        if found == [entry.rec_name]:
            continue
        if len(found) == 1 and len(found[0]) < 80:
            short.append(f'{label(entry, name)}: {found[0]}')
        elif found:
            long += [f'{label(entry, name)}:', *found]
    return [f'• {entry.rec_name}', *filter(None, ['; '.join(short)]), *long]


def value(record, name, zone):
    "Return the value of the field in words, an empty text if it has none"
    field = record._fields[name]
    held = getattr(record, name)
    if held is None or held == '' or field._type == 'boolean' and not held:
        return ''
    if field._type == 'boolean':
        return gettext('clinic_rme.msg_yes')
    if field._type == 'many2one':
        return held.rec_name
    if field._type == 'many2many':
        return ', '.join(target.rec_name for target in held)
    if field._type == 'selection':
        return _choices(record, name).get(held, held)
    if field._type == 'multiselection':
        choices = _choices(record, name)
        return ', '.join(choices[key] for key in choices if key in held)
    if field._type in {'float', 'numeric', 'integer'}:
        unit = record.__name__ == 'clinic.vital_signs' and UNITS.get(name)
        return f'{shown(held)} {unit}' if unit else shown(held)
    if field._type == 'datetime':
        return moment(held, zone)
    if field._type == 'date':
        return day(held)
    return str(held)


def label(record, name):
    "Return the label of the field"
    return record.__names__(name)['field']


def _choices(record, name):
    definition = record.__class__.fields_get([name])[name]
    selection = definition['selection']
    if isinstance(selection, str):
        selection = getattr(record.__class__, selection)()
    return dict(selection)
