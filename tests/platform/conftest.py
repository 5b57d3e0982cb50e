# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Servers on loopback that answer as told, byte by byte."
import datetime as dt
import ipaddress
import json
import socket
import ssl
import threading
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


class Request:
    "A request as it came in."

    def __init__(self, head, body):
        line, *fields = head.decode('latin-1').split('\r\n')
        self.line = line
        self.method, self.target = line.split(' ')[:2]
        self.headers = {
            name.lower(): value.strip() for name, _, value in (
                f.partition(':') for f in fields if f)}
        self.body = body


class Door:
    """Calls ``script(sock, request)`` for each request of each connection.

    A script that returns True keeps the connection open for more. It may
    wait on ``stop``, which is set when the test ends.
    """

    def __init__(self, script, context=None):
        self.script = script
        self.context = context
        self.requests = []
        self.connections = 0
        self.handshakes_failed = 0
        self.stop = threading.Event()
        self._sockets = []
        self._threads = []
        self._listener = socket.create_server(('127.0.0.1', 0))
        self.port = self._listener.getsockname()[1]
        scheme = 'https' if context else 'http'
        self.url = f'{scheme}://127.0.0.1:{self.port}'
        self._start(self._accept)

    def _start(self, target, *args):
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self):
        while not self.stop.is_set():
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._sockets.append(sock)
            self._start(self._serve, sock)

    def _serve(self, sock):
        try:
            if self.context:
                sock = self.context.wrap_socket(sock, server_side=True)
        except OSError:
            self.handshakes_failed += 1
            sock.close()
            return
        with sock:
            try:
                while (request := self._read(sock)) is not None:
                    self.requests.append(request)
                    if not self.script(sock, request):
                        return
            except OSError:
                return

    def _read(self, sock):
        data = b''
        while b'\r\n\r\n' not in data:
            chunk = sock.recv(65536)
            if not chunk:
                return None
            data += chunk
        head, _, body = data.partition(b'\r\n\r\n')
        request = Request(head, body)
        while len(request.body) < int(request.headers.get('content-length', 0)):
            request.body += sock.recv(65536)
        return request

    def close(self):
        if self.stop.is_set():
            return
        self.stop.set()
        # Wakes the thread that waits for a connection
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for sock in self._sockets:
            try:
                sock.close()
            except OSError:
                pass


def reply(status, body=b'', content_type='application/json', **headers):
    "Return the bytes of a whole answer; a dict as body becomes JSON."
    if not isinstance(body, bytes):
        body = json.dumps(body).encode()
    fields = {'Content-Type': content_type, 'Content-Length': len(body)}
    fields |= {name.replace('_', '-'): v for name, v in headers.items()}
    lines = [f'HTTP/1.1 {status} Reason']
    lines += [f'{name}: {value}' for name, value in fields.items()]
    return '\r\n'.join([*lines, '', '']).encode('latin-1') + body


def says(*answers, keep=True):
    "Return a script that gives the answers in turn, the last one for ever."
    remaining = list(answers)

    def script(sock, request):
        sock.sendall(remaining.pop(0) if len(remaining) > 1 else remaining[0])
        return keep
    return script


def certificate(
        folder, names=(), addresses=('127.0.0.1',), days=(-1, 1)):
    "Return the path of a self-signed certificate with its key."
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, 'test')])
    now = dt.datetime.now(dt.timezone.utc)
    alternatives = [x509.DNSName(n) for n in names]
    alternatives += [
        x509.IPAddress(ipaddress.ip_address(a)) for a in addresses]
    signed = (x509.CertificateBuilder()
        .subject_name(subject).issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + dt.timedelta(days=days[0]))
        .not_valid_after(now + dt.timedelta(days=days[1]))
        .add_extension(x509.SubjectAlternativeName(alternatives), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
        .sign(key, hashes.SHA256()))
    path = folder / f'{signed.serial_number:x}.pem'
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption())
        + signed.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.fixture
def door():
    "Opens doors that are closed when the test ends."
    doors = []

    def open_door(script, context=None):
        doors.append(Door(script, context))
        return doors[-1]
    yield open_door
    for opened in doors:
        opened.close()


@pytest.fixture(scope='session')
def wire():
    return SimpleNamespace(
        reply=reply, says=says, certificate=certificate)


@pytest.fixture
def tls_context():
    def build(path, maximum=None):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        if maximum:
            context.set_ciphers('ALL:@SECLEVEL=0')
            context.minimum_version = ssl.TLSVersion.TLSv1
            context.maximum_version = maximum
        context.load_cert_chain(path)
        return context
    return build


@pytest.fixture
def closed_port():
    with socket.create_server(('127.0.0.1', 0)) as listener:
        return listener.getsockname()[1]


@contextmanager
def black_hole():
    "Yield a port whose queue is full: connecting to it gets no answer."
    with socket.socket() as listener:
        listener.bind(('127.0.0.1', 0))
        listener.listen(0)
        waiting = [socket.socket() for _ in range(8)]
        for sock in waiting:
            sock.setblocking(False)
            sock.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]
        for sock in waiting:
            sock.close()


@pytest.fixture
def silent_port():
    with black_hole() as port:
        yield port


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch, tmp_path):
    "No proxy, certificate bundle or .netrc of the machine plays a part."
    for name in ('http_proxy', 'https_proxy', 'all_proxy', 'no_proxy'):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name in ('REQUESTS_CA_BUNDLE', 'CURL_CA_BUNDLE'):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv('NETRC', str(tmp_path / 'no-netrc'))
