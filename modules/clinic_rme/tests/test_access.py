# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import datetime as dt
import itertools
from decimal import Decimal

from trytond.model import ModelSQL, ModelStorage
from trytond.model.exceptions import AccessButtonError, AccessError
from trytond.pool import isregisteredby
from trytond.tests.test_tryton import DB_NAME
from trytond.transaction import Transaction

from trytond.modules.clinic_rme.anamnesis import HISTORY
from trytond.modules.clinic_rme.completion import OPTIONAL
from trytond.modules.clinic_rme.note import SOAP
from trytond.modules.clinic_rme.plan import PLAN, REFERRAL
from trytond.modules.clinic_rme.screening import SCREENING

from .tools import CHILDREN, PARTS, ROLES, VISIT_MODELS, RemoteTestCase, ago

MODULE = 'clinic_rme'
# Role: what it may do; r(ead), w(rite), c(reate), d(elete)
EVERYONE = dict.fromkeys(ROLES, 'r')
CATALOGUE = {
    'nurse': 'r', 'doctor': 'r', 'admin': 'rwc', 'medical_records': 'r'}
OF_ORDER = {'nurse': 'rwcd', 'doctor': 'rwcd', 'medical_records': 'r'}
MODELS = {
    'party.party': {
        'registration': 'rwc', 'nurse': 'rw', 'doctor': 'rw',
        'pharmacist': 'r', 'cashier': 'r', 'admin': 'rwc',
        'medical_records': 'r'},
    'clinic.patient': {
        'registration': 'rwc', 'nurse': 'rw', 'doctor': 'rw',
        'pharmacist': 'r', 'cashier': 'r', 'admin': 'rwc',
        'medical_records': 'r'},
    'clinic.allergy': {
        'registration': 'r', 'nurse': 'rwcd', 'doctor': 'rwcd',
        'pharmacist': 'r', 'medical_records': 'r'},
    'clinic.related_person': {
        'registration': 'rwcd', 'nurse': 'rw', 'doctor': 'r',
        'admin': 'rwcd', 'medical_records': 'r'},
    'clinic.patient.duplicate': {'admin': 'r'},
    'clinic.region': EVERYONE,
    'clinic.region.import.result': {'admin': 'rwc'},
    'clinic.unit': {**EVERYONE, 'admin': 'rwc'},
    'clinic.room': {**EVERYONE, 'admin': 'rwc'},
    'clinic.encounter': {
        'registration': 'rwcd', 'nurse': 'rw', 'doctor': 'rwc',
        'pharmacist': 'r', 'cashier': 'r', 'admin': 'rwc',
        'medical_records': 'r'},
    'clinic.encounter.status': EVERYONE,
    'clinic.vital_signs': {
        'nurse': 'rwcd', 'doctor': 'rwcd', 'medical_records': 'r'},
    'clinic.diagnosis': {
        'nurse': 'r', 'doctor': 'rwcd', 'medical_records': 'r'},
    'clinic.seal': {'doctor': 'r', 'medical_records': 'r', 'admin': 'r'},
    'clinic.seal.verify.result': {'medical_records': 'rwc', 'admin': 'rwc'},
    'clinic.amendment': {
        'nurse': 'r', 'doctor': 'r', 'pharmacist': 'r',
        'medical_records': 'r'},
    'clinic.encounter.amend.ask': {
        'nurse': 'rwc', 'doctor': 'rwc', 'pharmacist': 'rwc',
        'medical_records': 'rwc'},
    'clinic.amendment.decide.ask': {'medical_records': 'rwc'},
    'clinic.record.export': {'medical_records': 'r', 'admin': 'r'},
    'clinic.patient.export.ask': {'doctor': 'rwc', 'medical_records': 'rwc'},
    'clinic.patient.export.result': {
        'doctor': 'rwc', 'medical_records': 'rwc'},
    'clinic.examination': {
        'nurse': 'r', 'doctor': 'rwcd', 'medical_records': 'r'},
    'clinic.procedure': {
        'nurse': 'r', 'doctor': 'rwcd', 'medical_records': 'r'},
    **dict.fromkeys([
            'clinic.tooth.finding', 'clinic.dental_examination',
            'clinic.checkup', 'clinic.obstetric_note'], {
            'nurse': 'r', 'doctor': 'rwcd', 'medical_records': 'r'}),
    'clinic.prescription.item': {
        'nurse': 'r', 'doctor': 'rwcd', 'pharmacist': 'r', 'cashier': 'r',
        'medical_records': 'r'},
    'clinic.prescription.component': {
        'nurse': 'r', 'doctor': 'rwcd', 'pharmacist': 'r',
        'medical_records': 'r'},
    'clinic.investigation': CATALOGUE,
    'clinic.investigation.component': {**CATALOGUE, 'admin': 'rwcd'},
    'clinic.investigation.choice': {**CATALOGUE, 'admin': 'rwcd'},
    'clinic.investigation.range': {**CATALOGUE, 'admin': 'rwcd'},
    'clinic.order': {
        'nurse': 'r', 'doctor': 'rwcd', 'medical_records': 'r'},
    'clinic.order.cancel.ask': {'doctor': 'rwc'},
    'clinic.order.collect.ask': {'nurse': 'rwc', 'doctor': 'rwc'},
    'clinic.specimen': OF_ORDER,
    'clinic.result': OF_ORDER,
    'clinic.result.value': OF_ORDER,
    'clinic.result.error.ask': {'nurse': 'rwc', 'doctor': 'rwc'},
    'clinic.note_template': {'doctor': 'rwcd', 'admin': 'rwcd'},
    'clinic.letter': {
        'registration': 'r', 'nurse': 'r', 'doctor': 'rwcd',
        'medical_records': 'r'},
    'clinic.consent': {
        'registration': 'rwcd', 'nurse': 'rwcd', 'doctor': 'rwcd',
        'medical_records': 'r'},
    'clinic.consent.template': {
        'registration': 'r', 'nurse': 'r', 'doctor': 'r', 'admin': 'rwcd'},
    'clinic.completion.rule': {'admin': 'rwcd'},
    'clinic.icd10': {
        'nurse': 'r', 'doctor': 'r', 'pharmacist': 'r', 'admin': 'rwc',
        'medical_records': 'r'},
    'clinic.icd10.import.result': {'admin': 'rwc'},
    'clinic.icd9cm': {
        'nurse': 'r', 'doctor': 'r', 'admin': 'rwc', 'medical_records': 'r'},
    'clinic.icd9cm.import.result': {'admin': 'rwc'},
    'clinic.medicine': {
        'nurse': 'r', 'doctor': 'r', 'pharmacist': 'rwc', 'admin': 'rwc',
        'medical_records': 'r'},
    'clinic.medicine.ingredient': {
        'nurse': 'r', 'doctor': 'r', 'pharmacist': 'rwcd', 'admin': 'rwcd',
        'medical_records': 'r'},
    'clinic.substance': {
        'nurse': 'r', 'doctor': 'r', 'pharmacist': 'rwc', 'admin': 'rwc',
        'medical_records': 'r'},
    'clinic.medicine.import.start': {'pharmacist': 'rwc', 'admin': 'rwc'},
    'clinic.medicine.import.mapping': {'pharmacist': 'rwc', 'admin': 'rwc'},
    'clinic.medicine.import.result': {'pharmacist': 'rwc', 'admin': 'rwc'},
    **{f'clinic.patient.import.{step}': {'admin': 'rwc'} for step in [
            'start', 'column', 'mapping', 'result']},
    'clinic.clinical_finding': {
        'nurse': 'r', 'doctor': 'r', 'admin': 'rwc', 'medical_records': 'r'},
    'clinic.configuration': {'admin': 'rwc'},
    'clinic.configuration.sequence': {'admin': 'rwcd'},
    'clinic.configuration.correction': {'admin': 'rwcd'},
    'clinic.configuration.diagnosis': {'admin': 'rwcd'},
    # As the module company has them: names and addresses of branch and staff
    'company.company': {},
    'company.employee': {},
    }
