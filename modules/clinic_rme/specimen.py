# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The specimen of an order: what was taken, when, and by whom.

Ministry of Health, outpatient playbook, laboratory.
"""

from trytond.i18n import gettext
from trytond.model import Index, ModelSQL, ModelView, fields
from trytond.pool import Pool
from trytond.pyson import Eval
from trytond.transaction import Transaction
from trytond.wizard import Button, StateTransition, StateView, Wizard

from .exceptions import SpecimenAccessError, SpecimenError
from .investigation import SPECIMENS
from .mixin import BranchMixin, UidMixin, now
from .order_course import OPEN

FASTING = [
    (None, ""),
    ('F', "Fasting"),
    ('NF', "Not Fasting"),
    ]


class Specimen(UidMixin, BranchMixin, ModelSQL, ModelView):
    """A specimen of one order.

    It is corrected or taken away until the result is released.
    """
    __name__ = 'clinic.specimen'

    order = fields.Many2One(
        'clinic.order', "Order", required=True, ondelete='RESTRICT',
        domain=[
            ('kind', '=', 'laboratory'),
            ],
        states={
            'readonly': Eval('id', -1) >= 0,
            })
    company = fields.Many2One(
        'company.company', "Branch", required=True, readonly=True,
        ondelete='RESTRICT')
    type = fields.Selection(SPECIMENS[1:], "Type", required=True, sort=False)
    type_string = type.translated('type')
    collected_at = fields.DateTime("Collected at", required=True)
    collector = fields.Many2One(
        'company.employee', "Collected by", required=True,
        ondelete='RESTRICT',
        domain=[('company', '=', Eval('company', -1))])
    fasting = fields.Selection(FASTING, "Fasting", sort=False)
    note = fields.Text("Note")

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_indexes.add(Index(t, (t.order, Index.Equality())))
        cls._order = [('collected_at', 'DESC'), ('id', 'DESC')]

    @classmethod
    def default_company(cls):
        return Transaction().context.get('company')

    @classmethod
    def default_collected_at(cls):
        return now()

    @classmethod
    def default_collector(cls):
        return Pool().get('res.user').acting_employee()

    def get_rec_name(self, name):
        return f'{self.type_string}: {self.order.rec_name}'

    @classmethod
    def search_rec_name(cls, name, clause):
        return [('order.rec_name', *clause[1:])]

    @classmethod
    def preprocess_values(cls, mode, values):
        values = super().preprocess_values(mode, values)
        if mode == 'create' and values.get('order'):
            Order = Pool().get('clinic.order')
            order = Order(values['order'])
            values['company'] = order.encounter.company.id
            values.setdefault('type', order.investigation.specimen_type)
        return values

    @classmethod
    def validate_fields(cls, specimens, field_names):
        super().validate_fields(specimens, field_names)
        cls.check_times(specimens, field_names)

    @classmethod
    def check_times(cls, specimens, field_names=None):
        "Raise SpecimenError for a time in the future or before the visit"
        if field_names and 'collected_at' not in field_names:
            return
        present = now()
        for specimen in specimens:
            encounter = specimen.order.encounter
            start = encounter.arrived_at
            if specimen.collected_at > present:
                raise SpecimenError(gettext(
                        'clinic_rme.msg_specimen_future',
                        order=specimen.order.rec_name))
            if start and specimen.collected_at < start:
                raise SpecimenError(gettext(
                        'clinic_rme.msg_specimen_before_visit',
                        order=specimen.order.rec_name,
                        encounter=encounter.rec_name))

    @classmethod
    def check_modification(
            cls, mode, specimens, values=None, external=False):
        super().check_modification(
            mode, specimens, values=values, external=external)
        if mode == 'write' and values.keys() & {'order', 'company'}:
            raise SpecimenAccessError(
                gettext('clinic_rme.msg_specimen_move'))
        orders = [s.order for s in specimens]
        if external:
            Pool().get('clinic.order').hold(orders)
        for order in orders:
            order.check_open()
            if order.state not in OPEN:
                raise SpecimenAccessError(gettext(
                        'clinic_rme.msg_specimen_released',
                        order=order.rec_name))

    @classmethod
    def on_modification(cls, mode, specimens, field_names=None):
        super().on_modification(mode, specimens, field_names=field_names)
        if mode == 'create':
            Pool().get('clinic.order').follow([s.order for s in specimens])

    @classmethod
    def on_delete(cls, specimens):
        Order = Pool().get('clinic.order')
        callbacks = super().on_delete(specimens)
        orders = [s.order for s in specimens]
        callbacks.append(lambda: Order.follow(orders))
        return callbacks

    @classmethod
    def collect(cls, orders, **values):
        """Create a specimen for each order; return them.

        Without a type, of the usual one. Raises SpecimenError where there is
        none.
        """
        for order in orders:
            if not (values.get('type') or order.investigation.specimen_type):
                raise SpecimenError(gettext(
                        'clinic_rme.msg_specimen_type',
                        order=order.rec_name))
        return cls.create([{
                    **values,
                    'order': order.id,
                    'type': values.get('type')
                    or order.investigation.specimen_type,
                    } for order in orders])


class CollectAsk(ModelView):
    __name__ = 'clinic.order.collect.ask'

    type = fields.Selection(
        SPECIMENS, "Type", sort=False,
        help="Leave empty for the usual one of each order.")
    collected_at = fields.DateTime("Collected at", required=True)
    fasting = fields.Selection(FASTING, "Fasting", sort=False)
    note = fields.Text("Note")

    @classmethod
    def default_collected_at(cls):
        return now()


class Collect(Wizard):
    __name__ = 'clinic.order.collect'

    start_state = 'ask'
    ask = StateView(
        'clinic.order.collect.ask',
        'clinic_rme.order_collect_ask_view_form', [
            Button("Cancel", 'end', 'tryton-cancel'),
            Button("OK", 'collect', 'tryton-ok', default=True),
            ])
    collect = StateTransition()

    def transition_collect(self):
        Specimen = Pool().get('clinic.specimen')
        Specimen.collect(self.records, **{
                name: getattr(self.ask, name) for name in [
                    'type', 'collected_at', 'fasting', 'note']})
        return 'end'

    def end(self):
        return 'reload'
