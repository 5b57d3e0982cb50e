# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"A clinic that somebody watches: addresses, and rows of any age and number."

import datetime as dt
import uuid

from prometheus_client.parser import text_string_to_metric_families
from renewed_clinic import RenewedClinic
from trytond.pool import Pool
from trytond.protocols.wrappers import Response
from trytond.wsgi import app
from werkzeug.test import Client

TOKEN = 'watchtower-' + '0' * 20
SWEEP = 'satusehat.submission|push'
# The metrics that there are, with their labels
LABELS = {
    'satusehat_submissions': {
        'branch', 'organization', 'environment', 'state'},
    'satusehat_oldest_submission_age_seconds': {
        'branch', 'organization', 'environment', 'state'},
    'satusehat_oldest_unsent_age_seconds': set(),
    'satusehat_oldest_due_age_seconds': set(),
    'satusehat_last_sweep_timestamp_seconds': set(),
    'satusehat_last_request_timestamp_seconds': set(),
    'satusehat_breaker_open': {
        'scope', 'branch', 'organization', 'environment'},
    'satusehat_paused': {'scope', 'branch', 'organization', 'environment'},
    'satusehat_clock_skew_seconds': {'environment'},
    'satusehat_requests': {
        'environment', 'method', 'resource_type', 'outcome'},
    'satusehat_refusals': {'environment', 'resource_type', 'rule'},
    'satusehat_request_duration_seconds': {
        'environment', 'method', 'resource_type'},
    }


def get(path, token=None, **headers):
    "Return the response to a GET"
    if token is not None:
        headers['Authorization'] = f'Bearer {token}'
    return Client(app, Response).get(path, headers=headers)


def samples(text):
    "Return {(name, frozenset of labels): value} of Prometheus' text"
    return {
        (s.name, frozenset(s.labels.items())): s.value
        for family in text_string_to_metric_families(text)
        for s in family.samples}


def key(name, **labels):
    return name, frozenset(labels.items())


def now():
    return dt.datetime.now(dt.timezone.utc).replace(tzinfo=None)


class WatchedClinic(RenewedClinic):
    "A clinic with rows that no visit was needed for"

    def health(self, **headers):
        return get(f'/{self.database}/satusehat/health', **headers)

    def scrape(self, token=TOKEN, **headers):
        return get(f'/{self.database}/satusehat/metrics', token, **headers)

    def metrics(self):
        "Return the samples of a scrape that went well"
        response = self.scrape()
        assert response.status_code == 200, response.data
        return samples(response.get_data(as_text=True))

    def submissions(
            self, branch='A', state='pending', count=1, age=0, due=0,
            environment='local'):
        """Write submissions of that age, due since so many seconds.

        Returns their visits, of which there is no more than that.
        """
        visits = self._visits(count)
        self._insert('satusehat.submission', age, [{
                    'encounter': visit,
                    'version': 1,
                    **self._place(branch, state, due, environment),
                    } for visit in visits])
        return visits

    def correction(
            self, visit, branch='A', state='pending', age=0, due=0,
            environment='local'):
        "Write the second version of a visit"
        self._insert('satusehat.submission', age, [{
                    'encounter': visit,
                    'version': 2,
                    **self._place(branch, state, due, environment),
                    }])

    def _place(self, branch, state, due, environment):
        return {
            'company': self.branches[branch]['company'],
            'environment': environment,
            'state': state,
            'next_attempt': (now() - dt.timedelta(seconds=due)).replace(
                microsecond=0),
            }

    def _visits(self, count):
        place = self.branches['A']
        with self.transaction(context={'company': place['company']}):
            patient = self._patient(self.person())
            return [e.id for e in Pool().get('clinic.encounter').create([{
                            'company': place['company'],
                            'patient': patient,
                            'unit': place['unit'],
                            }] * count)]

    def exchange(self, age=0, count=1, **values):
        "Write exchanges of that age and return their ids"
        return self._insert('satusehat.exchange', age, [{
                    'company': self.branches['A']['company'],
                    'environment': 'local', 'started_at': now(),
                    'method': 'POST', 'path': '/fhir-r4/v1', 'status': 200,
                    'duration': 40, 'outcome': 'ok', **values}] * count)

    def _insert(self, model, age, rows):
        with self.transaction(user=0) as transaction:
            Model = Pool().get(model)
            ids = [r.id for r in Model.create(rows)]
            table = Model.__table__()
            cursor = transaction.connection.cursor()
            cursor.execute(*table.update(
                    [table.create_date], [now() - dt.timedelta(seconds=age)],
                    where=table.id.in_(ids)))
            return ids

    def swept(self, age=0, method=SWEEP):
        "Let the scheduler have run an action so many seconds ago"
        with self.transaction(user=0):
            pool = Pool()
            cron, = pool.get('ir.cron').search([('method', '=', method)])
            ended = (now() - dt.timedelta(seconds=age)).replace(microsecond=0)
            pool.get('ir.cron.log').create([{
                        'cron': cron.id, 'started': ended, 'ended': ended}])

    def run_scheduler(self, method=SWEEP):
        "Run one action, which is due, as the scheduler does"
        self.write('ir.cron', [], {'next_call': dt.datetime(2100, 1, 1)})
        self.write('ir.cron', [('method', '=', method)], {'next_call': None})
        Pool(self.database).get('ir.cron').run(self.database)

    def next_sweep(self):
        (next_call,), = self.read(
            'ir.cron', [('method', '=', SWEEP)], 'next_call')
        return next_call

    def tally(self):
        "Run the scheduled action that counts"
        with self.transaction(user=0):
            Pool().get('satusehat.exchange.tally').add_settled()

    def age_exchanges(self, seconds):
        "Let all exchanges be older"
        with self.transaction(user=0) as transaction:
            table = Pool().get('satusehat.exchange').__table__()
            cursor = transaction.connection.cursor()
            cursor.execute(*table.select(table.id, table.create_date))
            back = dt.timedelta(seconds=seconds)
            for id_, created in cursor.fetchall():
                cursor.execute(*table.update(
                        [table.create_date], [created - back],
                        where=table.id == id_))

    def add_branches(self, count):
        "Add branches with a credential, named as their clients"
        names = [f'X{uuid.uuid4().hex[:8]}' for _ in range(count)]
        with self.transaction():
            pool = Pool()
            currency, = pool.get('currency.currency').search([], limit=1)
            parties = pool.get('party.party').create([
                    {'name': f"Klinik {name}"} for name in names])
            companies = pool.get('company.company').create([{
                        'party': party.id, 'currency': currency.id,
                        'satusehat_environment': 'local'}
                    for party in parties])
            pool.get('satusehat.credential').create([{
                        'company': company.id, 'environment': 'local',
                        'organization_id': name, 'client_id': f'client-{name}',
                        'client_secret': 'secret-X'}
                    for name, company in zip(names, companies, strict=True)])
        for name, company in zip(names, companies, strict=True):
            self.branches[name] = {'company': company.id}
        return names

    def gates(self, *rows):
        with self.transaction(user=0):
            Pool().get('satusehat.gate').create(list(rows))
