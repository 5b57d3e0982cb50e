# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Visits that wait to be sent, for those who read Indonesian."""

import datetime as dt

from trytond.transaction import Transaction

from .tools import SatusehatTestCase, now

SWEEP = 'satusehat.submission|push'
HOUR = dt.timedelta(hours=1)


class WaitingTestCase(SatusehatTestCase):
    "A clinic with users who read Indonesian, and visits that wait"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        self = cls()
        with self.changes() as pool:
            Lang = pool.get('ir.lang')
            User = pool.get('res.user')
            language, = Lang.search([('code', '=', 'id')])
            Lang.load_translations([language])
            User.write(User.search([]), {'language': language.id})

    def setUp(self):
        super().setUp()
        self.sweep(now())

    def tearDown(self):
        with self.changes() as pool:
            for name in ['satusehat.gate', 'ir.cron.log']:
                Model = pool.get(name)
                Model.delete(Model.search([]))
        super().tearDown()

    def sweep(self, moment):
        "Let the scheduler have sent at the moment, or never"
        with self.changes() as pool:
            Log = pool.get('ir.cron.log')
            Log.delete(Log.search([]))
            if moment:
                cron, = pool.get('ir.cron').search([('method', '=', SWEEP)])
                Log.create([{
                            'cron': cron.id, 'started': moment,
                            'ended': moment}])

    def gate(self, **values):
        with self.changes() as pool:
            pool.get('satusehat.gate').create([{
                        'environment': 'staging', 'client_id': 'client-kota',
                        **values}])

    def clear(self):
        "Forget all submissions and what was told of them"
        with self.changes() as pool:
            for name in [
                    'satusehat.submission', 'satusehat.notice',
                    'res.notification']:
                Model = pool.get(name)
                if records := Model.search([]):
                    Model.delete(records)

    def age(self, id_, hours):
        "Let the submission have been written so many hours ago"
        with self.changes() as pool:
            table = pool.get('satusehat.submission').__table__()
            Transaction().connection.cursor().execute(*table.update(
                    [table.create_date], [now() - hours * HOUR],
                    where=table.id == id_))

    def waiting(self, branch='kota', hours=0, **values):
        values.setdefault('next_attempt', now() + HOUR)
        id_ = self.submission(branch, **values)
        self.age(id_, hours)
        return id_
