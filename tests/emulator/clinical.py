# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"A synthetic resource of each clinical type, as small as is accepted plus."

from copy import deepcopy

from .samples import (
    DOCTOR, EXTENSIONS, HL7, KEMKES, NURSE, ORG, PATIENT, SYSTEM_IDS, at,
    concept, identifier, observation, period, ref)

SNOMED, LOINC = 'http://snomed.info/sct', 'http://loinc.org'
ICD_10, ICD_9 = (
    'http://hl7.org/fhir/sid/icd-10', 'http://hl7.org/fhir/sid/icd-9-cm')
KFA, UCUM = f'{SYSTEM_IDS}/kfa', 'http://unitsofmeasure.org'
FORM = f'{HL7}/v3-orderableDrugForm'
DOCTOR_REF, NURSE_REF = (
    ref(f'Practitioner/{DOCTOR}'), ref(f'Practitioner/{NURSE}'))
PATIENT_REF, FACILITY = ref(f'Patient/{PATIENT}'), ref(f'Organization/{ORG}')


def quantity(value, code, system=UCUM):
    return {'value': value, 'unit': code, 'system': system, 'code': code}


def medication(type_='NC'):
    return {
        'resourceType': 'Medication', 'id': 'obat', 'status': 'active',
        'identifier': [identifier('medication', 'M-1')],
        'extension': [{
            'url': f'{EXTENSIONS}/MedicationType',
            'valueCodeableConcept': concept(
                f'{KEMKES}/CodeSystem/medication-type', type_)}],
        'code': concept(KFA, '93001019'),
        'form': concept(f'{KEMKES}/CodeSystem/medication-form', 'BS066'),
        'ingredient': [{
            'itemCodeableConcept': concept(KFA, '91000101'),
            'isActive': True, 'strength': {
                'numerator': quantity(500, 'mg'),
                'denominator': quantity(1, 'TAB', FORM)}}],
        }


DOSAGE = {
    'sequence': 1, 'patientInstruction': 'Sesudah makan',
    'timing': {
        'repeat': {'frequency': 3, 'period': 1, 'periodUnit': 'd'},
        'code': concept(f'{HL7}/v3-GTSAbbreviation', 'TID')},
    'route': concept('http://www.whocc.no/atc', 'O'),
    'doseAndRate': [{
        'type': concept(f'{HL7}/dose-rate-type', 'ordered'),
        'doseQuantity': quantity(1, 'TAB', FORM)}],
    }


def prescription(number='1'):
    return [
        identifier('prescription', 'RX-1'),
        identifier('prescription-item', f'RX-1-{number}')]


