# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import unittest
from decimal import Decimal
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st
from trytond.model.exceptions import (
    AccessError, DigitsValidationError, DomainValidationError,
    RequiredValidationError, ValidationError)
from trytond.pool import Pool
from trytond.tests.test_tryton import DB_NAME
from trytond.transaction import Transaction

from trytond.modules.clinic_rme.allergy_check import (
    groups, sound, telling_words)
from trytond.modules.clinic_rme.dosage import (
    FORM_DOSAGE, ROUTES, UNITS, quantity_of)
from trytond.modules.clinic_rme.exceptions import (
    EncounterAccessError, PlanAllergyWarning, PlanNotFoundError,
    PrescriptionAllergyError)
from trytond.modules.clinic_rme.latin import directions
from trytond.modules.clinic_rme.medicine import FORMS

from .tools import RemoteTestCase, ago

MODEL = 'clinic.encounter'
ITEM = 'clinic.prescription.item'
COMPONENT = 'clinic.prescription.component'
doses = st.decimals(
    Decimal('0.001'), 100, allow_nan=False, places=3)
times = st.integers(1, 24)
days = st.integers(1, 366)


class QuantityTestCase(unittest.TestCase):
    "How many units the doses take"

    @given(doses, times, days)
    def test_enough_and_less_than_one_too_many(self, dose, frequency, days):
        taken = Fraction(dose) * frequency * days
        quantity = quantity_of(dose, frequency, days)
        self.assertEqual(quantity, int(quantity))
        self.assertGreaterEqual(Fraction(quantity), taken)
        self.assertLess(Fraction(quantity) - taken, 1)

    @given(doses, times, days)
    def test_longer_is_never_less(self, dose, frequency, days):
        self.assertGreaterEqual(
            quantity_of(dose, frequency, days + 1),
            quantity_of(dose, frequency, days))

    def test_examples(self):
        for dose, frequency, days, quantity in [
                ('1', 3, 5, 15), ('0.5', 3, 5, 8), ('0.5', 2, 5, 5),
                ('2', 1, 30, 60), ('0.25', 1, 1, 1)]:
            self.assertEqual(
                quantity_of(Decimal(dose), frequency, days), quantity)

    def test_period(self):
        for days, period, quantity in [
                (28, 7, 4), (30, 7, 5), (5, 7, 1), (30, 1, 30),
                (30, None, 30)]:
            self.assertEqual(
                quantity_of(Decimal(1), 1, days, period), quantity)

    def test_unknown(self):
        for args in [
                (None, 3, 5), (Decimal(1), None, 5), (Decimal(1), 3, None),
                (Decimal(0), 3, 5), (Decimal(-1), 3, 5), (Decimal(1), 0, 5)]:
            self.assertIsNone(quantity_of(*args))

    def test_each_form_is_known(self):
        self.assertEqual(
            FORM_DOSAGE.keys(), dict(FORMS).keys() - {None, 'other'})
        for dose_unit, quantity_unit, route in FORM_DOSAGE.values():
            self.assertLessEqual({dose_unit, quantity_unit}, {*dict(UNITS)})
            self.assertIn(route, dict(ROUTES))