# Hooks on models whose rights are those of the core
OF_CORE = {
    'ir.attachment', 'ir.cron', 'ir.email', 'ir.model.log', 'ir.note',
    'ir.rule', 'res.user', 'res.user-company.employee'}
READ_BY_ANYBODY = {'company.company', 'company.employee'}
# Fields that not everybody who may read the record may read
CLINICAL = {'nurse': 'rw', 'doctor': 'rw', 'medical_records': 'r'}
PERSONAL = {
    'registration': 'rw', 'nurse': 'rw', 'doctor': 'rw', 'admin': 'rw',
    'medical_records': 'r'}
ALLERGY = {
    'registration': 'r', 'nurse': 'r', 'doctor': 'r', 'pharmacist': 'r',
    'medical_records': 'r'}
BANNER = {**dict.fromkeys(PERSONAL, 'r'), 'pharmacist': 'r'}
PRESCRIPTION = {
    'nurse': 'r', 'doctor': 'rw', 'pharmacist': 'r', 'medical_records': 'r'}
FIELDS = {
    ('party.party', 'nik'): PERSONAL,
    ('party.party', 'birth_place'): PERSONAL,
    ('party.party', 'birth_date'): {**PERSONAL, 'pharmacist': 'r'},
    ('party.party', 'sex'): {**PERSONAL, 'pharmacist': 'r'},
    **{('party.party', field): PERSONAL for field in [
            'religion', 'education', 'occupation', 'marital_status',
            'ethnicity', 'spoken_languages', 'blood_type', 'rhesus',
            'no_nik_reason', 'passport_number', 'stay_permit_number',
            'mother_name', 'mother_nik', 'estimated_age', 'found_place',
            'found_at']},
    ('clinic.patient', 'nik'): dict.fromkeys(PERSONAL, 'r'),
    **{('clinic.patient', field): BANNER for field in [
            'birth_date', 'sex', 'age']},
    ('clinic.patient', 'last_weight'): {
        'nurse': 'r', 'doctor': 'r', 'pharmacist': 'r',
        'medical_records': 'r'},
    ('clinic.patient', 'results'): {
        'nurse': 'r', 'doctor': 'r', 'medical_records': 'r'},
    ('clinic.patient', 'related_persons'): {
        'registration': 'rw', 'nurse': 'rw', 'doctor': 'r', 'admin': 'rw',
        'medical_records': 'r'},
    ('clinic.patient', 'allergy_status'): {
        **ALLERGY, **CLINICAL, 'registration': 'rw'},
    ('clinic.patient', 'allergies'): {**ALLERGY, **CLINICAL},
    ('clinic.patient', 'allergy_text'): ALLERGY,
    ('clinic.encounter', 'chief_complaint'): CLINICAL,
    ('clinic.encounter', 'chief_complaint_code'): CLINICAL,
    ('clinic.encounter', 'vital_signs'): CLINICAL,
    ('clinic.encounter', 'diagnoses'): {**CLINICAL, 'nurse': 'r'},
    ('clinic.encounter', 'discharge_note'): CLINICAL,
    ('clinic.encounter', 'diagnosis_text'): dict.fromkeys(CLINICAL, 'r'),
    ('clinic.encounter', 'missing'): dict.fromkeys(CLINICAL, 'r'),
    ('clinic.encounter', 'patient_sex'): BANNER,
    ('clinic.encounter', 'patient_age'): BANNER,
    ('clinic.encounter', 'amendments'): {
        'nurse': 'r', 'doctor': 'r', 'pharmacist': 'r',
        'medical_records': 'r'},
    ('clinic.encounter', 'patient_allergy_status'): ALLERGY,
    ('clinic.encounter', 'patient_allergy_text'): ALLERGY,
    **{('clinic.encounter', name): CLINICAL for name in [
            *HISTORY, *sorted(SCREENING), 'allergy_status', 'allergies',
            'nursing_note', 'education_topics', 'education_note']},
    ('clinic.encounter', 'pregnancy_status'): {**CLINICAL, 'pharmacist': 'r'},
    ('clinic.encounter', 'fall_risk'): dict.fromkeys(CLINICAL, 'r'),
    **{('clinic.encounter', name): {**CLINICAL, 'nurse': 'r'} for name in [
            'examinations', 'procedures', 'orders', 'tooth_findings',
            'dental_examinations', 'checkups', 'obstetric_notes', *SOAP,
            *PLAN - {'education_topics', 'education_note'}]},
    **{('clinic.encounter', name): dict.fromkeys(CLINICAL, 'r') for name in [
            'dental_chart', 'dental_chart_text']},
    ('clinic.encounter', 'prescription_items'): {
        **PRESCRIPTION, 'cashier': 'r'},
    ('clinic.encounter', 'patient_weight'): dict.fromkeys(PRESCRIPTION, 'r'),
    **{('clinic.prescription.item', name): PRESCRIPTION for name in [
            'dose', 'dose_unit', 'route', 'frequency', 'period_days',
            'as_needed', 'meal', 'duration', 'instructions', 'components',
            'override_reason', 'override_by', 'override_at']},
    ('clinic.prescription.item', 'signa'): dict.fromkeys(PRESCRIPTION, 'r'),
    ('clinic.encounter', 'note_template'): {'nurse': 'r', 'doctor': 'rw'},
    **{('clinic.letter', name): {**CLINICAL, 'nurse': 'r'} for name in [
            'diagnosis', 'referral_reason', 'findings', 'therapy', 'text']},
    }
