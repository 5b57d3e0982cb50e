# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Errors of the mapping, for the caller to translate into work for people."

REASONS = {
    'missing': "is missing",
    'wrong_type': "has the wrong type",
    'unknown_value': "is not one of the known values",
    'invalid_code': "is not a FHIR code",
    'invalid_id': "is not a FHIR id",
    'invalid_uid': "is not a UUID in its canonical spelling",
    'not_utc': "is not a UTC time written YYYY-MM-DDThh:mm:ss+00:00",
    'not_in_order': "does not start where the status before it ended",
    'out_of_range': "is out of range",
    'too_long': "is longer than FHIR allows",
    'no_number': "has no number on the platform",
    'no_primary': "needs exactly one diagnosis of rank 1",
    'repeated': "is repeated in the visit",
    'not_json': "cannot be written as JSON",
    }


class MappingError(ValueError):
    """The visit cannot be expressed in FHIR as it is.

    `field` is the path inside the snapshot, like `diagnoses[0].code`;
    `reason` is a key of `REASONS`, so that the caller can translate it.
    The message never holds the value: it may be personal data.
    """

    def __init__(self, field, reason):
        super().__init__(f'{field} {REASONS[reason]}')
        self.field = field
        self.reason = reason


class AnswerMismatch(ValueError):
    "The platform's answer does not pair with what was asked."
