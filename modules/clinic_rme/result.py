# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The result of an order, a record of its own.

It may come after the visit is closed and is in no seal of it: it has its own
author and time.

Ministry of Health, outpatient playbook, laboratory and radiology.
"""

from trytond.i18n import gettext
from trytond.model import Index, ModelSQL, ModelView, fields
from trytond.pool import Pool, PoolMeta
from trytond.pyson import Eval, If
from trytond.transaction import Transaction, check_access
from trytond.wizard import StateAction, Wizard

from .encounter import ANNULLED
from .exceptions import ResultAccessError, ResultError
from .investigation import KINDS
from .mixin import BranchMixin, UidMixin, now, signing_employee
from .order_course import LEVELS
from .result_release import GIVEN, ReleaseMixin
from .result_value import level_of

_frozen = {
    'readonly': Eval('state') != 'preliminary',
    }


class Result(ReleaseMixin, UidMixin, BranchMixin, ModelSQL, ModelView):
    __name__ = 'clinic.result'

    order = fields.Many2One(
        'clinic.order', "Order", required=True, ondelete='RESTRICT',
        states={
            'readonly': Eval('id', -1) >= 0,
            })
    company = fields.Many2One(
        'company.company', "Branch", required=True, readonly=True,
        ondelete='RESTRICT')
    patient = fields.Function(
        fields.Many2One('clinic.patient', "Patient"),
        'get_of_order', searcher='search_patient')
    kind = fields.Function(
        fields.Selection(KINDS, "Kind", sort=False),
        'get_of_order', searcher='search_kind')
    requester = fields.Function(
        fields.Many2One('company.employee', "Ordered by"), 'get_of_order')
    values = fields.One2Many(
        'clinic.result.value', 'result', "Values",
        states={
            'invisible': ~Eval('has_values', False),
            **_frozen})
    has_values = fields.Function(
        fields.Boolean("Has Values"), 'get_has_values')
    findings = fields.Text(
        "Findings",
        states={
            'invisible': Eval('kind') != 'radiology',
            **_frozen})
    conclusion = fields.Text("Conclusion", states=_frozen)
    interpretation = fields.Selection([
            (None, ""),
            ('N', "Normal"),
            ('A', "Abnormal"),
            ('AA', "Critical"),
            ], "Interpretation", sort=False,
        states={
            'invisible': Eval('kind') != 'radiology',
            **_frozen})
    note = fields.Text("Note", states=_frozen)
    performer = fields.Many2One(
        'company.employee', "Performed by", ondelete='RESTRICT',
        domain=[('company', '=', Eval('company', -1))],
        states=_frozen)
    performing_facility = fields.Char(
        "Performing Facility", strip=False, states=_frozen,
        help="The laboratory or the facility that it was sent to.")
    issued_at = fields.DateTime(
        "Issued at",
        states={
            'required': Eval('state') != 'preliminary',
            **_frozen},
        help="When the laboratory or the radiology made it known.")
    summary = fields.Function(fields.Char("Summary"), 'get_described')
    level = fields.Function(
        fields.Selection(LEVELS, "Level", sort=False), 'get_described')
    mine = fields.Function(
        fields.Boolean("Mine"), 'get_mine', searcher='search_mine')

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_indexes.update({
                Index(t, (t.order, Index.Equality())),
                Index(t, (t.company, Index.Equality()),
                    (t.released_at, Index.Range(order='DESC'))),
                })
        cls._order = [
            ('released_at', 'DESC NULLS FIRST'),
            ('id', 'DESC'),
            ]

    @classmethod
    def default_company(cls):
        return Transaction().context.get('company')

    def get_rec_name(self, name):
        return self.order.rec_name

    @classmethod
    def search_rec_name(cls, name, clause):
        return [('order.rec_name', *clause[1:])]

    @classmethod
    def view_attributes(cls):
        return super().view_attributes() + [
            ('/tree', 'visual',
                If(Eval('state') == 'entered_in_error', 'muted', '')),
            ('/tree//field[@name="summary"]', 'visual', Eval('level', '')),
            ]

    @classmethod
    def get_of_order(cls, results, names):
        return {
            name: {
                r.id: getattr(value, 'id', value)
                for r in results
                for value in [getattr(r.order, name)]}
            for name in names}

    @classmethod
    def search_patient(cls, name, clause):
        return [(f'order.encounter.{clause[0]}', *clause[1:])]

    @classmethod
    def search_kind(cls, name, clause):
        return [('order.investigation.kind', *clause[1:])]

    @classmethod
    def get_has_values(cls, results, name):
        return {r.id: bool(r.order.investigation.parts) for r in results}

    @classmethod
    def get_mine(cls, results, name):
        "Whether the user ordered it"
        return {r.id: r.order.mine for r in results}

    @classmethod
    def search_mine(cls, name, clause):
        return [('order.mine', *clause[1:])]

    @classmethod
    def get_described(cls, results, names):
        """Return the results in one line, and how they are marked.

        The values, otherwise the conclusion or the findings; marked as the
        worst of the values.
        """
        lines = cls._lines(results)
        described = {
            'summary': lambda r: ', '.join(
                v.rec_name for v in lines[r.id] if v.is_filled)
            or ' '.join((r.conclusion or r.findings or '').split()) or None,
            'level': lambda r: level_of([
                    r.interpretation,
                    *(v.interpretation for v in lines[r.id])]),
            }
        return {
            name: {r.id: described[name](r) for r in results}
            for name in names}

    @classmethod
    def _lines(cls, results):
        "Return {result id: its values}, of all results in one query"
        Value = Pool().get('clinic.result.value')
        lines = {r.id: [] for r in results}
        for value in Value.search([('result', 'in', list(lines))]):
            lines[value.result.id].append(value)
        return lines

    @classmethod
    def preprocess_values(cls, mode, values):
        values = super().preprocess_values(mode, values)
        if mode == 'create' and values.get('order'):
            pool = Pool()
            order = pool.get('clinic.order')(values['order'])
            company = order.encounter.company
            values.update(
                dict.fromkeys(GIVEN), company=company.id,
                state='preliminary', recorded_at=now(),
                recorded_by=signing_employee(company))
            if order.performing == 'referred':
                values.setdefault(
                    'performing_facility', order.performing_facility)
            else:
                values.setdefault('performer', values['recorded_by'])
        return values

    @classmethod
    def validate_fields(cls, results, field_names):
        super().validate_fields(results, field_names)
        cls.check_times(results, field_names)

    @classmethod
    def check_times(cls, results, field_names=None):
        "Raise ResultError for a time in the future or before the order"
        if field_names and 'issued_at' not in field_names:
            return
        present = now()
        for result in results:
            if not result.issued_at:
                continue
            if result.issued_at > present:
                raise ResultError(gettext(
                        'clinic_rme.msg_result_future',
                        result=result.rec_name))
            if result.issued_at < result.order.ordered_at:
                raise ResultError(gettext(
                        'clinic_rme.msg_result_before_order',
                        result=result.rec_name))

    @classmethod
    def check_modification(cls, mode, results, values=None, external=False):
        super().check_modification(
            mode, results, values=values, external=external)
        if mode == 'write' and values.keys() & {'order', 'company'} or (
                external and mode == 'write' and values.keys() & GIVEN):
            raise ResultAccessError(gettext('clinic_rme.msg_result_fixed'))
        if external or mode == 'delete':
            cls.check_draft(results)
        if mode == 'create':
            for result in results:
                result.order.check_open()
                if any(
                        r != result and r.state != 'entered_in_error'
                        for r in result.order.results):
                    raise ResultError(gettext(
                            'clinic_rme.msg_result_twice',
                            result=result.rec_name))

    @classmethod
    def on_modification(cls, mode, results, field_names=None):
        super().on_modification(mode, results, field_names=field_names)
        if mode == 'create' or mode == 'write' and 'state' in field_names:
            Pool().get('clinic.order').follow([r.order for r in results])

    @classmethod
    def on_delete(cls, results):
        Order = Pool().get('clinic.order')
        callbacks = super().on_delete(results)
        orders = [r.order for r in results]
        callbacks.append(lambda: Order.follow(orders))
        return callbacks

    @classmethod
    def copy(cls, results, default=None):
        default = default.copy() if default is not None else {}
        for name in GIVEN:
            default.setdefault(name)
        return super().copy(results, default=default)

    @classmethod
    def of_orders(cls, orders):
        """Return the result of each order, a new draft where there is none.

        A draft has a line for each value that is asked for. Raises OrderError
        for an order that nobody is to carry out.
        """
        Order = Pool().get('clinic.order')
        Order.hold(orders)
        new = [o for o in orders if not o.active_result]
        for order in new:
            order.check_open()
        created = cls.create([{
                    'order': order.id,
                    'values': [('create', [
                                {'investigation': part.id}
                                for part in order.investigation.parts])],
                    } for order in new])
        return [o.active_result for o in orders if o not in new] + created


class EnterResult(Wizard):
    __name__ = 'clinic.order.enter_result'

    start_state = 'open_'
    open_ = StateAction('clinic_rme.act_result_of_order')

    def do_open_(self, action):
        Result = Pool().get('clinic.result')
        results = Result.of_orders(self.records)
        return action, {'res_id': [r.id for r in results]}


class Patient(metaclass=PoolMeta):
    __name__ = 'clinic.patient'

    results = fields.Function(
        fields.One2Many('clinic.result', None, "Results", readonly=True),
        'get_results', setter='set_results')

    @classmethod
    def get_results(cls, patients, name):
        """Released results, also those of merged records, the latest first.

        Not of visits that were cancelled or entered in error.
        """
        Result = Pool().get('clinic.result')
        owners = {r.id: p.id for p in patients for r in p.records}
        with check_access():
            results = Result.search([
                    ('order.encounter.patient', 'in', list(owners)),
                    ('order.encounter.state', 'not in', ANNULLED),
                    ('state', '=', 'final'),
                    ])
        ids = {p.id: [] for p in patients}
        for result in Result.browse(results):
            ids[owners[result.patient.id]].append(result.id)
        return ids

    @classmethod
    def set_results(cls, patients, name, value):
        "Raise ResultAccessError: results belong to their orders"
        raise ResultAccessError(gettext('clinic_rme.msg_result_fixed'))
