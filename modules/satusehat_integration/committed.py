# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Short transactions of their own, beside others that want the same rows."

from tenacity import Retrying, retry_if_exception_type, stop_after_attempt
from trytond import backend
from trytond.model.exceptions import SQLConstraintError
from trytond.transaction import Transaction

TRIES = 5


def committed(function, *args):
    """Run the function in a transaction of its own and return its result.

    When another transaction came first (a serialization failure, a lock, a
    row that exists by now) it is run again, at most TRIES times, in a new
    transaction that sees what the other one left.  Raises the last error.
    """
    for attempt in Retrying(
            retry=retry_if_exception_type(
                (backend.DatabaseOperationalError, SQLConstraintError)),
            stop=stop_after_attempt(TRIES), reraise=True):
        with attempt, Transaction().new_transaction():
            result = function(*args)
    return result
