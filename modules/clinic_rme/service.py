# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from trytond.i18n import gettext
from trytond.model import (
    DeactivableMixin, ModelSQL, ModelView, Unique, fields)
from trytond.pool import PoolMeta
from trytond.pyson import Eval
from trytond.transaction import Transaction

from .exceptions import ServiceAccessError
from .mixin import BranchMixin, UidMixin

KINDS = [
    ('general', "General"),
    ('dental', "Dental"),
    ('maternal_child', "Maternal and Child"),
    ('checkup', "Check-up"),
    ('other', "Other"),
    ]

class _PlacedMixin(UidMixin, BranchMixin):
    __slots__ = ()
    _place = None

    @classmethod
    def check_modification(cls, mode, records, values=None, external=False):
        super().check_modification(
            mode, records, values=values, external=external)
        if external and mode == 'write' and cls._place in values:
            raise ServiceAccessError(
                gettext('clinic_rme.msg_service_move'))


class Unit(_PlacedMixin, DeactivableMixin, ModelSQL, ModelView):
    __name__ = 'clinic.unit'
    _place = 'company'

    company = fields.Many2One(
        'company.company', "Branch", required=True, ondelete='RESTRICT',
        states={
            'readonly': Eval('id', -1) >= 0,
            })
    code = fields.Char("Code", required=True)
    name = fields.Char("Name", required=True)
    kind = fields.Selection(KINDS, "Kind", required=True, sort=False)
    rooms = fields.One2Many('clinic.room', 'unit', "Rooms")

    @classmethod
    def __setup__(cls):
        super().__setup__()
        cls.code.search_unaccented = False
        t = cls.__table__()
        cls._sql_constraints.append(
            ('code_unique', Unique(t, t.company, t.code),
                'clinic_rme.msg_unit_code_unique'))
        cls._order.insert(0, ('company', 'ASC'))
        cls._order.insert(1, ('code', 'ASC'))

    @classmethod
    def default_company(cls):
        return Transaction().context.get('company')

    @classmethod
    def default_kind(cls):
        return 'general'


class Room(_PlacedMixin, DeactivableMixin, ModelSQL, ModelView):
    __name__ = 'clinic.room'
    _place = 'unit'

    unit = fields.Many2One(
        'clinic.unit', "Service Unit", required=True, ondelete='RESTRICT',
        states={
            'readonly': Eval('id', -1) >= 0,
            })
    code = fields.Char("Code", required=True)
    name = fields.Char("Name", required=True)

    @classmethod
    def __setup__(cls):
        super().__setup__()
        cls.code.search_unaccented = False
        t = cls.__table__()
        cls._sql_constraints.append(
            ('code_unique', Unique(t, t.unit, t.code),
                'clinic_rme.msg_room_code_unique'))
        cls._order.insert(0, ('unit', 'ASC'))
        cls._order.insert(1, ('code', 'ASC'))


class Encounter(metaclass=PoolMeta):
    __name__ = 'clinic.encounter'

    unit_kind = fields.Function(
        fields.Selection([(None, ""), *KINDS], "Kind of Unit", sort=False),
        'on_change_with_unit_kind')

    @fields.depends('unit')
    def on_change_with_unit_kind(self, name=None):
        "What the visit is for: forms of a specialty show by it"
        return self.unit.kind if self.unit else None
