# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"What people decide about submissions, and why."

from trytond.i18n import gettext
from trytond.model import ModelSQL, ModelView, fields
from trytond.modules.clinic_rme.mixin import BranchMixin
from trytond.wizard import Button, StateTransition, StateView, Wizard

from .exceptions import SubmissionAccessError


class SubmissionAction(BranchMixin, ModelSQL, ModelView):
    "What a person decided about a submission, and why"
    __name__ = 'satusehat.submission.action'

    submission = fields.Many2One(
        'satusehat.submission', "Submission", required=True, readonly=True,
        ondelete='CASCADE')
    action = fields.Selection([
            ('resend', "Resend"),
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
