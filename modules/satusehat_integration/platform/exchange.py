# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"One HTTP exchange, from its start to its Answer."
import logging
import time
import zlib

from requests.structures import CaseInsensitiveDict

from . import answer as outcomes
from . import faults, issues, transport
from .answer import Answer
from .classification import Verdict, classify, clock_skew

logger = logging.getLogger(__name__)
_CHUNK = 2 ** 16


class _TooLarge(Exception):
    pass


class _Encoding(Exception):
    "The body is not compressed as its header says."


class Exchange:
    """Context of one exchange: what goes wrong in it becomes the answer.

    Inside the context the request is made with ``stream=True`` and its
    response given to ``receive``. Afterwards ``answer`` is an Answer.
    Faults of the network and of the other side never leave the context.
    """

    def __init__(self, method, path, limits, expect=()):
        self.method = method
        self.path = path
        self.limits = limits
        self.expect = expect
        self.answer = None
        self._verdict = None
        self._status = None
        self._headers = CaseInsensitiveDict()
        self._size = 0
        self._clock_skew = None

    @property
    def timeout(self):
        return self.limits.connect, self.limits.read

    def __enter__(self):
        self._context = transport.attempt(self.limits)
        self._attempt = self._context.__enter__()
        return self

    def __exit__(self, kind, error, traceback):
        self._context.__exit__(None, None, None)
        if error is not None:
            if not isinstance(error, Exception):
                return False
            if not self._attempt.sent and not isinstance(error, faults.FAULTS):
                return False
            # A verdict on the whole answer stands, whatever came after it
            self._verdict = self._verdict or self._fault(error)
        self.answer = self._answer()
        return True

    def receive(self, response):
        """Read a streamed response to its end and return its Verdict.

        Raises on what must end the exchange; the context understands it.
        """
        self._status = response.status_code
        self._headers = response.headers
        self._clock_skew = clock_skew(response.headers.get('date'), time.time())
        try:
            content = self._content(response)
        finally:
            response.close()
        self._size = len(content)
        self._verdict = classify(
            self._status, self._headers, content, self.expect)
        return self._verdict

    def _content(self, response):
        declared = response.headers.get('content-length', '')
        if declared.isdecimal() and len(declared) > 15:
            raise _TooLarge
        if declared.isdecimal() and int(declared) > self.limits.size:
            raise _TooLarge
        received = bytearray()
        while chunk := response.raw.read(_CHUNK, decode_content=False):
            received += chunk
            if len(received) > self.limits.size:
                raise _TooLarge
        return self._decompress(
            bytes(received), response.headers.get('content-encoding', ''))

    def _decompress(self, content, encoding):
        encoding = encoding.strip().lower()
        if not content or encoding in {'', 'identity'}:
            return content
        if encoding not in {'gzip', 'x-gzip'}:
            raise _Encoding
        decompressor = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
        try:
            result = decompressor.decompress(content, self.limits.size + 1)
        except zlib.error:
            raise _Encoding from None
        if len(result) > self.limits.size:
            raise _TooLarge
        if not decompressor.eof:
            raise _Encoding
        return result

    def _fault(self, error):
        if isinstance(error, _TooLarge):
            return Verdict(outcomes.TOO_LARGE, 'size')
        if isinstance(error, _Encoding):
            return Verdict(outcomes.UNRECOGNISED, 'encoding')
        if not isinstance(error, faults.FAULTS):
            logger.error(
                "unforeseen %s while reading an answer", type(error).__name__)
        return Verdict(*faults.read(
                error, self._attempt.sent, self._attempt.late))

    def _answer(self):
        verdict = self._verdict
        return Answer(
            method=self.method, path=self.path, outcome=verdict.outcome,
            reason=verdict.reason, status=self._status, body=verdict.body,
            issues=verdict.issues,
            request_id=self._header('x-request-id'),
            etag=self._header('etag'),
            duration=round(1000 * (
                    time.monotonic() - self._attempt.started)),
            retry_after=verdict.retry_after,
            request_sent=self._attempt.sent, size=self._size,
            clock_skew=self._clock_skew)

    def _header(self, name):
        return issues.printable(self._headers.get(name, ''), 200)
