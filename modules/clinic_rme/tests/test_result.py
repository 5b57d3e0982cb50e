# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import datetime as dt
import json
import unittest
from decimal import Decimal

from trytond import backend
from trytond.model.exceptions import (
    AccessButtonError, AccessError, DomainValidationError,
    RequiredValidationError, SQLConstraintError)
from trytond.tests.test_tryton import DB_NAME
from trytond.transaction import Transaction

from trytond.modules.clinic_rme.exceptions import (
    OrderError, ResultAccessError, ResultError)

from .investigated import ORDER, RESULT, VALUE, InvestigatedTestCase
from .tools import ago

TEXT = "Infiltrat \"kanan\"\n🫁 ' OR 1=1 -- " * 400
CHOICE = 'clinic.investigation.choice'


class ValueTestCase(InvestigatedTestCase):
    "What is entered as a result"

    def choice(self, code, name):
        choice, = self.root.search(CHOICE, [
                ('investigation', '=', self.ids[code]), ('name', '=', name)])
        return choice

    def value(self, result, code, *names):
        values = self.nurse.read(VALUE, self.lines(result)[code], *names)
        return values[names[0]] if len(names) == 1 else values

    def test_a_line_for_each_part(self):
        for code, count in [('DL', 14), ('HB', 1), ('THPA', 0)]:
            result = self.begin(self.order(code))
            self.assertEqual(len(self.lines(result)), count, code)

    def test_reference_of_the_patient(self):
        "A man of 34 years"
        result = self.begin(self.order('DL'))
        values = self.value(
            result, 'HB', 'unit', 'ucum_code', 'low', 'high', 'critical_low',
            'critical_high', 'reference')
        values.pop('id')
        self.assertEqual(values, {
                'unit': 'g/dL', 'ucum_code': 'g/dL', 'low': Decimal(13),
                'high': Decimal(17), 'critical_low': Decimal(7),
                'critical_high': Decimal(20), 'reference': '13 - 17'})
        self.assertEqual(self.value(
                self.begin(self.order('NS1')), 'NS1', 'reference'), "Negatif")
        self.assertEqual(self.value(
                self.begin(self.order('CHOL')), 'CHOL', 'reference'), '≤ 199')

    def test_remark_behind_the_limits(self):
        person = self.root.create(
            'party.party', name="Ibu", sex='female',
            birth_date=dt.date(1995, 1, 1))
        patient = self.root.create('clinic.patient', party=person)
        self.visit = self.create_visit(
            'in_progress', patient=patient, orders=None)
        order = self.order(ordered_at=ago())
        self.assertRegex(
            self.value(self.begin(order), 'HB', 'reference'),
            r'^\d+ - 15 \(hamil: batas bawah 11, WHO\)$')

    def test_catalogue_changes_later(self):
        result = self.released(
            self.order(), HB={'number': Decimal('12.9')})
        before = self.value(
            result, 'HB', 'unit', 'low', 'high', 'interpretation')
        with self.database() as pool:
            ranges = [r.id for r in pool.get('clinic.investigation')(
                    self.ids['HB']).ranges]
        admin = self.user('admin')
        admin('clinic.investigation', 'write', [self.ids['HB']], {
                'unit': 'mmol/L', 'ucum_code': 'mmol/L'})
        try:
            admin('clinic.investigation.range', 'write', ranges, {
                    'low': Decimal(1), 'critical_low': None})
            self.assertEqual(self.value(
                    result, 'HB', 'unit', 'low', 'high', 'interpretation'),
                before)
            self.assertEqual(self.value(
                    self.begin(self.order()), 'HB', 'unit', 'low')['low'],
                Decimal(1))
        finally:
            admin('clinic.investigation', 'write', [self.ids['HB']], {
                    'unit': 'g/dL', 'ucum_code': 'g/dL'})
            admin('clinic.investigation.range', 'write', ranges, {
                    'low': Decimal(13), 'critical_low': Decimal(7)})

    def test_interpretation(self):
        result = self.begin(self.order())
        for number, code in [
                ('7', 'LL'), ('7.1', 'L'), ('12.9999', 'L'), ('13', 'N'),
                ('17', 'N'), ('17.1', 'H'), ('19.9', 'H'), ('20', 'HH')]:
            self.enter(result, HB={'number': Decimal(number)})
            with self.subTest(number=number):
                self.assertEqual(
                    self.value(result, 'HB', 'interpretation'), code)
        self.enter(result, HB={'number': None})
        self.assertIsNone(self.value(result, 'HB', 'interpretation'))

    def test_interpretation_corrected(self):
        result = self.begin(self.order())
        self.enter(result, HB={
                'number': Decimal('12.5'), 'interpretation': 'N'})
        self.assertEqual(self.value(result, 'HB', 'interpretation'), 'N')
        self.enter(result, HB={'note': "Ras"})
        self.assertEqual(self.value(result, 'HB', 'interpretation'), 'N')

    def test_range_of_another_laboratory(self):
        result = self.begin(self.order())
        self.enter(result, HB={
                'number': Decimal('12.5'), 'low': Decimal(12),
                'critical_low': Decimal(8)})
        self.assertEqual(self.value(
                result, 'HB', 'interpretation', 'reference'), {
                'id': self.lines(result)['HB'], 'interpretation': 'N',
                'reference': '12 - 17'})
        with self.assertRaises(DomainValidationError):
            self.enter(result, HB={'low': Decimal(18)})

    def test_no_range_no_interpretation(self):
        result = self.begin(self.order('BT'))
        self.enter(result, BT={'number': Decimal(3)})
        self.assertIsNone(self.value(result, 'BT', 'interpretation'))

    def test_choice(self):
        result = self.begin(self.order('MALMIK'))
        for name, code in [("P. falciparum", 'AA'), ("Negatif", 'N')]:
            self.enter(result, MALMIK={
                    'choice': self.choice('MALMIK', name)})
            self.assertEqual(
                self.value(result, 'MALMIK', 'interpretation'), code)

    def test_client_derives_it_too(self):
        line = self.lines(self.begin(self.order()))['HB']
        with self.database() as pool:
            value = pool.get(VALUE)(line)
            value.number = Decimal(9)
            value.on_change_number()
            self.assertEqual(value.interpretation, 'L')

    def test_impossible(self):
        result = self.begin(self.order())
        for number in ['-1', '0.9', '30.1', '140', 'NaN', 'Infinity']:
            with self.subTest(number), self.assertRaisesRegex(
                    ResultError, "not possible.*decimal mark"):
                self.enter(result, HB={'number': Decimal(number)})
        self.assertIsNone(self.value(result, 'HB', 'number'))

    def test_unit(self):
        result = self.begin(self.order())
        for name in ['unit', 'ucum_code']:
            with self.subTest(name), self.assertRaisesRegex(
                    ResultError, "The unit of Hemoglobin is g/dL"):
                self.enter(result, HB={
                        'number': Decimal(8), name: 'mmol/L'})
        order = self.order()
        with self.assertRaisesRegex(ResultError, "unit"):
            self.nurse.create(RESULT, order=order, values=[('create', [{
                                'investigation': self.ids['HB'],
                                'number': Decimal(8), 'unit': 'mmol/L'}])])

    def test_type(self):
        result = self.begin(self.order('DL'))
        with self.assertRaisesRegex(ResultError, "another type"):
            self.enter(result, HB={'text': "14"})
        with self.assertRaises((ResultError, DomainValidationError)):
            self.enter(result, HB={'choice': self.choice('NS1', "Positif")})
        other = self.begin(self.order('NS1'))
        with self.assertRaisesRegex(ResultError, "another type"):
            self.enter(other, NS1={'number': Decimal(1)})
        with self.assertRaises(DomainValidationError):
            self.enter(other, NS1={'choice': self.choice('HIV', "Reaktif")})

    def test_not_ordered(self):
        result = self.begin(self.order('DL'))
        for code in ['GDS', 'THPA']:
            with self.subTest(code), self.assertRaises(
                    (ResultError, DomainValidationError)):
                self.nurse.create(
                    VALUE, result=result, investigation=self.ids[code])
        with self.assertRaises(SQLConstraintError):
            self.nurse.create(
                VALUE, result=result, investigation=self.ids['HB'])

    def test_not_moved(self):
        first = self.begin(self.order('DL'))
        second = self.begin(self.order())
        line = self.lines(second)['HB']
        for values in [
                {'result': first}, {'investigation': self.ids['HT']}]:
            with self.subTest(values), self.assertRaises(ResultAccessError):
                self.nurse(VALUE, 'write', [line], values)

    def test_text(self):
        result = self.begin(self.order('NARKO'))
        self.enter(result, NARKO={'text': TEXT, 'note': " '\"🧪 "})
        values = self.value(result, 'NARKO', 'text', 'note')
        self.assertEqual(values['text'], TEXT)
        self.assertEqual(values['note'], " '\"🧪 ")

    def test_interpretation_only(self):
        id_ = self.user('admin').create(
            'clinic.investigation', code='KASAR', name="Kesan",
            kind='laboratory', value_type='interpretation')
        self.ids['KASAR'] = id_
        result = self.begin(self.order('KASAR'))
        with self.assertRaisesRegex(ResultError, "is empty"):
            self.nurse(RESULT, 'release', [result])
        self.enter(result, KASAR={'interpretation': 'A'})
        self.nurse(RESULT, 'release', [result])
        self.assertEqual(
            self.nurse.read(RESULT, result, 'summary', 'level'),
            {'id': result, 'summary': "Kesan (A)", 'level': 'warning'})


