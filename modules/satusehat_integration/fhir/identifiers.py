# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Business identifiers and the `fullUrl` that follows from each of them."

import re
from hashlib import sha256
from uuid import UUID

from . import systems

_WITHOUT_USE = {'encounter', 'location'}
_TOKEN_SEPARATORS = re.compile(r'[\s|,$\\]+')


def system(kind, organization):
    """Return the identifier system of the branch for one kind of record.

    `kind` is the platform's word (`encounter`, `condition`, `observation`,
    `organization`, `location`); `organization` is the id of the branch's
    organization, which must be the one of the credential (SATUSEHAT,
    validation dictionary, rules 10117, 10441, 10444, 10446, 10447).
    """
    return f'{systems.IDENTIFIER}/{kind}/{organization}'


def identifier(kind, organization, value):
    """Return a FHIR Identifier.

    `use` is `official` except for encounters and locations, which the
    platform's published requests send without it.
    """
    use = {} if kind in _WITHOUT_USE else {'use': 'official'}
    return {**use, 'system': system(kind, organization), 'value': value}


def full_url(system, value):
    """Return the `urn:uuid:` of the resource with this identifier.

    Derived, not random, so that the same visit gives the same bytes; shaped
    as a version 4 UUID because the platform checks that (SATUSEHAT,
    validation dictionary, rules 20017 to 20021).
    """
    digest = sha256(f'{system}|{value}'.encode()).digest()
    return f'urn:uuid:{UUID(bytes=digest[:16], version=4)}'


def value_of(uid, key=None):
    """Return the identifier value of a record's resource.

    `key` tells apart several resources of one record (`systolic`).
    """
    return f'{uid}-{key}' if key else uid


def code_value(code, uid):
    """Return the identifier value of a unit or room.

    The local code and the first eight digits of `uid`.  White space and the
    characters that have a meaning in a FHIR token search (`|`, `,`, `$`,
    backslash) become a hyphen, so that the value can be searched for.
    """
    return f'{_TOKEN_SEPARATORS.sub("-", code.strip())}-{uid[:8]}'
