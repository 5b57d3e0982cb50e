# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"What each kind of answer means, and that no answer breaks the reading of it."
import json
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trytond.modules.satusehat_integration.platform import answer, issues
from trytond.modules.satusehat_integration.platform.answer import Answer, is_unknown
from trytond.modules.satusehat_integration.platform.classification import (
    classify,
    clock_skew,
    parse,
    retry_after,
)

JSON = {'Content-Type': 'application/json'}
HTML = {'content-type': 'text/html; charset=UTF-8'}
TEXT = {'Content-Type': 'text/plain'}
DATE = 'Sun, 22 Nov 2026 10:00:00 GMT'


def outcome(*entries, **extra):
    return {'resourceType': 'OperationOutcome', 'issue': [
            {'severity': 'error', 'code': code, 'details': {'text': text}}
            | extra for code, text in entries]}


def fault(code, text='x'):
    return {'fault': {'faultstring': text, 'detail': {'errorcode': code}}}


NO_PRODUCT = 'keymanagement.service.InvalidAPICallAsNoApiProductMatchFound'
RATE_LIMIT = (
    "Authentication temporarily cannot be performed due to the rate limit "
    "policy. Rate limit: 1 request per minute after a failed attempt.")
DUPLICATE = ('duplicate', 'Found duplicate resource: Encounter')
CASCADE = ('value', 'Due to previous error (RuleNumber: 20012)')
PERIOD = ('value', 'Element not found: Encounter.period (RuleNumber: 10122)')
CASES = [
    # Successes
    (200, JSON, {'resourceType': 'Patient', 'id': 'P1'}, 'ok', ''),
    (201, JSON, {'resourceType': 'Encounter', 'id': 'e'}, 'ok', ''),
    (200, TEXT, {'resourceType': 'Patient', 'id': 'P1'}, 'ok', ''),
    (200, JSON, {'success': True, 'data': {'Patient ID:': 'P1'}}, 'ok', ''),
    (200, JSON, {'code': 200, 'error': False, 'message': 'updated'}, 'ok', ''),
    (200, JSON, {'total': 1, 'items': {'data': []}}, 'ok', ''),
    # Successes in name only
    (200, HTML, b'<!doctype html><title>Maintenance</title>',
        'unrecognised', 'html'),
    (200, JSON, b'\n <html>captive portal</html>', 'unrecognised', 'html'),
    (201, JSON, b'', 'unrecognised', 'empty'),
    (204, {}, b'', 'unrecognised', 'empty'),
    (200, JSON, b'{"resourceType": "Bund', 'unrecognised', 'not_json'),
    (200, JSON, b'{"a": NaN}', 'unrecognised', 'not_json'),
    (200, JSON, b'{"a": 1e999}', 'unrecognised', 'not_json'),
    (200, JSON, b'{"id": "a", "id": "b"}', 'unrecognised', 'not_json'),
    (200, JSON, b'{"id": "\xe9"}', 'unrecognised', 'not_json'),
    (200, JSON, b'[' * 10000 + b']' * 10000, 'unrecognised', 'not_json'),
    (200, JSON, b'{"a":' * 10000 + b'1' + b'}' * 10000,
        'unrecognised', 'not_json'),
    (200, JSON, b'[{"resourceType": "Patient"}]', 'unrecognised', 'not_object'),
    (200, JSON, b'"ok"', 'unrecognised', 'not_object'),
    (200, JSON, outcome(PERIOD), 'refused', ''),
    (200, JSON, outcome(DUPLICATE), 'duplicate', ''),
    (200, JSON, outcome(('suppressed', 'privacy'), severity='information'),
        'suppressed', ''),
    (200, JSON, outcome(('informational', 'fine'), severity='information'),
        'ok', ''),
    (200, JSON, {'success': False, 'message': 'Citizen Not Exists'},
        'refused', ''),
    (200, JSON, {'success': False, 'message': 'Patient Resource Exists',
            'data': {'resourceID': 'P1'}}, 'duplicate', ''),
    (200, JSON, {'create_patient': {'success': False, 'message': 'no'}},
        'refused', ''),
    (200, JSON, {'error': True, 'message': 'no'}, 'refused', ''),
    (200, JSON, fault('oauth.v2.InvalidAccessToken'), 'unauthorized', 'token'),
    # Data
    (400, JSON, outcome(PERIOD), 'refused', 'http_400'),
    (400, JSON, outcome(PERIOD, DUPLICATE), 'refused', 'http_400'),
    (400, JSON, outcome(PERIOD, CASCADE), 'refused', 'http_400'),
    (400, JSON, outcome(('exception', 'Patient with nik-ibu is not female')),
        'refused', 'http_400'),
    (422, JSON, outcome(('structure', 'unparseable_resource')),
        'refused', 'http_422'),
    (400, TEXT, b'Missing query parameters: subject', 'refused', 'http_400'),
    (413, HTML, b'<html>413</html>', 'refused', 'http_413'),
    (412, JSON, outcome(('conflict', 'several')), 'refused', 'http_412'),
    (400, HTML, b'<html>400</html>', 'unrecognised', 'html'),
    (400, JSON, b'', 'unrecognised', 'empty'),
    # Duplicates
    (400, JSON, outcome(DUPLICATE), 'duplicate', 'http_400'),
    (400, JSON, outcome(('value', 'Found duplicate: Location (RuleNumber: 20002)')),
        'duplicate', 'http_400'),
    (400, JSON, outcome(DUPLICATE, CASCADE), 'duplicate', 'http_400'),
    (400, JSON, outcome(
            ('value', 'found duplicated EpisodeOfCare Type (Rule Number: 10109)')),
        'refused', 'http_400'),
    # Token and permission
    (401, JSON, fault('oauth.v2.InvalidAccessToken'), 'unauthorized', 'token'),
    (401, JSON, fault('keymanagement.service.access_token_expired'),
        'unauthorized', 'token'),
    (401, JSON, b'', 'unauthorized', 'empty'),
    (401, JSON, {'ErrorCode': 'invalid_client', 'Error': 'ClientId is Invalid'},
        'unauthorized', 'credential'),
    (401, JSON, outcome(
            ('value', 'The user or system was not able to be authenticated'),
            severity='invalid'), 'unauthorized', 'credential'),
    (401, JSON, fault(NO_PRODUCT), 'no_product', ''),
    (401, {'WWW-Authenticate': f'Bearer realm="null",error="{NO_PRODUCT}"'},
        b'', 'no_product', ''),
    (403, JSON, fault(NO_PRODUCT), 'no_product', ''),
    (403, HTML, b'<!doctype html><title>403</title>403 Forbidden',
        'edge_blocked', 'html'),
    (403, HTML, b'', 'edge_blocked', 'html'),
    (403, JSON, outcome(('x', 'no')), 'forbidden', 'http_403'),
    (403, JSON, outcome(
            ('forbidden', 'Operation cannot be performed due to consent or '
                'privacy rules.')), 'forbidden', 'consent'),
    (400, JSON, outcome(
            ('x', 'Failed to get permission for client (RuleNumber: 20003)')),
        'forbidden', 'permission'),
    (400, JSON, outcome(('x', 'class (RuleNumber: 20004)')),
        'forbidden', 'access_class'),
    (400, JSON, outcome(PERIOD, (
                'value', 'Wrong organization ID provided by system URL: '
                'http://sys-ids.kemkes.go.id/encounter/1 (RuleNumber: 10117)')),
        'forbidden', 'organization'),
    (400, JSON, outcome(
            ('x', 'resource cannot be accessed due to business rule')),
        'forbidden', 'organization'),
    # Absence
    (404, JSON, outcome(('no-store', 'storage_error')), 'not_found', 'http_404'),
    (404, HTML, b'', 'not_found', 'http_404'),
    (410, JSON, outcome(('deleted', 'gone')), 'not_found', 'http_410'),
    (404, HTML, b'<html>not found</html>', 'unrecognised', 'html'),
    # Too much
    (429, TEXT, b'', 'throttled', ''),
    (429, HTML, b'<html>', 'throttled', ''),
    (401, JSON, outcome(('value', RATE_LIMIT)), 'throttled', 'rate_limit'),
    (200, JSON, outcome(('value', RATE_LIMIT)), 'throttled', 'rate_limit'),
    (500, JSON, fault('policies.ratelimit.QuotaViolation'),
        'throttled', 'rate_limit'),
    # The other side's trouble
    (500, JSON, outcome(('exception', 'internal')), 'server_error', 'http_500'),
    (502, HTML, b'<html>', 'server_error', 'http_502'),
    (500, JSON, fault('oauth.v2.FailedToResolveVariable'),
        'server_error', 'http_500'),
    (503, TEXT, b'Too many requests', 'server_error', 'http_503'),
    (503, TEXT, b'no healthy upstream', 'server_error', 'http_503'),
    (504, TEXT, b'Gateway Timeout', 'server_error', 'http_504'),
    (408, TEXT, b'', 'server_error', 'http_408'),
    (400, JSON, outcome(('lock-error', 'busy')), 'server_error', 'lock-error'),
    # Elsewhere
    (301, HTML, b'', 'redirected', 'http_301'),
    (302, JSON, {'resourceType': 'Patient'}, 'redirected', 'http_302'),
    (307, {}, b'', 'redirected', 'http_307'),
    (308, {}, b'', 'redirected', 'http_308'),
    (101, {}, b'', 'unrecognised', 'http_101'),
    (700, {}, b'{}', 'unrecognised', 'http_700'),
    ]


