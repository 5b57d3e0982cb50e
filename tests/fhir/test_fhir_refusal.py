# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"What cannot be mapped is refused by name, whatever is wrong."

import pytest
from fhir_visits import references, visit
from hypothesis import given
from hypothesis import strategies as st

from trytond.modules.satusehat_integration.fhir import bundle, location, organization
from trytond.modules.satusehat_integration.fhir.errors import REASONS, MappingError

UID = visit()['encounter']['uid']
NAIVE = '2026-11-20T01:00:00'
LATE = '2026-11-20T09:00:00+00:00'


def refused(snapshot, numbers=None):
    with pytest.raises(MappingError) as caught:
        bundle.build(snapshot, references() if numbers is None else numbers)
    return caught.value.field, caught.value.reason


@pytest.mark.parametrize('changes, field, reason', [
    ({'schema': 2}, 'schema', 'unknown_value'),
    ({'encounter': None}, 'encounter', 'missing'),
    ({'encounter': []}, 'encounter', 'wrong_type'),
    ({'encounter__uid': None}, 'encounter.uid', 'missing'),
    ({'encounter__uid': 'RJ-1'}, 'encounter.uid', 'invalid_uid'),
    ({'encounter__uid': UID.upper()}, 'encounter.uid', 'invalid_uid'),
    ({'encounter__class': 'IMP'}, 'encounter.class', 'unknown_value'),
    ({'encounter__class': None}, 'encounter.class', 'missing'),
    ({'encounter__arrived_at': NAIVE}, 'encounter.arrived_at', 'not_utc'),
    ({'encounter__arrived_at': '2026-11-20T08:00:00+07:00'},
        'encounter.arrived_at', 'not_utc'),
    ({'encounter__arrived_at': '2026-02-30T01:00:00+00:00'},
        'encounter.arrived_at', 'not_utc'),
    ({'encounter__arrived_at': '2026-11-20T01:00:00.5+00:00'},
        'encounter.arrived_at', 'not_utc'),
    ({'encounter__arrived_at': '2026-11-20'},
        'encounter.arrived_at', 'not_utc'),
    ({'encounter__arrived_at': '٢٠٢٦-11-20T01:00:00+00:00'},
        'encounter.arrived_at', 'not_utc'),
    ({'encounter__started_at': LATE}, 'encounter.started_at', 'not_in_order'),
    ({'encounter__finished_at': LATE},
        'encounter.finished_at', 'not_in_order'),
    ({'encounter__finished_at': None}, 'encounter.finished_at', 'missing'),
    ({'encounter__status_history': []},
        'encounter.status_history', 'unknown_value'),
    ({'encounter__status_history__0__status': 'planned'},
        'encounter.status_history[0].status', 'unknown_value'),
    ({'encounter__status_history__1__start': LATE},
        'encounter.status_history[1].start', 'not_in_order'),
    ({'encounter__status_history__2__end': '2026-11-20T02:59:59+00:00'},
        'encounter.status_history[2].end', 'not_in_order'),
    ({'encounter__status_history__1__end': None},
        'encounter.status_history[1].end', 'missing'),
    ({'encounter__discharge_disposition': None},
        'encounter.discharge_disposition', 'missing'),
    ({'encounter__discharge_disposition': 'hosp'},
        'encounter.discharge_disposition', 'unknown_value'),
    ({'encounter__discharge_note': 7},
        'encounter.discharge_note', 'wrong_type'),
    ({'encounter__discharge_note': 'x' * (1024 * 1024 + 1)},
        'encounter.discharge_note', 'too_long'),
    ({'patient': None}, 'patient', 'missing'),
    ({'patient__name': ["Siti"]}, 'patient.name', 'wrong_type'),
    ({'practitioner': None}, 'practitioner', 'missing'),
    ({'practitioner__record': None}, 'practitioner.record', 'missing'),
    ({'practitioner__record': 99}, 'practitioner', 'no_number'),
    ({'unit': None}, 'unit', 'missing'),
    ({'unit__kind': None}, 'unit.kind', 'missing'),
    ({'room': None}, 'room', 'missing'),
    ({'chief_complaint__recorded_at': None},
        'chief_complaint.recorded_at', 'missing'),
    ({'chief_complaint__code': 'R50'}, 'chief_complaint.code', 'wrong_type'),
    ({'chief_complaint__code__code': ''},
        'chief_complaint.code.code', 'missing'),
    ({'chief_complaint__code__display': None},
        'chief_complaint.code.display', 'missing'),
    ({'diagnoses': None}, 'diagnoses', 'missing'),
    ({'diagnoses': []}, 'diagnoses', 'missing'),
    ({'diagnoses': {}}, 'diagnoses', 'wrong_type'),
    ({'diagnoses__0': None}, 'diagnoses[0]', 'missing'),
    ({'diagnoses__1__rank': 3}, 'diagnoses', 'no_primary'),
    ({'diagnoses__0__rank': 1}, 'diagnoses', 'no_primary'),
    ({'diagnoses__0__rank': 0}, 'diagnoses[0].rank', 'out_of_range'),
    ({'diagnoses__0__rank': 2 ** 31}, 'diagnoses[0].rank', 'out_of_range'),
    ({'diagnoses__0__rank': True}, 'diagnoses[0].rank', 'wrong_type'),
    ({'diagnoses__0__rank': None}, 'diagnoses[0].rank', 'missing'),
    ({'diagnoses__0__code': 'J  00'}, 'diagnoses[0].code', 'invalid_code'),
    ({'diagnoses__0__code': 'J\n00'}, 'diagnoses[0].code', 'invalid_code'),
    ({'diagnoses__0__code': ' '}, 'diagnoses[0].code', 'missing'),
    ({'diagnoses__0__display': '\x00'}, 'diagnoses[0].display', 'missing'),
    ({'diagnoses__0__uid': visit()['diagnoses'][1]['uid']},
        'diagnoses.uid', 'repeated'),
    ({'vital_signs': None}, 'vital_signs', 'missing'),
    ({'vital_signs__0__values': None}, 'vital_signs[0].values', 'missing'),
    ({'vital_signs__0__values__pain': 3},
        'vital_signs[0].values.pain', 'unknown_value'),
    ({'vital_signs__0__values__systolic': None},
        'vital_signs[0].values.systolic', 'missing'),
    ({'vital_signs__0__values__systolic': '120'},
        'vital_signs[0].values.systolic', 'wrong_type'),
    ({'vital_signs__0__values__systolic': True},
        'vital_signs[0].values.systolic', 'wrong_type'),
    ({'vital_signs__0__values__weight': float('nan')},
        'vital_signs[0].values.weight', 'out_of_range'),
    ({'vital_signs__0__values__weight': float('inf')},
        'vital_signs[0].values.weight', 'out_of_range'),
    ({'vital_signs__0__values__weight': -1},
        'vital_signs[0].values.weight', 'out_of_range'),
    ({'vital_signs__0__values__weight': 10 ** 400},
        'vital_signs[0].values.weight', 'out_of_range'),
    ({'vital_signs__0__measured_at': NAIVE},
        'vital_signs[0].measured_at', 'not_utc'),
    ({'vital_signs__0__performer': 12},
        'vital_signs[0].performer', 'wrong_type'),
    ])
