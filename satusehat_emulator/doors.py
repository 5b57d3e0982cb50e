# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Where faults can be let in: before a request is handled and after."

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class Doors:
    """Functions called around each request to the platform's addresses.

    Those of `before` take the Flask request and may return a response that
    is sent instead; nothing has been read or stored then. Those of `after`
    take request and response, when everything has been committed, and
    return the response to send. The first answer of `before` wins, `after`
    runs in order.
    """
    before: list[Callable] = field(default_factory=list)
    after: list[Callable] = field(default_factory=list)

    def enter(self, request):
        for function in self.before:
            response = function(request)
            if response is not None:
                return response

    def leave(self, request, response):
        for function in self.after:
            response = function(request, response)
        return response
