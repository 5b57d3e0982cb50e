# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"What doctors and nurses do with orders and results."

from trytond.pool import Pool
from trytond.tests.test_tryton import DB_NAME
from trytond.transaction import Transaction

from .sealed import SealedTestCase
from .tools import ago

ORDER = 'clinic.order'
SPECIMEN = 'clinic.specimen'
RESULT = 'clinic.result'
VALUE = 'clinic.result.value'


class InvestigatedTestCase(SealedTestCase):
    "A man's visit that began two hours ago, in which something is ordered"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        with Transaction().start(DB_NAME, 0) as transaction:
            Party = Pool().get('party.party')
            Party.write(Party.browse(cls.clinic['people'][:1]), {
                    'sex': 'male'})
            transaction.commit()

    def visit_values(self, branch='kota', **values):
        return super().visit_values(
            branch, **{'obstetric_notes': None, **values})

    def setUp(self):
        super().setUp()
        self.doctor, self.nurse = self.user('doctor'), self.user('nurse')
        self.ids = self.clinic['investigations']
        self.visit = self.create_visit(
            arrived_at=ago(hours=3), started_at=ago(hours=2), orders=None)
        for button in ['arrive', 'start']:
            self.doctor('clinic.encounter', button, [self.visit])

    def finish(self):
        self.doctor('clinic.encounter', 'finish', [self.visit])
        self.link()

    def order(self, code='HB', **values):
        return self.doctor.create(
            ORDER, encounter=self.visit, **{
                'investigation': self.ids[code],
                'ordered_at': ago(hours=1), **values})

    def wizard(self, login, name, model, ids, state, **values):
        "Run the wizard on the records; return the actions of the state"
        user = self.user(login)
        proxy = user.config.get_proxy(name, 'wizard')
        context = {
            **user.config.context, 'active_model': model,
            'active_id': ids[0], 'active_ids': ids}
        session, start, _ = proxy.create(context)
        data = {start: values} if values else {}
        answer = proxy.execute(session, data, state, context)
        proxy.delete(session, context)
        return answer.get('actions', [])

    def collect(self, *orders, login='nurse', **values):
        self.wizard(
            login, 'clinic.order.collect', ORDER, list(orders), 'collect',
            **{'collected_at': ago(minutes=30), **values})

    def cancel(self, *orders, login='doctor', reason="Pasien tidak datang"):
        self.wizard(
            login, 'clinic.order.cancel', ORDER, list(orders), 'withdraw',
            reason=reason)

    def begin(self, order, login='nurse'):
        "Open the result of the order with the wizard, return its id"
        (_, data), = self.wizard(
            login, 'clinic.order.enter_result', ORDER, [order], 'open_')
        result, = data['res_id']
        return result

    def lines(self, result):
        "Return the ids of the values by the code of their investigation"
        with self.database() as pool:
            return {
                v.investigation.code: v.id
                for v in pool.get(RESULT)(result).values}

    def enter(self, result, **values):
        "Enter {code: values of the line}"
        lines = self.lines(result)
        for code, entered in values.items():
            self.nurse(VALUE, 'write', [lines[code]], entered)

    def released(self, order, **values):
        "Enter and release the result of the order, return its id"
        result = self.begin(order)
        self.enter(result, **values)
        self.nurse(RESULT, 'release', [result])
        return result

    def take_out(self, result, login='nurse', reason="Tertukar"):
        self.wizard(
            login, 'clinic.result.error', RESULT, [result], 'take_out',
            reason=reason)

    def state_of(self, order):
        return self.root.read(ORDER, order, 'state')['state']
