# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"The line of one branch to one environment of the platform."

import datetime as dt
from urllib.parse import parse_qsl, urlsplit

from trytond.pool import Pool
from trytond.transaction import Transaction

from . import crypto
from .exchange import closing
from .gate import database_now
from .platform import answer as outcomes
from .platform import token as tokens
from .platform.client import Client
from .platform.settings import FHIR, ConfigurationError, base_url
from .verdict import THROTTLE_PAUSE, Halt, Verdict, of_read

PENALTY = 60
MOST_PAGES = 100


class Channel:
    """Talks to the platform for one branch.

    Keeps no transaction open while it waits for the platform.  What can not
    go on raises Halt.
    """

    def __init__(self, company, environment):
        self.company = company
        self.environment = environment
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
            with Transaction().new_transaction():
                gate = self._gate()
                now = database_now()
                value = gate.token(now)
                if value:
                    return value
                if gate.blocked_until and gate.blocked_until > now:
                    raise Halt(self._paused(gate, now))
            return self._fetch(log)
        except crypto.KeyMissing:
            raise Halt(Verdict('needs_admin', 'key_missing')) from None
        except crypto.KeyWrong:
            raise Halt(Verdict('needs_admin', 'key_wrong')) from None

    def _gate(self):
        return Pool().get('satusehat.gate').of(
            self.environment, self.client_id)

    @staticmethod
    def _paused(gate, now):
        if gate.problem:
            return Verdict('needs_admin', gate.problem)
        return Verdict(
            'waiting', outcomes.THROTTLED,
            delay=(gate.blocked_until - now).total_seconds())

    def _fetch(self, log):
        started = _clock()
        token, answer = tokens.fetch(
            self.client.base_url, self.client_id,
            crypto.decrypt(self._secret))
        log.append(self._row(answer, started))
        with Transaction().new_transaction():
            gate, now = self._gate(), database_now()
            if token:
                gate.open(token.value, tokens.lifetime(token), now)
            elif answer.outcome == outcomes.UNAUTHORIZED:
                gate.close(PENALTY, now, 'secret_refused')
            else:
                gate.close(answer.retry_after or PENALTY, now)
            gate.save()
        if token:
            return token.value
        if answer.outcome == outcomes.UNAUTHORIZED:
            raise Halt(Verdict('needs_admin', 'secret_refused'))
        raise Halt(of_read(answer))

    def drop(self, value):
        "Forget a token that the platform does not take any more"
        with Transaction().new_transaction():
            Pool().get('satusehat.gate').drop_token(
                self.environment, self.client_id, value)

    def pause(self, seconds):
        "Send nothing for this client until the seconds are over"
        with Transaction().new_transaction():
            gate = self._gate()
            gate.blocked_until = database_now() + dt.timedelta(
                seconds=seconds)
            gate.save()

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
        "Return a searchset with the entries of all pages"
        entries, pages = [], 0
        while params and pages < MOST_PAGES:
            body = self.ask(resource_type, params, log)
            entries += body.get('entry') or []
            params = _next_page(body)
            pages += 1
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


def _next_page(body):
    for link in body.get('link') or []:
        if link.get('relation') == 'next' and link.get('url'):
            return parse_qsl(urlsplit(link['url']).query)
