# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The form of a medical check-up, from which certificates are made."""

import re

from dateutil.relativedelta import relativedelta
from trytond.i18n import gettext
from trytond.model import ModelSQL, ModelView, fields
from trytond.pool import PoolMeta
from trytond.pyson import Eval

from .exceptions import CheckupError
from .mixin import SinglePart, SinglePartMixin, part_states

VISION = ['vision_right', 'vision_left', 'corrected_right', 'corrected_left']
# The distance, and that of normal sight, in metres; 1/~ is light, 0 is blind
_ACUITY = re.compile(r'[1-6]/(?:[1-9]\d{0,2}(?:[.,]\d)?|~)|0')
# PMK 41/2014, balanced nutrition, adults: the highest value of each class
BMI_CLASSES = [
    (16.9, 'very_thin'),
    (18.4, 'thin'),
    (25.0, 'normal'),
    (27.0, 'overweight'),
    ]
ADULT = 18
HEARING = [
    (None, ""),
    ('normal', "Normal"),
    ('reduced', "Reduced"),
    ('deaf', "Deaf"),
    ('not_tested', "Not Tested"),
    ]


def bmi_class(value):
    "Return the class of an adult's body mass index, kg/m² to one decimal"
    return next(
        (name for limit, name in BMI_CLASSES if value <= limit), 'obese')


def _acuity(string):
    return fields.Char(
        string, states=part_states,
        help="By Snellen in metres, e.g. 6/6, 6/12 or 3/60;\n"
        "1/300 hand movement, 1/~ light, 0 no light.")


