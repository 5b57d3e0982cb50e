# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import unittest
from contextlib import contextmanager

from trytond import backend
from trytond.tests.test_tryton import DB_NAME
from trytond.transaction import Transaction

from .sealed import SEAL, SealedTestCase
from .tools import CHILDREN, RemoteTestCase

MODEL = 'clinic.encounter'


@unittest.skipUnless(
    backend.name == 'postgresql', "SQLite has one writer at a time")
class ConcurrencyTestCase(RemoteTestCase):
    """The nurse enters something while the doctor finishes the visit.

    Of the two, the server runs the one again that comes too late. Entries
    that slip into a closed visit were never seen by who finished it.
    """

    def setUp(self):
        super().setUp()
        self.visit = self.create_visit('in_progress')
        self.entries = {
            'clinic.vital_signs': {'heart_rate': 80},
            'clinic.diagnosis': {'code': self.clinic['codes'][1]},
            'clinic.examination': {'body_part': 'neck', 'finding': 'normal'},
            'clinic.procedure': {
                'code': self.clinic['acts'][1],
                'performer': self.clinic['kota']['nurse']},
            'clinic.order': {
                'investigation': self.clinic['investigations']['GDS'],
                'requester': self.clinic['kota']['doctor']},
            }
        self.first = {
            model: self.root.search(
                model, [('encounter', '=', self.visit)])[0]
            for model in CHILDREN}

    @contextmanager
    def transaction(self):
        "A transaction of the doctor that does not wait for locks"
        config = self.user('doctor').config
        with Transaction().start(
                DB_NAME, config.user,
                context={**config.context, '_check_access': True},
                ) as transaction:
            yield transaction

    @contextmanager
    def at_the_same_time(self, transaction):
        with transaction.new_transaction() as other:
            other.connection.cursor().execute(
                "SET LOCAL lock_timeout = '100ms'")
            yield other

    def changes(self):
        "The ways to change the entries of the visit, by name"
        pool = self.config.pool
        for model, values in self.entries.items():
            Model = pool.get(model)
            first = self.first[model]
            yield f'create {model}', lambda M=Model, v=values: M.create(
                [{'encounter': self.visit, **v}])
            yield f'write {model}', lambda M=Model, v=values, i=first: (
                M.write([M(i)], v))
            yield f'delete {model}', lambda M=Model, i=first: M.delete([M(i)])
        Encounter = pool.get(MODEL)
        first = self.first['clinic.vital_signs']
        for way, action in [
                ('write', ('write', [first], {'heart_rate': 90})),
                ('delete', ('delete', [first]))]:
            yield f'{way} from another visit', lambda a=action: (
                Encounter.create([self.visit_values(vital_signs=[a])]))

    def finish(self):
        Encounter = self.config.pool.get(MODEL)
        Encounter.finish([Encounter(self.visit)])

    def test_entry_while_the_visit_is_finished(self):
        Encounter = self.config.pool.get(MODEL)
        for name, change in self.changes():
            with self.subTest(change=name):
                self.visit = self.create_visit('in_progress')
                self.first = {
                    m: self.root.search(
                        m, [('encounter', '=', self.visit)])[0]
                    for m in CHILDREN}
                change = dict(self.changes())[name]
                with self.transaction() as nurse:
                    self.assertEqual(
                        Encounter(self.visit).state, 'in_progress')
                    with self.at_the_same_time(nurse) as doctor:
                        self.finish()
                        doctor.commit()
                    with self.assertRaises(backend.DatabaseOperationalError):
                        change()
                    nurse.rollback()
                self.assertEqual(self.state(self.visit), 'finished')

    def test_finished_while_an_entry_is_made(self):
        for name, change in self.changes():
            with self.subTest(change=name):
                with self.transaction() as nurse:
                    change()
                    with self.at_the_same_time(nurse) as doctor:
                        with self.assertRaises(
                                backend.DatabaseOperationalError):
                            self.finish()
                        doctor.rollback()
                    nurse.rollback()
                self.assertEqual(self.state(self.visit), 'in_progress')


@unittest.skipUnless(
    backend.name == 'postgresql', "SQLite has one writer at a time")
class SealConcurrencyTestCase(SealedTestCase):
    "Two scheduled actions, and visits that are finished meanwhile"

    def seal(self):
        self.config.pool.get(SEAL).seal()

    def test_two_seal_at_the_same_time(self):
        visit = self.create_visit('finished')
        with Transaction().start(DB_NAME, 0) as first:
            self.seal()
            with first.new_transaction() as second:
                second.connection.cursor().execute(
                    "SET LOCAL lock_timeout = '100ms'")
                with self.assertRaises(backend.DatabaseOperationalError):
                    self.seal()
                second.rollback()
            first.commit()
        self.link()
        self.assertEqual(len(self.seals(visit)), 1)
        self.assertEqual(self.findings(), {})

    def test_the_later_one_sees_what_the_first_one_did(self):
        self.create_visit('finished')
        with Transaction().start(DB_NAME, 0) as late:
            late.connection.cursor().execute('SELECT 1 FROM clinic_seal')
            with late.new_transaction() as early:
                self.seal()
                early.commit()
            with self.assertRaises(backend.DatabaseOperationalError):
                self.seal()
            late.rollback()
        self.link()
        self.assertEqual(self.findings(), {})

    def test_finish_does_not_wait(self):
        self.create_visit('finished')
        visit = self.create_visit('in_progress')
        Encounter = self.config.pool.get(MODEL)
        with Transaction().start(DB_NAME, 0) as sealing:
            self.seal()
            with sealing.new_transaction() as doctor:
                doctor.connection.cursor().execute(
                    "SET LOCAL lock_timeout = '100ms'")
                Encounter.finish([Encounter(visit)])
                doctor.commit()
            sealing.commit()
        self.assertEqual(self.state(visit), 'finished')
        self.link()
        self.assertEqual(self.findings(), {})
