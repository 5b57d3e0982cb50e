# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import datetime as dt
import uuid
from collections import Counter

from sql import Column

from trytond.i18n import gettext
from trytond.model import Index, Unique, fields
from trytond.pool import Pool
from trytond.pyson import Eval, PYSONEncoder
from trytond.transaction import Transaction

from .exceptions import EncounterAccessError, EncounterPartError

# A form is not open for longer before what is in it is saved
LONGEST_ENTRY = dt.timedelta(days=1)


class BranchMixin:
    """What belongs to a branch.

    Copy and export read the records without access check and do not
    understand a rule that leads through another record (`encounter.company`).
    """
    __slots__ = ()

    @classmethod
    def copy(cls, records, default=None):
        cls.read(list(map(int, records)), ['id'])
        return super().copy(records, default=default)

    @classmethod
    def export_data(cls, records, fields_names, header=False):
        cls.read(list(map(int, records)), ['id'])
        return super().export_data(records, fields_names, header=header)


class UidMixin:
    "A random identifier that stays with the record for ever"
    __slots__ = ()

    uid = fields.Char("UID", required=True, readonly=True, strip=False)

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_constraints.append(
            ('uid_unique', Unique(t, t.uid), 'clinic_rme.msg_uid_unique'))

    @classmethod
    def preprocess_values(cls, mode, values):
        values = super().preprocess_values(mode, values)
        if mode == 'create':
            values['uid'] = str(uuid.uuid4())
        else:
            values.pop('uid', None)
        return values

    @classmethod
    def copy(cls, records, default=None):
        default = default.copy() if default is not None else {}
        default.setdefault('uid')
        return super().copy(records, default=default)


part_states = {'readonly': ~Eval('encounter_open', True)}
_LOG = {'id', 'create_uid', 'create_date', 'write_uid', 'write_date'}


def stored_fields(Model):
    "Return the names of the fields that hold what was entered in a record"
    return {
        name for name, field in Model._fields.items()
        if not isinstance(field, fields.Function)
        and field._type not in {'one2many', 'one2one'}} - _LOG


def now():
    "Return the current time, UTC, in whole seconds"
    return dt.datetime.now(dt.timezone.utc).replace(
        microsecond=0, tzinfo=None)


def current_employee(company=None):
    "Return the id of the current user's employee (of the branch), if any"
    return Pool().get('res.user').acting_employee(company)


def signing_employee(company=None):
    """Return the id of the employee who answers for what is done, if any.

    Raises SignerError for an employee who does not act as one (of the
    branch).
    """
    return Pool().get('res.user').signing_employee(company)


def hold_encounters(ids):
    """Let no one else close or change the visits until the commit.

    An update that changes nothing: of two transactions at the same time the
    later one fails and is run again by the server, and then sees what the
    other one did.
    """
    table = Pool().get('clinic.encounter').__table__()
    Transaction().connection.cursor().execute(*table.update(
            [table.state], [table.state],
            where=fields.SQL_OPERATORS['in'](table.id, ids)))


def complete(records, values):
    """Write what the server finds out about records that it just created.

    In one step: the rules and the checks of what people enter saw them.
    """
    transaction, table = Transaction(), records[0].__table__()
    transaction.connection.cursor().execute(*table.update(
            [Column(table, name) for name in values], list(values.values()),
            where=fields.SQL_OPERATORS['in'](table.id, [
                    r.id for r in records])))
    caches = [r._local_cache for r in records] + [
        cache[records[0].__name__] for cache in transaction.cache.values()
        if records[0].__name__ in cache]
    for record in records:
        for cache in caches:
            cache.pop(record.id, None)


