# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Stored content of a visit in words, for people."

import json

from trytond.i18n import gettext
from trytond.pool import Pool
from trytond.transaction import without_check_access

# Known from elsewhere on the screen, or of no use to a reader
_HIDDEN = {
    'id', 'uid', 'encounter', 'number', 'company', 'patient', 'correction'}


def render(content):
    """Return the content in lines: one for each value, under its model.

    content is {model: {uid: {field: stored value}}}, from canonical JSON.
    """
    lines = []
    for model, rows in sorted(content.items()):
        for row in rows.values():
            lines.append(_model(model))
            lines.extend(
                f'  {_label(model, name)}: {_value(model, name, value)}'
                for name, value in sorted(row.items())
                if _is_shown(model, name))
    return '\n'.join(lines)


def render_changes(before, after):
    "Return what differs between two contents, one line for each value"
    return '\n'.join(
        line for model in sorted(before.keys() | after.keys())
        for line in _changes(
            model, before.get(model, {}), after.get(model, {})))


def _changes(model, before, after):
    for uid in before.keys() | after.keys():
        old, new = before.get(uid, {}), after.get(uid, {})
        for name in sorted(old.keys() | new.keys()):
            if old.get(name) != new.get(name) and _is_shown(model, name):
                yield gettext(
                    'clinic_rme.msg_amendment_change',
                    model=_model(model), field=_label(model, name),
                    old=_value(model, name, old.get(name)),
                    new=_value(model, name, new.get(name)))


def _is_shown(model, name):
    return name not in _HIDDEN and name in Pool().get(model)._fields


def _model(model):
    return Pool().get('ir.model').get_name(model)


def _label(model, name):
    return Pool().get(model).__names__(name)['field']


def _value(model, name, value):
    if value is None:
        return '-'
    pool = Pool()
    field = pool.get(model)._fields[name]
    if field._type == 'many2one':
        Target = pool.get(field.model_name)
        with without_check_access():
            found = Target.search([
                    ('id', '=', value),
                    *([('active', 'in', [True, False])]
                        if 'active' in Target._fields else []),
                    ])
        return found[0].rec_name if found else str(value)
    if field._type in {'selection', 'multiselection'} and not isinstance(
            field.selection, str):
        definition = pool.get(model).fields_get([name])[name]
        labels = dict(definition['selection'])
        if field._type == 'selection':
            return labels.get(value, value)
        return ', '.join(labels.get(v, v) for v in _listed(value)) or '-'
    return str(value)


def _listed(value):
    "Return the list of a stored multiselection: JSON, or text of it"
    return json.loads(value) if isinstance(value, str) else value
