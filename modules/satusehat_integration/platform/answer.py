# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"What one HTTP exchange with the platform came to."
from dataclasses import dataclass, field

OK = 'ok'
NOT_FOUND = 'not_found'
REFUSED = 'refused'
DUPLICATE = 'duplicate'
UNAUTHORIZED = 'unauthorized'
NO_PRODUCT = 'no_product'
FORBIDDEN = 'forbidden'
EDGE_BLOCKED = 'edge_blocked'
THROTTLED = 'throttled'
SERVER_ERROR = 'server_error'
UNREACHABLE = 'unreachable'
CERTIFICATE = 'certificate'
NO_ANSWER = 'no_answer'
UNRECOGNISED = 'unrecognised'
REDIRECTED = 'redirected'
TOO_LARGE = 'too_large'
SUPPRESSED = 'suppressed'

OUTCOMES = frozenset({
        OK, NOT_FOUND, REFUSED, DUPLICATE, UNAUTHORIZED, NO_PRODUCT,
        FORBIDDEN, EDGE_BLOCKED, THROTTLED, SERVER_ERROR, UNREACHABLE,
        CERTIFICATE, NO_ANSWER, UNRECOGNISED, REDIRECTED, TOO_LARGE,
        SUPPRESSED})
_UNKNOWN = frozenset({
        NO_ANSWER, UNRECOGNISED, SERVER_ERROR, TOO_LARGE, REDIRECTED,
        SUPPRESSED})
# Entries of a bundle refused only because another entry was
_CASCADE = frozenset({20012, 20013})


@dataclass(frozen=True)
class Issue:
    """One complaint of the platform.

    ``code`` is the FHIR issue type or the gateway's error code, ``text`` the
    message with every NIK masked, ``rule`` the number in the platform's
    validation dictionary or None, ``expression`` a tuple of FHIRPath texts.
    """
    code: str
    text: str = field(default='', repr=False)
    rule: int | None = None
    expression: tuple = field(default=(), repr=False)
    severity: str = 'error'

    @property
    def is_error(self):
        return self.severity not in {'information', 'warning', 'success'}

    @property
    def is_cascade(self):
        "Whether it only follows from the refusal of another entry."
        return (self.rule in _CASCADE
            or 'due to previous error' in self.text.lower())


@dataclass(frozen=True)
class Answer:
    """The result of one exchange, remote faults included.

    ``path`` has no query. ``status`` is the HTTP status, None without one.
    ``outcome`` is one of OUTCOMES and ``reason`` a finer word (``dns``,
    ``read_timeout``, ``html``...), possibly empty. ``body`` is the parsed
    JSON object or None. ``duration`` is in milliseconds, ``size`` the bytes
    of the body after decompression, ``retry_after`` whole seconds or None.
    ``request_sent`` is False only when no byte of the request can have
    reached the platform. ``clock_skew`` is the platform's clock minus ours
    in seconds, where it told its time.
    """
    method: str
    path: str
    outcome: str
    reason: str = ''
    status: int | None = None
    body: dict | None = field(default=None, repr=False)
    issues: tuple = ()
    request_id: str = ''
    etag: str = field(default='', repr=False)
    duration: int = 0
    retry_after: int | None = None
    request_sent: bool = False
    size: int = 0
    clock_skew: float | None = None

    @property
    def causes(self):
        "The issues without those that only follow from another one."
        return tuple(i for i in self.issues if not i.is_cascade) or self.issues


def is_unknown(answer, write):
    """Return whether the platform may hold what a write asked for, unconfirmed.

    Such a write must be looked for before it is repeated. Reads are never
    unknown, nor are requests of which no byte left. A redirect counts as
    unknown: some servers redirect after having stored; so do an answer too
    large to read and an answer withheld for privacy.
    """
    return write and answer.request_sent and answer.outcome in _UNKNOWN
