# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Import of a clinic's own list of patients from a CSV file.

Nothing is written before the user has seen what would be, nothing at all as
long as one row has an error, and everything in one transaction.
"""

import re

from trytond.i18n import gettext
from trytond.model import ModelView, fields
from trytond.pool import Pool
from trytond.pyson import Eval
from trytond.tools import grouped_slice
from trytond.transaction import Transaction, without_check_access
from trytond.wizard import Button, StateTransition, StateView, Wizard

from .csv_file import read_csv, write_csv
from .patient_csv import PatientCSV, guess_columns

# Each record of a batch costs the more the larger the batch is
BATCH = 100
SHOWN = 50
SAMPLES = 5
PERSON = [
    'name', 'nik', 'birth_place', 'birth_date', 'sex', 'religion',
    'education', 'occupation', 'marital_status', 'blood_type', 'rhesus',
    'ethnicity', 'spoken_languages', 'mother_name']
# What is no phone number and no address is kept all the same
CONTACTS = {
    'phone': 'phone', 'email': 'email', 'no_phone': 'other',
    'no_email': 'other'}


def import_patients(rows):
    """Register the patients of a PatientPlan's rows; return how many.

    Those without a record number get one from the branch's sequence, and the
    sequences first go on behind the numbers that came with the rows.
    """
    with without_check_access():
        _pass_numbers([
                n for row in rows if (n := row.get('medical_record_number'))])
        for part in grouped_slice(rows, BATCH):
            _register(list(part))
    return len(rows)


def _register(rows):
    pool = Pool()
    Address = pool.get('party.address')
    Contact = pool.get('party.contact_mechanism')
    Party = pool.get('party.party')
    Patient = pool.get('clinic.patient')
    codes = _codes(len(rows))
    parties = Party.create([{
                **{name: row.get(name) for name in PERSON},
                **({'code': code} if code else {}),
                } for row, code in zip(rows, codes, strict=True)])
    people = list(zip(parties, rows, strict=True))
    Address.create([
            {'party': party.id, **address}
            for party, row in people if (address := _address(row))])
    Contact.create([
            {'party': party.id, 'type': type_, 'value': row[target]}
            for party, row in people
            for target, type_ in CONTACTS.items() if row.get(target)])
    numbers = _numbers(
        sum(not row.get('medical_record_number') for row in rows))
    Patient.create([{
                'party': party.id,
                'medical_record_number': (
                    row.get('medical_record_number') or next(numbers)),
                **{name: row.get(name) for name in [
                        'payer', 'payer_name', 'payer_number']},
                'related_persons': [('create', _guardian(row))],
                } for party, row in people])


def _codes(count):
    "Return the codes of the next persons, None where they have no sequence"
    sequence = Pool().get('party.party')._code_sequence()
    return list(sequence.get_many(count)) if sequence else [None] * count


def _numbers(count):
    "Return an iterator over the next record numbers of the branch"
    pool = Pool()
    Configuration = pool.get('clinic.configuration')
    User = pool.get('res.user')
    branch = User(Transaction().user).company
    sequence = Configuration(1).get_multivalue(
        'patient_sequence', company=branch.id if branch else None)
    return sequence.get_many(count) if count else iter(())


def _address(row):
    address = {
        'street_unstructured': row.get('street'),
        **{name: row.get(name) for name in ['rt', 'rw', 'region']},
        }
    return address if any(address.values()) else None


def _guardian(row):
    "Return the values of who answers for the patient, in a list"
    name = row.get('guardian_name')
    if not name:
        return []
    return [{
            'name': name,
            'relationship': row.get('guardian_relationship') or 'other',
            'phone': row.get('guardian_phone'),
            'guardian': True,
            }]


def _pass_numbers(numbers):
    "Let no sequence of record numbers give one of these numbers again"
    pool = Pool()
    ModelData = pool.get('ir.model.data')
    Sequence = pool.get('ir.sequence')
    for sequence in Sequence.search([
                ('sequence_type', '=', ModelData.get_id(
                        'clinic_rme', 'sequence_type_patient')),
                ('type', '=', 'incremental'),
                ]):
        prefix, suffix = map(
            Sequence._process, [sequence.prefix, sequence.suffix])
        pattern = re.compile(
            re.escape(prefix) + r'(\d+)' + re.escape(suffix))
        taken = [
            int(match[1]) for match in map(pattern.fullmatch, numbers)
            if match and match[1] == f'{int(match[1]):0>{sequence.padding}d}']
        if taken and max(taken) >= sequence.number_next:
            sequence.number_next = max(taken) + 1
            sequence.save()


class ImportPatientStart(ModelView):
    __name__ = 'clinic.patient.import.start'

    file = fields.Binary("File", required=True, filename='file_name')
    file_name = fields.Char("File Name")
    encoding = fields.Selection([
            (None, "Detect"),
            ('utf-8', "UTF-8"),
            ('cp1252', "Windows"),
            ], "Encoding", sort=False,
        help="How the program that saved the file writes letters.")


class ImportPatientColumn(ModelView):
    __name__ = 'clinic.patient.import.column'
    _rec_name = 'title'

    title = fields.Char("Column", readonly=True, strip=False)
    samples = fields.Char(
        "First Rows", readonly=True, strip=False,
        help="What stands in the column's first rows.")
    target = fields.Selection([
            (None, "Not imported"),
            ('medical_record_number', "Medical Record Number"),
            ('name', "Name"),
            ('nik', "NIK"),
            ('birth_place', "Birth Place"),
            ('birth_date', "Birth Date"),
            ('sex', "Sex"),
            ('street', "Address"),
            ('rt', "RT"),
            ('rw', "RW"),
            ('region_code', "Region Code"),
            ('phone', "Phone"),
            ('email', "E-Mail"),
            ('religion', "Religion"),
            ('education', "Education"),
            ('occupation', "Occupation"),
            ('marital_status', "Marital Status"),
            ('blood_type', "Blood Type"),
            ('ethnicity', "Ethnicity"),
            ('spoken_languages', "Spoken Languages"),
            ('mother_name', "Mother's Name"),
            ('payer', "Payer"),
            ('payer_number', "Card Number"),
            ('guardian_name', "Guardian's Name"),
            ('guardian_relationship', "Guardian's Relationship"),
            ('guardian_phone', "Guardian's Phone"),
            ], "Imported as", sort=False)


class ImportPatientMapping(ModelView):
    __name__ = 'clinic.patient.import.mapping'

    columns = fields.One2Many(
        'clinic.patient.import.column', None, "Columns")
    date_order = fields.Selection([
            (None, "Detect"),
            ('dmy', "Day, Month, Year"),
            ('mdy', "Month, Day, Year"),
            ], "Order of Dates", sort=False,
        help="Dates that begin with the year are understood without it.")


class ImportPatientResult(ModelView):
    __name__ = 'clinic.patient.import.result'

    new = fields.Integer("New Patients", readonly=True)
    faulty = fields.Integer("Rows with Errors", readonly=True)
    doubtful = fields.Integer(
        "Rows with Warnings", readonly=True,
        help="They are imported as they are told below.")
    findings = fields.Text("Errors and Warnings", readonly=True)
    report = fields.Binary(
        "All of Them as CSV", readonly=True, filename='report_name',
        states={
            'invisible': ~Eval('findings'),
            })
    report_name = fields.Char("Report Name", readonly=True)


class ImportPatient(Wizard):
    __name__ = 'clinic.patient.import'

    start = StateView(
        'clinic.patient.import.start',
        'clinic_rme.import_patient_start_view_form', [
            Button("Cancel", 'end', 'tryton-cancel'),
            Button("Continue", 'mapping', 'tryton-forward', default=True),
            ])
    mapping = StateView(
        'clinic.patient.import.mapping',
        'clinic_rme.import_patient_mapping_view_form', [
            Button("Cancel", 'end', 'tryton-cancel'),
            Button("Back", 'start', 'tryton-back'),
            Button("Check", 'preview', 'tryton-forward', default=True),
            ])
    preview = StateView(
        'clinic.patient.import.result',
        'clinic_rme.import_patient_preview_view_form', [
            Button("Cancel", 'end', 'tryton-cancel'),
            Button("Back", 'mapping', 'tryton-back'),
            Button(
                "Import", 'import_', 'tryton-launch', default=True,
                states={'invisible': Eval('faulty', 0) > 0}),
            ])
    import_ = StateTransition()
    result = StateView(
        'clinic.patient.import.result',
        'clinic_rme.import_patient_result_view_form', [
            Button("OK", 'end', 'tryton-ok', default=True),
            ])

    def _table(self):
        return read_csv(bytes(self.start.file), self.start.encoding)

    def _plan(self):
        return PatientCSV(
            self._table(),
            {c.title: c.target for c in self.mapping.columns or []},
            self.mapping.date_order).plan()

    def default_mapping(self, fields):
        table = self._table()
        targets = guess_columns(table.columns)
        return {
            'columns': [{
                    'title': title,
                    'samples': ' | '.join(
                        cells[i] for _, cells in table.rows[:SAMPLES]
                        if i < len(cells) and cells[i]),
                    'target': targets.get(title),
                    } for i, title in enumerate(table.columns)],
            }

    def default_preview(self, fields):
        plan = self._plan()
        faulty = {f.line for f in plan.errors}
        return {
            'new': len(plan.rows) - len(faulty),
            'faulty': len(faulty),
            'doubtful': len({f.line for f in plan.warnings} - faulty),
            'findings': '\n'.join(
                _told(f) for f in [*plan.errors, *plan.warnings][:SHOWN]),
            'report': _report(plan.findings) if plan.findings else None,
            'report_name': 'impor-pasien.csv',
            }

    def transition_import_(self):
        plan = self._plan()
        if plan.errors:
            return 'preview'
        self.result.new = import_patients(plan.rows)
        return 'result'

    def default_result(self, fields):
        return {'new': self.result.new}


def _told(finding):
    message = ('msg_patient_import_error' if finding.error
        else 'msg_patient_import_warning')
    return gettext(
        f'clinic_rme.{message}', line=finding.line, column=finding.column,
        text=finding.text)


def _report(findings):
    "Return a CSV file with the findings, in the order of the rows"
    kinds = {
        error: gettext(f'clinic_rme.msg_patient_import_kind_{name}')
        for error, name in [(True, 'error'), (False, 'warning')]}
    return write_csv(
        [gettext(f'clinic_rme.msg_patient_import_title_{name}')
            for name in ['line', 'kind', 'column', 'cell', 'reason']],
        [[f.line, kinds[f.error], f.column, f.cell, f.text]
            for f in findings])
