# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import datetime as dt

from sql.conditionals import Coalesce

from trytond.i18n import gettext
from trytond.model import Index, Unique, fields
from trytond.pool import Pool, PoolMeta
from trytond.tools import escape_wildcard, timezone
from trytond.transaction import without_check_access

from . import nik as nik_
from .demographics import DemographicsMixin
from .exceptions import BirthDateValidationError, NIKValidationError
from .no_nik import NoNIKMixin

SEXES = [
    (None, ""),
    ('male', "Male"),
    ('female', "Female"),
    ('other', "Other"),
    ('unknown', "Unknown"),
    ]
OLDEST_BIRTH_DATE = dt.date(1870, 1, 1)


class Party(DemographicsMixin, NoNIKMixin, metaclass=PoolMeta):
    __name__ = 'party.party'

    nik = fields.Char(
        "NIK",
        help="The national identity number, 16 digits as on the identity "
        "card (KTP).")
    birth_date = fields.Date("Birth Date")
    birth_place = fields.Char("Birth Place")
    sex = fields.Selection(SEXES, "Sex", sort=False)
    patients = fields.One2Many(
        'clinic.patient', 'party', "Patient", readonly=True)

    @classmethod
    def __setup__(cls):
        super().__setup__()
        cls.nik.search_unaccented = False
        t = cls.__table__()
        cls._sql_constraints.append(
            ('nik_unique', Unique(t, t.nik), 'clinic_rme.msg_nik_unique'))
        cls._sql_indexes.update({
                Index(t, (t.nik, Index.Equality(cardinality='high'))),
                Index(t, (Coalesce(t.nik, ''),
                        Index.Similarity(cardinality='high'))),
                Index(t, (t.birth_date, Index.Range())),
                })

    @classmethod
    def default_get(
            cls, fields_names=None, with_rec_name=True, with_default=True):
        defaults = super().default_get(
            fields_names, with_rec_name=with_rec_name,
            with_default=with_default)
        # No language would be a row of its own, which clears a cache
        if defaults.get('lang', False) is None:
            del defaults['lang']
        return defaults

    @classmethod
    def preprocess_values(cls, mode, values):
        values = super().preprocess_values(mode, values)
        if 'nik' in values:
            values['nik'] = nik_.compact(values['nik'])
        if mode == 'create':
            values.update(
                cls(code=values.get('code')).compute_fields({'code'}))
        return values

    def compute_fields(self, field_names=None):
        "Return what differs: what was computed before is not written again"
        return {
            name: value
            for name, value in super().compute_fields(field_names).items()
            if getattr(self, name, None) != value}

    @classmethod
    def validate_fields(cls, parties, field_names):
        super().validate_fields(parties, field_names)
        cls.check_nik(parties, field_names)
        cls.check_birth_date(parties, field_names)

    @classmethod
    def check_nik(cls, parties, field_names=None):
        """Refuse a NIK that cannot exist.

        Raises NIKValidationError for another length, letters or an
        impossible day of birth.
        """
        if field_names and 'nik' not in field_names:
            return
        for party in parties:
            if party.nik and (problem := nik_.problem(party.nik)):
                raise NIKValidationError(gettext(
                        f'clinic_rme.msg_nik_{problem}',
                        count=len(party.nik)))

    @classmethod
    def check_birth_date(cls, parties, field_names=None):
        "Raise BirthDateValidationError for a date that no person can have"
        pool = Pool()
        Date = pool.get('ir.date')
        if field_names and 'birth_date' not in field_names:
            return
        dates = {p.birth_date for p in parties if p.birth_date}
        if not dates:
            return
        # No branch is behind UTC: its own day matters to the newborn only
        latest = Date.today(timezone=timezone.UTC)
        if max(dates) > latest:
            latest = Date.today()
        if not OLDEST_BIRTH_DATE <= min(dates) <= max(dates) <= latest:
            raise BirthDateValidationError(
                gettext('clinic_rme.msg_birth_date'))

    @fields.depends(methods=['_notify_nik', '_notify_namesake'])
    def on_change_notify(self):
        notifications = super().on_change_notify()
        if self._may_be_told():
            notifications.extend(self._notify_nik())
            notifications.extend(self._notify_namesake())
        return notifications

    @classmethod
    def _may_be_told(cls):
        # A notice tells of other persons: only to who may look for them
        pool = Pool()
        Access = pool.get('ir.model.access')
        FieldAccess = pool.get('ir.model.field.access')
        return (
            Access.check(cls.__name__, raise_exception=False)
            and FieldAccess.check(
                cls.__name__, ['nik', 'birth_date', 'sex'],
                raise_exception=False))

    @fields.depends('nik', 'birth_date', 'sex')
    def _notify_nik(self):
        nik = nik_.compact(self.nik)
        if not nik:
            return
        if problem := nik_.problem(nik):
            yield ('warning', gettext(
                    f'clinic_rme.msg_nik_{problem}', count=len(nik)))
            return
        with without_check_access():
            others = self.__class__.search([
                    ('id', '!=', self.id), ('nik', '=', nik)], limit=1)
        if others:
            yield ('warning', gettext('clinic_rme.msg_nik_unique'))
        for name in sorted(
                nik_.disagreements(nik, self.birth_date, self.sex)):
            yield ('warning', gettext(f'clinic_rme.msg_nik_{name}'))

    @fields.depends('name', 'birth_date')
    def _notify_namesake(self):
        if not self.name or not self.birth_date:
            return
        others = self.__class__.search([
                ('id', '!=', self.id),
                ('birth_date', '=', self.birth_date),
                ('name', 'ilike', escape_wildcard(self.name.strip())),
                ], limit=1)
        for other in others:
            yield ('warning', gettext(
                    'clinic_rme.msg_person_duplicate', person=other.rec_name))

    @classmethod
    def copy(cls, parties, default=None):
        default = default.copy() if default is not None else {}
        default.setdefault('nik')
        default.setdefault('patients')
        return super().copy(parties, default=default)
