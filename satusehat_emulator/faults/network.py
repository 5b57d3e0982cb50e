# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Faults of the connection: late, slow, cut off, without end."

import json
import zlib

from flask import Response

from .facts import TOKEN
from .options import Flag, Number, seconds, stored
from .registry import alters, prepares, replaces
from .wire import Dropped

MEGABYTE = 1 << 20
BLANK = b' ' * 65536


def _rewrite(response, chunks, length=None):
    "Let `chunks` be the body; `length` None means chunked."
    response.response = chunks
    if length is None:
        response.headers.pop('Content-Length', None)
    else:
        response.headers['Content-Length'] = str(length)
    return response


def _interrupted(job, response, kept, end):
    "Send `kept` bytes of the body, then call `end` and hang up."
    response = response or Response()
    body = response.get_data()
    job.silent = kept == 0

    def chunks():
        if kept:
            yield body[:kept]
        end()
        raise Dropped('a fault')

    return _rewrite(response, chunks(), max(len(body), kept + 1))


def _delayed(job, response):
    "Begin to answer after the fault's seconds."
    length = (
        response.calculate_content_length() if response.is_sequence
        else response.headers.get('Content-Length'))
    inner = response.iter_encoded()

    def chunks():
        job.wire.pause(job['seconds'])
        yield from inner

    return _rewrite(response, chunks(), length)


def _gateway_timeout():
    return Response('Gateway Timeout', 504, content_type='text/plain')


@replaces(
    "the connection ends, after `send` bytes of the body or without a byte",
    gateway=True, stored=stored(),
    send=Number(0, high=10**9, whole=True))
def drop(job, response):
    return _interrupted(job, response, job['send'], lambda: None)


@replaces(
    "the connection is reset (RST) in the middle of the answer, or before "
    "it when nothing was stored",
    gateway=True, stored=stored(True))
def reset(job, response):
    kept = len(response.get_data()) // 2 if response else 0
    return _interrupted(job, response, kept, job.wire.reset)


@alters(
    "a good answer, then the connection is closed, which the answer did not "
    "announce", adds=True)
def hang_up(job, response):
    job.wire.hang_up()
    return response


@alters(
    "carried out at once, answered after some seconds",
    adds=True, seconds=seconds(30, 0.2, 1, 2))
def slow(job, response):
    return _delayed(job, response)


@prepares(
    "carried out and answered only after some seconds, though the client "
    "may have given up", gateway=True, seconds=seconds(30, 0.2, 1, 2))
def late(job, response):
    if not job.wire.wait(job['seconds']):
        return _gateway_timeout()


@replaces(
    "silence for some seconds, then 504 in text",
    gateway=True, stored=stored(), seconds=seconds(30, 0.5, 2))
def timeout(job, response):
    return _delayed(job, _gateway_timeout())


@alters(
    "the answer comes byte by byte, with its head too if `head`",
    interval=seconds(1, 0.0005, 0.001, high=60),
    head=Flag(False, (False, True)))
def drip(job, response):
    if job['head']:
        job.wire.drip(job['interval'])
        return response
    body = response.get_data()

    def chunks():
        for byte in body:
            job.wire.pause(job['interval'])
            yield bytes([byte])

    return _rewrite(response, chunks(), len(body))


def _padding(size):
    for start in range(0, size, len(BLANK)):
        yield BLANK[:size - start]


def _megabytes(default, *drawn):
    return Number(default, drawn, low=0, high=10_000)


@alters(
    "the answer is followed by megabytes of blanks",
    megabytes=_megabytes(6))
def huge(job, response):
    body, size = response.get_data(), int(job['megabytes'] * MEGABYTE)

    def chunks():
        yield body
        yield from _padding(size)

    return _rewrite(response, chunks(), len(body) + size)


@alters(
    "an answer that never ends: a list of entries goes on until the client "
    "leaves or some megabytes are sent",
    megabytes=_megabytes(1000, 20))
def endless(job, response):
    block = json.dumps({'resource': {'resourceType': 'Basic'}}) + ','
    blocks = (block * 1000).encode()

    def chunks():
        yield b'{"resourceType": "Bundle", "type": "searchset", "entry": ['
        for _ in range(int(job['megabytes'] * MEGABYTE) // len(blocks)):
            yield blocks
        raise Dropped('enough')

    return _rewrite(response, chunks())


@alters(
    "the answer with megabytes of blanks, packed small with gzip",
    megabytes=_megabytes(100, 20))
def gzip_bomb(job, response):
    body, size = response.get_data(), int(job['megabytes'] * MEGABYTE)

    def chunks():
        packer = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS | 16)
        yield packer.compress(body)
        for blanks in _padding(size):
            yield packer.compress(blanks)
        yield packer.flush()

    response.headers['Content-Encoding'] = 'gzip'
    return _rewrite(response, filter(None, chunks()))


@alters(
    "the Date header, and issued_at of a token, are off by some seconds",
    adds=True, seconds=seconds(
        -86400, -86400, -600, 600, low=-10**9, high=10**9))
def wrong_date(job, response):
    job.wire.shift_date(job['seconds'])
    body = response.get_json(silent=True)
    if job.facts.endpoint == TOKEN and body and 'issued_at' in body:
        moment = int(body['issued_at']) + int(job['seconds'] * 1000)
        response.set_data(json.dumps({**body, 'issued_at': str(moment)}))
    return response
