# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Who has no NIK, and why.

KMK HK.01.07/MENKES/1423/2022, identity sheet: other identity numbers of
foreigners (item d), name of the mother (item e) and the sheet of a patient
whose identity is unknown.  PMK 24/2022, article 14: the identity is the least
that a record holds.
"""

from trytond.i18n import gettext
from trytond.model import fields
from trytond.pyson import Bool, Eval

from . import nik as nik_
from .exceptions import NIKValidationError

REASONS = [
    (None, ""),
    ('newborn', "Newborn"),
    ('foreigner', "Foreigner"),
    ('unknown', "Identity Unknown"),
    ('not_shown', "Card Not Shown"),
    ]
ESTIMATED_AGES = [
    (None, ""),
    ('0-5', "0 to 5 Years"),
    ('6-11', "6 to 11 Years"),
    ('12-17', "12 to 17 Years"),
    ('18-40', "18 to 40 Years"),
    ('41-65', "41 to 65 Years"),
    ('66-', "Over 65 Years"),
    ]


def _only_for(reason):
    return {'invisible': Eval('no_nik_reason') != reason}


class NoNIKMixin:
    "A person who has no NIK, the reason, and what identifies instead"
    __slots__ = ()

    no_nik_reason = fields.Selection(
        REASONS, "Reason without NIK", sort=False,
        states={
            'invisible': Bool(Eval('nik')),
            },
        help="Why there is no NIK.")
    passport_number = fields.Char(
        "Passport Number",
        states={
            'required': (
                (Eval('no_nik_reason') == 'foreigner')
                & ~Eval('stay_permit_number')),
            **_only_for('foreigner')})
    stay_permit_number = fields.Char(
        "Stay Permit Number",  states=_only_for('foreigner'),
        help="The number of the stay permit (KITAS or KITAP).")
    mother_name = fields.Char("Mother's Name")
    mother_nik = fields.Char(
        "Mother's NIK",  states=_only_for('newborn'),
        help="Newborns are known by the NIK of their mother.")
    estimated_age = fields.Selection(
        ESTIMATED_AGES, "Estimated Age", sort=False,
        states=_only_for('unknown'))
    found_place = fields.Char(
        "Found at",  states=_only_for('unknown'),
        help="Where the person was found.")
    found_at = fields.DateTime(
        "Found on",  states=_only_for('unknown'))

    @classmethod
    def __setup__(cls):
        super().__setup__()
        for name in ['passport_number', 'stay_permit_number', 'mother_nik']:
            getattr(cls, name).search_unaccented = False

    @fields.depends('nik', 'no_nik_reason')
    def on_change_nik(self):
        if self.nik:
            self.no_nik_reason = None

    @classmethod
    def preprocess_values(cls, mode, values):
        values = super().preprocess_values(mode, values)
        if values.get('nik'):
            values['no_nik_reason'] = None
        if 'mother_nik' in values:
            values['mother_nik'] = nik_.compact(values['mother_nik'])
        return values

    @classmethod
    def validate_fields(cls, parties, field_names):
        super().validate_fields(parties, field_names)
        cls.check_mother_nik(parties, field_names)

    @classmethod
    def check_mother_nik(cls, parties, field_names=None):
        "Raise NIKValidationError for a NIK of the mother that cannot exist"
        if field_names and 'mother_nik' not in field_names:
            return
        for party in parties:
            if party.mother_nik and (problem := nik_.problem(party.mother_nik)):
                raise NIKValidationError(gettext(
                        'clinic_rme.msg_mother_nik',
                        problem=gettext(
                            f'clinic_rme.msg_nik_{problem}',
                            count=len(party.mother_nik))))

    def identity_problem(self):
        """Return what is missing to know the person, None if nothing is.

        'reason' without NIK and reason, 'mother' for a newborn without the
        NIK of the mother.
        """
        if self.nik:
            return None
        if not self.no_nik_reason:
            return 'reason'
        if self.no_nik_reason == 'newborn' and not self.mother_nik:
            return 'mother'

    @classmethod
    def copy(cls, parties, default=None):
        default = default.copy() if default is not None else {}
        for name in ['passport_number', 'stay_permit_number']:
            default.setdefault(name)
        default.setdefault('no_nik_reason')
        return super().copy(parties, default=default)
