# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from trytond.modules.company.tests import CompanyTestMixin
from trytond.tests.test_tryton import ModuleTestCase


class SatusehatIntegrationTestCase(CompanyTestMixin, ModuleTestCase):
    "Test the structure of the module"
    module = 'satusehat_integration'


del ModuleTestCase
