# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Server configuration of the link to SATUSEHAT, section [satusehat]."
import ipaddress
import math
import re
import socket
from dataclasses import dataclass, field, fields
from urllib.parse import urlsplit

import trytond.config as config

SECTION = 'satusehat'
OAUTH2 = '/oauth2/v1'
FHIR = '/fhir-r4/v1'
HOSTS = {
    'staging': 'api-satusehat-stg.dto.kemkes.go.id',
    'production': 'api-satusehat.kemkes.go.id',
    }
_NAME = re.compile(
    r'(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*'
    r'[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?', re.IGNORECASE)


class ConfigurationError(ValueError):
    """The server's configuration does not allow to reach the platform.

    ``option`` is the name of the option, ``problem`` a fixed word for the
    caller to translate; the value itself is never part of the text.
    """

    def __init__(self, option, problem):
        super().__init__(f"[{SECTION}] {option}: {problem}")
        self.option = option
        self.problem = problem


def _option(default, minimum):
    return field(default=default, metadata={'minimum': minimum})


@dataclass(frozen=True)
class Settings:
    """The numbers that govern sending.

    Times are seconds; ``requests_per_minute`` counts per client id and
    ``requests_per_minute_host`` per host, 0 meaning no pacing.
    ``breaker_pause`` is how long a host or client that only fails is left
    alone first, ``breaker_cap`` at the longest; ``token_pause`` the time
    between two tries to have a token (SATUSEHAT, Authentication: one a
    minute after a refusal). ``validate_r4b`` 0 leaves out the check of
    structure against the R4B models before sending.
    """
    batch_size: int = _option(32, 1)
    connections: int = _option(8, 1)
    branch_connections: int = _option(2, 1)
    senders: int = _option(1, 1)
    requests_per_minute: int = _option(300, 0)
    requests_per_minute_host: int = _option(1200, 0)
    breaker_pause: float = _option(60.0, 0)
    breaker_cap: float = _option(900.0, 0)
    token_pause: float = _option(60.0, 0)
    checking_grace: float = _option(600.0, 0)
    backoff_base: float = _option(30.0, 0)
    backoff_cap: float = _option(3600.0, 0)
    lease: float = _option(120.0, 0)
    push_seconds: float = _option(50.0, 0)
    connect_timeout: float = _option(10.0, 0.001)
    read_timeout: float = _option(30.0, 0.001)
    total_timeout: float = _option(60.0, 0.001)
    validate_r4b: int = _option(1, 0)

    @property
    def is_paced(self):
        "Whether requests have to wait for their turn."
        return bool(self.requests_per_minute or self.requests_per_minute_host)


def read():
    """Return the Settings in force now.

    Raise ConfigurationError for a value that is no number or too small.
    """
    return Settings(**{
            option.name: _number(option) for option in fields(Settings)})


def _number(option):
    value = config.get(SECTION, option.name)
    if value is None or not str(value).strip():
        return option.default
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not math.isfinite(number) or number != option.type(number):
        raise ConfigurationError(option.name, 'not_a_number')
    if number < option.metadata['minimum']:
        raise ConfigurationError(option.name, 'too_small')
    return option.type(number)


def base_url(environment):
    """Return the base, without path or trailing slash, of an environment.

    ``environment`` is ``staging``, ``production`` (hosts published in the
    environments of the platform's Postman collections) or ``local``, which
    exists only where ``local_url`` names a service of this very machine.
    Raise ConfigurationError otherwise.
    """
    if environment in HOSTS:
        return f'https://{HOSTS[environment]}'
    if environment != 'local':
        raise ConfigurationError('environment', 'unknown')
    value = config.get(SECTION, 'local_url')
    if not value:
        raise ConfigurationError('local_url', 'missing')
    return _local(value.strip())


def _local(value):
    if not value.isascii() or re.search(r'[\x00-\x20\x7f\\]', value):
        raise ConfigurationError('local_url', 'malformed')
    try:
        url = urlsplit(value)
        port = url.port
        host = url.hostname
    except ValueError:
        raise ConfigurationError('local_url', 'malformed') from None
    if url.scheme not in {'http', 'https'}:
        raise ConfigurationError('local_url', 'scheme')
    if '@' in url.netloc:
        raise ConfigurationError('local_url', 'userinfo')
    if url.path not in {'', '/'} or '?' in value or '#' in value:
        raise ConfigurationError('local_url', 'path')
    if not host or port == 0:
        raise ConfigurationError('local_url', 'malformed')
    _check_loopback(host)
    return f'{url.scheme}://{url.netloc}'


def _check_loopback(host):
    try:
        addresses = [ipaddress.ip_address(host)]
    except ValueError:
        # Numbers in other bases resolve too, but hide what they name
        if not _NAME.fullmatch(host):
            raise ConfigurationError('local_url', 'host') from None
        addresses = _resolve(host)
    if not addresses or not all(_is_plain_loopback(a) for a in addresses):
        raise ConfigurationError('local_url', 'not_loopback')


def _is_plain_loopback(address):
    return address.is_loopback and not getattr(address, 'ipv4_mapped', None)


def _resolve(host):
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise ConfigurationError('local_url', 'unresolved') from None
    return [ipaddress.ip_address(entry[4][0].split('%')[0]) for entry in found]


def may_connect(host, address):
    """Return whether a connection to a host may use an IP address.

    The platform lives on public addresses and everything else on this
    machine: a name that resolves elsewhere, now or later, is not followed.
    """
    address = ipaddress.ip_address(address.split('%')[0])
    address = getattr(address, 'ipv4_mapped', None) or address
    if is_platform(host):
        return address.is_global and not address.is_multicast
    return address.is_loopback


def is_platform(host):
    "Return whether the host name is one of the platform's."
    return (host or '').lower() in HOSTS.values()
