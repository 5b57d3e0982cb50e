# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Observations of the vital signs, one for each value."

from typing import NamedTuple

from . import systems
from .datatypes import concept, quantity


class VitalSign(NamedTuple):
    "How one measured value is written: LOINC code and UCUM unit."

    key: str
    loinc: str
    display: str
    unit: str
    ucum: str


PULSE_OXIMETRY = '59408-5'
"""LOINC code of the oxygen saturation.

Neither the playbook nor the published requests name one; this is the code
most implementers send.  Not official: check it when onboarding.
"""

VITAL_SIGNS = (
    VitalSign('heart_rate', '8867-4', "Heart rate", 'beats/min', '/min'),
    VitalSign(
        'respiratory_rate', '9279-1', "Respiratory rate",
        'breaths/min', '/min'),
    VitalSign(
        'systolic', '8480-6', "Systolic blood pressure", 'mm[Hg]', 'mm[Hg]'),
    VitalSign(
        'diastolic', '8462-4', "Diastolic blood pressure",
        'mm[Hg]', 'mm[Hg]'),
    VitalSign('temperature', '8310-5', "Body temperature", 'Cel', 'Cel'),
    VitalSign(
        'oxygen_saturation', PULSE_OXIMETRY,
        "Oxygen saturation in Arterial blood by Pulse oximetry", '%', '%'),
    VitalSign('weight', '29463-7', "Body weight", 'kg', 'kg'),
    VitalSign('height', '8302-2', "Body height", 'cm', 'cm'),
    )
CATEGORY = (systems.OBSERVATION_CATEGORY, 'vital-signs', "Vital Signs")


def measured(row):
    """Return the VitalSigns of a row that carry a value, in fixed order.

    Raises MappingError for a value that no VitalSign stands for: nothing
    that was measured may be left out in silence.
    """
    values = row.record('values')
    known = {sign.key for sign in VITAL_SIGNS}
    for key in values.keys():
        if key not in known:
            raise values.fail(key, 'unknown_value')
    return [sign for sign in VITAL_SIGNS if sign.key in values.keys()]


def build(visit, row, sign):
    """Return the Observation of one value of a row of vital signs.

    Blood pressure is two Observations, never one with components
    (SATUSEHAT, playbook for outpatient care, step 4; validation dictionary,
    rules 10295 and 10383 for the time and the performer).
    """
    measured_at = row.time('measured_at')
    return {
        'resourceType': 'Observation',
        'identifier': [visit.identifier('observation', row.uid(), sign.key)],
        'status': 'final',
        'category': [concept(*CATEGORY)],
        'code': concept(systems.LOINC, sign.loinc, sign.display),
        'subject': visit.subject(),
        'encounter': visit.this_encounter(),
        'effectiveDateTime': measured_at,
        'issued': measured_at,
        'performer': [visit.performer(row.optional_record('performer'))],
        'valueQuantity': quantity(
            row.record('values').measure(sign.key), sign.unit, sign.ucum),
        }