DERIVED = {
    ('clinic.patient', field) for field in [
        'nik', 'birth_date', 'sex']}
BUTTONS = {
    'arrive': {'registration', 'nurse', 'doctor', 'admin'},
    'start': {'nurse', 'doctor'},
    'finish': {'doctor'},
    'cancel': {'registration', 'doctor', 'admin'},
    }
OF_BRANCH = {
    'clinic.unit', 'clinic.room', 'clinic.configuration.sequence',
    'clinic.configuration.correction', 'clinic.configuration.diagnosis',
    'clinic.seal', 'clinic.amendment',
    'clinic.completion.rule', 'clinic.letter', 'clinic.consent',
    'clinic.consent.template', 'clinic.record.export', 'clinic.specimen',
    'clinic.result', 'clinic.result.value', *VISIT_MODELS}
# Reached with the rights to the person, or in the steps of a wizard
OF_PERSON = {
    'party.address', 'party.contact_mechanism', 'party.replace.ask'}
# A visit has one
SINGLE = {
    'clinic.dental_examination': {'palate': 'deep'},
    'clinic.checkup': {'purpose': 'school'},
    'clinic.obstetric_note': {'gravida': 2},
    }
# What the server computes can only be read
COMPUTED = {'clinic.patient.duplicate'}
# Read and written as fields of clinic.configuration
NOT_CALLED = {
    'clinic.configuration.sequence', 'clinic.configuration.correction',
    'clinic.configuration.diagnosis'}
SEALED = {'clinic.seal', 'clinic.amendment', 'clinic.record.export'}
# Those that a doctor may begin
OF_DOCTOR = {
    'clinic.encounter.amend', 'clinic.order.cancel', 'clinic.order.collect',
    'clinic.order.enter_result', 'clinic.patient.export',
    'clinic.result.error'}
MODES = {'r': 'read', 'w': 'write', 'c': 'create', 'd': 'delete'}
serials = itertools.count(1)


