# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""A Bundle's entries one by one.

For what a transaction can not bring: one refused entry refuses all of it, and
the platform may have kept some entries of a transaction it refused.  Encounter
and Conditions refer to each other, so the visit is first written as still in
progress, then its entries, then the visit once more as finished (SATUSEHAT,
playbook for outpatient care, order of the requests; step 27).
"""

from .datatypes import concept
from .encounter import DISCHARGE
from .step import create, holds, replace, resolve, resources

IN_PROGRESS = 'in-progress'
_OF_FINISHED = {'diagnosis', 'hospitalization', 'length'}


def next_steps(bundle, entries, known, refused=(), encounter=None):
    """Return the Steps that can be made now, in order; in the end none.

    `bundle` is the frozen Bundle as dictionary, `entries` its Entry list,
    `known` the ids by `fullUrl`, `refused` the `fullUrl`s that the platform
    does not take, `encounter` the visit as the platform last showed it.
    To be asked again with the new ids once the Steps are made.  Raises
    MappingError.
    """
    visit = entries[0]
    if visit.full_url not in known:
        if visit.full_url in refused:
            return ()
        return (create(visit, opened(resources(bundle)[0])),)
    missing = tuple(
        create(entry, resolve(resource, entries, known))
        for entry, resource in list(
            zip(entries, resources(bundle), strict=True))[1:]
        if entry.full_url not in known and entry.full_url not in refused)
    return missing or _closing(bundle, entries, known, refused, encounter)


def _closing(bundle, entries, known, refused, encounter):
    visit = entries[0]
    resource = closed(bundle, entries, known)
    if resource is None or visit.full_url in refused:
        return ()
    if encounter is not None and holds(encounter, resource):
        return ()
    return (replace(visit, resource),)


def opened(encounter):
    """Return a finished Encounter as it was before the patient left.

    Without diagnosis, which is needed of a finished visit only, and without
    any end but that of the arrival (SATUSEHAT, validation dictionary, rules
    10122 and 10457).  `period.start` is that of the finished visit: it must
    not change later.
    """
    history = encounter['statusHistory']
    now = next(
        index for index, row in enumerate(history)
        if row['status'] == IN_PROGRESS)
    return {
        **{key: value for key, value in encounter.items()
            if key not in _OF_FINISHED},
        'status': IN_PROGRESS,
        'statusHistory': [*history[:now], _begun(history[now])],
        'period': _begun(encounter)['period'],
        'location': [_begun(row) for row in encounter['location']],
        }


def _begun(row):
    return {**row, 'period': {'start': row['period']['start']}}


def closed(bundle, entries, known):
    """Return the finished Encounter with the diagnoses that are stored.

    None while there is no discharge diagnosis among them: the platform takes
    no finished visit without diagnosis (SATUSEHAT, validation dictionary, rule
    10457), and a visit known by its complaint alone is not a finished one.
    """
    encounter = resources(bundle)[0]
    encounter = {
        **encounter, 'diagnosis': stored_diagnoses(encounter, known)}
    if not is_diagnosed(encounter):
        return None
    return identified(encounter, entries[0], entries, known)


def stored_diagnoses(encounter, known):
    "Return those rows of Encounter.diagnosis whose Condition is stored."
    return [
        row for row in encounter['diagnosis']
        if row['condition']['reference'] in known]


def is_diagnosed(encounter):
    "Tell whether an Encounter has a discharge diagnosis."
    return any(
        row['use'] == concept(*DISCHARGE)
        for row in encounter.get('diagnosis', []))


def identified(resource, entry, entries, known):
    "Return a resource as a PUT needs it: with its id, references resolved."
    return {
        **resolve(resource, entries, known), 'id': known[entry.full_url]}
