# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"HTTP/1.1 on one connection: request after request until one side hangs up."

import io
import time

from werkzeug.serving import WSGIRequestHandler

from .faults.wire import KEY, Wire

MAX_BODY = 64 << 20
BODILESS = ('1', '204', '304')


class Handler(WSGIRequestHandler):
    """Answers the requests of a connection, which stays open between them.

    A body is read to its end before the request is handled, so that the next
    request begins where this one ends; a request that is cut off is never
    handled. It logs nothing: addresses carry identity numbers.

    Faults change `wfile`, `date_shift` (seconds) and `hangs_up` (close after
    this answer without announcing it), for one answer only.
    """

    protocol_version = 'HTTP/1.1'
    disable_nagle_algorithm = True
    date_shift, hangs_up = 0, False

    def log(self, type, message, *args):
        pass

    def date_time_string(self, timestamp=None):
        now = time.time() if timestamp is None else timestamp
        return super().date_time_string(now + self.date_shift)

    def connection_dropped(self, error, environ=None):
        self.close_connection = True

    def run_wsgi(self):
        self.date_shift, self.hangs_up = 0, False
        self.close_connection |= self.request_version != 'HTTP/1.1'
        self.environ = environ = self.make_environ()
        body = self._body(environ)
        if body is None:
            self.close_connection = True
            return
        environ.update({
            'wsgi.input': io.BytesIO(body), 'CONTENT_LENGTH': str(len(body)),
            KEY: Wire(self, self.server.stopping)})
        wfile = self.wfile
        try:
            self._handle(environ)
        finally:
            self.wfile = wfile
            self.close_connection |= self.hangs_up

    def _body(self, environ):
        "Return the bytes of the body, None if they cannot be had."
        stream, length = environ['wsgi.input'], environ.get('CONTENT_LENGTH')
        if environ.get('wsgi.input_terminated'):
            return self._dechunked(stream)
        if not length:
            return b''
        if not (length.isascii() and length.isdigit()):
            self.send_error(400)
        elif int(length) > MAX_BODY:
            self.send_error(413)
        else:
            body = stream.read(int(length))
            return body if len(body) == int(length) else None

    def _dechunked(self, stream):
        try:
            body = io.BufferedReader(stream).read(MAX_BODY + 1)
        except OSError:
            self.send_error(400)
            return None
        if len(body) <= MAX_BODY:
            return body
        self.send_error(413)

    def _handle(self, environ):
        "Let the application answer, half the latency before and after."
        begun = []
        half = self._latency(environ) / 2
        self._pause(half)
        chunks = self.server.app(
            environ, lambda status, headers, error=None:
            begun.append((status, headers)))
        try:
            self._pause(half)
            self._send(*begun[-1], chunks)
        finally:
            chunks.close()

    def _latency(self, environ):
        "Return the seconds an answer of the platform takes to arrive."
        path = environ['PATH_INFO']
        if path == '/' or path.startswith('/_emulator/'):
            return 0
        return self.server.settings.latency / 1000

    def _pause(self, seconds):
        if seconds:
            self.server.stopping.wait(seconds)

    def _send(self, status, headers, chunks):
        """Send status, headers and chunks, the first of them at once.

        Without a Content-Length the body is chunked; one that is shorter or
        longer than announced ends the connection.
        """
        lengths = [
            int(value) for name, value in headers
            if name.lower() == 'content-length']
        bodiless = self.command == 'HEAD' or status.startswith(BODILESS)
        chunked = not lengths and not bodiless and (
            self.request_version == 'HTTP/1.1')
        unsent, sent = self._head(status, headers, chunked), 0
        for chunk in chunks:
            if chunk and not bodiless:
                sent += len(chunk)
                self.wfile.write(
                    unsent + (_framed(chunk) if chunked else chunk))
                unsent = b''
        if chunked:
            unsent += b'0\r\n\r\n'
        if unsent:
            self.wfile.write(unsent)
        if lengths and not bodiless and sent != lengths[0]:
            self.close_connection = True

    def _head(self, status, headers, chunked):
        self.close_connection |= self.server.stopping.is_set()
        lines = [f'{self.protocol_version} {status}']
        lines += [f'{name}: {value}' for name, value in headers]
        lines += [
            f'Server: {self.version_string()}',
            f'Date: {self.date_time_string()}']
        if chunked:
            lines.append('Transfer-Encoding: chunked')
        if self.close_connection:
            lines.append('Connection: close')
        return '\r\n'.join([*lines, '', '']).encode('latin-1')


def _framed(chunk):
    return b'%x\r\n%b\r\n' % (len(chunk), chunk)
