# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The sender: claim, prepare, freeze, send, settle.

Each step has its own short transactions, and none is open while the
platform is asked.  One thread works with the outbox; the others talk to the
platform, as many as there are connections, and keep each of them busy.
"""

import logging
import random
import time
from collections import Counter, defaultdict, deque
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait

from trytond import backend
from trytond.pool import Pool
from trytond.transaction import Transaction

from . import claim, report, settlement
from .channel import TURNS, Channel
from .committed import committed, working_for
from .delivery import (
    build_bundle, guarded, is_ready, job_of, judge, scout, send, unforeseen)
from .exchange import close
from .gate import HOST, database_now
from .lookup import Lookup, needed
from .platform import settings
from .settlement import Result
from .verdict import OF_HOST, RELEASED, Halt, Verdict

logger = logging.getLogger(__name__)

# Most jobs that are frozen or settled in one transaction
GROUP = 8
# Seconds after which to see, while answers are awaited, what fell due since
LOOK = 1


class Sender:
    "Delivers due submissions of all branches until none is left or time is up"

    def __init__(self):
        self.settings = settings.read()
        self.database = Transaction().database.name
        self.counts = Counter()
        self._started = time.monotonic()
        self._lines = {}
        self._known = {}
        self._after = random.randrange(2 ** 16)  # noqa: S311
        self._claimed = deque()
        self._ready = deque()
        self._flying = {}
        self._landed = []
        self._busy = Counter()
        self._failing = set()
        self._probes = set()
        self._troubled = {}
        self._problems = Counter()
        self._is_stuck = False
        self._has_tried_alone = False

    def run(self):
        """Claim and deliver.

        First what is harmless, at last, one by one, the rows whose sender
        died with them.
        """
        self._watch([])
        with ThreadPoolExecutor(self.settings.connections) as pool:
            self._pool = pool
            self._work(alone=False)
            self._work(alone=True)
        self._report()

    @property
    def _is_over(self):
        return (self._is_stuck or time.monotonic()
            >= self._started + self.settings.push_seconds)

    def _work(self, alone):
        "Keep the connections busy until there is nothing to claim"
        look_at = 0
        while True:
            done = [f for f in self._flying if f.done()]
            if done:
                self._land(done)
                look_at = 0
            elif len(self._landed) >= GROUP:
                self._write_landed()
            elif self._is_over and not alone and (
                    self._claimed or self._ready):
                self._put_back()
            elif self._claimed and self._has_room:
                self._prepare(self._claimed.popleft())
                if self._is_short and (
                        not self._claimed
                        or len(self._ready) >= self._group):
                    self._launch()
            elif self._landed:
                self._write_landed()
            elif look_at <= time.monotonic() and self._may_claim(alone):
                look_at = 0 if self._claim(alone) else time.monotonic() + LOOK
            elif self._flying:
                wait(self._flying, LOOK, return_when=FIRST_COMPLETED)
            elif self._ready:
                self._put_back()
            else:
                break
        self._end_probes()

    @property
    def _ahead(self):
        """How many jobs to have frozen for the next connection that is idle.

        It need not wait for this thread then.  None at a pace: what leaves
        late would be close to the next.
        """
        return 0 if self.settings.is_paced else self._spare

    @property
    def _spare(self):
        "How many jobs to have in hand beside those on their way"
        return max(2, self.settings.connections // 2)

    @property
    def _free(self):
        "How many jobs may be let go"
        return self.settings.connections + self._ahead - len(self._flying)

    @property
    def _is_short(self):
        "Whether a connection is idle, or will be before it is worth a wait"
        return self._free > self._ahead // 2

    @property
    def _group(self):
        "How many jobs to let go at once"
        return max(1, min(GROUP, self._free))

    @property
    def _has_room(self):
        "Whether a connection is idle, or soon may be"
        return (len(self._flying) < self.settings.connections
            or len(self._ready) < self._spare)

    def _may_claim(self, alone):
        if alone:
            # One at least in each run, however much else there is to do
            return not (self._claimed or self._ready or self._flying
                or (self._is_over and self._has_tried_alone))
        return self._has_room and not (self._is_over or self._claimed)

    def _claim(self, alone):
        "Take due rows; return whether there were any"
        self._has_tried_alone = alone
        jobs = committed(self._take, alone)
        self._claimed.extend(jobs)
        self.counts['claimed'] += len(jobs)
        if companies := {job.company for job in jobs}:
            # The turn began behind the last one and came round
            passed = {c for c in companies if c <= self._after}
            self._after = max(passed or companies)
        return bool(jobs)

    def _take(self, alone):
        deadline = time.monotonic() + self.settings.lease
        rows, probes = claim.claim(
            self.settings.batch_size, self.settings.lease, self._after,
            busy={job.company for job in self._ready}, alone=alone)
        now = database_now()
        self._probes.update(probes)
        jobs = [job_of(row, now, deadline) for row in rows]
        wanted = defaultdict(set)
        for job in jobs:
            if job.body is None and not job.is_damaged:
                wanted[job.environment].update(
                    needed(job.snapshot, job.patient).values())
        Resource = Pool().get('satusehat.resource')
        self._known = {
            environment: Resource.known(environment, records)
            for environment, records in wanted.items()}
        return jobs

    def _prepare(self, job):
        "Bring the job as far as it goes without asking the platform"
        verdict = guarded(self._build, job, 'needs_admin')
        if verdict:
            self._meet(job, verdict)
            self._note()
            self._settle([Result(job, verdict)])
        else:
            self._ready.append(job)

    @staticmethod
    def _meet(job, verdict):
        "Tell the breaker of a fault that is not the visit's, before others go"
        if verdict.shared and job.channel:
            job.channel.note_shared(verdict)

    def _build(self, job):
        if job.is_damaged:
            return Verdict('needs_admin', 'damaged')
        job.channel, job.lookup = self._line(job)
        job.token = job.channel.kept_token
        if job.body is None:
            references = job.lookup.complete(
                job.snapshot, job.patient, self._known[job.environment])
            if references:
                build_bundle(job, references)

    def _line(self, job):
        "Return the channel and the look-ups of the job's branch"
        if job.line not in self._lines:
            channel = Channel(*job.line)
            self._lines[job.line] = channel, Lookup(channel)
        return self._lines[job.line]

    def _launch(self):
        "Let go what may go now, in turns, of branches that fail at last"
        jobs, later, released = [], deque(), []
        free = self._free
        self._ready = deque(
            sorted(self._ready, key=lambda job: job.line in self._failing))
        while self._ready and len(jobs) < free:
            job = self._ready.popleft()
            if job.is_late or self._is_shut(job):
                self._is_stuck |= job.is_late and not self._flying
                released.append(Result(job, RELEASED))
            elif self._busy[job.line] >= self._share(job.line):
                later.append(job)
            else:
                self._busy[job.line] += 1
                jobs.append(job)
        self._ready.extendleft(reversed(later))
        self._settle(released)
        to_send = [job for job in jobs if is_ready(job)]
        for job in jobs:
            if job not in to_send:
                self._fly(job, _ask)
        if to_send:
            self._freeze(to_send)

    def _share(self, line):
        """Return how many requests at once the branch may have here.

        One where the last did not succeed: others wait for the pace.
        """
        if line in self._failing:
            return 1
        return max(
            1, self.settings.branch_connections // self.settings.senders)

    def _is_shut(self, job):
        "Whether nothing is to leave for the job's client or its host"
        return job.channel.is_paused or any(
            self._troubled.get((job.environment, name), 0) > time.monotonic()
            for name in [HOST, job.channel.client_id])

    def _freeze(self, jobs):
        waits = [0] * len(jobs)
        if self.settings.is_paced:
            with TURNS:
                waits = committed(settlement.reserve, jobs)
        frozen = committed(settlement.freeze, jobs)
        for job, seconds in zip(jobs, waits, strict=True):
            if job in frozen:
                self._fly(job, _send, seconds)
            else:
                self._busy[job.line] -= 1

    def _fly(self, job, step, *args):
        self._flying[self._pool.submit(step, self.database, job, *args)] = job

    def _land(self, done):
        "Judge the answers and let the next ones go"
        for future in done:
            job = self._flying.pop(future)
            self._busy[job.line] -= 1
            verdict, answer = future.result()
            if verdict is None and answer is None:
                self._ready.appendleft(job)
            elif verdict is None:
                self._send_again(job, answer)
            else:
                self._meet(job, verdict)
                if verdict.state == 'sent':
                    self._failing.discard(job.line)
                else:
                    self._failing.add(job.line)
                self._landed.append(Result(job, verdict, answer))
        self._note()
        self._recall()
        if self._is_short:
            self._launch()

    def _recall(self):
        "Take back what no connection has begun and is not to leave any more"
        back = [
            future for future, job in self._flying.items()
            if self._is_shut(job) and future.cancel()]
        for future in back:
            job = self._flying.pop(future)
            self._busy[job.line] -= 1
            self._landed.append(Result(job, RELEASED))

    def _write_landed(self):
        results, self._landed = self._landed, []
        self._settle(results)

    def _send_again(self, job, answer):
        "Send once more, with a new token; whoever goes on knows why"
        committed(close, job.exchange, answer)
        job.exchange, job.stale_token = None, job.token
        job.is_renewed = True
        self._ready.appendleft(job)

    def _settle(self, results):
        """Write what became of the jobs.

        What can not be written with the others is written alone, and what
        can not be written at all parks its job: it must neither stop the
        others nor come back for ever.
        """
        if not results:
            return
        try:
            committed(settlement.settle, results)
        except backend.DatabaseOperationalError:
            raise
        except Exception as e:
            if len(results) > 1:
                for result in results:
                    self._settle([result])
                return
            self._park(results[0].job, e)
        self.counts.update(r.verdict.state for r in results)
        self._problems.update(
            (r.job.environment,
                None if r.verdict.shared == OF_HOST else r.job.company,
                r.verdict.reason)
            for r in results if r.verdict.shared)

    @staticmethod
    def _park(job, error):
        job.log.clear()
        committed(settlement.settle, [
                Result(job, unforeseen(job, error, 'needs_admin'))])

    def _note(self):
        "Tell the breakers, all senders' and our own, what was met"
        pulses = []
        for (_, environment), (channel, _) in self._lines.items():
            while channel.pulses:
                pulses.append((environment, *channel.pulses.pop(0)))
        self.counts['requests'] += sum(
            name == HOST for _, name, _, _ in pulses)
        if any(problem for *_, problem, _ in pulses) or (
                pulses and (self._troubled or self._probes)):
            self._watch(pulses)

    def _watch(self, pulses):
        "Record the pulses and see where nothing may be sent for now"
        self._troubled = {
            key: time.monotonic() + seconds
            for key, seconds in committed(settlement.record, pulses).items()}

    def _end_probes(self):
        "Let others probe where the probe found nothing to ask"
        if self._probes:
            committed(settlement.end_probes, self._probes)
            self._probes.clear()

    def _put_back(self):
        "Release what can not go in this run"
        jobs = [*self._ready, *self._claimed]
        self._ready.clear()
        self._claimed.clear()
        self._settle([Result(job, RELEASED) for job in jobs])

    def _report(self):
        if self.counts['claimed']:
            logger.info(report.summary(
                    self.counts, time.monotonic() - self._started))
        for (environment, company, reason), count in self._problems.items():
            logger.warning(report.problem(
                    environment, company, reason, count))


def _ask(database, job):
    "Ask the platform for what the job needs, in a thread"
    with working_for(database):
        try:
            return guarded(scout, job, 'needs_admin'), None
        except backend.DatabaseOperationalError:
            # Others were first each time: no reason to stop them all
            return RELEASED, None


def _send(database, job, seconds):
    """Send the job when its turn has come, in a thread.

    Returns (Verdict, Answer); no Verdict asks to send once more.
    """
    with working_for(database):
        time.sleep(seconds)
        try:
            answer = send(job)
        except Halt as halt:
            return halt.verdict, None
        except Exception as e:
            return unforeseen(job, e, 'checking'), None
        try:
            return judge(job, answer), answer
        except Exception as e:
            return unforeseen(job, e, 'checking'), None
