# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from collections import Counter

from trytond.i18n import gettext
from trytond.model import Index, ModelSQL, ModelView, fields
from trytond.pyson import Eval

from .exceptions import ExaminationError
from .mixin import EncounterPartMixin, RecordedMixin, part_states

# KMK HK.01.07/MENKES/1423/2022, outpatient, physical examination; the same 28
# parts as in the Ministry of Health's outpatient playbook, step 4
BODY_PARTS = [
    ('head', "Head"),
    ('eyes', "Eyes"),
    ('ears', "Ears"),
    ('nose', "Nose"),
    ('hair', "Hair"),
    ('lips', "Lips"),
    ('teeth', "Teeth"),
    ('tongue', "Tongue"),
    ('palate', "Palate"),
    ('neck', "Neck"),
    ('throat', "Throat"),
    ('tonsils', "Tonsils"),
    ('chest', "Chest"),
    ('breasts', "Breasts"),
    ('back', "Back"),
    ('abdomen', "Abdomen"),
    ('genitals', "Genitals"),
    ('anus', "Anus and Rectum"),
    ('upper_arms', "Upper Arms"),
    ('forearms', "Forearms"),
    ('fingers', "Fingers"),
    ('fingernails', "Fingernails"),
    ('hand_joints', "Joints of the Hands"),
    ('thighs', "Thighs"),
    ('lower_legs', "Lower Legs"),
    ('toes', "Toes"),
    ('toenails', "Toenails"),
    ('foot_joints', "Joints of the Feet"),
    ]


class ExaminationMixin(RecordedMixin):
    "The head-to-toe examination of the visit"
    __slots__ = ()

    examinations = fields.One2Many(
        'clinic.examination', 'encounter', "Head-to-toe Findings")

    @classmethod
    def recorded_fields(cls):
        return super().recorded_fields() | {'examinations'}


class Examination(EncounterPartMixin, ModelSQL, ModelView):
    """The finding of one body part.

    A part without a row was not examined.
    """
    __name__ = 'clinic.examination'

    body_part = fields.Selection(
        BODY_PARTS, "Body Part", required=True, sort=False,
        states=part_states)
    body_part_string = body_part.translated('body_part')
    finding = fields.Selection([
            ('abnormal', "Abnormal"),
            ('normal', "No Abnormality"),
            ], "Finding", required=True, sort=False, states=part_states)
    note = fields.Text(
        "Note",
        states={
            'required': Eval('finding') == 'abnormal',
            **part_states})

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_indexes.add(Index(t, (t.encounter, Index.Equality())))
        cls._order = [('encounter', 'DESC'), ('id', 'ASC')]

    @classmethod
    def default_finding(cls):
        return 'abnormal'

    def get_rec_name(self, name):
        return self.body_part_string

    @classmethod
    def validate_fields(cls, examinations, field_names):
        super().validate_fields(examinations, field_names)
        cls.check_once(examinations, field_names)

    @classmethod
    def check_once(cls, examinations, field_names=None):
        "Raise ExaminationError if a visit has a body part twice"
        if field_names and 'body_part' not in field_names:
            return
        siblings = cls.search([
                ('encounter', 'in', [e.encounter.id for e in examinations])])
        count = Counter((e.encounter, e.body_part) for e in siblings)
        for examination in siblings:
            if count[examination.encounter, examination.body_part] > 1:
                raise ExaminationError(gettext(
                        'clinic_rme.msg_examination_twice',
                        encounter=examination.encounter.rec_name,
                        part=examination.body_part_string))
