# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What a visit held when it was closed, signed, and chained by branch.

A seal is written where a visit is closed, in the same transaction and
without a lock.  A scheduled action numbers the seals of each branch and links
each one to the one before.
"""

from itertools import groupby

from sql import Null
from sql.aggregate import Max
from trytond.i18n import gettext
from trytond.model import Index, ModelSQL, ModelView, Unique, fields
from trytond.pool import Pool, PoolMeta
from trytond.pyson import Eval
from trytond.rpc import RPC
from trytond.transaction import Transaction, without_check_access

from .content import canonical, contents, digest, manifest
from .exceptions import SealAccessError
from .mixin import BranchMixin, now, signing_employee, stored_fields

KINDS = [
    ('finished', "Finished"),
    ('corrected', "Corrected"),
    ('entered_in_error', "Entered in Error"),
    ('addendum', "Addendum"),
    ]
# Those that cover the content of the visit, not an amendment alone
OF_CONTENT = ['finished', 'corrected', 'entered_in_error']
LIMIT = 10_000


class Seal(BranchMixin, ModelSQL, ModelView):
    __name__ = 'clinic.seal'

    company = fields.Many2One(
        'company.company', "Branch", required=True, readonly=True,
        ondelete='RESTRICT')
    encounter = fields.Many2One(
        'clinic.encounter', "Encounter", required=True, readonly=True,
        ondelete='RESTRICT')
    encounter_number = fields.Char(
        "Encounter Number", required=True, readonly=True,
        help="Names the visit even when its record is gone.")
    kind = fields.Selection(
        KINDS, "Kind", required=True, readonly=True, sort=False)
    version = fields.Integer("Version", required=True, readonly=True)
    amendment = fields.Many2One(
        'clinic.amendment', "Amendment", readonly=True, ondelete='RESTRICT')
    hash = fields.Char(
        "Content SHA-256", required=True, readonly=True,
        help="Over the SHA-256 of each row that is sealed.")
    manifest = fields.Text(
        "Sealed Rows", required=True, readonly=True,
        help="The SHA-256 of each row, by model and UID.")
    user = fields.Many2One(
        'res.user', "User", required=True, readonly=True,
        ondelete='RESTRICT')
    signed_by = fields.Many2One(
        'company.employee', "Signed by", readonly=True, ondelete='RESTRICT')
    signed_at = fields.DateTime("Signed at", required=True, readonly=True)
    number = fields.Integer(
        "Number", readonly=True,
        help="The place in the chain of the branch.")
    previous = fields.Char("Previous Link", readonly=True)
    link = fields.Char(
        "Link", readonly=True,
        help="SHA-256 over this seal and the link of the one before.")
    sealed_at = fields.DateTime("Sealed at", readonly=True)

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_constraints.append(
            ('number_unique', Unique(t, t.company, t.number),
                'clinic_rme.msg_seal_number_unique'))
        cls._sql_indexes.update({
                Index(t, (t.encounter, Index.Equality())),
                Index(t, (t.id, Index.Range()), where=t.number == Null),
                })
        cls._order = [('signed_at', 'DESC'), ('id', 'DESC')]

    @classmethod
    def order_number(cls, tables):
        table, _ = tables[None]
        return [table.number]

    def get_rec_name(self, name):
        return f'{self.encounter_number} v{self.version}'

    @classmethod
    def search_rec_name(cls, name, clause):
        return [('encounter_number', *clause[1:])]

    @classmethod
    def check_modification(cls, mode, seals, values=None, external=False):
        super().check_modification(
            mode, seals, values=values, external=external)
        if external or mode == 'delete':
            raise SealAccessError(gettext('clinic_rme.msg_seal_access'))

    @classmethod
    def affix(cls, kind, encounters, amendments=()):
        """Seal the visits in their present state and return the seals.

        amendments are those that are sealed with them, at most one for each
        visit.  The seals are not linked yet.
        """
        amendments = {a.encounter.id: a for a in amendments}
        content = contents(encounters) if kind in OF_CONTENT else {}
        versions = cls._next_versions(kind, encounters)
        rows, signed_at = [], now()
        for encounter in encounters:
            amendment = amendments.get(encounter.id)
            rows_sealed = manifest({
                    **content.get(encounter.id, {}),
                    **(amendment.content if amendment else {}),
                    })
            rows.append({
                    'company': encounter.company.id,
                    'encounter': encounter.id,
                    'encounter_number': encounter.number,
                    'kind': kind,
                    'version': versions[encounter.id],
                    'amendment': amendment.id if amendment else None,
                    'manifest': canonical(rows_sealed),
                    'hash': digest(rows_sealed),
                    'user': Transaction().user,
                    'signed_by': signing_employee(encounter.company),
                    'signed_at': signed_at,
                    })
        with without_check_access():
            return cls.create(rows)

    @classmethod
    def _next_versions(cls, kind, encounters):
        versions = dict.fromkeys((e.id for e in encounters), 0)
        if kind != 'finished' and encounters:
            cursor = Transaction().connection.cursor()
            table = cls.__table__()
            cursor.execute(*table.select(
                    table.encounter, Max(table.version),
                    where=fields.SQL_OPERATORS['in'](
                        table.encounter, list(versions)),
                    group_by=table.encounter))
            versions.update(cursor)
        step = kind in {'finished', 'corrected'}
        return {id_: version + step for id_, version in versions.items()}

    @classmethod
    def of_content(cls, encounters):
        "Return {encounter id: seals over its content, the latest one last}"
        result = {int(e): [] for e in encounters}
        with without_check_access():
            for seal in cls.search([
                        ('encounter', 'in', list(result)),
                        ('kind', 'in', OF_CONTENT),
                        ], order=[('id', 'ASC')]):
                result[seal.encounter.id].append(seal)
        return result

    @classmethod
    def seal(cls):
        """Link the new seals to the chain of their branch (scheduled action).

        Of two at the same time the later one waits or fails, is run again by
        the scheduler, and finds nothing left to do.
        """
        table = cls.__table__()
        Transaction().connection.cursor().execute(*table.update(
                [table.version], [table.version],
                where=table.number == Null))
        pending = cls.search(
            [('number', '=', None)], limit=LIMIT,
            order=[('company', 'ASC'), ('id', 'ASC')])
        for company, seals in groupby(pending, key=lambda s: s.company):
            cls._chain(*cls.head(company), list(seals))

    @classmethod
    def head(cls, company):
        "Return (number, link) of the branch's last seal, (0, '') without one"
        last = cls.search([
                ('company', '=', company.id),
                ('number', '!=', None),
                ], order=[('number', 'DESC')], limit=1)
        return (last[0].number, last[0].link) if last else (0, '')

    @classmethod
    def _chain(cls, number, link, seals):
        sealed_at = now()
        for place, seal in enumerate(seals, number + 1):
            seal.number, seal.previous = place, link
            seal.sealed_at = sealed_at
            seal.link = link = seal.compute_link()
        cls.save(seals)

    def compute_link(self):
        "Return the link that the values of the seal give"
        return digest({
                name: getattr(value, 'id', value)
                for name in sorted(_LINKED)
                if (value := getattr(self, name)) is not None})


_LINKED = {
    'company', 'encounter', 'encounter_number', 'kind', 'version',
    'amendment', 'hash', 'user', 'signed_by', 'signed_at', 'number',
    'previous', 'sealed_at'}


class Encounter(metaclass=PoolMeta):
    __name__ = 'clinic.encounter'

    content_hash = fields.Function(
        fields.Char("Content SHA-256"), 'get_content_hash')
    signature_required = fields.Function(
        fields.Boolean("Signature Required"), 'get_signature_required',
        searcher='search_signature_required')

    @classmethod
    def __setup__(cls):
        super().__setup__()
        # The client asks for the password when the session is old
        cls.__rpc__['sign'] = RPC(
            readonly=False, instantiate=0, fresh_session=True)
        finish = cls._buttons['finish']
        signed = Eval('signature_required', False)
        finish['depends'].append('signature_required')
        cls._buttons['sign'] = {
            **finish,
            'invisible': finish['invisible'] | ~signed,
            'depends': [*finish['depends']],
            }
        finish['invisible'] |= signed

    @classmethod
    def fields_sealed(cls):
        """Return the names of the fields that the seal of the visit covers.

        Every stored one but the state, which the kind of the seal tells.
        """
        return stored_fields(cls) - {'state'}

    @classmethod
    def get_content_hash(cls, encounters, name):
        Seal = Pool().get('clinic.seal')
        return {
            id_: seals[-1].hash if seals else None
            for id_, seals in Seal.of_content(encounters).items()}

    @classmethod
    def get_signature_required(cls, encounters, name):
        Configuration = Pool().get('clinic.configuration')
        configuration = Configuration(1)
        required = {
            company: bool(configuration.get_multivalue(
                    'signature_required', company=company.id))
            for company in {e.company for e in encounters}}
        return {e.id: required[e.company] for e in encounters}

    @classmethod
    def search_signature_required(cls, name, clause):
        "Find the visits of the branches that ask, or do not ask, for it"
        Value = Pool().get('clinic.configuration.correction')
        _, operator, operand = clause[:3]
        with without_check_access():
            required = {
                v.company and v.company.id: bool(v.signature_required)
                for v in Value.search([])}
        usual = required.pop(None, False)
        others = [c for c, value in required.items() if value != usual]
        wanted = bool(operand) == (operator == '=')
        return [('company', 'not in' if wanted == usual else 'in', others)]

    @classmethod
    def on_finished(cls, encounters):
        Seal = Pool().get('clinic.seal')
        super().on_finished(encounters)
        Seal.affix('finished', encounters)

    @classmethod
    @ModelView.button
    def sign(cls, encounters):
        """Finish the visits on a password that was entered just now.

        For branches that ask for it; the server refuses the call of an older
        session (setting `[session] timeout`).
        """
        cls.finish(encounters)
