# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Which entry of a Bundle a refusal is about.

The platform documents no form for that: its store names the entry, its rule
processor only the element's type (SATUSEHAT, list of responses).
"""

import re

from .step import resources

CASCADE = {20012, 20013}
"Rules of entries refused because another was (validation dictionary)."
_POSITION = re.compile(r'Bundle\.entry\[(\d{1,6})\]')
_TYPE = re.compile(r'\b[A-Z][A-Za-z]+\b')
_QUOTED = re.compile(r"'([^']+)'")
_AFTER_COLON = re.compile(r': (\S+) \(Rule')


def refused_entries(issues, bundle):
    """Return {index of the entry: issue} of those certainly at fault.

    `issues` carry `rule`, `text` and `expression` (a tuple of FHIRPath
    texts), in the order of the answer.  Entries that were refused only
    because another one was are not at fault; where several entries could be
    meant none is.
    """
    entries = resources(bundle)
    found = {}
    for issue in causes(issues):
        candidates = _candidates(issue, entries)
        if len(candidates) == 1:
            found.setdefault(candidates[0], issue)
    return found or _aligned(issues, entries)


def causes(issues):
    "Return the issues that do not merely follow from another."
    return [issue for issue in issues if not _follows(issue)]


def _follows(issue):
    return issue.rule in CASCADE or 'due to previous error' in issue.text


def _candidates(issue, entries):
    positions = {
        int(found) for place in issue.expression
        for found in _POSITION.findall(place)}
    if positions:
        return [index for index in positions if index < len(entries)]
    kind = _kind(issue, entries)
    alike = [
        index for index, resource in enumerate(entries)
        if resource['resourceType'] == kind]
    if len(alike) < 2:
        return alike
    named = set(
        _QUOTED.findall(issue.text) or _AFTER_COLON.findall(issue.text))
    return [index for index in alike if named & set(_leaves(entries[index]))]


def _kind(issue, entries):
    # The type named by the expression, else by the words.
    kinds = {resource['resourceType'] for resource in entries}
    words = ' '.join(issue.expression), issue.text
    return next((
        word for text in words for word in _TYPE.findall(text)
        if word in kinds), None)


def _leaves(value):
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [leaf for item in value for leaf in _leaves(item)]
    return [str(value)]


def _aligned(issues, entries):
    # One issue for each entry from the first that failed, or for each at all.
    roots = [
        index for index, issue in enumerate(issues) if not _follows(issue)]
    first = len(entries) - len(issues)
    if len(roots) != 1 or len(issues) < 2 or first < 0 or (
            roots[0] != 0 and first != 0):
        return {}
    if [_kind(issue, entries) for issue in issues] != [
            resource['resourceType'] for resource in entries[first:]]:
        return {}
    return {first + roots[0]: issues[roots[0]]}
