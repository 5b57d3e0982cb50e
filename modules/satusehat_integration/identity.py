# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from trytond.i18n import gettext
from trytond.model import Index, ModelSQL, ModelView, Unique, fields
from trytond.pool import Pool
from trytond.tools import grouped_slice
from trytond.transaction import Transaction, without_check_access

from .credential import ENVIRONMENTS
from .exceptions import ResourceAccessError, ResourceIdConflict
from .rows import insert

NATIONAL = {'Patient', 'Practitioner'}


class Resource(ModelSQL, ModelView):
    "Which local record is which resource of the platform"
    __name__ = 'satusehat.resource'
    _rec_name = 'resource_id'

    environment = fields.Selection(
        ENVIRONMENTS, "Environment", required=True, readonly=True, sort=False)
    resource_type = fields.Char("Resource Type", required=True, readonly=True)
    resource_id = fields.Char("Resource ID", required=True, readonly=True)
    record = fields.Reference(
        "Record", selection='get_models', required=True, readonly=True)
    key = fields.Char("Key", readonly=True)
    company = fields.Many2One(
        'company.company', "Branch", readonly=True, ondelete='RESTRICT',
        help="Empty for what the platform knows nationally.")

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_constraints.append(
            ('record_unique',
                Unique(t, t.environment, t.resource_type, t.record, t.key),
                'satusehat_integration.msg_resource_unique'))
        cls._sql_indexes.update({
                Index(t, (t.record, Index.Equality(cardinality='high'))),
                Index(t, (t.resource_id, Index.Equality(cardinality='high'))),
                })

    @classmethod
    def get_models(cls):
        pool = Pool()
        Model = pool.get('ir.model')
        get_name = Model.get_name
        return [(m, get_name(m)) for m in [
                'party.party', 'clinic.unit', 'clinic.room',
                'clinic.encounter', 'clinic.diagnosis',
                'clinic.vital_signs']]

    @classmethod
    def preprocess_values(cls, mode, values):
        values = super().preprocess_values(mode, values)
        if mode == 'create' or 'key' in values:
            values['key'] = values.get('key') or ''
        return values

    @classmethod
    def check_modification(cls, mode, resources, values=None, external=False):
        super().check_modification(
            mode, resources, values=values, external=external)
        if external:
            raise ResourceAccessError(
                gettext('satusehat_integration.msg_resource_access'))

    @classmethod
    def ids(cls, environment, resource_type, model, ids, key=''):
        "Return {record id: resource id} for those that have one"
        if not environment or not ids:
            return {}
        resources = cls.search([
                ('environment', '=', environment),
                ('resource_type', '=', resource_type),
                ('record', 'in', [f'{model},{i}' for i in ids]),
                ('key', '=', key or ''),
                ])
        return {r.record.id: r.resource_id for r in resources}

    @classmethod
    def known(cls, environment, records):
        """Return {(resource type, record): id} of what is known.

        records are (resource type, record) pairs, for resources that stand
        for the whole record.
        """
        cursor = Transaction().connection.cursor()
        table = cls.__table__()
        names = {record for _, record in records}
        found = {}
        for sub_names in grouped_slice(sorted(names)):
            cursor.execute(*table.select(
                    table.resource_type, table.record, table.resource_id,
                    where=(table.environment == environment)
                    & (table.key == '')
                    & table.record.in_(list(sub_names))))
            found.update({(t, r): i for t, r, i in cursor})
        return found

    @classmethod
    def adopt(cls, rows):
        """Store the ids of records, a list of values.

        What is known already is left alone.  Raises ResourceIdConflict when
        a record has another id: an id is never overwritten.
        """
        known = cls.stored({row['record'] for row in rows})
        new = {}
        for row in rows:
            identity = (
                row['environment'], row['resource_type'], row['record'],
                row.get('key') or '')
            if identity not in known:
                new[identity] = row.get('company')
                known[identity] = row['resource_id']
            elif known[identity] != row['resource_id']:
                raise ResourceIdConflict(row['resource_type'], row['record'])
        insert(cls, [{
                    'environment': environment,
                    'resource_type': resource_type,
                    'record': record,
                    'key': key,
                    'resource_id': known[environment, resource_type, record, key],
                    'company': company,
                    } for (environment, resource_type, record, key), company
                in new.items()])

    @classmethod
    def stored(cls, records):
        """Return {(environment, resource type, record, key): id}.

        records are those asked for, also such as were deleted since: what
        the platform was sent of them it keeps.
        """
        cursor = Transaction().connection.cursor()
        table = cls.__table__()
        found = {}
        for sub_records in grouped_slice(sorted(records)):
            cursor.execute(*table.select(
                    table.environment, table.resource_type, table.record,
                    table.key, table.resource_id,
                    where=table.record.in_(list(sub_records))))
            found.update({tuple(row[:-1]): row[-1] for row in cursor})
        return found


def shown_environment():
    """Return the environment whose ids are shown to the user.

    That of the context's company; without one the environment that all
    companies share, else None.
    """
    pool = Pool()
    Company = pool.get('company.company')
    with without_check_access():
        if company := Transaction().context.get('company'):
            return Company(company).satusehat_environment
        environments = {
            c.satusehat_environment for c in Company.search([])}
    return environments.pop() if len(environments) == 1 else None


class ResourceIdMixin:
    "A model that shows the id of its resource"
    __slots__ = ()
    _resource_type = None

    @classmethod
    def _resource_record(cls):
        "The model whose id stands in satusehat.resource and the path to it"
        return cls.__name__, None

    @classmethod
    def get_resource_id(cls, records, name):
        pool = Pool()
        Resource = pool.get('satusehat.resource')
        model, path = cls._resource_record()
        with without_check_access():
            records = cls.browse(records)
            targets = {
                r.id: getattr(r, path).id if path else r.id for r in records}
            found = Resource.ids(
                shown_environment(), cls._resource_type, model,
                list(targets.values()))
        return {r: found.get(target) for r, target in targets.items()}

    @classmethod
    def search_resource_id(cls, name, clause):
        pool = Pool()
        Resource = pool.get('satusehat.resource')
        model, path = cls._resource_record()
        _, operator, value = clause[:3]
        negative = operator.startswith(('!', 'not ')) or (
            operator == '=' and value is None)
        if operator == '=' and value is None:
            operator = '!='
        elif operator == '!=' and value is None:
            negative = False
        elif negative:
            operator = operator.removeprefix('not ').replace('!', '')
        with without_check_access():
            found = Resource.search([
                    ('environment', '=', shown_environment()),
                    ('resource_type', '=', cls._resource_type),
                    ('record', 'like', f'{model},%'),
                    ('key', '=', ''),
                    ('resource_id', operator, value),
                    ], query=True)
        table = Resource.__table__()
        query = table.select(
            Resource.record.sql_id(table.record, cls),
            where=table.id.in_(found))
        return [(path or 'id', 'not in' if negative else 'in', query)]
