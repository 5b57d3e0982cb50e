# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""One value of a result, with what was normal when it was read.

Unit and reference range are copied from the list of investigations: a later
change of the list does not change what a value meant.
"""

from trytond.i18n import gettext
from trytond.model import Index, ModelSQL, ModelView, Unique, fields
from trytond.pool import Pool
from trytond.pyson import Eval, If

from .exceptions import ResultAccessError, ResultError
from .investigation import INTERPRETATIONS, VALUE_TYPES
from .mixin import BranchMixin, UidMixin
from .prescription import shown

# How an interpretation is marked in a list, the worst first
MARKED = {
    'danger': {'LL', 'HH', 'AA'},
    'warning': {'L', 'H', 'A'},
    }
LIMITS = ['low', 'high', 'critical_low', 'critical_high']
VALUES = {'number', 'choice', 'text'}
_frozen = Eval('_parent_result', {}).get('state') != 'preliminary'


def _of(*types):
    "Return the states of a field that values of the types have"
    return {
        'readonly': _frozen,
        'invisible': ~Eval('value_type').in_(list(types)),
        }


class ResultValue(UidMixin, BranchMixin, ModelSQL, ModelView):
    __name__ = 'clinic.result.value'

    result = fields.Many2One(
        'clinic.result', "Result", required=True, ondelete='CASCADE',
        states={
            'readonly': Eval('id', -1) >= 0,
            })
    investigation = fields.Many2One(
        'clinic.investigation', "Investigation", required=True,
        ondelete='RESTRICT',
        domain=[('value_type', 'not in', ['panel', 'report'])],
        states={
            'readonly': Eval('id', -1) >= 0,
            })
    value_type = fields.Function(
        fields.Selection(VALUE_TYPES, "Type", sort=False),
        'on_change_with_value_type')
    number = fields.Numeric("Number", states=_of('numeric'))
    choice = fields.Many2One(
        'clinic.investigation.choice', "Choice", ondelete='RESTRICT',
        domain=[('investigation', '=', Eval('investigation', -1))],
        states=_of('choice'))
    text = fields.Text("Text", states=_of('text'))
    unit = fields.Char("Unit", readonly=True)
    ucum_code = fields.Char("UCUM Code", readonly=True)
    low = fields.Numeric("Low", states=_of('numeric'))
    high = fields.Numeric(
        "High",
        domain=['OR',
            ('high', '=', None), ('low', '=', None),
            ('high', '>=', Eval('low', 0)),
            ],
        states=_of('numeric'))
    critical_low = fields.Numeric(
        "Critically Low", states=_of('numeric'))
    critical_high = fields.Numeric(
        "Critically High", states=_of('numeric'))
    reference_text = fields.Char(
        "Reference", strip=False,
        states={
            'readonly': _frozen,
            'invisible': Eval('value_type') == 'numeric',
            })
    reference = fields.Function(
        fields.Char("Reference"), 'on_change_with_reference')
    interpretation = fields.Selection(
        INTERPRETATIONS, "Interpretation", sort=False,
        states={
            'readonly': _frozen,
            },
        help="Derived from the reference range; may be corrected.")
    interpretation_string = interpretation.translated('interpretation')
    note = fields.Char(
        "Note", strip=False,
        states={
            'readonly': _frozen,
            })

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_constraints.append(
            ('investigation_unique', Unique(t, t.result, t.investigation),
                'clinic_rme.msg_result_value_unique'))
        cls._sql_indexes.update({
                Index(t, (t.result, Index.Equality())),
                Index(t, (t.investigation, Index.Equality())),
                })
        cls._order = [('id', 'ASC')]

    @fields.depends('investigation')
    def on_change_with_value_type(self, name=None):
        return self.investigation.value_type if self.investigation else None

    @fields.depends(
        'value_type', 'reference_text', methods=['_shown_limits', '_limits'])
    def on_change_with_reference(self, name=None):
        "The reference range as it stands on a result"
        if self.value_type != 'numeric':
            return self.reference_text
        remark = self.reference_text and f'({self.reference_text})'
        return ' '.join(filter(None, [self._shown_limits(), remark]))

    @fields.depends('low', 'high')
    def _shown_limits(self):
        low, high = shown(self.low), shown(self.high)
        if low and high:
            return f'{low} - {high}'
        return f'≥ {low}' if low else f'≤ {high}' if high else ''

    @fields.depends(*LIMITS)
    def _limits(self):
        return [getattr(self, name, None) for name in LIMITS]

    @fields.depends('number', 'choice', methods=['_limits'])
    def derived_interpretation(self):
        "Return what the value is by its reference range, None if unknown"
        if self.choice:
            return self.choice.interpretation
        low, high, critical_low, critical_high = self._limits()
        limits = [
            ('LL', critical_low, lambda n, limit: n <= limit),
            ('HH', critical_high, lambda n, limit: n >= limit),
            ('L', low, lambda n, limit: n < limit),
            ('H', high, lambda n, limit: n > limit),
            ]
        if self.number is None or (low is None and high is None):
            return None
        return next((
                code for code, limit, meets in limits
                if limit is not None and meets(self.number, limit)), 'N')

    @fields.depends('interpretation', methods=['derived_interpretation'])
    def on_change_number(self):
        self.interpretation = self.derived_interpretation()

    @fields.depends('interpretation', methods=['derived_interpretation'])
    def on_change_choice(self):
        self.interpretation = self.derived_interpretation()

    @property
    def is_filled(self):
        "Whether a value was entered"
        return bool(
            self.number is not None or self.choice
            or (self.text or '').strip()
            or self.value_type == 'interpretation' and self.interpretation)

    def get_rec_name(self, name):
        "The value in words: investigation, value, unit and interpretation"
        value = (
            shown(self.number) if self.number is not None
            else self.choice.name if self.choice
            else ' '.join((self.text or '').split()))
        mark = self.interpretation
        return ' '.join(filter(None, [
                    self.investigation.name, value,
                    self.unit if self.number is not None else None,
                    f'({mark})' if mark and (
                        mark != 'N' or not value) else None]))

    @classmethod
    def search_rec_name(cls, name, clause):
        return [('investigation.rec_name', *clause[1:])]

    @classmethod
    def view_attributes(cls):
        visual = If(
            Eval('interpretation').in_(sorted(MARKED['danger'])), 'danger',
            If(Eval('interpretation').in_(sorted(MARKED['warning'])),
                'warning', ''))
        return super().view_attributes() + [('/tree', 'visual', visual)]

    @classmethod
    def preprocess_values(cls, mode, values):
        values = super().preprocess_values(mode, values)
        if (mode == 'create'
                and values.get('result') and values.get('investigation')):
            pool = Pool()
            Investigation = pool.get('clinic.investigation')
            Result = pool.get('clinic.result')
            copied = _reference(
                Result(values['result']).order.encounter,
                Investigation(values['investigation']))
            for name, value in copied.items():
                if values.get(name) is None:
                    values[name] = value
        return values

    def compute_fields(self, field_names=None):
        """Derive the interpretation of a value that comes without one.

        A new value, or one that is changed: what was entered with it stays.
        """
        values = super().compute_fields(field_names=field_names)
        changed = (
            self.interpretation is None if field_names is None
            else field_names & {'number', 'choice', *LIMITS}
            and 'interpretation' not in field_names)
        if changed and self.value_type in {'numeric', 'choice'}:
            derived = self.derived_interpretation()
            if derived != self.interpretation:
                values['interpretation'] = derived
        return values

    @classmethod
    def validate_fields(cls, lines, field_names):
        super().validate_fields(lines, field_names)
        for line in lines:
            if not field_names or field_names & VALUES:
                line.check_value()
            if not field_names or field_names & {'unit', 'ucum_code'}:
                line.check_unit()
            if not field_names or 'investigation' in field_names:
                line.check_asked()

    def check_value(self):
        """Raise ResultError for a value that is not possible.

        Outside of what the investigation can give, or of another type.
        """
        investigation = self.investigation
        types = {'number': 'numeric', 'choice': 'choice', 'text': 'text'}
        for name, type_ in types.items():
            if (getattr(self, name) not in {None, ''}
                    and investigation.value_type != type_):
                raise ResultError(gettext(
                        'clinic_rme.msg_result_value_type',
                        investigation=investigation.rec_name))
        low, high = investigation.minimum, investigation.maximum
        if self.number is not None and (
                not self.number.is_finite()
                or low is not None and self.number < low
                or high is not None and self.number > high):
            raise ResultError(gettext(
                    'clinic_rme.msg_result_value_impossible',
                    investigation=investigation.rec_name,
                    value=shown(self.number) if self.number.is_finite()
                    else self.number,
                    unit=self.unit or '',
                    low=shown(low) or '-', high=shown(high) or '-'))

    def check_unit(self):
        "Raise ResultError for another unit than that of the investigation"
        investigation = self.investigation
        for name in ['unit', 'ucum_code']:
            if (getattr(self, name) or '') != (
                    getattr(investigation, name) or ''):
                raise ResultError(gettext(
                        'clinic_rme.msg_result_value_unit',
                        investigation=investigation.rec_name,
                        unit=investigation.unit or investigation.ucum_code
                        or '-'))

    def check_asked(self):
        "Raise ResultError for what the order did not ask for"
        order = self.result.order
        if self.investigation not in order.investigation.parts:
            raise ResultError(gettext(
                    'clinic_rme.msg_result_value_not_ordered',
                    investigation=self.investigation.rec_name,
                    order=order.rec_name))

    @classmethod
    def check_modification(cls, mode, lines, values=None, external=False):
        super().check_modification(
            mode, lines, values=values, external=external)
        if mode == 'write' and values.keys() & {'result', 'investigation'}:
            raise ResultAccessError(gettext('clinic_rme.msg_result_fixed'))
        if external or mode == 'delete':
            Pool().get('clinic.result').check_draft(
                list({line.result for line in lines}))


def level_of(interpretations):
    "Return how the worst of the interpretations is marked, None if normal"
    return next((
            level for level, codes in MARKED.items()
            if codes.intersection(interpretations)), None)


def _reference(encounter, investigation):
    "Return what is copied of the investigation for the visit's patient"
    person = encounter.patient.current.party
    range_ = investigation.range_for(person, encounter.day)
    return {
        'unit': investigation.unit,
        'ucum_code': investigation.ucum_code,
        'reference_text': range_.text if range_ else None,
        **{name: getattr(range_, name) if range_ else None
            for name in LIMITS},
        }
