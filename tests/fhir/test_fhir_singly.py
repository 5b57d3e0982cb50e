# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"A visit that a Bundle could not bring arrives one resource at a time."

import json
from copy import deepcopy

import pytest
from fhir_judges import JUDGES
from fhir_platform import Platform, references
from fhir_visits import REFERENCES, visit, visits
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trytond.modules.satusehat_integration.fhir import bundle, singly, validation
from trytond.modules.satusehat_integration.fhir.errors import MappingError

relaxed = settings(
    max_examples=60, deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


def frozen(snapshot):
    built = bundle.build(snapshot, REFERENCES)
    return json.loads(bundle.to_bytes(built.resource)), built.entries


def deliver(platform, sent, entries, known=(), encounter=None):
    """Write until nothing is left to write; return the ids by fullUrl.

    As many rounds as entries are more than ever needed.
    """
    known, refused = dict(known), set()
    for _ in range(len(entries) + 3):
        steps = singly.next_steps(sent, entries, known, refused, encounter)
        if not steps:
            return known, refused
        for step in steps:
            shown = platform.write(step)
            if shown is None:
                refused.add(step.entry.full_url)
                break
            known[step.entry.full_url] = shown['id']
            if step.entry is entries[0]:
                encounter = shown
    raise AssertionError("there is no end to the steps")


@st.composite
def cases(draw):
    "A frozen visit and the fullUrls that the platform refuses."
    sent, entries = frozen(draw(visits()))
    return sent, entries, draw(st.sets(
        st.sampled_from([entry.full_url for entry in entries]), max_size=4))


def without_made_there(resource):
    return {
        key: value for key, value in resource.items()
        if key not in {'id', 'meta'}}


@relaxed
@given(snapshot=visits())
def test_platform_ends_with_what_the_bundle_would_have_stored(snapshot):
    sent, entries = frozen(snapshot)
    platform = Platform()
    known, refused = deliver(platform, sent, entries)
    assert not refused and set(known) == {e.full_url for e in entries}
    stored = platform.by_identifier()
    for entry, row in zip(entries, sent['entry'], strict=True):
        text = json.dumps(row['resource'])
        for other in entries:
            text = text.replace(
                other.full_url,
                f'{other.resource_type}/{known[other.full_url]}')
        assert without_made_there(stored[entry.value]) == json.loads(text)


@relaxed
@given(case=cases())
def test_order_and_requests(case):
    sent, entries, refused = case
    platform = Platform(refused)
    known, learned = deliver(platform, sent, entries)
    first, *others = platform.requests
    assert (first.method, first.path) == ('POST', 'Encounter')
    assert json.loads(first.body)['status'] == 'in-progress'
    posts = [step for step in others if step.method == 'POST']
    puts = [step for step in others if step.method == 'PUT']
    assert others == posts + puts
    if entries[0].full_url in refused:
        assert not others and not known
        return
    # Each entry was tried once, in the Bundle's order
    assert [step.entry for step in posts] == list(entries[1:])
    assert learned == refused
    assert set(known) == {e.full_url for e in entries} - refused
    assert len(puts) <= 1


@relaxed
@given(case=cases())
def test_only_a_visit_with_a_diagnosis_is_finished(case):
    sent, entries, refused = case
    platform = Platform(refused)
    known, _ = deliver(platform, sent, entries)
    if not known:
        assert not platform.stored
        return
    shown = platform.by_identifier()[entries[0].value]
    diagnoses = {
        e.full_url for e in entries if e.model == 'clinic.diagnosis'}
    if diagnoses <= refused:
        assert shown['status'] == 'in-progress'
        assert 'diagnosis' not in shown and 'end' not in shown['period']
    else:
        assert shown['status'] == 'finished'
        assert {
            row['condition']['reference'] for row in shown['diagnosis']} == {
            f'Condition/{known[e.full_url]}' for e in entries
            if e.resource_type == 'Condition' and e.full_url in known}


@relaxed
@given(case=cases(), data=st.data())
def test_what_is_known_is_not_sent_again(case, data):
    "After a crash anywhere the rest follows, and nothing twice."
    sent, entries, refused = case
    platform = Platform(refused)
    whole, _ = deliver(platform, sent, entries)
    if not whole:
        return
    # The platform keeps what it had when the process died after some writes
    count = data.draw(st.integers(0, len(platform.requests)))
    again = Platform(refused)
    known, encounter = {}, None
    for step in platform.requests[:count]:
        shown = again.write(step)
        if shown:
            known[step.entry.full_url] = shown['id']
            if step.entry is entries[0]:
                encounter = shown
    before = len(again.requests)
    deliver(again, sent, entries, known, encounter)
    posted = [
        step.entry.full_url for step in again.requests[before:]
        if step.method == 'POST']
    assert not set(posted) & set(known)
    assert {
        value: without_made_there(resource)['resourceType']
        for value, resource in again.by_identifier().items()} == {
        value: without_made_there(resource)['resourceType']
        for value, resource in platform.by_identifier().items()}
    # The whole is there: one more look finds nothing to do but what is refused
    assert not [
        step for step in singly.next_steps(
            sent, entries, whole, refused,
            platform.by_identifier()[entries[0].value])
        if step.method == 'PUT']


@relaxed
@given(case=cases())
def test_steps_are_determined_by_what_is_known(case):
    sent, entries, refused = case
    untouched = deepcopy(sent)
    known = {}
    for number in range(len(entries) + 2):
        steps = singly.next_steps(sent, entries, known, refused)
        again = singly.next_steps(
            json.loads(json.dumps(sent, sort_keys=True)), list(entries),
            dict(reversed(known.items())), refused)
        assert steps == again
        assert sent == untouched
        for step in steps:
            assert step.if_match is None
            assert step.entry.full_url not in refused
            known.setdefault(step.entry.full_url, f'id-{number}')


@pytest.mark.parametrize('judge', JUDGES)
@relaxed
@given(case=cases())
def test_every_body_is_fhir_r4(judge, case):
    sent, entries, refused = case
    platform = Platform(refused)
    deliver(platform, sent, entries)
    for step in platform.requests:
        resource = json.loads(step.body)
        assert judge(resource) == []
        assert validation.validate_resource(resource) == []


def test_the_unfinished_visit_has_no_end_but_the_arrival_s():
    sent, entries = frozen(visit())
    step, = singly.next_steps(sent, entries, {})
    shown = json.loads(step.body)
    assert shown['period'] == {'start': '2026-11-20T01:00:00+00:00'}
    assert shown['statusHistory'] == [
        {'status': 'arrived', 'period': {
            'start': '2026-11-20T01:00:00+00:00',
            'end': '2026-11-20T01:20:00+00:00'}},
        {'status': 'in-progress', 'period': {
            'start': '2026-11-20T01:20:00+00:00'}}]
    assert shown['location'][0]['period'] == {
        'start': '2026-11-20T01:00:00+00:00'}
    assert shown['location'][0]['extension']
    assert not shown.keys() & {'id', 'diagnosis', 'hospitalization', 'length'}
    assert list(references(shown)) and shown['serviceProvider'] == {
        'reference': 'Organization/10000004'}


def test_a_visit_known_only_by_its_complaint_stays_in_progress():
    sent, entries = frozen(visit())
    known = {
        entry.full_url: f'id{index}' for index, entry in enumerate(entries)
        if entry.model != 'clinic.diagnosis'}
    refused = {
        entry.full_url for entry in entries
        if entry.model == 'clinic.diagnosis'}
    assert entries[1].key == 'chief_complaint'
    assert singly.next_steps(sent, entries, known, refused) == ()


def test_a_finished_visit_with_dangling_diagnoses_is_replaced():
    "As a partly stored Bundle leaves it."
    sent, entries = frozen(visit())
    known = {
        entry.full_url: f'id{index}' for index, entry in enumerate(entries)}
    dangling = {**singly.closed(sent, entries, known), 'diagnosis': [
        {'condition': {'reference': 'Condition/never-stored'}}]}
    step, = singly.next_steps(sent, entries, known, (), dangling)
    assert (step.method, step.path) == ('PUT', 'Encounter/id0')
    assert json.loads(step.body)['id'] == 'id0'
    assert singly.next_steps(
        sent, entries, known, (), json.loads(step.body)) == ()


def test_a_reference_to_nothing_is_never_sent():
    sent, entries = frozen(visit())
    sent['entry'][-1]['resource']['encounter']['reference'] = (
        'urn:uuid:00000000-0000-4000-8000-000000000000')
    with pytest.raises(MappingError):
        singly.next_steps(sent, entries, {entries[0].full_url: 'id0'})
