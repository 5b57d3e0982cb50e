# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Serving the emulator on a real socket of this machine."

import threading
import time
from contextlib import contextmanager, suppress
from socket import SHUT_RD, SHUT_RDWR

from werkzeug.serving import ThreadedWSGIServer

from . import inspection
from . import seed as seeding
from .app import create_app
from .connection import Handler
from .faults.wire import is_reset
from .settings import Settings
from .store import Store

POLL = 0.02
GRACE = 2


class Server(ThreadedWSGIServer):
    """Serves each connection in a thread and knows them all.

    `stopping` is set when it ends, so that nobody goes on waiting.
    """

    def __init__(self, app, host, port):
        self.stopping = threading.Event()
        self._open, self._lock = {}, threading.Lock()
        super().__init__(host, port, app, Handler)

    @property
    def settings(self):
        return self.app.extensions['emulator'].settings

    def process_request(self, request, client_address):
        thread = threading.Thread(
            target=self.process_request_thread,
            args=(request, client_address), daemon=True)
        with self._lock:
            self._open[request] = thread
        thread.start()

    def process_request_thread(self, request, client_address):
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self._lock:
                del self._open[request]

    def shutdown_request(self, request):
        if request.fileno() != -1 and is_reset(request):
            self.close_request(request)
        else:
            super().shutdown_request(request)

    def end(self):
        """Stop serving and end every connection.

        Answers that are under way have a moment; then they are cut off.
        """
        self.stopping.set()
        self.shutdown()
        for how in (SHUT_RD, SHUT_RDWR):
            self._hang_up(how)
        self.server_close()

    def _hang_up(self, how):
        with self._lock:
            connections = list(self._open.items())
        for connection, _ in connections:
            with suppress(OSError):
                connection.shutdown(how)
        deadline = time.monotonic() + GRACE
        for _, thread in connections:
            thread.join(max(deadline - time.monotonic(), 0))


def server(app, host='127.0.0.1', port=0):
    "Return a threaded server; port 0 takes a free one (`server_port`)."
    return Server(app, host, port)


class Served:
    """A running emulator: `url`, `store`, `settings`, `app`, `close()`.

    `faults.add(name, **options)` lets something go wrong.
    """

    def __init__(self, app, host='127.0.0.1', port=0):
        emulator = app.extensions['emulator']
        self.app, self.store = app, emulator.store
        self.settings, self.journal = emulator.settings, emulator.journal
        self.doors, self.faults = emulator.doors, emulator.faults
        self._server = server(app, host, port)
        self.url = f'http://{host}:{self._server.server_port}'
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(POLL,), daemon=True)
        self._thread.start()

    def resources(self, type_=None, organization=None):
        """Return what organizations have written (`inspection.summary`).

        In the order of creation; those of a type and of an organization
        only, if given.
        """
        return [
            inspection.summary(row)
            for row in self.store.owned(type_, organization)]

    def writes(self, after=0):
        """Return the POST, PUT and PATCH requests to the FHIR interface.

        As dicts with the fields of `journal.Write`, oldest first, from
        number `after` on.
        """
        return self.journal.writes(after)

    def close(self):
        "Stop serving; calling it again does nothing."
        self._server.end()
        self._thread.join()


@contextmanager
def serve(store=None, seed='demo', **settings):
    """Serve an emulator on a free port of 127.0.0.1 within a `with` block.

    Yields a Served. Without `store` one in memory is made and seeded with
    `seed` (None for nothing) and closed at the end; keywords are fields of
    Settings.
    """
    chosen = Settings(**settings)
    own = store is None
    store = store or Store()
    if seed and own:
        seeding.load(store, seed, chosen.clock())
    served = Served(create_app(store, chosen))
    try:
        yield served
    finally:
        served.close()
        if own:
            store.close()