class AccessTestCase(RemoteTestCase):
    "A record of each model, and what a user may do with it"

    def setUp(self):
        super().setUp()
        self.visit = self.create_visit('in_progress')
        self.bare_visit = self.create_visit(
            'in_progress', **{PARTS[model]: None for model in SINGLE})
        self.ordered = {}
        self.first_children = {
            m: self.root.search(m, [('encounter', '=', self.visit)])
            for m in CHILDREN}

    def sample(self, model):
        "Return what a new record needs and a harmless change to it"
        root = self.root
        number = next(serials)
        branch = self.clinic['kota']
        if model == 'clinic.patient':
            return {
                'party': root.create('party.party', name=f"Orang {number}"),
                }, {'active': True}
        if model == 'clinic.allergy':
            patient = root.create(
                'clinic.patient', party=root.create(
                    'party.party', name=f"Orang {number}"),
                allergy_status='listed',
                allergies=[('create', [{'substance': "Debu"}])])
            return (
                {'patient': patient, 'substance': "Udang"},
                {'reaction': "Gatal"})
        if model == 'clinic.medicine.ingredient':
            medicine, = root('clinic.medicine', 'create', [{
                        'name': f"Obat {number}"}])
            substance, = root('clinic.substance', 'create', [{
                        'name': f"Bahan {number}"}])
            return (
                {'medicine': medicine, 'substance': substance},
                {'strength': "1 mg"})
        if model in {'clinic.region', 'clinic.patient.duplicate'}:
            return {}, {}
        if model in SINGLE:
            return {'encounter': self.bare_visit, **SINGLE[model]}, {
                'note' if model != 'clinic.checkup' else 'advice': "Lain"}
        if model == 'clinic.completion.rule':
            return (
                {'company': branch['company'], **self.unused_rule()},
                {'company': branch['company']})
        if model == 'clinic.investigation.component':
            return {
                'panel': self.clinic['investigations']['DL'],
                'investigation': root.create(
                    'clinic.investigation', code=f'T{number}', name="Tes",
                    kind='laboratory', value_type='text')}, {'sequence': 1}
        if model in {'clinic.specimen', 'clinic.result'}:
            return {
                'clinic.specimen': {
                    'order': self.unanswered('kota'), 'type': 'blood',
                    'collector': branch['nurse']},
                'clinic.result': {'order': self.unanswered('kota')},
                }[model], {'note': "Lain"}
        if model == 'clinic.result.value':
            return {
                'result': self.draft('kota'),
                'investigation': self.clinic['investigations']['HB'],
                }, {'note': "Lain"}
        return {
            'clinic.medicine': (
                {'name': f"Obat {number}"}, {'strength': "1 mg"}),
            'clinic.substance': (
                {'name': f"Bahan {number}"}, {'active': True}),
            'clinic.related_person': (
                {'patient': self.patient, 'name': f"Orang {number}",
                    'relationship': 'parent'}, {'name': f"Lain {number}"}),
            'party.party': (
                {'name': f"Orang {number}"}, {'name': f"Lain {number}"}),
            'clinic.unit': (
                {'company': branch['company'], 'code': f'U{number}',
                    'name': "Unit"}, {'name': "Lain"}),
            'clinic.room': (
                {'unit': branch['unit'], 'code': f'R{number}',
                    'name': "Ruang"}, {'name': "Lain"}),
            'clinic.encounter': (
                {'company': branch['company'], 'patient': self.patient},
                {'unit': branch['unit']}),
            'clinic.encounter.status': (
                {'encounter': self.visit, 'status': 'finished'},
                {'status': 'finished'}),
            'clinic.vital_signs': (
                {'encounter': self.visit, 'heart_rate': 80},
                {'heart_rate': 90}),
            'clinic.diagnosis': (
                {'encounter': self.visit, 'code': self.clinic['codes'][1]},
                {'note': "Lain"}),
            'clinic.seal': (
                {'encounter': self.visit, 'company': branch['company'],
                    'kind': 'finished', 'version': 9}, {'version': 9}),
            'clinic.amendment': (
                {'encounter': self.visit, 'kind': 'addendum',
                    'text': "Lain"}, {'text': "Lain"}),
            'clinic.record.export': (
                {'patient': self.patient, 'reason': "Lain"},
                {'reason': "Lain"}),
            'clinic.examination': (
                {'encounter': self.visit, 'body_part': 'neck',
                    'finding': 'normal'},
                {'finding': 'normal'}),
            'clinic.procedure': (
                {'encounter': self.visit, 'code': self.clinic['acts'][1],
                    'performer': branch['doctor']},
                {'note': "Lain"}),
            'clinic.tooth.finding': (
                {'encounter': self.visit, 'tooth': '21', 'condition': 'mis'},
                {'note': "Lain"}),
            'clinic.prescription.item': (
                {'encounter': self.visit, 'kind': 'simple',
                    'medicine': self.clinic['medicines']['Captopril'],
                    'dose': Decimal(1), 'dose_unit': 'tablet',
                    'route': 'oral', 'frequency': 2, 'duration': 5},
                {'instructions': "Lain"}),
            'clinic.prescription.component': (
                {'item': self.first_children['clinic.prescription.item'][0],
                    'medicine': self.clinic['medicines']['Captopril'],
                    'amount': Decimal(5), 'amount_unit': 'mg'},
                {'amount': Decimal(6)}),
            'clinic.letter': (
                {'encounter': self.visit, 'kind': 'other', 'text': "Surat",
                    'company': branch['company']},
                {'purpose': "Lain"}),
            'clinic.consent': (
                {'patient': self.patient, 'company': branch['company']},
                {'witness': "Lain"}),
            'clinic.consent.template': (
                {'company': branch['company'], 'kind': 'general',
                    'name': f"Templat {number}", 'text': "Teks"},
                {'name': "Lain"}),
            'clinic.investigation': (
                {'code': f'T{number}', 'name': "Tes", 'kind': 'laboratory',
                    'value_type': 'text'},
                {'name': "Lain"}),
            'clinic.investigation.choice': (
                {'investigation': self.clinic['investigations']['GOLDA'],
                    'name': f"P{number}"},
                {'interpretation': 'A'}),
            'clinic.investigation.range': (
                {'investigation': self.clinic['investigations']['HB']},
                {'sex': 'male'}),
            'clinic.order': (
                {'encounter': self.visit, 'requester': branch['doctor'],
                    'investigation': self.clinic['investigations']['GDS']},
                {'reason': "Lain"}),
            'clinic.note_template': (
                {'name': f"Templat {number}",
                    'employee': branch['doctor']},
                {'name': "Lain"}),
            'clinic.icd10': (
                {'code': f'A{number}', 'name': "Kode", 'edition': "Test"},
                {'name': "Lain"}),
            'clinic.icd9cm': (
                {'code': f'{number}', 'name': "Tindakan"},
                {'name': "Lain"}),
            'clinic.clinical_finding': (
                {'code': f'{number}', 'name': "Keluhan",
                    'display': "Complaint"},
                {'name': "Lain"}),
            'clinic.configuration': ({}, {}),
            'company.company': (
                {'party': self.clinic['people'][0]}, {'facility_code': "X"}),
            'company.employee': (
                {'party': self.clinic['people'][0],
                    'company': branch['company']},
                {'sip_number': "X"}),
            }[model]

    def unanswered(self, branch):
        "Return an order of the branch that has no result yet"
        root = self.root
        if branch not in self.ordered:
            self.ordered[branch] = self.create_visit(
                'in_progress', branch=branch)
        found = root.search('clinic.order', [
                ('encounter', '=', self.ordered[branch]),
                ('results', '=', None)])
        return found[0] if found else root.create(
            'clinic.order', encounter=self.ordered[branch],
            requester=self.clinic[branch]['doctor'],
            investigation=self.clinic['investigations']['HB'])

    def draft(self, branch):
        "Return a result of the branch that has no value yet"
        found = self.root.search('clinic.result', [
                ('company', '=', self.clinic[branch]['company']),
                ('state', '=', 'preliminary'), ('values', '=', None)])
        return found[0] if found else self.root.create(
            'clinic.result', order=self.unanswered(branch))

    def answer(self, branch):
        "Make a specimen, a result with a value, one without, and an order"
        self.root.create(
            'clinic.specimen', order=self.unanswered(branch), type='blood',
            collector=self.clinic[branch]['nurse'])
        self.root.create(
            'clinic.result.value', result=self.draft(branch),
            investigation=self.clinic['investigations']['HB'])
        self.draft(branch)
        self.unanswered(branch)

    def unused_rule(self):
        "Return a kind of unit and what is not asked for in it yet"
        with self.database() as pool:
            used = {
                (r.unit_kind, r.requirement)
                for r in pool.get('clinic.completion.rule').search([])}
        kind, requirement = next(
            rule for rule in itertools.product(
                ['dental', 'maternal_child', 'checkup', 'other'],
                [c.name for c in OPTIONAL])
            if rule not in used)
        return {'unit_kind': kind, 'requirement': requirement}

    def record(self, model):
        "Return the id of a record that nothing else refers to"
        if model == 'clinic.configuration':
            return 1
        if model == 'clinic.encounter.status':
            return self.root.read(
                'clinic.encounter', self.visit,
                'status_history')['status_history'][0]
        if model == 'clinic.region':
            return self.create_region()
        if model == 'clinic.patient.duplicate':
            return self.create_twice()
        if model == 'company.company':
            return self.clinic['kota']['company']
        if model in SEALED:
            return self.sealed(model, 'kota')
        if model == 'company.employee':
            return self.clinic['kota']['cashier']
        values, _ = self.sample(model)
        return self.root.create(model, **values)

    def create_region(self):
        "Regions are imported, not entered"
        with Transaction().start(DB_NAME, 0) as transaction:
            Region = self.config.pool.get('clinic.region')
            region, = Region.create([{
                        'code': f'{next(serials):02}', 'name': "Provinsi",
                        'full_name': "Provinsi", 'level': 'province'}])
            transaction.commit()
            return region.id

    def create_twice(self):
        "Register one person twice, return the id of the later record"
        number = next(serials)
        for _ in range(2):
            patient = self.root.create(
                'clinic.patient', party=self.root.create(
                    'party.party', name=f"Kembar {number}",
                    birth_date=dt.date(1990, 5, 5)))
        return patient

    def sealed(self, model, branch):
        "Return the id of a seal, an amendment or an export of the branch"
        if model == 'clinic.record.export':
            return self.exported(branch)
        where = [('encounter.company', '=', self.clinic[branch]['company'])]
        if model == 'clinic.amendment':
            where.append(('author.profession', '=', 'pharmacist'))
        if not self.root.search(model, where):
            visit = self.create_visit('finished', branch=branch)
            self.amend(visit, f'pharmacist-{branch}', 'addendum')
        return self.root.search(model, where)[0]

    def exported(self, branch):
        "Return the id of the note that a record was exported"
        model = 'clinic.record.export'
        where = [('company', '=', self.clinic[branch]['company'])]
        if not self.root.search(model, where):
            doctor = self.user(f'doctor-{branch}')
            with Transaction().start(
                    DB_NAME, doctor.config.user,
                    context=doctor.config.context) as transaction:
                Patient = self.config.pool.get('clinic.patient')
                self.config.pool.get(model).export(
                    Patient(self.patient), "Permintaan pasien")
                transaction.commit()
        return self.root.search(model, where)[0]

    def attempt(self, user, model, mode, record):
        "Do what the letter stands for"
        values, change = self.sample(model)
        if mode == 'r':
            user(model, 'read', [record], ['id'])
        elif mode == 'w':
            user(model, 'write', [record], change)
        elif mode == 'c':
            user.create(model, **values)
        elif mode == 'd':
            user(model, 'delete', [record])

    def tidy(self, model):
        "Make room in the visit for the next record of the model"
        if model in CHILDREN:
            ids = self.root.search(model, [
                    ('encounter', 'in', [self.visit, self.bare_visit]),
                    ('id', 'not in', self.first_children[model])])
            if ids:
                self.root(model, 'delete', ids)