class EncounterPartMixin(UidMixin, BranchMixin):
    "What is recorded in a visit and closes with it"
    __slots__ = ()

    encounter = fields.Many2One(
        'clinic.encounter', "Encounter", required=True, ondelete='CASCADE',
        states={
            'readonly': Eval('id', -1) >= 0,
            })
    encounter_open = fields.Function(
        fields.Boolean("Encounter Open"), 'on_change_with_encounter_open')
    recorded_by = fields.Many2One(
        'company.employee', "Recorded by", readonly=True,
        ondelete='RESTRICT',
        help="The employee who made the entry.")

    @classmethod
    def default_encounter_open(cls):
        return True

    @classmethod
    def default_recorded_by(cls):
        return current_employee()

    @classmethod
    def preprocess_values(cls, mode, values):
        values = super().preprocess_values(mode, values)
        if mode == 'create':
            values['recorded_by'] = signing_employee()
        return values

    @classmethod
    def copy(cls, records, default=None):
        default = default.copy() if default is not None else {}
        if 'recorded_at' in cls._fields:
            default.setdefault('recorded_at', now())
        return super().copy(records, default=default)

    @classmethod
    def fields_sealed(cls):
        """Return the names of the fields that the visit's seal covers.

        Every stored one.  A new kind of entry joins the seal by this mixin;
        take away from the set what may change after the visit's end.
        """
        return stored_fields(cls)

    @fields.depends(
        'encounter', '_parent_encounter.state',
        '_parent_encounter.correction_open')
    def on_change_with_encounter_open(self, name=None):
        return not self.encounter or not self.encounter.is_closed

    @classmethod
    def check_modification(cls, mode, records, values=None, external=False):
        super().check_modification(
            mode, records, values=values, external=external)
        if not external:
            return
        if mode == 'write' and 'encounter' in values:
            raise EncounterAccessError(
                gettext('clinic_rme.msg_encounter_part_move'))
        if mode == 'write' and values.keys() & {'recorded_by', 'recorded_at'}:
            raise EncounterAccessError(
                gettext('clinic_rme.msg_encounter_part_author'))
        if (mode != 'create'
                or not Transaction().context.get('_encounters_new')):
            hold_encounters({r.encounter.id for r in records})
        if mode == 'create' and 'recorded_at' in cls._fields:
            cls._check_recorded(records)
        for record in records:
            if record.encounter.is_closed:
                raise EncounterAccessError(gettext(
                        'clinic_rme.msg_encounter_closed',
                        encounter=record.encounter.rec_name))

    @classmethod
    def _check_recorded(cls, records):
        """Refuse a moment at which the entry can not have been recorded.

        Clients send the one at which they proposed it.
        """
        present = now()
        for record in records:
            age = present - record.recorded_at
            if not dt.timedelta() <= age <= LONGEST_ENTRY:
                raise EncounterAccessError(gettext(
                        'clinic_rme.msg_encounter_part_recorded_at',
                        encounter=record.encounter.rec_name))


class SinglePart(fields.One2Many):
    """The form of a SinglePartMixin, of which the clients offer one.

    A size would have the server read it at each write of the visit;
    check_single refuses a second one.
    """

    def definition(self, model, language):
        definition = super().definition(model, language)
        definition['size'] = PYSONEncoder().encode(1)
        return definition


class SinglePartMixin(EncounterPartMixin):
    "A form that is filled once in a visit"
    __slots__ = ()

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_indexes.add(Index(t, (t.encounter, Index.Equality())))
        cls._order = [('encounter', 'DESC'), ('id', 'ASC')]

    def get_rec_name(self, name):
        return self.encounter.rec_name

    @classmethod
    def search_rec_name(cls, name, clause):
        return [('encounter.rec_name', *clause[1:])]

    @classmethod
    def check_modification(cls, mode, records, values=None, external=False):
        super().check_modification(
            mode, records, values=values, external=external)
        if mode == 'create':
            cls.check_single(records)

    @classmethod
    def check_single(cls, records):
        "Raise EncounterPartError if a visit has the form twice"
        forms = cls.search([
                ('encounter', 'in', [r.encounter.id for r in records])])
        count = Counter(f.encounter for f in forms)
        for form in forms:
            if count[form.encounter] > 1:
                raise EncounterPartError(gettext(
                        'clinic_rme.msg_encounter_part_single',
                        encounter=form.encounter.rec_name,
                        **cls.__names__()))


class RecordedMixin:
    """Fields of the visit itself in which something is recorded.

    They close with the visit, a copy of the visit starts without them, and
    a visit in which one of them is filled is not deleted.
    """
    __slots__ = ()

    @classmethod
    def recorded_fields(cls):
        "Return the names of the fields, of all mixins of this kind"
        return set()

    @classmethod
    def __setup__(cls):
        super().__setup__()
        closed = cls.chief_complaint.states['readonly']
        for name in cls.recorded_fields():
            field = getattr(cls, name)
            field.states = {**field.states, 'readonly': closed}

    @classmethod
    def check_modification(
            cls, mode, encounters, values=None, external=False):
        super().check_modification(
            mode, encounters, values=values, external=external)
        if mode == 'delete':
            for encounter in encounters:
                if any(getattr(encounter, n) for n in cls.recorded_fields()):
                    raise EncounterAccessError(gettext(
                            'clinic_rme.msg_encounter_delete',
                            encounter=encounter.rec_name))

    @classmethod
    def copy(cls, encounters, default=None):
        default = default.copy() if default is not None else {}
        for name in cls.recorded_fields():
            default.setdefault(name)
        return super().copy(encounters, default=default)
