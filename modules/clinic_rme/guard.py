# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What trytond leaves to the client, and clinical data can not bear.

The mixins are put in front of every model and wizard of the pool
(`register_mixin` in tryton.cfg), those of the core included.

Clients may call on_change with ids that their user has no right to read, as
the records behind them are read without access check.  And they may call a
wizard with the session of another user, with values for anything the wizard
object has, with the id of another action and without the records that the
action is for.
"""

from functools import wraps

from trytond.i18n import gettext
from trytond.model import ModelStorage
from trytond.model.exceptions import AccessError
from trytond.pool import Pool
from trytond.rpc import RPC
from trytond.transaction import (
    Transaction, check_access, without_check_access)
from trytond.wizard import StateView

_prefixes = {'clinic.'}


def guard_names(prefix):
    "Guard models and wizards whose names begin with the prefix, too"
    _prefixes.add(prefix)


def _is_ours(name):
    return name.startswith(tuple(_prefixes))


def check_entry(record):
    """Refuse an entry that the user may not make or may not read.

    record is one that a client is filling in, with what it refers to.
    Raises AccessError.
    """
    if not _is_checked(record):
        return
    Access = Pool().get('ir.model.access')
    if not any(
            Access.check(record.__name__, mode, raise_exception=False)
            for mode in ['create', 'write']):
        raise AccessError(gettext(
                'clinic_rme.msg_entry_access', **record.__names__()))
    ids = {}
    _collect(record, ids, set())
    for name, found in ids.items():
        Pool().get(name).read(sorted(found), ['id'])


def _is_checked(record):
    transaction = Transaction()
    return (
        transaction.user != 0
        and transaction.check_access
        and _is_ours(record.__name__))


def _collect(record, ids, seen):
    """Add the ids of our records that the client sent to {model: ids}.

    seen holds the identities of those that were met: parts refer to their
    whole.
    """
    if id(record) in seen:
        return
    seen.add(id(record))
    if isinstance(record, ModelStorage) and _is_ours(record.__name__):
        if record.id is not None and record.id >= 0:
            ids.setdefault(record.__name__, set()).add(record.id)
    if not record._values:
        return
    for name in record._fields:
        try:
            value = record._values[name]
        except KeyError:
            continue
        for target in value if isinstance(value, (list, tuple)) else [value]:
            if isinstance(target, ModelStorage):
                _collect(target, ids, seen)


def _serves_one_field(name):
    return name.startswith('on_change_') and name not in {
        'on_change_with', 'on_change_notify'}


def _guarded(rpc):
    "Return the RPC of one on_change method, guarded"
    def decorator(function):
        if rpc.decorator:
            function = rpc.decorator(function)

        @wraps(function)
        def wrapper(record, *args, **kwargs):
            check_entry(record)
            return function(record, *args, **kwargs)
        return wrapper

    return RPC(
        readonly=rpc.readonly, instantiate=rpc.instantiate,
        decorator=decorator, result=rpc.result,
        check_access=rpc.check_access, fresh_session=rpc.fresh_session,
        unique=rpc.unique, cache=rpc.cache, timeout=rpc.timeout,
        size_limits=rpc.size_limits)


class EntryGuard:
    "In front of each ModelView"
    __slots__ = ()

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        if _is_ours(cls.__name__):
            cls.__rpc__ = {
                name: _guarded(rpc) if _serves_one_field(name) else rpc
                for name, rpc in cls.__rpc__.items()}

    @classmethod
    def fields_get(cls, fields_names=None, level=0):
        """Return the definitions, those that not everybody may read as lazy.

        Clients load the eager fields of a record together: one that is not
        readable would keep its user from reading any.
        """
        Access = Pool().get('ir.model.field.access')
        definitions = super().fields_get(fields_names, level=level)
        for name in definitions.keys() & Access.get_access(
                [cls.__name__])[cls.__name__].keys():
            definitions[name]['loading'] = 'lazy'
        return definitions

    def on_change(self, fieldnames):
        check_entry(self)
        return super().on_change(fieldnames)

    def on_change_with(self, fieldnames):
        check_entry(self)
        return super().on_change_with(fieldnames)

    def on_change_notify(self):
        try:
            check_entry(self)
        except AccessError:
            return []
        return super().on_change_notify()


class WizardGuard:
    "In front of each wizard"
    __slots__ = ()

    @classmethod
    def check_access(cls):
        if not _is_ours(cls.__name__):
            super().check_access()
            return
        with Transaction().set_context(action_id=None):
            super().check_access()

    @classmethod
    def delete(cls, session_id):
        cls._check_session(session_id)
        return super().delete(session_id)

    @classmethod
    def execute(cls, session_id, data, state_name):
        cls._check_session(session_id)
        cls._check_model()
        return super().execute(session_id, cls._of_views(data), state_name)

    @classmethod
    def _check_model(cls):
        "Refuse one of ours without the records that its action is for"
        transaction = Transaction()
        if (not _is_ours(cls.__name__)
                or transaction.user == 0
                or transaction.context.get('active_model')):
            return
        ActionWizard = Pool().get('ir.action.wizard')
        with check_access():
            if ActionWizard.get_models(cls.__name__):
                raise AccessError(gettext(
                        'clinic_rme.msg_wizard_model', wizard=cls.__name__))

    @classmethod
    def _check_session(cls, session_id):
        "Refuse the session of another user"
        Session = Pool().get('ir.session.wizard')
        user = Transaction().user
        with without_check_access():
            if user != 0 and not Session.search([
                        ('id', '=', session_id),
                        ('create_uid', '=', user),
                        ], limit=1):
                raise AccessError(gettext('clinic_rme.msg_wizard_session'))

    @classmethod
    def _of_views(cls, data):
        "Return the values that are fields of the wizard's own views"
        pool = Pool()
        values = {}
        for name, entered in data.items():
            state = cls.states.get(name)
            if isinstance(state, StateView):
                known = pool.get(state.model_name)._fields
                values[name] = {
                    field: value for field, value in entered.items()
                    if field in known}
        return values