SAMPLES = {
    'Procedure': {
        'identifier': [identifier('procedure', 'P-1')],
        'status': 'completed',
        'category': concept(SNOMED, '277132007'),
        'code': concept(ICD_9, '93.94'),
        'subject': PATIENT_REF, 'encounter': None,
        'performedPeriod': period('01:30', '01:40'),
        'performer': [{'actor': NURSE_REF}],
        'reasonCode': [concept(ICD_10, 'J00')]},
    'AllergyIntolerance': {
        'identifier': [identifier('allergy', 'A-1')],
        'clinicalStatus': concept(
            f'{HL7}/allergyintolerance-clinical', 'active'),
        'verificationStatus': concept(
            f'{HL7}/allergyintolerance-verification', 'confirmed'),
        'category': ['medication'], 'code': concept(KFA, '91000237'),
        'patient': PATIENT_REF, 'encounter': None,
        'recordedDate': at('01:30'), 'recorder': DOCTOR_REF},
    'ClinicalImpression': {
        'identifier': [identifier('clinicalimpression', 'CI-1')],
        'status': 'completed', 'code': concept(SNOMED, '312850006'),
        'subject': PATIENT_REF, 'encounter': None,
        'effectiveDateTime': at('01:30'), 'date': at('01:30'),
        'assessor': DOCTOR_REF, 'summary': 'Batuk sejak tiga hari.'},
    'Goal': {
        'lifecycleStatus': 'planned',
        'category': [concept(f'{HL7}/goal-category', 'nursing')],
        'description': {'text': 'Batuk hilang'}, 'subject': PATIENT_REF,
        'target': [{'measure': concept(LOINC, '8310-5'),
            'detailCodeableConcept': concept(SNOMED, '17621005'),
            'dueDate': '2026-11-27'}],
        'statusDate': '2026-11-20', 'expressedBy': DOCTOR_REF},
    'CarePlan': {
        'status': 'active', 'intent': 'plan',
        'category': [concept(SNOMED, '736271009')],
        'title': 'Rencana Rawat Pasien', 'description': 'Istirahat',
        'subject': PATIENT_REF, 'encounter': None, 'author': DOCTOR_REF,
        'created': at('01:50')},
    'ServiceRequest': {
        'identifier': [identifier('servicerequest', 'S-1')],
        'status': 'active', 'intent': 'original-order',
        'priority': 'routine', 'category': [concept(SNOMED, '108252007')],
        'code': concept(LOINC, '777-3'),
        'subject': PATIENT_REF, 'encounter': None,
        'occurrenceDateTime': '2026-12-20T01:00:00+00:00',
        'authoredOn': at('01:40'), 'requester': DOCTOR_REF,
        'performer': [FACILITY]},
    'RiskAssessment': {
        'status': 'final', 'code': concept(SNOMED, '709510001'),
        'subject': PATIENT_REF, 'encounter': None,
        'performer': DOCTOR_REF, 'prediction': [{
            'outcome': concept(SNOMED, '233604007'),
            'qualitativeRisk': concept(f'{HL7}/risk-probability', 'low')}]},
    'Medication': medication(),
    'MedicationRequest': {
        'contained': [medication()], 'identifier': prescription(),
        'status': 'completed', 'intent': 'order',
        'category': [concept(
            f'{HL7}/medicationrequest-category', 'outpatient')],
        'priority': 'routine', 'medicationReference': ref('#obat'),
        'subject': PATIENT_REF, 'encounter': None,
        'authoredOn': at('02:00'), 'requester': DOCTOR_REF,
        'dosageInstruction': [DOSAGE],
        'dispenseRequest': {
            'validityPeriod': {
                'start': at('02:00'), 'end': '2026-11-27T02:00:00+00:00'},
            'numberOfRepeatsAllowed': 0,
            'quantity': quantity(10, 'TAB', FORM),
            'expectedSupplyDuration': quantity(3, 'd'),
            'performer': FACILITY}},
    'MedicationStatement': {
        'identifier': [identifier('medicationstatement', 'MS-1')],
        'status': 'active', 'medicationCodeableConcept': concept(
            KFA, '93001019'),
        'category': concept(
            f'{HL7}/medication-statement-category', 'community'),
        'subject': PATIENT_REF, 'context': None,
        'dateAsserted': at('01:30'), 'informationSource': PATIENT_REF},
    'MedicationAdministration': {
        'contained': [medication()], 'status': 'completed',
        'medicationReference': ref('#obat'), 'subject': PATIENT_REF,
        'context': None, 'effectiveDateTime': at('02:10'),
        'performer': [{'actor': NURSE_REF}],
        'dosage': {
            'route': concept('http://www.whocc.no/atc', 'O'),
            'dose': quantity(1, 'TAB', FORM)}},
    'QuestionnaireResponse': {
        'status': 'completed',
        'questionnaire': 'https://fhir.kemkes.go.id/Questionnaire/Q0007',
        'subject': PATIENT_REF, 'encounter': None,
        'source': PATIENT_REF, 'author': DOCTOR_REF, 'authored': at('02:00'),
        'item': [{'linkId': '1', 'text': 'Administrasi', 'item': [{
            'linkId': '1.1', 'text': 'Identitas', 'answer': [{
                'valueCoding': {
                    'system': f'{KEMKES}/CodeSystem/clinical-term',
                    'code': 'OV000052'}}]}]}]},
    'FamilyMemberHistory': {
        'status': 'completed', 'patient': PATIENT_REF,
        'relationship': concept(f'{HL7}/v3-RoleCode', 'FAMMEMB'),
        'condition': [{'code': concept(SNOMED, '160273004'),
            'onsetPeriod': {'start': '1990-01-01T00:00:00+00:00'}}]},
    'NutritionOrder': {
        'identifier': [identifier('nutrition-order', 'N-1')],
        'status': 'active', 'intent': 'proposal', 'patient': PATIENT_REF,
        'encounter': None, 'dateTime': at('02:00'), 'orderer': DOCTOR_REF,
        'foodPreferenceModifier': [concept(f'{HL7}/diet', 'halal')]},
    'Composition': {
        'identifier': identifier('composition', 'RM-1'),
        'status': 'final', 'type': concept(LOINC, '88645-7'),
        'category': [concept(LOINC, 'LP173421-1')],
        'subject': PATIENT_REF, 'encounter': None, 'date': at('02:30'),
        'author': [DOCTOR_REF], 'title': 'Resume Medis Rawat Jalan',
        'custodian': FACILITY, 'section': [{
            'title': 'Anamnesis', 'code': concept(KEMKES, 'TK000003'),
            'section': [{
                'title': 'Keluhan Utama', 'code': concept(LOINC, '10154-3'),
                'text': {'status': 'additional', 'div': 'Batuk'}}]}]},
    'EpisodeOfCare': {
        'identifier': [identifier('episode-of-care', 'E-1')],
        'status': 'active',
        'type': [concept(
            f'{KEMKES}/CodeSystem/episodeofcare-type', 'ANC')],
        'patient': PATIENT_REF, 'managingOrganization': FACILITY,
        'period': period('01:00')},
    'RelatedPerson': {
        'identifier': [{
            'system': 'https://fhir.kemkes.go.id/id/ihs-number',
            'value': 'P00805884304'}],
        'patient': PATIENT_REF, 'gender': 'female',
        'relationship': [concept(f'{HL7}/v3-RoleCode', 'NMTH')],
        'name': [{'text': 'Elizabeth Dior'}]},
    'Immunization': {
        'status': 'completed', 'vaccineCode': concept(KFA, '93001282'),
        'patient': PATIENT_REF, 'encounter': None, 'primarySource': True,
        'occurrenceDateTime': at('02:00'), 'lotNumber': 'LOT-1',
        'expirationDate': '2027-11-20',
        'performer': [{
            'function': concept(f'{HL7}/v2-0443', 'AP'),
            'actor': NURSE_REF}],
        'protocolApplied': [{'doseNumberPositiveInt': 1}]},
    'DocumentReference': {
        'identifier': [identifier('prescription', 'RX-1')],
        'status': 'current', 'type': concept(LOINC, '57833-6'),
        'subject': PATIENT_REF, 'date': at('02:30'), 'content': [{
            'attachment': {'contentType': 'text/plain', 'title': 'Resep'}}]},
    'Task': {
        'identifier': [identifier('task', 'T-1')],
        'status': 'requested', 'intent': 'order', 'for': PATIENT_REF,
        'code': concept(KEMKES, 'referral-pre-request')},
    'ImagingStudy': {
        'identifier': [
            {'system': 'urn:dicom:uid', 'value': 'urn:oid:1.2.3'},
            identifier('acsn', 'ACC-1')],
        'status': 'available', 'modality': [{
            'system': 'http://dicom.nema.org/resources/ontology/DCM',
            'code': 'DX'}],
        'subject': PATIENT_REF, 'started': at('01:50')},
    }
