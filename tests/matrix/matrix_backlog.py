# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"A large outbox on PostgreSQL, and what the server does to find rows in it."

from contextlib import contextmanager

from trytond.backend.postgresql.database import LoggingCursor
from trytond.pool import Pool
from trytond.protocols.wrappers import Response
from trytond.wsgi import app
from werkzeug.test import Client

TABLES = ['satusehat_submission', 'clinic_encounter']
PAGE = 100
PASSWORD = 'kata-sandi-percobaan-matriks'


def add_branches(clinic, count):
    "Add branches, which the administrator sees too, and note the ids of all"
    with clinic.transaction():
        pool = Pool()
        Company = pool.get('company.company')
        User = pool.get('res.user')
        first, = Company.search(
            [('id', '=', clinic.branches['A']['company'])])
        parties = pool.get('party.party').create([
                {'name': f"Klinik {n}"} for n in range(count)])
        Company.create([{
                    'party': party.id, 'currency': first.currency.id,
                    'satusehat_environment': 'local'} for party in parties])
        companies = [c.id for c in Company.search([])]
        User.write([User(1)], {
                'password': PASSWORD,
                'companies': [('add', companies)],
                'company': companies[0],
                'company_filter': 'all',
                })
        clinic.companies = companies


def multiply(clinic, visit, rows, **changes):
    """Copy a visit and its submission, all due as that one is.

    A half of the copies belong to the first branch, the others are spread
    evenly.  changes are SQL by column of the submission.
    """
    companies = clinic.companies
    company = (
        f'CASE WHEN n % 2 = 0 THEN {companies[0]} '
        f'ELSE (ARRAY{companies})[1 + n / 2 % {len(companies)}] END')
    with clinic.transaction(user=0) as transaction:
        cursor = transaction.connection.cursor()
        last = _last(cursor, 'clinic_encounter')
        _copy(cursor, 'clinic_encounter', visit, rows, {
                'uid': 'gen_random_uuid()::text', 'number': f"'V{last}-' || n",
                'company': company, 'id': f'{last} + n'})
        row, = Pool().get('satusehat.submission').search(
            [('encounter', '=', visit)])
        _copy(cursor, 'satusehat_submission', row.id, rows, {
                'encounter': f'{last} + n', 'company': company,
                'id': f'{_last(cursor, "satusehat_submission")} + n',
                **changes})
        for table in TABLES:
            cursor.execute(f'ANALYZE {table}')


def _last(cursor, table):
    cursor.execute(f'SELECT MAX(id) FROM {table}')
    (last,), = cursor.fetchall()
    return last


def _copy(cursor, table, source, rows, changes):
    "Insert copies; changes are SQL by column, n the number of the copy"
    cursor.execute(
        'SELECT column_name FROM information_schema.columns '
        'WHERE table_name = %s', [table])
    names = [name for name, in cursor]
    values = [changes.get(name, f'source.{name}') for name in names]
    cursor.execute(
        f'INSERT INTO {table} ({", ".join(names)}) '
        f'SELECT {", ".join(values)} FROM {table} AS source, '
        f'generate_series(1, {rows}) AS n WHERE source.id = {source}')


@contextmanager
def statements():
    "Yield the list of (SQL, parameters) that run meanwhile"
    execute, found = LoggingCursor.execute, []

    def record(cursor, query, params=None, **options):
        found.append((str(query), params))
        return execute(cursor, query, params, **options)
    LoggingCursor.execute = record
    try:
        yield found
    finally:
        LoggingCursor.execute = execute


def scans(clinic, statements):
    """Return what reads the outbox or the visits row by row.

    That is (rows read, SQL) of each plan that reads more than a page of them
    without an index.  The statements run once more; nothing is kept.
    """
    found = []
    with clinic.transaction(user=0) as transaction:
        cursor = transaction.connection.cursor()
        for sql, parameters in statements:
            if not any(f'"{table}"' in sql for table in TABLES):
                continue
            cursor.execute(f'EXPLAIN (ANALYZE, FORMAT JSON) {sql}', parameters)
            (((plan,),),) = cursor.fetchall()
            read = sum(map(_rows_read, _nodes(plan['Plan'])))
            if read > PAGE:
                found.append((read, sql))
        transaction.rollback()
    return found


def _nodes(plan):
    yield plan
    for part in plan.get('Plans', []):
        yield from _nodes(part)


def _rows_read(node):
    if (node['Node Type'] != 'Seq Scan'
            or node['Relation Name'] not in TABLES):
        return 0
    return node['Actual Loops'] * (
        node['Actual Rows'] + node.get('Rows Removed by Filter', 0))


class Desk:
    "The administrator's client, over JSON-RPC"

    def __init__(self, clinic):
        self._client = Client(app, Response)
        self._path = f'/{clinic.database}'
        self._post('session/login', 'common.db.login', [
                'admin', {'password': PASSWORD}])
        self._context = self.call('model.res.user.get_preferences', True, {})

    def call(self, method, *parameters):
        "Return the result; asserts that there is one"
        answer = self._post('rpc/', method, parameters)
        assert 'error' not in answer, answer
        return answer['result']

    def _post(self, path, method, parameters):
        response = self._client.post(f'{self._path}/{path}', json={
                'id': 1, 'method': method, 'params': list(parameters)})
        assert response.status_code == 200, response.status
        return response.json

    def page(self, model, domain, size=PAGE):
        "Return the records of the first page of a list, as a client reads it"
        view = self.call(
            f'model.{model}.fields_view_get', None, 'tree', self._context)
        ids = self.call(
            f'model.{model}.search', domain, 0, size, None, self._context)
        return self.call(
            f'model.{model}.read', ids, sorted(view['fields']),
            self._context)
