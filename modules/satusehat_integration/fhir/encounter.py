# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Encounter of a finished outpatient visit."

from datetime import timedelta

from . import systems
from .datatypes import coding, concept, period, quantity, reference
from .record import utc
from .visit import CHIEF_COMPLAINT

CLASSES = {
    'AMB': 'ambulatory',
    'EMER': 'emergency',
    'HH': 'home health',
    'VR': 'virtual',
    }
STATUSES = {
    'arrived': 'arrived',
    'in_progress': 'in-progress',
    'finished': 'finished',
    }
SERVICE_TYPES = {
    'general': ('124', "General Practice"),
    'dental': ('88', "General Dental"),
    'maternal_child': ('186', "Obstetrics & Gynaecology"),
    }
DISPOSITIONS = {
    'home': (systems.DISCHARGE_DISPOSITION, "Home"),
    'other-hcf': (systems.DISCHARGE_DISPOSITION, "Other healthcare facility"),
    'aadvice': (systems.DISCHARGE_DISPOSITION, "Left against advice"),
    'oth': (systems.DISCHARGE_DISPOSITION, "Other"),
    'exp-lt48h': (systems.KEMKES_DISCHARGE_DISPOSITION, None),
    'exp-gt48h': (systems.KEMKES_DISCHARGE_DISPOSITION, None),
    }
ATTENDER = (systems.PARTICIPATION_TYPE, 'ATND', "attender")
DISCHARGE = (systems.DIAGNOSIS_ROLE, 'DD', "Discharge diagnosis")
COMPLAINT = (systems.DIAGNOSIS_ROLE, 'CC', "Chief complaint")
REGULAR_CLASS = (systems.OUTPATIENT_CLASS, 'reguler', "Kelas Reguler")
SAME_CLASS = (
    systems.UPGRADE_CLASS, 'kelas-tetap', "Kelas Tetap Perawatan")


def build(visit):
    """Return the Encounter, status `finished`.

    `visit` is a `visit.Visit`.  Raises MappingError.  Elements as in
    SATUSEHAT, playbook for outpatient care, step 27, and the validation
    dictionary's rules for Encounter (10001 to 10457).
    """
    encounter = visit.encounter
    history = _status_history(encounter)
    whole = _whole_period(encounter)
    code = encounter.choice('class', CLASSES)
    return {
        'resourceType': 'Encounter',
        'identifier': [visit.identifier('encounter', encounter.uid())],
        'status': 'finished',
        'statusHistory': history,
        'class': coding(systems.ACT_CODE, code, CLASSES[code]),
        **_service_type(visit.snapshot.record('unit')),
        'subject': visit.subject(),
        'participant': [
            {'type': [concept(*ATTENDER)],
             'individual': visit.practitioner()}],
        'period': whole,
        'length': _length(whole),
        'diagnosis': _diagnoses(visit),
        'hospitalization': {'dischargeDisposition': _disposition(encounter)},
        'location': [{
            'extension': [_service_class()],
            'location': visit.room(),
            'period': dict(whole),
            }],
        'serviceProvider': visit.provider(),
        }


def _status_history(encounter):
    # Rule 10122: every status of a finished visit needs a start and an end.
    rows = encounter.records('status_history')
    statuses = [row.choice('status', STATUSES) for row in rows]
    if statuses != list(STATUSES):
        raise encounter.fail('status_history', 'unknown_value')
    previous = encounter.time('arrived_at')
    for row in rows:
        start, end = row.time('start'), row.time('end')
        if start != previous:
            raise row.fail('start', 'not_in_order')
        if end < start:
            raise row.fail('end', 'not_in_order')
        previous = end
    if previous != encounter.time('finished_at'):
        raise encounter.fail('finished_at', 'not_in_order')
    if rows[1].get('start') != encounter.time('started_at'):
        raise encounter.fail('started_at', 'not_in_order')
    return [
        {'status': STATUSES[status],
         'period': period(row.time('start'), row.time('end'))}
        for status, row in zip(statuses, rows, strict=True)]


def _whole_period(encounter):
    return period(encounter.time('arrived_at'), encounter.time('finished_at'))


def _length(whole):
    # Rule 10840: minutes or hours, outside inpatient care.
    duration = utc(whole['end']) - utc(whole['start'])
    return quantity(duration // timedelta(minutes=1), 'min', 'min')


def _service_type(unit):
    kind = unit.text('kind')
    if kind not in SERVICE_TYPES:
        return {}
    return {'serviceType': concept(systems.SERVICE_TYPE, *SERVICE_TYPES[kind])}


def _diagnoses(visit):
    discharge = [{
        'condition': reference(
            visit.url('condition', diagnosis.uid()), diagnosis.text('display')),
        'use': concept(*DISCHARGE),
        'rank': diagnosis.positive('rank'),
        } for diagnosis in visit.diagnoses()]
    complaint = visit.coded_complaint()
    if complaint is None:
        return discharge
    url = visit.url('condition', visit.encounter.uid(), CHIEF_COMPLAINT)
    display = complaint.record('code').text('display')
    return [*discharge, {
        'condition': reference(url, display),
        'use': concept(*COMPLAINT),
        }]


def _disposition(encounter):
    code = encounter.choice('discharge_disposition', DISPOSITIONS)
    system, display = DISPOSITIONS[code]
    return concept(
        system, code, display, encounter.optional_text('discharge_note'))


def _service_class():
    return {
        'url': systems.SERVICE_CLASS,
        'extension': [
            {'url': 'value',
             'valueCodeableConcept': concept(*REGULAR_CLASS)},
            {'url': 'upgradeClassIndicator',
             'valueCodeableConcept': concept(*SAME_CLASS)},
            ],
        }
