# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"What an exception of the HTTP libraries means."
import http.client
import socket
import ssl

import requests
import urllib3.exceptions as urllib3

from .answer import CERTIFICATE, NO_ANSWER, UNREACHABLE

FAULTS = (
    requests.RequestException, urllib3.HTTPError, http.client.HTTPException,
    OSError)
_TIMEOUTS = (TimeoutError, urllib3.TimeoutError, requests.Timeout)
_TLS_CLOSED = (ssl.SSLEOFError, ssl.SSLZeroReturnError)
# Numbers of OpenSSL's X509_V_ERR_*
_CERTIFICATE_REASONS = {
    9: 'not_yet_valid', 10: 'expired', 18: 'self_signed', 19: 'self_signed',
    20: 'unknown_issuer', 21: 'unknown_issuer', 62: 'hostname',
    64: 'hostname'}


class WrongAddress(urllib3.NewConnectionError):
    "The host's name resolves to an address it may not have."


def read(error, sent, late=False):
    """Return (outcome, reason) for an exception of one exchange.

    ``sent`` tells whether the request may have left, ``late`` whether the
    total time was used up. Nothing of the exception's text is used.
    """
    causes = list(_chain(error))
    if sent:
        return NO_ANSWER, _cut(causes, late)
    tls = next((
            c for c in causes
            if isinstance(c, ssl.SSLError) and not isinstance(c, _TLS_CLOSED)
            and not isinstance(c, TimeoutError)), None)
    if tls is not None:
        code = getattr(tls, 'verify_code', None)
        return CERTIFICATE, _CERTIFICATE_REASONS.get(code, 'tls')
    if _has(causes, ssl.CertificateError):
        return CERTIFICATE, 'hostname'
    if _is_bundle_missing(error):
        return CERTIFICATE, 'ca_bundle'
    return UNREACHABLE, _not_connected(causes)


def _chain(error):
    todo, seen = [error], set()
    while todo:
        cause = todo.pop(0)
        if not isinstance(cause, BaseException) or id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        todo.extend([
                cause.__cause__, cause.__context__,
                getattr(cause, 'reason', None),
                getattr(cause, 'original_error', None), *cause.args])


def _has(causes, kind):
    return any(isinstance(cause, kind) for cause in causes)


def _is_bundle_missing(error):
    "requests raises a bare OSError when REQUESTS_CA_BUNDLE names no file."
    return type(error) is OSError and error.errno is None


def _not_connected(causes):
    for kind, reason in (
            (WrongAddress, 'address'),
            ((urllib3.NameResolutionError, socket.gaierror), 'dns'),
            ((urllib3.ProxyError, requests.exceptions.ProxyError), 'proxy'),
            (ConnectionRefusedError, 'refused'),
            (urllib3.NewConnectionError, 'connection'),
            (_TIMEOUTS, 'connect_timeout')):
        if _has(causes, kind):
            return reason
    if any('Tunnel connection failed' in str(c.args) for c in causes):
        return 'proxy'
    return 'connection'


def _cut(causes, late):
    if late:
        return 'total_timeout'
    for kind, reason in (
            (_TIMEOUTS, 'read_timeout'),
            ((urllib3.IncompleteRead, http.client.IncompleteRead), 'cut'),
            ((ConnectionError, http.client.RemoteDisconnected), 'reset'),
            (ssl.SSLError, 'tls'),
            (http.client.HTTPException, 'protocol')):
        if _has(causes, kind):
            return reason
    return 'connection'