class Checkup(SinglePartMixin, ModelSQL, ModelView):
    __name__ = 'clinic.checkup'

    purpose = fields.Selection([
            ('employment', "Employment"),
            ('school', "School or Study"),
            ('hajj', "Hajj or Umrah"),
            ('driving_licence', "Driving Licence"),
            ('marriage', "Marriage"),
            ('periodic', "Periodic Check-up"),
            ('other', "Other"),
            ], "Purpose", required=True, sort=False, states=part_states)
    purpose_note = fields.Char(
        "Purpose Note", strip=False,
        states={
            'required': Eval('purpose') == 'other',
            **part_states})
    occupation = fields.Char(
        "Occupation", strip=False, states=part_states,
        help="The work, present or applied for.")
    hazards = fields.MultiSelection([
            ('physical', "Physical"),
            ('chemical', "Chemical"),
            ('biological', "Biological"),
            ('ergonomic', "Ergonomic"),
            ('psychosocial', "Psychosocial"),
            ], "Hazards at Work", sort=False, states=part_states)
    hazard_note = fields.Char(
        "Hazard Note", strip=False, states=part_states)
    smoking = fields.Selection([
            (None, ""),
            ('never', "Never"),
            ('former', "Stopped"),
            ('current', "Smokes"),
            ], "Smoking", sort=False, states=part_states)
    cigarettes = fields.Integer(
        "Cigarettes a Day",
        domain=['OR',
            ('cigarettes', '=', None),
            [('cigarettes', '>=', 1), ('cigarettes', '<=', 200),
                ('smoking', '=', 'current')],
            ],
        states={
            'invisible': Eval('smoking') != 'current',
            **part_states})
    alcohol = fields.Selection([
            (None, ""),
            ('never', "Never"),
            ('sometimes', "Sometimes"),
            ('often', "Often"),
            ], "Alcohol", sort=False, states=part_states)
    exercise = fields.Selection([
            (None, ""),
            ('never', "Never"),
            ('sometimes', "Less than Three Times a Week"),
            ('often', "Three Times a Week or More"),
            ], "Exercise", sort=False, states=part_states)
    review_of_systems = fields.Text("Review of Systems", states=part_states)

    bmi = fields.Function(
        fields.Float(
            "Body Mass Index", digits=(4, 1),
            help="kg/m², from the last weight and height of the visit."),
        'get_bmi')
    bmi_class = fields.Function(
        fields.Selection([
                (None, ""),
                ('very_thin', "Very Thin"),
                ('thin', "Thin"),
                ('normal', "Normal"),
                ('overweight', "Overweight"),
                ('obese', "Obese"),
                ], "Nutritional Status", sort=False,
            help="Of adults, by the classes of the Ministry of Health."),
        'get_bmi')
    vision_right = _acuity("Vision Right")
    vision_left = _acuity("Vision Left")
    corrected_right = _acuity("Vision Right, Corrected")
    corrected_left = _acuity("Vision Left, Corrected")
    color_vision = fields.Selection([
            (None, ""),
            ('normal', "Normal"),
            ('partial', "Partially Colour-blind"),
            ('total', "Totally Colour-blind"),
            ('not_tested', "Not Tested"),
            ], "Colour Vision", sort=False, states=part_states)
    hearing_right = fields.Selection(
        HEARING, "Hearing Right", sort=False, states=part_states)
    hearing_left = fields.Selection(
        HEARING, "Hearing Left", sort=False, states=part_states)

    fitness = fields.Selection([
            (None, ""),
            ('fit', "Fit"),
            ('fit_with_note', "Fit with a Note"),
            ('temporarily_unfit', "Temporarily Unfit"),
            ('unfit', "Unfit"),
            ], "Conclusion", sort=False, states=part_states)
    limits = fields.Text(
        "Limits and Notes",
        states={
            'required': Eval('fitness').in_(
                ['fit_with_note', 'temporarily_unfit']),
            **part_states},
        help="What the conclusion depends on.")
    advice = fields.Text("Advice", states=part_states)
    valid_until = fields.Date(
        "Valid until", states=part_states,
        help="The last day on which the conclusion holds.")

    @classmethod
    def get_bmi(cls, checkups, names):
        """The body mass index, and its class for adults.

        Empty where weight or height was not measured in the visit.
        """
        result = {name: {} for name in names}
        for checkup in checkups:
            value = checkup._measured_bmi()
            values = {
                'bmi': value,
                'bmi_class': (
                    bmi_class(value) if value and checkup._of_adult()
                    else None),
                }
            for name in names:
                result[name][checkup.id] = values[name]
        return result

    def _measured_bmi(self):
        signs = self.encounter.vital_signs  # the latest first
        weight = next((s.weight for s in signs if s.weight), None)
        height = next((s.height for s in signs if s.height), None)
        if weight and height:
            return round(weight / (height / 100) ** 2, 1)

    def _of_adult(self):
        born = self.encounter.patient.current.party.birth_date
        return bool(
            born and relativedelta(self.encounter.day, born).years >= ADULT)

    @classmethod
    def validate_fields(cls, checkups, field_names):
        super().validate_fields(checkups, field_names)
        cls.check_vision(checkups, field_names)
        cls.check_valid_until(checkups, field_names)

    @classmethod
    def check_vision(cls, checkups, field_names=None):
        "Raise CheckupError for what is no visual acuity"
        names = [n for n in VISION if not field_names or n in field_names]
        for checkup in checkups:
            for name in names:
                value = getattr(checkup, name)
                if value and not _ACUITY.fullmatch(value):
                    raise CheckupError(gettext(
                            'clinic_rme.msg_checkup_vision', value=value,
                            **cls.__names__(name)))

    @classmethod
    def check_valid_until(cls, checkups, field_names=None):
        "Raise CheckupError for an end before the visit"
        if field_names and 'valid_until' not in field_names:
            return
        for checkup in checkups:
            if (checkup.valid_until
                    and checkup.valid_until < checkup.encounter.day):
                raise CheckupError(gettext(
                        'clinic_rme.msg_checkup_valid_until',
                        encounter=checkup.encounter.rec_name))


class Encounter(metaclass=PoolMeta):
    __name__ = 'clinic.encounter'

    checkups = SinglePart(
        'clinic.checkup', 'encounter', "Check-up Form")

    @classmethod
    def recorded_fields(cls):
        return super().recorded_fields() | {'checkups'}

    @classmethod
    def view_attributes(cls):
        return super().view_attributes() + [
            ('/form/notebook/page[@id="checkup"]', 'states', {
                    'invisible': Eval('unit_kind') != 'checkup',
                    }, ['unit_kind']),
            ]

    def holds_examination(self):
        return super().holds_examination() or self._holds_any('checkups')
