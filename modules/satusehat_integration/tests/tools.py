# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The clinic of two branches with credentials, and what users do there."""

import datetime as dt
from contextlib import contextmanager
from unittest.mock import patch

import trytond.config as config
from cryptography.fernet import Fernet
from proteus.config import TrytondConfig
from trytond import backend
from trytond.modules.clinic_rme.tests.tools import (
    ROLES, RemoteTestCase, create_clinic)
from trytond.pool import Pool
from trytond.tests.test_tryton import DB_NAME, activate_module, drop_db
from trytond.transaction import Transaction

MODULE = 'satusehat_integration'
ORGANIZATIONS = {'kota': '10000004', 'desa': '10000005'}
SECRETS = {branch: f'Rahasia-{branch}-7Yq2' for branch in ORGANIZATIONS}
EVERYBODY = [*ROLES, 'everything', 'nobody', 'satusehat', 'admin!']


def create_administrators(clinic):
    "Create a user of each branch who is SATUSEHAT administrator only"
    pool = Pool()
    ModelData = pool.get('ir.model.data')
    User = pool.get('res.user')
    group = ModelData.get_id(MODULE, 'group_satusehat_admin')
    User.create([{
                'name': f"SATUSEHAT {branch.title()}",
                'login': f'satusehat-{branch}',
                'groups': [('add', [group])],
                'companies': [('add', [clinic[branch]['company']])],
                'company': clinic[branch]['company'],
                } for branch in ORGANIZATIONS])


def create_credentials(clinic):
    "Create the credential of each branch and activate it, return the ids"
    pool = Pool()
    Company = pool.get('company.company')
    Credential = pool.get('satusehat.credential')
    Company.write(
        [Company(clinic[b]['company']) for b in ORGANIZATIONS],
        {'satusehat_environment': 'staging'})
    credentials = Credential.create([{
                'company': clinic[branch]['company'],
                'environment': 'staging',
                'organization_id': organization,
                'client_id': f'client-{branch}',
                'client_secret': SECRETS[branch],
                } for branch, organization in ORGANIZATIONS.items()])
    return dict(zip(
            ORGANIZATIONS, map(int, credentials), strict=True))


class SatusehatTestCase(RemoteTestCase):
    "Tests that call a clinic with credentials over RPC"

    @classmethod
    def setUpClass(cls):
        super(RemoteTestCase, cls).setUpClass()
        drop_db()
        activate_module(MODULE)
        with Transaction().start(DB_NAME, 1) as transaction:
            cls.clinic = create_clinic()
            create_administrators(cls.clinic)
            cls.credentials = create_credentials(cls.clinic)
            transaction.commit()
        cls.config = TrytondConfig()
        cls.remotes = {}

    def company(self, branch='kota'):
        return self.clinic[branch]['company']

    @contextmanager
    def changes(self, user=1, **context):
        "Change the database without access checks"
        with Transaction().start(
                DB_NAME, user, context=context) as transaction:
            yield Pool()
            transaction.commit()

    @contextmanager
    def shown(self, branch=None, **context):
        "Look at the database as the screens of the branch do"
        if branch:
            context['company'] = self.company(branch)
        with Transaction().start(
                DB_NAME, 1, readonly=True, context=context):
            yield Pool()

    def row(self, model, id_):
        "Return what the table of the model holds in the row, by column"
        with Transaction().start(DB_NAME, 0, readonly=True) as transaction:
            table = Pool().get(model).__table__()
            cursor = transaction.connection.cursor()
            cursor.execute(*table.select(where=table.id == id_))
            names = [column[0] for column in cursor.description]
            row, = cursor.fetchall()
            return dict(zip(names, row, strict=True))

    def wizard(self, login, name, model, ids, **context):
        """Start a wizard on the records and return what executes a state.

        It takes the name of the state and the values of the forms.
        """
        user = self.user(login)
        proxy = user.config.get_proxy(name, 'wizard')
        context = {
            **user.config.context,
            'active_model': model,
            'active_id': ids[0] if ids else None,
            'active_ids': ids,
            **context}
        session, _, _ = proxy.create(context)

        def execute(state, **data):
            return proxy.execute(session, data, state, context)
        return execute

    def submission(self, branch='kota', **values):
        "Finish a visit and give its submission the values, return its id"
        visit = self.create_visit('finished', branch)
        with self.changes() as pool:
            Submission = pool.get('satusehat.submission')
            submission, = Submission.search([('encounter', '=', visit)])
            Submission.write([submission], values)
            return submission.id

    def exchange(self, branch='kota', **values):
        "Store the row of a request, as a sender does, return its id"
        with self.changes() as pool:
            exchange, = pool.get('satusehat.exchange').create([{
                        'company': self.company(branch),
                        'environment': 'staging',
                        'started_at': now(),
                        'method': 'POST',
                        'path': '/fhir-r4/v1',
                        'outcome': 'unknown',
                        **values}])
            return exchange.id

    def adopt(self, resource_type, record, number, **values):
        "Store the id of a record, as a sender does"
        with self.changes() as pool:
            pool.get('satusehat.resource').adopt([{
                        'environment': 'staging',
                        'resource_type': resource_type,
                        'resource_id': number,
                        'record': record,
                        **values}])


def now():
    return dt.datetime.now(dt.timezone.utc).replace(tzinfo=None)


@contextmanager
def encryption_keys(*keys):
    "Let the server's configuration have these keys"
    if not config.has_section('satusehat'):
        config.add_section('satusehat')
    before = config.get('satusehat', 'encryption_keys', default='')
    config.set('satusehat', 'encryption_keys', ','.join(keys))
    try:
        yield
    finally:
        config.set('satusehat', 'encryption_keys', before)


def new_key():
    return Fernet.generate_key().decode()


@contextmanager
def counted_statements():
    "Yield a list that gets the statements sent to the database"
    statements = []
    if backend.name == 'sqlite':
        connection = Transaction().connection
        connection.set_trace_callback(statements.append)
        try:
            yield statements
        finally:
            connection.set_trace_callback(None)
    else:
        import psycopg
        execute = psycopg.Cursor.execute

        def recorded(self, query, *args, **kwargs):
            statements.append(query)
            return execute(self, query, *args, **kwargs)
        with patch.object(psycopg.Cursor, 'execute', recorded):
            yield statements
