# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"The connection of one request, in the hands of a fault."

import socket
import struct
from threading import Event

LINGER = struct.pack('ii', 1, 0)
KEY = 'emulator.wire'


class Dropped(ConnectionError):
    "The connection ends here, on purpose."


class Wire:
    """What a fault can do to a connection.

    `handler` is the server's request handler, None without a socket;
    `stopping` ends all waiting.
    """

    def __init__(self, handler=None, stopping=None):
        self._handler = handler
        self._stopping = stopping or Event()

    def wait(self, seconds):
        "Wait; return False at once when the server stops."
        return not self._stopping.wait(seconds)

    def pause(self, seconds):
        "Wait while answering; raises Dropped when the server stops."
        if not self.wait(seconds):
            raise Dropped('the server stops')

    def reset(self):
        "Let the connection end with RST instead of FIN."
        if self._handler:
            self._handler.connection.setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, LINGER)

    def hang_up(self):
        "Close the connection after this answer, which does not say so."
        if self._handler:
            self._handler.hangs_up = True

    def drip(self, interval):
        "From now on write each byte by itself, head included."
        if self._handler:
            self._handler.wfile = Dripping(
                self._handler.wfile, lambda: self.pause(interval))

    def shift_date(self, seconds):
        "Let the Date header be off by that much."
        if self._handler:
            self._handler.date_shift = seconds


class Dripping:
    "A file that writes each byte after a pause."

    def __init__(self, file, pause):
        self._file, self._pause = file, pause

    def write(self, data):
        for byte in bytes(data):
            self._pause()
            self._file.write(bytes([byte]))
        return len(data)

    def __getattr__(self, name):
        return getattr(self._file, name)


def is_reset(connection):
    "Say whether a socket is to end with RST."
    return connection.getsockopt(
        socket.SOL_SOCKET, socket.SO_LINGER, len(LINGER)) == LINGER
