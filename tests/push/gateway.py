# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""A gateway before the emulator that can be told to fail.

Every request is kept with its bytes.  A fault is a function of the Exchange;
without one a request is passed on and its answer handed back.
"""

import hashlib
import http.client
import json
import socket
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

TOKEN = '/oauth2/v1/accesstoken'
FHIR = '/fhir-r4/v1'


@dataclass
class Seen:
    "A request that arrived"
    method: str
    path: str
    params: dict
    token: str | None
    body: bytes

    @property
    def digest(self):
        return hashlib.sha256(self.body).hexdigest()


class Exchange:
    "One request in the hands of a fault"

    def __init__(self, handler, gateway, seen):
        self._handler, self._gateway, self.seen = handler, gateway, seen

    def forward(self):
        "Let the emulator carry it out; return (status, headers, body)"
        target = urlsplit(self._gateway.target)
        connection = http.client.HTTPConnection(
            target.hostname, target.port, timeout=30)
        try:
            connection.request(
                self.seen.method, self._handler.path,
                body=self.seen.body or None, headers={
                    k: v for k, v in self._handler.headers.items()
                    if k.lower() not in {
                        'connection', 'accept-encoding', 'content-length'}})
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            connection.close()

    def reply(self, status, body=b'', **headers):
        if not isinstance(body, bytes):
            body = json.dumps(body).encode()
        headers = {
            'Content-Type': 'application/json',
            **{k.replace('_', '-'): v for k, v in headers.items()}}
        self._handler.send_response(status)
        for name, value in headers.items():
            self._handler.send_header(name, value)
        self._handler.send_header('Content-Length', str(len(body)))
        self._handler.end_headers()
        self._handler.wfile.write(body)

    def hand_back(self, answer):
        status, headers, body = answer
        self.reply(status, body, **{
                k: v for k, v in headers.items() if k.lower() in {
                    'x-request-id', 'www-authenticate', 'retry-after'}})

    def cut(self):
        "Close the connection without a word"
        self._handler.close_connection = True
        self._handler.connection.shutdown(socket.SHUT_RDWR)

    def hold(self):
        "Say nothing until the gateway is closed"
        self._gateway.closed.wait(60)
        self._handler.close_connection = True


class Handler(BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def log_message(self, *args):
        pass

    def _handle(self):
        url = urlsplit(self.path)
        length = int(self.headers.get('Content-Length') or 0)
        seen = Seen(
            self.command, url.path, dict(parse_qsl(url.query)),
            (self.headers.get('Authorization') or '').removeprefix('Bearer ')
            or None, self.rfile.read(length))
        try:
            self.server.gateway.handle(Exchange(
                    self, self.server.gateway, seen))
        except (BrokenPipeError, ConnectionError):
            self.close_connection = True

    do_GET = do_POST = do_PUT = _handle


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass


class Gateway:

    def __init__(self, target):
        self.target = target
        self.seen = []
        self.closed = threading.Event()
        self._once, self._always = [], []
        self._lock = threading.Lock()
        self._server = Server(('127.0.0.1', 0), Handler)
        self._server.gateway = self
        self.url = f'http://127.0.0.1:{self._server.server_port}'
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={'poll_interval': 0.02},
            daemon=True)
        self._thread.start()

    def close(self):
        self.closed.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def once(self, method, path, fault):
        "Let the next such request meet the fault"
        self._once.append((method, path, fault))

    def always(self, method, path, fault):
        "Let each such request meet the fault"
        self._always.append((method, path, fault))

    def heal(self):
        self._once.clear()
        self._always.clear()

    def handle(self, exchange):
        with self._lock:
            self.seen.append(exchange.seen)
            fault = self._fault(exchange.seen)
        if fault:
            fault(exchange)
        else:
            exchange.hand_back(exchange.forward())

    def _fault(self, seen):
        for rules in (self._once, self._always):
            for rule in rules:
                method, path, fault = rule
                if (seen.method, seen.path) == (method, path):
                    if rules is self._once:
                        rules.remove(rule)
                    return fault

    def requests(self, method=None, path=None):
        return [
            s for s in list(self.seen)
            if method in {None, s.method} and path in {None, s.path}]

    @property
    def posts(self):
        "The Bundles that arrived"
        return self.requests('POST', FHIR)

    @property
    def tokens(self):
        return self.requests('POST', TOKEN)


@contextmanager
def gateway_to(target):
    gateway = Gateway(target)
    try:
        yield gateway
    finally:
        gateway.close()


# Faults

def html(exchange):
    exchange.reply(
        200, b'<html><body>Pemeliharaan</body></html>',
        Content_Type='text/html')


def error_500(exchange):
    exchange.reply(500, {})


def stored_500(exchange):
    exchange.forward()
    exchange.reply(500, {})


def silence(exchange):
    exchange.hold()


def stored_silence(exchange):
    exchange.forward()
    exchange.hold()


def cut(exchange):
    exchange.cut()


def stored_cut(exchange):
    exchange.forward()
    exchange.cut()


def malformed(exchange):
    exchange.reply(200, b'{"resourceType": "Bundle", "entry": [')


def stored_malformed(exchange):
    exchange.forward()
    malformed(exchange)


def other_type(exchange):
    exchange.reply(200, {'resourceType': 'Patient', 'id': 'P1'})


def stored_without_ids(exchange):
    _, _, body = exchange.forward()
    answer = json.loads(body)
    for entry in answer['entry']:
        entry['response'] = {'status': '201 Created'}
    exchange.reply(200, answer)


def stored_without_id(exchange):
    _, _, body = exchange.forward()
    answer = json.loads(body)
    del answer['id']
    exchange.reply(201, answer)


def throttled(exchange):
    exchange.reply(429, {}, Retry_After='120')


def unauthorized(exchange):
    exchange.reply(401, {'fault': {
                'faultstring': "Invalid access token",
                'detail': {'errorcode': 'oauth.v2.InvalidAccessToken'}}})
