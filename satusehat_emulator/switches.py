# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"The address /_emulator/settings, by which switches change while it runs."

from dataclasses import asdict, fields

from flask import Blueprint, current_app

from .answers import answer
from .faults.control import explain, read_json, refuse_strangers
from .faults.options import FaultError
from .settings import Settings

blueprint = Blueprint('switches', __name__, url_prefix='/_emulator/settings')
blueprint.before_request(refuse_strangers)
blueprint.register_error_handler(FaultError, explain)
TYPES = {
    field.name: type(field.default) for field in fields(Settings)
    if field.name != 'clock'}


@blueprint.get('')
def shown():
    "Answer all switches and their values."
    values = asdict(_settings())
    return answer({name: values[name] for name in TYPES})


@blueprint.patch('')
def changed():
    "Change the switches of the body (a JSON object), all of them or none."
    wanted = read_json()
    if not isinstance(wanted, dict):
        raise FaultError('an object with switches is expected')
    for name, value in wanted.items():
        _check(name, value)
    settings = _settings()
    for name, value in wanted.items():
        setattr(settings, name, value)
    return shown()


def _settings():
    return current_app.extensions['emulator'].settings


def _check(name, value):
    "Raise FaultError unless there is such a switch and it may be `value`."
    type_ = TYPES.get(name)
    if type_ is None:
        raise FaultError(f'there is no switch {name}; there are: ' + ', '.join(
            TYPES))
    fits = isinstance(value, (int, float) if type_ is float else type_) and (
        type_ is bool or not isinstance(value, bool))
    if not fits or (type_ in {int, float} and not 0 <= value < 10**9):
        raise FaultError(
            f'{name} must be a {type_.__name__}, not {value!r}')
