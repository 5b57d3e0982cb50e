# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Reading of the platform's answers.

Tolerant: a body may be an OperationOutcome, a `fault` of the gateway, the
patient index's own shape, plain text, or nothing.  Only what decides whose
id is adopted is strict.
"""

import json
import re
from typing import NamedTuple

from .errors import AnswerMismatch

TEXT_LIMIT = 1000
_RULE = re.compile(r'\(\s*rule\s*(?:number)?\s*:?\s*(\d+)\s*\)', re.IGNORECASE)
_MARKUP = re.compile(r'<[^>]*>')
_MESSAGES = ('message', 'Error', 'error', 'error_description', 'faultstring')


class Issue(NamedTuple):
    """One reason the platform gave.

    `rule` is the number of the validation dictionary or None; `expression`
    the element, several joined by a comma, or empty.
    """

    code: str
    text: str
    rule: int | None
    expression: str


def entry_ids(response, entries):
    """Return the ids of a transaction's answer, parallel to `entries`.

    Paired by request order and resource type.  The id is `resourceID` of the
    answer's entry, else that of `location`, absolute or relative, where the
    last segment is the version and not the id.  Raises AnswerMismatch when
    counts, types or statuses do not match or an id is absent: then nothing
    may be adopted.  `entries` need the attribute `resource_type`.
    """
    rows = _list(_dict(response).get('entry'))
    if len(rows) != len(entries):
        raise AnswerMismatch(f"{len(rows)} answers to {len(entries)} entries")
    ids = [
        _entry_id(row, entry.resource_type, index)
        for index, (row, entry) in enumerate(zip(rows, entries, strict=True))]
    if len(set(zip((e.resource_type for e in entries), ids, strict=True))) != (
            len(ids)):
        raise AnswerMismatch("one id answers several entries")
    return ids


def issues(body):
    """Return the Issues in a body, in order, repeated ones once.

    `body` is what was received: parsed JSON, text, bytes or None.  Empty for
    a resource, a success of the patient index, or an empty body.
    """
    return list(dict.fromkeys(_issues(_parsed(body))))


def search_resources(bundle, resource_type, system, value, subject=None):
    """Return the resources of a searchset that carry the identifier.

    The platform may drop a search parameter it does not know and answer with
    unrelated rows, and mixes rows hidden for privacy with the others; so
    nothing is taken on trust.  `subject`, with or without `Patient/`,
    restricts to one patient.  Rows without id are left out.
    """
    found = {}
    for row in _list(_dict(bundle).get('entry')):
        resource = _dict(_dict(row).get('resource'))
        if (resource.get('resourceType') == resource_type
                and _text(resource.get('id'))
                and _carries(resource, system, value)
                and (subject is None or _concerns(resource, subject))):
            found.setdefault(resource['id'], resource)
    return list(found.values())


def search_ids(bundle, resource_type, system, value, subject=None):
    "Return the ids of `search_resources`."
    return [
        resource['id'] for resource in search_resources(
            bundle, resource_type, system, value, subject)]


def _dict(value):
    return value if isinstance(value, dict) else {}


def _list(value):
    return value if isinstance(value, list) else []


def _text(value):
    return value.strip() if isinstance(value, str) else ''


def _entry_id(row, resource_type, index):
    response = _dict(_dict(row).get('response'))
    status = response.get('status')
    if status is not None and not str(status).strip().startswith('2'):
        raise AnswerMismatch(f"entry {index} was refused")
    located_type, located_id = _located(
        _text(response.get('location')), resource_type)
    answered_type = _text(response.get('resourceType')) or located_type
    if answered_type != resource_type:
        raise AnswerMismatch(f"entry {index} is not of type {resource_type}")
    answered_id = _text(response.get('resourceID')) or located_id
    if not answered_id:
        raise AnswerMismatch(f"entry {index} has no id")
    return answered_id


def _located(location, resource_type):
    segments = [part for part in location.split('/') if part]
    if len(segments) >= 4 and segments[-2] == '_history':
        return segments[-4], segments[-3]
    if len(segments) >= 2 and segments[-2] == resource_type:
        return resource_type, segments[-1]
    return '', ''


def _parsed(body):
    if isinstance(body, bytes | bytearray):
        body = bytes(body).decode('utf-8', 'replace')
    if not isinstance(body, str):
        return body
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return body


def _issues(body):
    if isinstance(body, str):
        return _issue('', _MARKUP.sub(' ', body))
    if isinstance(body, list):
        return [issue for item in body for issue in _issues(item)]
    body = _dict(body)
    kind = body.get('resourceType')
    if kind == 'Bundle':
        return [
            issue for row in _list(body.get('entry'))
            for issue in _row_issues(_dict(row))]
    if 'issue' in body or kind == 'OperationOutcome':
        return [
            issue for item in _list(body.get('issue')) or [body.get('issue')]
            for issue in _outcome_issue(_dict(item))]
    if 'fault' in body:
        fault = _dict(body['fault'])
        code = _text(_dict(fault.get('detail')).get('errorcode'))
        return _issue(code, _text(fault.get('faultstring')) or code)
    if kind or body.get('success') is True:
        return []
    return _message_issue(body)


def _row_issues(row):
    outcomes = [
        _dict(row.get('response')).get('outcome'), row.get('resource')]
    return [
        issue for outcome in outcomes
        if _dict(outcome).get('resourceType') == 'OperationOutcome'
        for issue in _issues(outcome)]


def _outcome_issue(item):
    details = item.get('details')
    coding = _list(_dict(details).get('coding'))
    code = _text(item.get('code'))
    candidates = [
        _dict(details).get('text'), details,
        *(_dict(part).get('display') for part in coding)]
    text = next((t for t in map(_text, candidates) if t), '')
    # The store's own text is a bare keyword; its diagnostics say what.
    diagnostics = _text(item.get('diagnostics'))
    if diagnostics and diagnostics not in text:
        text = f'{text}: {diagnostics}' if text else diagnostics
    expression = item.get('expression') or item.get('location')
    places = [expression] if isinstance(expression, str) else _list(expression)
    return _issue(
        code, text or code, ', '.join(filter(None, map(_text, places))))


def _message_issue(body):
    code = next((
        str(body[key]) for key in ('ErrorCode', 'code', 'status_code')
        if isinstance(body.get(key), str | int)), '')
    text = next((t for t in (_text(body.get(k)) for k in _MESSAGES) if t), '')
    return _issue(code, text or code)


def _issue(code, text, expression=''):
    text = ' '.join(text.split())
    if not (code or text or expression):
        return []
    rule = _RULE.search(text)
    return [Issue(
        code, text[:TEXT_LIMIT], int(rule[1]) if rule else None, expression)]


def _carries(resource, system, value):
    identifiers = resource.get('identifier')
    items = identifiers if isinstance(identifiers, list) else [identifiers]
    return any(
        _dict(item).get('system') == system
        and _dict(item).get('value') == value for item in items)


def _concerns(resource, subject):
    reference = _dict(
        resource.get('subject') or resource.get('patient')).get('reference')
    return _text(reference).split('/')[-2:] == [
        'Patient', subject.rpartition('/')[2]]
