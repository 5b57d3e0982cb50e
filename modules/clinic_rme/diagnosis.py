# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import datetime as dt
from collections import Counter, defaultdict

from trytond.i18n import gettext
from trytond.model import Index, ModelSQL, ModelView, fields
from trytond.pool import Pool
from trytond.transaction import without_check_access

from .exceptions import DiagnosisRankError
from .mixin import EncounterPartMixin, complete, now, part_states


class Diagnosis(EncounterPartMixin, ModelSQL, ModelView):
    __name__ = 'clinic.diagnosis'

    code = fields.Many2One(
        'clinic.icd10', "ICD-10", required=True, ondelete='RESTRICT',
        states=part_states)
    rank = fields.Integer(
        "Rank", domain=['OR', ('rank', '=', None), ('rank', '>=', 1)],
        states=part_states,
        help="1 is the primary diagnosis.")
    certainty = fields.Selection([
            (None, ""),
            ('provisional', "Provisional"),
            ('differential', "Differential"),
            ('confirmed', "Confirmed"),
            ], "Certainty", sort=False, states=part_states)
    case = fields.Selection([
            (None, ""),
            ('new', "New"),
            ('old', "Old"),
            ], "Case", sort=False, states=part_states,
        help="Old when an earlier visit of the patient has a diagnosis of "
        "the same category (the first three characters of the code) that "
        "was not provisional or differential, and not too long ago by the "
        "clinic configuration.")
    note = fields.Char("Note", states=part_states)
    recorded_at = fields.DateTime("Recorded at", required=True, readonly=True)

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_indexes.add(Index(t, (t.encounter, Index.Equality())))
        cls._order = [('rank', 'ASC NULLS LAST'), ('id', 'ASC')]

    @classmethod
    def default_recorded_at(cls):
        return now()

    @fields.depends('encounter', 'rank', '_parent_encounter.diagnoses')
    def on_change_encounter(self):
        if self.encounter and not self.rank:
            self.rank = 1 + max(
                (d.rank or 0 for d in self.encounter.diagnoses or []),
                default=0)

    @fields.depends(
        'code', 'encounter', '_parent_encounter.patient',
        '_parent_encounter.started_at', '_parent_encounter.company')
    def on_change_code(self):
        self.case = None
        if self.code and self.encounter and self.encounter.patient:
            self.case = self._case(self._earlier([self]))

    @classmethod
    def on_modification(cls, mode, diagnoses, field_names=None):
        super().on_modification(mode, diagnoses, field_names=field_names)
        if mode == 'create':
            cls._complete(diagnoses)

    @classmethod
    def _complete(cls, diagnoses):
        "Give a rank and the kind of case to those that have none"
        ranks = cls._next_ranks([d for d in diagnoses if not d.rank])
        undecided = [d for d in diagnoses if not d.case]
        earlier = cls._earlier(undecided)
        groups = defaultdict(list)
        for diagnosis in {*ranks, *undecided}:
            values = {}
            if diagnosis in ranks:
                values['rank'] = ranks[diagnosis]
            if not diagnosis.case:
                values['case'] = diagnosis._case(earlier)
            groups[tuple(values.items())].append(diagnosis)
        for values, same in groups.items():
            complete(same, dict(values))

    @classmethod
    def _next_ranks(cls, diagnoses):
        "Return {diagnosis: its rank behind those of its visit}"
        if not diagnoses:
            return {}
        highest = Counter()
        for diagnosis in cls.search([
                    ('encounter', 'in', [d.encounter.id for d in diagnoses]),
                    ('rank', '!=', None),
                    ]):
            highest[diagnosis.encounter] = max(
                highest[diagnosis.encounter], diagnosis.rank)
        ranks = {}
        for diagnosis in diagnoses:
            highest[diagnosis.encounter] += 1
            ranks[diagnosis] = highest[diagnosis.encounter]
        return ranks

    @classmethod
    def _earlier(cls, diagnoses):
        """Return {(patient id, category): begins of the visits with it}.

        Of the patients and categories of the diagnoses, in finished visits
        that the user may read; without what was only suspected there, and
        without visits that are too long ago for each of the diagnoses.
        """
        people = {d.encounter.patient for d in diagnoses}
        if not people:
            return {}
        owner = {
            record.id: person.id
            for person in people for record in person.records}
        own = {d.encounter.id for d in diagnoses if d.encounter.id}
        found = cls.search([
                ('encounter.patient', 'in', list(owner)),
                ('encounter', 'not in', [id_ for id_ in own if id_ > 0]),
                ('encounter.state', '=', 'finished'),
                cls._recent(diagnoses),
                ['OR',
                    ('certainty', '=', None),
                    ('certainty', '=', 'confirmed'),
                    ],
                ['OR', *({
                        ('code.code', 'like', f'{d.category}%')
                        for d in diagnoses})],
                ])
        begins = defaultdict(list)
        for diagnosis in found:
            key = owner[diagnosis.encounter.patient.id], diagnosis.category
            begins[key].append(diagnosis.encounter.started_at)
        return begins

    @classmethod
    def _recent(cls, diagnoses):
        "Return the domain of what is not too long ago for each of them"
        firsts = [d._old_since() for d in diagnoses]
        if None in firsts:
            return []
        return [('encounter.started_at', '>', min(firsts))]

    def _old_since(self):
        """Return when an earlier visit makes it an old case.

        Visits that began later than this do; None for no limit.
        """
        Configuration = Pool().get('clinic.configuration')
        company = self.encounter.company
        with without_check_access():
            days = Configuration(1).get_multivalue(
                'case_days', company=company.id if company else None)
        return self._begin - dt.timedelta(days + 1) if days else None

    @property
    def _begin(self):
        return self.encounter.started_at or now()

    def _case(self, earlier):
        "Return the kind of case by what _earlier returned"
        since = self._old_since()
        return 'old' if any(
            begin < self._begin and (since is None or begin > since)
            for begin in earlier.get(
                (self.encounter.patient.id, self.category), [])) else 'new'

    @property
    def category(self):
        "The three characters of ICD-10 that name the disease"
        return self.code.code[:3]

    @classmethod
    def validate_fields(cls, diagnoses, field_names):
        super().validate_fields(diagnoses, field_names)
        cls.check_unique(diagnoses, field_names)

    @classmethod
    def check_unique(cls, diagnoses, field_names=None):
        """Allow one primary diagnosis and each code once per encounter.

        Raises DiagnosisRankError.
        """
        if field_names and not field_names & {'rank', 'code'}:
            return
        codes, primary = Counter(), Counter()
        siblings = cls.search([
                ('encounter', 'in', [d.encounter.id for d in diagnoses])])
        for diagnosis in siblings:
            codes[diagnosis.encounter, diagnosis.code] += 1
            primary[diagnosis.encounter] += diagnosis.rank == 1
        for encounter, count in primary.items():
            if count > 1:
                raise DiagnosisRankError(gettext(
                        'clinic_rme.msg_diagnosis_primary',
                        encounter=encounter.rec_name))
        for (encounter, code), count in codes.items():
            if count > 1:
                raise DiagnosisRankError(gettext(
                        'clinic_rme.msg_diagnosis_twice',
                        encounter=encounter.rec_name,
                        code=code.rec_name))

    def get_rec_name(self, name):
        return self.code.rec_name

    @classmethod
    def search_rec_name(cls, name, clause):
        return [('code.rec_name', *clause[1:])]
