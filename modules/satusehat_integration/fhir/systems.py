# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Code and identifier systems of the resources this module sends.

Sources: SATUSEHAT, playbook for outpatient care (Pelayanan Rawat Jalan)
6.3, and SATUSEHAT, validation dictionary (Kamus Validasi).  `http` and
`https` are not interchangeable there: a system spelt otherwise is refused.
"""

HL7 = 'http://terminology.hl7.org/CodeSystem'
KEMKES = 'http://terminology.kemkes.go.id'
IDENTIFIER = 'http://sys-ids.kemkes.go.id'
EXTENSION = 'https://fhir.kemkes.go.id/r4/StructureDefinition'

ICD10 = 'http://hl7.org/fhir/sid/icd-10'
LOINC = 'http://loinc.org'
SNOMED = 'http://snomed.info/sct'
UCUM = 'http://unitsofmeasure.org'

ACT_CODE = f'{HL7}/v3-ActCode'
CONDITION_CATEGORY = f'{HL7}/condition-category'
CONDITION_CLINICAL = f'{HL7}/condition-clinical'
CONDITION_VERIFICATION = f'{HL7}/condition-ver-status'
DIAGNOSIS_ROLE = f'{HL7}/diagnosis-role'
DISCHARGE_DISPOSITION = f'{HL7}/discharge-disposition'
OBSERVATION_CATEGORY = f'{HL7}/observation-category'
ORGANIZATION_TYPE = f'{HL7}/organization-type'
PARTICIPATION_TYPE = f'{HL7}/v3-ParticipationType'
PHYSICAL_TYPE = f'{HL7}/location-physical-type'
SERVICE_TYPE = f'{HL7}/service-type'

KEMKES_DISCHARGE_DISPOSITION = f'{KEMKES}/CodeSystem/discharge-disposition'
OUTPATIENT_CLASS = f'{KEMKES}/CodeSystem/locationServiceClass-Outpatient'
UPGRADE_CLASS = f'{KEMKES}/CodeSystem/locationUpgradeClass'

SERVICE_CLASS = f'{EXTENSION}/ServiceClass'
LOCATION_SERVICE_CLASS = f'{EXTENSION}/LocationServiceClass'
