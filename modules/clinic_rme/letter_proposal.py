# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What a new letter takes over from the visit that it is about."""

from trytond.model import fields

from .measure import measures_text


def _diagnosis(visit):
    return '\n'.join(d.code.rec_name for d in visit.diagnoses)


def _findings(visit):
    return '\n'.join(filter(None, [measures_text(visit), visit.objective]))


def _therapy(visit):
    return '\n'.join([
            *(f'{i.name}, {i.signa}' for i in visit.prescription_items),
            *(p.rec_name for p in visit.procedures)])


# Field of the letter: its value by the visit
PROPOSALS = {
    'diagnosis': _diagnosis,
    'findings': _findings,
    'therapy': _therapy,
    'referral_facility': lambda visit: visit.referral_facility,
    'referral_service': lambda visit: visit.referral_service,
    'referral_reason': lambda visit: visit.referral_reason,
    }
# Kind of letter: what is taken over
PROPOSED = {
    'sick_leave': ['diagnosis'],
    'health': ['findings'],
    'referral': list(PROPOSALS),
    }


class LetterProposalMixin:
    "Proposes what the visit says, where nothing is written yet"
    __slots__ = ()

    source = fields.Function(
        fields.Many2One('clinic.encounter', "Proposed by", readonly=True),
        'get_source')

    @classmethod
    def get_source(cls, letters, name):
        "Only a letter that is being written knows it"
        return {letter.id: None for letter in letters}

    @fields.depends(methods=['_take_over'])
    def on_change_encounter(self):
        self._take_over()

    @fields.depends(methods=['_take_over'])
    def on_change_kind(self):
        self._take_over()

    @fields.depends(
        'encounter', 'kind', 'author', 'from_date', 'date',
        methods=['_take_back'])
    def _take_over(self):
        "Propose what the visit says, and no more what another one said"
        if not self.encounter:
            return
        self._take_back()
        self.source = self.encounter
        proposed = {
            'author': self.encounter.practitioner,
            **{name: PROPOSALS[name](self.encounter)
                for name in PROPOSED.get(self.kind, [])},
            }
        if self.kind == 'sick_leave':
            proposed['from_date'] = self.date
        for name, value in proposed.items():
            if value and not getattr(self, name, None):
                setattr(self, name, value)

    @fields.depends('encounter', 'source', 'author', *PROPOSALS)
    def _take_back(self):
        """Empty what the visit chosen before had proposed.

        Of another patient nothing stays, also not what was added to it.
        """
        if not self.source or self.source == self.encounter:
            return
        stranger = self.source.patient != self.encounter.patient
        for name, proposal in PROPOSALS.items():
            if stranger or _same(getattr(self, name), proposal(self.source)):
                setattr(self, name, None)
        if self.author == self.source.practitioner:
            self.author = self.default_author()


def _same(text, other):
    return (text or '').split() == (other or '').split()
