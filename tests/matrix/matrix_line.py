# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"A line to a server that can be cut, as when the server has died."

import socket
import threading
from contextlib import suppress
from urllib.parse import urlsplit


class Line:
    """Passes connections on to the server of a database URI.

    ``uri`` is the same URI by this line.
    """

    def __init__(self, uri):
        parts = urlsplit(uri)
        self._target = parts.hostname, parts.port
        self._listener = socket.create_server(('127.0.0.1', 0))
        user, _, _ = parts.netloc.rpartition('@')
        port = self._listener.getsockname()[1]
        self.uri = parts._replace(netloc=f'{user}@127.0.0.1:{port}').geturl()
        self._ends, self._lock = [], threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            far = socket.create_connection(self._target)
            with self._lock:
                self._ends += [near, far]
            for ends in [(near, far), (far, near)]:
                threading.Thread(
                    target=self._pass_on, args=ends, daemon=True).start()

    def _pass_on(self, source, target):
        with suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def cut(self):
        "End every connection and refuse new ones"
        self._listener.close()
        with self._lock:
            for end in self._ends:
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def close(self):
        self.cut()
        for end in self._ends:
            end.close()
