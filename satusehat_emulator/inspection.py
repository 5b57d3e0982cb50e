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


def _summary(row):
    return {
        'type': row.type, 'id': row.id, 'organization': row.owner,
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
    "List what was written: ?type= and ?organization= narrow it down."
    type_ = request.args.get('type')
    organization = request.args.get('organization')
    types = [type_] if type_ else sorted({
        row['type'] for row in _counts() if row['organization']})
    found = [
        _summary(row) for name in types
        for row in _emulator().store.find(name)
        if row.owner and organization in {None, row.owner}]
    return answer({'resources': found})


@blueprint.get('/_emulator/requests')
def requests():
    "List the requests received since number ?after=."
    after = request.args.get('after', default=0, type=int)
    return answer({'requests': _emulator().journal.entries(after)})


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
