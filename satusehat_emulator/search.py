# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Searching: from a query string to a searchset Bundle.

Parameters the platform does not support are dropped, not refused; the
exceptions that were observed are in `check_special`.
"""

from dataclasses import dataclass, field
from urllib.parse import urlencode

from . import dates, index
from .outcome import (
    Issue, Refusal, foreign_organization, not_found, numbered, suppressed)
from .walk import values
from .write import answered

CLINICAL_FREE = {
    'Patient', 'Practitioner', 'Organization', 'Location'}


@dataclass
class Query:
    """A parsed query.

    `terms` are the conditions the index answers, `filters` functions on a
    resource; `pairs` the parameters as received.
    """
    type: str
    pairs: list
    terms: list = field(default_factory=list)
    filters: list = field(default_factory=list)

    def all(self, name):
        return [value for key, value in self.pairs if key == name]

    def first(self, name):
        return next(iter(self.all(name)), None)

    def number(self, name, default):
        text = self.first(name)
        if text is None:
            return default
        if not (text.isascii() and text.isdigit()):
            raise invalid(f'Invalid query parameter: {name}')
        return int(text)


def invalid(text):
    return Refusal(400, [Issue('value', text)], processor=True)


def parse(resource_type, pairs):
    """Return the Query for the (name, value) `pairs` of a query string.

    Raises Refusal for a value that cannot be read and for what the platform
    refuses.
    """
    query = Query(resource_type, pairs)
    known = index.parameters(resource_type)
    for name, text in pairs:
        if name in known and text:
            _add(query, name, *known[name], text)
        elif name == '_id':
            wanted = set(text.split(','))
            query.filters.append(lambda body, ids=wanted: body['id'] in ids)
        elif name == '_lastUpdated':
            query.filters.append(_date_filter('meta.lastUpdated', text))
    return query


def _add(query, name, kind, path, text):
    if kind == 'token':
        query.terms.append([_token(name, part) for part in text.split(',')])
    elif kind == 'reference':
        query.terms.append(
            [_reference(name, part) for part in text.split(',')])
    elif kind == 'date':
        query.filters.append(_date_filter(path, text))
    else:
        wanted = text.casefold()
        query.filters.append(lambda body: any(
            wanted in str(value).casefold() for value in values(body, path)))


def _token(name, text):
    system, bar, value = text.partition('|')
    return (name, system, value) if bar else (name, None, text)


def _reference(name, text):
    type_, _, id_ = text.rpartition('/')
    return name, type_.rpartition('/')[2] or None, id_


def _date_filter(path, text):
    try:
        dates.matches('2020', text)
    except ValueError as error:
        raise invalid(f'Invalid query parameter: {text}') from error
    return lambda body: any(
        dates.matches(value, text) for value in values(body, path))


def check_special(query):
    """Refuse or bend a query the way the platform was seen to.

    `Condition?patient=` is refused; MedicationDispense drops `encounter`
    and wants `subject` next to `context`.
    """
    names = {name for name, _ in query.pairs}
    if query.type == 'Condition' and 'patient' in names:
        raise invalid('Invalid query parameter: patient')
    if query.type == 'MedicationDispense' and 'context' in names and (
            'subject' not in names):
        raise invalid('Missing query parameters: subject')


def run(service, query, base):
    """Return the searchset Bundle of a query.

    Rows younger than the index lag are missing, rows of other organizations
    without the patient's consent are suppressed.
    """
    check_special(query)
    rows = matching(service, query)
    rows = _sorted(rows, query.first('_sort'))
    size = query.number('_count', service.settings.page_size)
    page = max(query.number('_page', 1), 1)
    shown = rows[(page - 1) * size:page * size] if size else []
    entries = [
        entry for row in shown for entry in _entry(service, row, base)]
    entries += _included(service, query, shown, base)
    more = bool(size) and page * size < len(rows)
    return searchset(
        query, entries, len(rows), base, page + 1 if more else None)


def matching(service, query):
    "Return the Rows that fit, without what the index does not know yet."
    lag = service.settings.index_lag
    before = service.now - lag if lag and (
        query.type not in {'Patient', 'Practitioner'}) else None
    rows = service.store.find(query.type, query.terms, before)
    rows = [
        row for row in rows
        if all(accepts(row.body) for accepts in query.filters)]
    if not service.settings.suppressed_rows:
        rows = [row for row in rows if readable(service, row)]
    return rows


def _sorted(rows, sort):
    for name in reversed((sort or '').split(',')):
        descending, name = name.startswith('-'), name.lstrip('-')
        if rows and name:
            _, path = index.parameters(rows[0].type).get(
                name, (None, 'meta.lastUpdated'))
            rows = sorted(
                rows, reverse=descending,
                key=lambda row: [str(v) for v in values(row.body, path)])
    return rows


def readable(service, row):
    """Say whether the caller may see a row.

    People, facilities and what it wrote itself always; other clinical data
    when the patient has opted in.
    """
    if row.type in CLINICAL_FREE or row.owner == service.organization:
        return True
    return any(
        consent['policyRule']['coding'][0]['code'] == 'OPTIN'
        for patient in _patients(row)
        for consent in service.store.consents(patient)[-1:])


def _patients(row):
    for name in ('subject', 'patient', 'for'):
        for value in values(row.body, f'{name}.reference'):
            yield str(value).rpartition('/')[2]


def _entry(service, row, base):
    if readable(service, row):
        yield {
            'fullUrl': f'{base}/{row.type}/{row.id}',
            'resource': answered(row.body)}
    else:
        issue = suppressed(f'No consent available for {row.type}/{row.id}')
        yield {'resource': {
            'resourceType': 'OperationOutcome', 'issue': [issue.as_dict()]}}


def _included(service, query, rows, base):
    found = {}
    for include in query.all('_include'):
        type_, _, param = include.partition(':')
        _, path = index.parameters(type_).get(param.split(':')[0], (0, ''))
        for row in rows:
            for target in values(row.body, f'{path}.reference'):
                parts = str(target).split('/')
                other = len(parts) > 1 and service.store.get(*parts[-2:])
                if other:
                    found[other.type, other.id] = other
    for include in query.all('_revinclude'):
        type_, _, param = include.partition(':')
        if index.parameters(type_).get(param, [None])[0] != 'reference':
            continue
        for row in rows:
            for other in service.store.find(
                    type_, [[(param, row.type, row.id)]]):
                found[other.type, other.id] = other
    return [
        {**entry, 'search': {'mode': 'include'}}
        for row in found.values() for entry in _entry(service, row, base)]


def searchset(query, entries, total, base, next_page=None):
    "Return a searchset Bundle with the three links, and `next` if needed."
    def url(pairs):
        text = urlencode(pairs)
        return f'{base}/{query.type}/' + (f'?{text}' if text else '')

    rest = [(key, value) for key, value in query.pairs if key != '_page']
    links = [
        {'relation': 'search', 'url': url(query.pairs)},
        {'relation': 'first', 'url': url(rest)},
        {'relation': 'self', 'url': url(query.pairs)},
        ]
    if next_page:
        links.append({
            'relation': 'next',
            'url': url([*rest, ('_page', str(next_page))])})
    return {
        'resourceType': 'Bundle', 'type': 'searchset',
        'total': total, 'entry': entries, 'link': links}


def read(service, type_, id_):
    """Return the body of a read: the resource, or an OperationOutcome.

    Raises Refusal when there is no such resource, or when it is the
    organization of another client.
    """
    row = service.store.get(type_, id_)
    if not row:
        raise not_found(type_, id_)
    if (type_ == 'Organization' and id_ != service.organization
            and service.store.has_client(id_)):
        raise foreign_organization()
    if readable(service, row):
        return answered(row.body)
    return {
        'resourceType': 'OperationOutcome',
        'issue': [suppressed().as_dict()]}


def everything_refused(type_):
    return Refusal(400, [Issue('value', numbered(
        f'Everything search is not supported for resource {type_}',
        20014))], processor=True)
