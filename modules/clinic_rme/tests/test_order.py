# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import json
from decimal import Decimal

from trytond.model.exceptions import (
    AccessButtonError, AccessError, DomainValidationError,
    RequiredValidationError)

from trytond.modules.clinic_rme.exceptions import (
    EncounterAccessError, OrderAccessError, OrderError, SpecimenAccessError,
    SpecimenError)

from .investigated import ORDER, RESULT, SPECIMEN, InvestigatedTestCase
from .tools import ago

TEXT = "Nyeri \"dada\"\n🫁 ' OR 1=1 -- " * 400


class OrderTestCase(InvestigatedTestCase):
    "What a doctor orders in a visit"

    def awaited(self, login='nurse', tab=None):
        "Return what the list of awaited results shows"
        with self.database() as pool:
            ModelData = pool.get('ir.model.data')
            Action = pool.get('ir.action.act_window')
            action = Action(
                ModelData.get_id('clinic_rme', 'act_order_awaited'))
            domains = {
                d.name: d.domain for d in action.act_window_domains}
            domain = action.domain
        search = json.loads(domain) + json.loads(domains[tab] or '[]')
        return self.user(login).search(ORDER, search)

    def test_given(self):
        before = ago()
        order = self.doctor.create(
            ORDER, encounter=self.visit, investigation=self.ids['DL'])
        values = self.doctor.read(
            ORDER, order, 'requester', 'recorded_by', 'ordered_at', 'state',
            'priority', 'performing', 'kind', 'patient', 'rec_name', 'mine')
        self.assertEqual(values['requester'], self.clinic['kota']['doctor'])
        self.assertEqual(values['recorded_by'], self.clinic['kota']['doctor'])
        self.assertGreaterEqual(values['ordered_at'], before)
        self.assertEqual(values['state'], 'ordered')
        self.assertEqual(values['priority'], 'routine')
        self.assertEqual(values['performing'], 'here')
        self.assertEqual(values['kind'], 'laboratory')
        self.assertEqual(values['patient'], self.patient)
        self.assertEqual(values['rec_name'], "Darah Lengkap")
        self.assertTrue(values['mine'])
        self.assertFalse(self.nurse.read(ORDER, order, 'mine')['mine'])

    def test_on_the_visit(self):
        order = self.order()
        self.assertEqual(self.nurse.read(
                'clinic.encounter', self.visit, 'orders')['orders'],
            (order,))

    def test_sent_out_needs_where(self):
        with self.assertRaises(RequiredValidationError):
            self.order(performing='referred')
        self.order(performing='referred', performing_facility="Lab Sehat")

    def test_requester(self):
        for other in [
                self.clinic['desa']['doctor'],
                self.clinic['kota']['cashier']]:
            with self.assertRaises((DomainValidationError, AccessError)):
                self.order(requester=other)

    def test_times(self):
        for time, message in [
                (ago(hours=3, minutes=1), "before visit"),
                (ago(minutes=-2), "in the future")]:
            with self.subTest(message):
                with self.assertRaisesRegex(OrderError, message):
                    self.order(ordered_at=time)
                order = self.order()
                with self.assertRaisesRegex(OrderError, message):
                    self.doctor(ORDER, 'write', [order], {
                            'ordered_at': time})

    def test_texts(self):
        order = self.order(
            'THPA', reason=TEXT, performing='referred',
            performing_facility=" RS \"Kota\" ", preparation="  Puasa 🍽 ")
        self.assertEqual(
            self.doctor.read(
                ORDER, order, 'reason', 'performing_facility', 'preparation'),
            {'id': order, 'reason': TEXT,
                'performing_facility': " RS \"Kota\" ",
                'preparation': "  Puasa 🍽 "})

    def test_course_is_not_written(self):
        order = self.order()
        for name, value in [
                ('state', 'resulted'), ('state', 'cancelled'),
                ('cancel_reason', "x"), ('cancelled_at', ago()),
                ('cancelled_by', self.clinic['kota']['doctor']),
                ('specimens', [('create', [{'type': 'blood'}])]),
                ('results', [('create', [{}])])]:
            with self.subTest(name=name), self.assertRaises(OrderAccessError):
                self.doctor(ORDER, 'write', [order], {name: value})
        other = self.order(state='resulted', cancel_reason="x")
        self.assertEqual(
            self.doctor.read(ORDER, other, 'state', 'cancel_reason'),
            {'id': other, 'state': 'ordered', 'cancel_reason': None})

    def test_cancel(self):
        order, other = self.order(), self.order('GDS')
        self.collect(order)
        for reason in ["", "  \n"]:
            with self.assertRaises((OrderError, RequiredValidationError)):
                self.cancel(order, reason=reason)
        self.cancel(order, other, reason=TEXT)
        for id_ in [order, other]:
            values = self.doctor.read(
                ORDER, id_, 'state', 'cancel_reason', 'cancelled_by',
                'cancelled_at')
            self.assertEqual(values['state'], 'cancelled')
            self.assertEqual(values['cancel_reason'], TEXT.strip())
            self.assertEqual(
                values['cancelled_by'], self.clinic['kota']['doctor'])
            self.assertTrue(values['cancelled_at'])
        with self.assertRaises(OrderError):
            self.cancel(order)
        with self.assertRaises(OrderError):
            self.begin(order)
        with self.assertRaises(OrderError):
            self.collect(order)

    def test_cancel_with_a_result(self):
        order = self.order()
        result = self.begin(order)
        with self.assertRaisesRegex(OrderError, "has a result"):
            self.cancel(order)
        self.nurse(RESULT, 'delete', [result])
        self.cancel(order)
        self.assertEqual(self.state_of(order), 'cancelled')

    def test_closed_with_its_visit(self):
        "but cancelled afterwards, which breaks no seal"
        order = self.order()
        self.finish()
        with self.assertRaises(EncounterAccessError):
            self.doctor(ORDER, 'write', [order], {'reason': "lain"})
        with self.assertRaises(EncounterAccessError):
            self.order()
        with self.assertRaises(EncounterAccessError):
            self.doctor(ORDER, 'delete', [order])
        self.collect(order)
        self.cancel(order)
        self.assertEqual(self.state_of(order), 'cancelled')
        self.assertEqual(self.findings(), {})

    def test_sealed(self):
        order = self.order()
        self.finish()
        self.sql(
            "UPDATE clinic_order SET priority = 'stat' "
            f"WHERE id = {order}")
        self.assertEqual(self.findings(), {(ORDER, 'altered'): 1})

    def test_begun_is_not_deleted(self):
        order = self.order()
        self.collect(order)
        for method, args in [
                ('delete', [[order]]),
                ('write', [[order], {'investigation': self.ids['GDS']}])]:
            with self.assertRaisesRegex(OrderAccessError, "cancel the order"):
                self.doctor(ORDER, method, *args)
        specimen, = self.nurse.search(SPECIMEN, [('order', '=', order)])
        self.nurse(SPECIMEN, 'delete', [specimen])
        self.assertEqual(self.state_of(order), 'ordered')
        self.doctor(ORDER, 'delete', [order])

    def test_visit_with_an_order_is_not_deleted(self):
        visit = self.create_visit(**dict.fromkeys([
                    'vital_signs', 'diagnoses', 'examinations', 'procedures',
                    'prescription_items']))
        with self.assertRaisesRegex(AccessError, "can not be deleted"):
            self.user('registration')('clinic.encounter', 'delete', [visit])

    def test_copied(self):
        order = self.order()
        self.collect(order)
        copied, = self.doctor(ORDER, 'copy', [order])
        self.assertEqual(
            self.doctor.read(ORDER, copied, 'state', 'specimens'),
            {'id': copied, 'state': 'ordered', 'specimens': ()})
        visit, = self.doctor('clinic.encounter', 'copy', [self.visit])
        self.assertEqual(self.doctor.read(
                'clinic.encounter', visit, 'orders')['orders'], ())

    def test_awaited(self):
        here, out = self.order(), self.order(
            'THPA', performing='referred', performing_facility="RS")
        answered, cancelled = self.order('GDS'), self.order('AU')
        self.released(answered, GDS={'number': Decimal(100)})
        self.cancel(cancelled)
        found = {tab: {*self.awaited(tab=tab)} for tab in [
                'All', 'Here', 'Sent Out', 'Without Specimen']}
        mine = {here, out, answered, cancelled}
        self.assertEqual(found['All'] & mine, {here, out})
        self.assertEqual(found['Here'] & mine, {here})
        self.assertEqual(found['Sent Out'] & mine, {out})
        self.assertEqual(found['Without Specimen'] & mine, {here})
        self.assertEqual({*self.awaited('doctor', 'Mine')} & mine, {
                here, out})
        self.assertEqual({*self.awaited('nurse', 'Mine')} & mine, set())
        self.assertFalse({*self.awaited('nurse-desa', 'All')} & mine)
        self.doctor('clinic.encounter', 'cancel', [self.visit])
        self.assertFalse({*self.awaited(tab='All')} & mine)

    def test_waiting_days(self):
        visit = self.create_visit(arrived_at=ago(days=9), orders=None)
        for days in [0, 1, 8]:
            order = self.doctor.create(
                ORDER, encounter=visit, investigation=self.ids['TSH'],
                ordered_at=ago(days=days, minutes=5))
            self.assertEqual(self.nurse.read(
                    ORDER, order, 'waiting_days')['waiting_days'], days)
        self.cancel(order)
        self.assertIsNone(self.nurse.read(
                ORDER, order, 'waiting_days')['waiting_days'])

    def test_search(self):
        order, other = self.order(), self.order('THPA')
        for clause, found in [
                (('kind', '=', 'radiology'), other),
                (('patient', '=', self.patient), None),
                (('patient.party.name', 'ilike', "%nobody%"), ()),
                (('rec_name', 'ilike', "%rontgen dada%"), other)]:
            ids = {*self.nurse.search(
                    ORDER, [('encounter', '=', self.visit), clause])}
            self.assertEqual(ids, {
                    None: {order, other}, (): set()}.get(found, {found}))

    def test_who_orders(self):
        order = self.order()
        for role in ['nurse', 'medical_records']:
            self.user(role).read(ORDER, order, 'investigation', 'state')
        for role in [
                'nurse', 'medical_records', 'pharmacist', 'registration',
                'cashier', 'admin']:
            with self.subTest(role), self.assertRaises(AccessError):
                self.user(role).create(
                    ORDER, encounter=self.visit,
                    investigation=self.ids['HB'],
                    requester=self.clinic['kota']['doctor'])
            with self.subTest(role), self.assertRaises(AccessError):
                self.cancel(order, login=role)
        for role in ['pharmacist', 'registration', 'cashier', 'admin']:
            with self.subTest(role), self.assertRaises(AccessError):
                self.user(role).read(ORDER, order, 'state')
        for button in ['collect', 'enter_result', 'cancel']:
            with self.subTest(button), self.assertRaises(
                    (AccessButtonError, AccessError)):
                self.user('medical_records')(ORDER, button, [order])


