# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""A clinic's own list of patients, read from a CSV file and checked.

Every cell ends up in a field, or in a finding that says why it does not.
"""

import datetime as dt
import re
from collections import defaultdict
from itertools import chain
from typing import NamedTuple

from trytond.i18n import gettext
from trytond.pool import Pool
from trytond.tools import grouped_slice
from trytond.tools.email_ import EmailNotValidError, validate_email
from trytond.transaction import inactive_records

from . import nik as nik_
from . import patient_words as words
from .contact import international
from .csv_file import FORMULA
from .exceptions import CSVFileError
from .party import OLDEST_BIRTH_DATE
from .search import normalised

SLICE = 1000
MAX_LENGTH = 200
MAX_LENGTHS = {'street': 500, 'rt': 3, 'rw': 3}
DATE = re.compile(r'(\d{1,4})[/.\- ](\d{1,2})[/.\- ](\d{1,4})(?:[ T][\d:.]+)?')
RHESUS = re.compile(r'^(ab|a|b|o|0)\s*(?:rh\w*)?\s*(\+|-|pos\w*|neg\w*)?$')
EMAIL = re.compile(r'[^@\s]+@[^@\s]+')
SCIENTIFIC = re.compile(r'\d([.,]\d+)?e\+?\d+', re.IGNORECASE)
WORDS = {
    'religion': words.RELIGIONS,
    'education': words.EDUCATIONS,
    'marital_status': words.MARITAL_STATUSES,
    'payer': words.PAYERS,
    }


class Finding(NamedTuple):
    "What is wrong with a row; only errors keep the file from being imported"
    line: int
    column: str
    cell: str
    text: str
    error: bool = True


class PatientPlan(NamedTuple):
    """What an import would do.

    `rows` is a list of {target: value}; `findings` are in the order of the
    file.
    """
    rows: list
    findings: list

    @property
    def errors(self):
        return [f for f in self.findings if f.error]

    @property
    def warnings(self):
        return [f for f in self.findings if not f.error]


class CellError(Exception):
    "What is in the cell can not be imported"


def guess_columns(columns):
    "Return {title: target} of the titles that are known"
    found, taken = {}, set()
    for title in columns:
        target = next((
                t for t, names in words.TITLES.items()
                if normalised(title) in names and t not in taken), None)
        if target:
            found[title] = target
            taken.add(target)
    return found


def date_orders(cells):
    """Return in which orders the dates can be read.

    A subset of 'dmy' and 'mdy'; both when no date tells, none when all of
    them begin with the year.  Where they contradict each other day first,
    which is how dates are written in Indonesia.
    """
    pairs = [
        (int(match[1]), int(match[2]))
        for match in map(DATE.fullmatch, cells)
        if match and len(match[1]) < 4 and match[1] != match[2]]
    if any(first > 12 for first, _ in pairs):
        return {'dmy'}
    if any(second > 12 for _, second in pairs):
        return {'mdy'}
    return {'dmy', 'mdy'} if pairs else set()


class PatientCSV:
    "The rows of a CSV file, read as patients and checked"

    def __init__(self, table, mapping, order=None):
        """Take a CSVTable, {title of a column: target} and the date order.

        Raises CSVFileError when two columns have one target, the name is in
        none, or the order of the dates is not given and can not be told.
        """
        self.table = table
        self.mapping = [
            (i, title, mapping[title])
            for i, title in enumerate(table.columns) if mapping.get(title)]
        targets = [target for _, _, target in self.mapping]
        if len(targets) > len(set(targets)):
            raise CSVFileError(
                gettext('clinic_rme.msg_patient_import_twice_mapped'))
        if 'name' not in targets:
            raise CSVFileError(
                gettext('clinic_rme.msg_patient_import_no_name'))
        self.titles = {target: title for _, title, target in self.mapping}
        self.order = order or self._order()
        self.today = Pool().get('ir.date').today()

    def _order(self):
        column = next(
            (i for i, _, target in self.mapping if target == 'birth_date'),
            None)
        if column is None:
            return 'dmy'
        orders = date_orders(
            _clean('birth_date', cells[column])
            for _, cells in self.table.rows if column < len(cells))
        if len(orders) > 1:
            raise CSVFileError(
                gettext('clinic_rme.msg_patient_import_date_order'))
        return orders.pop() if orders else 'dmy'

    def plan(self):
        "Return the PatientPlan of the file; nothing is written"
        read = [(line, *self._row(line, cells))
            for line, cells in self.table.rows]
        findings = defaultdict(list)
        for line, _, found in read:
            findings[line] += found
        rows = [(line, values) for line, values, _ in read]
        for finding in chain(
                self._twice_in_file(rows), self._known(rows),
                self._unknown_regions(rows), self._namesakes(rows)):
            findings[finding.line].append(finding)
        return PatientPlan(
            [values for _, values in rows],
            list(chain.from_iterable(findings.values())))

    def _row(self, line, cells):
        "Return ({target: value}, findings) of one row"
        if len(cells) > len(self.table.columns):
            return {}, [Finding(
                    line, '', '', gettext(
                        'clinic_rme.msg_medicine_import_cells'))]
        values, findings = {}, []
        for i, title, target in self.mapping:
            cell = _clean(target, cells[i] if i < len(cells) else '')
            if not cell:
                continue
            try:
                found, warning = self._cell(target, cell)
            except CellError as error:
                findings.append(Finding(line, title, cell, str(error)))
                continue
            values.update(found)
            if warning:
                findings.append(Finding(line, title, cell, warning, False))
        if not values.get('name') and not any(
                f.column == self.titles['name'] for f in findings):
            findings.append(Finding(
                    line, self.titles['name'], '',
                    gettext('clinic_rme.msg_patient_import_name')))
        if values.get('guardian_phone') and not values.get('guardian_name'):
            findings.append(self._finding(
                    line, 'guardian_phone', values['guardian_phone'],
                    'msg_patient_import_guardian'))
        findings.extend(self._disagreements(line, values))
        return values, findings

    def _cell(self, target, cell):
        "Return ({target: value}, warning or None); raise CellError"
        length = MAX_LENGTHS.get(target, MAX_LENGTH)
        if len(cell) > length:
            raise CellError(gettext(
                    'clinic_rme.msg_patient_import_too_long', length=length))
        if target in WORDS:
            return _word(target, cell, WORDS[target])
        reader = getattr(self, f'_read_{target}', None)
        return reader(cell) if reader else ({target: cell}, None)

    def _read_nik(self, cell):
        if SCIENTIFIC.fullmatch(cell):
            raise CellError(
                gettext('clinic_rme.msg_patient_import_scientific'))
        nik = nik_.compact(cell)
        if problem := nik_.problem(nik or ''):
            raise CellError(gettext(
                    f'clinic_rme.msg_nik_{problem}', count=len(nik or '')))
        return {'nik': nik}, None

    def _read_birth_date(self, cell):
        match = DATE.fullmatch(cell)
        date = match and _date(match, self.order)
        if not date:
            raise CellError(gettext('clinic_rme.msg_patient_import_date'))
        if not OLDEST_BIRTH_DATE <= date <= self.today:
            raise CellError(gettext('clinic_rme.msg_birth_date'))
        return {'birth_date': date}, None

    def _read_sex(self, cell):
        sex = words.SEXES.get(normalised(cell))
        if not sex:
            raise CellError(gettext('clinic_rme.msg_patient_import_sex'))
        return {'sex': sex}, None

    def _read_occupation(self, cell):
        found = words.OCCUPATIONS.get(normalised(cell))
        return {'occupation': found or 'other'}, None if found else gettext(
            'clinic_rme.msg_patient_import_occupation')

    def _read_blood_type(self, cell):
        match = RHESUS.fullmatch(cell.lower())
        if not match:
            return {}, gettext('clinic_rme.msg_patient_import_word')
        rhesus = match[2] and words.RHESUS_FACTORS[match[2][:3]]
        return {
            'blood_type': words.BLOOD_TYPES[match[1]], 'rhesus': rhesus,
            }, None

    def _read_phone(self, cell):
        if international(cell):
            return {'phone': cell}, None
        return {'no_phone': cell}, gettext(
            'clinic_rme.msg_patient_import_phone')

    def _read_guardian_phone(self, cell):
        if international(cell):
            return {'guardian_phone': cell}, None
        raise CellError(gettext('clinic_rme.msg_phone', phone=cell))

    def _read_guardian_relationship(self, cell):
        found = words.RELATIONSHIPS.get(normalised(cell))
        return {'guardian_relationship': found or 'other'}, (
            None if found
            else gettext('clinic_rme.msg_patient_import_relationship'))

    def _read_email(self, cell):
        try:
            if not EMAIL.fullmatch(cell):
                raise EmailNotValidError
            validate_email(cell)
        except EmailNotValidError:
            return {'no_email': cell}, gettext(
                'clinic_rme.msg_patient_import_email')
        return {'email': cell}, None

    def _read_region_code(self, cell):
        return {'region_code': re.sub(r'\D', '', cell)}, None

    def _disagreements(self, line, values):
        "Yield warnings where NIK, birth date and sex contradict each other"
        if nik := values.get('nik'):
            for name in sorted(nik_.disagreements(
                        nik, values.get('birth_date'), values.get('sex'))):
                yield Finding(
                    line, self.titles['nik'], nik,
                    gettext(f'clinic_rme.msg_nik_{name}'), False)

    def _twice_in_file(self, rows):
        "Yield errors for what only one person can have"
        for target in ['nik', 'medical_record_number']:
            first = {}
            for line, values in rows:
                if value := values.get(target):
                    other = first.setdefault(value, line)
                    if other != line:
                        yield self._finding(
                            line, target, value,
                            'msg_patient_import_twice', other=other)

    def _known(self, rows):
        "Yield errors for a NIK or a record number that is stored already"
        for model, target, message in [
                ('party.party', 'nik', 'msg_nik_unique'),
                ('clinic.patient', 'medical_record_number',
                    'msg_patient_import_number')]:
            stored = _stored(
                model, target, [v.get(target) for _, v in rows])
            for line, values in rows:
                if values.get(target) in stored:
                    yield self._finding(
                        line, target, values[target], message)

    def _unknown_regions(self, rows):
        "Put the id in place of the region's code; yield what has none"
        codes = _stored(
            'clinic.region', 'code', [v.get('region_code') for _, v in rows])
        for line, values in rows:
            if 'region_code' not in values:
                continue
            code = values.pop('region_code')
            values['region'] = codes.get(code)
            if code not in codes:
                yield self._finding(
                    line, 'region_code', code, 'msg_patient_import_region')

    def _namesakes(self, rows):
        "Yield warnings for the same name and birth date"
        first = {}
        stored = _people([v.get('birth_date') for _, v in rows])
        for line, values in rows:
            if not values.get('name') or not values.get('birth_date'):
                continue
            key = normalised(values['name']), values['birth_date']
            if key in stored:
                yield self._finding(
                    line, 'name', values['name'], 'msg_person_duplicate',
                    error=False, person=stored[key])
            other = first.setdefault(key, line)
            if other != line:
                yield self._finding(
                    line, 'name', values['name'],
                    'msg_patient_import_namesake', error=False, other=other)

    def _finding(
            self, line, target, cell, message, error=True, **variables):
        return Finding(
            line, self.titles[target], cell,
            gettext(f'clinic_rme.{message}', **variables), error)


def _clean(target, cell):
    """Return the text of the cell, empty when it has nothing to say.

    In one line, but for the address.
    """
    text = cell.strip() if target == 'street' else ' '.join(cell.split())
    if text.startswith("'") and text[1:2].startswith((*FORMULA, *'0123456789')):
        text = text[1:]
    nothing = text.lower() in words.NOTHING
    if nothing and not (target == 'blood_type' and text == '0'):
        return ''
    return text


def _word(target, cell, known):
    found = known.get(normalised(cell))
    if not found:
        return {}, gettext('clinic_rme.msg_patient_import_word')
    values = {target: found}
    if found in {'insurance', 'company'}:
        values['payer_name'] = cell
    return values, None


def _date(match, order):
    "Return the date, None when there is no such day"
    if len(match[1]) == 4:
        year, month, day = match.groups()
    elif order == 'dmy':
        day, month, year = match.groups()
    else:
        month, day, year = match.groups()
    if len(year) < 4:
        return None
    try:
        return dt.date(int(year), int(month), int(day))
    except ValueError:
        return None


def _stored(model, name, values):
    "Return {value: id} of those that are stored, inactive ones too"
    Model = Pool().get(model)
    found = {}
    with inactive_records():
        for part in grouped_slice(sorted({*filter(None, values)}), SLICE):
            for row in Model.search_read(
                    [(name, 'in', list(part))], fields_names=[name]):
                found[row[name]] = row['id']
    return found


def _people(birth_dates):
    "Return {(name, birth date): name} of those born on one of the days"
    Party = Pool().get('party.party')
    found = {}
    for part in grouped_slice(sorted({*filter(None, birth_dates)}), SLICE):
        for row in Party.search_read(
                [('birth_date', 'in', list(part))],
                fields_names=['name', 'birth_date']):
            key = normalised(row['name']), row['birth_date']
            found[key] = row['name']
    return found
