# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from collections import Counter, defaultdict
from itertools import chain

from trytond.i18n import gettext
from trytond.model import Index, ModelSQL, ModelView, fields

from .encounter import now
from .exceptions import DiagnosisRankError
from .mixin import EncounterPartMixin, part_states


class Diagnosis(EncounterPartMixin, ModelSQL, ModelView):
    __name__ = 'clinic.diagnosis'

    code = fields.Many2One(
        'clinic.icd10', "ICD-10", required=True, ondelete='RESTRICT',
        states=part_states)
    rank = fields.Integer(
        "Rank", domain=['OR', ('rank', '=', None), ('rank', '>=', 1)],
        states=part_states,
        help="1 is the primary diagnosis.")
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

    @classmethod
    def on_modification(cls, mode, diagnoses, field_names=None):
        super().on_modification(mode, diagnoses, field_names=field_names)
        if mode == 'create':
            cls._give_ranks([d for d in diagnoses if not d.rank])

    @classmethod
    def _give_ranks(cls, diagnoses):
        highest = Counter()
        for diagnosis in cls.search([
                    ('encounter', 'in', [d.encounter.id for d in diagnoses]),
                    ('rank', '!=', None),
                    ]):
            highest[diagnosis.encounter] = max(
                highest[diagnosis.encounter], diagnosis.rank)
        by_rank = defaultdict(list)
        for diagnosis in diagnoses:
            highest[diagnosis.encounter] += 1
            by_rank[highest[diagnosis.encounter]].append(diagnosis)
        if by_rank:
            cls.write(*chain.from_iterable(
                    (ranked, {'rank': rank})
                    for rank, ranked in by_rank.items()))

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
