# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"PATCH of stored resources, and what the platform is particular about."

from . import write
from .jsonpatch import PatchError, apply_patch, parse_pointer
from .outcome import Issue, numbered, refused_by_rules, refused_by_store

MEDIA_TYPE = 'application/json-patch+json'


def patch(service, type_, id_, operations, if_match=None):
    "Apply a JSON Patch to a stored resource; return it as stored."
    with service.store.transaction():
        row = write.existing(service, type_, id_)
        refuse_paths(type_, operations)
        patched = patched_body(row.body, operations)
        if patched.get('id') != id_ or patched.get('resourceType') != type_:
            raise refused_by_store(
                'resource_mismatch', 'id and resourceType cannot be patched')
        write.check(service, patched)
        write.check_version(row, if_match)
        return write.store_again(service, row, patched)


def patched_body(body, operations):
    "Return the patched resource; raises Refusal."
    try:
        patched = apply_patch(body, operations)
    except PatchError as error:
        raise refused_by_store('invalid_patch', str(error)) from error
    if not isinstance(patched, dict):
        raise refused_by_store('invalid_patch', 'not a resource any more')
    return patched


def paths(operations):
    "Return the reference tokens of each operation's path; raises Refusal."
    if not isinstance(operations, list) or not all(
            isinstance(operation, dict) for operation in operations):
        raise refused_by_store('invalid_patch', 'not a list of operations')
    try:
        return [
            parse_pointer(operation.get('path'))
            for operation in operations]
    except PatchError as error:
        raise refused_by_store('invalid_patch', str(error)) from error


def refuse_paths(type_, operations):
    """Refuse patches the platform does not take.

    A Location's operationalStatus is patched as a whole (rule 10171); an
    EpisodeOfCare's patch must also name the patient.
    """
    found = paths(operations)
    if type_ == 'Location':
        issues = [
            Issue('value', numbered(
                'Use /operationalStatus instead of /'
                + '/'.join(tokens) + ' to patch Location', 10171),
                'Location.operationalStatus')
            for tokens in found
            if tokens[:1] == ['operationalStatus'] and len(tokens) > 1]
        if issues:
            raise refused_by_rules(issues)
    if type_ == 'EpisodeOfCare' and ['patient'] not in found:
        raise refused_by_rules([Issue(
            'value',
            "EpisodeOfCare.status :: patient reference can't be empty",
            'EpisodeOfCare.patient')])
