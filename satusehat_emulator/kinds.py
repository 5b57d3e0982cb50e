# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"What each kind of element value is checked for."

import re
from functools import cache

from . import terminology
from .dates import in_window, parse_date, parse_date_time
from .outcome import Issue, numbered

FORMAT = 'Format allowed : YYYY-MM-DDThh:mm:ss+00:00'
CREATOR = 'http://sys-ids.kemkes.go.id/creator'
WINDOW = 'Not Allowed : Future Date or Past Date before 3rd June 2014'


def _issue(rule, expression, text, code='value'):
    return Issue(code, numbered(text, rule['number']), expression)


def _empty_text(rule, expression, value):
    if value == '':
        yield _issue(rule, expression, "Text is empty: ''")


def present(rule, expression, value, context):
    yield from _empty_text(rule, expression, value)


def text(rule, expression, value, context):
    if isinstance(value, str) and not value.strip():
        yield _issue(rule, expression, f'Text is empty: {value!r}')
    elif not isinstance(value, str):
        yield _issue(rule, expression, f'Invalid text: {value!r}')


def boolean(rule, expression, value, context):
    if not isinstance(value, bool):
        yield _issue(rule, expression, f'Invalid boolean: {value!r}')


# Numbers

def _number(rule, expression, value, types):
    if isinstance(value, str):
        yield _issue(
            rule, expression, f'Integer formated as a string: {value!r}')
    elif isinstance(value, bool) or not isinstance(value, types):
        yield _issue(rule, expression, f'Invalid number: {value!r}')


def decimal(rule, expression, value, context):
    yield from _number(rule, expression, value, (int, float))


def positive(rule, expression, value, context):
    issues = list(decimal(rule, expression, value, context))
    yield from issues
    if not issues and value < 0:
        yield _issue(rule, expression, f'Invalid number: {value!r}')


def positive_integer(rule, expression, value, context):
    issues = list(_number(rule, expression, value, int))
    yield from issues
    if not issues and value < 0:
        yield _issue(rule, expression, f'Invalid number: {value!r}')


# Dates

def _date_time(rule, expression, value, context, past=True, future=False):
    try:
        moment = parse_date_time(value)
    except ValueError:
        refusal = numbered(
            f'Invalid date time format : {value}', rule['number'])
        yield Issue('format', f'{refusal}. {FORMAT}', expression)
        return
    too_old = past and not in_window(moment, context.now, future=True)
    too_new = not future and moment > context.now
    if too_old or too_new:
        refusal = numbered(
            f'Invalid date time value : {value}', rule['number'])
        yield Issue('value', f'{refusal}\n{WINDOW}', expression)


def date_time(rule, expression, value, context):
    yield from _date_time(rule, expression, value, context)


def future_date_time(rule, expression, value, context):
    yield from _date_time(rule, expression, value, context, future=True)


def past_date_time(rule, expression, value, context):
    yield from _date_time(rule, expression, value, context, past=False)


def any_date_time(rule, expression, value, context):
    yield from _date_time(
        rule, expression, value, context, past=False, future=True)


def date(rule, expression, value, context):
    try:
        return parse_date(value)
    except ValueError:
        refusal = numbered(
            f'Invalid date time format : {value}', rule['number'])
        yield Issue(
            'format', f'{refusal}. Format allowed : YYYY-MM-DD', expression)


def past_date(rule, expression, value, context):
    day = yield from date(rule, expression, value, context)
    if day and day > context.now.date():
        yield _issue(rule, expression, f'Invalid date time value : {value}')


# Codes

def _known(rule, expression, system, code):
    if not terminology.is_known(system, code):
        yield _issue(
            rule, expression, f"Code not found: '{code}' in system: {system}")


def code(rule, expression, value, context):
    "A plain code, of the one system the rule names."
    if value == '':
        yield from _empty_text(rule, expression, value)
    elif not any(
            terminology.is_known(system, value) for system in rule['systems']):
        yield from _known(rule, expression, rule['systems'][0], value)


def coding(rule, expression, value, context):
    if not isinstance(value, dict):
        yield _issue(rule, expression, f'Invalid coding: {value!r}')
        return
    system = value.get('system', '')
    if system not in rule.get('systems', [system]):
        yield _issue(
            rule, f'{expression}.system', f'Invalid coding system: {system}')
        return
    if 'code' in value or not rule.get('code_optional'):
        yield from _known(
            rule, f'{expression}.code', system, value.get('code', ''))


def concept(rule, expression, value, context):
    "A CodeableConcept; text alone passes unless the rule demands a coding."
    codings = value.get('coding') if isinstance(value, dict) else None
    if not isinstance(codings, list) or not codings:
        if rule.get('coded') or not isinstance(value, dict):
            path = f'{expression}.coding'
            yield _issue(rule, path, f'Element not found: {path}')
        return
    for index, item in enumerate(codings):
        here = (
            f'{expression}.coding[{index}]' if expression.endswith(']')
            else f'{expression}[{index}]')
        yield from coding(rule, here, item, context)


def area(rule, expression, value, context):
    "A region code: 2, 4, 6 or 10 digits by level."
    digits = rule['digits']
    if not re.fullmatch(rf'\d{{{digits}}}', str(value), re.ASCII):
        yield from _known_area(rule, expression, value)


def _known_area(rule, expression, value):
    system = rule['systems'][0]
    yield _issue(
        rule, expression, f"Code not found: '{value}' in system: {system}")


# Identifiers and references

@cache
def _template(system):
    return re.compile(
        re.escape(system).replace(r'\{org\}', '([^/]+)'))


def identifier(rule, expression, value, context):
    if not isinstance(value, dict):
        yield _issue(rule, expression, f'Invalid identifier: {value!r}')
        return
    if value.get('system') == CREATOR:
        return
    yield from _identifier_system(
        rule, f'{expression}.system', value.get('system', ''), context)
    if not value.get('value'):
        path = f'{expression}.value'
        yield _issue(rule, path, f'Element not found: {path}')


def _identifier_system(rule, expression, system, context):
    if 'systems' not in rule:
        return
    matches = [
        match for match in (
            _template(allowed).fullmatch(str(system))
            for allowed in rule['systems']) if match]
    if not matches:
        yield _issue(rule, expression, f'Invalid identifier system: {system}')
    elif not any(
            match.groups() in {(), (context.organization,)}
            for match in matches):
        yield _issue(
            rule, expression,
            f'Wrong organization ID provided by system URL: {system}')


def reference(rule, expression, value, context):
    target = value.get('reference') if isinstance(value, dict) else None
    if not target or not isinstance(target, str):
        yield _issue(
            rule, expression, f'Reference is mandatory : {expression}')
        return
    allowed = rule.get('targets')
    if allowed and not _may_refer(target, allowed):
        yield _issue(rule, expression, f'Invalid reference: {target}')


def _may_refer(target, allowed):
    if target.startswith(('urn:uuid:', '#')):
        return True
    parts = target.split('/')
    return len(parts) >= 2 and parts[-2] in allowed


KINDS = {
    'present': present, 'text': text, 'boolean': boolean,
    'decimal': decimal, 'positive': positive,
    'positiveInteger': positive_integer,
    'dateTime': date_time, 'futureDateTime': future_date_time,
    'pastDateTime': past_date_time, 'anyDateTime': any_date_time,
    'date': date, 'pastDate': past_date,
    'code': code, 'coding': coding, 'concept': concept, 'area': area,
    'identifier': identifier, 'reference': reference,
    }
