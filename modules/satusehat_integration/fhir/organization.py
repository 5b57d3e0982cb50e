# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Organization of a service unit below the branch."

from . import identifiers, systems
from .datatypes import concept, reference
from .errors import MappingError
from .record import Record, is_id

TEAM = (systems.ORGANIZATION_TYPE, 'team', "Organizational team")


def build(unit, organization, active=True):
    """Return the Organization of a service unit.

    `unit` is `{'uid', 'code', 'name'}`, `organization` the id of the
    branch's organization.  Type `team`, as the platform's requests for
    clinics send it (`dept` there is a department of a hospital).
    Raises MappingError.  SATUSEHAT, Organization, sub-organizations;
    validation dictionary, rules 10089 and 10446.
    """
    unit = Record(unit, 'unit')
    if not is_id(organization):
        raise MappingError('organization', 'no_number')
    return {
        'resourceType': 'Organization',
        'identifier': [identifiers.identifier(
            'organization', organization,
            identifiers.code_value(unit.text('code'), unit.uid()))],
        'active': active,
        'type': [concept(*TEAM)],
        'name': unit.text('name'),
        'partOf': reference(f'Organization/{organization}'),
        }
