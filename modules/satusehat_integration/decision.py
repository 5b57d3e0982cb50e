# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"What people decide about submissions, and why."

from trytond.i18n import gettext
from trytond.model import ModelSQL, ModelView, fields
from trytond.modules.clinic_rme.mixin import BranchMixin
from trytond.pool import Pool
from trytond.transaction import Transaction, without_check_access
from trytond.wizard import Button, StateTransition, StateView, Wizard

from .exceptions import ReasonRequired, StopError, SubmissionAccessError

STOPPABLE = ['pending', 'checking', 'waiting', 'needs_data', 'needs_admin']


class SubmissionAction(BranchMixin, ModelSQL, ModelView):
    "What a person decided about a submission, and why"
    __name__ = 'satusehat.submission.action'

    submission = fields.Many2One(
        'satusehat.submission', "Submission", required=True, readonly=True,
        ondelete='CASCADE')
    action = fields.Selection([
            ('resend', "Resend"),
            ('stop', "Stop"),
            ('withdraw', "Withdraw"),
            ], "Action", required=True, readonly=True)
    reason = fields.Text("Reason", required=True, readonly=True)

    @classmethod
    def __setup__(cls):
        super().__setup__()
        cls._order = [('create_date', 'DESC'), ('id', 'DESC')]

    @classmethod
    def check_modification(cls, mode, actions, values=None, external=False):
        super().check_modification(
            mode, actions, values=values, external=external)
        if external:
            raise SubmissionAccessError(
                gettext('satusehat_integration.msg_submission_access'))

    @classmethod
    def stop(cls, submissions, reason):
        """Send the submissions no more, on the word of the current user.

        What was stopped before stays as it is.  Raises StopError when one of
        them is being sent or was sent, ReasonRequired without a reason.
        """
        pool = Pool()
        Submission = pool.get('satusehat.submission')
        submissions = to_stop(submissions, held(submissions))
        if not (reason or '').strip():
            raise ReasonRequired(
                gettext('satusehat_integration.msg_reason_required'))
        with without_check_access():
            cls.create([{
                        'submission': submission.id,
                        'action': 'stop',
                        'reason': reason.strip(),
                        } for submission in submissions])
            if submissions:
                Submission.write(submissions, {
                        'state': 'stopped',
                        'next_attempt': None,
                        })


def held(submissions):
    """Return {id: state} of the rows, which no one else changes from now on.

    Until the end of the transaction.  An update that changes nothing: of
    two that decide about a row at the same time the later one waits and sees
    what the first one did, or fails and is run again by the server.
    """
    if not submissions:
        return {}
    table = Pool().get('satusehat.submission').__table__()
    cursor = Transaction().connection.cursor()
    where = fields.SQL_OPERATORS['in'](
        table.id, [submission.id for submission in submissions])
    cursor.execute(*table.update([table.state], [table.state], where=where))
    cursor.execute(*table.select(table.id, table.state, where=where))
    return dict(cursor)


def to_stop(submissions, states):
    """Return those that are not stopped yet; states is {id: state}.

    Raises StopError when one of them can not be.
    """
    for submission in submissions:
        if states[submission.id] not in {*STOPPABLE, 'stopped'}:
            raise StopError(gettext(
                    'satusehat_integration.msg_stop_too_late',
                    submission=submission.rec_name))
    return [s for s in submissions if states[s.id] != 'stopped']


class ResendAsk(ModelView):
    __name__ = 'satusehat.submission.resend.ask'

    reason = fields.Text(
        "Reason", required=True,
        help="What was mended, for those who read the log.")


class Resend(Wizard):
    __name__ = 'satusehat.submission.resend'

    start_state = 'ask'
    ask = StateView(
        'satusehat.submission.resend.ask',
        'satusehat_integration.resend_ask_view_form', [
            Button("Cancel", 'end', 'tryton-cancel'),
            Button("Send Again", 'resend', 'tryton-ok', default=True),
            ])
    resend = StateTransition()

    def transition_resend(self):
        self.model.plan_again(self.records, self.ask.reason)
        return 'end'

    def end(self):
        return 'reload'


class StopAsk(ModelView):
    __name__ = 'satusehat.submission.stop.ask'

    notice = fields.Text("Notice", readonly=True)
    reason = fields.Text(
        "Reason", required=True,
        help="Why it is not to be sent, for those who read the log.")


class Stop(Wizard):
    __name__ = 'satusehat.submission.stop'

    start_state = 'ask'
    ask = StateView(
        'satusehat.submission.stop.ask',
        'satusehat_integration.stop_ask_view_form', [
            Button("Cancel", 'end', 'tryton-cancel', default=True),
            Button("Stop", 'stop', 'tryton-archive'),
            ])
    stop = StateTransition()

    def default_ask(self, fields):
        submissions = to_stop(
            self.records, {s.id: s.state for s in self.records})
        notice = gettext(
            'satusehat_integration.msg_stop_count', count=len(submissions))
        if unknown := [s for s in submissions if s.begun_at]:
            notice += '\n\n' + gettext(
                'satusehat_integration.msg_stop_begun', count=len(unknown))
        return {'notice': notice}

    def transition_stop(self):
        Action = Pool().get('satusehat.submission.action')
        Action.stop(self.records, self.ask.reason)
        return 'end'

    def end(self):
        return 'reload'
