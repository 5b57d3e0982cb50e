# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"From one version of a delivered visit to the next, one write at a time."

import json
from copy import deepcopy
from dataclasses import replace

import pytest
from fhir_judges import JUDGES
from fhir_platform import Platform, references
from fhir_visits import REFERENCES, visit, visits
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trytond.modules.satusehat_integration.fhir import (
    bundle, singly, step, validation, version)

relaxed = settings(
    max_examples=40, deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


def frozen(snapshot):
    built = bundle.build(snapshot, REFERENCES)
    return version.Version(
        json.loads(bundle.to_bytes(built.resource)), built.entries)


def carry_out(platform, next_steps, known):
    """Write until nothing is left to write; return what was refused.

    A refusal ends a round, and the next one is planned without it.
    """
    refused, done = set(), set()
    for _ in range(40):
        steps = next_steps(refused, done)
        if not steps:
            return refused
        for item in steps:
            shown = platform.write(item)
            if shown is None:
                refused.add(item.entry.full_url)
                break
            known[item.entry.full_url] = shown['id']
            done.add(item.entry.full_url)
    raise AssertionError("there is no end to the steps")


def delivered(before, refused=()):
    "Return a Platform that holds what it takes of a version, and the ids."
    platform, known, gone = Platform(refused), {}, set()
    encounter = None
    while steps := singly.next_steps(
            before.bundle, before.entries, known, gone, encounter):
        for item in steps:
            shown = platform.write(item)
            if shown is None:
                gone.add(item.entry.full_url)
                continue
            known[item.entry.full_url] = shown['id']
            if item.entry is before.entries[0]:
                encounter = shown
    platform.refused = set()
    platform.requests.clear()
    return platform, known


@st.composite
def corrections(draw):
    """A snapshot and what a correction makes of it.

    Diagnoses and vital signs go, come, or get other words and values; another
    diagnosis may become the primary one.
    """
    before = draw(visits())
    other = draw(visits())
    after = deepcopy(before)
    uids = {
        row['uid'] for kind in ('diagnoses', 'vital_signs')
        for row in before[kind]} | {
            before[kind]['uid'] for kind in ('encounter', 'unit', 'room')}
    for kind in ('diagnoses', 'vital_signs'):
        kept = [row for row in after[kind] if draw(st.booleans())]
        new = [
            {**deepcopy(row), 'record': 100 + row['record']} for row in other[kind]
            if row['uid'] not in uids and draw(st.booleans())]
        after[kind] = kept + new
    if not after['diagnoses']:
        after['diagnoses'] = deepcopy(before['diagnoses'][:1])
    primary = draw(st.integers(0, len(after['diagnoses']) - 1))
    for rank, row in enumerate(after['diagnoses'], 2):
        row['rank'] = rank
        row['note'] = draw(st.sampled_from([row['note'], "Diperbaiki"]))
    after['diagnoses'][primary]['rank'] = 1
    after['chief_complaint'] = draw(st.sampled_from(
        [before['chief_complaint'], other['chief_complaint']]))
    after['encounter']['discharge_note'] = draw(st.sampled_from(
        [before['encounter']['discharge_note'], "Diperbaiki"]))
    return frozen(before), frozen(after)


def is_in_error(resource):
    if resource['resourceType'] == 'Condition':
        return 'verificationStatus' in resource
    return resource['status'] == 'entered-in-error'


@relaxed
@given(versions=corrections())
def test_platform_ends_with_the_new_version(versions):
    before, after = versions
    platform, known = delivered(before)
    old = dict(known)
    carry_out(platform, lambda refused, done: version.next_steps(
        before, after, known, refused, done), known)
    shown = platform.by_identifier()
    wanted = after.stored(known)
    for entry in after.entries:
        assert step.holds(shown[entry.value], wanted[entry.full_url])
        assert not is_in_error(shown[entry.value])
    # Ids never change, and each identifier has one resource
    assert old.items() <= known.items()
    assert len(platform.stored) == len(
        {e.full_url for e in (*before.entries, *after.entries)})
    for entry in before.entries:
        if entry.full_url not in wanted:
            assert is_in_error(shown[entry.value])
    visit_ = shown[after.entries[0].value]
    for row in visit_['diagnosis']:
        target = platform.stored[row['condition']['reference']]
        assert not is_in_error(target)


@relaxed
@given(versions=corrections())
def test_order_of_the_requests(versions):
    before, after = versions
    platform, known = delivered(before)
    carry_out(platform, lambda refused, done: version.next_steps(
        before, after, known, refused, done), known)
    made = platform.requests
    methods = [item.method for item in made]
    assert methods == sorted(methods)  # POST before PUT
    gone = {e.full_url for e in before.entries} - {
        e.full_url for e in after.entries}
    places = [
        0 if item.method == 'POST' else
        3 if item.entry.full_url in gone else
        2 if item.expect == 'Encounter' else 1 for item in made]
    assert places == sorted(places)
    assert {
        item.entry.full_url for item in made if item.method == 'POST'} == {
        e.full_url for e in after.entries} - {
        e.full_url for e in before.entries}
    assert gone <= {item.entry.full_url for item in made}
    assert len({item.entry.full_url for item in made}) == len(made)


@relaxed
@given(versions=corrections())
def test_a_put_knows_what_it_replaces(versions):
    before, after = versions
    platform, known = delivered(before)
    done = set()
    for new in version.next_steps(before, after, known):
        if new.method == 'POST':
            known[new.entry.full_url] = platform.write(new)['id']
            done.add(new.entry.full_url)
    for item in version.next_steps(before, after, known, (), done):
        assert step.is_ours(platform.stored[item.path], item.previous)
        touched = {
            **platform.stored[item.path], 'note': [{'text': "orang lain"}]}
        assert not step.is_ours(touched, item.previous)
        shown = platform.write(item)
        assert step.holds(shown, json.loads(item.body))


@relaxed
@given(versions=corrections(), data=st.data())
def test_nothing_refused_is_referred_to(versions, data):
    before, after = versions
    platform, known = delivered(before)
    platform.refused = data.draw(st.sets(st.sampled_from(
        [entry.full_url for entry in after.entries]), max_size=4))
    learned = carry_out(platform, lambda refused, done: version.next_steps(
        before, after, known, refused, done), known)
    tried = [item.entry.full_url for item in platform.requests]
    for url in learned:
        assert tried.count(url) == 1
    shown = platform.by_identifier()[after.entries[0].value]
    targets = [row['condition']['reference'] for row in shown['diagnosis']]
    assert targets
    assert all(target in platform.stored for target in targets)
    assert not any(is_in_error(platform.stored[t]) for t in targets)


@relaxed
@given(versions=corrections(), data=st.data())
def test_a_version_that_arrived_in_part_is_made_whole_by_the_next(
        versions, data):
    "Whatever of the first one was refused, the second one is there at last."
    before, after = versions
    visit_ = before.entries[0].full_url
    platform, known = delivered(before, data.draw(st.sets(st.sampled_from(
        [entry.full_url for entry in before.entries[1:]] or [visit_]),
        max_size=4)) - {visit_})
    before = version.merged([before], is_certain=False)
    carry_out(platform, lambda refused, done: version.next_steps(
        before, after, known, refused, done), known)
    shown = platform.by_identifier()
    wanted = after.stored(known)
    for entry in after.entries:
        assert step.holds(shown[entry.value], wanted[entry.full_url])
    for entry in before.entries:
        if entry.full_url in known and entry.full_url not in wanted:
            assert is_in_error(shown[entry.value])


@relaxed
@given(versions=corrections())
def test_merged_versions_have_the_last_content(versions):
    before, after = versions
    whole = version.merged([before, after], is_certain=True)
    known = {
        entry.full_url: f'id{index}'
        for index, entry in enumerate(whole.entries)}
    assert whole.stored(known) == {
        **before.stored(known), **after.stored(known)}
    assert whole.entries[0] == after.entries[0]


@relaxed
@given(snapshot=visits())
def test_the_same_version_needs_nothing(snapshot):
    before = frozen(snapshot)
    _, known = delivered(before)
    assert version.next_steps(before, frozen(snapshot), known) == ()


@relaxed
@given(versions=corrections())
def test_steps_are_determined_by_what_is_known(versions):
    before, after = versions
    known = {
        entry.full_url: f'id{index}' for index, entry in enumerate(
            (*before.entries, *after.entries))}
    shuffled = dict(reversed(known.items()))
    assert version.next_steps(before, after, known) == (
        version.next_steps(before, after, shuffled))
    assert version.retraction(before, known) == (
        version.retraction(before, shuffled))


@pytest.mark.parametrize('judge', JUDGES)
@relaxed
@given(versions=corrections())
def test_every_body_is_fhir_r4(judge, versions):
    before, after = versions
    platform, known = delivered(before)
    carry_out(platform, lambda refused, done: version.next_steps(
        before, after, known, refused, done), known)
    for item in (*platform.requests, *version.retraction(after, known)):
        resource = json.loads(item.body)
        assert judge(resource) == []
        assert validation.validate_resource(resource) == []


@relaxed
@given(snapshot=visits(), data=st.data())
def test_a_retracted_visit_is_in_error_as_a_whole(snapshot, data):
    "Whatever of it had been stored; what had not is not made up for."
    before = frozen(snapshot)
    platform, known = delivered(before, data.draw(st.sets(st.sampled_from(
        [entry.full_url for entry in before.entries]), max_size=4)))
    before = replace(before, is_certain=not any(
        entry.full_url not in known for entry in before.entries))
    paths = set(platform.stored)
    steps = version.retraction(before, known)
    assert len(steps) == len(known)
    for item in steps:
        assert item.method == 'PUT'
        assert bool(item.previous) == before.is_certain
        if item.previous:
            assert step.is_ours(platform.stored[item.path], item.previous)
        platform.write(item)
    assert set(platform.stored) == paths
    assert all(map(is_in_error, platform.stored.values()))
    if steps:
        assert steps[0].expect == 'Encounter'
        for resource in platform.stored.values():
            assert all(
                target in platform.stored for target in references(resource)
                if target.startswith(('Condition/', 'Encounter/')))


def test_a_visit_that_never_arrived_has_nothing_to_retract():
    assert version.retraction(frozen(visit()), {}) == ()


def test_a_condition_in_error_has_no_clinical_status():
    before = frozen(visit())
    _, known = delivered(before)
    marked = [
        json.loads(item.body) for item in version.retraction(before, known)
        if item.expect == 'Condition']
    assert len(marked) == 3
    for resource in marked:
        assert 'clinicalStatus' not in resource
        assert resource['verificationStatus']['coding'] == [{
            'system': (
                'http://terminology.hl7.org/CodeSystem/condition-ver-status'),
            'code': 'entered-in-error', 'display': "Entered in Error"}]


def test_without_any_diagnosis_left_the_visit_stays_as_it_was():
    "The only new diagnosis is refused: the old one is not taken away."
    before = frozen(visit())
    replaced = visit()
    replaced['diagnoses'] = [{
        'uid': '9a0b1c2d-3e4f-4a5b-8c6d-7e8f90a1b2c3', 'record': 3,
        'code': 'A97', 'display': "Dengue", 'rank': 1,
        'recorded_at': '2026-11-20T02:10:00+00:00', 'note': None}]
    after = frozen(replaced)
    platform, known = delivered(before)
    shown = deepcopy(platform.stored)
    new = next(
        e for e in after.entries if e.uid == replaced['diagnoses'][0]['uid'])
    platform.refused = {new.full_url}
    assert carry_out(platform, lambda refused, done: version.next_steps(
        before, after, known, refused, done), known) == {new.full_url}
    assert platform.stored == shown


SHOWN = {
    'resourceType': 'Encounter', 'id': 'e1', 'meta': {'versionId': '2'},
    'identifier': [
        {'system': 's', 'value': 'v'},
        {'system': step.CREATOR, 'value': '10000004'}],
    'subject': {'reference': 'Patient/P1', 'display': "Si** Co**"},
    }
SENT = {
    'resourceType': 'Encounter',
    'identifier': [{'system': 's', 'value': 'v'}],
    'subject': {'reference': 'Patient/P1', 'display': "Siti Contoh"},
    }


def test_what_the_platform_adds_and_masks_does_not_count():
    assert step.is_ours(SHOWN, (SENT,))
    assert not step.holds(SHOWN, SENT)
    clear = {**SHOWN, 'subject': SENT['subject']}
    assert step.holds(clear, SENT)


@pytest.mark.parametrize('change', [
    {'subject': {'reference': 'Patient/P2', 'display': "Siti Contoh"}},
    {'identifier': [{'system': 's', 'value': 'w'}]},
    {'reasonCode': [{'text': "?"}]},
    {'status': 'cancelled'},
    ])
def test_what_others_changed_counts(change):
    assert not step.is_ours({**SHOWN, **change}, (SENT,))
    assert not step.holds({**SHOWN, **change}, SENT)