class ModelAccessTestCase(AccessTestCase):
    "Who may do what with a model"

    def stored_models(self):
        return [
            m for m in MODELS
            if issubclass(self.config.pool.get(m), ModelStorage)
            and m not in NOT_CALLED]

    def test_matrix_covers_the_module(self):
        with self.database() as pool:
            self.assertEqual(
                {name for name, model in pool.iterobject()
                    if isregisteredby(model, MODULE)} - OF_CORE,
                {*MODELS, *OF_PERSON})

    def test_matrix(self):
        for model in MODELS:
            for role in (*ROLES, 'nobody'):
                user = self.user(role)
                with Transaction().start(
                        DB_NAME, user.config.user,
                        context={'_check_access': True}):
                    Access = self.config.pool.get('ir.model.access')
                    found = ''.join(
                        letter for letter, mode in MODES.items()
                        if Access.check(model, mode, raise_exception=False))
                expected = MODELS[model].get(role, '')
                if model in READ_BY_ANYBODY:
                    expected = 'r'
                with self.subTest(model=model, role=role):
                    self.assertEqual(found, expected)

    def test_over_rpc(self):
        for model in self.stored_models():
            for role in (*ROLES, 'nobody'):
                user = self.user(role)
                allowed = MODELS[model].get(role, '')
                if model in READ_BY_ANYBODY:
                    allowed = 'r'
                for mode in MODES:
                    with self.subTest(model=model, role=role, mode=mode):
                        if (model, mode) == ('clinic.configuration', 'd'):
                            continue
                        if model in COMPUTED and mode != 'r':
                            continue
                        record = self.record(model)
                        if mode == 'c':
                            self.tidy(model)
                        if mode in allowed:
                            self.attempt(user, model, mode, record)
                        else:
                            with self.assertRaisesRegex(
                                    AccessError, "not allowed to access"):
                                self.attempt(user, model, mode, record)
                        self.tidy(model)

    def test_not_called(self):
        for model in NOT_CALLED:
            self.assertFalse(
                {'search', 'read', 'create', 'write', 'delete', 'copy'}
                & self.config.pool.get(model).__rpc__.keys())

    def test_search_without_groups(self):
        nobody = self.user('nobody')
        for model in self.stored_models():
            if model in READ_BY_ANYBODY | {'clinic.configuration'}:
                continue
            for method, args in [
                    ('search', [[], 0, None, None]),
                    ('search_count', [[]]),
                    ('search_read', [[], 0, None, None, ['rec_name']]),
                    ('copy', [[1]]),
                    ('export_data', [[1], ['rec_name']]),
                    ('export_data_domain', [[], ['rec_name']]),
                    ('import_data', [['id'], [['1']]]),
                    ]:
                if model in COMPUTED and method == 'import_data':
                    continue
                with self.subTest(model=model, method=method):
                    with self.assertRaises(AccessError):
                        nobody(model, method, *args)

    def test_buttons_without_groups(self):
        for model in self.stored_models():
            for button in getattr(
                    self.config.pool.get(model), '_buttons', {}):
                with self.subTest(model=model, button=button):
                    with self.assertRaises(AccessError):
                        self.user('nobody')(model, button, [1])

    def test_wizards_without_groups(self):
        with self.database() as pool:
            names = [
                name for name, wizard in pool.iterobject('wizard')
                if isregisteredby(wizard, MODULE, 'wizard')]
        self.assertIn('clinic.icd10.import', names)
        for login in ['nobody', 'doctor', 'registration']:
            for name in names:
                if login == 'doctor' and name in OF_DOCTOR:
                    continue
                proxy = self.user(login).config.get_proxy(name, 'wizard')
                with self.subTest(login=login, wizard=name):
                    with self.assertRaises(AccessError):
                        proxy.create(self.user(login).config.context)

    def test_menu_without_groups(self):
        ids = self.user('nobody').search('ir.ui.menu', [])
        with self.database() as pool:
            menu = pool.get('ir.model.data').get_id(MODULE, 'menu_clinic')
        self.assertNotIn(menu, ids)
        for role in ROLES:
            self.assertIn(menu, self.user(role).search('ir.ui.menu', []))

    def test_buttons(self):
        for button, roles in BUTTONS.items():
            state = {
                'arrive': 'planned', 'start': 'arrived',
                'finish': 'in_progress', 'cancel': 'arrived'}[button]
            for role in ROLES:
                with self.subTest(button=button, role=role):
                    visit = self.create_visit(state)
                    if role in roles:
                        self.user(role)('clinic.encounter', button, [visit])
                        self.assertNotEqual(self.state(visit), state)
                    else:
                        with self.assertRaises(AccessButtonError):
                            self.user(role)(
                                'clinic.encounter', button, [visit])
                        self.assertEqual(self.state(visit), state)