class SpecimenTestCase(InvestigatedTestCase):
    "What a nurse takes for an order"

    def specimens(self, order):
        return self.nurse.search(SPECIMEN, [('order', '=', order)])

    def test_collect(self):
        blood, urine = self.order('DL'), self.order('UL')
        time = ago(minutes=20)
        self.collect(
            blood, urine, collected_at=time, fasting='NF', note="Kiri")
        for order, type_ in [(blood, 'blood'), (urine, 'urine')]:
            specimen, = self.specimens(order)
            self.assertEqual(
                self.nurse.read(
                    SPECIMEN, specimen, 'type', 'collected_at', 'collector',
                    'fasting', 'note', 'company'), {
                    'id': specimen, 'type': type_, 'collected_at': time,
                    'collector': self.clinic['kota']['nurse'],
                    'fasting': 'NF', 'note': "Kiri",
                    'company': self.clinic['kota']['company']})
            self.assertEqual(self.state_of(order), 'in_progress')

    def test_collect_another_type(self):
        order = self.order('GRAM')
        self.collect(order, type='genital_swab')
        specimen, = self.specimens(order)
        self.assertEqual(
            self.nurse.read(SPECIMEN, specimen, 'type')['type'],
            'genital_swab')

    def test_no_specimen_of_an_image(self):
        with self.assertRaises(SpecimenError):
            self.collect(self.order('THPA'))
        with self.assertRaises(DomainValidationError):
            self.collect(self.order('THPA'), type='other')

    def test_times(self):
        order = self.order()
        for time, message in [
                (ago(hours=3, minutes=1), "before visit"),
                (ago(minutes=-2), "in the future")]:
            with self.assertRaisesRegex(SpecimenError, message):
                self.collect(order, collected_at=time)
        self.assertEqual(self.state_of(order), 'ordered')

    def test_after_the_visit(self):
        order = self.order()
        self.finish()
        self.collect(order)
        specimen, = self.specimens(order)
        self.nurse(SPECIMEN, 'write', [specimen], {'note': "Lisis"})
        self.assertEqual(self.findings(), {})

    def test_fixed_with_the_result(self):
        order = self.order()
        self.collect(order)
        specimen, = self.specimens(order)
        self.released(order, HB={'number': Decimal(14)})
        for method, args in [
                ('write', [[specimen], {'note': "Lain"}]),
                ('delete', [[specimen]]),
                ('copy', [[specimen]])]:
            with self.subTest(method), self.assertRaises(SpecimenAccessError):
                self.nurse(SPECIMEN, method, *args)

    def test_not_moved(self):
        order, other = self.order(), self.order()
        self.collect(order)
        with self.assertRaises(SpecimenAccessError):
            self.nurse(
                SPECIMEN, 'write', self.specimens(order), {'order': other})

    def test_of_a_visit_in_error(self):
        order = self.order()
        self.finish()
        self.amend(self.visit, 'doctor', 'entered_in_error')
        with self.assertRaisesRegex(OrderError, "entered in error"):
            self.collect(order)

    def test_other_branch(self):
        with self.assertRaises(AccessError):
            self.collect(self.order(), login='nurse-desa')
        with self.assertRaises(AccessError):
            self.user('nurse-desa').create(
                SPECIMEN, order=self.order(), type='blood',
                collector=self.clinic['desa']['nurse'])
