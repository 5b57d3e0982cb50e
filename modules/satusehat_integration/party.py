# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from trytond.model import fields
from trytond.pool import PoolMeta

from .identity import ResourceIdMixin


class Party(ResourceIdMixin, metaclass=PoolMeta):
    __name__ = 'party.party'
    _resource_type = 'Patient'

    ihs_number = fields.Function(
        fields.Char("IHS Number"),
        'get_resource_id', searcher='search_resource_id')
