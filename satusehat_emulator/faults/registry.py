# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The table of faults: each kind is a function with what belongs to it.

A kind *replaces* the answer (its option `stored` says whether the request
is carried out all the same), *alters* the answer of a request that has been
carried out, or *prepares* something before it is carried out.
"""

from collections.abc import Callable
from dataclasses import dataclass

from .facts import ALL, FHIR, TOKEN
from .options import FaultError

KINDS = {}


@dataclass(frozen=True)
class Kind:
    """One kind of fault.

    `act` takes the Job and the answer so far (None before the request is
    carried out) and returns the answer to send; None means that there was
    nothing to do. `suits` says of the Facts of a request whether the fault
    makes sense for it. `endpoints` are where it may happen, the first one
    where it happens unless told else. `gateway`: before the access token is
    looked at. `adds`: may come together with another fault. `lasting`: a
    client gets over it only with the help of a person, so the random mode
    leaves it out unless asked.
    """
    name: str
    text: str
    act: Callable
    mode: str
    options: dict
    endpoints: tuple
    suits: Callable
    gateway: bool
    adds: bool
    lasting: bool

    def read(self, given):
        "Return all options with their values; raises FaultError."
        unknown = sorted(given.keys() - self.options.keys())
        if unknown:
            raise FaultError('%s has no option %s; it has: %s' % (
                self.name, ', '.join(unknown),
                ', '.join(self.options) or 'none'))
        return {
            name: option.read(name, given[name])
            if name in given else option.default
            for name, option in self.options.items()}

    def draw(self, random):
        "Return options for the random mode."
        return {
            name: random.choice(option.drawn)
            if option.drawn else option.default
            for name, option in self.options.items()}

    def as_dict(self):
        return {
            'fault': self.name, 'text': self.text,
            'endpoints': list(self.endpoints),
            'options': {
                name: option.default
                for name, option in self.options.items()},
            'lasting': self.lasting}


def anything(facts):
    return True


def fault(
        mode, text, /, endpoints=(FHIR, *ALL), suits=anything, gateway=False,
        adds=False, lasting=False, **options):
    "Enter the decorated function as the fault of its name."
    def enter(act):
        KINDS[act.__name__] = Kind(
            act.__name__, text, act, mode, options, endpoints, suits,
            gateway, adds, lasting)
        return act
    return enter


def replaces(text, /, **how):
    return fault('replace', text, **how)


def alters(text, /, **how):
    return fault('alter', text, **how)


def prepares(text, /, **how):
    return fault('prepare', text, **how)


def token_only(**how):
    "Return the arguments of a fault of the token endpoint."
    return {'endpoints': (TOKEN,), 'gateway': True, **how}


def kind(name):
    "Return the Kind of a name; raises FaultError."
    try:
        return KINDS[name]
    except (KeyError, TypeError):
        raise FaultError('there is no fault %r; there are: %s' % (
            name, ', '.join(sorted(KINDS)))) from None
