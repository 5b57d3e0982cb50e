# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What a visit must hold before it is finished.

The least that the law asks for can not be switched off; a branch asks for
more by kind of service unit.
"""

from typing import NamedTuple

from trytond.cache import Cache
from trytond.i18n import gettext
from trytond.model import ModelSQL, ModelView, Unique, fields
from trytond.pool import Pool
from trytond.pyson import Eval
from trytond.transaction import Transaction, without_check_access

from .exceptions import EncounterIncompleteError
from .mixin import BranchMixin
from .service import KINDS


class Check(NamedTuple):
    """One entry that is asked for.

    Whether it is there is told by the method `holds_<name>` of the visit,
    and what is missing by the message `msg_incomplete_<name>`; field and
    page lead to where it is entered.
    """
    name: str
    field: str
    page: str


# PMK 24/2022, articles 14 and 16: identity, complaint, examination,
# diagnosis, treatment, author and time of each visit, with its place
LEGAL = [
    Check('identity', 'patient', 'head'),
    Check('practitioner', 'practitioner', 'head'),
    Check('room', 'room', 'head'),
    Check('started_at', 'started_at', 'head'),
    Check('complaint', 'chief_complaint', 'examination'),
    Check('examination', 'vital_signs', 'examination'),
    Check('diagnosis', 'diagnoses', 'examination'),
    Check('treatment', 'plan', 'examination'),
    ]
# KMK HK.01.07/MENKES/1423/2022, outpatient: what else the form asks for
OPTIONAL = [
    Check('nik', 'patient', 'head'),
    Check('complaint_code', 'chief_complaint_code', 'examination'),
    Check('allergy', 'allergy_status', 'examination'),
    Check('vital_signs', 'vital_signs', 'examination'),
    Check('consciousness', 'vital_signs', 'examination'),
    Check('pain', 'vital_signs', 'examination'),
    Check('head_to_toe', 'examinations', 'examination'),
    Check('assessment', 'assessment', 'examination'),
    Check('plan', 'plan', 'examination'),
    Check('prognosis', 'prognosis', 'examination'),
    Check('leaving_condition', 'leaving_condition', 'examination'),
    Check('psychological', 'psychological_status', 'screening'),
    Check('fall_risk', 'fall_risk_scale', 'screening'),
    Check('education', 'education_topics', 'screening'),
    ]


class CompletionMixin:
    "The checks of the visit before its end"
    __slots__ = ()

    missing = fields.Function(
        fields.Text(
            "Incomplete",
            states={
                'invisible': ~Eval('missing'),
                },
            help="What is to be recorded before the visit is finished, "
            "as of the last saving."),
        'get_missing')

    @classmethod
    def get_missing(cls, encounters, name):
        """The missing entries in one line, for visits that are open.

        Empty where the visit is finished, cancelled or complete.
        """
        lacking = cls.lacking([e for e in encounters if not e.is_closed])
        return {
            e.id: gettext(
                'clinic_rme.msg_encounter_missing',
                missing='; '.join(map(_told, checks)))
            if (checks := lacking.get(e.id)) else None
            for e in encounters}

    @classmethod
    def check_complete(cls, encounters):
        """Raise EncounterIncompleteError with the entries that are missing.

        One message for all of the visits, each entry with the page and the
        field where it is entered.
        """
        lacking = cls.lacking(encounters)
        if problems := [
                gettext(
                    'clinic_rme.msg_encounter_incomplete',
                    encounter=e.rec_name,
                    missing='; '.join(map(cls._directed, lacking[e.id])))
                for e in encounters if lacking[e.id]]:
            raise EncounterIncompleteError('\n'.join(problems))

    @classmethod
    def lacking(cls, encounters):
        "Return {encounter id: the checks that it does not pass}"
        Rule = Pool().get('clinic.completion.rule')
        required = Rule.required({e.company.id for e in encounters})
        return {
            e.id: [
                check for check in [*LEGAL, *OPTIONAL]
                if (check in LEGAL or check.name in e._asked_for(required))
                and not getattr(e, f'holds_{check.name}')()]
            for e in encounters}

    def _asked_for(self, required):
        "Return the names of the checks that the branch adds for the unit"
        by_kind = required[self.company.id]
        kind = self.unit.kind if self.unit else None
        return {*by_kind.get('all', ()), *by_kind.get(kind, ())}

    @classmethod
    def _directed(cls, check):
        "Return what is missing and where it is entered"
        return gettext(
            'clinic_rme.msg_encounter_incomplete_entry',
            missing=_told(check),
            page=gettext(f'clinic_rme.msg_page_{check.page}'),
            **cls.__names__(check.field))

    def holds_identity(self):
        """Whether it is known who the patient is, or told why not.

        The record number is always there; beside it a name, or the reason
        why the person has no NIK, which an unknown patient needs.  The NIK
        itself is the check `nik` that a branch adds: the desk may get to
        know it after the visit.
        """
        person = self.patient.party
        return bool(person.name or person.no_nik_reason)

    def holds_nik(self):
        "Whether the patient has a NIK, or the reason without one is told"
        return bool(self.patient.party.nik or self.patient.party.no_nik_reason)

    def holds_practitioner(self):
        "Whether the author of the record is named"
        return bool(self.practitioner)

    def holds_room(self):
        "Whether the place is named"
        return bool(self.room)

    def holds_started_at(self):
        "Whether the begin is known; the end is filled in when finishing"
        return bool(self.started_at)

    def holds_complaint(self):
        "Whether the reason for the visit is told, as text or as code"
        return self._holds_any(
            'chief_complaint', 'chief_complaint_code', 'subjective',
            'present_illness')

    def holds_complaint_code(self):
        return bool(self.chief_complaint_code)

    def holds_examination(self):
        "Whether anything was measured or found"
        return self._holds_any('vital_signs', 'examinations', 'objective')

    def holds_diagnosis(self):
        "Whether there is a primary diagnosis"
        return any(d.rank == 1 for d in self.diagnoses)

    @classmethod
    def treatment_fields(cls):
        """Return the names of the fields that tell what was done or agreed.

        Extend it with what is ordered or performed in a visit.
        """
        return [
            'plan', 'instruction', 'care_goal', 'diet', 'education_topics',
            'education_note', 'referral_reason', 'follow_up_date',
            'follow_up_note']

    def holds_treatment(self):
        """Whether it is told what was done for the patient.

        Advice alone is enough, and so is another end than going home, which
        is there from the start: who leaves against advice or is sent
        elsewhere may have got nothing.
        """
        return self._holds_any(*self.treatment_fields()) or (
            self.discharge_disposition not in {None, 'home'})

    def holds_plan(self):
        "Whether a plan of treatment was written"
        return self._holds_any('plan')

    def holds_allergy(self):
        "Whether the patient was asked for allergies"
        return self.patient.current.allergy_status != 'not_asked'

    def holds_vital_signs(self):
        return bool(self.vital_signs)

    def holds_consciousness(self):
        return any(v.consciousness for v in self.vital_signs)

    def holds_pain(self):
        return any(v.pain_score is not None for v in self.vital_signs)

    def holds_head_to_toe(self):
        return bool(self.examinations)

    def holds_assessment(self):
        return bool(self.assessment)

    def holds_prognosis(self):
        return bool(self.prognosis)

    def holds_leaving_condition(self):
        return bool(self.leaving_condition)

    def holds_psychological(self):
        return bool(self.psychological_status)

    def holds_fall_risk(self):
        "Whether the risk was scored on a scale"
        return bool(self.fall_risk_scale) and self.fall_risk_score is not None

    def holds_education(self):
        return self._holds_any('education_topics', 'education_note')

    def _holds_any(self, *names):
        return any(_is_filled(getattr(self, name)) for name in names)


def _is_filled(value):
    return bool(value.strip() if isinstance(value, str) else value)


def _told(check):
    "Return what is missing, in the words of the user"
    return gettext(f'clinic_rme.msg_incomplete_{check.name}')


class CompletionRule(BranchMixin, ModelSQL, ModelView):
    "An entry that a branch asks for beyond the law, by kind of unit"
    __name__ = 'clinic.completion.rule'

    company = fields.Many2One(
        'company.company', "Branch", required=True, ondelete='CASCADE')
    unit_kind = fields.Selection(
        [('all', "All Units"), *KINDS], "Kind of Unit", required=True,
        sort=False)
    requirement = fields.Selection([
            ('nik', "NIK or Reason without NIK"),
            ('complaint_code', "Chief Complaint Code"),
            ('allergy', "Allergies Asked"),
            ('vital_signs', "Vital Signs"),
            ('consciousness', "Consciousness"),
            ('pain', "Pain Score"),
            ('head_to_toe', "Head-to-toe Finding"),
            ('assessment', "Assessment"),
            ('plan', "Plan of Treatment"),
            ('prognosis', "Prognosis"),
            ('leaving_condition', "Condition on Leaving"),
            ('psychological', "Psychological Status"),
            ('fall_risk', "Fall Risk"),
            ('education', "Education"),
            ], "Requirement", required=True, sort=False,
        help="What has to be recorded before a visit is finished.")
    requirement_string = requirement.translated('requirement')

    _required_cache = Cache(
        'clinic.completion.rule.required', context=False)

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_constraints.append(
            ('requirement_unique',
                Unique(t, t.company, t.unit_kind, t.requirement),
                'clinic_rme.msg_completion_rule_unique'))
        cls._order = [
            ('company', 'ASC'), ('unit_kind', 'ASC'), ('id', 'ASC')]

    @classmethod
    def default_company(cls):
        return Transaction().context.get('company')

    @classmethod
    def default_unit_kind(cls):
        return 'all'

    def get_rec_name(self, name):
        return self.requirement_string

    @classmethod
    def on_modification(cls, mode, rules, field_names=None):
        super().on_modification(mode, rules, field_names=field_names)
        cls._required_cache.clear()

    @classmethod
    def required(cls, companies):
        """Return {company id: {kind of unit: names of checks}}.

        Of the branches whose ids are given; kept in a cache.
        """
        result = {c: cls._required_cache.get(c) for c in companies}
        if unknown := [c for c, kinds in result.items() if kinds is None]:
            result.update((c, {}) for c in unknown)
            with without_check_access():
                for rule in cls.search([('company', 'in', unknown)]):
                    result[rule.company.id].setdefault(
                        rule.unit_kind, []).append(rule.requirement)
            for company in unknown:
                cls._required_cache.set(company, result[company])
        return result
