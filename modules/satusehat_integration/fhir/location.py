# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Location of a room."

from . import identifiers, systems
from .datatypes import concept, reference
from .encounter import REGULAR_CLASS
from .errors import MappingError
from .record import Record, is_id

ROOM = (systems.PHYSICAL_TYPE, 'ro', "Room")


def build(room, organization, managing=None, active=True):
    """Return the Location of a room.

    `room` is `{'uid', 'code', 'name'}`, `organization` the id of the
    branch's organization, `managing` the Organization id of the room's
    unit; without it the branch manages the room.  Raises MappingError.
    SATUSEHAT, Location; validation dictionary, rules 10095 to 10102, 10163
    and 10447.
    """
    room = Record(room, 'room')
    manager = managing or organization
    for field, number in (
            ('organization', organization), ('unit', manager)):
        if not is_id(number):
            raise MappingError(field, 'no_number')
    return {
        'resourceType': 'Location',
        'identifier': [identifiers.identifier(
            'location', organization,
            identifiers.code_value(room.text('code'), room.uid()))],
        'status': 'active' if active else 'inactive',
        'name': room.text('name'),
        'mode': 'instance',
        'physicalType': concept(*ROOM),
        'managingOrganization': reference(f'Organization/{manager}'),
        'extension': [{
            'url': systems.LOCATION_SERVICE_CLASS,
            'valueCodeableConcept': concept(*REGULAR_CLASS),
            }],
        }
