# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"The list of requests received: who asked what, never a body or a value."

import threading
from collections import deque
from dataclasses import asdict, dataclass

KEPT = 10_000


@dataclass
class Entry:
    """One request.

    `time` is in epoch seconds; `parameters` are the names in the query
    string, whose values may be personal data. `status` is None when nothing
    was answered. `fault` names the faults that were applied (joined by +),
    `fault_detail` with their options; `stored` counts the resources that
    were written.
    """
    number: int
    time: float
    method: str
    path: str
    parameters: list[str]
    status: int | None
    client: str | None
    organization: str | None
    request_id: str
    fault: str | None = None
    fault_detail: str | None = None
    stored: int = 0


class Journal:
    "Keeps the last requests in memory."

    def __init__(self, kept=KEPT):
        self._lock = threading.Lock()
        self._entries = deque(maxlen=kept)
        self._number = 0

    def add(self, **values):
        with self._lock:
            self._number += 1
            self._entries.append(Entry(self._number, **values))

    def entries(self, after=0):
        "Return the entries as dicts, oldest first, from number `after` on."
        with self._lock:
            return [
                asdict(entry) for entry in self._entries
                if entry.number > after]
