# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"The random mode: a fault now and then, of a kind that makes sense."

from .facts import ENDPOINTS
from .options import FaultError, Option
from .registry import KINDS, fault


class Kinds(Option):
    "passing, all, or names of faults joined by +."

    def read(self, name, value):
        text = '+'.join(value) if isinstance(value, list) else str(value)
        if text in {'passing', 'all'}:
            return text
        unknown = [
            part for part in text.split('+')
            if part not in KINDS or part == 'random']
        if unknown:
            raise FaultError(
                f"{name} must be 'passing', 'all' or faults joined by +; "
                f'there is no fault {unknown[0]!r}')
        return text


@fault(
    'choose', "any fault that makes sense for the request",
    endpoints=('any', *ENDPOINTS.values()),
    kinds=Kinds('passing'))
def random(fault, facts):
    """Return (kind, options) for a request, None if no kind suits it.

    Taken from the fault's own source, so that the same seed and the same
    requests give the same faults.
    """
    wanted = fault.options['kinds']
    suited = [
        kind for _, kind in sorted(KINDS.items())
        if _is_wanted(kind, wanted) and _is_possible(kind, facts)]
    if not suited:
        return None
    kind = fault.random.choice(suited)
    return kind, kind.draw(fault.random)


def _is_wanted(kind, wanted):
    if kind.name == 'random':
        return False
    if wanted in {'passing', 'all'}:
        return wanted == 'all' or not kind.lasting
    return kind.name in wanted.split('+')


def _is_possible(kind, facts):
    return (
        ('any' in kind.endpoints or facts.endpoint in kind.endpoints)
        and kind.suits(facts))
