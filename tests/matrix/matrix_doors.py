# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Ports of this machine that fail before a request can be made."

import socket
import ssl
import threading
import warnings
from contextlib import contextmanager

from matrix_neighbours import load

platform = load('platform/conftest.py')
certificate, black_hole = platform.certificate, platform.black_hole


@contextmanager
def closed_port():
    "Yield a port that refuses connections"
    with socket.socket() as closed:
        closed.bind(('127.0.0.1', 0))
        yield closed.getsockname()[1]


class SecureDoor:
    """Shows a certificate and keeps what it is told afterwards.

    ``visits`` counts connections, ``received`` holds the bytes of requests.
    """

    def __init__(self, path, latest=None):
        self.visits, self.received = 0, b''
        self._context = _context(path, latest)
        self._listener = socket.create_server(('127.0.0.1', 0))
        self.url = f'https://127.0.0.1:{self._listener.getsockname()[1]}'
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self):
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.visits += 1
            sock.settimeout(10)
            try:
                with sock, self._context.wrap_socket(
                        sock, server_side=True) as secure:
                    while data := secure.recv(65536):
                        self.received += data
            except OSError:
                continue

    def close(self):
        "Stop; afterwards all that came has been counted"
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()


def _context(path, latest):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if latest:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore', DeprecationWarning)
            context.set_ciphers('ALL:@SECLEVEL=0')
            context.minimum_version = ssl.TLSVersion.TLSv1
            context.maximum_version = latest
    context.load_cert_chain(path)
    return context
