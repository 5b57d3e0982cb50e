# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Synthetic visits: one fixed, and a hypothesis strategy for any valid one."

from copy import deepcopy
from datetime import datetime, timedelta, timezone

from hypothesis import strategies as st

from trytond.modules.satusehat_integration.fhir.observation import VITAL_SIGNS

REFERENCES = {
    'organization': '10000004',
    'patient': 'P00000000001',
    'practitioners': {11: '10000000001', 12: '10000000003'},
    'location': '5f0d6c0e-8f63-4a7e-9a6c-0b1d4b7b0001',
    }
_VISIT = {
    'schema': 1,
    'encounter': {
        'uid': '3b0a4f2e-6d5c-4b1a-8f7e-2c9d8e7f6a50',
        'class': 'AMB',
        'arrived_at': '2026-11-20T01:00:00+00:00',
        'started_at': '2026-11-20T01:20:00+00:00',
        'finished_at': '2026-11-20T03:00:00+00:00',
        'status_history': [
            {'status': 'arrived', 'start': '2026-11-20T01:00:00+00:00',
             'end': '2026-11-20T01:20:00+00:00'},
            {'status': 'in_progress', 'start': '2026-11-20T01:20:00+00:00',
             'end': '2026-11-20T03:00:00+00:00'},
            {'status': 'finished', 'start': '2026-11-20T03:00:00+00:00',
             'end': '2026-11-20T03:00:00+00:00'},
            ],
        'discharge_disposition': 'home',
        'discharge_note': "Pulang, kontrol bila demam lebih dari 3 hari",
        },
    'patient': {'record': 10, 'name': "Siti Contoh"},
    'practitioner': {'record': 11, 'name': "dr. Contoh Satu"},
    'unit': {
        'record': 1, 'uid': '8c3f1f0a-52a7-4f5e-9a41-0d6b7c8e9f01',
        'code': 'UMUM', 'name': "Poli Umum", 'kind': 'general'},
    'room': {
        'record': 2, 'uid': '1d2e3f40-5a6b-4c7d-8e9f-a0b1c2d3e4f5',
        'code': 'R1', 'name': "Ruang Periksa 1"},
    'chief_complaint': {
        'text': "Demam menggigil sejak 2 hari",
        'recorded_at': '2026-11-20T01:20:00+00:00',
        'code': {'code': '274640006', 'display': "Fever with chills"}},
    'diagnoses': [
        {'uid': 'b7e6d5c4-a3b2-41f0-9e8d-7c6b5a493827', 'record': 2,
         'code': 'J45.9', 'display': "Asthma, unspecified", 'rank': 2,
         'recorded_at': '2026-11-20T02:15:00+00:00', 'note': None},
        {'uid': 'a1b2c3d4-e5f6-4789-8abc-def012345678', 'record': 1,
         'code': 'J00', 'display': "Acute nasopharyngitis [common cold]",
         'rank': 1, 'recorded_at': '2026-11-20T02:10:00+00:00',
         'note': "Nasofaringitis akut"},
        ],
    'vital_signs': [{
        'uid': '0f1e2d3c-4b5a-4697-8877-665544332211', 'record': 7,
        'measured_at': '2026-11-20T01:25:00+00:00',
        'performer': {'record': 12, 'name': "Ns. Contoh Tiga"},
        'values': {
            'systolic': 120, 'diastolic': 80, 'heart_rate': 80,
            'respiratory_rate': 20, 'temperature': 38.2,
            'oxygen_saturation': 98, 'weight': 56.0, 'height': 160.5}}],
    }


def visit(**changes):
    """Return a fresh copy of the fixed visit.

    Changes are by path with double underscores:
    `encounter__class='EMER'`, `diagnoses__0__code=None`.
    """
    snapshot = deepcopy(_VISIT)
    for path, value in changes.items():
        *parents, last = [
            int(part) if part.isdigit() else part
            for part in path.split('__')]
        place = snapshot
        for part in parents:
            place = place[part]
        place[last] = value
    return snapshot


def references(**changes):
    "Return a fresh copy of the platform's numbers of the fixed visit."
    return {**deepcopy(REFERENCES), **changes}


