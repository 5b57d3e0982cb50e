# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from trytond.i18n import gettext
from trytond.model import fields

from .exceptions import FallRiskError
from .mixin import RecordedMixin

# Lowest and highest score, lowest score of the medium and of the high risk
FALL_RISK_SCALES = {
    'morse': (0, 125, 25, 45),
    'humpty_dumpty': (7, 23, None, 12),
    'edmonson': (0, None, None, 90),
    }
SCREENING = {
    'psychological_status', 'psychological_note', 'pregnancy_status',
    'fall_risk_scale', 'fall_risk_score'}


class ScreeningMixin(RecordedMixin):
    """What is asked of every patient before the doctor sees them.

    KMK HK.01.07/MENKES/1423/2022, outpatient: psychological examination and
    fall risk; Ministry of Health, outpatient playbook, step 5.
    """
    __slots__ = ()

    psychological_status = fields.Selection([
            (None, ""),
            ('well', "No Abnormality"),
            ('anxious', "Anxious"),
            ('afraid', "Afraid"),
            ('angry', "Angry"),
            ('sad', "Sad"),
            ('other', "Other"),
            ], "Psychological Status", sort=False)
    psychological_note = fields.Char(
        "Psychological Note", strip=False)
    pregnancy_status = fields.Selection([
            (None, ""),
            ('pregnant', "Pregnant"),
            ('not_pregnant', "Not Pregnant"),
            ], "Pregnancy", sort=False)
    fall_risk_scale = fields.Selection([
            (None, ""),
            ('morse', "Morse (adults)"),
            ('humpty_dumpty', "Humpty Dumpty (children)"),
            ('edmonson', "Edmonson (psychiatric)"),
            ], "Fall Risk Scale", sort=False)
    fall_risk_scale_string = fall_risk_scale.translated('fall_risk_scale')
    fall_risk_score = fields.Integer("Fall Risk Score")
    fall_risk = fields.Function(
        fields.Selection([
                (None, ""),
                ('low', "Low"),
                ('medium', "Medium"),
                ('high', "High"),
                ], "Fall Risk", sort=False),
        'on_change_with_fall_risk')

    @classmethod
    def recorded_fields(cls):
        return super().recorded_fields() | SCREENING

    @fields.depends('fall_risk_scale', 'fall_risk_score')
    def on_change_with_fall_risk(self, name=None):
        score = self.fall_risk_score
        if not self.fall_risk_scale or score is None:
            return None
        *_, medium, high = FALL_RISK_SCALES[self.fall_risk_scale]
        if score >= high:
            return 'high'
        return 'medium' if medium and score >= medium else 'low'

    @fields.depends('fall_risk_scale', 'fall_risk_score')
    def _fall_risk_problem(self):
        "Return what is wrong with the score, None if nothing"
        score = self.fall_risk_score
        if score is None:
            return None
        if not self.fall_risk_scale:
            return gettext('clinic_rme.msg_fall_risk_scale')
        low, high, *_ = FALL_RISK_SCALES[self.fall_risk_scale]
        if score < low or high is not None and score > high:
            suffix = '_low' if high is None else ''
            return gettext(
                f'clinic_rme.msg_fall_risk_score{suffix}', score=score,
                scale=self.fall_risk_scale_string, low=low, high=high)
        return None

    @fields.depends(methods=['_fall_risk_problem'])
    def on_change_notify(self):
        notifications = super().on_change_notify()
        if problem := self._fall_risk_problem():
            notifications.append(('warning', problem))
        return notifications

    @classmethod
    def validate_fields(cls, encounters, field_names):
        super().validate_fields(encounters, field_names)
        cls.check_fall_risk(encounters, field_names)

    @classmethod
    def check_fall_risk(cls, encounters, field_names=None):
        "Raise FallRiskError for a score that the scale does not have"
        if field_names and not field_names & {
                'fall_risk_scale', 'fall_risk_score'}:
            return
        for encounter in encounters:
            if problem := encounter._fall_risk_problem():
                raise FallRiskError(problem)
