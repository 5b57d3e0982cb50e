# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"The faults that one request meets, from the gateway to the answer."

from dataclasses import dataclass
from functools import cached_property
from random import Random

from ..tokens import Caller
from .facts import TOKEN
from .fault import written


@dataclass
class Job:
    """One fault applied to one request.

    `options` are those of the kind. `emulator` is the running one,
    `wire` the connection. `silent` becomes true when no byte was
    answered.
    """
    fault: object
    kind: object
    options: dict
    turn: int
    facts: object
    emulator: object
    wire: object
    done: bool = False
    silent: bool = False

    def __getitem__(self, name):
        return self.options[name]

    @cached_property
    def random(self):
        "Return a source that gives the same for the same seed and turn."
        return Random(f'{self.fault.when["seed"]}:{self.turn}')  # noqa: S311

    @property
    def request(self):
        return self.facts.request

    @property
    def comes_first(self):
        "Say whether it acts before the request is carried out."
        return self.kind.mode == 'prepare' or (
            self.kind.mode == 'replace' and not self.options.get('stored'))

    def act(self, response):
        "Let the fault act; return its answer, None for none."
        answer = self.kind.act(self, response)
        self.done = answer is not None or self.kind.mode == 'prepare'
        return answer


class Interference:
    "The Jobs of one request; `release` takes those that did nothing."

    def __init__(self, jobs, release):
        self._jobs = sorted(jobs, key=lambda job: job.kind.adds)
        self._release = release

    def at_gateway(self):
        "Return an answer given before the access token is looked at."
        return self._instead(True)

    def at_service(self):
        "Return an answer given instead of carrying the request out."
        return self._instead(False)

    def _instead(self, gateway):
        for job in self._jobs:
            if job.comes_first and job.kind.gateway == gateway:
                answer = job.act(None)
                if answer is not None:
                    return answer

    def at_answer(self, response):
        """Return the answer to send instead of `response`.

        What only delays or shifts comes last, over the other fault.
        """
        for job in self._jobs:
            if not job.comes_first:
                response = job.act(response) or response
        for job in self._jobs:
            if not job.done:
                self._release(job.fault)
        return response

    @property
    def _effective(self):
        return [job for job in self._jobs if job.done]

    @property
    def silent(self):
        "Say whether nothing at all is answered."
        return any(job.silent for job in self._effective)

    @property
    def caller(self):
        "Return the caller the access token belongs to, None for none."
        facts = self._jobs[0].facts
        return (
            Caller(facts.client, facts.organization)
            if facts.client and facts.endpoint != TOKEN else None)

    @property
    def name(self):
        "Return the names of the faults that were applied, None for none."
        return '+'.join(job.kind.name for job in self._effective) or None

    @property
    def detail(self):
        "Return them with their options, as the command line takes them."
        return ' '.join(
            written(job.kind.name, job.options)
            for job in self._effective) or None