class SoundTestCase(unittest.TestCase):
    "Words that are the same in both languages"

    def test_alike(self):
        for english, indonesian in [
                ('amoxicillin', 'amoksisilin'), ('codeine', 'kodein'),
                ('tetracycline', 'tetrasiklin'),
                ('chloramphenicol', 'kloramfenikol'),
                ('ciprofloxacin', 'siprofloksasin'),
                ('erythromycin', 'eritromisin'),
                ('diclofenac', 'diklofenak'), ('cefixime', 'sefiksim')]:
            self.assertEqual(sound(english), sound(indonesian))

    def test_acids(self):
        for english, indonesian in [
                ("Mefenamic Acid", "asam mefenamat"),
                ("tranexamic acid", "Asam Traneksamat"),
                ("acetylsalicylic acid", "asam asetilsalisilat"),
                ("valproic acid", "asam valproat"),
                ("valproate", "asam valproat"),
                ("clavulanic acid", "asam klavulanat"),
                ("folic acid", "asam folat")]:
            with self.subTest(english):
                words = telling_words(english)
                self.assertTrue(words)
                self.assertEqual(words, telling_words(indonesian))

    def test_not_alike(self):
        for one, other in [
                ("folic acid", "asam folinat"), ("nitrat", "nitrit"),
                ("salicylic acid", "asam asetilsalisilat"),
                ("diclofenac", "diklofenat"), ("ketorolac", "ketorolat"),
                ("mefenamic acid", "tranexamic acid"),
                ("sulfa", "ferrous sulfate"), ("sulfa", "sulfuric acid")]:
            with self.subTest(one):
                self.assertFalse(telling_words(one) & telling_words(other))

    def test_groups(self):
        def found(allergy, medicine):
            return {
                g.name for g in groups()
                if g.names_any(telling_words(allergy))
                and g.has_any(telling_words(medicine))}
        for allergy, medicine, group in [
                ("Golongan sulfa", "Sulfamethoxazole", 'sulfa'),
                ("obat SULFA", "sulfadiazin", 'sulfa'),
                ("Penisilin", "Amoxicillin", 'penisilin'),
                ("penicillin", "Fenoksimetilpenisilin", 'penisilin'),
                ("sefalosporin", "Cefixime", 'sefalosporin'),
                ("OAINS", "Asam Mefenamat", 'OAINS'),
                ("nsaid", "Natrium Diklofenak", 'OAINS'),
                ("Aspirin", "Asam Asetilsalisilat", 'aspirin = asetosal'),
                ("asetosal", "aspirin", 'aspirin = asetosal'),
                ("antalgin", "Metamizole Sodium", 'antalgin = metampiron'),
                ("Parasetamol", "Acetaminophen",
                    'parasetamol = asetaminofen')]:
            with self.subTest(allergy):
                self.assertEqual(found(allergy, medicine), {group})
        for allergy, medicine in [
                ("sulfa", "Ferrous sulfate"), ("sulfa", "Salbutamol Sulfate"),
                ("penisilin", "Cefixime"), ("OAINS", "Paracetamol"),
                ("asam", "Mefenamic Acid"), ("", "Aspirin")]:
            with self.subTest(allergy):
                self.assertEqual(found(allergy, medicine), set())

    def test_words_that_tell_nothing(self):
        self.assertEqual(
            telling_words("Alergi obat golongan asam, 500 mg / kalsium"),
            set())
        self.assertEqual(
            telling_words("Amoxicillin 500"), {'amoksisilin'})


class PrescriptionTestCase(RemoteTestCase):
    "Prescriptions, as the doctor writes them"

    def setUp(self):
        super().setUp()
        self.doctor = self.user('doctor')
        self.medicines = self.clinic['medicines']
        self.patient_id = self.root.create(
            'clinic.patient', party=self.root.create(
                'party.party', name="Orang Sakit"))
        self.visit = self.visit_of(self.patient_id)

    def visit_of(self, patient, state='in_progress', **values):
        return self.create_visit(
            state, patient=patient,
            **{'prescription_items': None, **values})

    def simple(self, medicine='Captopril', **values):
        return {
            'kind': 'simple', 'medicine': self.medicines[medicine],
            'dose': Decimal(1), 'dose_unit': 'tablet', 'route': 'oral',
            'frequency': 3, 'duration': 5, **values}

    def prescribe(self, *args, **values):
        return self.doctor.create(
            ITEM, encounter=self.visit, **{**self.simple(*args), **values})

    def compound(self, **values):
        return self.doctor.create(
            ITEM, encounter=self.visit, **self.compounded(**values))

    def allergic(self, substance, patient=None, **values):
        patient = patient or self.patient_id
        self.root('clinic.patient', 'write', [patient], {
                'allergy_status': 'listed',
                'allergies': [
                    ('create', [{'substance': substance, **values}])],
                })
        return max(self.root.search(
                'clinic.allergy', [('patient', '=', patient)]))

    def items(self, visit):
        return self.doctor.search(ITEM, [('encounter', '=', visit)])


