# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"The rule processor's parts: kinds of values, paths, terminology, masking."

from datetime import datetime, timezone

import pytest

from satusehat_emulator import kinds, masking, terminology
from satusehat_emulator.rules import Context
from satusehat_emulator.walk import walk

NOW = datetime(2026, 11, 20, 4, tzinfo=timezone.utc)
CONTEXT = Context('10000004', NOW)


def issues(kind, value, **rule):
    rule = {'number': 1, 'systems': [], **rule}
    return [
        issue.text for issue in kinds.KINDS[kind](rule, 'X.y', value, CONTEXT)]


@pytest.mark.parametrize('kind, good, bad', [
    ('present', [1, 'x', {}], ['']),
    ('text', ['x'], ['', '  ', 1, None]),
    ('boolean', [True, False], ['true', 1, None]),
    ('decimal', [0, -1, 1.5], ['1', '-', True, None, []]),
    ('positive', [0, 1.5], [-1, '1', True]),
    ('positiveInteger', [0, 7], [-1, 1.5, '1', True]),
    ('dateTime', ['2026-11-20T01:00:00Z'], [
        '2026-11-20T04:00:01Z', '2014-06-02T00:00:00Z', '2026-11-20', 1]),
    ('futureDateTime', ['2030-01-01T00:00:00Z'], ['2014-06-02T00:00:00Z']),
    ('pastDateTime', ['1990-01-01T00:00:00Z'], ['2030-01-01T00:00:00Z']),
    ('anyDateTime', ['1990-01-01T00:00:00Z', '2030-01-01T00:00:00Z'], [
        '1990', None]),
    ('date', ['1990', '2030-01-01'], ['01-01-2030', None]),
    ('pastDate', ['1990', '2026-11-20'], ['2026-11-21', 'x']),
    ('coding', [], ['x', None]),
    ('concept', [{'text': 'x'}, {}], ['x', None, {'coding': [1]}]),
    ('identifier', [], ['x', {'system': 'x'}]),
    ('reference', [{'reference': 'Patient/1'}], [
        {}, 'x', {'reference': ''}, {'reference': 1}])])
def test_kinds(kind, good, bad):
    for value in good:
        assert not issues(kind, value), value
    for value in bad:
        assert issues(kind, value), value


def test_reference_targets():
    for target in ('Patient/1', 'http://x/Patient/1', 'urn:uuid:1', '#1'):
        assert not issues(
            'reference', {'reference': target}, targets=['Patient'])
    for target in ('Group/1', 'Patient', '1'):
        assert issues('reference', {'reference': target}, targets=['Patient'])


def test_code_of_one_system():
    system = 'http://hl7.org/fhir/encounter-status'
    assert not issues('code', 'finished', systems=[system])
    assert issues('code', 'done', systems=[system]) == [
        f"Code not found: 'done' in system: {system} (RuleNumber: 1)"]
    assert issues('code', '', systems=[system]) == [
        "Text is empty: '' (RuleNumber: 1)"]


def test_code_may_be_left_out_where_the_rule_says_so():
    system = 'http://sys-ids.kemkes.go.id/ae-title'
    value = {'coding': [{'system': system, 'display': 'XR1'}]}
    assert issues('concept', value, systems=[system])
    assert not issues(
        'concept', value, systems=[system], code_optional=True)


@pytest.mark.parametrize('digits, code, known', [
    (2, '31', True), (2, '3', False), (10, '3174021003', True),
    (10, '31740210', False), (4, '31.74', False)])
def test_area(digits, code, known):
    found = issues('area', code, digits=digits, systems=['s'])
    assert bool(found) != known


def test_paths():
    resource = {
        'a': [{'b': {'c': 1}}, {'b': {'c': 2}}, {'b': 3}],
        'section': [{'code': 1, 'section': [{'code': 2}]}, {'code': 3}],
        'extension': [
            {'url': 'other', 'valueCode': 'x'},
            {'url': 'https://fhir.kemkes.go.id/r4/StructureDefinition/E',
                'extension': [{'url': 'part', 'valueCode': 'y'}]}]}
    assert list(walk(resource, 'a.b.c', 'R')) == [
        ('R.a[0].b.c', 1), ('R.a[1].b.c', 2)]
    assert sorted(walk(resource, 'section*.code', 'R')) == [
        ('R.section[0].code', 1), ('R.section[0].section[0].code', 2),
        ('R.section[1].code', 3)]
    assert list(walk(
        resource, 'extension[E].extension[part].valueCode', 'R')) == [
            ('R.extension[1].extension[0].valueCode', 'y')]


def test_icd_10_without_the_list(monkeypatch):
    monkeypatch.setattr(terminology, '_icd_10_codes', lambda: None)
    known = terminology.is_known
    for code in ('J00', 'J20.9', 'A90', 'X99.99'):
        assert known(terminology.ICD_10, code)
    for code in ('A97', 'A97.0', 'U07.1', 'J', 'J00.', 'j00', '', None):
        assert not known(terminology.ICD_10, code)


def test_undescribed_systems_know_all_codes():
    assert terminology.is_known('http://example.org', 'x')
    assert not terminology.is_known('http://example.org', '')


@pytest.mark.parametrize('system, good, bad', [
    ('http://loinc.org', ['8867-4', 'LA6555-2', 'LP173421-1'], [
        '8867', '8867-']),
    ('http://snomed.info/sct', ['386661006'], ['0386661006', '12345', 'x']),
    ('http://hl7.org/fhir/sid/icd-9-cm', ['93.94', '99'], ['9.94', '93.']),
    ('http://sys-ids.kemkes.go.id/kfa', ['93001019', '33999999'], [
        '12345678', '9300101X']),
    ('http://unitsofmeasure.org', ['mm[Hg]', '{beats}/min'], ['m²', 'a b'])])
def test_form_of_codes(system, good, bad):
    assert all(terminology.is_known(system, code) for code in good)
    assert not any(terminology.is_known(system, code) for code in bad)


@pytest.mark.parametrize('name, masked', [
    ('Ghina Assyifa', 'Gh** As**'), ('dr. Alexander', 'd** Al**'),
    ('Ani', 'A**'), ('  Budi ', 'Bu**'), ('', '')])
def test_masked_names(name, masked):
    assert masking.mask_name(name) == masked


def test_masked_address():
    assert masking.mask_address_line('Jl. Contoh Raya No. 1') == (
        'Jl. Conto***')
