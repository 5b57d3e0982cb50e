# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Short transactions of their own, beside others that want the same rows."

import threading
from contextlib import contextmanager

from tenacity import (
    Retrying, retry_if_exception_type, stop_after_attempt,
    wait_random_exponential)
from trytond import backend
from trytond.model.exceptions import SQLConstraintError
from trytond.transaction import Transaction

TRIES = 5
# Seconds: two that want the same row do not ask for it at the same moment
SPREAD = wait_random_exponential(multiplier=0.01, max=0.2)
RIVALRY = (
    backend.DatabaseOperationalError, backend.DatabaseIntegrityError,
    SQLConstraintError)
_thread = threading.local()


@contextmanager
def working_for(database):
    """Let a thread without transaction have short ones on the database.

    database is its name.  For threads that a sender starts: nothing is open
    in them while the platform is waited for.
    """
    _thread.database = database
    try:
        yield
    finally:
        del _thread.database


def committed(function, *args):
    """Run the function in a transaction of its own and return its result.

    When another transaction came first (a serialization failure, a lock, a
    row that exists by now) it is run again, at most TRIES times, in a new
    transaction that sees what the other one left.  Raises the last error.
    """
    for attempt in Retrying(
            retry=retry_if_exception_type(RIVALRY),
            stop=stop_after_attempt(TRIES), wait=SPREAD, reraise=True):
        with attempt, _transaction() as transaction:
            _isolate(transaction)
            result = function(*args)
    return result


def _isolate(transaction):
    """Let what is read stay true until it is written.

    SQLite begins a transaction at its first write only: two threads would
    read the same and write one after the other.
    """
    if backend.name == 'sqlite' and not transaction.connection.in_transaction:
        transaction.connection.cursor().execute('BEGIN IMMEDIATE')


def reading():
    "Return the context of a transaction of its own that only reads"
    return _transaction(readonly=True)


def _transaction(readonly=False):
    transaction = Transaction()
    if transaction.database is None:
        return transaction.start(_thread.database, 0, readonly=readonly)
    return transaction.new_transaction(readonly=readonly)
