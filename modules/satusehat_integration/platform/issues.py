# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"The complaints found in an answer's body, whatever part of the platform spoke."
import re

from .answer import Issue
from .redaction import mask_nik

MAXIMUM = 100
_TEXT = 1000
_RULE = re.compile(r'\(\s*Rule\s*(?:Number)?\s*:?\s*(\d{1,9})\s*\)', re.IGNORECASE)
_CODE = re.compile(r'[A-Za-z][A-Za-z0-9._-]{0,99}')
_UNPRINTABLE = re.compile(r'[\x00-\x1f\x7f-\x9f\ud800-\udfff]+')


def find(body):
    """Return the tuple of Issue in a JSON object.

    Understood are OperationOutcome (platform page "List Response"), the
    gateway's ``fault``, its former ``ErrorCode``, OAuth 2.0's ``error`` and
    the patient index's ``success`` / ``message``. Anything malformed is
    passed over: this never raises.
    """
    if not isinstance(body, dict):
        return ()
    if body.get('resourceType'):
        return _outcome(body)
    for reader in (_fault, _gateway, _patient_index, _oauth2, _flagged):
        issues = reader(body)
        if issues:
            return issues
    return ()


def from_text(text):
    "Return the tuple with the one Issue that a plain text body is."
    text = clean(text)
    return (Issue('', text, rule_number(text)),) if text else ()


def rule_number(text):
    "Return the rule's number quoted at the end of a message, or None."
    found = _RULE.search(text)
    return int(found.group(1)) if found else None


def clean(value, length=_TEXT):
    "Return a value as storable text without NIK, at most length characters."
    if not isinstance(value, (str, int, float)):
        return ''
    return mask_nik(printable(str(value), length * 4))[:length]


def printable(text, length):
    "Return a text that any database stores, at most length characters."
    return _UNPRINTABLE.sub(' ', text[:length]).strip()


def _outcome(body):
    if body.get('resourceType') != 'OperationOutcome':
        return ()
    entries = body.get('issue')
    if isinstance(entries, dict):
        entries = [entries]
    if not isinstance(entries, list):
        return ()
    return tuple(
        _issue(entry) for entry in entries[:MAXIMUM] if isinstance(entry, dict))


def _issue(entry):
    details = entry.get('details')
    details = details.get('text') if isinstance(details, dict) else details
    texts = dict.fromkeys(
        filter(None, [clean(details), clean(entry.get('diagnostics'))]))
    text = ': '.join(texts)
    expression = entry.get('expression') or entry.get('location') or ()
    if isinstance(expression, str):
        expression = [expression]
    if not isinstance(expression, list):
        expression = []
    return Issue(
        _code(entry.get('code')), text, rule_number(text),
        tuple(filter(None, (clean(e, 200) for e in expression[:MAXIMUM]))),
        _code(entry.get('severity')) or 'error')


def _code(value):
    if isinstance(value, str) and _CODE.fullmatch(value):
        return value
    return ''


def _fault(body):
    fault = body.get('fault')
    if not isinstance(fault, dict):
        return ()
    detail = fault.get('detail')
    code = detail.get('errorcode') if isinstance(detail, dict) else None
    return (Issue(_code(code), clean(fault.get('faultstring'))),)


def _gateway(body):
    if 'ErrorCode' not in body:
        return ()
    return (Issue(_code(body['ErrorCode']), clean(body.get('Error'))),)


def _patient_index(body):
    created = body.get('create_patient')
    if isinstance(created, dict):
        body = created
    if body.get('success') is not False:
        return ()
    data = body.get('data')
    known = isinstance(data, dict) and any(
        str(key).lower() == 'resourceid' for key in data)
    text = clean(body.get('message'))
    return (Issue(
            'duplicate' if known else 'business-rule', text,
            rule_number(text)),)


def _oauth2(body):
    if not isinstance(body.get('error'), str):
        return ()
    return (Issue(_code(body['error']), clean(body.get('error_description'))),)


def _flagged(body):
    if not body.get('error'):
        return ()
    text = clean(body.get('message') or body.get('Message'))
    return (Issue('', text, rule_number(text)),)
