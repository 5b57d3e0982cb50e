# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The ceiling: a bare loop that posts frozen Bundles and does nothing else.

python -m benchmark.loop URL CONNECTIONS FILE, where each line of the file is
a JSON list of [client id, secret, Bundle as text]. Prints "ready", begins at
a line of input and prints what it took as JSON.
"""

import json
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import requests

from .standin import FHIR, TOKEN

TIMEOUT = 60


class Loop:
    "Posts from several threads, each with its own open connection"

    def __init__(self, url, connections):
        self.url, self._local = url, threading.local()
        self._pool = ThreadPoolExecutor(connections)
        self.tokens = {}

    def session(self):
        if not hasattr(self._local, 'session'):
            self._local.session = requests.Session()
            self._local.session.trust_env = False
        return self._local.session

    def fetch_token(self, client, secret):
        answer = self.session().post(
            self.url + TOKEN, params={'grant_type': 'client_credentials'},
            data={'client_id': client, 'client_secret': secret},
            timeout=TIMEOUT)
        self.tokens[client] = answer.json()['access_token']

    def post(self, item):
        "Return whether the platform took the Bundle"
        client, body = item
        answer = self.session().post(
            self.url + FHIR, data=body, timeout=TIMEOUT, headers={
                'Content-Type': 'application/json',
                'Authorization': f'Bearer {self.tokens[client]}'})
        return answer.ok and len(answer.json()['entry']) > 0

    def post_all(self, items):
        "Return how many were taken"
        return sum(self._pool.map(self.post, items))


def main(url, connections, path):
    loop = Loop(url, int(connections))
    items = []
    with open(path, encoding='utf-8') as lines:
        for line in lines:
            client, secret, body = json.loads(line)
            if client not in loop.tokens:
                loop.fetch_token(client, secret)
            items.append((client, body.encode()))
    print('ready', flush=True)
    sys.stdin.readline()
    started, cpu = time.monotonic(), time.process_time()
    taken = loop.post_all(items)
    print(json.dumps({
                'started': started, 'ended': time.monotonic(),
                'cpu': time.process_time() - cpu,
                'count': len(items), 'taken': taken}), flush=True)


if __name__ == '__main__':
    main(*sys.argv[1:])
