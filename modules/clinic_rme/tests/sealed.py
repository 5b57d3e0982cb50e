# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Visits that are sealed, and what the verification says of them."

from trytond.modules.clinic_rme.verification import verify
from trytond.tests.test_tryton import DB_NAME
from trytond.transaction import Transaction

from .tools import RemoteTestCase

MODEL = 'clinic.encounter'
SEAL = 'clinic.seal'


class SealedTestCase(RemoteTestCase):
    "Visits that are finished, and what the verification says of them"

    def sql(self, query):
        "Run a statement of somebody who can write to the database"
        with Transaction().start(DB_NAME, 0) as transaction:
            cursor = transaction.connection.cursor()
            cursor.execute(query)
            self.assertEqual(cursor.rowcount, 1, query)
            transaction.commit()

    def link(self):
        "Run the scheduled action"
        with Transaction().start(DB_NAME, 0) as transaction:
            self.config.pool.get(SEAL).seal()
            transaction.commit()

    def verify(self, heads=None):
        with self.database() as pool:
            return verify(pool.get('company.company').search([]), heads)

    def findings(self, heads=None):
        "Return {(model, what): number of findings}"
        found = {}
        for finding in self.verify(heads).findings:
            key = finding.model, finding.what
            found[key] = found.get(key, 0) + 1
        return found

    def seals(self, visit):
        with self.database() as pool:
            return [{
                    name: getattr(s, name) if name != 'signed_by'
                    else s.signed_by and s.signed_by.id
                    for name in ['kind', 'version', 'hash', 'manifest',
                        'number', 'previous', 'link', 'signed_by']}
                for s in pool.get(SEAL).search(
                    [('encounter', '=', visit)], order=[('id', 'ASC')])]

    def row(self, model, visit):
        return self.root.search(model, [('encounter', '=', visit)])[0]
