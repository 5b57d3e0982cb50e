# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What is ordered from laboratory and radiology in a visit.

The order closes and is sealed with its visit, what becomes of it is not.

Ministry of Health, outpatient playbook, laboratory and radiology; KMK
HK.01.07/MENKES/1423/2022, outpatient, supporting examinations.
"""

from trytond.i18n import gettext
from trytond.model import Index, ModelSQL, ModelView, fields
from trytond.pool import Pool, PoolMeta
from trytond.pyson import Eval, If

from .company import PRACTITIONERS
from .exceptions import OrderError
from .investigation import KINDS
from .mixin import EncounterPartMixin, now, part_states
from .order_course import OPEN, CourseMixin


class Order(CourseMixin, EncounterPartMixin, ModelSQL, ModelView):
    __name__ = 'clinic.order'

    investigation = fields.Many2One(
        'clinic.investigation', "Investigation", required=True,
        ondelete='RESTRICT', states=part_states)
    kind = fields.Function(
        fields.Selection(KINDS, "Kind", sort=False),
        'on_change_with_kind', searcher='search_kind')
    priority = fields.Selection([
            ('routine', "Routine"),
            ('urgent', "Urgent"),
            ('stat', "Immediately (CITO)"),
            ], "Priority", required=True, sort=False, states=part_states)
    reason = fields.Text(
        "Clinical Note", states=part_states,
        help="Why it is ordered, and what the examiner has to know.")
    preparation = fields.Char(
        "Preparation", strip=False, states=part_states,
        help="What the patient is told before: fasting.")
    requester = fields.Many2One(
        'company.employee', "Ordered by", required=True, ondelete='RESTRICT',
        domain=[
            ('company', '=', Eval('_parent_encounter', {}).get(
                    'company', -1)),
            ('profession', 'in', PRACTITIONERS),
            ],
        states=part_states)
    ordered_at = fields.DateTime(
        "Ordered at", required=True, states=part_states)
    performing = fields.Selection([
            ('here', "Here"),
            ('referred', "Sent Out"),
            ], "Performed", required=True, sort=False, states=part_states)
    performing_facility = fields.Char(
        "Performing Facility", strip=False,
        states={
            'required': Eval('performing') == 'referred',
            'invisible': Eval('performing') != 'referred',
            **part_states},
        help="The laboratory or the facility that it is sent to.")
    patient = fields.Function(
        fields.Many2One('clinic.patient', "Patient"),
        'get_patient', searcher='search_patient')
    mine = fields.Function(
        fields.Boolean("Mine"), 'get_mine', searcher='search_mine')

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_indexes.update({
                Index(t, (t.encounter, Index.Equality())),
                Index(t, (t.ordered_at, Index.Range()),
                    where=t.state.in_(OPEN)),
                })
        cls._order = [('ordered_at', 'ASC'), ('id', 'ASC')]

    @classmethod
    def default_priority(cls):
        return 'routine'

    @classmethod
    def default_performing(cls):
        return 'here'

    @classmethod
    def default_requester(cls):
        Employee = Pool().get('company.employee')
        employee = cls.default_recorded_by()
        if employee and Employee(employee).profession in PRACTITIONERS:
            return employee
        return None

    @classmethod
    def default_ordered_at(cls):
        return now()

    @fields.depends('investigation', 'preparation')
    def on_change_investigation(self):
        if self.investigation and not self.preparation:
            self.preparation = self.investigation.preparation

    @fields.depends('investigation')
    def on_change_with_kind(self, name=None):
        return self.investigation.kind if self.investigation else None

    @classmethod
    def search_kind(cls, name, clause):
        return [('investigation.kind', *clause[1:])]

    def get_rec_name(self, name):
        return self.investigation.rec_name

    @classmethod
    def search_rec_name(cls, name, clause):
        return [('investigation.rec_name', *clause[1:])]

    @classmethod
    def view_attributes(cls):
        return super().view_attributes() + [
            ('/tree//field[@name="priority"]', 'visual',
                If(Eval('priority') == 'stat', 'danger',
                    If(Eval('priority') == 'urgent', 'warning', ''))),
            ]

    @classmethod
    def get_patient(cls, orders, name):
        return {o.id: o.encounter.patient.id for o in orders}

    @classmethod
    def search_patient(cls, name, clause):
        return [(f'encounter.{clause[0]}', *clause[1:])]

    @classmethod
    def get_mine(cls, orders, name):
        "Whether the user ordered it"
        employees = Pool().get('res.user').get_employees()
        return {o.id: o.requester.id in employees for o in orders}

    @classmethod
    def search_mine(cls, name, clause):
        _, operator, operand = clause[:3]
        employees = list(Pool().get('res.user').get_employees())
        wanted = bool(operand) == (operator in {'=', 'in'})
        return [('requester', 'in' if wanted else 'not in', employees)]

    @classmethod
    def validate_fields(cls, orders, field_names):
        super().validate_fields(orders, field_names)
        cls.check_times(orders, field_names)

    @classmethod
    def check_times(cls, orders, field_names=None):
        "Raise OrderError for a time in the future or before the arrival"
        if field_names and 'ordered_at' not in field_names:
            return
        present = now()
        for order in orders:
            start = order.encounter.arrived_at
            if order.ordered_at > present:
                raise OrderError(gettext(
                        'clinic_rme.msg_order_future', order=order.rec_name))
            # A visit that begins later is refused itself
            if start and order.ordered_at < start <= present:
                raise OrderError(gettext(
                        'clinic_rme.msg_order_before_visit',
                        order=order.rec_name,
                        encounter=order.encounter.rec_name))

    @classmethod
    def copy(cls, orders, default=None):
        default = default.copy() if default is not None else {}
        default.setdefault('ordered_at', now())
        return super().copy(orders, default=default)


class Encounter(metaclass=PoolMeta):
    __name__ = 'clinic.encounter'

    orders = fields.One2Many(
        'clinic.order', 'encounter', "Laboratory and Radiology")

    @classmethod
    def recorded_fields(cls):
        return super().recorded_fields() | {'orders'}

    def holds_treatment(self):
        return super().holds_treatment() or any(
            o.state != 'cancelled' for o in self.orders or [])
