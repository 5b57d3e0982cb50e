# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Client of the platform's HTTP interface."
import os
import re
import threading

from requests.auth import AuthBase

from . import transport
from .answer import TOO_LARGE, Answer
from .exchange import Exchange

METHODS = frozenset({'GET', 'POST', 'PUT', 'PATCH'})
_PATH = re.compile(r'(?:/[A-Za-z0-9._$-]+)+')
_VISIBLE = re.compile(r'[\x21-\x7e]+')
_local = threading.local()


class _Bearer(AuthBase):
    """Sets the token's header.

    Given explicitly even without token, so that requests never takes one
    from a .netrc file instead.
    """

    def __init__(self, token):
        self._token = token

    def __call__(self, request):
        if self._token is not None:
            request.headers['Authorization'] = f'Bearer {self._token}'
        return request


class Client:
    """Makes requests and turns whatever happens into an Answer.

    ``base_url`` as of settings.base_url. Without ``session`` each thread of
    each process keeps its own, with its open connections; ``session`` is a
    transport.Session for the use of one thread. ``limits`` are
    transport.Limits, by default those configured at each request.

    A host that is not the platform's must be on this machine.
    """

    def __init__(self, base_url, session=None, limits=None):
        self.base_url = base_url.rstrip('/')
        self._session = session
        self._limits = limits

    def __repr__(self):
        return f'{type(self).__name__}({self.base_url!r})'

    def request(
            self, method, path, *, token, params=None, body=None,
            content_type='application/json', if_match=None, expect=()):
        """Make one request and return its Answer.

        ``path`` is absolute and without query, ``params`` a mapping or list
        of pairs, ``body`` bytes, ``token`` the bearer's value or None,
        ``if_match`` the ETag of the version that a PUT replaces.
        ``expect`` names the FHIR types that a success may have. Redirects
        are never followed; only a GET that found no connection is tried
        again. A body over the size limit is not sent (``too_large``).

        Raise ValueError or TypeError for arguments that make no request,
        without quoting them; never for what the network or platform does.
        """
        _check(method, path, token, if_match, body)
        limits = self._limits or transport.Limits.configured()
        if body is not None and len(body) > limits.size:
            return Answer(method, path, TOO_LARGE, 'request')
        headers = {
            name: value for name, value in [
                ('Content-Type', content_type if body is not None else None),
                ('If-Match', if_match),
                ] if value is not None}
        exchange = Exchange(method, path, limits, expect)
        with exchange:
            response = self._session_of_thread().request(
                method, self.base_url + path, params=params, data=body,
                headers=headers, auth=_Bearer(token), stream=True,
                allow_redirects=False, timeout=exchange.timeout)
            exchange.receive(response)
        return exchange.answer

    def _session_of_thread(self):
        return self._session or session_of_thread()


def session_of_thread():
    "Return the session of this thread; a fork does not inherit it."
    if getattr(_local, 'owner', None) != os.getpid():
        _local.owner = os.getpid()
        _local.session = transport.Session()
    return _local.session


def _check(method, path, token, if_match, body):
    if method not in METHODS:
        raise ValueError("method not supported")
    if not _PATH.fullmatch(path) or {'.', '..'} & set(path.split('/')):
        raise ValueError("path is not absolute and plain")
    for value in (token, if_match):
        if value is not None and not _VISIBLE.fullmatch(value):
            raise ValueError("token or ETag does not fit in a header")
    if body is not None and not isinstance(body, bytes):
        raise TypeError("body must be bytes")
