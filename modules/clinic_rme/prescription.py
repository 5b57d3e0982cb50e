# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What is prescribed in a visit, ready-made or compounded.

KMK HK.01.07/MENKES/1423/2022, pharmacy; Ministry of Health, outpatient
playbook, prescribing.
"""

from decimal import Decimal

from trytond.i18n import gettext
from trytond.model import Index, ModelSQL, ModelView, fields
from trytond.model.exceptions import DigitsValidationError
from trytond.pool import Pool, PoolMeta
from trytond.pyson import Bool, Eval, If

from .allergy_check import AllergyCheckMixin
from .dosage import FORM_DOSAGE, MEALS, ROUTES, SOLID, UNITS, quantity_of
from .exceptions import (
    EncounterAccessError, PlanAllergyWarning, PrescriptionAllergyError)
from .mixin import now, part_states

COMPOUND_FORMS = [
    (None, ""),
    ('oral_powder', "Powder"),
    ('capsule', "Capsule"),
    ('ointment', "Ointment"),
    ('cream', "Cream"),
    ('syrup', "Syrup"),
    ]
# How often it is taken, by days; each other number is told
PERIODS = {
    1: 'clinic_rme.msg_signa_frequency',
    7: 'clinic_rme.msg_signa_week',
    }
DECIMALS = 3
_compounded = Eval('kind') == 'compounded'


class _DosedMixin(AllergyCheckMixin):
    """What is measured out.

    The number of decimals of its fields is left open, as clients would fill
    them up: 15 tablets would be shown as "15,000".
    """
    __slots__ = ()

    @classmethod
    def validate_fields(cls, records, field_names):
        super().validate_fields(records, field_names)
        cls.check_decimals(records, field_names)

    @classmethod
    def check_decimals(cls, records, field_names=None):
        "Raise DigitsValidationError for more than three decimals"
        names = {
            name for name, field in cls._fields.items()
            if field._type == 'numeric' and not hasattr(field, 'getter')}
        if field_names:
            names &= field_names
        for record in records:
            for name in names:
                value = getattr(record, name)
                if value is not None and (
                        value.as_tuple().exponent < -DECIMALS):
                    raise DigitsValidationError(gettext(
                            'clinic_rme.msg_prescription_decimals',
                            decimals=DECIMALS,
                            **cls.__names__(name, record)))


class PrescriptionItem(_DosedMixin, ModelSQL, ModelView):
    __name__ = 'clinic.prescription.item'

    kind = fields.Selection([
            ('simple', "Ready-made"),
            ('compounded', "Compounded"),
            ], "Kind", required=True, sort=False, states=part_states)
    medicine = fields.Many2One(
        'clinic.medicine', "Medicine", ondelete='RESTRICT',
        domain=[If(_compounded, ('id', '<', 0), ())],
        states={
            'required': ~_compounded,
            'invisible': _compounded,
            **part_states})
    compound_form = fields.Selection(
        COMPOUND_FORMS, "Made as", sort=False,
        states={
            'required': _compounded,
            'invisible': ~_compounded,
            **part_states})
    compound_form_string = compound_form.translated('compound_form')
    compounding = fields.Selection([
            (None, ""),
            ('per_dose', "Amounts for Each Unit (d.t.d.)"),
            ('divided', "Amounts in All, Divided Equally"),
            ], "Amounts", sort=False,
        states={
            'required': _compounded,
            'invisible': ~_compounded,
            **part_states})
    components = fields.One2Many(
        'clinic.prescription.component', 'item', "Ingredients",
        size=If(_compounded, 30, 0),
        states={
            'required': _compounded,
            'invisible': ~_compounded,
            **part_states})
    name = fields.Function(
        fields.Char("Name"), 'get_name', searcher='search_rec_name')

    dose = fields.Numeric(
        "Dose", digits=(7, None), required=True,
        domain=[('dose', '>', 0)], states=part_states)
    dose_unit = fields.Selection(
        UNITS, "Dose Unit", required=True, sort=False, states=part_states)
    dose_unit_string = dose_unit.translated('dose_unit')
    route = fields.Selection(
        ROUTES, "Route", required=True, sort=False, states=part_states)
    route_string = route.translated('route')
    frequency = fields.Integer(
        "Times a Day",
        domain=['OR',
            ('frequency', '=', None),
            [('frequency', '>=', 1), ('frequency', '<=', 24)],
            ],
        states={
            'required': ~Bool(Eval('as_needed')),
            **part_states})
    period_days = fields.Integer(
        "Every ... Days",
        domain=['OR',
            ('period_days', '=', None),
            [('period_days', '>=', 1), ('period_days', '<=', 366)],
            ],
        states=part_states,
        help="In how many days it is taken so many times: 1 for each day, "
        "7 for a week.")
    as_needed = fields.Boolean("As Needed", states=part_states)
    meal = fields.Selection(MEALS, "Meals", sort=False, states=part_states)
    meal_string = meal.translated('meal')
    duration = fields.Integer(
        "Days",
        domain=['OR',
            ('duration', '=', None),
            [('duration', '>=', 1), ('duration', '<=', 366)],
            ],
        states=part_states)
    signa = fields.Function(fields.Char("Signa"), 'on_change_with_signa')
    quantity = fields.Numeric(
        "Quantity", digits=(7, None), required=True,
        domain=[('quantity', '>', 0)], states=part_states)
    quantity_unit = fields.Selection(
        UNITS, "Quantity Unit", required=True, sort=False,
        states=part_states)
    quantity_unit_string = quantity_unit.translated('quantity_unit')
    instructions = fields.Text("Instructions", states=part_states)
    substitution_allowed = fields.Boolean(
        "Substitution Allowed", states=part_states,
        help="Whether another product of the same substance may be given.")
    recorded_at = fields.DateTime("Recorded at", required=True, readonly=True)

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_indexes.add(Index(t, (t.encounter, Index.Equality())))
        cls._order = [('encounter', 'DESC'), ('id', 'ASC')]

    @classmethod
    def default_kind(cls):
        return 'simple'

    @classmethod
    def default_period_days(cls):
        return 1

    @classmethod
    def default_substitution_allowed(cls):
        return True

    @classmethod
    def default_recorded_at(cls):
        return now()

    @fields.depends('kind', 'components')
    def on_change_kind(self):
        if self.kind == 'compounded':
            self.medicine = self.override_reason = None
            self.compounding = 'per_dose'
        else:
            self.components = []
            self.compound_form = self.compounding = None

    @fields.depends('medicine', methods=['_set_dosage'])
    def on_change_medicine(self):
        self.override_reason = None
        self._set_dosage(self.medicine.form if self.medicine else None)

    @fields.depends('compound_form', methods=['_set_dosage'])
    def on_change_compound_form(self):
        self._set_dosage(self.compound_form, compounded=True)

    @fields.depends('dose_unit', 'quantity_unit', methods=['_set_quantity'])
    def _set_dosage(self, form, compounded=False):
        former = self.dose_unit, self.quantity_unit
        self.dose_unit, self.quantity_unit, self.route = FORM_DOSAGE.get(
            form, (None, None, None))
        if compounded and self.quantity_unit == 'tube':
            self.quantity_unit = 'pot'
        present = self.dose_unit, self.quantity_unit
        if any(f and f != p for f, p in zip(former, present, strict=True)):
            self.dose = self.quantity = None
        self._set_quantity()

    @fields.depends(
        'dose', 'dose_unit', 'frequency', 'period_days', 'duration',
        'quantity_unit')
    def _set_quantity(self):
        if self.dose_unit in SOLID and self.quantity_unit == self.dose_unit:
            quantity = quantity_of(
                self.dose, self.frequency, self.duration, self.period_days)
            if quantity:
                self.quantity = quantity

    @fields.depends(methods=['_set_quantity'])
    def on_change_dose(self):
        self._set_quantity()

    @fields.depends(methods=['_set_quantity'])
    def on_change_dose_unit(self):
        self.quantity = None
        self._set_quantity()

    @fields.depends(methods=['_set_quantity'])
    def on_change_frequency(self):
        self._set_quantity()

    @fields.depends(methods=['_set_quantity'])
    def on_change_period_days(self):
        self._set_quantity()

    @fields.depends(methods=['_set_quantity'])
    def on_change_duration(self):
        self._set_quantity()

    @fields.depends(
        'medicine', 'override_reason', 'encounter',
        '_parent_encounter.patient')
    def on_change_notify(self):
        notifications = super().on_change_notify()
        if not self.override_reason and (text := self.allergy_text()):
            notifications.append(('warning', text))
        return notifications

    @fields.depends(
        'dose', 'dose_unit', 'frequency', 'period_days', 'as_needed', 'meal',
        'duration')
    def on_change_with_signa(self, name=None):
        "The directions for use as they stand on a prescription"
        return ' '.join(filter(None, [
                    self.frequency and gettext(
                        PERIODS.get(
                            self.period_days or 1,
                            'clinic_rme.msg_signa_period'),
                        frequency=self.frequency, days=self.period_days),
                    shown(self.dose),
                    self.dose_unit and self.dose_unit_string,
                    self.meal and self.meal_string,
                    self.as_needed and gettext(
                        'clinic_rme.msg_signa_as_needed'),
                    self.duration and gettext(
                        'clinic_rme.msg_signa_duration',
                        days=self.duration),
                    ]))

    def get_name(self, name):
        "The medicine, or what is compounded of which ingredients"
        if self.kind == 'simple':
            return self.medicine.rec_name if self.medicine else ''
        return gettext(
            'clinic_rme.msg_compound_name',
            form=self.compound_form_string,
            components=', '.join(c.rec_name for c in self.components))

    def get_rec_name(self, name):
        return self.name

    @classmethod
    def search_rec_name(cls, name, clause):
        operator = 'AND' if clause[1].startswith(('!', 'not ')) else 'OR'
        return [operator,
            ('medicine.rec_name', *clause[1:]),
            ('components.medicine.rec_name', *clause[1:]),
            ]

    def allergy_texts(self):
        "Return the texts of the allergies that are met without a reason"
        return [
            text for record in [self, *self.components]
            if not record.override_reason and (text := record.allergy_text())]

    @property
    def overridden(self):
        "Whether it is given despite an allergy"
        return bool(
            self.override_reason
            or any(c.override_reason for c in self.components))

    @classmethod
    def preprocess_values(cls, mode, values):
        values = super().preprocess_values(mode, values)
        if mode == 'create':
            unit = values.get('dose_unit')
            if values.get('quantity') is None and unit in SOLID:
                values['quantity'] = quantity_of(
                    values.get('dose'), values.get('frequency'),
                    values.get('duration'), values.get('period_days'))
                values['quantity_unit'] = unit
        return values


class PrescriptionComponent(_DosedMixin, ModelSQL, ModelView):
    """One ingredient of a compounded item.

    It has the visit of its item, so that it closes and is sealed with it.
    """
    __name__ = 'clinic.prescription.component'

    item = fields.Many2One(
        'clinic.prescription.item', "Prescription Item", required=True,
        ondelete='CASCADE',
        states={
            'readonly': Eval('id', -1) >= 0,
            })
    medicine = fields.Many2One(
        'clinic.medicine', "Medicine", required=True, ondelete='RESTRICT',
        states=part_states)
    amount = fields.Numeric(
        "Amount", digits=(7, None), required=True,
        domain=[('amount', '>', 0)], states=part_states)
    amount_unit = fields.Selection(
        UNITS, "Amount Unit", required=True, sort=False, states=part_states)
    amount_unit_string = amount_unit.translated('amount_unit')

    @classmethod
    def __setup__(cls):
        super().__setup__()
        cls.encounter.readonly = True
        t = cls.__table__()
        cls._sql_indexes.update({
                Index(t, (t.item, Index.Equality())),
                Index(t, (t.encounter, Index.Equality())),
                })
        cls._order = [('item', 'ASC'), ('id', 'ASC')]

    @classmethod
    def default_amount_unit(cls):
        return 'mg'

    @fields.depends('medicine')
    def on_change_medicine(self):
        self.override_reason = None

    @fields.depends('item', '_parent_item.encounter_open')
    def on_change_with_encounter_open(self, name=None):
        return not self.item or self.item.encounter_open

    def get_rec_name(self, name):
        return ' '.join(filter(None, [
                    self.medicine and self.medicine.name, shown(self.amount),
                    self.amount_unit and self.amount_unit_string]))

    @classmethod
    def search_rec_name(cls, name, clause):
        return [('medicine.rec_name', *clause[1:])]

    @classmethod
    def create(cls, vlist):
        pool = Pool()
        Item = pool.get('clinic.prescription.item')
        items = {i.id: i for i in Item.browse(list({
                        v['item'] for v in vlist if v.get('item')}))}
        return super().create([
                values if values.get('encounter') or not values.get('item')
                else {
                    **values,
                    'encounter': items[values['item']].encounter.id}
                for values in vlist])

    @classmethod
    def check_modification(
            cls, mode, components, values=None, external=False):
        super().check_modification(
            mode, components, values=values, external=external)
        if (mode == 'write' and 'item' in values) or (
                mode == 'create' and any(
                    c.item.encounter != c.encounter for c in components)):
            raise EncounterAccessError(
                gettext('clinic_rme.msg_encounter_part_move'))

    @classmethod
    def copy(cls, components, default=None):
        default = default.copy() if default is not None else {}
        default.setdefault('encounter')
        return super().copy(components, default=default)


class Encounter(metaclass=PoolMeta):
    __name__ = 'clinic.encounter'

    prescription_items = fields.One2Many(
        'clinic.prescription.item', 'encounter', "Prescription")
    patient_weight = fields.Function(
        fields.Float("Last Weight (kg)", digits=(4, 1)),
        'get_patient_weight')

    @classmethod
    def recorded_fields(cls):
        return super().recorded_fields() | {'prescription_items'}

    @classmethod
    def treatment_fields(cls):
        return super().treatment_fields() + ['prescription_items']

    @classmethod
    def get_patient_weight(cls, encounters, name):
        """The weight by which doses are computed.

        That of the visit itself; where none was taken, the last one known.
        """
        return {
            e.id: next(
                (v.weight for v in e.vital_signs if v.weight is not None),
                None) or e.patient.current.last_weight
            for e in encounters}

    @classmethod
    def on_modification(cls, mode, encounters, field_names=None):
        super().on_modification(mode, encounters, field_names=field_names)
        if mode == 'write' and 'patient' in field_names:
            cls.check_prescribed(encounters)

    @classmethod
    def check_complete(cls, encounters):
        """Refuse to close visits whose prescription meets an allergy, too.

        It may have been recorded after the medicine.
        Raises PrescriptionAllergyError.
        """
        super().check_complete(encounters)
        cls.check_prescribed(encounters)

    @classmethod
    def check_prescribed(cls, encounters):
        "Raise PrescriptionAllergyError for what meets an allergy"
        for encounter in encounters:
            for item in encounter.prescription_items:
                for text in item.allergy_texts():
                    raise PrescriptionAllergyError(text)

    def has_plan(self):
        return super().has_plan() or bool(self._items_to_copy())

    def copy_plan_from(self, previous):
        """Take over the prescription too, where there is none yet.

        Not what was given despite an allergy, nor what meets one by now:
        raises PlanAllergyWarning, which names what is left out.
        """
        pool = Pool()
        Item = pool.get('clinic.prescription.item')
        super().copy_plan_from(previous)
        if not self.prescription_items:
            items = previous._items_to_copy()
            refused = [i for i in items if i.allergy_texts()]
            if refused:
                self._warn_left_out(refused)
            Item.copy([i for i in items if i not in refused], {
                    'encounter': self.id,
                    'recorded_at': now(),
                    })

    def _warn_left_out(self, items):
        Warning = Pool().get('res.user.warning')
        key = Warning.format('clinic_plan_allergy', [self, *items])
        if Warning.check(key):
            raise PlanAllergyWarning(key, gettext(
                    'clinic_rme.msg_plan_allergy',
                    items=', '.join(i.rec_name for i in items)))

    def _items_to_copy(self):
        return [i for i in self.prescription_items if not i.overridden]


def shown(number):
    "Return the decimal number in the user's way of writing, or an empty text"
    if number is None:
        return ''
    pool = Pool()
    Lang = pool.get('ir.lang')
    number = Decimal(str(number)).normalize()
    return Lang.get().format_number(
        number, digits=max(0, -number.as_tuple().exponent))