class ResultTestCase(InvestigatedTestCase):
    "The course of a result"

    def new(self, login='doctor'):
        "Return what the doctor has to review"
        return self.user(login).search(RESULT, [
                ('state', '=', 'final'), ('reviewed_at', '=', None),
                ('mine', '=', True)])

    def test_released_after_the_visit(self):
        "in its own name, and the seal of the visit holds"
        order = self.order('DL')
        self.finish()
        before = ago()
        result = self.released(
            order, HB={'number': Decimal('6.5')},
            LEU={'number': Decimal(12)}, HT={'number': Decimal(45)})
        values = self.nurse.read(
            RESULT, result, 'state', 'recorded_by', 'released_by',
            'released_at', 'issued_at', 'performer', 'company', 'patient',
            'level', 'summary')
        nurse = self.clinic['kota']['nurse']
        for name in ['recorded_by', 'released_by', 'performer']:
            self.assertEqual(values[name], nurse)
        for name in ['released_at', 'issued_at']:
            self.assertGreaterEqual(values[name], before)
        self.assertEqual(values['state'], 'final')
        self.assertEqual(values['company'], self.clinic['kota']['company'])
        self.assertEqual(values['patient'], self.patient)
        self.assertEqual(values['level'], 'danger')
        self.assertEqual(
            values['summary'],
            "Hemoglobin 6.5 g/dL (LL), Hematokrit 45 %, "
            "Leukosit 12 10³/µL (H)")
        self.assertEqual(
            {*self.lines(result)}, {'HB', 'HT', 'LEU'})
        self.assertEqual(self.state_of(order), 'resulted')
        self.assertEqual(
            self.doctor.read(ORDER, order, 'result_text', 'result_level'), {
                'id': order, 'result_text': values['summary'],
                'result_level': 'danger'})
        self.assertEqual(self.findings(), {})

    def test_sent_out(self):
        order = self.order(
            performing='referred', performing_facility="Lab Sehat")
        result = self.begin(order)
        self.assertEqual(
            self.nurse.read(
                RESULT, result, 'performer', 'performing_facility'), {
                'id': result, 'performer': None,
                'performing_facility': "Lab Sehat"})

    def test_radiology(self):
        order = self.order('THPA')
        result = self.begin(order, 'doctor')
        self.doctor(RESULT, 'write', [result], {
                'findings': TEXT, 'conclusion': TEXT, 'interpretation': 'A'})
        self.doctor(RESULT, 'release', [result])
        values = self.nurse.read(
            RESULT, result, 'findings', 'conclusion', 'level', 'summary',
            'kind')
        self.assertEqual(values['findings'], TEXT)
        self.assertEqual(values['conclusion'], TEXT)
        self.assertEqual(values['summary'], ' '.join(TEXT.split()))
        self.assertEqual(values['level'], 'warning')
        self.assertEqual(values['kind'], 'radiology')

    def test_empty(self):
        for code in ['HB', 'THPA']:
            result = self.begin(self.order(code))
            self.nurse(RESULT, 'write', [result], {
                    'conclusion': "  \n", 'note': "Belum"})
            with self.subTest(code), self.assertRaisesRegex(
                    ResultError, "is empty"):
                self.nurse(RESULT, 'release', [result])
            self.assertEqual(self.nurse.read(
                    RESULT, result, 'state')['state'], 'preliminary')

    def test_times(self):
        result = self.begin(self.order())
        for time, message in [
                (ago(minutes=-2), "in the future"),
                (ago(hours=1, minutes=1), "before it was ordered")]:
            with self.subTest(message), self.assertRaisesRegex(
                    ResultError, message):
                self.nurse(RESULT, 'write', [result], {'issued_at': time})
        time = ago(minutes=5)
        self.nurse(RESULT, 'write', [result], {'issued_at': time})
        self.enter(result, HB={'number': Decimal(14)})
        self.nurse(RESULT, 'release', [result])
        self.assertEqual(
            self.nurse.read(RESULT, result, 'issued_at')['issued_at'], time)

    def test_one_draft_for_all(self):
        order = self.order()
        result = self.begin(order)
        self.assertEqual(self.begin(order, 'doctor'), result)
        self.assertEqual(self.state_of(order), 'in_progress')
        with self.assertRaisesRegex(ResultError, "already has a result"):
            self.nurse.create(RESULT, order=order)
        self.nurse(RESULT, 'delete', [result])
        self.assertEqual(self.state_of(order), 'ordered')

    def test_given_is_not_entered(self):
        nurse = self.clinic['kota']['nurse']
        given = {
            'state': 'final', 'released_by': nurse, 'released_at': ago(),
            'reviewed_by': nurse, 'reviewed_at': ago(),
            'recorded_by': self.clinic['kota']['doctor'],
            'recorded_at': ago(days=1), 'error_reason': "x"}
        result = self.nurse.create(RESULT, order=self.order(), **given)
        values = self.nurse.read(RESULT, result, *given)
        self.assertEqual(values['state'], 'preliminary')
        self.assertEqual(values['recorded_by'], nurse)
        for name in given.keys() - {'state', 'recorded_by', 'recorded_at'}:
            self.assertIsNone(values[name], name)
        other = self.order()
        for name, value in [
                *given.items(), ('order', other),
                ('company', self.clinic['desa']['company'])]:
            with self.subTest(name), self.assertRaises(ResultAccessError):
                self.nurse(RESULT, 'write', [result], {name: value})

    def test_released_is_frozen(self):
        result = self.released(self.order(), HB={'number': Decimal(14)})
        line = self.lines(result)['HB']
        before = self.content(RESULT, VALUE)
        with self.database() as pool:
            fields = {
                model: [n for n, f in pool.get(model)._fields.items()
                    if not hasattr(f, 'getter') and n not in {
                        'id', 'create_uid', 'create_date', 'write_uid',
                        'write_date'}]
                for model in [RESULT, VALUE]}
        for login in ['nurse', 'doctor', 'everything', 'admin!']:
            user = self.user(login)
            for model, id_ in [(RESULT, result), (VALUE, line)]:
                for method, args in [
                        *(('write', [[id_], {n: None}])
                            for n in fields[model]),
                        ('write', [[id_], {}]),
                        ('delete', [[id_]]),
                        ]:
                    with self.subTest(
                            login=login, model=model, method=method,
                            args=args):
                        with self.assertRaises(AccessError):
                            user(model, method, *args)
            for method, args in [
                    ('create', [[{
                                    'result': result,
                                    'investigation': self.ids['HB']}]]),
                    ('copy', [[line]])]:
                with self.subTest(login=login, method=method):
                    with self.assertRaises(
                            (ResultAccessError, SQLConstraintError)):
                        user(VALUE, method, *args)
            with self.assertRaises(ResultAccessError):
                user(RESULT, 'write', [result], {'values': [
                            ('write', [line], {'number': Decimal(9)})]})
            with self.assertRaises((ResultError, ResultAccessError)):
                user(RESULT, 'copy', [result])
        self.assertEqual(self.content(RESULT, VALUE), before)

    def test_attachments(self):
        result = self.begin(self.order('THPA'))
        attached = self.nurse.create(
            'ir.attachment', name="foto.jpg", data=b'jpeg',
            resource=f'{RESULT},{result}')
        self.nurse(RESULT, 'write', [result], {'conclusion': "Normal"})
        self.nurse(RESULT, 'release', [result])
        loose = self.begin(self.order('THPA'))
        other = self.nurse.create(
            'ir.attachment', name="lain.jpg", data=b'jpeg',
            resource=f'{RESULT},{loose}')
        resource = f'{RESULT},{result}'
        for model, method, args in [
                ('ir.attachment', 'write', [[attached], {'name': "x"}]),
                ('ir.attachment', 'delete', [[attached]]),
                ('ir.attachment', 'write', [[other], {'resource': resource}]),
                ('ir.attachment', 'create', [[{
                                'name': "x", 'resource': resource}]]),
                ('ir.note', 'create', [[{
                                'message': "x", 'resource': resource}]]),
                ]:
            for login in ['nurse', 'everything', 'admin!']:
                with self.subTest(method=method, login=login):
                    with self.assertRaises(AccessError):
                        self.user(login)(model, method, *args)
        self.assertEqual(
            self.doctor.read('ir.attachment', attached, 'data')['data'],
            b'jpeg')
        with self.assertRaises(AccessError):
            self.user('cashier').read('ir.attachment', attached, 'data')

    def test_review(self):
        result = self.released(self.order(), HB={'number': Decimal(14)})
        self.assertIn(result, self.new())
        self.assertNotIn(result, self.new('nurse'))
        with self.assertRaises(AccessButtonError):
            self.nurse(RESULT, 'review', [result])
        self.doctor(RESULT, 'review', [result])
        values = self.doctor.read(
            RESULT, result, 'reviewed_by', 'reviewed_at')
        self.assertEqual(values['reviewed_by'], self.clinic['kota']['doctor'])
        self.assertTrue(values['reviewed_at'])
        self.assertNotIn(result, self.new())
        with self.assertRaises(AccessButtonError):
            self.doctor(RESULT, 'review', [result])

    def test_draft_is_not_reviewed(self):
        result = self.begin(self.order())
        with self.assertRaises(AccessButtonError):
            self.doctor(RESULT, 'review', [result])

    def test_entered_in_error(self):
        order = self.order()
        self.finish()
        result = self.released(order, HB={'number': Decimal(4)})
        self.doctor(RESULT, 'review', [result])
        for reason in ["", " \n "]:
            with self.assertRaises((ResultError, RequiredValidationError)):
                self.take_out(result, reason=reason)
        self.take_out(result, reason=TEXT)
        values = self.nurse.read(
            RESULT, result, 'state', 'error_reason', 'error_by', 'error_at')
        self.assertEqual(values['state'], 'entered_in_error')
        self.assertEqual(values['error_reason'], TEXT.strip())
        self.assertEqual(values['error_by'], self.clinic['kota']['nurse'])
        self.assertTrue(values['error_at'])
        self.assertEqual(self.state_of(order), 'ordered')
        self.assertIsNone(
            self.doctor.read(ORDER, order, 'result_text')['result_text'])
        with self.assertRaises(ResultAccessError):
            self.nurse(RESULT, 'delete', [result])
        again = self.released(order, HB={'number': Decimal(14)})
        self.assertNotEqual(again, result)
        self.assertEqual(self.state_of(order), 'resulted')
        self.assertEqual(self.doctor.read(
                ORDER, order, 'results')['results'], (again, result))
        self.assertEqual(self.findings(), {})

    def test_draft_is_not_taken_out(self):
        result = self.begin(self.order())
        self.take_out(result)
        self.assertEqual(self.nurse.read(
                RESULT, result, 'state')['state'], 'preliminary')

    def test_visit_in_error(self):
        "Nothing more is released in it"
        order, other = self.order(), self.order('GDS')
        result = self.begin(order)
        self.enter(result, HB={'number': Decimal(14)})
        self.finish()
        self.amend(self.visit, 'doctor', 'entered_in_error')
        with self.assertRaises(OrderError):
            self.nurse(RESULT, 'release', [result])
        with self.assertRaises(OrderError):
            self.begin(other)
        with self.assertRaises(OrderError):
            self.nurse.create(RESULT, order=other)

    def test_on_the_patient(self):
        "Those that hold, the latest first"
        first = self.released(self.order(), HB={'number': Decimal(14)})
        wrong = self.released(self.order(), HB={'number': Decimal(4)})
        self.take_out(wrong)
        self.begin(self.order())
        last = self.released(self.order(), HB={'number': Decimal(15)})
        for role in ['nurse', 'doctor', 'medical_records']:
            found = [
                r for r in self.user(role).read(
                    'clinic.patient', self.patient, 'results')['results']
                if r in {first, wrong, last}]
            self.assertEqual({*found}, {first, last})
        self.assertFalse(self.user('doctor-desa').read(
                'clinic.patient', self.patient, 'results')['results'])
        self.finish()
        self.amend(self.visit, 'doctor', 'entered_in_error')
        self.assertFalse({first, last} & {*self.user('doctor').read(
                    'clinic.patient', self.patient, 'results')['results']})

    def test_who_enters(self):
        result = self.begin(self.order())
        line = self.lines(result)['HB']
        self.user('medical_records').read(VALUE, line, 'number')
        for role in [
                'medical_records', 'pharmacist', 'registration', 'cashier',
                'admin']:
            for model, id_ in [(RESULT, result), (VALUE, line)]:
                with self.subTest(role), self.assertRaises(AccessError):
                    self.user(role)(model, 'write', [id_], {'note': "x"})
            with self.subTest(role), self.assertRaises(
                    (AccessButtonError, AccessError)):
                self.user(role)(RESULT, 'release', [result])
            with self.subTest(role), self.assertRaises(AccessError):
                self.take_out(result, role)
            with self.subTest(role), self.assertRaises(AccessError):
                self.begin(self.order(), role)

    def test_other_branch(self):
        order = self.order()
        result = self.begin(order)
        there = self.user('nurse-desa')
        for call in [
                lambda: self.begin(order, 'nurse-desa'),
                lambda: self.take_out(result, 'nurse-desa'),
                lambda: there(RESULT, 'release', [result]),
                lambda: there.create(RESULT, order=self.order()),
                ]:
            with self.assertRaises(AccessError):
                call()

    def test_seal_has_no_result(self):
        order = self.order()
        self.released(order, HB={'number': Decimal(14)})
        self.finish()
        seal, = self.seals(self.visit)
        manifest = json.loads(seal['manifest'])
        self.assertIn(ORDER, manifest)
        self.assertFalse(manifest.keys() & {RESULT, VALUE})