class ItemTestCase(PrescriptionTestCase):
    "What an item holds"

    def signa(self, id_, language):
        return self.doctor(
            ITEM, 'read', [id_], ['signa'], language=language)[0]['signa']

    def test_signa(self):
        id_ = self.prescribe(meal='after')
        self.assertEqual(
            self.signa(id_, 'en'), "3 x a day 1 tablet after meals for 5 days")
        id_ = self.prescribe(
            dose=Decimal('0.5'), frequency=None, as_needed=True,
            duration=None, quantity=Decimal(4), quantity_unit='tablet')
        self.assertEqual(self.signa(id_, 'en'), "0.5 tablet as needed")

    def test_longer_than_a_day(self):
        for period, signa, latin, quantity in [
                (1, "3 x a day", 'S 3 dd tab I', 90),
                (None, "3 x a day", 'S 3 dd tab I', 90),
                (7, "3 x a week", 'S 3 x every 7 days tab I', 15),
                (10, "3 x in 10 days", 'S 3 x every 10 days tab I', 9)]:
            with self.subTest(period):
                id_ = self.prescribe(period_days=period, duration=30)
                self.assertEqual(
                    self.signa(id_, 'en'), f"{signa} 1 tablet for 30 days")
                self.assertEqual(
                    self.doctor.read(ITEM, id_, 'quantity')['quantity'],
                    quantity)
                with self.database() as pool:
                    self.assertEqual(directions(pool.get(ITEM)(id_)), latin)
        for wrong in [0, -7, 367]:
            with self.assertRaises(DomainValidationError):
                self.prescribe(period_days=wrong)

    def test_period_changes_the_quantity(self):
        with self.database() as pool:
            item = pool.get(ITEM)(
                dose=Decimal(4), dose_unit='tablet', frequency=1,
                duration=28, quantity_unit='tablet', period_days=7)
            item.on_change_period_days()
            self.assertEqual(item.quantity, 16)

    def test_quantity(self):
        for values, quantity in [
                ({}, 15), ({'dose': Decimal('0.5')}, 8),
                ({'quantity': Decimal(6), 'quantity_unit': 'tablet'}, 6)]:
            id_ = self.prescribe(**values)
            self.assertEqual(self.doctor.read(
                    ITEM, id_, 'quantity', 'quantity_unit'), {
                    'id': id_, 'quantity': Decimal(quantity),
                    'quantity_unit': 'tablet'})
        self.doctor(ITEM, 'write', [id_], {'quantity': Decimal(7)})
        self.assertEqual(
            self.doctor.read(ITEM, id_, 'quantity')['quantity'], 7)

    def test_quantity_of_others_is_typed(self):
        values = {'dose': Decimal(5), 'dose_unit': 'ml'}
        with self.assertRaises(RequiredValidationError):
            self.prescribe(**values)
        self.prescribe(
            **values, quantity=Decimal(1), quantity_unit='bottle')

    def test_form_of_the_medicine_decides(self):
        with self.database() as pool:
            Item = pool.get(ITEM)
            item = Item(
                kind='simple', medicine=self.medicines['Captopril'],
                dose=Decimal(1), frequency=2, duration=3)
            item.on_change_medicine()
            self.assertEqual(
                (item.dose_unit, item.route, item.quantity_unit,
                    item.quantity), ('tablet', 'oral', 'tablet', 6))
            item.duration = 4
            item.on_change_duration()
            self.assertEqual(item.quantity, 8)
            item.compound_form = 'ointment'
            item.on_change_compound_form()
            self.assertEqual(item.quantity_unit, 'pot')

    def test_amounts_of_the_former_medicine(self):
        with self.transaction() as pool:
            syrup, = pool.get('clinic.medicine').create(
                [{'name': "Sirup Batuk", 'form': 'syrup'}])
        with self.database() as pool:
            item = pool.get(ITEM)(
                kind='simple', medicine=self.medicines['Captopril'],
                dose=Decimal(1), frequency=3, duration=5)
            item.on_change_medicine()
            item.medicine = self.medicines['Paracetamol']
            item.on_change_medicine()
            self.assertEqual((item.dose, item.quantity), (1, 15))
            item.medicine = syrup.id
            item.on_change_medicine()
            self.assertEqual(
                (item.dose, item.dose_unit, item.quantity,
                    item.quantity_unit), (None, 'ml', None, 'bottle'))

    def test_amounts_of_the_former_form(self):
        with self.database() as pool:
            item = pool.get(ITEM)(
                kind='compounded', compound_form='capsule', dose=Decimal(1),
                frequency=3, duration=5)
            item.on_change_compound_form()
            self.assertEqual(item.quantity, 15)
            item.compound_form = 'syrup'
            item.on_change_compound_form()
            self.assertEqual((item.dose, item.quantity), (None, None))
            item.compound_form = 'ointment'
            item.on_change_compound_form()
            item.dose = item.quantity = Decimal(1)
            item.compound_form = 'cream'
            item.on_change_compound_form()
            self.assertEqual(
                (item.dose, item.quantity, item.quantity_unit),
                (1, 1, 'pot'))

    def test_quantity_of_the_former_unit(self):
        with self.database() as pool:
            item = pool.get(ITEM)(
                dose=Decimal(5), dose_unit='ml', frequency=3, duration=5,
                quantity=Decimal(15), quantity_unit='tablet')
            item.on_change_dose_unit()
            self.assertEqual((item.dose, item.quantity), (5, None))
            item.dose_unit = 'tablet'
            item.on_change_dose_unit()
            self.assertEqual(item.quantity, 75)

    def test_kind_clears_what_the_other_has(self):
        ready = self.doctor(ITEM, 'on_change', {
                'kind': 'simple', 'components': []}, ['kind'])
        self.assertFalse(ready.get('compounding'))
        compounded = self.doctor(ITEM, 'on_change', {
                'kind': 'compounded', 'components': []}, ['kind'])
        self.assertEqual(compounded['compounding'], 'per_dose')
        self.assertIsNone(compounded.get('medicine'))

    def test_out_of_range(self):
        for values in [
                {'dose': Decimal(0)}, {'dose': Decimal(-1)},
                {'frequency': 0}, {'frequency': 25}, {'duration': 0},
                {'duration': 367}, {'quantity': Decimal(0)}]:
            with self.subTest(values):
                with self.assertRaises(DomainValidationError):
                    self.prescribe(**{
                            'quantity': Decimal(1),
                            'quantity_unit': 'tablet', **values})

    def test_decimals(self):
        for name in ['dose', 'quantity']:
            with self.subTest(name):
                with self.assertRaisesRegex(
                        DigitsValidationError, "at most 3 decimals"):
                    self.prescribe(**{
                            'quantity': Decimal(1), 'quantity_unit': 'tablet',
                            name: Decimal('0.3333')})
        self.assertTrue(self.prescribe(
                dose=Decimal('0.125'), quantity=Decimal('0.5'),
                quantity_unit='tablet'))

    def test_required(self):
        for name in ['medicine', 'dose', 'dose_unit', 'route', 'frequency']:
            with self.subTest(name):
                with self.assertRaises(RequiredValidationError):
                    self.prescribe(**{
                            'quantity': Decimal(1),
                            'quantity_unit': 'tablet', name: None})

    def test_compounded(self):
        id_ = self.compound()
        values = self.doctor.read(
            ITEM, id_, 'name', 'quantity', 'components')
        self.assertEqual(
            values['name'], "Compounded Powder: Paracetamol 125 mg")
        self.assertEqual(values['quantity'], 15)
        component, = values['components']
        self.assertEqual(
            self.doctor.read(COMPONENT, component, 'encounter')['encounter'],
            self.visit)
        self.assertIn(id_, self.doctor.search(
                ITEM, [('rec_name', 'ilike', '%Paracetamol%')]))

    def test_kinds_do_not_mix(self):
        for values in [
                {'components': None}, {'compound_form': None},
                {'compounding': None},
                {'medicine': self.medicines['Captopril']}]:
            with self.subTest(values), self.assertRaises(ValidationError):
                self.compound(**values)
        with self.assertRaises(ValidationError):
            self.prescribe(components=self.compounded()['components'])

    def test_component_stays_in_its_visit(self):
        item = self.compound()
        other = self.visit_of(self.patient_id)
        values = {
            'item': item, 'medicine': self.medicines['Captopril'],
            'amount': Decimal(5), 'amount_unit': 'mg'}
        component = self.doctor.create(COMPONENT, **values)
        with self.assertRaises(EncounterAccessError):
            self.doctor.create(COMPONENT, encounter=other, **values)
        for change in [{'item': self.compound()}, {'encounter': other}]:
            with self.assertRaises(EncounterAccessError):
                self.doctor(COMPONENT, 'write', [component], change)

    def test_item_copied_to_another_visit(self):
        other = self.visit_of(self.patient_id)
        copied, = self.doctor(
            ITEM, 'copy', [self.compound()], {'encounter': other})
        component, = self.doctor.read(ITEM, copied, 'components')['components']
        self.assertEqual(
            self.doctor.read(COMPONENT, component, 'encounter')['encounter'],
            other)

    def test_long_instructions(self):
        text = "Jangan \"digerus\"\n💊 " * 600
        id_ = self.prescribe(instructions=text)
        self.assertEqual(self.doctor.read(
                ITEM, id_, 'instructions')['instructions'], text)


