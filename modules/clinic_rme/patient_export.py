# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Handing out a patient's whole record, and who did it and why.

PMK 24/2022, articles 33 to 37: a record is disclosed on a ground, and only as
far as it is needed.
"""

import datetime as dt
import hashlib
import json

from trytond.i18n import gettext
from trytond.model import Index, ModelSQL, ModelView, fields
from trytond.pool import Pool
from trytond.transaction import Transaction, without_check_access
from trytond.wizard import Button, StateTransition, StateView, Wizard

from .exceptions import RecordExportError
from .mixin import BranchMixin, now
from .patient_record import PatientRecord


class RecordExport(BranchMixin, ModelSQL, ModelView):
    "That a record was handed out; nobody changes or deletes it"
    __name__ = 'clinic.record.export'

    patient = fields.Many2One(
        'clinic.patient', "Patient", required=True, readonly=True,
        ondelete='RESTRICT')
    company = fields.Many2One(
        'company.company', "Branch", readonly=True, ondelete='RESTRICT',
        help="The branch in which the user worked.")
    user = fields.Many2One(
        'res.user', "User", required=True, readonly=True,
        ondelete='RESTRICT')
    employee = fields.Many2One(
        'company.employee', "Employee", readonly=True, ondelete='RESTRICT')
    exported_at = fields.DateTime("Exported at", required=True, readonly=True)
    reason = fields.Text(
        "Reason", required=True, readonly=True, loading='eager')
    visits = fields.Integer("Visits", required=True, readonly=True)
    hash = fields.Char(
        "File SHA-256", required=True, readonly=True,
        help="Of the file as it was handed out.")

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_indexes.add(Index(t, (t.patient, Index.Equality())))
        cls._order = [('exported_at', 'DESC'), ('id', 'DESC')]

    def get_rec_name(self, name):
        return self.patient.rec_name

    @classmethod
    def search_rec_name(cls, name, clause):
        return [('patient.rec_name', *clause[1:])]

    @classmethod
    def check_modification(cls, mode, exports, values=None, external=False):
        super().check_modification(
            mode, exports, values=values, external=external)
        if external or mode in {'write', 'delete'}:
            raise RecordExportError(
                gettext('clinic_rme.msg_record_export_access'))

    @classmethod
    def export(cls, patient, reason):
        """Return the bytes of the patient's record as JSON, and note it.

        What the user has no right to read is not in it.  Raises
        RecordExportError without a reason.
        """
        reason = (reason or '').strip()
        if not reason:
            raise RecordExportError(
                gettext('clinic_rme.msg_record_export_reason'))
        User = Pool().get('res.user')
        user = User(Transaction().user)
        exported_at = now()
        document = PatientRecord(patient).document()
        document['exported'] = {
            'at': exported_at.replace(tzinfo=dt.timezone.utc).isoformat(),
            'by': user.employee.rec_name if user.employee else user.rec_name,
            'reason': reason,
            }
        data = json.dumps(
            document, ensure_ascii=False, indent=1, allow_nan=False).encode()
        with without_check_access():
            cls.create([{
                        'patient': patient.id,
                        'company': user.company.id if user.company else None,
                        'user': user.id,
                        'employee': user.employee.id if user.employee else None,
                        'exported_at': exported_at,
                        'reason': reason,
                        'visits': len(document['visits']),
                        'hash': hashlib.sha256(data).hexdigest(),
                        }])
        return data


class ExportPatientAsk(ModelView):
    __name__ = 'clinic.patient.export.ask'

    reason = fields.Text(
        "Reason", required=True,
        help="For whom the record is, and on what ground. It is kept with "
        "your name.")


class ExportPatientResult(ModelView):
    __name__ = 'clinic.patient.export.result'

    file = fields.Binary("File", readonly=True, filename='file_name')
    file_name = fields.Char("File Name", readonly=True)


class ExportPatient(Wizard):
    __name__ = 'clinic.patient.export'

    start_state = 'ask'
    ask = StateView(
        'clinic.patient.export.ask',
        'clinic_rme.export_patient_ask_view_form', [
            Button("Cancel", 'end', 'tryton-cancel'),
            Button("Export", 'export', 'tryton-export', default=True),
            ])
    export = StateTransition()
    result = StateView(
        'clinic.patient.export.result',
        'clinic_rme.export_patient_result_view_form', [
            Button("Close", 'end', 'tryton-close', default=True),
            ])

    def transition_export(self):
        Export = Pool().get('clinic.record.export')
        self.result.file = Export.export(self.record, self.ask.reason)
        self.result.file_name = (
            f'{self.record.medical_record_number}.json')
        return 'result'

    def default_result(self, fields):
        file, self.result.file = self.result.file, None
        return {'file': file, 'file_name': self.result.file_name}
