# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from trytond.cache import Cache
from trytond.i18n import gettext
from trytond.pool import Pool, PoolMeta
from trytond.transaction import Transaction, without_check_access

from .exceptions import SignerError


class User(metaclass=PoolMeta):
    __name__ = 'res.user'

    _employees_by_branch_cache = Cache(
        'clinic_rme.res_user.employees_by_branch', context=False)

    @classmethod
    def acting_employee(cls, company=None):
        """Return the id of the employee as whom the current user acts.

        Only one of the user's own, and of the branch where one is given;
        otherwise None.  The same as the field `employee` tells, without
        reading the user each time.
        """
        transaction = Transaction()
        user = transaction.user or transaction.context.get('user', 0)
        own = cls._employees_by_branch(user)
        if 'employee' in transaction.context:
            employee = transaction.context['employee']
        elif own:
            employee = cls(user).employee and cls(user).employee.id
        else:
            employee = None
        if employee in own and (
                company is None or own[employee] == company.id):
            return employee

    @classmethod
    def signing_employee(cls, company=None):
        """Return the id of the employee who answers for what is done now.

        None for who is nobody's employee, as scheduled actions are.  Raises
        SignerError for an employee who does not act as one of the branch.
        """
        employee = cls.acting_employee(company)
        transaction = Transaction()
        if employee is None and transaction.user and cls._employees_by_branch(
                transaction.user):
            raise SignerError(gettext(
                    'clinic_rme.msg_signer_branch', company=company.rec_name)
                if company else gettext('clinic_rme.msg_signer'))
        return employee

    @classmethod
    def _employees_by_branch(cls, user):
        "Return {employee id: company id} of the user"
        own = cls._employees_by_branch_cache.get(user)
        if own is None:
            with without_check_access():
                own = {e.id: e.company.id for e in cls(user).employees}
            cls._employees_by_branch_cache.set(user, own)
        return own

    @classmethod
    def on_modification(cls, mode, users, field_names=None):
        super().on_modification(mode, users, field_names=field_names)
        cls._employees_by_branch_cache.clear()


class UserEmployee(metaclass=PoolMeta):
    __name__ = 'res.user-company.employee'

    @classmethod
    def on_modification(cls, mode, rows, field_names=None):
        User = Pool().get('res.user')
        super().on_modification(mode, rows, field_names=field_names)
        User._employees_by_branch_cache.clear()


class Employee(metaclass=PoolMeta):
    __name__ = 'company.employee'

    @classmethod
    def on_modification(cls, mode, employees, field_names=None):
        User = Pool().get('res.user')
        super().on_modification(mode, employees, field_names=field_names)
        User._employees_by_branch_cache.clear()
