# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Medicines that a clinic prescribes, and the substances in them."""

import re
from itertools import chain

from trytond.i18n import gettext
from trytond.model import (
    DeactivableMixin, Index, ModelSQL, ModelView, Unique, fields)
from trytond.pool import Pool

from .exceptions import MedicineValidationError
from .search import SearchMixin, normalised

# Families of the KFA: 91 substance, 92 virtual and 93 actual product, 94
# package (Kamus Farmasi dan Alat Kesehatan, Ministry of Health)
KFA_SUBSTANCE = re.compile(r'91\d{6}')
KFA_MEDICINE = re.compile(r'9[234]\d{6}')

FORMS = [
    (None, ""),
    ('tablet', "Tablet"),
    ('film_coated_tablet', "Film-Coated Tablet"),
    ('chewable_tablet', "Chewable Tablet"),
    ('effervescent_tablet', "Effervescent Tablet"),
    ('lozenge', "Lozenge"),
    ('sublingual_tablet', "Sublingual Tablet"),
    ('vaginal_tablet', "Vaginal Tablet"),
    ('caplet', "Caplet"),
    ('capsule', "Capsule"),
    ('oral_powder', "Oral Powder"),
    ('syrup', "Syrup"),
    ('dry_syrup', "Dry Syrup"),
    ('suspension', "Suspension"),
    ('emulsion', "Emulsion"),
    ('oral_drops', "Oral Drops"),
    ('mouthwash', "Mouthwash"),
    ('ointment', "Ointment"),
    ('cream', "Cream"),
    ('gel', "Gel"),
    ('eye_ointment', "Eye Ointment"),
    ('eye_drops', "Eye Drops"),
    ('ear_drops', "Ear Drops"),
    ('nasal_drops', "Nasal Drops"),
    ('suppository', "Suppository"),
    ('ovule', "Ovule"),
    ('injection', "Solution for Injection"),
    ('injection_powder', "Powder for Injection"),
    ('infusion', "Infusion"),
    ('inhalation', "Inhalation"),
    ('other', "Other"),
    ]

# What lists call the dosage forms, beside the names in FORMS
FORM_NAMES = {
    'tablet': ['tab', 'tbl'],
    'film_coated_tablet': [
        'tablet salut selaput', 'tablet salut', 'salut selaput'],
    'chewable_tablet': ['tablet kunyah'],
    'effervescent_tablet': ['tablet effervescent', 'effervescent'],
    'lozenge': ['tablet hisap'],
    'sublingual_tablet': ['tablet sublingual'],
    'vaginal_tablet': ['tablet vaginal'],
    'caplet': ['kaplet'],
    'capsule': ['kapsul', 'kap', 'caps'],
    'oral_powder': ['serbuk', 'serbuk oral', 'puyer', 'sachet'],
    'syrup': ['sirup', 'sirop', 'syr'],
    'dry_syrup': ['sirup kering'],
    'suspension': ['suspensi'],
    'emulsion': ['emulsi'],
    'oral_drops': ['tetes oral', 'drops', 'drop'],
    'mouthwash': ['obat kumur'],
    'ointment': ['salep', 'zalf'],
    'cream': ['krim'],
    'gel': [],
    'eye_ointment': ['salep mata'],
    'eye_drops': ['tetes mata'],
    'ear_drops': ['tetes telinga'],
    'nasal_drops': ['tetes hidung'],
    'suppository': ['supositoria', 'supp'],
    'ovule': ['ovula'],
    'injection': ['injeksi', 'inj', 'ampul', 'larutan injeksi', 'vial'],
    'injection_powder': ['serbuk injeksi'],
    'infusion': ['infus'],
    'inhalation': ['inhaler', 'inhalasi', 'larutan inhalasi', 'nebul'],
    'other': ['lain', 'lain lain', 'lainnya'],
    }


class KFACodeMixin:
    "A code of the KFA, unique and of the right family."
    __slots__ = ()

    _kfa_pattern = None

    kfa_code = fields.Char(
        "KFA Code", help="The code in the national dictionary of medicines.")

    @classmethod
    def __setup__(cls):
        super().__setup__()
        cls.kfa_code.search_unaccented = False
        t = cls.__table__()
        cls._sql_constraints.append(
            ('kfa_code_unique', Unique(t, t.kfa_code),
                'clinic_rme.msg_kfa_code_unique'))
        cls._sql_indexes.add(
            Index(t, (t.kfa_code, Index.Equality(cardinality='high'))))

    @classmethod
    def preprocess_values(cls, mode, values):
        if 'kfa_code' in values:
            code = (values['kfa_code'] or '').strip()
            values = {**values, 'kfa_code': code or None}
        return super().preprocess_values(mode, values)

    @classmethod
    def is_kfa_code(cls, code):
        "Return whether the text is a code of the right family."
        return bool(cls._kfa_pattern.fullmatch(code))

    @classmethod
    def validate_fields(cls, records, field_names):
        super().validate_fields(records, field_names)
        if field_names and 'kfa_code' not in field_names:
            return
        for record in records:
            if record.kfa_code and not cls.is_kfa_code(record.kfa_code):
                raise MedicineValidationError(gettext(
                        'clinic_rme.msg_kfa_code_invalid',
                        code=record.kfa_code))


