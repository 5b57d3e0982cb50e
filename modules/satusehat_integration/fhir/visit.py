# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"What all resources of one visit share: identifiers and references."

from collections.abc import Mapping

from . import identifiers
from .datatypes import reference
from .errors import MappingError
from .record import Record, is_id

SCHEMA = 1
CHIEF_COMPLAINT = 'chief_complaint'


class Visit:
    """A snapshot of a finished visit together with the platform's numbers.

    `snapshot` is the frozen JSON of the visit (schema 1).  `references` is
    `{'organization': id, 'patient': IHS number, 'practitioners': {party id:
    IHS number}, 'location': Location id}`; the keys of `practitioners` may
    be integers or their text.  Raises MappingError.
    """

    def __init__(self, snapshot, references):
        self.snapshot = Record(snapshot)
        if self.snapshot.get('schema') != SCHEMA:
            raise MappingError('schema', 'unknown_value')
        self.encounter = self.snapshot.record('encounter')
        self._references = Record(references, 'references')
        self.organization = self._number('organization', 'organization')
        self.encounter_url = self.url('encounter', self.encounter.uid())

    def _number(self, key, field):
        value = self._references.get(key)
        if not value:
            raise MappingError(field, 'no_number')
        if not is_id(value):
            raise MappingError(field, 'invalid_id')
        return value

    def identifier(self, kind, uid, key=None):
        "Return the Identifier of a record's resource."
        return identifiers.identifier(
            kind, self.organization, identifiers.value_of(uid, key))

    def url(self, kind, uid, key=None):
        "Return the `urn:uuid:` by which the Bundle's entries refer to it."
        return identifiers.full_url(
            identifiers.system(kind, self.organization),
            identifiers.value_of(uid, key))

    def this_encounter(self):
        "Return the Reference to the visit itself."
        return reference(self.encounter_url)

    def subject(self):
        "Return the Reference to the patient."
        number = self._number('patient', 'patient')
        name = self.snapshot.record('patient').optional_text('name')
        return reference(f'Patient/{number}', name)

    def practitioner(self):
        "Return the Reference to the practitioner who answers for the visit."
        person = self.snapshot.record('practitioner')
        number = self._practitioner_number(person)
        if number is None:
            raise MappingError('practitioner', 'no_number')
        return reference(f'Practitioner/{number}', person.optional_text('name'))

    def performer(self, person):
        """Return the Reference to who measured.

        `person` is a Record or None.  Without a number on the platform the
        visit's practitioner, who answers for the visit, stands in.
        """
        number = person and self._practitioner_number(person)
        if not number:
            return self.practitioner()
        return reference(f'Practitioner/{number}', person.optional_text('name'))

    def _practitioner_number(self, person):
        numbers = self._references.get('practitioners')
        if not isinstance(numbers, Mapping):
            raise MappingError('references.practitioners', 'missing')
        party = person.required('record', int)
        number = numbers.get(party) or numbers.get(str(party))
        if number and not is_id(number):
            raise MappingError(person.path, 'invalid_id')
        return number or None

    def room(self):
        "Return the Reference to the room where the patient was seen."
        number = self._number('location', 'room')
        name = self.snapshot.record('room').optional_text('name')
        return reference(f'Location/{number}', name)

    def provider(self):
        """Return the Reference to the branch.

        It must be the organization of the credential, never a unit
        (SATUSEHAT, validation dictionary, rule 10124).
        """
        return reference(f'Organization/{self.organization}')

    def diagnoses(self):
        """Return the diagnoses by rank, the primary one first.

        A finished visit needs one (SATUSEHAT, validation dictionary, rule
        10457).
        """
        diagnoses = self.snapshot.records('diagnoses')
        if not diagnoses:
            raise MappingError('diagnoses', 'missing')
        ranked = sorted(diagnoses, key=lambda item: item.positive('rank'))
        if [item.get('rank') for item in ranked].count(1) != 1:
            raise MappingError('diagnoses', 'no_primary')
        return ranked

    def coded_complaint(self):
        """Return the chief complaint if it carries a code, else None.

        A Condition without a code is refused (SATUSEHAT, validation
        dictionary, rule 10003): free text alone is not sent.
        """
        complaint = self.snapshot.optional_record('chief_complaint')
        if complaint is None or complaint.get('code') is None:
            return None
        return complaint
