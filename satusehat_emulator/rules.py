# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The rule processor: numbered checks on the elements of a resource.

The rules are data: one file per resource type in data/rules, where each rule
says which number, element path, kind of value and code systems apply.
Numbers are unique within a resource type only (SATUSEHAT, validation
dictionary). All refusals of a resource are collected.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timezone
from functools import cache

from . import kinds
from .checks import CHECKS
from .outcome import Issue, numbered
from .resources import rule_tables
from .walk import head, values, walk


@dataclass(frozen=True)
class Context:
    """What rules are judged against.

    `organization` is the caller's, `now` an aware datetime including the
    tolerated clock skew, `strict` also enforces rules whose condition is
    not published.
    """
    organization: str
    now: datetime
    strict: bool = False
    resource: dict | None = None


def context(caller, settings):
    "Return the Context of a request."
    now = datetime.fromtimestamp(
        settings.clock() + settings.clock_skew, timezone.utc)
    return Context(
        caller.organization, now, settings.strict_conditional)


def validate(resource, context):
    "Return the list of Issue the processor raises for a resource."
    type_ = resource['resourceType']
    context = replace(context, resource=resource)
    issues = []
    for start, need, rule in _rules(type_):
        if start in resource:
            issues.extend(_apply(rule, resource, type_, context))
        elif need and _is_needed(rule, resource, context):
            issues.append(_missing(rule, f'{type_}.{rule["path"]}'))
    for index, contained in enumerate(_contained(resource)):
        issues.extend(_contained_issues(contained, index, type_, context))
    return issues


@cache
def _rules(type_):
    "Return (element the path begins with, need, rule) for a type's rules."
    return [
        (head(rule['path']), rule.get('need'), rule)
        for rule in rule_tables().get(type_, [])]


def _contained(resource):
    contained = resource.get('contained')
    return contained if isinstance(contained, list) else []


def _contained_issues(contained, index, type_, context):
    if not isinstance(contained, dict):
        return
    if contained.get('resourceType') != 'Medication':
        return
    context = replace(context, resource=contained)
    for rule in rule_tables()['Medication']:
        yield from _apply(
            rule, contained, f'{type_}.contained[{index}]', context)


def _apply(rule, resource, expression, context):
    found = walk(resource, rule['path'], expression)
    if not found:
        if _is_needed(rule, resource, context):
            yield _missing(rule, f'{expression}.{rule["path"]}')
        return
    for here, value in found:
        yield from kinds.KINDS[rule['kind']](rule, here, value, context)
    if 'check' in rule:
        yield from CHECKS[rule['check']](rule, found, context)


def _is_needed(rule, resource, context):
    need = rule.get('need')
    if need is None:
        return False
    if isinstance(need, dict):
        return bool(
            set(map(str, values(resource, need['path']))) & set(need['in']))
    return need == 'mandatory' or (need == 'conditional' and context.strict)


def _missing(rule, path):
    word = (
        f'Reference is mandatory : {path}' if rule['kind'] == 'reference'
        else f'Element not found: {path}')
    return Issue('value', numbered(word, rule['number']), path)
