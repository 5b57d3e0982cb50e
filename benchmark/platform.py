# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"The other side of a run, in a process of its own."

import json
import os
import urllib.request
from contextlib import contextmanager
from pathlib import Path

from . import clinics
from .processes import children

KINDS = ['standin', 'emulator']


class Platform:
    "url is its address, child its process"

    def __init__(self, child, url):
        self.child, self.url = child, url

    def log(self):
        "Return what the stand-in answered, as of benchmark.standin"
        with urllib.request.urlopen(self.url + '/log') as answer:  # noqa: S310
            return json.load(answer)


@contextmanager
def platform(kind, latency, branches, *arguments):
    """Run the stand-in or the emulator with the latency in milliseconds.

    Yields a Platform; the emulator knows the clients of the branches.
    """
    if kind == 'emulator':
        module, arguments = 'satusehat_emulator', [
            '--seed', _seed(branches), '--no-reference-check', *arguments]
        if latency:
            arguments += ['--latency', str(latency)]
    else:
        module, arguments = 'benchmark.standin', [
            '--latency', str(latency), *arguments]
    with children(1, module, *arguments) as (child,):
        yield Platform(child, child.line())


def _seed(branches):
    "Write a seed with a client for each branch, return its path"
    path = Path(os.environ['SCRATCH'], 'seed.json')
    path.write_text(json.dumps({'clients': [{
                    'id': clinics.client(n)[0],
                    'secret': clinics.client(n)[1],
                    'organization': clinics.organization(n),
                    } for n in range(1, branches + 1)]}), encoding='utf-8')
    return str(path)
