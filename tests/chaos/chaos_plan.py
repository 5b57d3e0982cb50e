# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What a seed decides: visits, who is killed when, restarts, credentials.

Each matter has a source of chance of its own, so that more of the one does
not change the other.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from random import Random

CODES = ['J00', 'I10']
# One visit in so many is of a patient whom the platform does not know
STRANGER_EVERY = 60
DOCTORS = 4
TOGETHER = 20
FIRST_ORGANIZATION = 10_001_000


@dataclass(frozen=True)
class Visit:
    """A visit to be finished: after so many seconds, 0 before the start.

    patient and doctor are numbers of people, patient None for one whom the
    platform does not know.
    """
    number: int
    branch: int
    patient: int | None
    doctor: int
    code: str
    after: float


@dataclass(frozen=True)
class Plan:
    """The plan of one run.

    visits, branches and restarts are counts, storm the seconds over which
    the second half of the visits is finished, kill_every (min, max) seconds.
    """
    seed: int
    visits: int
    branches: int
    storm: float
    kill_every: tuple
    restarts: int

    def chance(self, matter):
        "Return the source of chance for one matter"
        return Random(f'{self.seed}:{matter}')

    @property
    def patients(self):
        "How many different people the platform knows"
        return max(10, self.visits // 10)

    @cached_property
    def all_visits(self):
        "The Visits by the time they are finished, the first half at once"
        chance = self.chance('visits')
        early = self.visits // 2
        later = sorted(
            chance.uniform(0, self.storm) for _ in range(self.visits - early))
        return [
            self._visit(number, after, chance)
            for number, after in enumerate([0] * early + later)]

    def _visit(self, number, after, chance):
        patient = chance.randrange(self.patients)
        return Visit(
            number=number,
            branch=math.floor(self.branches * chance.random() ** 2),
            patient=None if number % STRANGER_EVERY == 30 else patient,
            doctor=chance.randrange(DOCTORS),
            code=chance.choice(CODES), after=after)

    @property
    def turns(self):
        """The visits as they are written, a list for each transaction.

        The first half comes by branch, up to TOGETHER at once, as from
        another system; the others one by one.
        """
        early = sorted(
            (visit for visit in self.all_visits if not visit.after),
            key=lambda visit: (visit.branch, visit.number))
        turns = []
        for visit in early:
            if not turns or turns[-1][0].branch != visit.branch or (
                    len(turns[-1]) == TOGETHER):
                turns.append([])
            turns[-1].append(visit)
        return turns + [[visit] for visit in self.all_visits if visit.after]

    @property
    def pace(self):
        "Requests per minute of one client: none is set for half of the seeds"
        return self.chance('pace').choice([0, 3000])

    @property
    def strangers(self):
        "How many visits the platform has to refuse for their patient"
        return sum(visit.patient is None for visit in self.all_visits)

    def kills(self):
        "Yield (seconds to the next kill, share that chooses the victim)"
        chance = self.chance('kills')
        while True:
            yield chance.uniform(*self.kill_every), chance.random()

    def restart_shares(self):
        """Return (share of visits sent, mode) for each database restart.

        One of them is a crash.
        """
        modes = ['fast'] * self.restarts
        if modes:
            modes[self.chance('restarts').randrange(len(modes))] = 'immediate'
        return [
            ((turn + 1) / (self.restarts + 1), mode)
            for turn, mode in enumerate(modes)]

    def rotation(self):
        "Return (branch whose secret changes, share of visits, seconds)"
        chance = self.chance('rotation')
        return (
            chance.randrange(self.branches), chance.uniform(0.2, 0.5),
            chance.uniform(3, 8))


def branch_name(number):
    return f'C{number:02}'


def client(number):
    "Return (client id, organization id) of a branch"
    return (
        f'client-{branch_name(number)}', str(FIRST_ORGANIZATION + number))


def nik(number, doctor=False):
    "Return the NIK of an invented person"
    born = number % 28 + 1, number // 28 % 12 + 1, 60 + number // 336 % 39
    return '3171{}{:02}{:02}{:02}{:04}'.format(
        '02' if doctor else '01', *born, number % 9999 + 1)


STRANGER_NIK, STRANGER_NAME = '3299010203040005', "Kanariwati Asing"


def name(number, doctor=False):
    "Return the name of an invented person, found in no other text"
    return f'{"dr. Kanarizon" if doctor else "Kanariwati"} {number:05}'


def secret(number, turn=0):
    return f'rahasia-{branch_name(number)}-{turn}'


def platform_seed(plan):
    "Return the seed of the emulator: clients, facilities, people"
    def person(number, doctor):
        nik_ = nik(number, doctor)
        return {
            'nik': nik_, 'name': name(number, doctor), 'gender': 'male',
            'birthDate': f'19{nik_[10:12]}-{nik_[8:10]}-{nik_[6:8]}',
            'id': f'1{number:010}' if doctor else f'P{number:011}'}
    clients = [client(branch) for branch in range(plan.branches)]
    return {
        'clients': [{
                'id': id_, 'secret': secret(branch), 'organization': owner,
                } for branch, (id_, owner) in enumerate(clients)],
        'organizations': [{
                'id': owner, 'name': f'Klinik {branch_name(branch)}',
                'type': '103'} for branch, (_, owner) in enumerate(clients)],
        'patients': [person(n, False) for n in range(plan.patients)],
        'practitioners': [person(n, True) for n in range(DOCTORS)],
        }
