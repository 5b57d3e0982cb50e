# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Serving the emulator on a real socket of this machine."

import threading
from contextlib import contextmanager

from werkzeug.serving import WSGIRequestHandler, make_server

from . import seed as seeding
from .app import create_app
from .settings import Settings
from .store import Store

POLL = 0.02


class QuietHandler(WSGIRequestHandler):
    "Logs nothing: addresses carry identity numbers."

    def log(self, type, message, *args):
        pass


def server(app, host='127.0.0.1', port=0):
    "Return a threaded server; port 0 takes a free one (`server_port`)."
    return make_server(
        host, port, app, threaded=True, request_handler=QuietHandler)


class Served:
    """A running emulator: `url`, `store`, `settings`, `app`, `close()`."""

    def __init__(self, app, host='127.0.0.1', port=0):
        emulator = app.extensions['emulator']
        self.app, self.store = app, emulator.store
        self.settings, self.journal = emulator.settings, emulator.journal
        self.doors = emulator.doors
        self._server = server(app, host, port)
        self.url = f'http://{host}:{self._server.server_port}'
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(POLL,), daemon=True)
        self._thread.start()

    def close(self):
        "Stop serving; calling it again does nothing."
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


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
