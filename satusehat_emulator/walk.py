# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Following element paths through a resource."

import re
from functools import cache

EXTENSIONS = 'https://fhir.kemkes.go.id/r4/StructureDefinition/'
SEGMENT = re.compile(r'([^.\[]+)(?:\[([^\]]*)\])?(?:\.|$)')


@cache
def parse_path(path):
    """Return ((element, extension url or None), ...) for a path of a rule.

    'period.start' or 'extension[ServiceClass].extension[value]': the name in
    brackets is the url of an extension, short for the Ministry's own;
    'section*' stands for section, section.section and so on.
    """
    return tuple(
        (name, url or None) for name, url in SEGMENT.findall(path))


def head(path):
    "Return the element of a resource that a path begins with."
    return parse_path(path)[0][0].rstrip('*')


def walk(resource, path, expression):
    """Return the list of (expression, value) at `path`.

    `expression` names the resource; list positions are added to it as in
    'Encounter.identifier[0]'.
    """
    return _walk([(expression, resource)], parse_path(path))


def values(resource, path):
    "Return the list of the values at `path`."
    found = [resource]
    for name, url in parse_path(path):
        found = _values_below(found, name, url)
        if not found:
            break
    return found


def _values_below(found, name, url):
    if name.endswith('*'):
        steps, name = [], name[:-1]
        while found := _values_below(found, name, None):
            steps += found
        return steps
    below = []
    for value in found:
        if isinstance(value, dict) and name in value:
            child = value[name]
            if not isinstance(child, list):
                below.append(child)
            elif url is None:
                below += child
            else:
                below += [item for item in child if _is_extension(item, url)]
    return below


def _walk(found, segments):
    for name, url in segments:
        if not found:
            break
        found = (
            list(_descend(found, name[:-1])) if name.endswith('*')
            else _step(found, name, url))
    return found


def _step(found, name, url=None):
    return [
        pair for expression, value in found
        for pair in _children(expression, value, name, url)]


def _descend(found, name):
    while found := _step(found, name):
        yield from found


def _children(expression, value, name, url):
    if not isinstance(value, dict) or name not in value:
        return
    child, here = value[name], f'{expression}.{name}'
    if not isinstance(child, list):
        yield here, child
        return
    for index, item in enumerate(child):
        if url is None or _is_extension(item, url):
            yield f'{here}[{index}]', item


def _is_extension(item, url):
    return isinstance(item, dict) and item.get('url') in [
        url, EXTENSIONS + url]


def reference_holders(value):
    "Return the objects below `value` that have a reference (a text)."
    holders, found = [], [value]
    for part in found:
        if isinstance(part, dict):
            if isinstance(part.get('reference'), str):
                holders.append(part)
            part = part.values()
        found += [item for item in part if isinstance(item, (dict, list))]
    return holders


def references(value, expression):
    "Yield (expression, reference text) for each reference below `value`."
    if isinstance(value, dict):
        if isinstance(value.get('reference'), str):
            yield f'{expression}.reference', value['reference']
        for name, child in value.items():
            yield from references(child, f'{expression}.{name}')
    elif isinstance(value, list):
        for index, child in enumerate(value):
            yield from references(child, f'{expression}[{index}]')


def concepts(value):
    "Yield each coding (a dict) of a CodeableConcept, Coding or Identifier."
    if isinstance(value, list):
        for item in value:
            yield from concepts(item)
    elif isinstance(value, dict):
        if isinstance(value.get('coding'), list):
            yield from (c for c in value['coding'] if isinstance(c, dict))
        elif 'coding' not in value:
            yield value