class FieldAccessTestCase(AccessTestCase):
    "Who may read and write which field"

    def setUp(self):
        super().setUp()
        self.records = {
            'party.party': self.clinic['people'][0],
            'clinic.patient': self.patient,
            'clinic.encounter': self.visit,
            'clinic.prescription.item': self.first_children[
                'clinic.prescription.item'][0],
            'clinic.letter': self.record('clinic.letter'),
            }

    def test_matrix_covers_the_module(self):
        with self.database() as pool:
            Access = pool.get('ir.model.field.access')
            self.assertEqual(
                {(a.model, a.field) for a in Access.search([])
                    if a.model in MODELS},
                set(FIELDS))

    def test_read(self):
        for (model, field), roles in FIELDS.items():
            record = self.records[model]
            for role in ROLES:
                calls = [
                    ('read', [[record], [field]]),
                    ('export_data', [[record], [field]]),
                    ('search_read', [
                            [('id', '=', record)], 0, None, None, [field]]),
                    ]
                if self.config.pool.get(model)._fields[field].searchable(
                        self.config.pool.get(model)):
                    calls += [
                        ('search', [[(field, '=', None)], 0, None, None]),
                        ('search_count', [[(field, '=', None)]]),
                        ]
                for method, args in calls:
                    with self.subTest(
                            model=model, field=field, role=role,
                            method=method):
                        if role in roles:
                            self.user(role)(model, method, *args)
                        else:
                            with self.assertRaises(AccessError):
                                self.user(role)(model, method, *args)

    def test_read_on_a_detour(self):
        visit = self.visit
        for role, names in {
                'cashier': [
                    'patient.nik', 'patient.party.nik',
                    'patient.party.birth_date', 'patient.allergy_status'],
                'pharmacist': ['patient.nik', 'patient.party.nik'],
                'registration': ['vital_signs.systolic', 'diagnoses.code'],
                'admin': ['vital_signs.systolic', 'patient.allergies'],
                }.items():
            for name in names:
                with self.subTest(role=role, name=name):
                    with self.assertRaises(AccessError):
                        self.user(role).read('clinic.encounter', visit, name)
                    with self.assertRaises(AccessError):
                        self.user(role).search(
                            'clinic.encounter', [(name, '!=', None)])
                    with self.assertRaises(AccessError):
                        self.user(role)(
                            'clinic.encounter', 'search', [], 0, None,
                            [(name, 'ASC')])

    def test_write(self):
        with self.database() as pool:
            finding = pool.get('clinic.clinical_finding').search(
                [], limit=1)[0].id
        values = {
            'nik': '3174010101920001',
            'birth_place': "Jakarta",
            'birth_date': self.root.read(
                'party.party', self.clinic['people'][0],
                'birth_date')['birth_date'],
            'sex': 'female',
            'allergy_status': 'not_asked',
            'allergies': [],
            'chief_complaint': "Demam",
            'chief_complaint_code': finding,
            'vital_signs': [],
            'diagnoses': [],
            'discharge_note': "Kontrol",
            'religion': 'islam',
            'education': 'bachelor',
            'occupation': 'private',
            'marital_status': 'married',
            'ethnicity': "Sunda",
            'spoken_languages': "Indonesia, Sunda",
            'blood_type': 'O',
            'rhesus': 'positive',
            'no_nik_reason': None,
            'passport_number': 'X000001',
            'stay_permit_number': '2C11XX0001',
            'mother_name': "Ibu",
            'mother_nik': '3174014101700001',
            'estimated_age': '18-40',
            'found_place': "Pasar",
            'found_at': ago(days=1),
            'related_persons': [],
            'examinations': [],
            'procedures': [],
            'tooth_findings': [],
            'dental_examinations': [],
            'checkups': [],
            'obstetric_notes': [],
            'orders': [],
            'prescription_items': [],
            'dose': Decimal(2),
            'dose_unit': 'sachet',
            'route': 'oral',
            'frequency': 2,
            'period_days': 7,
            'as_needed': True,
            'meal': 'after',
            'duration': 4,
            'instructions': "Teks",
            'education_topics': ['disease'],
            'pregnancy_status': 'pregnant',
            'psychological_status': 'well',
            'fall_risk_scale': 'morse',
            'fall_risk_score': 10,
            'prognosis': 'good',
            'leaving_condition': 'stable',
            'follow_up_date': dt.date.today() + dt.timedelta(7),
            'follow_up_unit': self.clinic['kota']['unit'],
            **dict.fromkeys([
                    *HISTORY, *SOAP, 'psychological_note', 'nursing_note',
                    'education_note', 'care_goal', 'instruction', 'diet',
                    'follow_up_note', *REFERRAL, 'diagnosis', 'findings',
                    'therapy', 'text'], "Teks"),
            }
        self.assertEqual(
            {f for m, f in FIELDS if m == 'party.party'} - values.keys(),
            set())
        for (model, field), roles in FIELDS.items():
            if field not in values or (model, field) in DERIVED:
                continue
            for role in ROLES:
                args = (
                    model, 'write', [self.records[model]],
                    {field: values[field]})
                with self.subTest(model=model, field=field, role=role):
                    if 'w' in roles.get(role, ''):
                        self.user(role)(*args)
                    else:
                        with self.assertRaises(AccessError):
                            self.user(role)(*args)

    def test_denied_fields_are_not_in_the_view(self):
        for (model, field), roles in FIELDS.items():
            for role in ROLES:
                with self.subTest(model=model, field=field, role=role):
                    view = self.user(role)(
                        model, 'fields_view_get', None, 'form')
                    if role not in roles:
                        self.assertNotIn(field, view['fields'])


