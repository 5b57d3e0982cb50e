# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"The line of one branch to one environment of the platform."

import datetime as dt
import threading
import time
from urllib.parse import parse_qsl, urlsplit

from trytond.pool import Pool

from . import crypto
from .committed import committed, reading
from .exchange import closing
from .gate import HOST, database_now
from .platform import answer as outcomes
from .platform import token as tokens
from .platform.client import Client
from .platform import settings
from .platform.settings import FHIR, OAUTH2, ConfigurationError, base_url
from .skew import Clock
from .verdict import (
    OF_CLIENT, OF_HOST, RELEASED, SHARED, THROTTLE_PAUSE, Halt,
    Verdict, of_read, reason_of)

FETCHING = 'token_pending'
MOST_PAGES = 100
# The host's own faults, which count against it
HOST_FAULTS = {
    outcomes.UNREACHABLE, outcomes.SERVER_ERROR, outcomes.NO_ANSWER}
# Threads of one process ask one after the other: all want the host's row
TURNS = threading.Lock()
# A write that was judged by its content: the client may write
HEARD = {outcomes.OK, outcomes.REFUSED, outcomes.DUPLICATE}


class Channel:
    """Talks to the platform for one branch.

    To be shared by the threads of one sender.  Keeps no transaction open
    while it waits for the platform.  What can not go on raises Halt.

    pulses collects what the breakers are to know: (client id or HOST,
    problem or None, whether it opens at once).
    """

    def __init__(self, company, environment):
        self.company = company
        self.environment = environment
        self.pulses = []
        self._paused_until = 0
        self._lock = threading.Lock()
        self._token = None
        self._token_until = 0
        with reading():
            pool = Pool()
            Credential = pool.get('satusehat.credential')
            credentials = Credential.search([
                    ('company', '=', company),
                    ('environment', '=', environment),
                    ])
            if not credentials:
                raise Halt(Verdict('needs_admin', 'no_credential'))
            credential, = credentials
            self.organization_id = credential.organization_id
            self.client_id = credential.client_id
            self._secret = credential.client_secret_encrypted
            self._clock = Clock(environment)
        self._is_paced = settings.read().is_paced
        self.client, self._problem = None, None
        try:
            self.client = Client(base_url(environment))
        except ConfigurationError as e:
            self._problem = Verdict(
                'needs_admin', 'configuration', e.option, shared=OF_HOST)
        if not self._secret:
            self._problem = Verdict(
                'needs_admin', 'no_secret', shared=OF_CLIENT)

    @property
    def kept_token(self):
        "The token at hand, None when one has to be asked for"
        if time.monotonic() < self._token_until:
            return self._token

    def token(self, log):
        """Return a token, kept or new.

        log takes the values of the exchange row when one was fetched.
        """
        if self._problem:
            raise Halt(self._problem)
        with self._lock:
            if token := self.kept_token:
                return token
            try:
                value, seconds = (
                    committed(self._kept_token)
                    or self._fetch(log, crypto.decrypt(self._secret)))
            except crypto.KeyMissing:
                raise Halt(_key_problem('key_missing')) from None
            except crypto.KeyWrong:
                raise Halt(_key_problem('key_wrong')) from None
            self._token = value
            self._token_until = time.monotonic() + seconds
            return value

    def _gate(self):
        return Pool().get('satusehat.gate').of(
            self.environment, self.client_id)

    def _kept_token(self):
        "Return the token to use and its seconds, None when one may be fetched"
        gate, now = self._gate(), database_now()
        if gate.is_closed(now):
            raise Halt(RELEASED)
        if value := gate.token(now):
            return value, (gate.token_until - now).total_seconds()

    def _fetch(self, log, secret):
        if kept := committed(self._reserve):
            return kept
        self.wait_turn()
        started = _clock()
        token, answer = tokens.fetch(
            self.client.base_url, self.client_id, secret)
        self._note(answer)
        log.append(self._row(answer, started))
        committed(self._keep, token, answer)
        if token:
            return token.value, tokens.lifetime(token)
        if answer.outcome == outcomes.UNAUTHORIZED:
            raise Halt(Verdict(
                    'needs_admin', 'secret_refused', shared=OF_CLIENT))
        raise Halt(of_read(answer))

    def _reserve(self):
        """Let no other sender fetch a token at the same time.

        Holds for as long as a refused try has to be waited out, in case
        this one never comes back.  Returns what _kept_token does if another
        was faster.
        """
        if kept := self._kept_token():
            return kept
        gate, now = self._gate(), database_now()
        gate.close(settings.read().token_pause, now, FETCHING)
        gate.save()

    def _keep(self, token, answer):
        gate, now = self._gate(), database_now()
        if token:
            gate.open(token.value, tokens.lifetime(token), now)
        else:
            gate.close(
                max(answer.retry_after or 0, settings.read().token_pause),
                now, reason_of(answer))
        gate.save()

    def drop(self, value):
        "Forget a token that the platform does not take any more"
        with self._lock:
            if self._token == value:
                self._token, self._token_until = None, 0
            committed(self._drop, value)

    def _drop(self, value):
        Pool().get('satusehat.gate').drop_token(
            self.environment, self.client_id, value)

    def pause(self, seconds):
        "Send nothing for this client until the seconds are over"
        self._paused_until = time.monotonic() + seconds
        committed(self._pause, seconds)

    def _pause(self, seconds):
        gate, now = self._gate(), database_now()
        gate.pause(seconds, now, outcomes.THROTTLED)
        gate.slow_down(now)
        gate.save()

    @property
    def is_paused(self):
        "Whether the client is to send nothing for now"
        return self._paused_until > time.monotonic()

    def wait_turn(self):
        "Wait until one more request fits into the pace"
        if self._is_paced:
            with TURNS:
                seconds = committed(self._turn)
            time.sleep(seconds)

    def _turn(self):
        Gate = Pool().get('satusehat.gate')
        (seconds,), = Gate.reserve(
            self.environment, {self.client_id: 1}, database_now()).values()
        return seconds

    def ask(self, path, params, log, expect=('Bundle',)):
        "Return the body of a GET; raises Halt for what is no answer"
        for last in (False, True):
            token = self.token(log)
            if self.is_paused:
                raise Halt(RELEASED)
            self.wait_turn()
            started = _clock()
            answer = self.client.request(
                'GET', f'{FHIR}/{path}', token=token, params=params,
                expect=expect)
            self._note(answer)
            log.append(self._row(answer, started))
            if answer.outcome != outcomes.UNAUTHORIZED or last:
                break
            self.drop(token)
        if answer.outcome == outcomes.OK:
            return answer.body
        if answer.outcome == outcomes.THROTTLED:
            self.pause(answer.retry_after or THROTTLE_PAUSE)
        raise Halt(of_read(answer))

    def search(self, resource_type, params, log):
        """Return a searchset with the entries of all pages.

        Raises Halt when there is no end to them: what is not read can not
        be said to be absent.
        """
        entries, pages = [], 0
        while params and pages < MOST_PAGES:
            body = self.ask(resource_type, params, log)
            entries += _dicts(body.get('entry'))
            params = _next_page(body)
            pages += 1
        if params:
            raise Halt(Verdict('waiting', outcomes.UNRECOGNISED))
        return {'resourceType': 'Bundle', 'entry': entries}

    def post(self, path, body, token, expect):
        "Make one POST and return its Answer"
        return self.write('POST', path, body, token, expect)

    def write(self, method, path, body, token, expect, if_match=None):
        "Make one write and return its Answer"
        answer = self.client.request(
            method, f'{FHIR}/{path}'.rstrip('/'), token=token, body=body,
            if_match=if_match, expect=expect)
        self._note(answer)
        return answer

    def _note(self, answer):
        """Tell the breakers what became of a request.

        Whoever answers is there: only silence and its own errors count
        against the host.
        """
        self._clock.compare(answer)
        if answer.outcome in HOST_FAULTS:
            self.pulses.append((HOST, reason_of(answer), False))
        elif SHARED.get(answer.outcome) != OF_HOST:
            self.pulses.append((HOST, None, False))
        if answer.method != 'GET' and answer.outcome in HEARD and (
                not answer.path.startswith(OAUTH2)):
            self.pulses.append((self.client_id, None, False))

    def note_shared(self, verdict):
        "Tell the breakers of a fault that is not the visit's"
        name = HOST if verdict.shared == OF_HOST else self.client_id
        self.pulses.append((name, verdict.reason, True))

    def opening(self, path, started, method='POST'):
        "Return the values of an exchange row for a write about to begin"
        return {
            'company': self.company,
            'environment': self.environment,
            'started_at': started,
            'method': method,
            'path': f'{FHIR}/{path}'.rstrip('/'),
            'outcome': 'unknown',
            }

    def _row(self, answer, started):
        return {
            'company': self.company,
            'environment': self.environment,
            'started_at': started,
            'method': answer.method,
            'path': answer.path,
            **closing(answer),
            }


def _clock():
    return dt.datetime.now(dt.timezone.utc).replace(tzinfo=None)


def _key_problem(reason):
    return Verdict('needs_admin', reason, shared=OF_CLIENT)


def _dicts(value):
    return [v for v in value or [] if isinstance(v, dict)] if isinstance(
        value, list) else []


def _next_page(body):
    for link in _dicts(body.get('link')):
        url = link.get('url')
        if link.get('relation') == 'next' and isinstance(url, str):
            params = parse_qsl(urlsplit(url).query)
            if not params:
                raise Halt(Verdict('waiting', outcomes.UNRECOGNISED))
            return params
