# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"A fault as data: which kind, where it applies and when."

import secrets
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from random import Random

from .facts import ENDPOINTS
from .options import Choice, FaultError, Number, Text
from .registry import kind as kind_of

METHODS = ('GET', 'POST', 'PUT', 'PATCH', 'DELETE')
WHERE = {
    'method': Choice(None, (), METHODS),
    'path': Text(None, pattern='/.*', example='/fhir-r4/v1/Encounter/*'),
    'resource': Text(None, pattern='[A-Z][A-Za-z]*', example='Encounter'),
    'client': Text(None, pattern='.+', example='client-A'),
    'organization': Text(None, pattern='.+', example='10000004'),
    'identifier': Text(None, pattern='.+', example='K-2026-0001'),
    'endpoint': Choice(
        None, (), (*ENDPOINTS.values(), 'any')),
    }
WHEN = {
    'times': Number(None, low=1, high=10**9, whole=True),
    'after': Number(0, high=10**9, whole=True),
    'every': Number(1, low=1, high=10**9, whole=True),
    'probability': Number(1.0, high=1),
    'seed': Number(None, high=2**63, whole=True),
    }


@dataclass
class Fault:
    """A fault that was asked for.

    `where` and `when` hold a value for each name of WHERE and WHEN,
    `options` those of the kind. `seen` counts the requests it fits,
    `applied` those it was applied to.
    """
    number: int
    kind: object
    where: dict
    when: dict
    options: dict
    seen: int = 0
    applied: int = 0
    random: Random = field(default=None, repr=False)

    def __post_init__(self):
        self.random = Random(self.when['seed'])  # noqa: S311

    def fits(self, facts):
        "Say whether the request is one of those the fault is meant for."
        where = self.where
        return (
            self._is_at(facts)
            and where['method'] in {None, facts.method}
            and where['resource'] in {None, facts.resource}
            and where['client'] in {None, facts.client}
            and where['organization'] in {None, facts.organization}
            and (where['identifier'] is None
                or where['identifier'] in facts.identifiers)
            and self.kind.suits(facts))

    def _is_at(self, facts):
        path, endpoint = self.where['path'], self.where['endpoint']
        if path is not None and not fnmatchcase(facts.path, path):
            return False
        return endpoint in {'any', facts.endpoint}

    def due(self):
        "Count a request that fits; say whether its turn has come."
        self.seen += 1
        when, turn = self.when, self.seen - self.when['after'] - 1
        if turn < 0 or turn % when['every']:
            return False
        if when['times'] is not None and self.applied >= when['times']:
            return False
        chance = when['probability']
        return chance == 1 or self.random.random() < chance

    def as_dict(self):
        return {
            'id': self.number, 'fault': self.kind.name,
            **{name: value for name, value in self.where.items() if value},
            **self.when, **self.options,
            'seen': self.seen, 'applied': self.applied}


def make(number, name, given):
    """Return the Fault of a kind's name and its options (a flat dict).

    Raises FaultError.
    """
    kind = kind_of(name)
    rest = dict(given)
    where = _take(WHERE, rest)
    when = _take(WHEN, rest)
    if when['seed'] is None:
        when['seed'] = secrets.randbits(31)
    if where['endpoint'] is None:
        where['endpoint'] = _endpoint(kind, where['path'])
    if where['endpoint'] not in kind.endpoints:
        raise FaultError('%s is no fault of the endpoint %s, but of: %s' % (
            name, where['endpoint'], ', '.join(kind.endpoints)))
    return Fault(number, kind, where, when, kind.read(rest))


def _endpoint(kind, path):
    return 'any' if path and 'any' in kind.endpoints else kind.endpoints[0]


def _take(options, given):
    "Take the values of `options` out of `given`."
    taken = {}
    for name, option in options.items():
        value = given.pop(name, None)
        taken[name] = (
            option.default if value is None else option.read(name, value))
    return taken


def parse(text):
    """Return (name, options) of 'name:option=value,option=value'.

    Raises FaultError.
    """
    name, _, rest = text.partition(':')
    pairs = [pair.partition('=') for pair in rest.split(',') if pair]
    for key, equals, _ in pairs:
        if not equals:
            raise FaultError(f'{key!r} of the fault {name} has no value')
    return name.strip(), {
        key.strip(): value.strip() for key, _, value in pairs}


def written(name, options):
    "Return a fault the way `parse` reads it."
    pairs = ','.join(
        f'{key}={str(value).lower() if isinstance(value, bool) else value}'
        for key, value in options.items() if value is not None)
    return f'{name}:{pairs}' if pairs else name
