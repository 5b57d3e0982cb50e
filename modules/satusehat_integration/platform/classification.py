# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"What an HTTP answer of the platform means: its content counts, then its status."
import json
import math
import re
import time
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime

from . import answer as outcomes
from . import issues as complaints

RETRY_AFTER = (1, 3600)
_INTEGER_DIGITS = 100
_NO_PRODUCT = 'InvalidAPICallAsNoApiProductMatchFound'
_THROTTLE = re.compile(r'rate limit policy|too many requests', re.IGNORECASE)
_CREDENTIAL = re.compile(
    r'not able to be authenticated|client ?id is invalid|invalid_client',
    re.IGNORECASE)
_DUPLICATE = re.compile(r'found duplicate(?: resource)?:', re.IGNORECASE)
_CONFIGURATION = [
    ('permission', re.compile(r'permission for client', re.IGNORECASE)),
    ('organization', re.compile(
            r'wrong organi[sz]ation id|cannot be accessed due to business rule',
            re.IGNORECASE)),
    ('consent', re.compile(r'consent or privacy', re.IGNORECASE)),
    ]
_CONFIGURATION_RULES = {20003: 'permission', 20004: 'access_class'}
_TRANSIENT = frozenset({'transient', 'timeout', 'lock-error'})
# Of an answer that calls itself a success: the platform's own trouble.  With
# a status of refusal it uses the same code for data that it does not take
_TROUBLE = _TRANSIENT | {'exception'}


@dataclass(frozen=True)
class Verdict:
    "Outcome and reason as in Answer, with what was read on the way."
    outcome: str
    reason: str = ''
    body: dict | None = field(default=None, repr=False)
    issues: tuple = ()
    retry_after: int | None = None


def classify(status, headers, content, expect=(), now=None):
    """Return the Verdict on a whole answer; never raises.

    ``status`` is the HTTP status, ``headers`` a mapping of any case,
    ``content`` the bytes of the body after decompression. ``expect`` names
    the FHIR types a success may have, empty meaning any JSON object. ``now``
    (seconds since the epoch) stands in for a missing Date header.

    Sources: SATUSEHAT pages "Token", "Validasi" and "List Response", saved
    answers of the platform's Postman collections.
    """
    headers = {str(k).lower(): str(v) for k, v in dict(headers).items()}
    body, problem = parse(content)
    if body is None and _is_html(headers, content):
        # The platform answers 404 without a body to unknown paths
        problem = problem if problem == 'empty' and status == 404 else 'html'
    if body is not None:
        found = complaints.find(body)
    elif problem == 'not_json' and status >= 300:
        found = complaints.from_text(content[:4096].decode('utf-8', 'replace'))
    else:
        found = ()
    outcome, reason = _judge(status, headers, body, problem, found, expect)
    return Verdict(
        outcome, reason, body, found,
        retry_after(
            headers.get('retry-after'), headers.get('date'), now))


def parse(content):
    """Return (JSON object, '') or (None, problem).

    Strict where a lenient reading could mislead: NaN, infinite numbers,
    repeated keys and anything but UTF-8 make the body malformed. ``problem``
    is ``empty``, ``not_json`` or ``not_object``.
    """
    if not content.strip():
        return None, 'empty'
    try:
        body = json.loads(
            content.decode('utf-8-sig'), object_pairs_hook=_unique,
            parse_constant=_refuse, parse_float=_finite, parse_int=_integer)
    except (ValueError, RecursionError):
        return None, 'not_json'
    return (body, '') if isinstance(body, dict) else (None, 'not_object')


def _unique(pairs):
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError('repeated key')
    return result


def _refuse(constant):
    raise ValueError(constant)


def _finite(text):
    number = float(text)
    if not math.isfinite(number):
        raise ValueError('infinite')
    return number


def _integer(text):
    if len(text) > _INTEGER_DIGITS:
        raise ValueError('too long')
    return int(text)


def retry_after(value, date=None, now=None):
    """Return the seconds of a Retry-After header within RETRY_AFTER, or None.

    Both forms of RFC 9110, 10.2.3 are read; a moment is measured against
    the answer's own Date, so that our clock does not count.
    """
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        until = _moment(value)
        if until is None:
            return None
        since = _moment(date)
        if since is None:
            since = time.time() if now is None else now
        seconds = until - since
    if math.isnan(seconds):
        return None
    least, most = RETRY_AFTER
    return math.ceil(min(max(seconds, least), most))


