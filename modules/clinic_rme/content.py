# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What a visit holds, as its seal sees it.

The stored values of the visit and of everything recorded in it: ids, random
identifiers, raw numbers and codes, never a name.  Empty values are left out,
so that a column or a kind of entry that comes later changes no old content.
"""

import datetime as dt
import hashlib
import json
from collections import defaultdict
from decimal import Decimal
from itertools import compress

from sql import Column, Select
from sql.operators import Exists
from trytond.model import fields
from trytond.pool import Pool
from trytond.transaction import Transaction

from .mixin import EncounterPartMixin

ENCOUNTER = 'clinic.encounter'


def canonical(value):
    """Return the one JSON text of the value: sorted keys, no spaces.

    Dates and times become ISO 8601, decimals text, and bytes their SHA-256.
    """
    return json.dumps(
        value, ensure_ascii=False, sort_keys=True, separators=(',', ':'),
        allow_nan=False, default=_plain)


def digest(value):
    "Return the SHA-256 of the canonical JSON of the value, in hexadecimal"
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def contents(encounters):
    """Return {encounter id: {model: {uid: {field: stored value}}}}.

    encounters are records or ids.  Asks the database once for the visits,
    once for the kinds of entries that they have and once for each of these,
    not for each visit.
    """
    pool = Pool()
    ids = list(map(int, encounters))
    result = {id_: {} for id_ in ids}
    for Model, link in [(pool.get(ENCOUNTER), 'id'), *(
            (Part, 'encounter') for Part in _recorded(ids))]:
        for encounter, row in _rows(Model, link, ids):
            result[encounter].setdefault(Model.__name__, {})[
                row['uid']] = row
    return result


def manifest(content):
    "Return {model: {uid: SHA-256 of the row}} of one visit's content"
    return {
        model: {uid: digest(row) for uid, row in rows.items()}
        for model, rows in content.items()}


def parts():
    "Return the models of what is recorded in a visit, by name"
    return [
        Model for _, Model in sorted(Pool().iterobject())
        if issubclass(Model, EncounterPartMixin)]


def _recorded(ids):
    "Return those of the parts of which the encounters have an entry"
    models = parts()
    if not ids:
        return []
    columns = []
    for place, Model in enumerate(models):
        table = Model.__table__()
        columns.append(Exists(table.select(
                    table.id,
                    where=fields.SQL_OPERATORS['in'](table.encounter, ids))
                ).as_(f'part{place}'))
    cursor = Transaction().connection.cursor()
    cursor.execute(*Select(columns))
    return list(compress(models, cursor.fetchone()))


def _rows(Model, link, ids):
    "Yield (encounter id, {field: value}) of each row of the encounters"
    names = sorted(Model.fields_sealed())
    listed = [n for n in names if Model._fields[n]._type == 'many2many']
    rows = []
    if ids:
        cursor = Transaction().connection.cursor()
        query, columns = _select(
            Model, link, ids, [n for n in names if n not in listed])
        cursor.execute(*query)
        rows = [dict(zip(columns, row, strict=True)) for row in cursor]
    for name in listed:
        targets = _targets(Model._fields[name], [r['id'] for r in rows])
        for row in rows:
            row[name] = targets[row['id']] or None
    for row in rows:
        yield row.pop('_encounter'), {
            name: value for name, value in row.items() if value is not None}


def _select(Model, link, ids, names):
    "Return (query, names of its columns) over the rows of the encounters"
    pool = Pool()
    table = source = Model.__table__()
    columns = {
        '_encounter': Column(table, link),
        'id': table.id,
        }
    for name in names:
        field = Model._fields[name]
        columns[name] = Column(table, name)
        if field._type == 'many2one':
            Target = pool.get(field.model_name)
            if code := getattr(Target, 'code_sealed', None):
                target = Target.__table__()
                source = source.join(
                    target, 'LEFT', condition=columns[name] == target.id)
                columns[f'{name}.{code}'] = Column(target, code)
    query = source.select(
        *columns.values(), order_by=[table.id],
        where=fields.SQL_OPERATORS['in'](Column(table, link), ids))
    return query, list(columns)


def _targets(field, ids):
    "Return {id: sorted ids of the many2many}"
    result = defaultdict(list)
    if ids:
        cursor = Transaction().connection.cursor()
        table = Pool().get(field.relation_name).__table__()
        origin, target = (
            Column(table, field.origin), Column(table, field.target))
        cursor.execute(*table.select(
                origin, target, order_by=[target],
                where=fields.SQL_OPERATORS['in'](origin, ids)))
        for id_, target in cursor:
            result[id_].append(target)
    return result


def _plain(value):
    if isinstance(value, (dt.date, dt.time)):
        return value.isoformat()
    if isinstance(value, dt.timedelta):
        return value.total_seconds()
    if isinstance(value, Decimal):
        return format(value.normalize(), 'f')
    if isinstance(value, (bytes, bytearray, memoryview)):
        return {'sha256': hashlib.sha256(value).hexdigest()}
    raise TypeError(f"{type(value).__name__} has no canonical form")
