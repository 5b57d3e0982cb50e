# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"What is said about a closed visit, by whom and why."

import datetime as dt
import json

from trytond.i18n import gettext
from trytond.model import Index, ModelSQL, ModelView, fields
from trytond.pool import Pool
from trytond.pyson import Eval, If
from trytond.transaction import Transaction, without_check_access
from trytond.wizard import Button, StateTransition, StateView, Wizard

from .content import canonical, contents
from .exceptions import AmendmentAccessError, AmendmentError
from .mixin import (
    BranchMixin, UidMixin, current_employee, hold_encounters, now,
    signing_employee, stored_fields)
from .rendering import render, render_changes

KINDS = [
    ('addendum', "Addendum"),
    ('correction', "Correction"),
    ('entered_in_error', "Entered in Error"),
    ]
MAY_REQUEST = {
    'addendum': {'nurse', 'doctor', 'pharmacist'},
    'correction': {'doctor'},
    'entered_in_error': {'doctor', 'medical_records'},
    }
STATES = [
    ('requested', "Requested"),
    ('open', "Open"),
    ('done', "Done"),
    ('rejected', "Rejected"),
    ('unchanged', "Nothing Changed"),
    ]
ACTIVE = ['requested', 'open']
_VARIABLE = {'state'}


class Amendment(UidMixin, BranchMixin, ModelSQL, ModelView):
    __name__ = 'clinic.amendment'

    encounter = fields.Many2One(
        'clinic.encounter', "Encounter", required=True, readonly=True,
        ondelete='RESTRICT')
    kind = fields.Selection(
        KINDS, "Kind", required=True, readonly=True, sort=False)
    kind_string = kind.translated('kind')
    text = fields.Text(
        "Text or Reason", required=True, readonly=True, loading='eager')
    user = fields.Many2One(
        'res.user', "User", required=True, readonly=True,
        ondelete='RESTRICT')
    author = fields.Many2One(
        'company.employee', "Author", readonly=True, ondelete='RESTRICT')
    requested_at = fields.DateTime(
        "Requested at", required=True, readonly=True)
    decided_by = fields.Many2One(
        'res.user', "Decided by", readonly=True, ondelete='RESTRICT',
        states={
            'invisible': ~Eval('decided_by'),
            })
    decided_at = fields.DateTime(
        "Decided at", readonly=True,
        states={
            'invisible': ~Eval('decided_by'),
            })
    decision = fields.Char(
        "Decision", readonly=True,
        states={
            'invisible': ~Eval('decided_by'),
            })
    ended_at = fields.DateTime("Ended at", readonly=True)
    state = fields.Selection(
        STATES, "State", required=True, readonly=True, sort=False)
    before = fields.Text(
        "Content Before", readonly=True, strip=False,
        help="What the visit held before, as JSON.")
    after = fields.Text(
        "Content After", readonly=True, strip=False,
        help="What the visit held afterwards, as JSON.")
    changes = fields.Function(
        fields.Text("Changes", states={
                'invisible': Eval('kind') != 'correction',
                }),
        'get_texts')
    old_values = fields.Function(
        fields.Text("Values Before", states={
                'invisible': Eval('kind') == 'addendum',
                }),
        'get_texts')

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_indexes.update({
                Index(t, (t.encounter, Index.Equality())),
                Index(t, (t.state, Index.Equality(cardinality='low')),
                    where=t.state.in_(ACTIVE)),
                })
        cls._order = [('requested_at', 'DESC'), ('id', 'DESC')]
        cls._buttons.update({
                'decide': {
                    'invisible': Eval('state') != 'requested',
                    'icon': 'tryton-launch',
                    'depends': ['state'],
                    },
                })

    def get_rec_name(self, name):
        return f'{self.encounter.rec_name}: {self.kind_string}'

    @classmethod
    def search_rec_name(cls, name, clause):
        return [('encounter.rec_name', *clause[1:])]

    @classmethod
    def view_attributes(cls):
        return super().view_attributes() + [
            ('/tree', 'visual',
                If(Eval('state').in_(ACTIVE), 'warning',
                    If(Eval('state').in_(['rejected', 'unchanged']),
                        'muted', ''))),
            ]

    @classmethod
    def check_modification(
            cls, mode, amendments, values=None, external=False):
        super().check_modification(
            mode, amendments, values=values, external=external)
        if external or mode == 'delete':
            raise AmendmentAccessError(
                gettext('clinic_rme.msg_amendment_access'))

    @classmethod
    def get_texts(cls, amendments, names):
        result = {name: dict.fromkeys(map(int, amendments)) for name in names}
        for amendment in amendments:
            before, after = (
                json.loads(text) if text else None
                for text in [amendment.before, amendment.after])
            if 'old_values' in names and before:
                result['old_values'][amendment.id] = render(before)
            if 'changes' in names and before and after:
                result['changes'][amendment.id] = render_changes(
                    before, after)
        return result

    @property
    def content(self):
        "The stored values as a seal covers them, {model: {uid: row}}"
        values, = self.__class__.read(
            [self.id], list(stored_fields(self.__class__) - _VARIABLE))
        return {self.__name__: {self.uid: {
                    name: value for name, value in values.items()
                    if value is not None}}}

    @classmethod
    def request(cls, encounter, kind, text):
        """Say something about a closed visit; return the amendment.

        An addendum counts at once.  A correction is opened, and an error
        taken out, at once within the correction hours by the author of the
        visit; otherwise medical records decide.  Raises AmendmentError when
        the visit can not be amended so, AmendmentAccessError when the user
        has no right to.
        """
        text = (text or '').strip()
        if not text:
            raise AmendmentError(
                gettext('clinic_rme.msg_amendment_text_required'))
        if not _has_group(MAY_REQUEST[kind]):
            raise AmendmentAccessError(
                gettext('clinic_rme.msg_amendment_not_allowed'))
        hold_encounters([encounter.id])
        with without_check_access():
            cls._check_possible(encounter, kind)
            amendment, = cls.create([{
                        'encounter': encounter.id,
                        'kind': kind,
                        'text': text,
                        'user': Transaction().user,
                        'author': signing_employee(encounter.company),
                        'requested_at': now(),
                        'state': 'requested',
                        }])
            if kind == 'addendum' or cls._needs_no_approval(encounter):
                amendment._begin()
        return amendment

    @classmethod
    def _check_possible(cls, encounter, kind):
        states = (
            {'finished', 'entered_in_error'} if kind == 'addendum'
            else {'finished'})
        if encounter.state not in states:
            raise AmendmentError(gettext(
                    'clinic_rme.msg_amendment_state',
                    encounter=encounter.rec_name))
        if kind != 'addendum' and cls.search([
                    ('encounter', '=', encounter.id),
                    ('kind', '!=', 'addendum'),
                    ('state', 'in', ACTIVE),
                    ], limit=1):
            raise AmendmentError(gettext(
                    'clinic_rme.msg_amendment_active',
                    encounter=encounter.rec_name))

    @classmethod
    def _needs_no_approval(cls, encounter):
        "Whether the user is the author and it is not too late"
        pool = Pool()
        Configuration = pool.get('clinic.configuration')
        Seal = pool.get('clinic.seal')
        employee = current_employee(encounter.company)
        authors = {
            e.id for e in [encounter.practitioner, encounter.finished_by] if e}
        if not employee or employee not in authors:
            return False
        seals = Seal.of_content([encounter])[encounter.id]
        hours = Configuration(1).get_multivalue(
            'correction_hours', company=encounter.company.id)
        return bool(seals) and (
            now() <= seals[0].signed_at + dt.timedelta(hours=hours))

    def _begin(self):
        pool = Pool()
        Encounter = pool.get('clinic.encounter')
        Seal = pool.get('clinic.seal')
        cls = self.__class__
        if self.kind == 'addendum':
            cls.write([self], {'state': 'done', 'ended_at': now()})
            Seal.affix('addendum', [self.encounter], [self])
            return
        cls.write([self], {
                'before': canonical(
                    contents([self.encounter])[self.encounter.id]),
                })
        if self.kind == 'correction':
            cls.write([self], {'state': 'open'})
            Encounter.write([self.encounter], {'correction': self.id})
        else:
            cls.write([self], {'state': 'done', 'ended_at': now()})
            Encounter.enter_in_error([self.encounter], self)

    @classmethod
    def end(cls, amendments):
        """End open corrections; return those that changed something."""
        after = contents([a.encounter for a in amendments])
        changed = []
        for amendment in amendments:
            text = canonical(after[amendment.encounter.id])
            values = {'state': 'unchanged', 'ended_at': now()}
            if text != amendment.before:
                values.update(state='done', after=text)
                changed.append(amendment)
            cls.write([amendment], values)
        return changed

    @classmethod
    @ModelView.button_action('clinic_rme.wizard_amendment_decide')
    def decide(cls, amendments):
        pass

    @classmethod
    def approve(cls, amendments, note=None):
        """Allow what was requested, on the word of another person.

        Raises AmendmentAccessError for the user's own request or without the
        right.
        """
        for amendment in cls._decide(amendments, note):
            cls._check_still_possible(amendment)
            amendment._begin()

    @classmethod
    def _check_still_possible(cls, amendment):
        if amendment.encounter.state != 'finished':
            raise AmendmentError(gettext(
                    'clinic_rme.msg_amendment_state',
                    encounter=amendment.encounter.rec_name))

    @classmethod
    def reject(cls, amendments, note=None):
        """Refuse what was requested, with the reason.

        Raises AmendmentError without a reason, otherwise as approve does.
        """
        if not (note or '').strip():
            raise AmendmentError(
                gettext('clinic_rme.msg_amendment_text_required'))
        amendments = cls._decide(amendments, note)
        with without_check_access():
            cls.write(amendments, {'state': 'rejected', 'ended_at': now()})

    @classmethod
    def _decide(cls, amendments, note):
        if not _has_group({'medical_records'}) or any(
                a.user.id == Transaction().user for a in amendments):
            raise AmendmentAccessError(
                gettext('clinic_rme.msg_amendment_not_allowed'))
        hold_encounters([a.encounter.id for a in amendments])
        with without_check_access():
            amendments = [
                a for a in cls.browse([a.id for a in amendments])
                if a.state == 'requested']
            cls.write(amendments, {
                    'decided_by': Transaction().user,
                    'decided_at': now(),
                    'decision': (note or '').strip() or None,
                    })
        return amendments


