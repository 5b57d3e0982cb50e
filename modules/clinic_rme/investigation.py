# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What the laboratory and the radiology of a clinic do or send out.

A list of the module's own, loaded once where there is none; the clinic's
administration keeps it.  KMK HK.01.07/MENKES/1423/2022, outpatient,
supporting examinations.
"""

import re

from dateutil.relativedelta import relativedelta
from stdnum import luhn
from trytond.i18n import gettext
from trytond.model import (
    DeactivableMixin, Index, ModelSQL, ModelView, Unique, fields,
    sequence_ordered)
from trytond.pool import Pool
from trytond.pyson import Eval, If
from trytond.transaction import Transaction

from .exceptions import InvestigationError
from .investigation_list import create_shipped
from .search import SearchMixin

KINDS = [
    ('laboratory', "Laboratory"),
    ('radiology', "Radiology"),
    ]
VALUE_TYPES = [
    ('numeric', "Number"),
    ('choice', "Choice"),
    ('text', "Text"),
    ('interpretation', "Interpretation Only"),
    ('report', "Findings and Conclusion"),
    ('panel', "Panel"),
    ]
SPECIMENS = [
    (None, ""),
    ('blood', "Blood"),
    ('capillary_blood', "Capillary Blood"),
    ('serum', "Serum"),
    ('plasma', "Plasma"),
    ('urine', "Urine"),
    ('stool', "Stool"),
    ('sputum', "Sputum"),
    ('throat_swab', "Throat or Nose Swab"),
    ('genital_swab', "Genital Swab"),
    ('pus', "Pus"),
    ('other', "Other"),
    ]
# Codes of HL7 v3 ObservationInterpretation
INTERPRETATIONS = [
    (None, ""),
    ('N', "Normal"),
    ('L', "Low"),
    ('H', "High"),
    ('LL', "Critically Low"),
    ('HH', "Critically High"),
    ('A', "Abnormal"),
    ('AA', "Critically Abnormal"),
    ]
LOINC = re.compile(r'\d{1,7}-\d')


class Investigation(SearchMixin, DeactivableMixin, ModelSQL, ModelView):
    __name__ = 'clinic.investigation'
    code_sealed = 'code'

    code = fields.Char("Code", required=True)
    name = fields.Char("Name", required=True)
    everyday_names = fields.Text(
        "Everyday Names",
        help="More names to find it by, one a line.")
    kind = fields.Selection(KINDS, "Kind", required=True, sort=False)
    value_type = fields.Selection(
        VALUE_TYPES, "Result", required=True, sort=False,
        help="What is entered as its result.")
    loinc_code = fields.Char(
        "LOINC", help="Leave empty when it is not known for certain.")
    specimen_type = fields.Selection(
        SPECIMENS, "Specimen", sort=False,
        states={
            'invisible': Eval('kind') != 'laboratory',
            })
    unit = fields.Char(
        "Unit",
        states={
            'invisible': Eval('value_type') != 'numeric',
            },
        help="As it is written on a result.")
    ucum_code = fields.Char(
        "UCUM Code",
        states={
            'required': Eval('value_type') == 'numeric',
            'invisible': Eval('value_type') != 'numeric',
            },
        help="The unit in the Unified Code for Units of Measure.")
    minimum = fields.Numeric(
        "Least Possible Value",
        states={
            'invisible': Eval('value_type') != 'numeric',
            },
        help="A lower value is refused.")
    maximum = fields.Numeric(
        "Greatest Possible Value",
        domain=['OR',
            ('maximum', '=', None),
            ('minimum', '=', None),
            ('maximum', '>=', Eval('minimum', 0)),
            ],
        states={
            'invisible': Eval('value_type') != 'numeric',
            },
        help="A higher value is refused.")
    preparation = fields.Char(
        "Preparation", help="What the patient is told before: fasting.")
    components = fields.One2Many(
        'clinic.investigation.component', 'panel', "Components",
        size=If(Eval('value_type') == 'panel', 60, 0),
        states={
            'required': Eval('value_type') == 'panel',
            'invisible': Eval('value_type') != 'panel',
            })
    choices = fields.One2Many(
        'clinic.investigation.choice', 'investigation', "Choices",
        states={
            'required': Eval('value_type') == 'choice',
            'invisible': Eval('value_type') != 'choice',
            })
    ranges = fields.One2Many(
        'clinic.investigation.range', 'investigation', "Reference Ranges",
        states={
            'invisible': Eval('value_type').in_(['panel', 'report']),
            },
        help="Of those that fit sex and age, the first one of the patient's "
        "sex is used, and if there is none, the first one of both sexes.")

    _code_field = 'code'
    _searched_fields = {'code', 'name', 'everyday_names'}
    _common_field = 'everyday_names'
    _recorded_in = ('clinic.order', 'investigation')

    @classmethod
    def __setup__(cls):
        super().__setup__()
        cls.code.search_unaccented = False
        cls.loinc_code.search_unaccented = False
        t = cls.__table__()
        cls._sql_constraints.append(
            ('code_unique', Unique(t, t.code),
                'clinic_rme.msg_code_unique'))
        cls._order[:0] = [('kind', 'ASC'), ('name', 'ASC')]

    @classmethod
    def default_kind(cls):
        return 'laboratory'

    @classmethod
    def default_value_type(cls):
        return 'numeric'

    @fields.depends('kind', 'value_type')
    def on_change_kind(self):
        if self.kind == 'radiology':
            self.value_type = 'report'
            self.specimen_type = None

    @classmethod
    def preprocess_values(cls, mode, values):
        if values.get('code'):
            values = {**values, 'code': values['code'].strip().upper()}
        if 'loinc_code' in values:
            code = (values['loinc_code'] or '').strip()
            values = {**values, 'loinc_code': code or None}
        return super().preprocess_values(mode, values)

    @classmethod
    def validate_fields(cls, investigations, field_names):
        super().validate_fields(investigations, field_names)
        cls.check_loinc(investigations, field_names)

    @classmethod
    def check_loinc(cls, investigations, field_names=None):
        """Raise InvestigationError for what is no LOINC code.

        Its last digit is a check digit (modulus 10).
        """
        if field_names and 'loinc_code' not in field_names:
            return
        for investigation in investigations:
            code = investigation.loinc_code
            if code and not (
                    LOINC.fullmatch(code)
                    and luhn.is_valid(code.replace('-', ''))):
                raise InvestigationError(gettext(
                        'clinic_rme.msg_investigation_loinc', code=code))

    def get_rec_name(self, name):
        return self.name

    @classmethod
    def search_phrases(cls, values):
        names = (values.get('everyday_names') or '').splitlines()
        return super().search_phrases(values) + [
            cls.normalised(name) for name in names]

    @classmethod
    def _rec_name_domain(cls, rec_name):
        return [('name', '=', rec_name)]

    @property
    def parts(self):
        "What gets a value each: the components of a panel, or itself"
        if self.value_type == 'panel':
            return [c.investigation for c in self.components]
        return [] if self.value_type == 'report' else [self]

    def range_for(self, person, day):
        """Return the reference range for the person on the day, or None.

        A range of the person's sex comes before one of both sexes.
        """
        fitting = [r for r in self.ranges if r.fits(person, day)]
        return next(
            (r for r in fitting if r.sex), fitting[0] if fitting else None)


class InvestigationComponent(sequence_ordered(), ModelSQL, ModelView):
    __name__ = 'clinic.investigation.component'

    panel = fields.Many2One(
        'clinic.investigation', "Panel", required=True, ondelete='CASCADE')
    investigation = fields.Many2One(
        'clinic.investigation', "Investigation", required=True,
        ondelete='RESTRICT',
        domain=[
            ('kind', '=', 'laboratory'),
            ('value_type', 'not in', ['panel', 'report']),
            ])

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_constraints.append(
            ('investigation_unique', Unique(t, t.panel, t.investigation),
                'clinic_rme.msg_investigation_component_unique'))
        cls._sql_indexes.add(Index(t, (t.investigation, Index.Equality())))

    def get_rec_name(self, name):
        return self.investigation.rec_name

    @classmethod
    def search_rec_name(cls, name, clause):
        return [('investigation.rec_name', *clause[1:])]


class InvestigationChoice(sequence_ordered(), ModelSQL, ModelView):
    __name__ = 'clinic.investigation.choice'

    investigation = fields.Many2One(
        'clinic.investigation', "Investigation", required=True,
        ondelete='CASCADE')
    name = fields.Char("Name", required=True)
    code = fields.Char(
        "Code", help="The code of the answer: of LOINC or SNOMED CT.")
    interpretation = fields.Selection(
        INTERPRETATIONS, "Interpretation", sort=False)

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_constraints.append(
            ('name_unique', Unique(t, t.investigation, t.name),
                'clinic_rme.msg_investigation_choice_unique'))


class InvestigationRange(sequence_ordered(), ModelSQL, ModelView):
    "What is normal, and from where on it is critical, by sex and age"
    __name__ = 'clinic.investigation.range'

    investigation = fields.Many2One(
        'clinic.investigation', "Investigation", required=True,
        ondelete='CASCADE')
    sex = fields.Selection([
            (None, "Both"),
            ('male', "Male"),
            ('female', "Female"),
            ], "Sex", sort=False)
    age_from = fields.Integer(
        "From Age",
        domain=['OR', ('age_from', '=', None), ('age_from', '>=', 0)])
    age_to = fields.Integer(
        "To Age",
        domain=['OR',
            ('age_to', '=', None),
            ('age_to', '>', If(Eval('age_from'), Eval('age_from', 0), 0)),
            ],
        help="The first age that it no longer holds for.")
    age_unit = fields.Selection([
            ('days', "Days"),
            ('months', "Months"),
            ('years', "Years"),
            ], "Age in", required=True, sort=False)
    low = fields.Numeric("Low")
    high = fields.Numeric(
        "High",
        domain=['OR',
            ('high', '=', None), ('low', '=', None),
            ('high', '>=', Eval('low', 0)),
            ])
    critical_low = fields.Numeric(
        "Critically Low",
        domain=['OR',
            ('critical_low', '=', None), ('low', '=', None),
            ('critical_low', '<=', Eval('low', 0)),
            ],
        help="A value up to this one is critical.")
    critical_high = fields.Numeric(
        "Critically High",
        domain=['OR',
            ('critical_high', '=', None), ('high', '=', None),
            ('critical_high', '>=', Eval('high', 0)),
            ],
        help="A value from this one on is critical.")
    text = fields.Char(
        "Text", help="What is normal, where it is no number;\n"
        "or a remark that is shown behind the limits.")

    @classmethod
    def __register__(cls, module_name):
        super().__register__(module_name)
        # The last table of the list
        Investigation = Pool().get('clinic.investigation')
        table = Investigation.__table__()
        cursor = Transaction().connection.cursor()
        cursor.execute(*table.select(table.id, limit=1))
        if not cursor.fetchone():
            create_shipped(Investigation)

    @classmethod
    def default_age_unit(cls):
        return 'years'

    def fits(self, person, day):
        """Whether it holds for the person on the day.

        One with an age does not hold where the birth date is not known.
        """
        if self.sex and self.sex != person.sex:
            return False
        if self.age_from is None and self.age_to is None:
            return True
        birth = person.birth_date
        return bool(birth) and (
            (self.age_from is None or self._birthday(birth, 'age_from') <= day)
            and (self.age_to is None or day < self._birthday(birth, 'age_to')))

    def _birthday(self, birth, name):
        return birth + relativedelta(**{self.age_unit: getattr(self, name)})
