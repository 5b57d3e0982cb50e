# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Whether a patient is allergic to a medicine.

An allergy meets a medicine by the substance it names, and by the words of
its text, which are compared as they sound: lists write the names of
substances in English or Indonesian (amoxicillin, amoksisilin; mefenamic,
mefenamat). Other names of a substance and groups of them (sulfa) are those
of data/allergy_groups.csv. What stands neither there nor in the names is not
recognised, nor is that one substance of a group crosses with another.
"""

import re
from functools import cache
from typing import NamedTuple

from trytond.i18n import gettext
from trytond.model import fields
from trytond.pyson import Bool, Eval
from trytond.transaction import without_check_access

from .exceptions import PrescriptionAllergyError
from .mixin import EncounterPartMixin, now, part_states
from .search import normalised
from .terminology import data_rows

SOUNDS = [
    (re.compile(pattern), sound) for pattern, sound in [
        ('ph', 'f'), ('th', 't'), ('ch', 'k'), ('ae|oe', 'e'), ('x', 'ks'),
        ('c(?=[eiy])', 's'), ('c', 'k'), ('y', 'i'), (r'(.)\1', r'\1'),
        ('e$', ''), ('(?<=[a-z]{3})ik$', 'at'),
        ]]
# Shorter words are parts of too many names
SHORTEST = 4
# Words that tell no substance: salts, forms and what surrounds a name
COMMON = set('''
    acid alergi allergic allergy anak asam asetat acetate besilat besylate
    calcium citrate drops dengan fosfat golongan hidroklorida hydrochloride
    kalium kalsium kaplet kapsul krim magnesium maleat maleate mesilat
    mesylate natrium obat phosphate potassium reaksi salep semua seperti
    sirup sitrat sodium sulfat sulfate syrup tablet terhadap tetes vitamin
    yang
    '''.split())


def sound(word):
    "Return the word as it is spelled in Indonesian, roughly"
    for pattern, replacement in SOUNDS:
        word = pattern.sub(replacement, word)
    return word


_COMMON_SOUNDS = set(map(sound, COMMON))


def telling_words(text):
    "Return the set of the sounds of the words that may name a substance"
    return {
        sound(w) for w in normalised(text).split()
        if len(w) >= SHORTEST and not any(map(str.isdigit, w))
        } - _COMMON_SOUNDS


class Group(NamedTuple):
    """A group of substances, or one with several names.

    Each name of it and each substance is a set of telling words.
    """
    name: str
    names: tuple
    substances: tuple

    def names_any(self, words):
        "Whether the words of an allergy name the group"
        return any(name <= words for name in self.names)

    def has_any(self, words):
        "Whether the words of a medicine name a substance of the group"
        return any(substance <= words for substance in self.substances)


@cache
def groups():
    "Return the groups of data/allergy_groups.csv"
    return [
        Group(row['group'], _sounds_of(row['names']),
            _sounds_of(row['substances'] or row['names']))
        for row in data_rows('allergy_groups.csv')]


def _sounds_of(names):
    return tuple(filter(None, map(telling_words, names.split(','))))


def conflict(medicine, allergies):
    """Return (allergy, name in the medicine, group) of the first one met.

    None where none is met; group is the name of the group by which it is
    met, if not by the substance itself. Refuted allergies are none.
    """
    substances = [i.substance for i in medicine.ingredients]
    names = [s.name for s in substances] + [medicine.name]
    for allergy in allergies:
        if allergy.verification == 'refuted':
            continue
        if allergy.substance_code in substances:
            return allergy, allergy.substance_code.name, None
        words = telling_words(allergy.substance)
        for name in names:
            if words & telling_words(name):
                return allergy, name, None
        if allergy.substance_code:
            words |= telling_words(allergy.substance_code.name)
        for group in groups():
            if group.names_any(words):
                for name in names:
                    if group.has_any(telling_words(name)):
                        return allergy, name, group.name
    return None


class AllergyCheckMixin(EncounterPartMixin):
    """A medicine for the patient of a visit, checked against the allergies.

    The class has a field `medicine`. One that meets an allergy is refused
    unless the reason for it is given; the reason counts for that medicine
    only.
    """
    __slots__ = ()

    override_reason = fields.Text(
        "Reason despite Allergy", states=part_states,
        help="Why the medicine is given although the patient is allergic.")
    override_by = fields.Many2One(
        'company.employee', "Decided by", readonly=True,
        ondelete='RESTRICT',
        states={
            'invisible': ~Bool(Eval('override_reason')),
            })
    override_at = fields.DateTime(
        "Decided at", readonly=True,
        states={
            'invisible': ~Bool(Eval('override_reason')),
            })

    @classmethod
    def preprocess_values(cls, mode, values):
        values = super().preprocess_values(mode, values)
        for name in ['override_by', 'override_at']:
            values.pop(name, None)
        if mode == 'create' or values.keys() & {'medicine', 'override_reason'}:
            reason = (values.get('override_reason') or '').strip() or None
            values['override_reason'] = reason
            values['override_by'] = (
                cls.default_recorded_by() if reason else None)
            values['override_at'] = now() if reason else None
        return values

    @classmethod
    def copy(cls, records, default=None):
        default = default.copy() if default is not None else {}
        default.setdefault('override_reason')
        return super().copy(records, default=default)

    @classmethod
    def validate_fields(cls, records, field_names):
        super().validate_fields(records, field_names)
        if not field_names or field_names & {'medicine', 'override_reason'}:
            cls.check_allergies(records)

    @classmethod
    def check_allergies(cls, records):
        """Refuse what the patient is allergic to, unless a reason is given.

        Raises PrescriptionAllergyError that names allergy and ingredient.
        """
        for record in records:
            if not record.override_reason and (text := record.allergy_text()):
                raise PrescriptionAllergyError(text)

    def allergy_text(self):
        "Return the text that names the allergy that is met, if any"
        if not self.medicine or not self.encounter:
            return None
        with without_check_access():
            patient = self.encounter.patient
            allergies = patient.current.allergies if patient else []
            if not (met := conflict(self.medicine, allergies)):
                return None
        allergy, ingredient, group = met
        message = 'msg_prescription_allergy'
        if group:
            message += '_group'
        return gettext(
            f'clinic_rme.{message}',
            allergy=allergy.substance, ingredient=ingredient,
            medicine=self.medicine.rec_name, group=group)
