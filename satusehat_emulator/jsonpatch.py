# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"JSON Patch (RFC 6902) on JSON pointers (RFC 6901)."

from copy import deepcopy


class PatchError(ValueError):
    "The patch is malformed or does not fit the document."


class TestFailed(PatchError):
    "A `test` operation did not hold."
    __test__ = False


def apply_patch(document, operations):
    """Return a new document: `document` after all `operations`.

    `operations` is the list of a JSON Patch. Raises PatchError when it is
    no patch or does not apply, TestFailed when a test does not hold; the
    document given is never changed.
    """
    if not isinstance(operations, list):
        raise PatchError('a patch is a list of operations')
    document = deepcopy(document)
    for operation in operations:
        document = _apply(document, operation)
    return document


def _apply(document, operation):
    name = operation.get('op') if isinstance(operation, dict) else None
    if not isinstance(name, str) or name not in OPERATIONS:
        raise PatchError('unknown operation')
    tokens = parse_pointer(operation.get('path'))
    return OPERATIONS[name](document, tokens, operation)


def parse_pointer(pointer):
    "Return the reference tokens of a JSON pointer; raises PatchError."
    if not isinstance(pointer, str) or (pointer and pointer[0] != '/'):
        raise PatchError('not a JSON pointer')
    return [
        token.replace('~1', '/').replace('~0', '~')
        for token in pointer.split('/')[1:]]


def _value(operation):
    if 'value' not in operation:
        raise PatchError('the operation has no value')
    return deepcopy(operation['value'])


def _get(document, tokens):
    for token in tokens:
        document = _child(document, token)
    return document


def _child(container, token):
    if isinstance(container, dict):
        if token not in container:
            raise PatchError(f'no such member: {token}')
        return container[token]
    if isinstance(container, list):
        return container[_index(token, len(container) - 1)]
    raise PatchError(f'nothing below: {token}')


def _index(token, last):
    if not (token.isascii() and token.isdigit()) or (
            len(token) > 1 and token[0] == '0'):
        raise PatchError(f'not an index: {token}')
    if int(token) > last:
        raise PatchError(f'index out of range: {token}')
    return int(token)


def _add(document, tokens, operation):
    return _put(document, tokens, _value(operation))


def _put(document, tokens, value):
    if not tokens:
        return value
    parent, token = _get(document, tokens[:-1]), tokens[-1]
    if isinstance(parent, dict):
        parent[token] = value
    elif isinstance(parent, list):
        index = len(parent) if token == '-' else _index(token, len(parent))  # noqa: S105
        parent.insert(index, value)
    else:
        raise PatchError(f'nothing below: {token}')
    return document


def _remove(document, tokens, operation=None):
    if not tokens:
        raise PatchError('the whole document cannot be removed')
    parent, token = _get(document, tokens[:-1]), tokens[-1]
    _child(parent, token)
    del parent[token if isinstance(parent, dict) else int(token)]
    return document


def _replace(document, tokens, operation):
    value = _value(operation)
    if not tokens:
        return value
    parent, token = _get(document, tokens[:-1]), tokens[-1]
    _child(parent, token)
    parent[token if isinstance(parent, dict) else int(token)] = value
    return document


def _test(document, tokens, operation):
    if not same_json(_get(document, tokens), _value(operation)):
        raise TestFailed(f'test failed: {operation["path"]}')
    return document


def _move(document, tokens, operation):
    source = parse_pointer(operation.get('from'))
    if tokens[:len(source)] == source and len(tokens) > len(source):
        raise PatchError('a value cannot be moved into itself')
    value = _get(document, source)
    return _put(_remove(document, source), tokens, value)


def _copy(document, tokens, operation):
    value = _get(document, parse_pointer(operation.get('from')))
    return _put(document, tokens, deepcopy(value))


def same_json(a, b):
    "Say whether two JSON values are equal; true is not 1."
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same_json(a[k], b[k]) for k in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same_json, a, b))
    return isinstance(a, bool) == isinstance(b, bool) and a == b


OPERATIONS = {
    'add': _add, 'remove': _remove, 'replace': _replace,
    'test': _test, 'move': _move, 'copy': _copy,
    }