AFTER = {
    'Specimen': ('ServiceRequest', {
        'identifier': [identifier('specimen', 'SP-1')],
        'status': 'available', 'type': concept(SNOMED, '119297000'),
        'subject': PATIENT_REF, 'request': [None],
        'receivedTime': at('01:50'), 'collection': {
            'collector': NURSE_REF, 'collectedDateTime': at('01:45'),
            'fastingStatusCodeableConcept': concept(
                f'{HL7}/v2-0916', 'NF')}}),
    'DiagnosticReport': ('Observation', {
        'identifier': [{
            'system': f'{SYSTEM_IDS}/diagnostic/{ORG}/lab',
            'value': 'DR-1'}],
        'status': 'final', 'category': [concept(f'{HL7}/v2-0074', 'HM')],
        'code': concept(LOINC, '777-3'), 'subject': PATIENT_REF,
        'encounter': None, 'effectiveDateTime': at('02:00'),
        'issued': at('02:05'), 'performer': [FACILITY], 'result': [None]}),
    'MedicationDispense': ('MedicationRequest', {
        'contained': [medication()], 'identifier': prescription(),
        'status': 'completed', 'category': concept(
            'http://terminology.hl7.org/fhir/CodeSystem/'
            'medicationdispense-category', 'outpatient'),
        'medicationReference': ref('#obat'), 'subject': PATIENT_REF,
        'context': None, 'authorizingPrescription': [None],
        'performer': [{'actor': NURSE_REF}],
        'quantity': quantity(10, 'TAB', FORM),
        'whenHandedOver': at('02:20'), 'dosageInstruction': [DOSAGE]}),
    }
LINKS = {
    'Specimen': 'request', 'DiagnosticReport': 'result',
    'MedicationDispense': 'authorizingPrescription'}
TYPES = [*SAMPLES, *AFTER]


def sample(type_, visit, api=None):
    """Return a resource of a type for a visit ('Encounter/...').

    With `api`, what it depends on is stored first.
    """

    if type_ in SAMPLES:
        body = deepcopy(SAMPLES[type_])
    else:
        needed, body = AFTER[type_]
        body = deepcopy(body)
        parent = (
            observation(visit) if needed == 'Observation'
            else sample(needed, visit))
        body[LINKS[type_]] = [ref(f'{needed}/{api.created(parent)["id"]}')]
    for name in ('encounter', 'context'):
        if name in body and body[name] is None:
            body[name] = ref(visit)
    return {**body, 'resourceType': type_}
