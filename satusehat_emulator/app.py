# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"The Flask application: gateway, addresses and journal."

import uuid
from dataclasses import dataclass, field

from flask import Flask, g, request
from werkzeug.exceptions import HTTPException

from . import fhir, inspection, payload, services, switches, tokens
from .answers import answer, empty, refused
from .doors import Doors
from .faults import Faults
from .faults.control import blueprint as control
from .journal import Journal
from .outcome import Refusal
from .settings import Settings
from .store import Store

FHIR = fhir.blueprint.url_prefix
WRITES = {'POST', 'PUT', 'PATCH'}
OPEN = ('/_emulator/', '/oauth2/')


@dataclass
class Emulator:
    "What belongs to one running emulator; app.extensions['emulator']."
    store: Store
    settings: Settings
    journal: Journal = field(default_factory=Journal)
    doors: Doors = field(default_factory=Doors)
    faults: Faults = field(default_factory=Faults)


def create_app(store, settings=None):
    """Return the Flask application that serves `store`.

    `settings` are the switches, the defaults when None.
    """
    app = Flask(__name__)
    app.url_map.redirect_defaults = False
    emulator = Emulator(store, settings or Settings())
    app.extensions['emulator'] = emulator
    for blueprint in (
            fhir.blueprint, services.consent, services.kyc,
            services.masterdata, inspection.blueprint, control,
            switches.blueprint):
        app.register_blueprint(blueprint)
    app.before_request(lambda: _enter(emulator))
    app.after_request(lambda response: _leave(emulator, response))
    app.register_error_handler(Refusal, refused)
    app.register_error_handler(tokens.GatewayFault, _fault)
    app.register_error_handler(HTTPException, lambda e: empty(e.code))
    app.post('/oauth2/v1/accesstoken')(lambda: _token(emulator))
    return app


def _is_platform():
    return request.path != '/' and not request.path.startswith('/_emulator/')


def _enter(emulator):
    g.caller, g.request_id, g.faults = None, str(uuid.uuid4()), None
    g.written = emulator.store.written()
    if not _is_platform():
        return None
    response = emulator.doors.enter(request)
    if response is not None:
        return response
    if emulator.faults:
        g.faults = emulator.faults.meet(emulator, request)
    response = g.faults and g.faults.at_gateway()
    if response is not None:
        return response
    _authenticate(emulator)
    return g.faults and g.faults.at_service()


def _authenticate(emulator):
    "Look at the access token where one is needed; raises GatewayFault."
    if request.url_rule is not None and not request.path.startswith(OPEN):
        g.caller = tokens.authenticate(
            emulator.store, emulator.settings,
            request.headers.get('Authorization'))


def _leave(emulator, response):
    response.headers['x-request-id'] = g.request_id
    if not _is_platform():
        return response
    response = emulator.doors.leave(request, response)
    faults = g.faults
    if faults:
        response = faults.at_answer(response)
        response.headers['x-request-id'] = g.request_id
    _note(emulator, response, faults)
    return response


def _note(emulator, response, faults):
    "Enter the request in the journal."
    caller = g.caller or faults and faults.caller
    seen = {
        'time': emulator.settings.clock(), 'method': request.method,
        'path': request.path, 'parameters': sorted(request.args),
        'status': (
            None if faults and faults.silent else response.status_code),
        'request_id': g.request_id, 'client': caller and caller.client,
        'organization': caller and caller.organization,
        'fault': faults and faults.name,
        'fault_detail': faults and faults.detail,
        'stored': emulator.store.written() - g.written}
    if request.method in WRITES and request.path.startswith(FHIR):
        emulator.journal.add_write(
            payload.sent(request), request.get_data(), **seen)
    else:
        emulator.journal.add(**seen)


def _fault(fault):
    return answer(
        fault.as_dict(), 401,
        headers={'WWW-Authenticate': fault.challenge})


def _token(emulator):
    """Answer a token request.

    The grant type is read from the query string only, the credentials from
    the form only (SATUSEHAT, authentication).
    """
    status, body = tokens.issue(
        emulator.store, emulator.settings, request.args.get('grant_type'),
        request.form.get('client_id'), request.form.get('client_secret'))
    return answer(body, status)
