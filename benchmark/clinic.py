# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What the daily acts of a clinic cost, with a small and a large history.

Statements are counted at the cursor; CPU is that of this process and, apart,
of the PostgreSQL server, for one act.  The large history is made by the
database, as copies of visits that were entered through the models.
"""

import argparse
import time
from contextlib import contextmanager
from itertools import product

from trytond import backend
from trytond.pool import Pool

from . import database
from .claim import copy_rows
from .counter import load
from .desk import FIRST, LAST, Desk, fill, set_up
from .processes import family_cpu
from .push import numbers, server_of
from .report import Table, quantile

MODULES = {
    'clinic': 'clinic_rme',
    'both': 'satusehat_integration',
    }
COLUMNS = [
    ('what', 44), ('times', 6), ('sql', 6), ('p50 ms', 8), ('p95 ms', 8),
    ('cpu ms', 7), ('db ms', 6)]
LOAD_COLUMNS = [
    ('servers', 8), ('clients', 8), ('workflows', 10), ('per second', 11),
    ('p50 ms', 8), ('p95 ms', 8), ('max ms', 8), ('cpu ms', 7), ('db ms', 6),
    ('errors', 7), ('numbers twice', 14)]
LARGE_PATIENTS, LARGE_VISITS = 20_500, 100_000
WARM = 5


def cursor_class():
    "Return the class of the cursors that trytond uses"
    if backend.name == 'sqlite':
        from trytond.backend.sqlite.database import SQLiteCursor
        return SQLiteCursor
    from psycopg import Cursor
    return Cursor


@contextmanager
def statements():
    """Count what is executed meanwhile: yields a list that holds the number.

    The empty query by which the pool sees whether a connection lives is none.
    """
    counted, Cursor = [0], cursor_class()
    execute = Cursor.execute

    def count(self, query, *args, **kwargs):
        counted[0] += bool(query)
        return execute(self, query, *args, **kwargs)

    Cursor.execute = count
    try:
        yield counted
    finally:
        if backend.name == 'sqlite':
            del Cursor.execute
        else:
            Cursor.execute = execute


def measure(name, what, function, times, per=1):
    """Return the row of an act that was made times over, WARM times before.

    per is the number of things that one call makes.
    """
    for _ in range(min(WARM, times)):
        function()
    server = server_of(name) if backend.name == 'postgresql' else None
    of_server = family_cpu(server) if server else 0
    spent, before = [], time.process_time()
    with statements() as counted:
        for _ in range(times):
            start = time.perf_counter()
            function()
            spent.append(1000 * (time.perf_counter() - start) / per)
    used = time.process_time() - before
    of_server = family_cpu(server) - of_server if server else 0
    made = times * per
    return [
        what, times, f'{counted[0] / made:.1f}',
        f'{quantile(spent, 0.5):.1f}', f'{quantile(spent, 0.95):.1f}',
        f'{1000 * used / made:.1f}',
        f'{1000 * of_server / made:.1f}' if server else '-']


def enlarge(name):
    """Copy people, patients and visits until the history is large.

    The copies are of the first of each, with people's and visits' own names
    and numbers; the visits are spread evenly over the patients and the days
    of five years.
    """
    names = (
        "(ARRAY[{first}])[1 + n % {count}] || ' ' || "
        "(ARRAY[{first}])[1 + n / {count} % {count}] || ' ' || "
        "(ARRAY[{last}])[1 + n * 7 / 3 % {count}]")
    copy_rows(name, 'party_party', {
            'code': "'C' || n",
            'name': names.format(
                first=_quoted(FIRST), last=_quoted(LAST), count=len(FIRST)),
            'nik': "'31999' || lpad((20000000000 + n)::text, 11, '0')",
            }, LARGE_PATIENTS)
    first = (
        f"(SELECT MAX(id) - {LARGE_PATIENTS} "  # noqa: S608
        "FROM party_party) + n")
    copy_rows(name, 'clinic_patient', {
            'party': first,
            'medical_record_number': "'L' || n",
            }, LARGE_PATIENTS)
    patient = (
        "(SELECT MAX(id) FROM clinic_patient) - "  # noqa: S608
        f"n::bigint * 7919 % {LARGE_PATIENTS}")
    moment = "- interval '1 minute' * (n::bigint * 7919 % 2628000)"
    copy_rows(name, 'clinic_encounter', {
            'uid': 'gen_random_uuid()::text',
            'number': "'V' || n",
            'patient': patient,
            **{f'{at}_at': f'source.{at}_at {moment}'
                for at in ['arrived', 'started', 'finished']},
            }, LARGE_VISITS)
    visit = (
        f"(SELECT MAX(id) - {LARGE_VISITS} "  # noqa: S608
        "FROM clinic_encounter) + n")
    for table in ['clinic_vital_signs', 'clinic_diagnosis']:
        copy_rows(name, table, {
                'uid': 'gen_random_uuid()::text', 'encounter': visit,
                }, LARGE_VISITS)
    with database.cursor(name, autocommit=True) as cursor:
        cursor.execute('VACUUM ANALYZE')


def _quoted(words):
    return ', '.join(f"'{word}'" for word in words)


def acts(desk, patients, times):
    "Yield the rows of what the staff does"
    def measured(what, function, times=times, per=1):
        return measure(desk.name, what, function, times, per)

    turn = iter(patients * (2 * times // len(patients) + 9))
    opened = []
    yield measured("register a patient", desk.register)
    yield measured(
        "open a visit", lambda: opened.append(desk.open([next(turn)])))
    yield measured(
        "complete it",
        lambda: desk.complete(opened.pop()), times - WARM)
    yield measured(
        "open and complete", lambda: desk.see([next(turn)]))
    start = [10**7]

    def register_many():
        start[0] += 100
        desk.register(list(range(start[0], start[0] + 100)))
    yield measured("100 patients in one call, each", register_many, 3, 100)


def reads(desk, patient, size, times):
    "Yield the rows of what the staff looks at"
    for what, function in [
            ("list of 100 visits", desk.list_visits),
            ("visits of one patient", lambda: desk.history(patient)),
            ("patients by name", desk.find_person),
            ("ICD-10 by word", desk.find_code),
            ]:
        found = len(function())
        yield measure(
            desk.name, f'{what}, {found} rows, {size}', function, times)


def prepare(name, modules):
    "Create the database, return what set_up returns"
    database.create(name, MODULES[modules])
    if backend.name == 'postgresql':
        database.execute(name, 'CREATE EXTENSION IF NOT EXISTS pg_trgm')
        backend.Database.clear_cache()
        Pool(name).init(update=['clinic_rme'])
    with database.transaction(name, user=1):
        return set_up()


def parser():
    result = argparse.ArgumentParser(prog='script/bench clinic')
    result.add_argument('--modules', choices=MODULES, default='clinic')
    result.add_argument('--patients', type=int, default=500)
    result.add_argument('--visits', type=int, default=1000)
    result.add_argument('--acts', type=int, default=500)
    result.add_argument('--reads', type=int, default=30)
    result.add_argument('--servers', type=numbers(int), default=[1])
    result.add_argument('--clients', type=numbers(int), default=[1, 8])
    result.add_argument('--workflows', type=int, default=100)
    result.add_argument('--small', action='store_true')
    return result


def main(arguments):
    args = parser().parse_args(arguments)
    name = database.new_name('clinic')
    try:
        desk = Desk(name, prepare(name, args.modules))
        patients = fill(desk, args.patients, args.visits)
        report(desk, patients, args)
    finally:
        database.drop(name)


def report(desk, patients, args):
    "Print the figures"
    database.analyze(desk.name)
    table = Table(COLUMNS)
    for row in reads(desk, patients[0], 'small', args.reads):
        table.add(row)
    for row in acts(desk, patients, args.acts):
        table.add(row)
    if backend.name == 'postgresql' and not args.small:
        enlarge(desk.name)
        (patient,), = database.query(
            desk.name, 'SELECT MAX(id) FROM clinic_patient')
        for row in reads(desk, patient, 'large', args.reads):
            table.add(row)
    if backend.name == 'postgresql':
        table = Table(LOAD_COLUMNS)
        for servers, clients in product(args.servers, args.clients):
            table.add(load(desk, servers, clients, args.workflows))
