# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"The outbox: one row for each version of a finished visit."

import datetime as dt

import trytond.config as config
from sql import Null
from trytond.i18n import gettext
from trytond.model import Index, ModelSQL, ModelView, Unique, fields
from trytond.pool import Pool
from trytond.pyson import Eval, If
from trytond.transaction import Transaction, without_check_access

from .claim import DUE
from .correction import CorrectionMixin
from .credential import ENVIRONMENTS
from .decision import STOPPABLE, held
from .exceptions import ReasonRequired, ResendError, SubmissionAccessError
from .explanation import explain
from .gate import database_now
from .platform import settings
from .visit import freeze, snapshots

STATES = [
    ('pending', "Pending"),
    ('sending', "Sending"),
    ('checking', "Checking"),
    ('waiting', "Waiting"),
    ('needs_data', "Needs Data"),
    ('needs_admin', "Needs Administrator"),
    ('sent', "Sent"),
    ('stopped', "Stopped"),
    ]
ENDED = ['sent', 'stopped']
UNSENT = ['pending', 'checking', 'waiting']
QUEUE = 'satusehat'
RESENDABLE = ['needs_data', 'needs_admin', 'stopped', 'waiting']


def has_worker():
    "Whether a process beside the scheduler runs queued tasks"
    return config.getboolean('queue', 'worker', default=False)


