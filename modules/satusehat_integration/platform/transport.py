# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Connections with the limits that requests and urllib3 do not have."
import http.client
import io
import socket
import ssl
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.cookiejar import DefaultCookiePolicy
from importlib.metadata import PackageNotFoundError, version
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import (
    ConnectTimeoutError, NameResolutionError, NewConnectionError)
from urllib3.util.retry import Retry

from . import redaction, settings
from .faults import WrongAddress

MEBIBYTE = 2 ** 20
_ONCE = Retry(0, read=False)
_QUICKLY = Retry(
    total=2, connect=2, read=False, redirect=0, status=0, other=0,
    respect_retry_after_header=False)
_local = threading.local()


@dataclass(frozen=True)
class Limits:
    """Seconds and bytes one exchange may take.

    ``connect`` covers all addresses and tries together, ``read`` is the
    longest silence, ``total`` everything after the name is resolved, and
    ``size`` the answer's body both as received and decompressed, as well as
    the request's body.
    """
    connect: float = 10.0
    read: float = 30.0
    total: float = 60.0
    size: int = 5 * MEBIBYTE

    @classmethod
    def configured(cls):
        "Return the limits of the server's configuration."
        current = settings.read()
        return cls(
            connect=current.connect_timeout, read=current.read_timeout,
            total=current.total_timeout)


@dataclass
class Attempt:
    "The clock of one exchange and whether its request has begun to leave."
    limits: Limits
    started: float = field(default_factory=time.monotonic)
    sent: bool = False

    @property
    def late(self):
        return self._rest(self.limits.total) <= 0

    def patience(self):
        "Return the seconds to wait for the next bytes or raise TimeoutError."
        rest = self._rest(self.limits.total)
        if rest <= 0:
            raise TimeoutError("total time used up")
        return min(self.limits.read, rest)

    def connecting(self):
        "Return the seconds left to connect, possibly none."
        return self._rest(min(self.limits.connect, self.limits.total))

    def _rest(self, seconds):
        return self.started + seconds - time.monotonic()


@contextmanager
def attempt(limits):
    "Give this thread's connections the limits of one exchange."
    before = getattr(_local, 'attempt', None)
    _local.attempt = Attempt(limits)
    try:
        yield _local.attempt
    finally:
        _local.attempt = before


def _current():
    current = getattr(_local, 'attempt', None)
    if current is None:
        raise RuntimeError("connection used outside of an exchange")
    return current


class _Patient(io.RawIOBase):
    "Reads from a socket's file, no longer than the attempt allows."

    def __init__(self, raw, sock):
        self._raw = raw
        self._socket = sock
        self._attempt = _current()

    def readable(self):
        return True

    def readinto(self, buffer):
        self._socket.settimeout(self._attempt.patience())
        return self._raw.readinto(buffer)

    def close(self):
        if not self.closed:
            self._raw.close()
        super().close()


class _Response(http.client.HTTPResponse):

    def __init__(self, sock, *args, **kwargs):
        super().__init__(sock, *args, **kwargs)
        self.fp = io.BufferedReader(_Patient(self.fp.detach(), sock))


class _Limited:
    "A connection that checks its peer and keeps to the current attempt."
    response_class = _Response

    def _new_conn(self):
        if self.proxy is not None:
            self.timeout = self._time_to_connect()
            return super()._new_conn()
        addresses = self._addresses()
        for rest in range(len(addresses), 0, -1):
            seconds = self._time_to_connect() / rest
            try:
                return self._open(addresses[-rest], seconds)
            except TimeoutError:
                error = ConnectTimeoutError(self, "connect timed out")
            except OSError as cause:
                error = NewConnectionError(self, "not connected")
                error.__cause__ = cause
        raise error

    def _open(self, address, seconds):
        sock = socket.create_connection((address, self.port), seconds)
        for option in self.socket_options or ():
            sock.setsockopt(*option)
        return sock

    def _time_to_connect(self):
        seconds = _current().connecting()
        if seconds <= 0:
            raise ConnectTimeoutError(self, "connect timed out")
        return seconds

    def _addresses(self):
        try:
            found = socket.getaddrinfo(
                self._dns_host, self.port, type=socket.SOCK_STREAM)
        except socket.gaierror as error:
            raise NameResolutionError(self.host, self, error) from error
        except (OSError, UnicodeError) as error:
            raise NameResolutionError(
                self.host, self, socket.gaierror(str(error))) from error
        addresses = list(dict.fromkeys(entry[4][0] for entry in found))
        if not addresses or not all(
                settings.may_connect(self.host, a) for a in addresses):
            raise WrongAddress(self, "address not allowed")
        return addresses

    def request(self, *args, **kwargs):
        if self.sock is None:
            self.connect()
        _current().sent = True
        return super().request(*args, **kwargs)

    def send(self, data):
        if self.sock is not None:
            self.sock.settimeout(_current().patience())
        return super().send(data)


class _Connection(_Limited, HTTPConnection):
    pass


class _SecureConnection(_Limited, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


_POOLS = {'http': _Pool, 'https': _SecurePool}


class Adapter(HTTPAdapter):
    """Limited connections, tried again only for methods named repeatable.

    Only a failure to connect is tried again, at most twice and at once:
    longer waits belong to the outbox. Not to be shared between threads.
    """

    def __init__(self, repeatable=('GET',)):
        self.repeatable = frozenset(repeatable)
        super().__init__(pool_connections=2, pool_maxsize=1)

    def init_poolmanager(self, *args, **kwargs):
        kwargs['ssl_minimum_version'] = ssl.TLSVersion.TLSv1_2
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy, **kwargs):
        kwargs['ssl_minimum_version'] = ssl.TLSVersion.TLSv1_2
        manager = super().proxy_manager_for(proxy, **kwargs)
        manager.pool_classes_by_scheme = _POOLS
        return manager

    def send(self, request, *args, **kwargs):
        self.max_retries = (
            _QUICKLY if request.method in self.repeatable else _ONCE)
        return super().send(request, *args, **kwargs)


class SessionRules:
    """What every session of ours obeys, whoever configures it.

    Certificates are always verified, proxies of the environment serve the
    platform's hosts only, cookies are not kept (one branch's must not travel
    with another's request). To be mixed in before requests.Session.
    """

    def obey(self, repeatable):
        redaction.install()
        adapter = Adapter(repeatable)
        self.mount('https://', adapter)
        self.mount('http://', adapter)
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self.headers.clear()
        self.headers.update({
                'Accept': 'application/json',
                'Accept-Encoding': 'gzip',
                'User-Agent': user_agent(),
                })

    def merge_environment_settings(self, url, proxies, stream, verify, cert):
        merged = super().merge_environment_settings(
            url, proxies, stream, True, cert)
        if not settings.is_platform(urlsplit(url).hostname):
            merged['proxies'] = {}
        return merged


class Session(SessionRules, requests.Session):

    def __init__(self):
        super().__init__()
        self.obey({'GET'})


@cache
def user_agent():
    "Return the name and version under which the platform sees us."
    try:
        return f"Klinik-RME/{version('klinik-rme')}"
    except PackageNotFoundError:
        return "Klinik-RME"