@unittest.skipUnless(
    backend.name == 'postgresql', "SQLite has one writer at a time")
class ResultConcurrencyTestCase(InvestigatedTestCase):
    "Two nurses answer one order at the same time"

    def test_one_result(self):
        id_ = self.order()
        Order, Result = map(self.config.pool.get, [ORDER, RESULT])
        for begin in [
                lambda: Result.of_orders([Order(id_)]),
                lambda: Result.create([{'order': id_}])]:
            with Transaction().start(DB_NAME, 0) as first:
                self.assertFalse(Order(id_).results)
                with first.new_transaction() as second:
                    Result.of_orders([Order(id_)])
                    second.commit()
                with self.assertRaises(backend.DatabaseOperationalError):
                    begin()
                first.rollback()
            result, = self.root.search(RESULT, [('order', '=', id_)])
            self.root(RESULT, 'delete', [result])


@unittest.skipUnless(
    backend.name == 'sqlite', "counts statements through SQLite's trace")
class StatementTestCase(InvestigatedTestCase):
    "Orders with results are read together"

    def queries(self, orders, names):
        selects = []

        def keep(statement):
            if statement.lstrip('( ').startswith('SELECT'):
                selects.append(statement)

        with Transaction().start(DB_NAME, 0) as transaction:
            connection = transaction.connection
            connection.set_trace_callback(keep)
            try:
                self.config.pool.get(ORDER).read(orders, names)
            finally:
                connection.set_trace_callback(None)
        return len(selects)

    def test_queries_do_not_grow_with_the_orders(self):
        orders = [self.order('DL') for _ in range(8)]
        for order in orders:
            self.released(
                order, HB={'number': Decimal(9)}, HT={'number': Decimal(40)})
        names = ['result_text', 'result_level', 'waiting_days', 'mine']
        self.queries(orders[:1], names)
        self.assertEqual(
            self.queries(orders, names), self.queries(orders[:2], names))