class BranchTestCase(AccessTestCase):
    "A user of one branch and what belongs to another"

    def setUp(self):
        super().setUp()
        self.user_here = self.user('everything')
        self.visit_there = self.create_visit('in_progress', branch='desa')
        self.answer('desa')
        self.answer('kota')
        for branch in ['kota', 'desa']:
            self.root.create(
                'clinic.completion.rule',
                company=self.clinic[branch]['company'], **self.unused_rule())
            company = self.clinic[branch]['company']
            self.root.create(
                'clinic.letter', company=company, kind='other', text="Surat",
                encounter=self.visit if branch == 'kota'
                else self.visit_there)
            self.root.create(
                'clinic.consent', company=company, patient=self.patient)
            self.root.create(
                'clinic.consent.template', company=company, kind='general',
                name="Umum", text="Teks")

    def there(self, model):
        "Return the ids of the other branch's records"
        if model in SEALED:
            self.sealed(model, 'kota')
            self.sealed(model, 'desa')
        path = {
            'clinic.room': 'unit.company',
            'clinic.encounter.status': 'encounter.company',
            'clinic.vital_signs': 'encounter.company',
            'clinic.diagnosis': 'encounter.company',
            'clinic.amendment': 'encounter.company',
            'clinic.examination': 'encounter.company',
            'clinic.procedure': 'encounter.company',
            'clinic.tooth.finding': 'encounter.company',
            **dict.fromkeys(SINGLE, 'encounter.company'),
            'clinic.prescription.item': 'encounter.company',
            'clinic.prescription.component': 'encounter.company',
            'clinic.order': 'encounter.company',
            'clinic.result.value': 'result.company',
            }.get(model, 'company')
        ids = self.root.search(
            model, [(path, '=', self.clinic['desa']['company'])])
        self.assertTrue(ids, model)
        return ids

    def test_models(self):
        "Whatever leads to a branch has a rule for all users"
        with self.database() as pool:
            Rule = pool.get('ir.rule.group')
            of_branch = set()
            for name in MODELS:
                model = pool.get(name)
                if issubclass(model, ModelSQL) and name.startswith('clinic.'):
                    targets = {
                        f.model_name for f in model._fields.values()
                        if f._type == 'many2one' and f.required}
                    targets |= {
                        f.model_name for n, f in model._fields.items()
                        if n == 'company' and f._type == 'many2one'}
                    if targets & {
                            'company.company', 'clinic.encounter',
                            'clinic.unit', 'clinic.result'}:
                        of_branch.add(name)
            self.assertEqual(of_branch, OF_BRANCH)
            for name in of_branch:
                with self.subTest(model=name):
                    self.assertTrue(Rule.search([
                                ('model', '=', name),
                                ('global_p', '=', True),
                                ('perm_read', '=', True),
                                ('perm_write', '=', True),
                                ('perm_create', '=', True),
                                ('perm_delete', '=', True),
                                ]))

    def test_search_and_read(self):
        for model in OF_BRANCH - NOT_CALLED:
            there = self.there(model)
            with self.subTest(model=model):
                found = self.user_here.search(model, [])
                self.assertTrue(found)
                self.assertFalse({*found} & {*there})
                self.assertEqual(
                    self.user_here.search(model, [('id', 'in', there)]), [])
                for id_ in there:
                    with self.assertRaises(AccessError):
                        self.user_here.read(model, id_, 'id')
                    with self.assertRaises(AccessError):
                        self.user_here(
                            model, 'export_data', [id_], ['rec_name'])

    def test_context_of_the_other_branch_opens_nothing(self):
        there = self.clinic['desa']['company']
        for context in [
                {'company': there}, {'companies': [there]},
                {'_check_access': False}, {'_companies': [there]}]:
            for model in OF_BRANCH - NOT_CALLED:
                with self.subTest(model=model, context=context):
                    found = self.user_here(
                        model, 'search', [], 0, None, None, **context)
                    self.assertFalse({*found} & {*self.there(model)})

    def test_write_and_delete(self):
        before = self.content(*OF_BRANCH)
        for model in OF_BRANCH - NOT_CALLED:
            _, change = self.sample(model)
            for id_ in self.there(model):
                with self.subTest(model=model):
                    with self.assertRaises(AccessError):
                        self.user_here(model, 'write', [id_], change)
                    with self.assertRaises(AccessError):
                        self.user_here(model, 'delete', [id_])
                    with self.assertRaises(AccessError):
                        self.user_here(model, 'copy', [id_])
        self.assertEqual(self.content(*OF_BRANCH), before)

    def test_buttons(self):
        for button, state in [
                ('arrive', 'planned'), ('start', 'arrived'),
                ('finish', 'in_progress'), ('cancel', 'planned')]:
            visit = self.create_visit(state, branch='desa')
            with self.subTest(button=button):
                with self.assertRaises(AccessError):
                    self.user_here('clinic.encounter', button, [visit])
                self.assertEqual(self.state(visit), state)

    def test_copy_into_the_own_branch(self):
        before = self.content(*OF_BRANCH)
        places = {k: self.clinic['kota'][k] for k in [
                'company', 'unit', 'room']}
        for model, default in [
                ('clinic.vital_signs', {'encounter': self.visit}),
                ('clinic.diagnosis', {
                        'encounter': self.visit, 'rank': None,
                        'code': self.clinic['codes'][1]}),
                ('clinic.encounter', {
                        **places, 'practitioner': None}),
                ('clinic.room', {'unit': places['unit'], 'code': 'X'}),
                ('clinic.unit', {
                        'company': places['company'], 'code': 'X',
                        'rooms': None}),
                ]:
            with self.subTest(model=model):
                with self.assertRaises(AccessError):
                    self.user_here(
                        model, 'copy', self.there(model)[:1], default)
        self.assertEqual(self.content(*OF_BRANCH), before)

    def test_configuration(self):
        "Each branch sets its own sequences"
        with self.database() as pool:
            sequence = pool.get('ir.model.data').get_id(
                MODULE, 'sequence_encounter')
        for branch in ['kota', 'desa']:
            self.user(f'admin-{branch}')(
                'clinic.configuration', 'write', [1],
                {'encounter_sequence': sequence})
        with self.database() as pool:
            self.assertEqual({
                    r.company.id for r in pool.get(
                        'clinic.configuration.sequence').search([])},
                {self.clinic[b]['company'] for b in ['kota', 'desa']})

    def test_create(self):
        branch = self.clinic['desa']
        before = self.content(*OF_BRANCH)
        for model, values in [
                ('clinic.encounter', {
                        'company': branch['company'],
                        'patient': self.patient}),
                ('clinic.unit', {
                        'company': branch['company'], 'code': 'X',
                        'name': "X"}),
                ('clinic.room', {
                        'unit': branch['unit'], 'code': 'X', 'name': "X"}),
                ('clinic.vital_signs', {
                        'encounter': self.visit_there, 'heart_rate': 80}),
                ('clinic.diagnosis', {
                        'encounter': self.visit_there,
                        'code': self.clinic['codes'][1]}),
                ]:
            with self.subTest(model=model):
                with self.assertRaises(AccessError):
                    self.user_here.create(model, **values)
        self.assertEqual(self.content(*OF_BRANCH), before)

    def test_places_of_the_other_branch(self):
        for name in ['unit', 'room', 'practitioner']:
            key = {'practitioner': 'doctor'}.get(name, name)
            with self.subTest(name=name):
                with self.assertRaises(Exception) as refusal:
                    self.user_here.create(
                        'clinic.encounter',
                        company=self.clinic['kota']['company'],
                        patient=self.patient,
                        **{name: self.clinic['desa'][key]})
                self.assertRegex(
                    type(refusal.exception).__name__,
                    'DomainValidationError|AccessError')

    def test_patients_are_of_the_whole_chain(self):
        "but their visits are of a branch"
        there = self.user('registration-desa')
        person = there.create('party.party', name="Orang Desa")
        patient = there.create('clinic.patient', party=person)
        self.user('doctor-desa').create(
            'clinic.encounter', company=self.clinic['desa']['company'],
            patient=patient)
        self.assertEqual(
            self.user_here.read('clinic.patient', patient, 'name')['name'],
            "Orang Desa")
        self.assertEqual(
            self.user_here.search(
                'clinic.encounter', [('patient', '=', patient)]), [])
        self.assertEqual(
            self.user_here.read(
                'clinic.patient', patient, 'encounters')['encounters'], ())
        with self.assertRaises(AccessError):
            self.user_here(
                'clinic.patient', 'export_data', [patient],
                ['encounters/number'])
