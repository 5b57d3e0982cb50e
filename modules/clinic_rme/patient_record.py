# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""One patient's whole record as a document of plain JSON values.

What belongs to it is found by what leads to the patient or to one of the
visits, so that a new kind of entry is in it by itself.  The structure is told
in the developer's guide; VERSION counts its changes.
"""

import base64
import datetime as dt
from collections import defaultdict
from decimal import Decimal

from trytond.i18n import gettext
from trytond.model import ModelSQL
from trytond.pool import Pool
from trytond.tools import grouped_slice, timezone
from trytond.transaction import (
    Transaction, check_access, inactive_records, without_check_access)

from .mixin import stored_fields

FORMAT = 'klinik-rme.patient-record'
VERSION = 1
ENCOUNTER, PATIENT = 'clinic.encounter', 'clinic.patient'
ABOUT_PERSON = ['party.address', 'party.contact_mechanism', 'party.identifier']
RESOURCES = ['ir.note', 'ir.attachment']
# Kept by the server for itself, or too large for a document of text
LEFT_OUT = {
    'uid', 'code_alnum', 'code_digit', 'data', 'file_id', 'resource'}
COMPUTED = {
    'party.address': ['full_address'],
    'clinic.amendment': ['changes', 'old_values'],
    'ir.attachment': ['data_size'],
    }
SLICE = 500


# What hangs on an order of a visit: it may come after the visit's end
OF_ORDER = {
    'clinic.specimen': 'order.encounter.patient',
    'clinic.result.value': 'result.order.encounter.patient',
    }


def entry_models():
    """Return the names of the models whose records belong to a visit.

    Those of the medical record that lead to it by their field `encounter`.
    """
    return _leading_to(ENCOUNTER, 'encounter')


def patient_models():
    "Return the names of the models that belong to a patient but to no visit"
    return [
        *(name for name in _leading_to(PATIENT, 'patient')
            if name not in {ENCOUNTER, 'clinic.record.export'}
            and name not in entry_models()),
        *OF_ORDER]


def _leading_to(target, field):
    return sorted(
        name for name, Model in Pool().iterobject()
        if name.startswith('clinic.') and issubclass(Model, ModelSQL)
        and not callable(getattr(Model, 'table_query', None))
        and getattr(Model._fields.get(field), 'model_name', None) == target)


class PatientRecord:
    """The record of a patient, as far as the user may read it.

    `withheld` names the models and fields that the user has no right to, and
    `complete` tells whether there are no visits beside those that are shown.
    """

    def __init__(self, patient):
        self.patient = patient.current
        self.withheld = set()
        self.complete = True
        self._definitions = {}

    def document(self):
        "Return the record as a dictionary of JSON values"
        patients = self._search(
            PATIENT, [('id', 'in', [p.id for p in self.patient.records])])
        person = self.patient.party.id
        ids = [p.id for p in patients]
        return {
            'format': FORMAT,
            'version': VERSION,
            'person': self._rows('party.party', [('id', '=', person)]),
            **{model.partition('.')[2]: self._rows(
                    model, [('party', '=', person)])
                for model in ABOUT_PERSON},
            'patient': [self._row(p, self._zone()) for p in patients],
            'about_patient': {
                model: self._rows(model, [
                        (OF_ORDER.get(model, 'patient'), 'in', ids)])
                for model in patient_models()},
            'visits': self._visits(ids),
            'complete': self.complete,
            'withheld': sorted(self.withheld),
            }

    def _visits(self, patients):
        domain = [('patient', 'in', patients)]
        visits = sorted(
            self._search(ENCOUNTER, domain),
            key=lambda v: (v.arrived_at or v.create_date, v.id))
        with without_check_access():
            self.complete = len(visits) == Pool().get(ENCOUNTER).search(
                domain, count=True)
        zones = {
            v.id: timezone.ZoneInfo(v.company.timezone) for v in visits}
        entries = {
            model: self._search(model, [('encounter', 'in', list(zones))])
            for model in entry_models()}
        owners = {str(v): v.id for v in visits}
        rows = {id_: {model: [] for model in entries} for id_ in zones}
        for model, records in entries.items():
            for record in records:
                visit = record.encounter.id
                owners[str(record)] = visit
                rows[visit][model].append(self._row(record, zones[visit]))
        attached = self._attached(owners, zones)
        return [{
                'encounter': self._row(visit, zones[visit.id]),
                'entries': rows[visit.id],
                **{model: attached[visit.id, model] for model in RESOURCES},
                } for visit in visits]

    def _attached(self, owners, zones):
        "Return {(visit, model): rows} of notes and attachments"
        found = defaultdict(list)
        for model in RESOURCES:
            for part in grouped_slice(list(owners), SLICE):
                for record in self._search(
                        model, [('resource', 'in', list(part))]):
                    visit = owners[str(record.resource)]
                    found[visit, model].append({
                            'of': str(record.resource),
                            **self._row(record, zones[visit])})
        return found

    def _zone(self):
        "Return the time zone of the branch in which the user works"
        company = Transaction().context.get('company')
        if company is None or company < 0:
            return timezone.UTC
        return timezone.ZoneInfo(
            Pool().get('company.company')(company).timezone)

    def _search(self, model, domain):
        "Return the records that the user may read, the oldest first"
        pool = Pool()
        Access = pool.get('ir.model.access')
        Model = pool.get(model)
        with check_access(), inactive_records():
            if not Access.check(model, 'read', raise_exception=False):
                self.withheld.add(model)
                return []
            found = Model.search(domain, order=[('id', 'ASC')])
        with without_check_access():
            return Model.browse([r.id for r in found])

    def _rows(self, model, domain):
        zone = self._zone()
        return [self._row(r, zone) for r in self._search(model, domain)]

    def _row(self, record, zone):
        "Return what a record holds, who made it and when; no empty values"
        fields = {}
        for name, definition in self._definition(record.__class__).items():
            value = getattr(record, name)
            if value is None or value == () or value == '':
                continue
            fields[name] = {
                'label': definition['string'],
                'value': _value(value, zone),
                'text': _text(value, definition, zone),
                }
            if code := getattr(value, 'code_sealed', None):
                fields[name]['code'] = getattr(value, code)
        row = {'id': record.id}
        if 'uid' in record._fields:
            row['uid'] = record.uid
        row['created'] = _signed(record.create_date, record.create_uid, zone)
        if record.write_date:
            row['changed'] = _signed(record.write_date, record.write_uid, zone)
        return {**row, 'fields': fields}

    def _definition(self, Model):
        "Return {name: definition} of the fields that the user may read"
        name = Model.__name__
        if name not in self._definitions:
            Access = Pool().get('ir.model.field.access')
            rights = Access.get_access([name])[name]
            names = {
                *stored_fields(Model), *COMPUTED.get(name, [])} - LEFT_OUT
            denied = {
                n for n in names if n in rights and not rights[n]['read']}
            self.withheld |= {f'{name}.{n}' for n in denied}
            with without_check_access():
                self._definitions[name] = Model.fields_get(
                    sorted(names - denied))
        return self._definitions[name]


def _signed(time, user, zone):
    return {
        'at': _value(time.replace(microsecond=0), zone),
        'by': user.rec_name if user else None,
        }


def _value(value, zone):
    "Return the stored value as JSON has it; times with the offset of the zone"
    if isinstance(value, dt.datetime):
        return _local(value, zone).isoformat()
    if isinstance(value, (dt.date, dt.time)):
        return value.isoformat()
    if isinstance(value, dt.timedelta):
        return value.total_seconds()
    if isinstance(value, Decimal):
        return format(value, 'f')
    if isinstance(value, (bytes, bytearray)):
        return base64.b64encode(value).decode()
    if isinstance(value, (list, tuple)):
        return [_value(v, zone) for v in value]
    if isinstance(value, dict):
        return {k: _value(v, zone) for k, v in value.items()}
    if isinstance(value, ModelSQL):
        return value.id
    return value


def _text(value, definition, zone):
    "Return the value in words"
    if isinstance(value, (list, tuple)):
        return ', '.join(_text(v, definition, zone) for v in value)
    if isinstance(value, ModelSQL):
        return value.rec_name
    if isinstance(value, bool):
        return gettext(
            f'clinic_rme.msg_patient_record_{"yes" if value else "no"}')
    if isinstance(value, (dt.date, dt.datetime)):
        Lang = Pool().get('ir.lang')
        if isinstance(value, dt.datetime):
            value = _local(value, zone)
        return Lang.get().strftime(value)
    if isinstance(value, (bytes, bytearray)):
        return ''
    selection = definition.get('selection')
    if isinstance(selection, (list, tuple)):
        return dict(selection).get(value, str(value))
    return str(value)


def _local(time, zone):
    return time.replace(tzinfo=timezone.UTC).astimezone(zone)