def clock_skew(date, now):
    "Return the Date header minus our time in seconds, None if unreadable."
    moment = _moment(date)
    return None if moment is None else moment - now


def _moment(value):
    try:
        return parsedate_to_datetime(value).timestamp()
    except (TypeError, ValueError, IndexError, OverflowError, AttributeError):
        return None


def _is_html(headers, content):
    return ('html' in headers.get('content-type', '').lower()
        or content[:512].lstrip(b'\xef\xbb\xbf \t\r\n').startswith(b'<'))


def _judge(status, headers, body, problem, found, expect):
    if 300 <= status < 400:
        return outcomes.REDIRECTED, f'http_{status}'
    if status == 429:
        return outcomes.THROTTLED, ''
    spoken = _by_gateway(status, headers, found)
    if spoken:
        return spoken
    if 200 <= status < 300:
        return _success(body, problem, found, expect)
    if status in {408, 425} or 500 <= status < 600:
        return outcomes.SERVER_ERROR, f'http_{status}'
    if 400 <= status < 500:
        return _client_error(status, body, problem, found)
    return outcomes.UNRECOGNISED, f'http_{status}'


def _by_gateway(status, headers, found):
    "Return the verdict of the gateway, which speaks under several statuses."
    if any(i.code.startswith('policies.ratelimit.') for i in found):
        return outcomes.THROTTLED, 'rate_limit'
    if status >= 500:
        return None
    challenge = headers.get('www-authenticate', '')
    if _NO_PRODUCT in challenge or any(
            i.code.endswith(_NO_PRODUCT) for i in found):
        return outcomes.NO_PRODUCT, ''
    if any(
            i.code == 'throttled' or _THROTTLE.search(i.text)
            for i in found if i.is_error):
        return outcomes.THROTTLED, 'rate_limit'
    if any(_CREDENTIAL.search(f'{i.code} {i.text}') for i in found):
        return outcomes.UNAUTHORIZED, 'credential'
    if any(i.code.startswith(('oauth.', 'keymanagement.')) for i in found):
        return outcomes.UNAUTHORIZED, 'token'
    return None


def _success(body, problem, found, expect):
    if body is None:
        return outcomes.UNRECOGNISED, problem
    if any(i.code == 'suppressed' for i in found):
        return outcomes.SUPPRESSED, ''
    errors = [i for i in found if i.is_error]
    if errors and all(i.code in _TROUBLE for i in errors):
        return outcomes.SERVER_ERROR, errors[0].code
    if errors:
        return _by_issues(errors)
    if expect and body.get('resourceType') not in expect:
        return outcomes.UNRECOGNISED, 'other_type'
    return outcomes.OK, ''


def _client_error(status, body, problem, found):
    reason = f'http_{status}'
    if status == 401:
        return outcomes.UNAUTHORIZED, problem
    if status == 403:
        if problem == 'html':
            return outcomes.EDGE_BLOCKED, problem
        return outcomes.FORBIDDEN, _configuration(found) or reason
    if status == 413:
        return outcomes.REFUSED, reason
    if problem == 'html':
        return outcomes.UNRECOGNISED, problem
    if status in {404, 410}:
        return outcomes.NOT_FOUND, reason
    if problem == 'empty' or (body is None and not found):
        return outcomes.UNRECOGNISED, problem
    outcome, detail = _by_issues([i for i in found if i.is_error])
    return outcome, detail or reason


def _by_issues(errors):
    configuration = _configuration(errors)
    if configuration:
        return outcomes.FORBIDDEN, configuration
    causes = [i for i in errors if not i.is_cascade]
    if causes and all(_is_duplicate(i) for i in causes):
        return outcomes.DUPLICATE, ''
    if causes and all(i.code in _TRANSIENT for i in causes):
        return outcomes.SERVER_ERROR, causes[0].code
    return outcomes.REFUSED, ''


def _is_duplicate(issue):
    return (issue.code == 'duplicate' or issue.rule == 20002
        or bool(_DUPLICATE.match(issue.text)))


def _configuration(found):
    for issue in found:
        if issue.rule in _CONFIGURATION_RULES:
            return _CONFIGURATION_RULES[issue.rule]
        for reason, pattern in _CONFIGURATION:
            if pattern.search(issue.text):
                return reason
        if issue.code == 'forbidden':
            return 'forbidden'
    return ''