@pytest.mark.parametrize('status, headers, body, expected, reason', CASES)
def test_classify(status, headers, body, expected, reason):
    if isinstance(body, dict):
        body = json.dumps(body).encode()
    verdict = classify(status, headers, body)
    assert (verdict.outcome, verdict.reason) == (expected, reason)


def test_every_outcome_of_content_is_covered():
    of_transport = {'unreachable', 'certificate', 'no_answer', 'too_large'}
    assert {case[3] for case in CASES} == answer.OUTCOMES - of_transport


def test_bom_is_accepted():
    assert classify(200, {}, b'\xef\xbb\xbf{"id": "a"}').body == {'id': 'a'}


def test_expected_type():
    patient = b'{"resourceType": "Patient"}'
    assert classify(200, JSON, patient, ('Patient',)).outcome == 'ok'
    verdict = classify(200, JSON, patient, ('Bundle', 'Encounter'))
    assert (verdict.outcome, verdict.reason) == ('unrecognised', 'other_type')
    refused = json.dumps(outcome(DUPLICATE)).encode()
    assert classify(200, JSON, refused, ('Bundle',)).outcome == 'duplicate'


@pytest.mark.parametrize('text, rule', [
        ('Reference is mandatory : E (RuleNumber: 10124)', 10124),
        ('found duplicated (Rule Number: 10109)', 10109),
        ('must be filled (Rule 10122)', 10122),
        ('V (RuleNumber: 10400). Format allowed : YYYY', 10400),
        ('(rulenumber:5)', 5),
        ('10124', None),
        ('(RuleNumber: )', None),
        ('', None),
        ])
