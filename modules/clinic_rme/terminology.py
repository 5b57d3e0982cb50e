# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What the code systems of a visit have in common, and chief complaints.

Codes are imported from packages, never shipped as files of this module;
everyday names and translations of words are the module's own.

Of SNOMED CT only a short pick list of chief complaints is shipped.
"""

import csv
from collections import defaultdict
from functools import cache, partial
from itertools import chain
from typing import NamedTuple

from trytond.exceptions import UserError
from trytond.i18n import gettext
from trytond.model import (
    DeactivableMixin, Index, ModelSQL, ModelView, Unique, fields)
from trytond.pool import Pool
from trytond.tools import (
    file_open, grouped_slice, is_full_text, strip_wildcard)
from trytond.transaction import Transaction

from .search import NEGATIONS, SearchMixin, normalised, without_dots

# Making n records costs n * n in trytond 8.0, which bounds the slice.
IMPORT_SLICE = 200


class ImportResult(NamedTuple):
    """What an import did, as numbers of codes.

    `new` codes were created; `changed` ones got another title, edition or
    everyday name or came back into use; `deactivated` ones are no longer in
    the source.
    """
    new: int
    changed: int
    deactivated: int


def _slices(values):
    return [list(part) for part in grouped_slice(values, IMPORT_SLICE)]


def data_rows(name):
    """Yield the rows of a file of data/ as dictionaries by column.

    The files are CSV in UTF-8 with a semicolon, a header, and comments that
    start with a hash.
    """
    with file_open(f'clinic_rme/data/{name}', encoding='utf-8') as lines:
        yield from csv.DictReader(
            (line for line in lines if not line.startswith('#')),
            delimiter=';')


@cache
def everyday_names(name):
    """Return the shipped everyday names by code, a name a line.

    `name` is the file of data/; a code may stand in several of its rows.
    """
    names = defaultdict(list)
    for row in data_rows(name):
        names[row['code']].extend(
            n.strip() for n in row['names'].split(','))
    return {code: '\n'.join(dict.fromkeys(n)) for code, n in names.items()}


@cache
def _medical_words():
    "Return the Indonesian words by English word, and by start of a word."
    whole, starts = {}, {}
    for row in data_rows('medical_words.csv'):
        for english in row['english'].split():
            kind = starts if english.endswith('*') else whole
            kind[english.rstrip('*')] = row['indonesian'].split()
    return whole, starts


@cache
def indonesian_words(word):
    "Return the tuple of Indonesian words for an English medical word."
    whole, starts = _medical_words()
    return tuple(dict.fromkeys(chain(
        whole.get(word, ()),
        *(words for start, words in starts.items()
            if word.startswith(start)))))


class CodeSystemMixin(SearchMixin, DeactivableMixin):
    """A code system: what it stores of a code, and its import.

    `everyday_file` names the file of data/ with everyday names by code.
    """
    __slots__ = ()

    everyday_file = None
    code_sealed = 'code'

    code = fields.Char("Code", required=True)
    name = fields.Char("Title", required=True)
    everyday_names = fields.Text(
        "Everyday Names", readonly=True,
        help="What people call it, one name a line: as shipped, renewed by "
        "each import.")
    local_names = fields.Text(
        "Names Used Here",
        help="More names to find the code by, one a line.")
    edition = fields.Char(
        "Edition", readonly=True,
        help="The edition that the last import found the code in.")
    imported_on = fields.Date(
        "Imported on", readonly=True,
        help="The day of the import that created or last changed the code.")

    _searched_fields = {'code', 'name', 'everyday_names', 'local_names'}
    _common_field = 'everyday_names'

    @classmethod
    def __setup__(cls):
        super().__setup__()
        cls.code.search_unaccented = False
        t = cls.__table__()
        cls._sql_constraints.append(
            ('code_unique', Unique(t, t.code),
                'clinic_rme.msg_code_unique'))
        cls._sql_indexes.update({
                Index(t, (t.code, Index.Equality(cardinality='high'))),
                Index(t, (t.code, Index.Similarity(cardinality='high'))),
                Index(t, (t.name, Index.Equality(cardinality='high'))),
                })
        cls._order.insert(0, ('code', 'ASC'))

    @classmethod
    def __register__(cls, module_name):
        super().__register__(module_name)
        cls._complete_search_text()
        cls.__table_handler__(module_name).not_null_action(
            'search_text', action='add')

    @classmethod
    def _complete_search_text(cls):
        "Give the codes of earlier versions their search text."
        table = cls.__table__()
        names = sorted(cls._searched_fields)
        cursor = Transaction().connection.cursor()
        cursor.execute(*table.select(
                table.id, *(getattr(table, n) for n in names),
                where=table.search_text == None))  # noqa: E711
        for id_, *values in cursor.fetchall():
            text = cls.search_text_of(dict(zip(names, values, strict=True)))
            cursor.execute(*table.update(
                    [table.search_text], [text], where=table.id == id_))

    @classmethod
    def preprocess_values(cls, mode, values):
        if values.get('code'):
            values = {**values, 'code': values['code'].strip().upper()}
        return super().preprocess_values(mode, values)

    def get_rec_name(self, name):
        return f'{self.code} {self.name}'

    @staticmethod
    def normalised(text):
        return without_dots(normalised(text))

    @classmethod
    def search_phrases(cls, values):
        names = '\n'.join(
            values.get(n) or '' for n in ['everyday_names', 'local_names'])
        return super().search_phrases(values) + [
            cls.normalised(name) for name in names.splitlines()]

    @classmethod
    def search_words(cls, values):
        "Return Indonesian words for the words of the title."
        words = normalised(values.get('name')).split()
        return dict.fromkeys(chain(*map(indonesian_words, words)))

    @classmethod
    def import_(cls, source, progress=iter):
        """Make the codes equal to those of the source; return ImportResult.

        `source` has `edition` (text) and `codes()`, an iterable of (code,
        English title); it may have `other_editions`, a dictionary from a
        code to the edition it is of instead. A code that the source does
        not have is deactivated, never deleted: visits refer to it.
        `progress` wraps the list of steps and yields each of them.
        Raises UserError when the source has no code at all or cannot be
        read.
        """
        titles = {
            code.strip().upper(): title.strip()
            for code, title in source.codes()}
        if not titles:
            raise UserError(gettext(
                    'clinic_rme.msg_code_source_empty',
                    edition=source.edition))
        wanted = {
            code: cls._imported_values(code, title, source)
            for code, title in titles.items()}
        known = cls._known_codes(*next(iter(wanted.values())))
        today = {'imported_on': Pool().get('ir.date').today()}
        new = [
            {'code': code, **values, **today}
            for code, values in wanted.items() if code not in known]
        changes = [
            (id_, values) for id_, values in (
                (known[code][0], _differences(known[code][1], values))
                for code, values in wanted.items() if code in known)
            if values]
        missing = [
            (id_, {'active': False}) for code, (id_, stored) in known.items()
            if stored['active'] and code not in wanted]
        changed = [(id_, {**values, **today}) for id_, values in changes]
        steps = [
            *(partial(cls.create, part) for part in _slices(new)),
            *(partial(cls._write_each, part)
                for part in _slices(changed + missing)),
            ]
        for step in progress(steps):
            step()
        return ImportResult(len(new), len(changed), len(missing))

    @classmethod
    def _imported_values(cls, code, title, source):
        "Return the values that the import keeps equal to its source."
        names = everyday_names(cls.everyday_file).get(code, '')
        editions = getattr(source, 'other_editions', {})
        return {
            'name': title,
            'edition': editions.get(code, source.edition),
            'everyday_names': names,
            'active': True,
            }

    @classmethod
    def _known_codes(cls, *names):
        "Return a dictionary from code to (id, values of the fields)."
        table = cls.__table__()
        cursor = Transaction().connection.cursor()
        cursor.execute(*table.select(
                table.code, table.id, *(getattr(table, n) for n in names)))
        return {
            code: (id_, dict(zip(names, values, strict=True)))
            for code, id_, *values in cursor}

    @classmethod
    def _write_each(cls, changes):
        "Write a list of (id, values); equal values in one statement."
        ids = defaultdict(list)
        for id_, values in changes:
            ids[tuple(values.items())].append(id_)
        cls.write(*chain.from_iterable(
                (cls.browse(i), dict(values)) for values, i in ids.items()))


def _differences(stored, values):
    "Return those of the values that are stored otherwise."
    return {
        name: value for name, value in values.items()
        if (stored[name] or type(value)()) != value}


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