class AllergyTestCase(PrescriptionTestCase):
    "What the patient is allergic to"

    def substance(self, name):
        return self.root.search('clinic.substance', [('name', '=', name)])[0]

    def refuse(self, *args, **values):
        with self.assertRaisesRegex(
                PrescriptionAllergyError, "allergic to .*Amox"):
            self.prescribe(*args, **values)

    def test_by_words(self):
        for text in [
                "Amoxicillin", "amoksisilin", "Obat AMOXSAN",
                "Antibiotik (Amoksisilin) tablet"]:
            with self.subTest(text):
                allergy = self.allergic(text)
                with self.assertRaisesRegex(
                        PrescriptionAllergyError, "contains Amox"):
                    self.prescribe('Amoxsan')
                self.prescribe('Captopril')
                self.root('clinic.patient', 'write', [self.patient_id], {
                        'allergy_status': 'none_known',
                        'allergies': [('delete', [allergy])],
                        })
        self.prescribe('Amoxsan')

    def test_by_substance(self):
        self.allergic(
            "Kapsul kuning", substance_code=self.substance("Amoxicillin"))
        with self.assertRaisesRegex(
                PrescriptionAllergyError,
                "allergic to Kapsul kuning, and Amoxsan .*Amoxicillin"):
            self.prescribe('Amoxsan')

    def test_by_group(self):
        self.allergic("Golongan penisilin")
        with self.assertRaisesRegex(
                PrescriptionAllergyError,
                "Amoxsan .*contains Amoxicillin, which counts as penisilin"):
            self.prescribe('Amoxsan')
        self.prescribe('Captopril')

    def test_by_another_name_of_the_coded_substance(self):
        with self.transaction() as pool:
            pool.get('clinic.substance').create([{'name': "Acetaminophen"}])
        self.allergic(
            "Pil putih", substance_code=self.substance("Acetaminophen"))
        with self.assertRaisesRegex(
                PrescriptionAllergyError, "Pil putih.*asetaminofen"):
            self.prescribe('Paracetamol')

    def test_refuted(self):
        self.allergic("Amoxicillin", verification='refuted')
        self.prescribe('Amoxsan')

    def test_override(self):
        self.allergic("Amoxicillin")
        self.refuse('Amoxsan', override_reason="  ")
        id_ = self.prescribe('Amoxsan', override_reason="Sudah diuji")
        values = self.doctor.read(
            ITEM, id_, 'override_reason', 'override_by', 'override_at')
        self.assertEqual(values['override_reason'], "Sudah diuji")
        self.assertEqual(
            values['override_by'], self.clinic['kota']['doctor'])
        self.assertTrue(values['override_at'])

    def test_override_is_by_who_enters_it(self):
        self.allergic("Amoxicillin")
        nurse = self.clinic['kota']['nurse']
        id_ = self.prescribe(
            'Amoxsan', override_reason="Sudah diuji", override_by=nurse)
        self.doctor(ITEM, 'write', [id_], {'override_by': nurse})
        self.assertEqual(
            self.doctor.read(ITEM, id_, 'override_by')['override_by'],
            self.clinic['kota']['doctor'])

    def test_override_counts_for_one_medicine(self):
        self.allergic("Amoxicillin")
        self.allergic("Captopril")
        id_ = self.prescribe('Amoxsan', override_reason="Sudah diuji")
        for values in [
                {'medicine': self.medicines['Captopril']},
                {'override_reason': None}]:
            with self.assertRaises(PrescriptionAllergyError):
                self.doctor(ITEM, 'write', [id_], values)
        self.doctor(ITEM, 'write', [id_], {'dose': Decimal(2)})

    def test_every_path(self):
        self.allergic("Amoxicillin")
        medicine = self.medicines['Amoxsan']
        item = self.prescribe('Captopril')
        compound = self.compound()
        component, = self.doctor.read(
            ITEM, compound, 'components')['components']
        new = {
            'medicine': medicine, 'amount': Decimal(5), 'amount_unit': 'mg'}
        for model, method, *args in [
                (ITEM, 'write', [item], {'medicine': medicine}),
                (ITEM, 'copy', [item], {'medicine': medicine}),
                (COMPONENT, 'write', [component], {'medicine': medicine}),
                (COMPONENT, 'create', [{'item': compound, **new}]),
                (ITEM, 'write', [compound], {
                        'components': [('create', [new])]}),
                (MODEL, 'write', [self.visit], {
                        'prescription_items': [
                            ('create', [self.simple('Amoxsan')])]}),
                (ITEM, 'import_data', ['id', 'medicine'],
                    [[str(item), "Amoxsan 500 mg Tablet"]]),
                ]:
            with self.subTest(model=model, method=method):
                with self.assertRaises(PrescriptionAllergyError):
                    self.doctor(model, method, *args)
        self.doctor(COMPONENT, 'write', [component], {
                'medicine': medicine, 'override_reason': "Sudah diuji"})

    def test_patient_of_the_visit_changed(self):
        other = self.root.create(
            'clinic.patient', party=self.root.create(
                'party.party', name="Orang Lain"))
        self.allergic("Amoxicillin", patient=other)
        self.prescribe('Amoxsan')
        with self.assertRaises(PrescriptionAllergyError):
            self.doctor(MODEL, 'write', [self.visit], {'patient': other})

    def test_recorded_after_the_medicine(self):
        item, compound = self.prescribe('Amoxsan'), self.compound()
        self.allergic("Amoxicillin")
        self.refuse_to_finish("allergic to Amoxicillin, and Amoxsan")
        self.doctor(ITEM, 'write', [item], {'override_reason': "Diuji"})
        self.allergic("Parasetamol")
        self.refuse_to_finish("allergic to Parasetamol")
        component, = self.doctor.read(
            ITEM, compound, 'components')['components']
        self.doctor(
            COMPONENT, 'write', [component], {'override_reason': "Diuji"})
        self.doctor(MODEL, 'finish', [self.visit])
        self.assertEqual(self.state(self.visit), 'finished')

    def test_recorded_before_the_correction_ends(self):
        self.prescribe('Amoxsan')
        self.doctor(MODEL, 'finish', [self.visit])
        self.amend(self.visit, 'doctor', 'correction')
        self.allergic("Amoxicillin")
        with self.assertRaises(PrescriptionAllergyError):
            self.doctor(MODEL, 'complete_correction', [self.visit])

    def refuse_to_finish(self, message):
        with self.assertRaisesRegex(PrescriptionAllergyError, message):
            self.doctor(MODEL, 'finish', [self.visit])
        self.assertEqual(self.state(self.visit), 'in_progress')

    def test_shown_before_it_is_saved(self):
        self.allergic("Amoxicillin")
        with self.database() as pool:
            item = pool.get(ITEM)(
                encounter=self.visit, kind='simple',
                medicine=self.medicines['Amoxsan'])
            (kind, text), = item.on_change_notify()
            self.assertEqual(kind, 'warning')
            self.assertIn("Amoxicillin", text)
            item.override_reason = "Sudah diuji"
            self.assertEqual(item.on_change_notify(), [])

    def test_message_in_indonesian(self):
        self.allergic("Amoksisilin")
        with Transaction().start(DB_NAME, 1) as transaction:
            pool = Pool()
            Lang = pool.get('ir.lang')
            Lang.load_translations(Lang.search([('code', '=', 'id')]))
            Item = pool.get(ITEM)
            with transaction.set_context(language='id'):
                text = Item(
                    encounter=self.visit, kind='simple',
                    medicine=self.medicines['Amoxsan']).allergy_text()
                self.assertRegex(
                    text, "^Pasien alergi terhadap Amoksisilin, dan Amoxsan "
                    ".* mengandung Amoxicillin")
                item = Item(
                    dose=Decimal('0.5'), dose_unit='tablet', frequency=3,
                    meal='after')
                self.assertEqual(
                    item.on_change_with_signa(),
                    "3 x sehari 0,5 tablet sesudah makan")
            transaction.rollback()


