# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from trytond.modules.company.tests import (
    CompanyTestMixin, PartyCompanyCheckEraseMixin)
from trytond.modules.party.tests import PartyCheckReplaceMixin
from trytond.tests.test_tryton import ModuleTestCase


class ClinicRmeTestCase(
        PartyCheckReplaceMixin, PartyCompanyCheckEraseMixin, CompanyTestMixin,
        ModuleTestCase):
    "Test the structure of the module"
    module = 'clinic_rme'


del ModuleTestCase
