# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What is done to the patient in a visit, by ICD-9-CM.

KMK HK.01.07/MENKES/1423/2022, outpatient, procedures; Ministry of Health,
outpatient playbook, procedures.
"""

from trytond.i18n import gettext
from trytond.model import Index, ModelSQL, ModelView, fields
from trytond.pool import PoolMeta
from trytond.pyson import Eval

from .exceptions import ProcedureTimeError
from .mixin import EncounterPartMixin, now, part_states


class Procedure(EncounterPartMixin, ModelSQL, ModelView):
    __name__ = 'clinic.procedure'

    code = fields.Many2One(
        'clinic.icd9cm', "ICD-9-CM", required=True, ondelete='RESTRICT',
        states=part_states)
    category = fields.Selection([
            (None, ""),
            ('diagnostic', "Diagnostic"),
            ('therapeutic', "Therapeutic"),
            ('counselling', "Counselling"),
            ], "Category", sort=False, states=part_states)
    performer = fields.Many2One(
        'company.employee', "Performer", required=True, ondelete='RESTRICT',
        domain=[
            ('company', '=', Eval('_parent_encounter', {}).get(
                    'company', -1)),
            ],
        states=part_states)
    performed_at = fields.DateTime(
        "Performed at", required=True, states=part_states)
    note = fields.Text("Note", states=part_states)

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_indexes.add(Index(t, (t.encounter, Index.Equality())))
        cls._order = [('performed_at', 'ASC'), ('id', 'ASC')]

    @classmethod
    def default_performer(cls):
        return cls.default_recorded_by()

    @classmethod
    def default_performed_at(cls):
        return now()

    def get_rec_name(self, name):
        return self.code.rec_name

    @classmethod
    def search_rec_name(cls, name, clause):
        return [('code.rec_name', *clause[1:])]

    @classmethod
    def validate_fields(cls, procedures, field_names):
        super().validate_fields(procedures, field_names)
        cls.check_times(procedures, field_names)

    @classmethod
    def check_times(cls, procedures, field_names=None):
        """Raise ProcedureTimeError for times outside of the visit.

        In the future, or before the examination began; before the arrival
        where the examination has not begun yet.
        """
        if field_names and 'performed_at' not in field_names:
            return
        present = now()
        for procedure in procedures:
            encounter = procedure.encounter
            start = encounter.started_at or encounter.arrived_at
            if procedure.performed_at > present:
                raise ProcedureTimeError(gettext(
                        'clinic_rme.msg_procedure_future',
                        procedure=procedure.rec_name))
            # A visit that begins later is refused itself
            if start and procedure.performed_at < start <= present:
                raise ProcedureTimeError(gettext(
                        'clinic_rme.msg_procedure_before_visit',
                        procedure=procedure.rec_name,
                        encounter=encounter.rec_name))


class Encounter(metaclass=PoolMeta):
    __name__ = 'clinic.encounter'

    procedures = fields.One2Many(
        'clinic.procedure', 'encounter', "Procedures")

    @classmethod
    def recorded_fields(cls):
        return super().recorded_fields() | {'procedures'}

    @classmethod
    def treatment_fields(cls):
        return super().treatment_fields() + ['procedures']
