# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import unittest
from contextlib import contextmanager

from trytond import backend
from trytond.tests.test_tryton import DB_NAME
from trytond.transaction import Transaction

from .tools import RemoteTestCase, ago

MODEL = 'clinic.encounter'
FEW, MANY = 5, 25
# SQLite has no sequences: the number is a column that is read and written
OF_SEQUENCES = ('"ir_sequence"', '"ir_model_data"')


@unittest.skipUnless(
    backend.name == 'sqlite', "counts statements through SQLite's trace")
class StatementTestCase(RemoteTestCase):
    """Visits in one call are read together.

    Rows are inserted and updated one by one, and a number is taken from the
    sequence for each visit; everything else is as often for many as for few.
    """

    @contextmanager
    def trace(self):
        "Collect the queries made as the doctor, without those of sequences"
        config = self.user('doctor').config
        selects = []

        def keep(statement):
            if (statement.lstrip('( ').startswith('SELECT')
                    and not any(t in statement for t in OF_SEQUENCES)):
                selects.append(statement)

        with Transaction().start(
                DB_NAME, config.user,
                context={**config.context, '_check_access': True},
                ) as transaction:
            transaction.connection.set_trace_callback(keep)
            try:
                yield config.pool.get(MODEL), selects
            finally:
                transaction.connection.set_trace_callback(None)
            transaction.commit()

    def create(self, count):
        "Create visits with entries in one call, return ids and queries"
        values = [
            self.visit_values(
                arrived_at=ago(hours=3),
                vital_signs=[('create', [
                            {'heart_rate': 80},
                            {'systolic': 120, 'diastolic': 80}])],
                diagnoses=[('create', [
                            {'code': c} for c in self.clinic['codes']])])
            for _ in range(count)]
        with self.trace() as (Encounter, selects):
            return [e.id for e in Encounter.create(values)], len(selects)

    def press(self, button, visits):
        with self.trace() as (Encounter, selects):
            getattr(Encounter, button)(Encounter.browse(visits))
            return len(selects)

    def read(self, visits):
        names = [
            'number', 'state', 'patient_age', 'patient_sex',
            'patient_allergy_text', 'patient.rec_name',
            'practitioner.rec_name', 'room.rec_name']
        with self.trace() as (Encounter, selects):
            Encounter.read(visits, names)
            return len(selects)

    def life(self, count):
        "Return the queries of each step of a visit's life"
        visits, created = self.create(count)
        return {
            'create': created,
            'arrive': self.press('arrive', visits),
            'start': self.press('start', visits),
            'finish': self.press('finish', visits),
            'read': self.read(visits),
            }

    def test_queries_do_not_grow_with_the_visits(self):
        self.life(1)  # fills the caches of access rights and rules
        few, many = self.life(FEW), self.life(MANY)
        for step in few:
            with self.subTest(step=step):
                self.assertGreater(few[step], 0)
                # Values that differ make groups: a few queries more
                self.assertLess(many[step], few[step] + FEW)
