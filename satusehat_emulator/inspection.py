# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Looking into a running emulator: read-only, for tests and developers."

from datetime import datetime, timezone

from flask import Blueprint, current_app, render_template_string, request

from .answers import answer
from .faults.fault import WHEN, written
from .index import own_identifiers
from .resources import DATA

blueprint = Blueprint('inspection', __name__)
SHOWN, ORGANIZATIONS = 200, 50
USUAL = {name: option.default for name, option in WHEN.items()}


def _emulator():
    return current_app.extensions['emulator']


def _counts():
    return [
        {'type': type_, 'organization': owner, 'count': count}
        for (type_, owner), count in _emulator().store.counts().items()]


def summary(row):
    """Return what there is to know of a stored resource, as a dict.

    `number` counts in the order of creation, `client` created it (None if
    it was stored before that was kept), `versions` says how often it was
    written, `created` is in epoch seconds.
    """
    return {
        'number': row.number, 'type': row.type, 'id': row.id,
        'organization': row.owner, 'client': row.client,
        'versions': row.versions, 'created': row.created,
        'status': row.body.get('status'),
        'lastUpdated': row.body['meta']['lastUpdated'],
        'identifier': [
            f'{system}|{value}'
            for system, value in own_identifiers(row.body)]}


@blueprint.get('/_emulator/counts')
def counts():
    return answer({'counts': _counts()})


@blueprint.get('/_emulator/resources')
def resources():
    """List what organizations have written, in the order of creation.

    ?type= and ?organization= narrow it down, ?after= (a number) and ?limit=
    page it.
    """
    args = request.args
    found = _emulator().store.owned(
        args.get('type'), args.get('organization'),
        args.get('after', 0, type=int), args.get('limit', -1, type=int))
    return answer({'resources': [summary(row) for row in found]})


@blueprint.get('/_emulator/requests')
def requests():
    "List the requests received since number ?after=."
    return answer({'requests': _emulator().journal.entries(_after())})


@blueprint.get('/_emulator/writes')
def writes():
    "List the writes received since number ?after=, with identifiers."
    return answer({'writes': _emulator().journal.writes(_after())})


def _after():
    return request.args.get('after', default=0, type=int)


@blueprint.get('/')
def overview():
    "A page that shows what was received; ?refresh= repeats it."
    template = (DATA / 'overview.html').read_text(encoding='utf-8')
    journal, (types, rows) = _emulator().journal, _stored()
    return render_template_string(
        template, types=types, stored=rows[:ORGANIZATIONS],
        more=len(rows[ORGANIZATIONS:]), received=journal.received,
        refresh=request.args.get('refresh', type=int),
        faults=[_fault(row) for row in _emulator().faults.as_list()],
        requests=[_line(entry) for entry in reversed(
            journal.entries(journal.received - SHOWN))])


def _stored():
    "Return the types and, for each organization, how many of each."
    counts = _emulator().store.counts()
    types = sorted({type_ for type_, _ in counts})
    owners = sorted({owner for _, owner in counts}, key=lambda o: o or '')
    return types, [
        {
            'organization': owner, 'name': _name(owner),
            'counts': [counts.get((type_, owner), 0) for type_ in types],
            'total': sum(
                count for (_, other), count in counts.items()
                if other == owner)}
        for owner in owners]


def _name(organization):
    row = organization and _emulator().store.get('Organization', organization)
    return row.body.get('name', '') if row else ''


def _fault(row):
    "Return a fault as it is asked for, without what is the default."
    seen, applied = row.pop('seen'), row.pop('applied')
    silent = {'id', 'fault', *(['seed'] if row['probability'] == 1 else [])}
    options = {
        name: value for name, value in row.items()
        if name not in silent and value != USUAL.get(name)}
    return {
        'text': written(row['fault'], options),
        'seen': seen, 'applied': applied}


def _line(entry):
    status = entry['status']
    kind = 'broken' if status is None or status >= 500 else (
        'bad' if status >= 300 else 'good')
    moment = datetime.fromtimestamp(entry['time'], timezone.utc)
    return {**entry, 'kind': kind, 'moment': f'{moment:%d %b %H:%M:%S}'}