def test_snapshot(changes, field, reason):
    assert refused(visit(**changes)) == (field, reason)


@pytest.mark.parametrize('changes, field, reason', [
    ({'organization': None}, 'organization', 'no_number'),
    ({'organization': ''}, 'organization', 'no_number'),
    ({'organization': 10000004}, 'organization', 'invalid_id'),
    ({'organization': '1000/4'}, 'organization', 'invalid_id'),
    ({'patient': None}, 'patient', 'no_number'),
    ({'patient': 'P 1'}, 'patient', 'invalid_id'),
    ({'location': None}, 'room', 'no_number'),
    ({'practitioners': None}, 'references.practitioners', 'missing'),
    ({'practitioners': {}}, 'practitioner', 'no_number'),
    ({'practitioners': {11: ''}}, 'practitioner', 'no_number'),
    ({'practitioners': {11: 'x y'}}, 'practitioner', 'invalid_id'),
    ({'practitioners': {11: '1', 12: 'x y'}},
        'vital_signs[0].performer', 'invalid_id'),
    ])
def test_references(changes, field, reason):
    assert refused(visit(), references(**changes)) == (field, reason)


@pytest.mark.parametrize('snapshot', [None, [], 'visit', 7])
def test_not_a_snapshot(snapshot):
    assert refused(snapshot)[0] == 'snapshot'


@pytest.mark.parametrize('numbers', [[], 'x'])
def test_not_references(numbers):
    assert refused(visit(), numbers) == ('references', 'wrong_type')


@pytest.mark.parametrize('build', [organization.build, location.build])
def test_unit_and_room(build):
    for data in (None, {}, {'uid': UID, 'code': 'A', 'name': ' '}):
        with pytest.raises(MappingError):
            build(data, '10000004')
    with pytest.raises(MappingError):
        build({'uid': UID, 'code': 'A', 'name': "A"}, None)
    with pytest.raises(MappingError):
        build({'uid': UID, 'code': 'A', 'name': "A"}, '1/2')


@pytest.mark.parametrize('value', [
    {'a': float('nan')}, {'a': '\ud800'}, {'a': object()}])
def test_bytes_of_what_is_not_json(value):
    with pytest.raises(MappingError) as caught:
        bundle.to_bytes(value)
    assert caught.value.reason == 'not_json'


def test_message_names_the_field_and_not_the_value():
    with pytest.raises(MappingError) as caught:
        bundle.build(visit(patient__name=["Rahasia"]), references())
    assert str(caught.value) == "patient.name has the wrong type"
    assert "Rahasia" not in str(caught.value)


def _paths(value, path=()):
    if path:
        yield path
    items = (
        value.items() if isinstance(value, dict)
        else enumerate(value) if isinstance(value, list) else ())
    for key, child in items:
        yield from _paths(child, (*path, key))


_junk = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5),
    st.just([]), st.just({}), st.just([None]), st.just({'record': {}}))


@given(st.sampled_from(list(_paths(visit()))), _junk, st.booleans())
def test_damage_anywhere_is_mapped_or_named(path, junk, remove):
    snapshot = visit()
    *parents, last = path
    place = snapshot
    for part in parents:
        place = place[part]
    if remove:
        del place[last]
    else:
        place[last] = junk
    try:
        built = bundle.build(snapshot, references())
    except MappingError as error:
        assert error.field and error.reason in REASONS
    else:
        bundle.to_bytes(built.resource)


@given(
    st.sampled_from(list(_paths(references()))), _junk)
def test_damaged_references_are_mapped_or_named(path, junk):
    numbers = references()
    *parents, last = path
    place = numbers
    for part in parents:
        place = place[part]
    place[last] = junk
    try:
        bundle.to_bytes(bundle.build(visit(), numbers).resource)
    except MappingError as error:
        assert error.field and error.reason in REASONS
