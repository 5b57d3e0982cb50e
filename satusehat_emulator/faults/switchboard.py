# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"The faults of a running emulator."

import threading

from .facts import Facts
from .fault import make
from .job import Interference, Job
from .wire import KEY, Wire


class Faults:
    """The faults that were asked for, in the order they were added.

    Every fault counts the requests it fits. Of those that are due, one is
    applied: the first; those that only delay or shift (`Kind.adds`) are
    applied too.
    """

    def __init__(self):
        self._lock = threading.Lock()
        self._faults = []
        self._number = 0

    def __bool__(self):
        return bool(self._faults)

    def add(self, fault, **options):
        """Add a fault and return it.

        `options` say where (method, path, resource, client, organization,
        endpoint), when (times, after, every, probability, seed) and, with
        the options of the kind, what; README.md has the table. Raises
        FaultError.
        """
        return self.add_all([(fault, options)])[0]

    def add_all(self, wanted):
        "Add all (name, options), or none when one raises FaultError."
        with self._lock:
            made = [
                make(self._number + position, name, options)
                for position, (name, options) in enumerate(wanted, 1)]
            self._number += len(made)
            self._faults = self._faults + made
            return made

    def remove(self, number):
        "Remove the fault of that number; return whether there was one."
        with self._lock:
            kept = [
                fault for fault in self._faults if fault.number != number]
            found = len(kept) < len(self._faults)
            self._faults = kept
            return found

    def clear(self):
        "Remove all faults; return how many there were."
        with self._lock:
            count = len(self._faults)
            self._faults = []
            return count

    def as_list(self):
        with self._lock:
            return [fault.as_dict() for fault in self._faults]

    def meet(self, emulator, request):
        "Return the Interference for a request, None when there is none."
        facts = Facts(request, emulator.store)
        with self._lock:
            applied = self._due(facts)
        if not applied:
            return None
        # Else the server waits for the rest of it before it hangs up.
        request.get_data()
        wire = request.environ.get(KEY) or Wire()
        return Interference([
            Job(*chosen, facts, emulator, wire) for chosen in applied],
            self._release)

    def _due(self, facts):
        due = [
            fault for fault in self._faults
            if fault.fits(facts) and fault.due()]
        chosen = [self._chosen(fault, facts) for fault in due]
        found = []
        for fault, options in zip(due, chosen, strict=True):
            if options is None or (
                    any(not kind.adds for _, kind, *_ in found)
                    and not options[0].adds):
                continue
            fault.applied += 1
            found.append((fault, *options, fault.applied))
        return found

    def _chosen(self, fault, facts):
        "Return (kind, options); the random mode chooses them now."
        if fault.kind.mode == 'choose':
            return fault.kind.act(fault, facts)
        return fault.kind, fault.options

    def _release(self, fault):
        with self._lock:
            fault.applied -= 1
