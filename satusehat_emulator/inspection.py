# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Looking into a running emulator: read-only, for tests and developers."

from datetime import datetime, timezone

from flask import Blueprint, current_app, render_template_string, request

from .answers import answer
from .faults.fault import written
from .index import own_identifiers
from .resources import DATA

blueprint = Blueprint('inspection', __name__)
SHOWN = 200


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
    "A page that shows what was received."
    faults = [
        written(row.pop('fault'), row) for row in _emulator().faults.as_list()]
    template = (DATA / 'overview.html').read_text(encoding='utf-8')
    entries = _emulator().journal.entries()[-SHOWN:]
    return render_template_string(
        template, counts=_counts(), faults=faults, requests=[
            {**entry, 'moment': f'{_moment(entry):%H:%M:%S}'}
            for entry in reversed(entries)])


def _moment(entry):
    return datetime.fromtimestamp(entry['time'], timezone.utc)
