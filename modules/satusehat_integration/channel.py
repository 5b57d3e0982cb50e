# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"The line of one branch to one environment of the platform."

import datetime as dt
import time
from urllib.parse import parse_qsl, urlsplit

from trytond.pool import Pool
from trytond.transaction import Transaction

from . import crypto
from .committed import committed
from .exchange import closing
from .gate import database_now
from .platform import answer as outcomes
from .platform import token as tokens
from .platform.client import Client
from .platform.settings import FHIR, ConfigurationError, base_url
from .verdict import PASSING, THROTTLE_PAUSE, Halt, Verdict, of_read

# Seconds between two tries to have a token of a client (SATUSEHAT,
# authentication: one try a minute after a refusal)
PENALTY = 60
FETCHING = 'token_pending'
FETCHING_PAUSE = 5
MOST_PAGES = 100


class Channel:
    """Talks to the platform for one branch.

    Keeps no transaction open while it waits for the platform.  What can not
    go on raises Halt.
    """

    def __init__(self, company, environment):
        self.company = company
        self.environment = environment
        self._paused_until = 0
        with Transaction().new_transaction(readonly=True):
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
        if not self._secret:
            raise Halt(Verdict('needs_admin', 'no_secret'))
        try:
            self.client = Client(base_url(environment))
        except ConfigurationError as e:
            raise Halt(Verdict(
                    'needs_admin', 'configuration', e.option)) from None

    def token(self, log):
        """Return a token, kept or new.

        log takes the values of the exchange row when one was fetched.
        """
        try:
            if value := committed(self._kept_token):
                return value
            return self._fetch(log, crypto.decrypt(self._secret))
        except crypto.KeyMissing:
            raise Halt(Verdict('needs_admin', 'key_missing')) from None
        except crypto.KeyWrong:
            raise Halt(Verdict('needs_admin', 'key_wrong')) from None

    def _gate(self):
        return Pool().get('satusehat.gate').of(
            self.environment, self.client_id)

    def _kept_token(self):
        "Return the token to use, None when one may be fetched"
        gate, now = self._gate(), database_now()
        if gate.is_closed(now):
            raise Halt(_closed(gate, now))
        return gate.token(now)

    def _fetch(self, log, secret):
        committed(self._reserve)
        started = _clock()
        token, answer = tokens.fetch(
            self.client.base_url, self.client_id, secret)
        log.append(self._row(answer, started))
        committed(self._keep, token, answer)
        if token:
            return token.value
        if answer.outcome == outcomes.UNAUTHORIZED:
            raise Halt(Verdict('needs_admin', 'secret_refused'))
        raise Halt(of_read(answer))

    def _reserve(self):
        """Let no other sender fetch a token at the same time.

        Holds for as long as a refused try has to be waited out, in case
        this one never comes back.
        """
        gate, now = self._gate(), database_now()
        if gate.is_closed(now):
            raise Halt(_closed(gate, now))
        gate.close(PENALTY, now, FETCHING)
        gate.save()

    def _keep(self, token, answer):
        gate, now = self._gate(), database_now()
        if token:
            gate.open(token.value, tokens.lifetime(token), now)
        else:
            gate.close(
                max(answer.retry_after or 0, PENALTY), now, answer.outcome)
        gate.save()

    def drop(self, value):
        "Forget a token that the platform does not take any more"
        committed(
            Pool().get('satusehat.gate').drop_token,
            self.environment, self.client_id, value)

    def pause(self, seconds):
        "Send nothing for this client until the seconds are over"
        self._paused_until = time.monotonic() + seconds
        committed(self._pause, seconds)

    def _pause(self, seconds):
        gate = self._gate()
        gate.pause(seconds, database_now(), outcomes.THROTTLED)
        gate.save()

    def check_pause(self):
        "Raise Halt while the client is to send nothing"
        if (rest := self._paused_until - time.monotonic()) > 0:
            raise Halt(Verdict('waiting', outcomes.THROTTLED, delay=rest))

    def ask(self, path, params, log, expect=('Bundle',)):
        "Return the body of a GET; raises Halt for what is no answer"
        for last in (False, True):
            token, started = self.token(log), _clock()
            answer = self.client.request(
                'GET', f'{FHIR}/{path}', token=token, params=params,
                expect=expect)
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
        "Make one POST and return its Answer; safe in a thread"
        return self.client.request(
            'POST', f'{FHIR}/{path}'.rstrip('/'), token=token, body=body,
            expect=expect)

    def opening(self, path, started):
        "Return the values of an exchange row for a write about to begin"
        return {
            'company': self.company,
            'environment': self.environment,
            'started_at': started,
            'method': 'POST',
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


def _closed(gate, now):
    "Return the Verdict for what is asked of a client that has to wait"
    rest = (gate.blocked_until - now).total_seconds()
    if gate.problem == FETCHING:
        return Verdict(
            'waiting', FETCHING, delay=min(rest, FETCHING_PAUSE))
    if gate.problem in PASSING | {outcomes.THROTTLED}:
        return Verdict('waiting', gate.problem, delay=rest)
    return Verdict('needs_admin', _token_problem(gate.problem))


def _token_problem(outcome):
    return {outcomes.UNAUTHORIZED: 'secret_refused'}.get(outcome, outcome)


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
