# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import datetime as dt
import hashlib
import json
from unittest.mock import patch

from trytond.model import ModelSQL
from trytond.model.exceptions import AccessError
from trytond.modules.clinic_rme.exceptions import RecordExportError
from trytond.modules.clinic_rme.mixin import (
    EncounterPartMixin, stored_fields)
from trytond.modules.clinic_rme.patient_record import LEFT_OUT, PatientRecord
from trytond.tests.test_tryton import DB_NAME
from trytond.transaction import Transaction

from .tools import CHILDREN, RemoteTestCase

ENCOUNTER = 'clinic.encounter'
EXPORT = 'clinic.record.export'
TEXT = "😷 \"kutip\" 'satu'\nbaris\t" + 'x' * 10_000


class PatientExportTestCase(RemoteTestCase):
    "What is handed out of a patient's record, to whom, and that it is noted"

    def export(self, login='medical_records', patient=None, reason="Pasien"):
        "Go through the wizard, return the document and the page"
        user = self.user(login)
        patient = patient or self.patient
        proxy = user.config.get_proxy('clinic.patient.export', 'wizard')
        context = {
            **user.config.context, 'active_model': 'clinic.patient',
            'active_id': patient, 'active_ids': [patient]}
        session, state, _ = proxy.create(context)
        self.assertEqual(state, 'ask')
        page = proxy.execute(
            session, {'ask': {'reason': reason}}, 'export', context)
        proxy.delete(session, context)
        shown = page['view']['defaults']
        return json.loads(bytes(shown['file'])), shown

    def new_patient(self, **values):
        person = self.root.create('party.party', name="Budi", **values)
        return self.root.create('clinic.patient', party=person)

    def visit_of(self, document, visit):
        return next(
            v for v in document['visits'] if v['encounter']['id'] == visit)

    def test_every_kind_of_entry_is_exported(self):
        with self.database() as pool:
            kinds = {
                name for name, model in pool.iterobject()
                if issubclass(model, EncounterPartMixin)}
        visit = self.create_visit('finished')
        document, _ = self.export()
        entries = self.visit_of(document, visit)['entries']
        self.assertLessEqual(kinds, {m for m, rows in entries.items() if rows})
        self.assertLessEqual({*CHILDREN}, kinds)

    def test_whatever_leads_to_the_visit_or_patient_is_exported(self):
        with self.database() as pool:
            models = {
                name: model for name, model in pool.iterobject()
                if name.startswith('clinic.') and issubclass(model, ModelSQL)
                and not callable(getattr(model, 'table_query', None))}
            leading = {
                target: {
                    name for name, model in models.items()
                    if any(
                        getattr(field, 'model_name', None) == target
                        and field._type == 'many2one'
                        and not hasattr(field, 'getter')
                        for field in model._fields.values())}
                for target in [
                    ENCOUNTER, 'clinic.patient', 'clinic.order',
                    'clinic.result']}
        visit = self.create_visit('finished')
        document, _ = self.export()
        self.assertEqual(
            leading[ENCOUNTER] - {ENCOUNTER},
            self.visit_of(document, visit)['entries'].keys())
        self.assertEqual(
            leading['clinic.patient'] - leading[ENCOUNTER]
            - {ENCOUNTER, 'clinic.patient', EXPORT}
            | leading['clinic.order'] - leading[ENCOUNTER]
            | leading['clinic.result'] - {'clinic.result'},
            document['about_patient'].keys())

    def test_values(self):
        "Field by field as they are stored, nothing left out"
        visit = self.create_visit('finished', subjective=TEXT)
        self.amend(visit, 'pharmacist', 'addendum', TEXT)
        document, _ = self.export()
        exported = self.visit_of(document, visit)
        rows = {ENCOUNTER: [exported['encounter']], **exported['entries']}
        for model, expected in self.content(*rows, visits=[visit]).items():
            with self.database() as pool:
                Model = pool.get(model)
                names = stored_fields(Model) - LEFT_OUT
                links = {
                    n for n in names if Model._fields[n]._type == 'many2one'}
                times = {
                    n for n in names if Model._fields[n]._type == 'datetime'}
            self.assertEqual({r['id'] for r in rows[model]}, {*expected})
            for row in rows[model]:
                stored = expected[row['id']]
                for name in names:
                    value = row['fields'].get(name, {}).get('value')
                    with self.subTest(model=model, name=name):
                        if name in links and value is not None:
                            self.assertTrue(
                                stored[name].endswith(f',{value}'))
                        elif name in times and value is not None:
                            self.assertEqual(
                                str(dt.datetime.fromisoformat(
                                        value).astimezone(
                                        dt.timezone.utc).replace(
                                        tzinfo=None)), stored[name])
                            self.assertTrue(value.endswith('+07:00'))
                        elif isinstance(value, list):
                            self.assertEqual(value, stored[name] or [])
                        elif value is None:
                            self.assertIn(stored[name], {None, '', '()'}
                                if not isinstance(stored[name], list)
                                else [[]])
                        else:
                            self.assertEqual(str(value), stored[name])
                self.assertEqual(
                    row.get('uid'), stored.get('uid'))
                self.assertTrue(row['created']['by'])
        self.assertEqual(
            exported['encounter']['fields']['subjective']['text'], TEXT)
        addendum, = exported['entries']['clinic.amendment']
        self.assertEqual(addendum['fields']['text']['text'], TEXT.strip())
        diagnosis, = exported['entries']['clinic.diagnosis']
        self.assertEqual(diagnosis['fields']['code']['code'], 'J06.9')
        self.assertIn("Acute upper", diagnosis['fields']['code']['text'])
        seals = exported['entries']['clinic.seal']
        self.assertEqual(
            [s['fields']['kind']['value'] for s in seals],
            ['finished', 'addendum'])
        self.assertRegex(seals[0]['fields']['hash']['value'], '^[0-9a-f]{64}$')

    def test_demographics(self):
        region = self.region()
        person = self.root.create(
            'party.party', name="Siti", nik='3174014101900001',
            birth_date=dt.date(1990, 1, 1), sex='female', religion='islam',
            addresses=[('create', [{
                            'street_unstructured': "Jl. Mawar 1",
                            'region': region}])],
            contact_mechanisms=[('create', [
                        {'type': 'phone', 'value': '081234567890'}])])
        patient = self.root.create(
            'clinic.patient', party=person, allergy_status='listed',
            allergies=[('create', [{'substance': "Udang"}])],
            related_persons=[('create', [{
                            'name': "Budi", 'relationship': 'spouse'}])])
        document, shown = self.export(patient=patient)
        self.assertEqual(
            (document['format'], document['version'], document['complete'],
                document['withheld'], document['visits']),
            ('klinik-rme.patient-record', 1, True, [], []))
        person, = document['person']
        self.assertEqual(
            {n: person['fields'][n]['value'] for n in [
                    'name', 'nik', 'birth_date', 'sex', 'religion']},
            {'name': "Siti", 'nik': '3174014101900001',
                'birth_date': '1990-01-01', 'sex': 'female',
                'religion': 'islam'})
        self.assertEqual(person['fields']['sex']['text'], "Female")
        address, = document['address']
        self.assertEqual(address['fields']['region']['value'], region)
        self.assertIn("Jl. Mawar 1", address['fields']['full_address']['text'])
        contact, = document['contact_mechanism']
        self.assertEqual(
            contact['fields']['value']['value'], '+62 812-3456-7890')
        allergy, = document['about_patient']['clinic.allergy']
        self.assertEqual(allergy['fields']['substance']['value'], "Udang")
        related, = document['about_patient']['clinic.related_person']
        self.assertEqual(related['fields']['name']['value'], "Budi")
        self.assertEqual(
            shown['file_name'],
            self.root.read(
                'clinic.patient', patient,
                'medical_record_number')['medical_record_number'] + '.json')

    def region(self):
        with self.transaction() as pool:
            Region = pool.get('clinic.region')
            found = Region.search([('code', '=', '31')]) or Region.create([{
                        'code': '31', 'name': "DKI Jakarta",
                        'full_name': "DKI Jakarta", 'level': 'province'}])
            return found[0].id

    def test_it_is_noted(self):
        patient = self.new_patient()
        for login in ['doctor', 'medical_records']:
            document, shown = self.export(
                login, patient, "  Permintaan pasien\nuntuk rujukan ")
            note = self.root.search(EXPORT, [('patient', '=', patient)])[0]
            noted = self.root.read(
                EXPORT, note, 'reason', 'employee', 'user', 'company',
                'visits', 'hash')
            self.assertEqual(noted, {
                    'id': note,
                    'reason': "Permintaan pasien\nuntuk rujukan",
                    'employee': self.clinic['kota'][login],
                    'user': self.user(login).config.user,
                    'company': self.clinic['kota']['company'],
                    'visits': 0,
                    'hash': hashlib.sha256(bytes(shown['file'])).hexdigest(),
                    })
            self.assertEqual(
                document['exported']['reason'], noted['reason'])
        for values in [{'reason': "Lain"}, {'user': 1}, {}]:
            with self.assertRaises(AccessError):
                self.root(EXPORT, 'write', [note], values)
        for method, args in [
                ('delete', [[note]]), ('copy', [[note]]),
                ('create', [[{
                                'patient': patient, 'user': 1, 'visits': 0,
                                'reason': "x", 'hash': "x",
                                'exported_at': dt.datetime(2026, 1, 1)}]])]:
            with self.assertRaises(AccessError):
                self.root(EXPORT, method, *args)
        for method, args in [('write', [{'reason': "Lain"}]), ('delete', [])]:
            with self.assertRaises(RecordExportError), \
                    self.transaction() as pool:
                Export = pool.get(EXPORT)
                getattr(Export, method)([Export(note)], *args)

    def test_a_reason_is_needed(self):
        patient = self.new_patient()
        for reason in [None, '', ' \n\t']:
            with self.subTest(reason=reason), \
                    self.assertRaises(RecordExportError):
                self.export(patient=patient, reason=reason)
        self.assertEqual(
            self.root.search(EXPORT, [('patient', '=', patient)]), [])

    def test_nothing_is_handed_out_that_is_not_noted(self):
        with patch.object(
                self.config.pool.get(EXPORT), 'create',
                side_effect=RuntimeError), self.assertRaises(RuntimeError):
            self.export()

    def test_who_exports(self):
        for role in ['registration', 'nurse', 'pharmacist', 'cashier', 'admin',
                'nobody']:
            with self.subTest(role=role), self.assertRaises(AccessError):
                self.export(role)

    def test_visits_of_other_branches(self):
        patient = self.new_patient()
        here = self.create_visit('finished', patient=patient)
        document, _ = self.export('doctor', patient)
        self.assertTrue(document['complete'])
        there = self.create_visit('finished', branch='desa', patient=patient)
        for login, visits in [
                ('doctor', [here]), ('medical_records-desa', [there])]:
            document, _ = self.export(login, patient)
            self.assertEqual(
                [v['encounter']['id'] for v in document['visits']], visits)
            self.assertFalse(document['complete'])
        document, _ = self.export('admin!', patient)
        self.assertTrue(document['complete'])
        self.assertEqual(
            {v['encounter']['id'] for v in document['visits']}, {here, there})

    def test_times_are_those_of_the_branch(self):
        company = self.clinic['desa']['company']

        def move(zone):
            with self.transaction() as pool:
                Company = pool.get('company.company')
                Company.write([Company(company)], {'timezone': zone})
        self.addCleanup(move, 'Asia/Jakarta')
        move('Asia/Jayapura')
        patient = self.new_patient()
        moment = dt.datetime(2026, 3, 9, 21, 30)
        self.create_visit(
            'arrived', branch='desa', patient=patient, arrived_at=moment)
        document, _ = self.export('medical_records-desa', patient)
        arrived = document['visits'][0]['encounter']['fields']['arrived_at']
        self.assertEqual(arrived['value'], '2026-03-10T06:30:00+09:00')
        self.assertIn('10', arrived['text'])

    def test_merged_records(self):
        visits = []
        patients = [self.new_patient(), self.new_patient()]
        for patient in patients:
            visits.append(self.create_visit('finished', patient=patient))
        with self.transaction() as pool:
            Patient = pool.get('clinic.patient')
            Patient(patients[0]).merge(Patient(patients[1]))
        for patient in patients:
            document, _ = self.export(patient=patient)
            self.assertEqual(
                {v['encounter']['id'] for v in document['visits']}, {*visits})
            self.assertEqual(
                {p['id'] for p in document['patient']}, {*patients})

    def test_what_the_user_may_not_read_is_named(self):
        patient = self.new_patient()
        visit = self.create_visit('finished', patient=patient)
        for role in ['pharmacist', 'nurse']:
            user = self.user(role)
            with Transaction().start(
                    DB_NAME, user.config.user, readonly=True,
                    context=user.config.context):
                Patient = self.config.pool.get('clinic.patient')
                document = PatientRecord(Patient(patient)).document()
            exported = self.visit_of(document, visit)
            with self.subTest(role=role):
                self.assertIn('clinic.seal', document['withheld'])
                self.assertEqual(exported['entries']['clinic.seal'], [])
                if role == 'pharmacist':
                    self.assertIn('party.party.nik', document['withheld'])
                    self.assertIn(
                        f'{ENCOUNTER}.chief_complaint', document['withheld'])
                    self.assertNotIn(
                        'chief_complaint', exported['encounter']['fields'])
                    self.assertEqual(
                        exported['entries']['clinic.diagnosis'], [])

    def test_notes_and_attachments(self):
        patient = self.new_patient()
        visit = self.create_visit('in_progress', patient=patient)
        vital_signs = self.root.search(
            'clinic.vital_signs', [('encounter', '=', visit)])[0]
        with self.transaction() as pool:
            pool.get('ir.note').create([{
                        'resource': f'clinic.vital_signs,{vital_signs}',
                        'message': "Diukur ulang"}])
            pool.get('ir.attachment').create([{
                        'resource': f'{ENCOUNTER},{visit}', 'name': "foto.jpg",
                        'data': b'12345'}])
        document, _ = self.export('doctor', patient)
        exported = self.visit_of(document, visit)
        note, = exported['ir.note']
        self.assertEqual(note['of'], f'clinic.vital_signs,{vital_signs}')
        self.assertEqual(note['fields']['message']['value'], "Diukur ulang")
        attachment, = exported['ir.attachment']
        self.assertEqual(attachment['fields']['name']['value'], "foto.jpg")
        self.assertEqual(attachment['fields']['data_size']['value'], 5)
