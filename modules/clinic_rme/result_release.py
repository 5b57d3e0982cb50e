# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""How a result is released, reviewed, and taken out again.

Once released it is frozen; a mistake is taken out with the reason, and a new
result entered.
"""

from itertools import chain

from trytond.i18n import gettext
from trytond.model import ModelView, fields
from trytond.pool import Pool
from trytond.pyson import Bool, Eval
from trytond.transaction import without_check_access
from trytond.wizard import Button, StateTransition, StateView, Wizard

from .exceptions import ResultAccessError, ResultError
from .mixin import now, signing_employee

# Codes of HL7 DiagnosticReport.status
STATES = [
    ('preliminary', "Draft"),
    ('final', "Released"),
    ('entered_in_error', "Entered in Error"),
    ]
# What the server gives, and nobody enters
GIVEN = {
    'state', 'recorded_by', 'recorded_at', 'released_by', 'released_at',
    'reviewed_by', 'reviewed_at', 'error_reason', 'error_by', 'error_at'}
_released = {
    'invisible': ~Bool(Eval('released_at')),
    }
_reviewed = {
    'invisible': ~Bool(Eval('reviewed_at')),
    }
_in_error = {
    'invisible': Eval('state') != 'entered_in_error',
    }


def _employee(string, states=None):
    return fields.Many2One(
        'company.employee', string, readonly=True, ondelete='RESTRICT',
        states=states)


class ReleaseMixin:
    "The states of a result, with who brought them about"
    __slots__ = ()

    state = fields.Selection(
        STATES, "State", required=True, readonly=True, sort=False)
    recorded_by = _employee("Recorded by")
    recorded_at = fields.DateTime("Recorded at", readonly=True)
    released_by = _employee("Released by", _released)
    released_at = fields.DateTime(
        "Released at", readonly=True, states=_released)
    reviewed_by = _employee("Reviewed by", _reviewed)
    reviewed_at = fields.DateTime(
        "Reviewed at", readonly=True, states=_reviewed)
    error_reason = fields.Text(
        "Reason of the Error", readonly=True, states=_in_error)
    error_by = _employee("Taken out by", _in_error)
    error_at = fields.DateTime(
        "Taken out at", readonly=True, states=_in_error)

    @classmethod
    def __setup__(cls):
        super().__setup__()
        cls._buttons.update({
                'release': {
                    'invisible': Eval('state') != 'preliminary',
                    'icon': 'tryton-ok',
                    'depends': ['state'],
                    },
                'review': {
                    'invisible': (
                        (Eval('state') != 'final')
                        | Bool(Eval('reviewed_at'))),
                    'icon': 'tryton-ok',
                    'depends': ['state', 'reviewed_at'],
                    },
                'enter_in_error': {
                    'invisible': Eval('state') != 'final',
                    'icon': 'tryton-cancel',
                    'depends': ['state'],
                    },
                })

    @classmethod
    def default_state(cls):
        return 'preliminary'

    @classmethod
    def check_draft(cls, results):
        "Hold the orders; raise ResultAccessError for what was released"
        Pool().get('clinic.order').hold([r.order for r in results])
        for result in results:
            if result.state != 'preliminary':
                raise ResultAccessError(gettext(
                        'clinic_rme.msg_result_released',
                        result=result.rec_name))

    @classmethod
    @ModelView.button
    def release(cls, results):
        """Let the results count; nothing in them changes any more.

        Lines without a value are left out. Raises ResultError where there is
        no value at all.
        """
        pool = Pool()
        Value = pool.get('clinic.result.value')
        pool.get('clinic.order').hold([r.order for r in results])
        results = [r for r in results if r.state == 'preliminary']
        empty = []
        for result in results:
            result.order.check_open()
            result.check_filled()
            empty.extend(v for v in result.values if not v.is_filled)
        Value.delete(empty)
        cls.write([r for r in results if not r.issued_at], {
                'issued_at': now(),
                })
        cls._sign(results, 'released', state='final')

    def check_filled(self):
        "Raise ResultError if there is nothing to release"
        has_text = (self.conclusion or self.findings or '').strip()
        if not (has_text or any(v.is_filled for v in self.values)):
            raise ResultError(gettext(
                    'clinic_rme.msg_result_empty', result=self.rec_name))

    @classmethod
    @ModelView.button
    def review(cls, results):
        "The doctor has seen the results"
        cls._sign([
                r for r in results
                if r.state == 'final' and not r.reviewed_at], 'reviewed')

    @classmethod
    def _sign(cls, results, act, **values):
        "Write who did it and when"
        if results:
            cls.write(*chain.from_iterable(
                    ([result], {
                        f'{act}_by': signing_employee(result.company),
                        f'{act}_at': now(),
                        **values,
                        })
                    for result in results))

    @classmethod
    @ModelView.button_action('clinic_rme.wizard_result_error')
    def enter_in_error(cls, results):
        "Ask for the reason"

    @classmethod
    def take_out(cls, results, reason):
        """Mark released results as entered in error; a new one may come.

        Raises ResultError without a reason.
        """
        reason = (reason or '').strip()
        if not reason:
            raise ResultError(gettext('clinic_rme.msg_result_error_reason'))
        Pool().get('clinic.order').hold([r.order for r in results])
        with without_check_access():
            cls._sign([
                    r for r in cls.browse([r.id for r in results])
                    if r.state == 'final'], 'error',
                state='entered_in_error', error_reason=reason)


class ResultErrorAsk(ModelView):
    __name__ = 'clinic.result.error.ask'

    reason = fields.Text(
        "Reason", required=True, help="What is wrong with the result.")


class ResultTakeOut(Wizard):
    __name__ = 'clinic.result.error'

    start_state = 'ask'
    ask = StateView(
        'clinic.result.error.ask',
        'clinic_rme.result_error_ask_view_form', [
            Button("Cancel", 'end', 'tryton-cancel'),
            Button("Entered in Error", 'take_out', 'tryton-ok', default=True),
            ])
    take_out = StateTransition()

    def transition_take_out(self):
        Result = Pool().get('clinic.result')
        Result.take_out(self.records, self.ask.reason)
        return 'end'

    def end(self):
        return 'reload'
