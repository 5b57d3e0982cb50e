# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"The options of a fault: what values they take, from JSON or as text."

import math
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

LOOPBACK = re.compile(r'localhost|127\.\d+\.\d+\.\d+|::1')


class FaultError(ValueError):
    "A fault that cannot be: what was asked for makes no sense."


@dataclass(frozen=True)
class Option:
    """One option of a fault.

    `drawn` are the values the random mode chooses from; without any it
    keeps the default.
    """
    default: object
    drawn: tuple = ()

    def read(self, name, value):
        "Return the value to use; raises FaultError."
        raise NotImplementedError


class Flag(Option):
    "Yes or no."

    def read(self, name, value):
        text = str(value).lower()
        if text not in {'true', 'false'}:
            raise FaultError(f'{name} must be true or false, not {value!r}')
        return text == 'true'


@dataclass(frozen=True)
class Number(Option):
    "A number of a range; 20% is 0.2."
    low: float = 0
    high: float = math.inf
    whole: bool = False

    def read(self, name, value):
        number = self._number(value)
        if number is None or not self.low <= number <= self.high:
            kind = 'whole number' if self.whole else 'number'
            raise FaultError(
                f'{name} must be a {kind} from {self.low} to {self.high}, '
                f'not {value!r}')
        return int(number) if self.whole else number

    def _number(self, value):
        percent = isinstance(value, str) and value.endswith('%')
        try:
            number = float(value.rstrip('%') if percent else value)
        except (TypeError, ValueError, OverflowError):
            return None
        if isinstance(value, bool) or not math.isfinite(number):
            return None
        number = number / 100 if percent else number
        return None if self.whole and number % 1 else number


@dataclass(frozen=True)
class Choice(Option):
    "One of some values, which are all drawn unless `drawn` says else."
    values: tuple = ()

    def read(self, name, value):
        for known in self.values:
            if str(value) == str(known):
                return known
        raise FaultError('%s must be one of %s, not %r' % (
            name, ', '.join(map(str, self.values)), value))


@dataclass(frozen=True)
class Text(Option):
    "A text of a pattern; None is kept."
    pattern: str = '.*'
    example: str = 'text'

    def read(self, name, value):
        if value is None and self.default is None:
            return None
        if not isinstance(value, str) or not re.fullmatch(
                self.pattern, value):
            raise FaultError(
                f'{name} must be like {self.example}, not {value!r}')
        return value


class Address(Option):
    "The word 'loop', or an http address of this machine."

    def read(self, name, value):
        try:
            url = urlsplit(str(value))
            local = url.scheme in {'http', 'https'} and LOOPBACK.fullmatch(
                url.hostname or '') and url.port != 0
        except ValueError:
            local = False
        if value != 'loop' and not local:
            raise FaultError(
                f"{name} must be 'loop' or an address of this machine such "
                f'as http://127.0.0.1:8090, not {value!r}')
        return value


def one_of(*values, drawn=None):
    "Return a Choice whose first value is the default."
    return Choice(values[0], values if drawn is None else drawn, values)


def stored(default=False):
    "Return the option that says whether the request is carried out."
    return Flag(default, (False, True))


def seconds(default, *drawn, low=0, high=600):
    return Number(default, drawn, low, high)
