# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Whether a patient is allergic to a medicine.

An allergy meets a medicine by the substance it names, and by the words of
its text, which are compared as they sound: lists write the names of
substances in English or Indonesian (amoxicillin, amoksisilin).
"""

import re

from trytond.i18n import gettext
from trytond.model import fields
from trytond.pyson import Bool, Eval
from trytond.transaction import without_check_access

from .encounter import now
from .exceptions import PrescriptionAllergyError
from .mixin import EncounterPartMixin, part_states
from .search import normalised

SOUNDS = [
    (re.compile(pattern), sound) for pattern, sound in [
        ('ph', 'f'), ('th', 't'), ('ch', 'k'), ('ae|oe', 'e'), ('x', 'ks'),
        ('c(?=[eiy])', 's'), ('c', 'k'), ('y', 'i'), (r'(.)\1', r'\1'),
        ('e$', ''),
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


def conflict(medicine, allergies):
    """Return (allergy, name in the medicine) of the first one met, or None.

    Refuted allergies are none.
    """
    substances = [i.substance for i in medicine.ingredients]
    names = [s.name for s in substances] + [medicine.name]
    for allergy in allergies:
        if allergy.verification == 'refuted':
            continue
        if allergy.substance_code in substances:
            return allergy, allergy.substance_code.name
        words = telling_words(allergy.substance)
        for name in names:
            if words & telling_words(name):
                return allergy, name
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
        allergy, ingredient = met
        return gettext(
            'clinic_rme.msg_prescription_allergy',
            allergy=allergy.substance, ingredient=ingredient,
            medicine=self.medicine.rec_name)
