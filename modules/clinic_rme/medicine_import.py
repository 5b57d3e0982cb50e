# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Import of a clinic's own list of medicines from a CSV file.

The columns are the clinic's; the user says which is which. Nothing is
written before the user has seen what would be, and nothing at all as long as
one row has an error.
"""

import re
from itertools import chain
from typing import NamedTuple

from trytond.i18n import gettext
from trytond.model import ModelView, fields
from trytond.pool import Pool
from trytond.pyson import Eval
from trytond.transaction import inactive_records
from trytond.wizard import Button, StateTransition, StateView, Wizard

from .csv_file import is_formula, read_csv
from .medicine import FORM_NAMES, FORMS
from .search import normalised

FORM_KEYS = {
    **{normalised(name): form for form, name in FORMS if form},
    **{name: form for form, names in FORM_NAMES.items() for name in names},
    }
TITLES = {
    'name': ['nama', 'nama obat', 'name', 'medicine', 'nama brng'],
    'code': ['kode', 'kode obat', 'code', 'kode brng'],
    'kfa_code': ['kfa', 'kode kfa', 'kfa code'],
    'form': ['sediaan', 'bentuk', 'bentuk sediaan', 'form', 'satuan'],
    'strength': ['kekuatan', 'dosis', 'strength'],
    'ingredients': ['kandungan', 'zat aktif', 'komposisi', 'ingredients'],
    }
MAX_LENGTH = 200
SHOWN_ERRORS = 50
INGREDIENTS = re.compile(r'\s*[;+\n]\s*')
AMOUNT = re.compile(r'(?P<name>.+?)\s+(?P<strength>\d[\d.,]*\s*[^\d\s].*)')


class MedicinePlan(NamedTuple):
    """What an import would do.

    `new` is a list of values, `changes` one of (id, values), with the
    ingredients as a list of (substance, strength); `errors` are (line,
    message), in the order of the file.
    """
    new: list
    changes: list
    errors: list


def ingredients_of(text):
    """Return the list of (substance, strength or None) named in a cell.

    They are separated by a semicolon or a plus sign; the strength follows
    the name: "Parasetamol 500 mg + Kafein 65 mg".
    """
    found = []
    for part in filter(None, INGREDIENTS.split(text.strip())):
        match = AMOUNT.fullmatch(part)
        found.append(
            (match['name'].strip(), match['strength']) if match
            else (part, None))
    return found


class MedicineCSV:
    "The rows of a CSV file, read as medicines and checked."

    def __init__(self, table, mapping):
        """`mapping` is a dictionary from a field to the title of a column."""
        self.table = table
        self.mapping = {
            field: table.columns.index(title)
            for field, title in mapping.items() if title}
        self._seen = set()

    def plan(self):
        "Return the MedicinePlan of the file; nothing is written."
        known = self._known()
        plan = MedicinePlan([], [], [])
        changed = set()
        for line, cells in self.table.rows:
            values, errors = self._values(cells)
            if errors:
                plan.errors.extend((line, error) for error in errors)
                continue
            ids = {known[key] for key in self._keys(values) if key in known}
            if len(ids) > 1:
                plan.errors.append((line, gettext(
                            'clinic_rme.msg_medicine_import_two')))
            elif ids & changed:
                plan.errors.append((line, gettext(
                            'clinic_rme.msg_medicine_import_twice')))
            elif ids:
                changed |= ids
                plan.changes.append((ids.pop(), values))
            else:
                plan.new.append(values)
        return plan

    def _values(self, cells):
        "Return the values of the row and its errors"
        if len(cells) > len(self.table.columns):
            return {}, [gettext('clinic_rme.msg_medicine_import_cells')]
        values = {
            field: cells[i] if i < len(cells) else ''
            for field, i in self.mapping.items()}
        errors = [
            error for field, cell in values.items()
            if (error := self._cell_error(field, cell))]
        if not values['name']:
            errors.append(gettext('clinic_rme.msg_medicine_import_name'))
        if errors:
            return values, errors
        if form := values.get('form'):
            values['form'] = FORM_KEYS[normalised(form)]
        if 'ingredients' in values:
            values['ingredients'] = ingredients_of(values['ingredients'])
        values = {n: v or None for n, v in values.items()}
        keys = set(self._keys(values))
        if keys & self._seen:
            errors.append(gettext('clinic_rme.msg_medicine_import_twice'))
        self._seen |= keys
        return values, errors

    def _cell_error(self, field, cell):
        column = self.table.columns[self.mapping[field]]
        if is_formula(cell):
            return gettext('clinic_rme.msg_csv_formula', column=column)
        if len(cell) > MAX_LENGTH:
            return gettext(
                'clinic_rme.msg_csv_too_long', column=column,
                length=MAX_LENGTH)
        if field == 'kfa_code' and cell:
            Medicine = Pool().get('clinic.medicine')
            if not Medicine.is_kfa_code(cell):
                return gettext('clinic_rme.msg_kfa_code_invalid', code=cell)
        if field == 'form' and cell and normalised(cell) not in FORM_KEYS:
            return gettext('clinic_rme.msg_medicine_import_form', form=cell)
        if field == 'ingredients':
            names = [normalised(name) for name, _ in ingredients_of(cell)]
            if len(names) > len(set(names)):
                return gettext('clinic_rme.msg_ingredient_unique')

    @staticmethod
    def _keys(values):
        """Return what identifies the medicine: codes, else how it is named.
        """
        keys = [
            (name, values[name]) for name in ['code', 'kfa_code']
            if values.get(name)]
        return keys or [(
                'name', normalised(values['name']),
                normalised(values.get('strength')), values.get('form'))]

    def _known(self):
        "Return a dictionary from key to id of the stored medicines."
        Medicine = Pool().get('clinic.medicine')
        known = {}
        with inactive_records():
            for row in Medicine.search_read([], fields_names=[
                        'code', 'kfa_code', 'name', 'strength', 'form']):
                named = {**row, 'code': None, 'kfa_code': None}
                for key in chain(self._keys(row), self._keys(named)):
                    known.setdefault(key, row['id'])
        return known


def import_medicines(plan):
    "Write what the MedicinePlan without errors says."
    Medicine = Pool().get('clinic.medicine')
    Ingredient = Pool().get('clinic.medicine.ingredient')
    substances = _substances(
        name for values in chain(plan.new, (v for _, v in plan.changes))
        for name, _ in values.get('ingredients') or [])

    def ready(values):
        if 'ingredients' not in values:
            return values
        return {**values, 'ingredients': [('create', [
                        {'substance': substances[normalised(name)],
                            'strength': strength}
                        for name, strength in values['ingredients'] or []])]}

    Medicine.create([ready(values) for values in plan.new])
    medicines = Medicine.browse([id_ for id_, _ in plan.changes])
    changes = list(zip(
            medicines, [v for _, v in plan.changes], strict=True))
    Ingredient.delete([
            ingredient for medicine, values in changes
            if 'ingredients' in values
            for ingredient in medicine.ingredients])
    if changes:
        Medicine.write(*chain.from_iterable(
                ([medicine], {**ready(values), 'active': True})
                for medicine, values in changes))


def _substances(names):
    "Return the ids of the substances by normalised name, new ones included."
    Substance = Pool().get('clinic.substance')
    with inactive_records():
        known = {normalised(s.name): s.id for s in Substance.search([])}
    wanted = {normalised(name): name for name in names}
    new = [key for key in wanted if key not in known]
    created = Substance.create([{'name': wanted[key]} for key in new])
    return known | {
        key: substance.id
        for key, substance in zip(new, created, strict=True)}


class ImportMedicineStart(ModelView):
    __name__ = 'clinic.medicine.import.start'

    file = fields.Binary("File", required=True, filename='file_name')
    file_name = fields.Char("File Name")
    encoding = fields.Selection([
            ('utf-8', "UTF-8"),
            ('cp1252', "Windows"),
            ], "Encoding", required=True, sort=False,
        help="How the program that saved the file writes letters.")

    @staticmethod
    def default_encoding():
        return 'utf-8'


class ImportMedicineMapping(ModelView):
    __name__ = 'clinic.medicine.import.mapping'
    _rec_name = 'titles'

    titles = fields.Text("Titles")
    name = fields.Selection('get_titles', "Name", required=True, sort=False)
    code = fields.Selection('get_titles', "Own Code", sort=False)
    kfa_code = fields.Selection('get_titles', "KFA Code", sort=False)
    form = fields.Selection('get_titles', "Dosage Form", sort=False)
    strength = fields.Selection('get_titles', "Strength", sort=False)
    ingredients = fields.Selection('get_titles', "Ingredients", sort=False)

    @fields.depends('titles')
    def get_titles(self):
        "Return the titles of the file's columns as a selection."
        return [(None, "")] + [
            (title, title) for title in (self.titles or '').split('\n')
            if title]


class ImportMedicineResult(ModelView):
    __name__ = 'clinic.medicine.import.result'

    new = fields.Integer("New", readonly=True)
    changed = fields.Integer("Changed", readonly=True)
    faulty = fields.Integer("Rows with Errors", readonly=True)
    errors = fields.Text("Errors", readonly=True)


class ImportMedicine(Wizard):
    __name__ = 'clinic.medicine.import'

    start = StateView(
        'clinic.medicine.import.start',
        'clinic_rme.import_medicine_start_view_form', [
            Button("Cancel", 'end', 'tryton-cancel'),
            Button("Continue", 'mapping', 'tryton-forward', default=True),
            ])
    mapping = StateView(
        'clinic.medicine.import.mapping',
        'clinic_rme.import_medicine_mapping_view_form', [
            Button("Cancel", 'end', 'tryton-cancel'),
            Button("Back", 'start', 'tryton-back'),
            Button("Check", 'preview', 'tryton-forward', default=True),
            ])
    preview = StateView(
        'clinic.medicine.import.result',
        'clinic_rme.import_medicine_preview_view_form', [
            Button("Cancel", 'end', 'tryton-cancel'),
            Button("Back", 'mapping', 'tryton-back'),
            Button(
                "Import", 'import_', 'tryton-launch', default=True,
                states={'invisible': Eval('faulty', 0) > 0}),
            ])
    import_ = StateTransition()
    result = StateView(
        'clinic.medicine.import.result',
        'clinic_rme.import_medicine_result_view_form', [
            Button("OK", 'end', 'tryton-ok', default=True),
            ])

    def _table(self):
        return read_csv(bytes(self.start.file), self.start.encoding)

    def _plan(self):
        mapping = {
            field: getattr(self.mapping, field, None) for field in TITLES}
        return MedicineCSV(self._table(), mapping).plan()

    def default_mapping(self, fields):
        columns = self._table().columns
        guess = {
            field: next(
                (c for c in columns if normalised(c) in names), None)
            for field, names in TITLES.items()}
        return {'titles': '\n'.join(columns), **guess}

    def default_preview(self, fields):
        plan = self._plan()
        shown = [
            gettext('clinic_rme.msg_csv_line', line=line, error=error)
            for line, error in plan.errors[:SHOWN_ERRORS]]
        return {
            'new': len(plan.new),
            'changed': len(plan.changes),
            'faulty': len({line for line, _ in plan.errors}),
            'errors': '\n'.join(shown),
            }

    def transition_import_(self):
        plan = self._plan()
        if plan.errors:
            return 'preview'
        import_medicines(plan)
        self.result.new = len(plan.new)
        self.result.changed = len(plan.changes)
        return 'result'

    def default_result(self, fields):
        return {'new': self.result.new, 'changed': self.result.changed}