class RoleTestCase(PrescriptionTestCase):
    "Who sees what of a prescription"

    def test_cashier(self):
        id_ = self.compound()
        cashier = self.user('cashier')
        values = cashier.read(ITEM, id_, 'name', 'quantity', 'quantity_unit')
        self.assertEqual(values['quantity'], 15)
        self.assertIn("Paracetamol", values['name'])
        for name in ['signa', 'dose', 'components', 'override_reason']:
            with self.subTest(name), self.assertRaises(AccessError):
                cashier.read(ITEM, id_, name)
        cashier.read(MODEL, self.visit, 'prescription_items')
        view = cashier(ITEM, 'fields_view_get', None, 'tree')
        self.assertIn('name', view['fields'])
        self.assertNotIn('signa', view['fields'])

    def test_pharmacist(self):
        id_ = self.compound()
        pharmacist = self.user('pharmacist')
        values = pharmacist.read(ITEM, id_, 'signa', 'components')
        pharmacist.read(COMPONENT, values['components'][0], 'rec_name')
        pharmacist.read(
            MODEL, self.visit, 'patient_weight', 'patient_allergy_text',
            'pregnancy_status', 'prescription_items')
        for name in ['subjective', 'plan', 'diagnoses', 'procedures']:
            with self.subTest(name), self.assertRaises(AccessError):
                pharmacist.read(MODEL, self.visit, name)

    def test_weight(self):
        self.doctor.create(
            'clinic.vital_signs', encounter=self.visit, weight=12.5)
        self.assertEqual(self.user('pharmacist').read(
                MODEL, self.visit, 'patient_weight')['patient_weight'], 12.5)

    def test_weight_of_the_visit(self):
        later = self.visit_of(self.patient_id)
        for visit, weight, hours in [(self.visit, 12.5, 2), (later, 13, 1)]:
            self.doctor.create(
                'clinic.vital_signs', encounter=visit, weight=weight,
                measured_at=ago(hours=hours))
        self.assertEqual(self.weight(self.visit), 12.5)
        self.assertEqual(self.weight(later), 13)

    def test_weight_in_a_visit_that_does_not_count(self):
        visits = [self.visit_of(self.patient_id) for _ in range(2)]
        for visit, weight, hours in [
                (visits[0], 14, 1), (visits[1], 15, 0),
                (self.visit_of(self.patient_id), 12.5, 2)]:
            self.doctor.create(
                'clinic.vital_signs', encounter=visit, weight=weight,
                measured_at=ago(hours=hours))
        self.assertEqual(self.weight(self.visit), 15)
        self.doctor(MODEL, 'cancel', [visits[1]])
        self.assertEqual(self.weight(self.visit), 14)
        self.doctor(MODEL, 'finish', [visits[0]])
        self.amend(visits[0], 'doctor', 'entered_in_error')
        self.assertEqual(self.weight(self.visit), 12.5)

    def weight(self, visit):
        return self.user('pharmacist').read(
            MODEL, visit, 'patient_weight')['patient_weight']

    def test_only_doctors_prescribe(self):
        for role in ['nurse', 'pharmacist', 'cashier', 'registration']:
            with self.subTest(role), self.assertRaises(AccessError):
                self.user(role).create(
                    ITEM, encounter=self.visit, **self.simple())