def test_rule_number(text, rule):
    assert issues.rule_number(text) == rule


def test_issue_is_read_whole():
    found, = issues.find({'resourceType': 'OperationOutcome', 'issue': [{
                    'severity': 'error', 'code': 'structure',
                    'details': {'text': 'unparseable_resource'},
                    'diagnostics': 'missing "status" (RuleNumber: 10109)',
                    'expression': ['Bundle.entry[0].resource']}]})
    assert found.code == 'structure'
    assert found.text == (
        'unparseable_resource: missing "status" (RuleNumber: 10109)')
    assert found.rule == 10109
    assert found.expression == ('Bundle.entry[0].resource',)


@pytest.mark.parametrize('body', [
        {'resourceType': 'OperationOutcome'},
        {'resourceType': 'OperationOutcome', 'issue': None},
        {'resourceType': 'OperationOutcome', 'issue': [None, 3, 'x']},
        {'resourceType': ['OperationOutcome']},
        {'fault': 'x'}, {'fault': None}, {'success': 0}, {'error': {}},
        {'create_patient': None}, None, [], 'x'])
def test_malformed_issues_are_passed_over(body):
    assert issues.find(body) == ()


@pytest.mark.parametrize('entry, text, expression', [
        ({'details': 'plain', 'expression': 'A.b'}, 'plain', ('A.b',)),
        ({'details': {'text': 5}, 'location': ['A']}, '5', ('A',)),
        ({'details': {'text': ['x']}, 'expression': {}}, '', ()),
        ({'diagnostics': 'd'}, 'd', ()),
        ])
def test_odd_issues_are_kept(entry, text, expression):
    found, = issues.find({'resourceType': 'OperationOutcome', 'issue': entry})
    assert (found.text, found.expression) == (text, expression)


def test_nik_is_masked_and_text_storable():
    found, = issues.find(outcome(
            ('value', "Code 9999990101900001 \ud800\x00bad" + 'x' * 5000)))
    assert '9999990101900001' not in found.text
    assert '################' in found.text
    assert '\x00' not in found.text
    assert len(found.text.encode()) <= 4000


def test_causes_leave_out_what_follows():
    found = issues.find(outcome(PERIOD, CASCADE))
    def refused(issues):
        return Answer('POST', '/', 'refused', issues=issues)
    assert refused(found).causes == found[:1]
    assert refused(found[1:]).causes == found[1:]