class Substance(KFACodeMixin, DeactivableMixin, ModelSQL, ModelView):
    __name__ = 'clinic.substance'

    name = fields.Char("Name", required=True)

    _kfa_pattern = KFA_SUBSTANCE

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_constraints.append(
            ('name_unique', Unique(t, t.name),
                'clinic_rme.msg_substance_name_unique'))
        cls._order.insert(0, ('name', 'ASC'))

    @classmethod
    def on_modification(cls, mode, substances, field_names=None):
        super().on_modification(mode, substances, field_names=field_names)
        if mode == 'write' and 'name' in field_names:
            Ingredient = Pool().get('clinic.medicine.ingredient')
            ingredients = Ingredient.search(
                [('substance', 'in', [s.id for s in substances])])
            Ingredient.renew_search([i.medicine for i in ingredients])


class Medicine(
        KFACodeMixin, SearchMixin, DeactivableMixin, ModelSQL, ModelView):
    __name__ = 'clinic.medicine'

    code = fields.Char("Own Code", help="The code in the clinic's own list.")
    name = fields.Char("Name", required=True)
    form = fields.Selection(FORMS, "Dosage Form", sort=False)
    form_string = form.translated('form')
    strength = fields.Char("Strength", help="As on the label: 500 mg.")
    ingredients = fields.One2Many(
        'clinic.medicine.ingredient', 'medicine', "Ingredients")

    _kfa_pattern = KFA_MEDICINE
    _searched_fields = {
        'kfa_code', 'code', 'name', 'form', 'strength', 'ingredients'}

    @classmethod
    def __setup__(cls):
        super().__setup__()
        cls.code.search_unaccented = False
        t = cls.__table__()
        cls._sql_constraints.append(
            ('code_unique', Unique(t, t.code),
                'clinic_rme.msg_code_unique'))
        cls._order[:0] = [('name', 'ASC'), ('strength', 'ASC')]

    @classmethod
    def preprocess_values(cls, mode, values):
        if 'code' in values:
            code = (values['code'] or '').strip()
            values = {**values, 'code': code or None}
        return super().preprocess_values(mode, values)

    def get_rec_name(self, name):
        return ' '.join(filter(None, [
                    self.name, self.strength, self.form_string]))

    @classmethod
    def search_phrases(cls, values):
        name, strength = values.get('name'), values.get('strength')
        return [normalised(text) for text in [
                f"{name} {strength or ''}", values.get('kfa_code'),
                values.get('code')]]

    @classmethod
    def search_words(cls, values):
        "Return the words of the form and of the ingredients' names."
        form = values.get('form')
        texts = [dict(FORMS).get(form), *FORM_NAMES.get(form, [])] + [
            i.substance.name for i in values.get('ingredients') or []
            if isinstance(i, ModelSQL)]
        return dict.fromkeys(chain(*(normalised(t).split() for t in texts)))

    @classmethod
    def _rec_name_domain(cls, rec_name):
        return cls._words_domain('ilike', f'%{rec_name}%')


class MedicineIngredient(ModelSQL, ModelView):
    __name__ = 'clinic.medicine.ingredient'

    medicine = fields.Many2One(
        'clinic.medicine', "Medicine", required=True, ondelete='CASCADE')
    substance = fields.Many2One(
        'clinic.substance', "Substance", required=True, ondelete='RESTRICT')
    strength = fields.Char("Strength", help="As on the label: 500 mg.")

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_constraints.append(
            ('substance_unique', Unique(t, t.medicine, t.substance),
                'clinic_rme.msg_ingredient_unique'))
        cls._sql_indexes.add(Index(t, (t.substance, Index.Equality())))

    def get_rec_name(self, name):
        return ' '.join(filter(None, [self.substance.name, self.strength]))

    @classmethod
    def search_rec_name(cls, name, clause):
        return [('substance.name', *clause[1:])]

    @classmethod
    def on_modification(cls, mode, ingredients, field_names=None):
        super().on_modification(mode, ingredients, field_names=field_names)
        if mode in {'create', 'write'}:
            cls.renew_search([i.medicine for i in ingredients])

    @classmethod
    def on_delete(cls, ingredients):
        callback = super().on_delete(ingredients)
        medicines = list({i.medicine for i in ingredients})
        callback.append(lambda: cls.renew_search(medicines))
        return callback

    @staticmethod
    def renew_search(medicines):
        "Make the search text of the medicines anew."
        Medicine = Pool().get('clinic.medicine')
        ids = list({m.id for m in medicines})
        Medicine._compute_fields(
            Medicine.search([
                    ('id', 'in', ids), ('active', 'in', [True, False])]))
