# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The two addresses for a watcher.

Both are not found until the server's configuration turns them on.  Nothing
here writes, and no answer tells the text of an error: it may name hosts and
users of the database.
"""

import hmac
import json
import logging
from contextlib import contextmanager

from trytond import backend
from trytond.protocols.wrappers import (
    HTTPStatus, Response, abort, with_pool)
from trytond.transaction import Transaction
from trytond.wsgi import app

from ..platform.settings import ConfigurationError
from . import settings
from .health import UNREACHABLE, examine

logger = logging.getLogger(__name__)
# Seconds for one statement of an answer
PATIENCE = 10
FAULTS = (backend.DatabaseOperationalError, backend.DatabaseTimeoutError)


@app.route('/<string:database_name>/satusehat/health', methods=['GET'])
def health(request, database_name):
    """Answer a probe: 200 when all is well, 503 when not, with the reasons.

    Not for a balancer that takes the server away when it is ill: the clinic
    goes on working while nothing can be sent.
    """
    current = configuration()
    if not current.health:
        abort(HTTPStatus.NOT_FOUND)
    try:
        with reading(request, database_name):
            result = examine(current.health_unsent, current.health_sweep)
    except FAULTS:
        logger.exception("health of %s is not known", database_name)
        result = UNREACHABLE
    return answer(
        json.dumps(result.as_json()), 'application/json',
        HTTPStatus.OK if result.is_well else HTTPStatus.SERVICE_UNAVAILABLE)


@app.route('/<string:database_name>/satusehat/metrics', methods=['GET'])
def metrics(request, database_name):
    "Answer Prometheus, which has to show the bearer token"
    token = configuration().metrics_token
    if not token:
        abort(HTTPStatus.NOT_FOUND)
    if not shows(request, token):
        return answer(
            '', 'text/plain', HTTPStatus.UNAUTHORIZED,
            [('WWW-Authenticate', 'Bearer')])
    try:
        from .metrics import expose
    except ImportError:
        logger.error("metrics need the package prometheus-client")
        abort(HTTPStatus.NOT_IMPLEMENTED)
    try:
        with reading(request, database_name):
            text, content_type = expose(request.headers.get('Accept', ''))
    except FAULTS:
        logger.exception("metrics of %s can not be read", database_name)
        return answer('', 'text/plain', HTTPStatus.SERVICE_UNAVAILABLE)
    return answer(text, content_type)


def configuration():
    "Return what may be watched: nothing when the options are no good"
    try:
        return settings.read()
    except ConfigurationError as e:
        logger.error("monitoring is off: %s", e)
        return settings.Monitoring()


def shows(request, token):
    "Whether the request carries the token; takes as long when it does not"
    authorization = request.authorization
    if authorization is None or authorization.type != 'bearer':
        return False
    return hmac.compare_digest(
        (authorization.token or '').encode(), token.encode())


@contextmanager
def reading(request, database_name):
    """Return the context of a transaction that only reads.

    Of a database that trytond serves under the host name of the request and
    that has the module; any other is not found, and not touched.
    """
    pool = _pool(request, database_name)
    if not any(n == 'satusehat.exchange.tally' for n, _ in pool.iterobject()):
        abort(HTTPStatus.NOT_FOUND)
    with Transaction().start(
            database_name, 0, readonly=True, timeout=PATIENCE):
        yield


@with_pool
def _pool(request, pool):
    "Return the pool, outside of which trytond would tell of faults"
    return pool


def answer(data, content_type, status=HTTPStatus.OK, headers=()):
    "Return a response that nobody keeps"
    return Response(
        data, status, [('Cache-Control', 'no-store'), *headers],
        content_type=content_type)