class Submission(CorrectionMixin, ModelSQL, ModelView):
    __name__ = 'satusehat.submission'

    encounter = fields.Many2One(
        'clinic.encounter', "Encounter", required=True, readonly=True,
        ondelete='RESTRICT')
    version = fields.Integer("Version", required=True, readonly=True)
    company = fields.Many2One(
        'company.company', "Branch", required=True, readonly=True,
        ondelete='RESTRICT')
    environment = fields.Selection(
        [(None, "")] + ENVIRONMENTS, "Environment", readonly=True, sort=False,
        help="Empty until the branch has an active environment.")
    state = fields.Selection(
        STATES, "State", required=True, readonly=True, sort=False)
    attempts = fields.Integer("Attempts", required=True, readonly=True)
    next_attempt = fields.DateTime("Next Attempt", readonly=True)
    sent_at = fields.DateTime("Sent at", readonly=True)
    reason = fields.Char("Reason", readonly=True)
    detail = fields.Text("Detail", readonly=True, loading='eager')
    number = fields.Function(
        fields.Char(
            "Visit Number", help="For those who may not see the visit."),
        'get_number', searcher='search_number')
    last_error = fields.Function(
        fields.Text("Last Error", states={
                'invisible': ~Eval('last_error'),
                }),
        'get_last_error')
    exchanges = fields.One2Many(
        'satusehat.exchange', 'submission', "Exchanges", readonly=True)
    actions = fields.One2Many(
        'satusehat.submission.action', 'submission', "Actions", readonly=True)

    claim = fields.Char("Claim", readonly=True)
    claimed_from = fields.Char(
        "Claimed from", readonly=True,
        help="The state to go back to when nothing was tried.")
    lapses = fields.Integer(
        "Lapses", required=True, readonly=True,
        help="Leases that ended with nothing sent.")
    lease_until = fields.Timestamp("Lease until", readonly=True)
    singly = fields.Boolean(
        "Singly", readonly=True, help="The entries are sent one by one.")
    begun = fields.Boolean(
        "Begun", readonly=True,
        help="A write left for the platform: look before it is repeated.")
    begun_at = fields.Timestamp(
        "Begun at", readonly=True,
        help="When the write left whose outcome is not known.")
    snapshot = fields.Binary("Snapshot", readonly=True)
    snapshot_hash = fields.Char("Snapshot SHA-256", readonly=True)
    bundle = fields.Binary("Bundle", readonly=True)
    bundle_hash = fields.Char("Bundle SHA-256", readonly=True)
    bundle_index = fields.Text("Bundle Index", readonly=True)

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_constraints.append(
            ('version_unique', Unique(t, t.encounter, t.version),
                'satusehat_integration.msg_submission_unique'))
        cls._sql_indexes.update({
                Index(t, (t.environment, Index.Range()),
                    (t.company, Index.Range()),
                    (t.next_attempt, Index.Range()), (t.id, Index.Range()),
                    where=t.state.in_(DUE)),
                Index(t, (t.lease_until, Index.Range()),
                    where=t.state == 'sending'),
                Index(t, (t.company, Index.Equality()),
                    (t.state, Index.Equality(cardinality='low'))),
                Index(t, (t.state, Index.Equality(cardinality='low')),
                    where=t.state.in_(
                        [state for state, _ in STATES if state not in ENDED])),
                Index(t, (t.claim, Index.Equality(cardinality='high')),
                    where=t.claim != Null),
                })
        cls._order = [('id', 'DESC')]
        cls._buttons.update({
                'resend': {
                    'invisible': ~Eval('state').in_(RESENDABLE),
                    'icon': 'tryton-refresh',
                    'depends': ['state'],
                    },
                'stop': {
                    'invisible': ~Eval('state').in_(STOPPABLE),
                    'icon': 'tryton-archive',
                    'depends': ['state'],
                    },
                })

    @classmethod
    def default_state(cls):
        return 'pending'

    @classmethod
    def default_attempts(cls):
        return 0

    @classmethod
    def default_lapses(cls):
        return 0

    @classmethod
    def get_number(cls, submissions, name):
        return {s.id: s.encounter.number for s in submissions}

    @classmethod
    def search_number(cls, name, clause):
        Encounter = Pool().get('clinic.encounter')
        with without_check_access():
            query = Encounter.search(
                [('number', *clause[1:])], query=True)
        return [('encounter', 'in', query)]

    @classmethod
    def get_last_error(cls, submissions, name):
        return explain(submissions)

    def explain(self, detail=True):
        "Return why the row waits, as explanation.explain does"
        return explain([self], detail)[self.id]

    def get_rec_name(self, name):
        return f'{self.encounter.rec_name} v{self.version}'

    @classmethod
    def search_rec_name(cls, name, clause):
        return [('encounter.rec_name', *clause[1:])]

    @classmethod
    def check_modification(
            cls, mode, submissions, values=None, external=False):
        super().check_modification(
            mode, submissions, values=values, external=external)
        if external:
            raise SubmissionAccessError(
                gettext('satusehat_integration.msg_submission_access'))

    @classmethod
    def view_attributes(cls):
        return super().view_attributes() + [
            ('/tree', 'visual',
                If(Eval('state') == 'sent', 'success',
                    If(Eval('state').in_(['needs_data', 'needs_admin']),
                        'danger',
                        If(Eval('state').in_(['waiting', 'checking']),
                            'warning',
                            If(Eval('state') == 'stopped', 'muted', ''))))),
            ]

    @classmethod
    def enqueue(cls, encounters, in_error=False, first=False):
        """Write the rows of finished encounters, in their transaction.

        The first version of each, or the next one where there is one
        already; returns the rows.  With in_error, or for an encounter that
        was entered in error, the version only tells the platform so.  first
        insists that there is none yet: of two that finish a visit at the
        same time the second one fails.

        Never fails for a reason that lies with the platform: without
        credential, environment or number the row waits.
        """
        rows = []
        cls.supersede(encounters)
        versions = (
            {e.id: 1 for e in encounters} if first
            else cls.next_versions(encounters))
        for encounter, data in zip(
                encounters, snapshots(encounters, in_error), strict=True):
            snapshot, digest = freeze(data)
            rows.append({
                    'encounter': encounter.id,
                    'version': versions[encounter.id],
                    'company': encounter.company.id,
                    'environment': encounter.company.satusehat_environment,
                    'next_attempt': encounter.finished_at,
                    'snapshot': snapshot,
                    'snapshot_hash': digest,
                    })
        with without_check_access():
            submissions = cls.create(rows)
            if has_worker():
                cls.wake(submissions)
        return submissions

    @classmethod
    def count_unbound(cls, companies):
        "Return how many rows of the branches wait for an environment"
        return cls.search(cls._unbound(companies), count=True)

    @classmethod
    def bind(cls, companies):
        "Give the rows without environment that of their branch"
        with without_check_access():
            for company in companies:
                if company.satusehat_environment and (
                        rows := cls.search(cls._unbound([company]))):
                    cls.write(rows, {
                            'environment': company.satusehat_environment,
                            })

    @classmethod
    def _unbound(cls, companies):
        return [
            ('company', 'in', [c.id for c in companies]),
            ('environment', '=', None),
            ('state', 'in', UNSENT),
            ]

    @classmethod
    def push(cls):
        """Deliver what is due, for all branches (scheduled action).

        Writes nothing in the transaction of the scheduler.
        """
        from .sender import Sender
        if not has_worker() or cls._is_worker_dead():
            Sender().run()
            return
        waiting = cls.search([('state', 'in', DUE)], limit=1)
        for _ in range(settings.read().senders):
            cls.wake(waiting)

    @classmethod
    def _is_worker_dead(cls):
        "Whether nobody took a task within a minute"
        pool = Pool()
        Queue = pool.get('ir.queue')
        return bool(Queue.search([
                    ('name', '=', QUEUE),
                    ('dequeued_at', '=', None),
                    ('enqueued_at', '<',
                        dt.datetime.now() - dt.timedelta(minutes=1)),
                    ], limit=1))

    @classmethod
    def wake(cls, submissions):
        """Let a worker deliver what is due, soon.

        submissions are any that exist; without one there is nothing to do.
        """
        if submissions:
            with Transaction().set_context(queue_name=QUEUE):
                cls.__queue__.deliver(submissions[:1])

    @classmethod
    def deliver(cls, submissions):
        "Deliver what is due, for all branches (task of a worker)"
        from .sender import Sender
        Sender().run()

    @classmethod
    def notify(cls):
        "Tell people what was not sent for long (scheduled action)"
        Pool().get('satusehat.notice').give()

    @classmethod
    @ModelView.button_action('satusehat_integration.wizard_resend')
    def resend(cls, submissions):
        pass

    @classmethod
    @ModelView.button_action('satusehat_integration.wizard_stop')
    def stop(cls, submissions):
        pass

    @classmethod
    def plan_again(cls, submissions, reason):
        """Send the rows again as soon as possible, on a person's word.

        The reason is kept.  After a refusal the payload is built anew, from
        the same snapshot and with the numbers of today; whether the platform
        holds the visit is looked up first all the same.  What was replaced
        or withdrawn is left as it is.

        Raises ReasonRequired, and ResendError when nothing else was chosen.
        """
        pool = Pool()
        Action = pool.get('satusehat.submission.action')
        states = held(submissions)
        if not (reason or '').strip():
            raise ReasonRequired(
                gettext('satusehat_integration.msg_reason_required'))
        chosen = [s for s in submissions if states[s.id] in RESENDABLE]
        over = cls.over(chosen)
        submissions = [s for s in chosen if s not in over]
        if over and not submissions:
            raise ResendError(gettext(
                    'satusehat_integration.msg_resend_over',
                    submission=over[0].rec_name))
        with without_check_access():
            Action.create([{
                        'submission': submission.id,
                        'action': 'resend',
                        'reason': reason.strip(),
                        } for submission in submissions])
            refused = [s for s in submissions if not s.begun_at]
            overwrite = [
                s for s in submissions if s.reason == 'changed_there']
            if refused:
                cls.write(refused, {
                        'bundle': None,
                        'bundle_hash': None,
                        'bundle_index': None,
                        })
            if submissions:
                cls._vouch(submissions)
                cls.write(submissions, {
                        'state': 'pending',
                        'next_attempt': database_now().replace(microsecond=0),
                        'reason': None,
                        'detail': None,
                        'lapses': 0,
                        })
            if overwrite:
                # Who sends again has seen what the platform holds instead
                cls.write(overwrite, {'reason': 'changed_there'})

    @classmethod
    def _vouch(cls, submissions):
        pool = Pool()
        Credential = pool.get('satusehat.credential')
        Gate = pool.get('satusehat.gate')
        companies = {s.company.id for s in submissions}
        Gate.vouch([
                (c.environment, c.client_id) for c in Credential.search(
                    [('company', 'in', list(companies))])])

    @classmethod
    def release(cls, places):
        """Go on with what waits for a credential that is there by now.

        places are (company, environment) pairs.
        """
        rows = [
            s for s in cls.search([
                    ('state', '=', 'needs_admin'),
                    ('reason', '=', 'no_credential'),
                    ]) if (s.company.id, s.environment) in places]
        with without_check_access():
            cls.write(rows, {
                    'state': 'pending',
                    'reason': None,
                    'next_attempt': database_now().replace(microsecond=0),
                    })
