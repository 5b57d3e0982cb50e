# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""A clinic and a platform that start anew in a moment, and ways to die.

Made for many short lives: one database for all of them.  Time is neither
waited for nor frozen: what lies in the database is moved back, the platform's
clock forward, so that all delays pass without pausing anybody.
"""

import datetime as dt
import http.client
import sys
import threading
import time
from contextlib import contextmanager, nullcontext, suppress

import delivery_facts
import delivery_invariants
import pytest
import trytond.config as config
from cryptography.fernet import Fernet
from delivery_invariants import Case
from gateway import gateway_to
from push_clinic import Clinic
from satusehat_emulator.serving import serve
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt
from trytond import backend
from trytond.pool import Pool
from trytond.transaction import Transaction

MODULES = 'trytond.modules.satusehat_integration'
# Those first that refer to others
OUTBOX = [
    'satusehat.exchange', 'satusehat.submission.action',
    'satusehat.submission', 'satusehat.resource', 'satusehat.gate',
    'satusehat.credential', 'clinic.letter', 'clinic.consent',
    'clinic.amendment', 'clinic.seal',
    'clinic.encounter.status', 'clinic.diagnosis', 'clinic.examination',
    'clinic.procedure', 'clinic.prescription.component',
    'clinic.prescription.item', 'clinic.result.value', 'clinic.result',
    'clinic.specimen', 'clinic.order', 'clinic.tooth.finding',
    'clinic.dental_examination', 'clinic.checkup', 'clinic.obstetric_note',
    'clinic.vital_signs', 'clinic.encounter']
# What tells when something is over
CLOCKED = [
    ('satusehat.submission', ['begun_at', 'lease_until', 'next_attempt']),
    ('satusehat.exchange', ['started_at']),
    ('satusehat.gate', [
            'token_until', 'blocked_until', 'open_until', 'probe_until',
            'paced_until', 'rate_at'])]
# No request is later at the platform than this: less than the grace time
LATEST = 300
SECRETS = {'A': 'secret-A', 'B': 'secret-B'}
ORGANIZATIONS = {'A': '10000004', 'B': '10000005'}
# The diagnosis that the platform does not know, as people call it
UNKNOWN_NAME = "COVID-19, virus identified"
WRONG_SECRET = 'salah-sama-sekali'
PLANNED = ['pending', 'sending', 'checking', 'waiting']


class Died(BaseException):
    "Stands for the death of the sender's process"


class Mortality:
    """Lets all threads of one sender die at the n-th chance.

    There is a chance before and after each of its transactions and requests:
    whatever it does, it does in these.
    """

    def __init__(self, chance):
        self._left = chance
        self._lock = threading.Lock()

    def _meet(self):
        with self._lock:
            self._left -= 1
            if self._left <= 0:
                raise Died

    def around(self, function):
        def step(*args, **kwargs):
            self._meet()
            result = function(*args, **kwargs)
            self._meet()
            return result
        return step

    @contextmanager
    def threatening(self):
        "Let the sender of this context be mortal"
        from trytond.modules.satusehat_integration.committed import committed
        from trytond.modules.satusehat_integration.platform.client import (
            Client)
        mortal = self.around(committed)
        with pytest.MonkeyPatch.context() as patch:
            for name, module in list(sys.modules.items()):
                if name.startswith(f'{MODULES}.') and getattr(
                        module, 'committed', None) is committed:
                    patch.setattr(module, 'committed', mortal)
            patch.setattr(Client, 'request', self.around(Client.request))
            yield


class World:
    "One database with two branches, and platform after platform"

    def __init__(self, database):
        self.clinic = Clinic(database)
        self._keys = config.get('satusehat', 'encryption_keys')
        self.gateway = self.emulator = self._serving = None
        self.errors = []

    @contextmanager
    def open(self):
        "Have a gateway before the platform for as long as the context"
        with gateway_to(None) as self.gateway:
            try:
                yield self
            finally:
                self._end_platform()

    @property
    def is_watched(self):
        "Whether the gateway has something to do"
        return bool(self.gateway._once)

    @property
    def is_late(self):
        "Whether a request is still on its way that nobody waits for"
        return bool(self._late)

    def start(self, index_lag=0, singly=(), **settings):
        """Forget everything: an empty outbox and a new platform.

        index_lag is in seconds, singly the names of the branches that send
        the rest when one item is refused, settings those of [satusehat].
        """
        for name, value in settings.items():
            config.set('satusehat', name, str(value))
        self._set_keys(self._keys)
        self._end_platform()
        self._empty()
        for branch in self.clinic.branches:
            self.clinic.write('company.company', self._company(branch), {
                    'satusehat_environment': 'local',
                    'satusehat_singly': branch in singly})
            self.enter_credential(branch, SECRETS[branch])
        self.passed = 0
        self._late = []
        self.errors = []
        self._serving = serve(index_lag=index_lag, clock=self.clock)
        self.emulator = self._serving.__enter__()
        self.gateway.target = self.emulator.url
        self.gateway.seen.clear()

    def _end_platform(self):
        if self._serving:
            self.gateway.heal()
            self._serving.__exit__(None, None, None)
            self._serving = None

    def clock(self):
        "Return the platform's time, in epoch seconds"
        return time.time() + self.passed

    def _company(self, branch):
        return [('id', '=', self.clinic.branches[branch]['company'])]

    def _empty(self):
        with self.clinic.transaction(user=0) as transaction:
            cursor = transaction.connection.cursor()
            for model in [*OUTBOX, 'ir.error', 'ir.cron.log']:
                cursor.execute(*Pool().get(model).__table__().delete())

    # What people do

    def enter_credential(self, branch, secret):
        "Enter the branch's secret, None for an empty one"
        company = self.clinic.branches[branch]['company']
        with self.clinic.transaction(user=0):
            Credential = Pool().get('satusehat.credential')
            found = Credential.search([('company', '=', company)])
            if found:
                Credential.write(found, {'client_secret': secret})
                return
            Credential.create([{
                        'company': company, 'environment': 'local',
                        'organization_id': ORGANIZATIONS[branch],
                        'client_id': f'client-{branch}',
                        'client_secret': secret}])

    def rotate_keys(self, are_kept):
        "Encrypt with a new key, and read with the former ones if they are kept"
        keys = [Fernet.generate_key().decode()]
        if are_kept:
            keys += config.get('satusehat', 'encryption_keys').split(',')
        self._set_keys(','.join(keys))

    @staticmethod
    def _set_keys(keys):
        config.set('satusehat', 'encryption_keys', keys)

    def delete_credential(self, branch):
        self.clinic.delete('satusehat.credential', [
                ('company', '=', self.clinic.branches[branch]['company'])])

    def switch(self, branch, environment):
        "Let the branch's visits go to another environment from now on"
        self.clinic.write('company.company', self._company(branch), {
                'satusehat_environment': environment})

    def submissions(self):
        "Return (id, state) of all submissions"
        return self.clinic.read('satusehat.submission', [], 'id', 'state')

    def planned(self):
        "Return the ids of what a sender has something to do with"
        return self.clinic.read('satusehat.submission', [
                ('environment', '=', 'local'),
                ['OR', ('state', 'in', PLANNED), [
                        ('state', '=', 'needs_admin'),
                        ('next_attempt', '!=', None)]]], 'id')

    # What senders do

    def push(self, mortality=None):
        "Run a sender; return whether it came to its end"
        # Most answers come as they are, not through the gateway
        config.set('satusehat', 'local_url', (
                self.gateway if self.is_watched else self.emulator).url)
        with self.clinic.transaction(user=0):
            try:
                with mortality.threatening() if mortality else nullcontext():
                    Pool().get('satusehat.submission').push()
            except Died:
                Transaction().rollback()
                return False
        return True

    def rival(self, seconds):
        "Let time pass and another sender run, from any thread"
        try:
            self.pass_time(seconds)
            self.push()
        except Exception as error:
            self.errors.append(error)

    # What happens without anybody

    def postpone(self, exchange):
        "Let the platform receive a request after the caller has given up"
        self._late.append((self.clock(), exchange.forward))
        exchange.cut()

    def receive_late(self, within=0):
        "Let the platform carry out what would be too late in so many seconds"
        now = self.clock()
        due = [
            late for late in self._late if now - late[0] + within >= LATEST]
        self._late = [late for late in self._late if late not in due]
        for _, carry_out in due:
            # Nobody is there to be told what becomes of it
            with suppress(OSError, http.client.HTTPException):
                carry_out()

    def receive_all(self):
        self.receive_late(LATEST)

    def pass_time(self, seconds):
        "Let the seconds pass for the clinic and for the platform"
        self.receive_late(seconds)
        self.passed += seconds
        # Senders that settle at the same moment come first
        Retrying(
            retry=retry_if_exception_type(backend.DatabaseOperationalError),
            stop=stop_after_attempt(10), reraise=True,
            )(self._set_back, dt.timedelta(seconds=seconds))

    def _set_back(self, back):
        with self.clinic.transaction(user=0) as transaction:
            cursor = transaction.connection.cursor()
            # SQLite's transaction begins with the first write: what is read
            # before may be settled meanwhile
            table = Pool().get('satusehat.submission').__table__()
            cursor.execute(*table.update(
                    [table.state], [table.state], where=table.id < 0))
            for model, names in CLOCKED:
                _move(cursor, Pool().get(model), names, back)

    def heal(self):
        "Let nothing go wrong any more"
        self.receive_all()
        self.gateway.heal()
        self.emulator.faults.clear()
        for branch in self.clinic.branches:
            self.enter_credential(branch, SECRETS[branch])
            self.switch(branch, 'local')

    # What must hold

    def violations(self, over=False):
        "Return what is broken; over: whether all should be settled"
        from trytond.modules.satusehat_integration.platform.settings import (
            read as settings)
        records = delivery_invariants.delivery_records.read(
            self.clinic.database)
        records.organizations.update({
                self.clinic.branches[branch]['company']: organization
                for branch, organization in ORGANIZATIONS.items()})
        found = delivery_invariants.violations(Case(
            records=records, platform=delivery_facts.of(self.emulator),
            over=over, canaries=frozenset(
                [WRONG_SECRET, *SECRETS.values()]),
            grace=settings().checking_grace))
        silent = self._without_bundle()
        return [
            violation for violation in found
            if not _tells_what_to_correct(violation)
            and not _is_silent(violation, silent)
            and not _is_of_earlier_version(violation, records)]

    def _without_bundle(self):
        """Return the names of the versions that need no Bundle.

        Those that only tell of an error, and those that change nothing.
        """
        return {
            name for name, in self.clinic.read(
                'satusehat.submission.action', [('action', '=', 'withdraw')],
                'submission')} | {
            f'satusehat.submission,{id_}' for id_, in self.clinic.read(
                'satusehat.submission', [
                    ('version', '>', 1), ('begun', '!=', True)], 'id')}

    def story(self):
        "Return the submissions as lines, for a failure to show"
        return [
            ' '.join(map(str, row)) for row in self.clinic.read(
                'satusehat.submission', [], 'encounter', 'version', 'state',
                'reason', 'detail', 'attempts', 'lapses', 'begun',
                'begun_at', 'next_attempt', 'environment')]


def _tells_what_to_correct(violation):
    "Whether staff who see diagnoses are told which one was refused"
    return (
        violation.invariant == 'I7' and violation.record.endswith(' detail')
        and UNKNOWN_NAME in violation.problem)


def _is_silent(violation, silent):
    "Whether it is only about a Bundle that a version does not need"
    return (
        violation.record in silent
        and violation.problem == "is sent without a Bundle")


def _is_of_earlier_version(violation, records):
    "Whether it is about a diagnosis that a correction has removed since"
    return (
        violation.invariant == 'I4'
        and violation.problem.endswith("which is not here")
        and any(
            f'stands for {entry["value"]},' in violation.problem
            for row in records.submissions
            for entry in delivery_invariants.delivery_records.entries(row)))


def _move(cursor, model, names, back):
    table = model.__table__()
    columns = [getattr(table, name) for name in names]
    cursor.execute(*table.select(table.id, *columns))
    for id_, *values in cursor.fetchall():
        if any(values):
            cursor.execute(*table.update(
                    columns, [
                        model._fields[name].sql_format(value and value - back)
                        for name, value in zip(names, values, strict=True)],
                    where=table.id == id_))
