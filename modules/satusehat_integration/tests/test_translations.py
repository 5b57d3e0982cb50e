# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from trytond.modules.clinic_rme.tests.test_translations import (
    SAME, ModuleTranslationsTestCase)


class SatusehatTranslationsTestCase(ModuleTranslationsTestCase):
    "Test the Indonesian of the integration"
    module = 'satusehat_integration'
    same = SAME | {
        'Bundle', 'Client ID', 'Organization ID', 'Request ID', 'SATUSEHAT',
        'Secret Key', 'Staging', 'Status:'}


del ModuleTranslationsTestCase
