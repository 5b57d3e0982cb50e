# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"The addresses below /_emulator/faults, by which faults are scripted."

import ipaddress
import json

from flask import Blueprint, abort, current_app, request

from ..answers import answer
from .fault import WHEN, WHERE
from .options import FaultError
from .registry import KINDS

blueprint = Blueprint('faults', __name__, url_prefix='/_emulator/faults')


def _faults():
    return current_app.extensions['emulator'].faults


@blueprint.before_request
def refuse_strangers():
    "Faults are switched from this machine only."
    address = ipaddress.ip_address(request.remote_addr or '0.0.0.0')  # noqa: S104
    mapped = getattr(address, 'ipv4_mapped', None) or address
    if not mapped.is_loopback:
        abort(403)


@blueprint.errorhandler(FaultError)
def explain(error):
    return answer({'message': str(error)}, 400)


@blueprint.get('')
def listed():
    return answer({'faults': _faults().as_list()})


@blueprint.get('/kinds')
def kinds():
    "List what can go wrong, with the options and their defaults."
    return answer({
        'kinds': [kind.as_dict() for _, kind in sorted(KINDS.items())],
        'where': list(WHERE), 'when': list(WHEN)})


@blueprint.post('')
def add():
    """Add a fault, or a list of faults: all of them or none.

    A JSON media type is demanded, which no form of a foreign web page can
    send unasked.
    """
    wanted = read_json()
    many = isinstance(wanted, list)
    items = [_item(value) for value in (wanted if many else [wanted])]
    made = [fault.as_dict() for fault in _faults().add_all(items)]
    return answer({'faults': made} if many else made[0], 201)


def read_json():
    "Return the JSON value of the request; raises FaultError."
    if request.mimetype != 'application/json':
        raise FaultError('Content-Type must be application/json')
    try:
        return json.loads(request.get_data())
    except (ValueError, RecursionError):
        raise FaultError('the body is no JSON') from None


def _item(value):
    if not isinstance(value, dict) or not isinstance(
            value.get('fault'), str):
        raise FaultError(
            "a fault is an object with its name in 'fault', such as "
            '{"fault": "server_error", "status": 503, "times": 1}')
    options = dict(value)
    return options.pop('fault'), options


@blueprint.delete('')
def clear():
    return answer({'removed': _faults().clear()})


@blueprint.delete('/<int:number>')
def remove(number):
    if not _faults().remove(number):
        return answer({'message': f'there is no fault {number}'}, 404)
    return answer({'removed': 1})
