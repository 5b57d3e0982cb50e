# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The FHIR store's own checks: is it a well-formed R4 resource?

data/structure.json lists the elements of each type as 'minimum, list or not,
type', taken from the FHIR R4 definitions (hl7.org/fhir/R4).
"""

from dataclasses import dataclass
from functools import cache

from .dates import interval
from .outcome import refused_by_store
from .resources import load

WHOLE = {'integer', 'positiveInt', 'unsignedInt'}
DATES = {'date', 'dateTime', 'instant'}
# The platform itself answers with an empty identifier list.
MAY_BE_EMPTY = {'identifier'}


class Malformed(Exception):
    "Carries (diagnostics, path) of the first defect found."


def stored_types():
    "Return the resource types the emulator keeps."
    return load('search.json').keys()


def check(resource, prefix=''):
    """Raise Refusal unless `resource` is well-formed.

    `prefix` comes before the expression ('Bundle.entry[0].resource.'); the
    wording is the store's: 'unparseable_resource'.
    """
    type_ = resource['resourceType']
    here = prefix + type_[0].lower() + type_[1:]
    try:
        _check_object(resource, type_, here)
        _check_invariants(resource, here)
    except Malformed as defect:
        diagnostics, path = defect.args
        raise refused_by_store(
            'unparseable_resource', diagnostics, path) from None


def _check_invariants(resource, here):
    if resource['resourceType'] == 'Organization' and not (
            resource.get('name') or resource.get('identifier')):
        raise Malformed(
            'fhirpath-constraint-violation-Organization.org-1', here)


@dataclass(frozen=True)
class Element:
    "An element of a type: whether it is a list, and its type's name."
    is_list: bool
    type: str


@dataclass(frozen=True)
class Type:
    """What data/structure.json says of a type.

    `names` are all that may occur, `groups` of (element, names, required)
    those of which one must or at most one may.
    """
    elements: dict
    names: frozenset
    groups: tuple


@cache
def _type(name):
    "Return the Type of that name, None if nothing is known of it."
    definitions = load('structure.json').get(name)
    if definitions is None:
        return None
    elements, groups = {}, []
    for element, definition in definitions.items():
        flags, type_ = definition.split(' ')
        elements[element] = Element('*' in flags, type_)
        choices = type_.split('|') if element.endswith('[x]') else [element]
        if len(choices) > 1 or flags[0] == '1':
            groups.append((element, tuple(choices), flags[0] == '1'))
    names = {'resourceType', *elements, *(f'_{name}' for name in elements)}
    return Type(elements, frozenset(names), tuple(groups))


def _check_object(value, type_, here):
    if not isinstance(value, dict):
        raise Malformed(
            f'invalid value (expected a {type_} object): {_shown(value)}',
            here)
    definition = _type(type_)
    if definition is None:
        return
    if not value:
        raise Malformed('empty object', here)
    _check_names(value, definition, here)
    for name, child in value.items():
        element = definition.elements.get(name)
        if element is not None:
            _check_element(name, child, element, here)
    if type_ == 'Period':
        _check_period(value, here)


def _check_names(value, definition, here):
    if not value.keys() <= definition.names:
        unknown = next(n for n in value if n not in definition.names)
        raise Malformed(f'unknown field "{unknown}"', here)
    for name, choices, required in definition.groups:
        given = [choice for choice in choices if choice in value]
        if required and not given:
            raise Malformed(f'missing required field "{name}"', here)
        if len(given) > 1:
            raise Malformed(f'more than one of "{name}"', here)


def _check_element(name, child, element, here):
    here = f'{here}.{name}'
    if not element.is_list:
        _check_value(child, element.type, here)
        return
    if not isinstance(child, list):
        raise Malformed(
            f'invalid value (expected a list): {_shown(child)}', here)
    if not child and name not in MAY_BE_EMPTY:
        raise Malformed('invalid value (empty list): []', here)
    for index, item in enumerate(child):
        _check_value(item, element.type, f'{here}[{index}]')


def _check_value(value, type_, here):
    if type_ == 'Resource':
        type_ = value.get('resourceType') if isinstance(value, dict) else type_
        if not isinstance(type_, str) or not type_:
            raise Malformed('missing required field "resourceType"', here)
    if type_[0].isupper():
        _check_object(value, type_, here)
    elif not _is_primitive(value, type_):
        raise Malformed(
            f'invalid value (expected a {type_}): {_shown(value)}', here)


def _is_primitive(value, type_):
    if type_ == 'boolean':
        return isinstance(value, bool)
    if type_ in WHOLE:
        return isinstance(value, int) and not isinstance(value, bool)
    if type_ == 'decimal':
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if not isinstance(value, str) or not value:
        return False
    return type_ not in DATES or _is_date(value)


def _is_date(value):
    try:
        interval(value)
    except ValueError:
        return False
    return True


def _check_period(value, here):
    """Refuse a period that ends before it starts.

    Both are compared as instants, whatever their zones.
    """
    if 'start' in value and 'end' in value and (
            interval(value['end'])[1] < interval(value['start'])[0]):
        element = here.rpartition('.')[2].split('[')[0]
        owner = here.rpartition('.')[0].rpartition('.')[2]
        owner = owner[:1].upper() + owner[1:]
        raise Malformed(
            f'fhirpath-constraint-violation-{owner}.{element}', here)


def _shown(value):
    "Return only the shape of a wrong value, never personal data."
    return {dict: '{}', list: '[]', type(None): 'null'}.get(
        type(value), type(value).__name__)
