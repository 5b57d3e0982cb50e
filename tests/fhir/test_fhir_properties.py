# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Whatever a clinic may write, what leaves is FHIR and always the same."

import json
from copy import deepcopy

import pytest
from fhir_judges import JUDGES
from fhir_visits import REFERENCES, visits
from hypothesis import HealthCheck, given, settings

from trytond.modules.satusehat_integration.fhir import bundle, validation

relaxed = settings(
    max_examples=60, deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


def built_from(snapshot):
    return bundle.build(snapshot, REFERENCES)


@pytest.mark.parametrize('judge', JUDGES)
@relaxed
@given(snapshot=visits())
def test_every_resource_is_fhir_r4(judge, snapshot):
    sent = json.loads(bundle.to_bytes(built_from(snapshot).resource))
    for entry in sent['entry']:
        assert judge(entry['resource']) == []


@relaxed
@given(snapshot=visits())
def test_bundle_passes_the_last_look(snapshot):
    assert validation.validate(built_from(snapshot).resource) == []


@relaxed
@given(snapshot=visits())
def test_bytes_are_determined_by_the_snapshot(snapshot):
    before = deepcopy(snapshot)
    first = bundle.to_bytes(built_from(snapshot).resource)
    assert snapshot == before
    # A snapshot read back from its frozen JSON, keys in another order.
    again = json.loads(json.dumps(snapshot, sort_keys=True))
    assert bundle.to_bytes(built_from(again).resource) == first


@relaxed
@given(snapshot=visits())
def test_identifiers_are_unique(snapshot):
    entries = built_from(snapshot).entries
    assert len({(e.system, e.value) for e in entries}) == len(entries)
    assert len({entry.full_url for entry in entries}) == len(entries)
    assert len({
        (entry.model, entry.uid, entry.key) for entry in entries}) == (
            len(entries))


@relaxed
@given(snapshot=visits())
def test_every_local_reference_resolves_to_the_right_type(snapshot):
    rows = built_from(snapshot).resource['entry']
    types = {row['fullUrl']: row['resource']['resourceType'] for row in rows}
    encounter, *others = (row['resource'] for row in rows)
    for resource in others:
        assert types[resource['encounter']['reference']] == 'Encounter'
    conditions = [
        row['condition']['reference'] for row in encounter['diagnosis']]
    assert {types[reference] for reference in conditions} == {'Condition'}
    assert sorted(conditions) == sorted(
        url for url, name in types.items() if name == 'Condition')


@relaxed
@given(snapshot=visits())
def test_nothing_measured_or_diagnosed_is_lost(snapshot):
    entries = built_from(snapshot).entries
    assert {
        (entry.uid, entry.key) for entry in entries
        if entry.model == 'clinic.vital_signs'} == {
        (row['uid'], key)
        for row in snapshot['vital_signs'] for key in row['values']}
    assert {
        entry.uid for entry in entries
        if entry.model == 'clinic.diagnosis'} == {
        diagnosis['uid'] for diagnosis in snapshot['diagnoses']}
