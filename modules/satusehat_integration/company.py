# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from trytond.i18n import gettext
from trytond.model import fields
from trytond.pool import Pool, PoolMeta

from .credential import ENVIRONMENTS
from .exceptions import BindWarning
from .identity import ResourceIdMixin


class Company(metaclass=PoolMeta):
    __name__ = 'company.company'

    satusehat_environment = fields.Selection(
        [(None, "")] + ENVIRONMENTS, "SATUSEHAT Environment", sort=False,
        help="Where finished visits are sent.")
    satusehat_singly = fields.Boolean(
        "Send the Rest when One Item is Refused",
        help="The refused item waits until it is corrected.")

    @classmethod
    def default_satusehat_singly(cls):
        return False

    @classmethod
    def check_modification(cls, mode, companies, values=None, external=False):
        pool = Pool()
        Submission = pool.get('satusehat.submission')
        Warning = pool.get('res.user.warning')
        super().check_modification(
            mode, companies, values=values, external=external)
        if (external
                and mode == 'write'
                and values.get('satusehat_environment')
                and (count := Submission.count_unbound(companies))):
            name = Warning.format('satusehat_bind', companies)
            if Warning.check(name):
                raise BindWarning(name, gettext(
                        'satusehat_integration.msg_company_bind',
                        count=count))

    @classmethod
    def on_modification(cls, mode, companies, field_names=None):
        pool = Pool()
        Submission = pool.get('satusehat.submission')
        super().on_modification(mode, companies, field_names=field_names)
        if mode == 'write' and (
                field_names is None or 'satusehat_environment' in field_names):
            Submission.bind(companies)


class Employee(ResourceIdMixin, metaclass=PoolMeta):
    __name__ = 'company.employee'
    _resource_type = 'Practitioner'

    ihs_number = fields.Function(
        fields.Char("IHS Number"),
        'get_resource_id', searcher='search_resource_id')

    @classmethod
    def _resource_record(cls):
        return 'party.party', 'party'