def _has_group(roles):
    "Whether the current user works in one of the roles"
    pool = Pool()
    ModelData = pool.get('ir.model.data')
    User = pool.get('res.user')
    if not Transaction().user:
        return True
    return bool({*User.get_groups()} & {
            ModelData.get_id('clinic_rme', f'group_{role}')
            for role in roles})


class AmendAsk(ModelView):
    __name__ = 'clinic.encounter.amend.ask'

    kind = fields.Selection('get_kinds', "Kind", required=True, sort=False)
    text = fields.Text(
        "Text or Reason", required=True,
        help="What is added, or why the visit is corrected.")

    @classmethod
    def get_kinds(cls):
        "Return the kinds of which the user has the right"
        Amendment = Pool().get('clinic.amendment')
        labels = dict(Amendment.fields_get(['kind'])['kind']['selection'])
        return [
            (kind, labels[kind]) for kind, _ in KINDS
            if _has_group(MAY_REQUEST[kind])]


class Amend(Wizard):
    __name__ = 'clinic.encounter.amend'

    start_state = 'ask'
    ask = StateView(
        'clinic.encounter.amend.ask', 'clinic_rme.amend_ask_view_form', [
            Button("Cancel", 'end', 'tryton-cancel'),
            Button("OK", 'amend', 'tryton-ok', default=True),
            ])
    amend = StateTransition()

    def transition_amend(self):
        Amendment = Pool().get('clinic.amendment')
        Amendment.request(self.record, self.ask.kind, self.ask.text)
        return 'end'

    def end(self):
        return 'reload'


class DecideAsk(ModelView):
    __name__ = 'clinic.amendment.decide.ask'

    note = fields.Char("Note", help="Required to reject.")


class Decide(Wizard):
    __name__ = 'clinic.amendment.decide'

    start_state = 'ask'
    ask = StateView(
        'clinic.amendment.decide.ask',
        'clinic_rme.amendment_decide_ask_view_form', [
            Button("Cancel", 'end', 'tryton-cancel'),
            Button("Reject", 'reject', 'tryton-clear'),
            Button("Approve", 'approve', 'tryton-ok', default=True),
            ])
    approve = StateTransition()
    reject = StateTransition()

    def transition_approve(self):
        self.model.approve(self.records, self.ask.note)
        return 'end'

    def transition_reject(self):
        self.model.reject(self.records, self.ask.note)
        return 'end'

    def end(self):
        return 'reload'