class CopyTestCase(PrescriptionTestCase):
    "The prescription of the visit before"

    def copied(self, *items, **values):
        "Finish a visit with the items, return the next one with its copy"
        self.visit_of(
            self.patient_id, 'finished',
            prescription_items=[('create', list(items))], **values)
        visit = self.visit_of(self.patient_id)
        self.doctor(MODEL, 'copy_plan', [visit])
        return visit

    def test_copied(self):
        visit = self.copied(
            self.simple(instructions="Rutin"), self.compounded())
        simple, compounded = self.items(visit)
        values = self.doctor.read(
            ITEM, simple, 'medicine', 'quantity', 'instructions')
        self.assertEqual(values['medicine'], self.medicines['Captopril'])
        self.assertEqual(values['quantity'], 15)
        self.assertEqual(values['instructions'], "Rutin")
        component, = self.doctor.read(
            ITEM, compounded, 'components')['components']
        self.assertEqual(
            self.doctor.read(COMPONENT, component, 'encounter')['encounter'],
            visit)

    def test_not_where_one_is_written(self):
        visit = self.copied(self.simple())
        self.doctor(MODEL, 'copy_plan', [visit])
        self.assertEqual(len(self.items(visit)), 1)

    def test_not_what_was_overridden(self):
        self.allergic("Amoxicillin")
        visit = self.copied(
            self.simple(),
            self.simple('Amoxsan', override_reason="Sudah diuji"))
        self.assertEqual(len(self.items(visit)), 1)

    def test_nothing_but_overridden(self):
        self.allergic("Amoxicillin")
        with self.assertRaises(PlanNotFoundError):
            self.copied(self.simple('Amoxsan', override_reason="Diuji"))

    def test_allergy_since_then(self):
        self.visit_of(
            self.patient_id, 'finished',
            prescription_items=[('create', [
                        self.simple('Amoxsan'), self.simple(),
                        self.compounded()])])
        self.allergic("Amoxicillin")
        self.allergic("Parasetamol")
        visit = self.visit_of(self.patient_id, plan=None)
        with self.assertRaisesRegex(
                PlanAllergyWarning,
                "left out: Amoxsan.*, Compounded .*Paracetamol") as raised:
            self.doctor(MODEL, 'copy_plan', [visit])
        self.assertEqual(self.items(visit), [])
        self.doctor('res.user.warning', 'skip', raised.exception.name)
        self.doctor(MODEL, 'copy_plan', [visit])
        item, = self.items(visit)
        self.assertEqual(
            self.doctor.read(ITEM, item, 'medicine')['medicine'],
            self.medicines['Captopril'])
