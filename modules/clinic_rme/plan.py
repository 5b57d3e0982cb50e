# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.


from trytond.i18n import gettext
from trytond.model import ModelView, fields
from trytond.pyson import Bool, Eval
from trytond.transaction import check_access

from .exceptions import FollowUpError, PlanNotFoundError
from .mixin import RecordedMixin

REFERRAL = {'referral_facility', 'referral_service', 'referral_reason'}
# What may be taken over from the visit before: never a finding
COPIED = [
    'plan', 'care_goal', 'instruction', 'diet', 'education_topics',
    'education_note']
PLAN = REFERRAL | {*COPIED} - {'plan'} | {
    'prognosis', 'follow_up_date', 'follow_up_unit', 'follow_up_note',
    'leaving_condition'}


class PlanMixin(RecordedMixin):
    """What is agreed and done for the time after the visit.

    Ministry of Health, outpatient playbook, steps 7 to 9 and 20 to 25, whose
    lists of education and prognosis these are.
    """
    __slots__ = ()

    care_goal = fields.Text("Goal of Care")
    instruction = fields.Text(
        "Medical and Nursing Instructions")
    diet = fields.Text("Diet")
    education_topics = fields.MultiSelection([
            ('disease', "Disease"),
            ('medication', "Medication"),
            ('nutrition', "Nutrition"),
            ('pain', "Pain"),
            ('rehabilitation', "Rehabilitation"),
            ('hand_washing', "Hand Washing"),
            ('medical_equipment', "Medical Equipment"),
            ], "Education", sort=False)
    education_note = fields.Text("Education Note")
    prognosis = fields.Selection([
            (None, ""),
            ('good', "Good"),
            ('fair', "Fair (dubia ad bonam)"),
            ('guarded', "Guarded (dubia ad malam)"),
            ('bad', "Bad"),
            ], "Prognosis", sort=False)
    follow_up_date = fields.Date("Follow-up Date")
    follow_up_unit = fields.Many2One(
        'clinic.unit', "Follow-up at", ondelete='RESTRICT',
        domain=[('company', '=', Eval('company', -1))])
    follow_up_note = fields.Char(
        "Follow-up Note", strip=False,
        help="What the patient is told, e.g. when to come back earlier.")
    referral_facility = fields.Char(
        "Referred to", strip=False,
        help="The facility that the patient is referred to.")
    referral_service = fields.Char(
        "Referred to Service", strip=False,
        help="The unit or specialty there.")
    referral_reason = fields.Text("Reason for Referral")
    leaving_condition = fields.Selection([
            (None, ""),
            ('stable', "Stable"),
            ('improved', "Improved"),
            ('unstable', "Unstable"),
            ], "Condition on Leaving", sort=False)

    @classmethod
    def __setup__(cls):
        super().__setup__()
        unused = Eval('discharge_disposition') != 'other-hcf'
        for name in sorted(REFERRAL):
            unused &= ~Bool(Eval(name))
        for name in REFERRAL:
            field = getattr(cls, name)
            field.states = {**field.states, 'invisible': unused}
        cls._buttons.update({
                'copy_plan': {
                    'invisible': cls.chief_complaint.states['readonly'],
                    'icon': 'tryton-copy',
                    'depends': ['state'],
                    },
                })

    @classmethod
    def recorded_fields(cls):
        return super().recorded_fields() | PLAN

    @classmethod
    def validate_fields(cls, encounters, field_names):
        super().validate_fields(encounters, field_names)
        cls.check_follow_up(encounters, field_names)

    @classmethod
    def check_follow_up(cls, encounters, field_names=None):
        "Raise FollowUpError for a date before the visit"
        if field_names and 'follow_up_date' not in field_names:
            return
        for encounter in encounters:
            if (encounter.follow_up_date
                    and encounter.follow_up_date < encounter.day):
                raise FollowUpError(gettext(
                        'clinic_rme.msg_follow_up_before_visit',
                        encounter=encounter.rec_name))

    @classmethod
    @ModelView.button
    def copy_plan(cls, encounters):
        """Take over the plan of the visit before, where none is written yet.

        Of visits that the user may read, and never a finding.
        Raises PlanNotFoundError where there is nothing to take over.
        """
        for encounter in encounters:
            previous = encounter._planned_before()
            if not previous:
                raise PlanNotFoundError(gettext(
                        'clinic_rme.msg_plan_not_found',
                        patient=encounter.patient.rec_name))
            encounter.copy_plan_from(previous)

    def copy_plan_from(self, previous):
        "Take over the plan of the visit, where none is written yet"
        self.write([self], {
                name: getattr(previous, name) for name in COPIED
                if not getattr(self, name)
                and getattr(previous, name)})

    def has_plan(self):
        "Return whether there is something to take over from the visit"
        return any(getattr(self, name) for name in COPIED)

    def _planned_before(self):
        """Return the last finished visit of the patient that has a plan, if any.

        Those of the records that were merged into the patient's are his.
        """
        records = [p.id for p in self.patient.records]
        with check_access():
            visits = self.search([
                    ('patient', 'in', records),
                    ('state', '=', 'finished'),
                    ('id', '!=', self.id),
                    ], order=[('started_at', 'DESC'), ('id', 'DESC')])
        for visit in self.__class__.browse(visits):
            if visit.has_plan():
                return visit
        return None
