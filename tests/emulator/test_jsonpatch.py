# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"JSON Patch: examples of RFC 6902 and properties."

from copy import deepcopy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from satusehat_emulator.jsonpatch import (
    PatchError, TestFailed, apply_patch, parse_pointer, same_json)

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(st.text(max_size=4), inner, max_size=4), max_leaves=12)
DOCUMENTS = st.dictionaries(st.text(max_size=4), VALUES, max_size=5)


def pointer(tokens):
    return ''.join(
        '/' + str(t).replace('~', '~0').replace('/', '~1') for t in tokens)


def locations(value, tokens=()):
    "Yield the tokens of every place in a JSON value below the root."
    items = (
        value.items() if isinstance(value, dict)
        else enumerate(value) if isinstance(value, list) else ())
    for key, child in items:
        yield (*tokens, key)
        yield from locations(child, (*tokens, key))


@pytest.mark.parametrize('document, operation, expected', [
    ({'a': [1, 3]}, {'op': 'add', 'path': '/a/1', 'value': 2},
        {'a': [1, 2, 3]}),
    ({'a': [1]}, {'op': 'add', 'path': '/a/-', 'value': 2}, {'a': [1, 2]}),
    ({'a': 1}, {'op': 'add', 'path': '/b', 'value': None},
        {'a': 1, 'b': None}),
    ({'a': {'b': 1}}, {'op': 'remove', 'path': '/a/b'}, {'a': {}}),
    ({'a': [1, 2]}, {'op': 'replace', 'path': '/a/0', 'value': 9},
        {'a': [9, 2]}),
    ({'a/b': 1, 'm~n': 2}, {'op': 'replace', 'path': '/m~0n', 'value': 3},
        {'a/b': 1, 'm~n': 3}),
    ({'a': 1}, {'op': 'move', 'from': '/a', 'path': '/b'}, {'b': 1}),
    ({'a': [1]}, {'op': 'copy', 'from': '/a', 'path': '/b'},
        {'a': [1], 'b': [1]}),
    ({'a': 1}, {'op': 'test', 'path': '/a', 'value': 1}, {'a': 1})])
def test_operations(document, operation, expected):
    assert apply_patch(document, [operation]) == expected


@pytest.mark.parametrize('operation', [
    {'op': 'add', 'path': '/a/9', 'value': 1},
    {'op': 'add', 'path': '/a/01', 'value': 1},
    {'op': 'add', 'path': 'a', 'value': 1}, {'op': 'add', 'path': '/b'},
    {'op': 'remove', 'path': '/a/-'}, {'op': 'remove', 'path': '/b'},
    {'op': 'remove', 'path': ''}, {'op': 'replace', 'path': '/b', 'value': 1},
    {'op': 'test', 'path': '/a/0', 'value': True},
    {'op': 'move', 'from': '/a', 'path': '/a/0'},
    {'op': 'copy', 'path': '/c'}, {'op': 'merge', 'path': '/a'},
    {'path': '/a'}, 'add', None])
def test_refused_operations(operation):
    document = {'a': [1]}
    with pytest.raises(PatchError):
        apply_patch(document, [operation])
    assert document == {'a': [1]}


@given(DOCUMENTS, VALUES, st.data())
def test_replace_then_test_then_back(document, value, data):
    before = deepcopy(document)
    places = list(locations(document))
    if not places:
        return
    path = pointer(data.draw(st.sampled_from(places)))
    changed = apply_patch(
        document, [{'op': 'replace', 'path': path, 'value': value}])
    assert same_json(document, before)
    apply_patch(changed, [{'op': 'test', 'path': path, 'value': value}])
    old = document
    for token in parse_pointer(path):
        old = old[int(token)] if isinstance(old, list) else old[token]
    back = apply_patch(
        changed, [{'op': 'replace', 'path': path, 'value': old}])
    assert same_json(back, before)
    if not same_json(old, value):
        with pytest.raises(TestFailed):
            apply_patch(
                document, [{'op': 'test', 'path': path, 'value': value}])


@given(DOCUMENTS, st.text(max_size=4), VALUES)
def test_add_then_remove(document, name, value):
    if name in document:
        return
    path = pointer([name])
    changed = apply_patch(
        document, [{'op': 'add', 'path': path, 'value': value}])
    assert same_json(changed[name], value)
    assert same_json(
        apply_patch(changed, [{'op': 'remove', 'path': path}]), document)


@given(DOCUMENTS, VALUES)
def test_any_patch_applies_or_is_refused(document, patch):
    before = deepcopy(document)
    try:
        apply_patch(document, patch)
    except PatchError:
        pass
    assert same_json(document, before)


@given(st.lists(st.text(max_size=5), max_size=5))
def test_pointers_are_read_back(tokens):
    assert parse_pointer(pointer(tokens)) == tokens
