# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Conditions of a visit: the chief complaint and the diagnoses."

from . import systems
from .datatypes import concept
from .visit import CHIEF_COMPLAINT

ACTIVE = (systems.CONDITION_CLINICAL, 'active', "Active")
COMPLAINT_CATEGORY = (
    systems.KEMKES, 'chief-complaint', "Chief Complaint")
DIAGNOSIS_CATEGORY = (
    systems.CONDITION_CATEGORY, 'encounter-diagnosis', "Encounter Diagnosis")


def chief_complaint(visit):
    """Return the Condition of the chief complaint, None without a code.

    SNOMED CT code; the patient's own words travel as `code.text` and as
    note (SATUSEHAT, playbook for outpatient care, step 3).
    """
    complaint = visit.coded_complaint()
    if complaint is None:
        return None
    code = complaint.record('code')
    text = complaint.optional_text('text')
    return _condition(
        visit,
        identifier=visit.identifier(
            'condition', visit.encounter.uid(), CHIEF_COMPLAINT),
        category=COMPLAINT_CATEGORY,
        code=concept(
            systems.SNOMED, code.code('code'), code.text('display'), text),
        recorded=complaint.time('recorded_at'),
        note=text)


def diagnosis(visit, record):
    """Return the Condition of one ICD-10 diagnosis.

    One Condition carries one diagnosis; primary and secondary are told
    apart by the rank in the Encounter (SATUSEHAT, playbook for outpatient
    care, step 13).
    """
    return _condition(
        visit,
        identifier=visit.identifier('condition', record.uid()),
        category=DIAGNOSIS_CATEGORY,
        code=concept(
            systems.ICD10, record.code('code'), record.text('display')),
        recorded=record.time('recorded_at'),
        note=record.optional_text('note'))


def _condition(visit, *, identifier, category, code, recorded, note):
    notes = {'note': [{'text': note}]} if note else {}
    return {
        'resourceType': 'Condition',
        'identifier': [identifier],
        'clinicalStatus': concept(*ACTIVE),
        'category': [concept(*category)],
        'code': code,
        'subject': visit.subject(),
        'encounter': visit.this_encounter(),
        'recordedDate': recorded,
        'recorder': visit.practitioner(),
        **notes,
        }