_FIRST = datetime(2014, 6, 3, tzinfo=timezone.utc)
_LAST = datetime(2026, 11, 22, tzinfo=timezone.utc)
_HARD_TEXTS = [
    "Demam \N{FACE WITH THERMOMETER}", '"kutip" \'tunggal\' \\ <b>&amp;</b>',
    "baris\nbaru\r\nlagi\ttab", "a" * 10_000, "\x00\x0b\x1b[31mcetak",
    "\u0600\u202e\u200b", "\u2028", "\ud800 lone", "\ufffe", "e\u0301",
    "\N{MAN}\u200d\N{WOMAN}\u200d\N{GIRL}", " tepi ", "null", "{}"]
_stamp = st.integers(0, int((_LAST - _FIRST).total_seconds())).map(
    lambda seconds: _FIRST + timedelta(seconds=seconds))
_codec = st.characters(codec='utf-8', exclude_categories=('Cs',))
texts = st.one_of(
    st.sampled_from(_HARD_TEXTS), st.text(max_size=40),
    st.text(_codec, max_size=40))
names = texts.map(lambda text: f'{text}x')
maybe_texts = st.one_of(st.none(), texts)
uids = st.uuids(version=4).map(str)
codes = st.from_regex(r'[A-Z][0-9]{2}(\.[0-9]{1,2})?', fullmatch=True).map(
    lambda code: code.strip())
_INTEGERS = {
    'heart_rate', 'respiratory_rate', 'systolic', 'diastolic',
    'oxygen_saturation'}
_values = {
    sign.key: (
        st.integers(0, 400) if sign.key in _INTEGERS
        else st.floats(0, 500, allow_nan=False).map(
            lambda value: round(value, 1)))
    for sign in VITAL_SIGNS}


def _utc(value):
    return value.isoformat(timespec='seconds')


@st.composite
def visits(draw):
    "Any snapshot that keeps the contract, hostile texts included."
    arrived, started, finished = map(
        _utc, sorted(draw(st.lists(_stamp, min_size=3, max_size=3))))
    time = _stamp.map(_utc)
    ranks = draw(st.permutations([1, *draw(st.lists(
        st.integers(2, 2 ** 31 - 1), max_size=4))]))
    rows = draw(st.integers(0, 3))
    needed = draw(st.lists(
        uids, min_size=3 + len(ranks) + rows,
        max_size=3 + len(ranks) + rows, unique=True))
    coded = st.fixed_dictionaries({
        'code': st.from_regex(r'[1-9][0-9]{5,17}', fullmatch=True),
        'display': names})
    person = st.fixed_dictionaries({
        'record': st.integers(1, 20), 'name': texts})
    return {
        'schema': 1,
        'encounter': {
            'uid': needed.pop(),
            'class': draw(st.sampled_from(['AMB', 'EMER', 'HH', 'VR'])),
            'arrived_at': arrived, 'started_at': started,
            'finished_at': finished,
            'status_history': [
                {'status': 'arrived', 'start': arrived, 'end': started},
                {'status': 'in_progress', 'start': started, 'end': finished},
                {'status': 'finished', 'start': finished, 'end': finished}],
            'discharge_disposition': draw(st.sampled_from([
                'home', 'other-hcf', 'aadvice', 'oth', 'exp-lt48h',
                'exp-gt48h'])),
            'discharge_note': draw(maybe_texts)},
        'patient': {'record': 10, 'name': draw(texts)},
        'practitioner': {'record': 11, 'name': draw(texts)},
        'unit': {
            'record': 1, 'uid': needed.pop(), 'code': draw(names),
            'name': draw(names), 'kind': draw(st.sampled_from([
                'general', 'dental', 'maternal_child', 'checkup', 'other']))},
        'room': {
            'record': 2, 'uid': needed.pop(), 'code': draw(names),
            'name': draw(names)},
        'chief_complaint': draw(st.one_of(st.none(), st.fixed_dictionaries({
            'text': texts, 'recorded_at': time,
            'code': st.one_of(st.none(), coded)}))),
        'diagnoses': [{
            'uid': needed.pop(), 'record': index, 'code': draw(codes),
            'display': draw(names), 'rank': rank, 'recorded_at': draw(time),
            'note': draw(maybe_texts)}
            for index, rank in enumerate(ranks)],
        'vital_signs': [{
            'uid': needed.pop(), 'record': index, 'measured_at': draw(time),
            'performer': draw(st.one_of(st.none(), person)),
            'values': draw(st.fixed_dictionaries({}, optional=_values))}
            for index in range(rows)],
        }
