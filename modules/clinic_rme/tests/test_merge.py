# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import datetime as dt
import itertools

from trytond.exceptions import UserWarning
from trytond.model.exceptions import AccessError, SQLConstraintError
from trytond.modules.party.exceptions import EraseError
from trytond.pool import Pool

from trytond.modules.clinic_rme.exceptions import (
    PartyEraseError, PatientAccessError, PatientMergeError)

from .tools import VISIT_MODELS, RemoteTestCase

serials = itertools.count(1)


class MergeTestCase(RemoteTestCase):
    "One person who was registered twice"

    def person(self, **values):
        return self.root.create(
            'party.party', **{'name': "Dewi Lestari", **values})

    def register(self, allergies=(), **values):
        person = self.person(**values)
        return person, self.root.create(
            'clinic.patient', party=person,
            allergy_status='listed' if allergies else 'not_asked',
            allergies=[('create', [{'substance': a} for a in allergies])])

    def read(self, patient, *names):
        return self.root.read('clinic.patient', patient, *names)

    def replace(self, source, destination, login='admin', **context):
        user = self.user(login)
        wizard = user.config.get_proxy('party.replace', 'wizard')
        with self.database() as pool:
            context.setdefault('action_id', pool.get('ir.model.data').get_id(
                    'clinic_rme', 'wizard_merge'))
        context = {**user.config.context, **context}
        session, _, _ = wizard.create(context)
        return wizard.execute(session, {
                'ask': {'source': source, 'destination': destination},
                }, 'replace', context)

    def test_plan_of_the_former_record_is_taken_over(self):
        old, source = self.register()
        person, destination = self.register()
        doctor = self.user('doctor')
        before = self.create_visit('in_progress', patient=source)
        doctor('clinic.encounter', 'write', [before], {'plan': "Kontrol"})
        doctor('clinic.encounter', 'finish', [before])
        self.replace(old, person)
        visit = self.create_visit('in_progress', patient=destination)
        doctor('clinic.encounter', 'copy_plan', [visit])
        self.assertEqual(
            doctor.read('clinic.encounter', visit, 'plan')['plan'], "Kontrol")

    def test_both_numbers_are_found(self):
        old, source = self.register()
        person, destination = self.register()
        numbers = [
            self.read(p, 'medical_record_number')['medical_record_number']
            for p in [source, destination]]
        self.replace(old, person)
        clerk = self.user('registration')
        for number in numbers:
            with self.subTest(number=number):
                self.assertEqual(
                    clerk.search('clinic.patient', [
                            ('rec_name', 'ilike', f'%{number}%')]),
                    [destination])
        self.assertEqual(
            self.read(destination, 'former_numbers')['former_numbers'],
            numbers[0])
        self.assertEqual(
            self.read(source, 'active', 'replaced_by', 'party',
                'medical_record_number'), {
                'id': source, 'active': False, 'replaced_by': destination,
                'party': person, 'medical_record_number': numbers[0]})

    def test_only_the_administrator(self):
        old, source = self.register()
        person, _ = self.register()
        before = self.content('clinic.patient', 'party.party')
        for login in [
                'registration', 'nurse', 'doctor', 'pharmacist', 'cashier',
                'nobody']:
            with self.subTest(login=login):
                with self.assertRaises(AccessError):
                    self.replace(old, person, login)
                with self.assertRaises(AccessError):
                    self.replace(
                        old, person, login, active_model='clinic.patient',
                        active_id=source, active_ids=[source])
        self.assertEqual(self.content('clinic.patient', 'party.party'), before)

    def test_defaults(self):
        person, patient = self.register()
        admin = self.user('admin')
        wizard = admin.config.get_proxy('party.replace', 'wizard')
        with self.database() as pool:
            action = pool.get('ir.model.data').get_id(
                'clinic_rme', 'wizard_merge')
        context = {
            **admin.config.context, 'active_model': 'clinic.patient',
            'active_id': patient, 'active_ids': [patient],
            'action_id': action}
        session, start, _ = wizard.create(context)
        values = wizard.execute(
            session, {}, start, context)['view']['defaults']
        self.assertEqual(values['source'], person)
        self.assertEqual(
            admin('party.replace.ask', 'on_change_with_source_number', {
                    'source': person}),
            self.read(patient, 'medical_record_number')[
                'medical_record_number'])

    def test_visits(self):
        "Open visits go over, closed ones stay as they were sealed"
        old, source = self.register()
        person, destination = self.register()
        closed = [
            self.create_visit(state, patient=source)
            for state in ['finished', 'cancelled']]
        opened = [
            self.create_visit(state, patient=source)
            for state in ['planned', 'arrived', 'in_progress']]
        own = self.create_visit('finished', patient=destination)
        before = self.content(*VISIT_MODELS, visits=closed)
        self.replace(old, person)
        self.assertEqual(self.content(*VISIT_MODELS, visits=closed), before)
        self.assertEqual({
                self.root.read('clinic.encounter', v, 'patient')['patient']
                for v in opened}, {destination})
        self.assertEqual(
            {*self.read(destination, 'visits')['visits']},
            {*closed, *opened, own})
        self.assertEqual(
            self.root.read('clinic.encounter', closed[0], 'patient.name')[
                'patient.']['name'], "Dewi Lestari")

    def test_allergies_and_contacts(self):
        for there, here, status in [
                (["Amoxicillin"], [], 'listed'),
                ([], ["Udang"], 'listed'),
                (["Amoxicillin"], ["Udang"], 'listed'),
                ([], [], 'not_asked')]:
            with self.subTest(there=there, here=here):
                old, source = self.register(there)
                person, destination = self.register(here)
                related = self.root.create(
                    'clinic.related_person', patient=source, name="Ibu",
                    relationship='parent')
                visit = self.create_visit('finished', patient=source)
                self.replace(old, person)
                row = self.read(
                    destination, 'allergy_status', 'allergies',
                    'related_persons')
                self.assertEqual(row['allergy_status'], status)
                self.assertEqual(row['related_persons'], (related,))
                with self.database() as pool:
                    self.assertEqual({
                            a.substance for a in pool.get(
                                'clinic.patient')(destination).allergies},
                        {*there, *here})
                self.assertEqual(
                    self.root.read(
                        'clinic.encounter', visit, 'patient_allergy_status')[
                        'patient_allergy_status'], status)

    def test_none_known_is_kept(self):
        old, source = self.register()
        person, destination = self.register()
        self.root('clinic.patient', 'write', [source], {
                'allergy_status': 'none_known'})
        self.replace(old, person)
        self.assertEqual(
            self.read(destination, 'allergy_status')['allergy_status'],
            'none_known')

    def test_merged_twice(self):
        first, one = self.register()
        second, two = self.register()
        third, three = self.register()
        self.replace(first, second)
        self.replace(second, third)
        for patient in [one, two]:
            self.assertEqual(
                self.read(patient, 'replaced_by', 'party'), {
                    'id': patient, 'replaced_by': three, 'party': third})
        self.assertEqual(
            self.read(three, 'former_numbers')['former_numbers'],
            ', '.join(
                self.read(p, 'medical_record_number')['medical_record_number']
                for p in [one, two]))

    def test_destination_is_no_patient(self):
        old, source = self.register()
        person = self.person()
        self.replace(old, person)
        self.assertEqual(
            self.read(source, 'active', 'party', 'replaced_by'), {
                'id': source, 'active': True, 'party': person,
                'replaced_by': None})
        with self.assertRaises(SQLConstraintError):
            self.root.create('clinic.patient', party=person)

    def test_nik(self):
        before = next(serials)
        old, _ = self.register(nik=f'31740155059000{before + 10}')
        person, _ = self.register()
        other, _ = self.register(nik=f'31740155059000{before + 30}')
        content = self.content('clinic.patient', 'party.party')
        with self.assertRaisesRegex(PatientMergeError, "must be the one"):
            self.replace(old, person)
        with self.assertRaisesRegex(PatientMergeError, "a NIK each"):
            self.replace(old, other)
        self.assertEqual(
            self.content('clinic.patient', 'party.party'), content)
        self.replace(person, old)

    def test_other_name_is_asked(self):
        old, _ = self.register(name="Dewi")
        person, _ = self.register(name="Dewi Lestari")
        with self.assertRaises(UserWarning):
            self.replace(old, person)

    def test_merged_record_is_not_used_again(self):
        old, source = self.register()
        person, destination = self.register()
        self.replace(old, person)
        for values in [
                {'active': True}, {'replaced_by': None},
                {'replaced_by': destination}]:
            with self.subTest(values=values):
                with self.assertRaises(PatientAccessError):
                    self.root(
                        'clinic.patient', 'write', [source], values)
        with self.assertRaises(PatientAccessError):
            self.root('clinic.patient', 'write', [self.patient], {
                    'replaced_by': destination})

    def test_erase_refused_for_merged_and_inactive(self):
        old, source = self.register()
        person, _ = self.register()
        self.replace(old, person)
        inactive, patient = self.register()
        self.root('clinic.patient', 'write', [patient], {'active': False})
        self.root('party.party', 'write', [inactive], {'active': False})
        wizard = self.root.config.get_proxy('party.erase', 'wizard')
        context = self.root.config.context
        for party in [old, inactive]:
            session, _, _ = wizard.create(context)
            with self.subTest(party=party):
                with self.assertRaises((PartyEraseError, EraseError)) as e:
                    wizard.execute(
                        session, {'ask': {'party': party}}, 'erase', context)
                self.assertIsInstance(e.exception, PartyEraseError)

    def test_everything_that_leads_to_a_patient_is_merged(self):
        with self.database() as pool:
            Patient = pool.get('clinic.patient')
            leading = {
                (name, field_name)
                for name, model in pool.iterobject()
                for field_name, field in getattr(model, '_fields', {}).items()
                if field._type == 'many2one'
                and field.model_name == 'clinic.patient'
                and not hasattr(field, 'getter')
                and not callable(getattr(model, 'table_query', None))}
            self.assertEqual(
                leading - {
                    ('clinic.encounter', 'patient'),
                    # Signed for the record of that time
                    ('clinic.consent', 'patient'),
                    ('clinic.record.export', 'patient')},
                {*Patient.fields_to_merge()})


