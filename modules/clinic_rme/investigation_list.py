# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"The list of investigations that comes with the module."

from collections import defaultdict
from decimal import Decimal

from .terminology import data_rows

LIST = 'investigations.csv'
RANGES = 'investigation_ranges.csv'
_TEXTS = {'sex', 'age_unit', 'text'}


def create_shipped(Investigation):
    """Create the investigations of the list, panels after their components.

    Returns the dictionary of their ids by code.
    """
    ranges = defaultdict(list)
    for row in data_rows(RANGES):
        ranges[row.pop('code')].append({
                name: _converted(name, value)
                for name, value in row.items() if value})
    panels, single = [], []
    for row in data_rows(LIST):
        (panels if row['value_type'] == 'panel' else single).append(row)
    ids = {}
    for rows in [single, panels]:
        ids.update((i.code, i.id) for i in Investigation.create([
                    _values(row, ranges[row['code']], ids) for row in rows]))
    return ids


def _converted(name, value):
    "Return the value of a column of the file of ranges"
    if name in _TEXTS:
        return value
    return int(value) if name.startswith('age') else Decimal(value)


def _values(row, ranges, ids):
    "Return the values of the row; ids are those of the components by code"
    return {
        **{name: row[name] or None for name in [
                'code', 'name', 'kind', 'value_type', 'loinc_code',
                'specimen_type', 'unit', 'ucum_code', 'preparation']},
        **{name: Decimal(row[name]) if row[name] else None
            for name in ['minimum', 'maximum']},
        'everyday_names': '\n'.join(_parts(row['everyday_names'])),
        'components': [('create', [
                    {'investigation': ids[code], 'sequence': place}
                    for place, code in enumerate(
                        _parts(row['components']), 1)])],
        'choices': [('create', [
                    _choice(text, place) for place, text in enumerate(
                        _parts(row['choices']), 1)])],
        'ranges': [('create', [
                    {**range_, 'sequence': place}
                    for place, range_ in enumerate(ranges, 1)])],
        }


def _parts(text):
    "Return the parts between commas"
    return [part.strip() for part in text.split(',') if part.strip()]


def _choice(text, place):
    "Return the values of a choice that is written as `name=interpretation`"
    name, _, interpretation = text.partition('=')
    return {
        'name': name, 'interpretation': interpretation or None,
        'sequence': place}
