# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"What is not sent yet, by branch and cause."

from sql import Null
from sql.aggregate import Count, Min, Sum
from sql.conditionals import Case, Coalesce
from trytond.model import ModelSQL, ModelView, fields
from trytond.pool import Pool
from trytond.pyson import Eval, If, PYSONEncoder
from trytond.wizard import StateAction, Wizard

from .credential import ENVIRONMENTS
from .explanation import headline, is_stalled, last_sweep, stall
from .gate import database_now
from .hold import HELD, MET, held_branches

UNSENT = ['pending', 'sending', 'checking', 'waiting', 'needs_data',
    'needs_admin']
STATES = [
    ('pending', "Pending"),
    ('sending', "Sending"),
    ('checking', "Checking"),
    ('waiting', "Waiting"),
    ('needs_data', "Needs Data"),
    ('needs_admin', "Needs Administrator"),
    ]


class Unsent(ModelSQL, ModelView):
    """The visits of a branch that wait for the same cause.

    A branch whose client, or whose host, has to wait gives that cause to
    all its visits that nothing else keeps back.
    """
    __name__ = 'satusehat.unsent'

    company = fields.Many2One('company.company', "Branch")
    environment = fields.Selection(
        [(None, "")] + ENVIRONMENTS, "Environment", sort=False)
    state = fields.Selection(STATES, "State", sort=False)
    reason = fields.Char("Reason")
    held = fields.Boolean(
        "Held", help="The branch has to wait, not the single visit.")
    cause = fields.Function(fields.Char("Cause"), 'get_cause')
    visits = fields.Integer("Visits")
    since = fields.DateTime("Oldest since")
    next_attempt = fields.DateTime("Next Attempt")

    @classmethod
    def __setup__(cls):
        super().__setup__()
        cls._order = [('since', 'ASC'), ('id', 'ASC')]

    @classmethod
    def table_query(cls):
        return unsent()

    @classmethod
    def get_cause(cls, groups, name):
        now = database_now()
        sweep = last_sweep()
        causes = {
            g: cause_of(
                g.state, g.environment, g.reason,
                g.next_attempt or g.since, sweep, now)
            for g in groups}
        return {
            g.id: stall(sweep, g.company)[0].rstrip('.')
            if cause == 'not_swept' else headline(cause)
            for g, cause in causes.items()}

    @property
    def domain(self):
        "The domain of the submissions of the group"
        domain = [
            ('company', '=', self.company.id),
            ('environment', '=', self.environment),
            ('state', '=', self.state),
            ]
        if not self.held:
            reason = self.reason if self.environment else None
            domain.append(('reason', '=', reason))
        return domain

    @classmethod
    def view_attributes(cls):
        return super().view_attributes() + [
            ('/tree/field[@name="company"]', 'tree_invisible',
                Eval('company_filter') == 'one'),
            ('/tree', 'visual',
                If(Eval('state').in_(['needs_data', 'needs_admin']), 'danger',
                    If(Eval('held') | Eval('state').in_(
                            ['waiting', 'checking']), 'warning', ''))),
            ]


def cause_of(state, environment, reason, due, sweep, now):
    """Return the reason, as messages know it, why submissions wait.

    due is when the first of them is to be tried, sweep what last_sweep
    returns and now the moment, all UTC.
    """
    if environment and is_stalled(state, due, sweep, now):
        return 'not_swept'
    return reason or ('underway' if state == 'sending' else 'due')


def unsent(before=None):
    """Return the query of the groups of what is not sent yet.

    Columns: id (of the group's first submission), company, environment,
    state, reason, held, visits, since (when the oldest was finished here,
    UTC), next_attempt.  before limits it to what is older than that moment.

    The outbox is counted first and joined then: its size matters in one
    scan of an index only.
    """
    counted = _counted(before)
    hold = held_branches(database_now())
    is_held = counted.state.in_(HELD) & (hold.reason != Null)
    reason = Case(
        (is_held, hold.reason),
        (counted.environment == Null, 'no_environment'),
        else_=counted.reason)
    groups = counted.join(
        hold, 'LEFT',
        condition=(hold.company == counted.company)
        & (hold.environment == counted.environment)
        & (counted.state.in_(HELD)
            | ((counted.state == MET) & (counted.next_attempt != Null)))
        ).select(
            counted.id, counted.company, counted.environment, counted.state,
            reason.as_('reason'), is_held.as_('held'),
            counted.visits, counted.since,
            Coalesce(hold.until, counted.next_attempt).as_('next_attempt'))
    return groups.select(
        Min(groups.id).as_('id'), groups.company, groups.environment,
        groups.state, groups.reason, groups.held,
        Sum(groups.visits).cast('INTEGER').as_('visits'),
        Min(groups.since).as_('since'),
        Min(groups.next_attempt).as_('next_attempt'),
        group_by=[
            groups.company, groups.environment, groups.state, groups.reason,
            groups.held])


def _counted(before):
    "Return the query that counts the outbox by what its rows say themselves"
    table = Pool().get('satusehat.submission').__table__()
    where = table.state.in_(UNSENT)
    if before:
        where &= table.create_date < before
    return table.select(
        Min(table.id).as_('id'), table.company, table.environment,
        table.state, table.reason, Count().as_('visits'),
        Min(table.create_date).as_('since'),
        Min(Case(
                (table.state == 'sending', table.lease_until),
                else_=table.next_attempt)).as_('next_attempt'),
        where=where,
        group_by=[
            table.company, table.environment, table.state, table.reason])


class OpenUnsent(Wizard):
    __name__ = 'satusehat.unsent.open'
    _readonly = True

    start_state = 'open_'
    open_ = StateAction('satusehat_integration.act_submission_form')

    def do_open_(self, action):
        action['pyson_domain'] = PYSONEncoder().encode(self.record.domain)
        action['domains'] = []
        action['name'] += f' - {self.record.cause}'
        return action, {}
