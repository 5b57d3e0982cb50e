# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from trytond.i18n import gettext
from trytond.model import Index, ModelSQL, ModelView, fields
from trytond.pool import Pool
from trytond.pyson import Eval, If

from .credential import ENVIRONMENTS
from .exceptions import SubmissionAccessError
from .platform.answer import is_unknown


class Exchange(ModelSQL, ModelView):
    "One request to the platform, without what it said about people"
    __name__ = 'satusehat.exchange'
    _rec_name = 'path'

    company = fields.Many2One(
        'company.company', "Branch", required=True, readonly=True,
        ondelete='RESTRICT')
    submission = fields.Many2One(
        'satusehat.submission', "Submission", readonly=True,
        ondelete='CASCADE')
    record = fields.Reference(
        "Registers", selection='get_models', readonly=True)
    environment = fields.Selection(
        ENVIRONMENTS, "Environment", required=True, readonly=True, sort=False)
    started_at = fields.Timestamp("Started at", required=True, readonly=True)
    method = fields.Char("Method", required=True, readonly=True)
    path = fields.Char("Path", required=True, readonly=True)
    status = fields.Integer(
        "HTTP Status", readonly=True, help="Empty when no answer came.")
    duration = fields.Integer("Duration (ms)", readonly=True)
    size = fields.Integer("Answer Size", readonly=True)
    request_id = fields.Char(
        "Request ID", readonly=True,
        help="The platform's help desk asks for it.")
    outcome = fields.Selection('get_outcomes', "Outcome", readonly=True)
    rules = fields.Char("Rule Numbers", readonly=True)

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_indexes.update({
                Index(t, (t.submission, Index.Equality())),
                Index(t, (t.company, Index.Equality()),
                    (t.started_at, Index.Range(order='DESC'))),
                })
        cls._order = [('started_at', 'DESC'), ('id', 'DESC')]

    @classmethod
    def get_models(cls):
        return [(None, ""), ('clinic.unit', "Unit"), ('clinic.room', "Room")]

    @classmethod
    def get_outcomes(cls):
        return [(None, "")] + [
            (o, gettext(f'satusehat_integration.msg_exchange_{o}'))
            for o in OUTCOMES]

    @classmethod
    def check_modification(cls, mode, exchanges, values=None, external=False):
        super().check_modification(
            mode, exchanges, values=values, external=external)
        if external:
            raise SubmissionAccessError(
                gettext('satusehat_integration.msg_exchange_access'))

    @classmethod
    def view_attributes(cls):
        return super().view_attributes() + [
            ('/tree', 'visual',
                If(Eval('outcome').in_(['ok', 'not_found', 'duplicate']), '',
                    If(Eval('outcome') == 'unknown', 'warning', 'danger'))),
            ]


OUTCOMES = [
    'ok', 'not_found', 'refused', 'duplicate', 'unauthorized', 'no_product',
    'forbidden', 'edge_blocked', 'throttled', 'server_error', 'unreachable',
    'certificate', 'no_answer', 'unrecognised', 'redirected', 'too_large',
    'suppressed', 'unknown']


def closing(answer):
    "Return the values that an Answer gives to the row of its exchange"
    return {
        'status': answer.status,
        'duration': answer.duration,
        'size': answer.size,
        'request_id': answer.request_id or None,
        'outcome': answer.outcome,
        'rules': ', '.join(
            str(i.rule) for i in answer.issues if i.rule) or None,
        }


def close(exchange, answer, unknown=False):
    """Write to the row with the id what the Answer to its write tells.

    unknown says that it does not tell whether the write was stored.
    """
    Exchange = Pool().get('satusehat.exchange')
    values = closing_write(answer)
    if unknown:
        values['outcome'] = 'unknown'
    Exchange.write([Exchange(exchange)], values)


def closing_write(answer):
    "Return the values that the Answer to a write gives to its row"
    values = closing(answer)
    if is_unknown(answer, write=True):
        values['outcome'] = 'unknown'
    return values