@pytest.mark.parametrize('value, date, seconds', [
        ('120', None, 120),
        ('1.2', None, 2),
        ('0', None, 1),
        ('-5', None, 1),
        ('999999999999', None, 3600),
        ('inf', None, 3600),
        ('nan', None, None),
        ('soon', None, None),
        ('', None, None),
        (None, None, None),
        ('Sun, 22 Nov 2026 10:02:00 GMT', DATE, 120),
        ('Sun, 22 Nov 2026 09:00:00 GMT', DATE, 1),
        ('Sun, 22 Nov 2099 10:00:00 GMT', DATE, 3600),
        ('Sun, 22 Nov 2026 10:02:00 GMT', 'rubbish', 60),
        ('Sun, 22 Nov 2026 10:02:00 GMT', None, 60),
        ('Sun, 99 Nov 2026 10:02:00 GMT', None, None),
        ])
def test_retry_after(value, date, seconds):
    now = 1795341660    # one minute after DATE
    assert retry_after(value, date, now) == seconds


def test_retry_after_of_an_answer():
    verdict = classify(
        503, {'RETRY-AFTER': 'Sun, 22 Nov 2026 10:02:00 GMT', 'date': DATE}, b'')
    assert verdict.retry_after == 120


def test_clock_skew():
    assert clock_skew(DATE, 1795341600 + 130) == -130
    assert clock_skew('rubbish', 0) is None
    assert clock_skew(None, 0) is None


@pytest.mark.parametrize('write, sent, kind', list(product(
            [True, False], [True, False], sorted(answer.OUTCOMES))))
def test_unknown(write, sent, kind):
    unknown = is_unknown(Answer('POST', '/', kind, request_sent=sent), write)
    assert unknown is (write and sent and kind in {
            'no_answer', 'unrecognised', 'server_error', 'too_large',
            'redirected', 'suppressed'})


def test_repr_holds_no_content():
    body = {'name': 'Siti Contoh', 'nik': '9999990101900001'}
    found = issues.find(outcome(('value', 'Siti Contoh')))
    text = repr(Answer('GET', '/', 'ok', body=body, issues=found))
    text += repr(classify(200, JSON, json.dumps(body).encode()))
    assert 'Siti' not in text
    assert '9999990101900001' not in text


# The keys that steer the reading, among others
keys = st.sampled_from([
        'resourceType', 'issue', 'fault', 'detail', 'errorcode', 'success',
        'error', 'ErrorCode', 'code', 'details', 'text', 'severity',
        'expression', 'create_patient', 'data', 'message']) | st.text()
leaves = (
    st.none() | st.booleans() | st.integers() | st.floats()
    | st.text(st.characters(codec=None))
    | st.sampled_from(['OperationOutcome', 'duplicate', 'suppressed', 'error']))
documents = st.recursive(
    leaves, lambda inner: st.lists(inner) | st.dictionaries(keys, inner),
    max_leaves=20)
bodies = st.one_of(
    st.binary(),
    documents.map(lambda d: json.dumps(d).encode()),
    documents.map(lambda d: b'\xef\xbb\xbf' + json.dumps(d).encode()[:-1]),
    st.integers(1, 20000).map(lambda n: b'{"issue":[' * n),
    st.integers(1, 20000).map(lambda n: b'{"a":' * n + b'0' + b'}' * n))
headers = st.dictionaries(
    st.sampled_from([
            'Content-Type', 'content-type', 'Retry-After', 'Date',
            'WWW-Authenticate']) | st.text(),
    st.text() | st.integers().map(str)
    | st.sampled_from(['text/html', 'application/json', DATE]))


@settings(deadline=None, max_examples=500)
@given(st.integers(100, 999) | st.sampled_from([200, 400, 401, 403]),
    headers, bodies)
def test_classify_never_raises(status, headers, content):
    verdict = classify(status, headers, content)
    assert verdict.outcome in answer.OUTCOMES
    assert verdict.outcome != 'ok' or isinstance(verdict.body, dict)
    assert (verdict.outcome == 'redirected') is (300 <= status < 400)
    assert status != 429 or verdict.outcome == 'throttled'
    assert verdict.retry_after is None or 1 <= verdict.retry_after <= 3600
    for issue in verdict.issues:
        stored = issue.code + issue.text + ''.join(issue.expression)
        assert '\x00' not in stored
        stored.encode()


@settings(deadline=None)
@given(documents.filter(lambda d: isinstance(d, dict)))
def test_parse_reads_what_is_well_formed(document):
    try:
        content = json.dumps(document, allow_nan=False).encode()
    except ValueError:
        return
    assert parse(content) == (document, '')
