# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What becomes of an order: specimens, results, or that it is cancelled.

It goes on after the visit is closed and is in no seal: what was sent out is
answered when the visit is over.
"""

import datetime as dt

from trytond.i18n import gettext
from trytond.model import ModelView, fields
from trytond.pool import Pool
from trytond.pyson import Eval, If
from trytond.transaction import Transaction, without_check_access
from trytond.wizard import Button, StateTransition, StateView, Wizard

from .encounter import ANNULLED
from .exceptions import OrderAccessError, OrderError
from .mixin import now, signing_employee

STATES = [
    ('ordered', "Ordered"),
    ('in_progress', "In Progress"),
    ('resulted', "Result Released"),
    ('cancelled', "Cancelled"),
    ]
OPEN = ['ordered', 'in_progress']
LEVELS = [
    (None, ""),
    ('warning', "Abnormal"),
    ('danger', "Critical"),
    ]
# What changes after the visit is closed
COURSE = {'state', 'cancel_reason', 'cancelled_by', 'cancelled_at'}
# After how many days without a result an order is marked
WAITING_LONG, WAITING_TOO_LONG = 3, 7
_cancelled = {
    'invisible': Eval('state') != 'cancelled',
    }


class CourseMixin:
    "The course of an order"
    __slots__ = ()

    state = fields.Selection(
        STATES, "State", required=True, readonly=True, sort=False)
    cancel_reason = fields.Text(
        "Reason for Cancelling", readonly=True, states=_cancelled)
    cancelled_by = fields.Many2One(
        'company.employee', "Cancelled by", readonly=True,
        ondelete='RESTRICT', states=_cancelled)
    cancelled_at = fields.DateTime(
        "Cancelled at", readonly=True, states=_cancelled)
    specimens = fields.One2Many(
        'clinic.specimen', 'order', "Specimens", readonly=True,
        states={
            'invisible': Eval('kind') != 'laboratory',
            })
    results = fields.One2Many(
        'clinic.result', 'order', "Results", readonly=True)
    result_text = fields.Function(fields.Char("Result"), 'get_result')
    result_level = fields.Function(
        fields.Selection(LEVELS, "Result Level", sort=False), 'get_result')
    waiting_days = fields.Function(
        fields.Integer(
            "Waiting (days)",
            help="Whole days since the order, while there is no result."),
        'get_waiting_days')

    @classmethod
    def __setup__(cls):
        super().__setup__()
        cls._buttons.update({
                'collect': {
                    'invisible': (
                        ~Eval('state').in_(OPEN)
                        | (Eval('kind') != 'laboratory')),
                    'icon': 'tryton-forward',
                    'depends': ['state', 'kind'],
                    },
                'enter_result': {
                    'invisible': Eval('state') == 'cancelled',
                    'icon': 'tryton-create',
                    'depends': ['state'],
                    },
                'cancel': {
                    'invisible': ~Eval('state').in_(OPEN),
                    'icon': 'tryton-cancel',
                    'depends': ['state'],
                    },
                })

    @classmethod
    def default_state(cls):
        return 'ordered'

    @classmethod
    def view_attributes(cls):
        days = Eval('waiting_days', 0)
        return super().view_attributes() + [
            ('/tree', 'visual',
                If(Eval('state') == 'cancelled', 'muted', '')),
            ('/tree//field[@name="result_text"]', 'visual',
                Eval('result_level', '')),
            ('/tree//field[@name="waiting_days"]', 'visual',
                If(days >= WAITING_TOO_LONG, 'danger',
                    If(days >= WAITING_LONG, 'warning', ''))),
            ]

    @classmethod
    def get_result(cls, orders, names):
        "Return the values of the released result and how they are marked"
        Result = Pool().get('clinic.result')
        released = {o.id: o.result_in('final') for o in orders}
        results = {
            r.id: r for r in Result.browse(list(filter(
                        None, released.values())))}
        shown = {'result_text': 'summary', 'result_level': 'level'}
        return {
            name: {
                id_: getattr(results[r.id], shown[name]) if r else None
                for id_, r in released.items()}
            for name in names}

    @classmethod
    def get_waiting_days(cls, orders, name):
        present = now()
        return {
            o.id: max(0, (present - o.ordered_at) // dt.timedelta(days=1))
            if o.state in OPEN else None
            for o in orders}

    def result_in(self, *states):
        "Return the result in one of the states, if any: at most one"
        return next((r for r in self.results if r.state in states), None)

    @property
    def active_result(self):
        "The result that holds or is being entered, if any"
        return self.result_in('preliminary', 'final')

    @classmethod
    def fields_sealed(cls):
        return super().fields_sealed() - COURSE

    @classmethod
    def preprocess_values(cls, mode, values):
        values = super().preprocess_values(mode, values)
        if mode == 'create':
            values.update(dict.fromkeys(COURSE), state='ordered')
        return values

    @classmethod
    def check_modification(cls, mode, orders, values=None, external=False):
        super().check_modification(
            mode, orders, values=values, external=external)
        if external and mode == 'write' and values.keys() & {
                *COURSE, 'specimens', 'results'}:
            raise OrderAccessError(gettext('clinic_rme.msg_order_course'))
        if mode == 'delete' or (
                mode == 'write' and 'investigation' in values):
            cls._check_untouched(orders)

    @classmethod
    def _check_untouched(cls, orders):
        "Raise OrderAccessError where a specimen or a result exists"
        for order in orders:
            if order.specimens or order.results:
                raise OrderAccessError(gettext(
                        'clinic_rme.msg_order_begun', order=order.rec_name))

    @classmethod
    def copy(cls, orders, default=None):
        default = default.copy() if default is not None else {}
        for name in COURSE | {'specimens', 'results'}:
            default.setdefault(name)
        return super().copy(orders, default=default)

    @classmethod
    def hold(cls, orders):
        """Let no one else change the course of the orders until the commit.

        An update that changes nothing: of two transactions at the same time
        the later one fails and is run again by the server.
        """
        if not orders:
            return
        table = cls.__table__()
        Transaction().connection.cursor().execute(*table.update(
                [table.state], [table.state],
                where=fields.SQL_OPERATORS['in'](
                    table.id, [o.id for o in orders])))

    @classmethod
    def follow(cls, orders):
        "Make the state of the orders what specimens and results say"
        changes = []
        for order in cls.browse(list({o.id for o in orders})):
            if order.state not in {'cancelled', (state := order._course())}:
                changes.extend([[order], {'state': state}])
        if changes:
            with without_check_access():
                cls.write(*changes)

    def _course(self):
        if self.result_in('final'):
            return 'resulted'
        begun = self.specimens or self.result_in('preliminary')
        return 'in_progress' if begun else 'ordered'

    def check_open(self):
        "Raise OrderError if nobody is to carry it out"
        if (self.state == 'cancelled'
                or self.encounter.state in ANNULLED):
            raise OrderError(gettext(
                    'clinic_rme.msg_order_closed', order=self.rec_name))

    @classmethod
    @ModelView.button_action('clinic_rme.wizard_order_collect')
    def collect(cls, orders):
        "Enter the specimens"

    @classmethod
    @ModelView.button_action('clinic_rme.wizard_order_enter_result')
    def enter_result(cls, orders):
        "Open the result"

    @classmethod
    @ModelView.button_action('clinic_rme.wizard_order_cancel')
    def cancel(cls, orders):
        "Ask for the reason"

    @classmethod
    def withdraw(cls, orders, reason):
        """Cancel what nobody carries out, also after the visit.

        Raises OrderError without a reason and for an order that has a result.
        """
        reason = (reason or '').strip()
        if not reason:
            raise OrderError(gettext('clinic_rme.msg_order_cancel_reason'))
        cls.hold(orders)
        changes = []
        for order in orders:
            order.check_open()
            if order.active_result:
                raise OrderError(gettext(
                        'clinic_rme.msg_order_has_result',
                        order=order.rec_name))
            changes.extend([[order], {
                        'state': 'cancelled',
                        'cancel_reason': reason,
                        'cancelled_by': signing_employee(
                            order.encounter.company),
                        'cancelled_at': now(),
                        }])
        with without_check_access():
            cls.write(*changes)


class OrderCancelAsk(ModelView):
    __name__ = 'clinic.order.cancel.ask'

    reason = fields.Text(
        "Reason", required=True,
        help="Why it is not carried out.")


class OrderCancel(Wizard):
    __name__ = 'clinic.order.cancel'

    start_state = 'ask'
    ask = StateView(
        'clinic.order.cancel.ask', 'clinic_rme.order_cancel_ask_view_form', [
            Button("Back", 'end', 'tryton-cancel'),
            Button("Cancel Order", 'withdraw', 'tryton-ok', default=True),
            ])
    withdraw = StateTransition()

    def transition_withdraw(self):
        Order = Pool().get('clinic.order')
        Order.withdraw(self.records, self.ask.reason)
        return 'end'

    def end(self):
        return 'reload'