class DuplicateTestCase(RemoteTestCase):
    "Who may be registered twice"

    def register(self, phone=None, **values):
        person = self.root.create('party.party', **{
                'name': "Tono", 'birth_date': dt.date(1980, 2, 3), **values})
        if phone:
            self.root.create(
                'party.contact_mechanism', party=person, type='mobile',
                value=phone)
        return self.root.create('clinic.patient', party=person)

    def found(self):
        admin = self.user('admin')
        return {
            (row['other'], row['patient']) for row in admin(
                'clinic.patient.duplicate', 'search_read',
                [('merged', '=', False)], 0, None, None,
                ['patient', 'other'])}

    def test_same_name_or_phone(self):
        before = self.found()
        first = self.register()
        namesake = self.register(name=" tono ", nik='3174010302800001')
        self.register(birth_date=dt.date(1980, 2, 4))
        self.register(name="Toni")
        self.assertEqual(self.found() - before, {(first, namesake)})
        before = self.found()
        one = self.register(name="Muhammad", phone='0812-3456-7890')
        two = self.register(name="Moh.", phone='+6281234567890')
        self.assertEqual(self.found() - before, {(one, two)})

    def test_two_nik_are_two_persons(self):
        before = self.found()
        for serial in ['0021', '0022']:
            self.register(
                name="Kembar", nik=f'317401030281{serial}',
                birth_date=dt.date(1981, 2, 3))
        self.assertEqual(self.found(), before)

    def test_merged_are_no_longer_found(self):
        first = self.register(
            name="Rudi", birth_date=dt.date(1982, 2, 3))
        second = self.register(
            name="Rudi", birth_date=dt.date(1982, 2, 3))
        self.assertIn((first, second), self.found())
        with self.transaction() as pool:
            Patient = pool.get('clinic.patient')
            Patient(second).merge(Patient(first))
        self.assertNotIn((first, second), self.found())
        self.assertEqual(
            self.user('admin').read(
                'clinic.patient.duplicate', second, 'merged')['merged'], True)

    def test_wizard_begins_with_both(self):
        first = self.register(name="Sari", birth_date=dt.date(1983, 2, 3))
        second = self.register(
            name="Sari", birth_date=dt.date(1983, 2, 3),
            nik='3174014302830001')
        with self.transaction(context={
                    'active_model': 'clinic.patient.duplicate',
                    'active_id': second}):
            pool = Pool()
            Ask = pool.get('party.replace.ask')
            Patient = pool.get('clinic.patient')
            self.assertEqual(Ask.default_source(), Patient(first).party.id)
            self.assertEqual(
                Ask.default_destination(), Patient(second).party.id)
