# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What brings a delivered visit from one version to the next.

Each resource that exists is replaced by a PUT to its id, each new one created.
Nothing can be deleted on the platform: what is no longer recorded is marked
as entered in error (SATUSEHAT, API catalogue, PUT of Encounter, Condition and
Observation; value sets of FHIR R4 4.0.1).
"""

from dataclasses import dataclass

from . import systems
from .datatypes import concept
from .singly import identified, is_diagnosed, stored_diagnoses
from .step import create, replace, resolve, resources

IN_ERROR = 'entered-in-error'
UNVERIFIED = (
    systems.CONDITION_VERIFICATION, IN_ERROR, "Entered in Error")


@dataclass(frozen=True)
class Version:
    """A version of a visit: its Bundle as dictionary and the Entry list.

    `is_certain` tells whether the platform is known to hold it as a whole.
    """

    bundle: dict
    entries: tuple
    is_certain: bool = True

    def pairs(self):
        "Return (Entry, resource) in the order of the Bundle."
        return list(zip(self.entries, resources(self.bundle), strict=True))

    def stored(self, known):
        """Return {fullUrl: resource as stored} for what is known.

        Diagnoses that are not stored are left out of the Encounter.
        """
        return {
            entry.full_url: identified(
                _diagnosed(resource, known), entry, self.entries, known)
            for entry, resource in self.pairs() if entry.full_url in known}


def merged(versions, is_certain):
    """Return what the platform may hold after several Versions as one.

    Of each resource the content of the last Version that has it.
    """
    pairs = {
        entry.full_url: pair for version in versions
        for entry, pair in zip(version.entries, version.pairs(), strict=True)}
    return Version(
        {'entry': [{'resource': resource} for _, resource in pairs.values()]},
        tuple(entry for entry, _ in pairs.values()), is_certain)


def next_steps(before, after, known, refused=(), done=()):
    """Return the Steps from one Version to the next that can be made now.

    First what is new; asked again with the new ids, everything that changed,
    the visit after its entries; last what is gone, which the visit no longer
    refers to then.  Where no discharge diagnosis would be left, the visit and
    what it refers to stay as they were.  `known` holds the ids of both
    versions, the visit's among them; `refused` the `fullUrl`s that the
    platform does not take, to be asked without after each refusal; `done`
    those that it is known to hold as they are in the next version.  Raises
    MappingError.
    """
    settled = {*refused, *done}
    if steps := _new(after, known, settled):
        return steps
    steps = _changed(before, after, known)
    if after.entries[0].full_url not in refused:
        steps += _gone(before, after, known)
    return tuple(
        step for step in steps if step.entry.full_url not in settled)


def retraction(before, known):
    """Return the Steps that mark a visit and all of it as entered in error.

    The visit first; what never reached the platform needs nothing.
    """
    visit = before.entries[0]
    if visit.full_url not in known:
        return ()
    stored = before.stored(known)
    return tuple(
        replace(
            entry, in_error(stored[entry.full_url]),
            _believed(entry, before, stored))
        for entry in before.entries if entry.full_url in known)


def in_error(resource):
    """Return a resource marked as entered in error.

    A Condition then has no clinical status (FHIR R4, Condition, con-5).
    """
    if resource['resourceType'] != 'Condition':
        return {**resource, 'status': IN_ERROR}
    return {
        **{key: value for key, value in resource.items()
            if key != 'clinicalStatus'},
        'verificationStatus': concept(*UNVERIFIED),
        }


def _diagnosed(resource, known):
    if resource['resourceType'] != 'Encounter':
        return resource
    rows = stored_diagnoses(resource, known)
    # An empty list is no FHIR
    return {
        **{key: value for key, value in resource.items()
            if key != 'diagnosis'},
        **({'diagnosis': rows} if rows else {}),
        }


def _new(after, known, settled):
    return tuple(
        create(entry, resolve(resource, after.entries, known))
        for entry, resource in after.pairs()
        if entry.full_url not in known and entry.full_url not in settled)


def _changed(before, after, known):
    old, new = before.stored(known), after.stored(known)
    visit, *others = after.entries
    return tuple(
        replace(entry, new[entry.full_url], _believed(entry, before, old))
        for entry in (*others, visit)
        if entry.full_url in new
        and not (
            before.is_certain
            and new[entry.full_url] == old.get(entry.full_url))
        and (entry is not visit or is_diagnosed(new[visit.full_url])))


def _gone(before, after, known):
    new = after.stored(known)
    if not is_diagnosed(new[after.entries[0].full_url]):
        return ()
    kept = {entry.full_url for entry in after.entries}
    old = before.stored(known)
    return tuple(
        replace(
            entry, in_error(old[entry.full_url]),
            _believed(entry, before, old))
        for entry in before.entries
        if entry.full_url in old and entry.full_url not in kept)


def _believed(entry, before, old):
    if not before.is_certain or entry.full_url not in old:
        return ()
    return (old[entry.full_url],)
