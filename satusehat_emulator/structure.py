# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The FHIR store's own checks: is it a well-formed R4 resource?

data/structure.json lists the elements of each type as 'minimum, list or not,
type', taken from the FHIR R4 definitions (hl7.org/fhir/R4).
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from .dates import interval
from .outcome import refused_by_store
from .resources import load

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
    here = (None, prefix + type_[0].lower() + type_[1:])
    try:
        _check_object(resource, type_, here)
        _check_invariants(resource, here)
    except Malformed as defect:
        diagnostics, path = defect.args
        raise refused_by_store(
            'unparseable_resource', diagnostics, _expression(path)) from None


def _expression(path):
    "Return the text of a path: (path above or None, name or position)."
    above, step = path
    if above is None:
        return step
    return _expression(above) + (
        f'[{step}]' if isinstance(step, int) else f'.{step}')


def _check_invariants(resource, here):
    if resource['resourceType'] == 'Organization' and not (
            resource.get('name') or resource.get('identifier')):
        raise Malformed(
            'fhirpath-constraint-violation-Organization.org-1', here)


# Primitive values

def _is_boolean(value):
    return isinstance(value, bool)


def _is_whole(value):
    return isinstance(value, int) and not isinstance(value, bool)


def _is_decimal(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_text(value):
    return isinstance(value, str) and value != ''


def _is_date(value):
    if not _is_text(value):
        return False
    try:
        interval(value)
    except ValueError:
        return False
    return True


PRIMITIVES = {
    'boolean': _is_boolean, 'decimal': _is_decimal,
    **dict.fromkeys(('integer', 'positiveInt', 'unsignedInt'), _is_whole),
    **dict.fromkeys(('date', 'dateTime', 'instant'), _is_date)}


# Types

@dataclass(frozen=True)
class Element:
    """An element of a type: whether it is a list, and its type's name.

    `fits` says of a primitive value whether it is one, None for objects.
    """
    is_list: bool
    type: str
    fits: Callable | None

    @classmethod
    def of(cls, flags, type_):
        return cls('*' in flags, type_, None if type_[0].isupper() else (
            PRIMITIVES.get(type_, _is_text)))


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
        elements[element] = Element.of(flags, type_)
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
        if element is None:
            continue
        if element.is_list:
            _check_list(name, child, element, (here, name))
        else:
            _check_value(child, element, (here, name))
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


def _check_list(name, items, element, here):
    if not isinstance(items, list):
        raise Malformed(
            f'invalid value (expected a list): {_shown(items)}', here)
    if not items and name not in MAY_BE_EMPTY:
        raise Malformed('invalid value (empty list): []', here)
    for position, item in enumerate(items):
        _check_value(item, element, (here, position))


def _check_value(value, element, here):
    if element.fits is None:
        _check_object(value, _type_of(value, element, here), here)
    elif not element.fits(value):
        raise Malformed(
            f'invalid value (expected a {element.type}): {_shown(value)}',
            here)


def _type_of(value, element, here):
    "Return the name of the type a value must have."
    if element.type != 'Resource':
        return element.type
    type_ = value.get('resourceType') if isinstance(value, dict) else 'Resource'
    if not isinstance(type_, str) or not type_:
        raise Malformed('missing required field "resourceType"', here)
    return type_


def _check_period(value, here):
    """Refuse a period that ends before it starts.

    Both are compared as instants, whatever their zones.
    """
    if 'start' in value and 'end' in value and (
            interval(value['end'])[1] < interval(value['start'])[0]):
        *_, owner, element = re.sub(
            r'\[\d+\]', '', _expression(here)).split('.')
        raise Malformed(
            'fhirpath-constraint-violation-'
            f'{owner[:1].upper()}{owner[1:]}.{element}', here)


def _shown(value):
    "Return only the shape of a wrong value, never personal data."
    return {dict: '{}', list: '[]', type(None): 'null'}.get(
        type(value), type(value).__name__)
