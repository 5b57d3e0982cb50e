# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""How long a claim takes in a large outbox, and the list of what waits.

The rows are copies of one that was really sent, made by the database: most
of them sent, a tenth due and spread unevenly over the branches, some of which
have nothing to send.
"""

import argparse
import os
import time
from pathlib import Path

from trytond import backend
from trytond.pool import Pool
from trytond.transaction import Transaction

from . import clinics, database
from .platform import platform
from .processes import children, family_cpu, race
from .push import numbers, server_of
from .report import Table, quantile

COLUMNS = [
    ('what', 34), ('times', 6), ('p50 ms', 9), ('p95 ms', 9), ('max ms', 9),
    ('cpu ms', 7), ('db ms', 6)]
SENT = ('sent', None)
# Of ten rows nine are sent; the tenth is due, later, or with a person
DUE_SHARE = 10
LISTED = 1000
LOOKS = 5
LEASE = 120
EXPLAIN = [
    "LOAD 'auto_explain'",
    'SET LOCAL auto_explain.log_min_duration = 0',
    'SET LOCAL auto_explain.log_analyze = on',
    'SET LOCAL auto_explain.log_buffers = on',
    'SET LOCAL client_min_messages = log',
    ]
WAITING = ['pending', 'checking', 'waiting', 'needs_data', 'needs_admin']


def columns(name, table):
    "Return the names of the table's columns, without the id"
    return [
        column for column, in database.query(
            name, 'SELECT column_name FROM information_schema.columns '
            "WHERE table_name = %s AND column_name <> 'id' "
            'AND table_schema = current_schema()', [table])]


def copy_rows(name, table, changes, rows):
    """Insert copies 1 to rows of the table's only row.

    changes are SQL expressions by column, where n is the number of the copy
    and source the row.
    """
    names = columns(name, table)
    values = [changes.get(column, f'source."{column}"') for column in names]
    quoted = ', '.join(f'"{column}"' for column in names)
    database.execute(
        name, f'INSERT INTO {table} ({quoted}) '  # noqa: S608
        f'SELECT {", ".join(values)} FROM '
        f'(SELECT * FROM {table} ORDER BY id LIMIT 1) AS source, '
        f'generate_series(1, {rows}) AS n')


def fill(name, rows):
    """Make the outbox large.

    A tenth of the rows is due, spread over the branches by the square of a
    random number: the first ones have far more than the last.
    """
    companies = '(SELECT array_agg(id ORDER BY id) FROM company_company)'
    # Of the row's number, so that both tables agree on the branch
    spread = 'power((n::bigint * 7919 % 10007) / 10007.0, 2)'
    company = (
        f'({companies})[1 + floor({spread} * '
        f'array_length({companies}, 1))::integer]')
    copy_rows(name, 'clinic_encounter', {
            'uid': 'gen_random_uuid()::text',
            'number': "'V' || n",
            'company': company,
            }, rows)
    due = f'n % {DUE_SHARE} = 0'
    copy_rows(name, 'satusehat_submission', {
            'encounter': '(SELECT MIN(id) FROM clinic_encounter) + n',
            'company': company,
            'state': f"CASE WHEN {due} THEN CASE n / {DUE_SHARE} % 4 "
            "WHEN 0 THEN 'waiting' WHEN 1 THEN 'checking' "
            "ELSE 'pending' END ELSE 'sent' END",
            'next_attempt': f"CASE WHEN {due} THEN "
            "date_trunc('second', localtimestamp) "
            "- interval '1 second' * (n % 7200) END",
            'sent_at': f'CASE WHEN {due} THEN NULL ELSE source.sent_at END',
            'attempts': f'CASE WHEN {due} THEN n % 3 ELSE 1 END',
            }, rows)
    with database.cursor(name, autocommit=True) as cursor:
        cursor.execute('VACUUM ANALYZE')


def send_one(name):
    "Let a sender really send the only visit of the database"
    with platform('standin', 0, 1) as far, children(
            1, 'benchmark.sending', name,
            TRYTOND_SATUSEHAT__LOCAL_URL=far.url) as senders:
        race(senders)
    states = database.states(name)
    if states != {SENT: 1}:
        raise RuntimeError(f"the visit to copy was not sent: {states}")


def create(name, rows, branches):
    "Create the database with the outbox"
    clinics.create_clinics(name, branches, 1)
    send_one(name)
    fill(name, rows)
    Pool(name).init()
    let_see_all(name)


def let_see_all(name):
    "Let the administrator see all branches"
    with database.transaction(name):
        pool = Pool()
        User = pool.get('res.user')
        companies = [c.id for c in pool.get('company.company').search([])]
        User.write([User(1)], {
                'companies': [('add', companies)],
                'company': companies[0],
                'company_filter': 'all',
                })


class Timing:
    """What a number of calls took, in milliseconds.

    spent holds each call's time; cpu is that of this process and of the
    database server for one call, which a busy machine changes little.
    """

    def __init__(self, name, function, times):
        server = server_of(name)
        before = time.process_time(), family_cpu(server)
        self.spent = []
        for _ in range(times):
            start = time.perf_counter()
            function()
            self.spent.append(1000 * (time.perf_counter() - start))
        self.cpu = [
            1000 * (now - then) / times for now, then in zip(
                (time.process_time(), family_cpu(server)), before,
                strict=True)]

    def row(self, what):
        return [
            what, len(self.spent), *(
                f'{quantile(self.spent, share):.1f}'
                for share in (0.5, 0.95, 1)),
            *(f'{ms:.1f}' for ms in self.cpu)]


def claims(name, times, limit):
    """Return the Timing of claims, and how many rows each took.

    As a sender takes them, the turn going on behind the last branch, with a
    commit after each.
    """
    from trytond.modules.satusehat_integration.claim import claim
    taken, after = [], [0]

    def take():
        with Transaction().new_transaction():
            rows, _ = claim(limit, LEASE, after=after[0])
            taken.append(len(rows))
            after[0] = max(row.company.id for row in rows)

    with Transaction().start(name, 0):
        return Timing(name, take, times), taken


def lists(name):
    "Return {what: function} of what a person looks at who sees all branches"
    with Transaction().start(name, 1, readonly=True):
        pool = Pool()
        Submission = pool.get('satusehat.submission')
        fields = list(Submission.fields_view_get(view_type='tree')['fields'])
        context = pool.get('res.user').get_preferences(context_only=True)

    def look(function):
        def looking():
            with Transaction().start(
                    name, 1, readonly=True,
                    context={**context, '_check_access': True}):
                return function(Pool().get('satusehat.submission'))
        return looking

    waiting = [('state', 'in', WAITING)]
    return {
        'list of what waits': look(lambda s: len(s.search_read(
                    waiting, limit=LISTED, fields_names=fields))),
        'list of all': look(lambda s: len(s.search_read(
                    [], limit=LISTED, fields_names=fields))),
        'count of what waits': look(lambda s: s.search(waiting, count=True)),
        }


def plans(name, limit):
    "Return the plans of all statements of one claim, as text"
    from trytond.modules.satusehat_integration.claim import claim
    notices = []
    with Transaction().start(name, 0) as transaction:
        connection = transaction.connection
        connection.add_notice_handler(
            lambda notice: notices.append(notice.message_primary))
        with connection.cursor() as cursor:
            for statement in EXPLAIN:
                cursor.execute(statement)
        claim(limit, LEASE)
        transaction.rollback()
    return '\n\n'.join(notices)


def parser():
    result = argparse.ArgumentParser(prog='script/bench claim')
    result.add_argument('--rows', type=int, default=1_000_000)
    result.add_argument('--branches', type=int, default=1000)
    result.add_argument('--claims', type=int, default=200)
    result.add_argument('--batch', type=numbers(int), default=[32, 8])
    result.add_argument('--plans', type=Path)
    return result


def main(arguments):
    args = parser().parse_args(arguments)
    if backend.name != 'postgresql':
        raise SystemExit("claim is measured on PostgreSQL")
    os.environ['TRYTOND_SATUSEHAT__LOCAL_URL'] = 'http://127.0.0.1:9'
    name = database.new_name('claim')
    try:
        create(name, args.rows, args.branches)
        (size,), = database.query(
            name, "SELECT pg_size_pretty(pg_total_relation_size("
            "'satusehat_submission'))")
        print(f'{args.rows} rows, {size}, {args.branches} branches')
        report(name, args)
    finally:
        database.drop(name)


def report(name, args):
    "Print the figures"
    table = Table(COLUMNS)
    for limit in args.batch:
        timing, taken = claims(name, args.claims, limit)
        table.add(timing.row(f'claim of {quantile(taken, 0.5)} rows'))
    for what, function in lists(name).items():
        found = function()
        table.add(Timing(name, function, LOOKS).row(f'{what}, {found}'))
    if args.plans:
        args.plans.write_text(
            plans(name, args.batch[0]), encoding='utf-8')
