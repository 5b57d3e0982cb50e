# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Letters that a doctor writes about a patient, on the ground of a visit.

A letter is an act of its own, not a part of the visit: it may be written
after the visit was closed, and is frozen by itself when it is issued.
"""

import datetime as dt

from trytond.i18n import gettext
from trytond.model import Index, ModelSQL, ModelView, Workflow, fields
from trytond.pool import Pool
from trytond.pyson import Bool, Eval, If
from trytond.tools import timezone
from trytond.transaction import Transaction

from .company import PRACTITIONERS
from .exceptions import LetterAccessError, LetterValidationError
from .letter_proposal import LetterProposalMixin
from .mixin import BranchMixin, UidMixin, now, signing_employee
from .report import ClinicReport

KINDS = [
    ('sick_leave', "Sick Leave"),
    ('health', "Health Certificate"),
    ('referral', "Referral"),
    ('other', "Other"),
    ]
# A letter is written about somebody who was examined
WRITTEN_IN = ['in_progress', 'finished']
# Longer absences are for a new examination to decide
LONGEST_LEAVE = 31
# Days between the visit and the first day of the leave
LATEST_LEAVE = 7
# Set by the buttons
_GIVEN = {'number', 'issued_at', 'issued_by', 'voided_at', 'voided_by'}
_draft = {'readonly': Eval('state') != 'draft'}


def _only_for(*kinds, required=False):
    states = {'invisible': ~Eval('kind').in_(list(kinds)), **_draft}
    if required:
        states['required'] = Eval('kind').in_(list(kinds))
    return states


class Letter(
        LetterProposalMixin, UidMixin, BranchMixin, Workflow, ModelSQL,
        ModelView):
    __name__ = 'clinic.letter'
    _rec_name = 'number'

    company = fields.Many2One(
        'company.company', "Branch", required=True, readonly=True,
        ondelete='RESTRICT')
    number = fields.Char(
        "Number", readonly=True, help="Given when the letter is issued.")
    kind = fields.Selection(
        KINDS, "Kind", required=True, sort=False, states=_draft)
    kind_string = kind.translated('kind')
    encounter = fields.Many2One(
        'clinic.encounter', "Encounter", required=True, ondelete='RESTRICT',
        domain=[
            ('company', '=', Eval('company', -1)),
            If(Eval('state') == 'draft', ('state', 'in', WRITTEN_IN), ()),
            ],
        states={
            'readonly': Eval('id', -1) >= 0,
            },
        depends={'source'})
    patient = fields.Function(
        fields.Many2One('clinic.patient', "Patient"),
        'on_change_with_patient', searcher='search_patient')
    date = fields.Date("Date", required=True, states=_draft)
    author = fields.Many2One(
        'company.employee', "Author", ondelete='RESTRICT',
        domain=[
            ('company', '=', Eval('company', -1)),
            ('profession', 'in', PRACTITIONERS),
            ],
        states={
            'required': Eval('state') != 'draft',
            **_draft},
        help="Who signs the letter.")

    from_date = fields.Date(
        "From", states=_only_for('sick_leave', required=True))
    to_date = fields.Date(
        "To", states=_only_for('sick_leave', required=True))
    days = fields.Function(fields.Integer(
            "Days",
            states={
                'invisible': Eval('kind') != 'sick_leave',
                }), 'on_change_with_days')
    shows_diagnosis = fields.Boolean(
        "Show Diagnosis", states=_only_for('sick_leave'),
        help="Only on request of the patient: an employer has no right "
        "to the diagnosis.")
    diagnosis = fields.Text(
        "Diagnosis", states=_only_for('sick_leave', 'referral'))
    purpose = fields.Char(
        "Purpose", strip=False, states=_only_for('health', required=True),
        help="What the certificate is needed for.")
    health = fields.Selection([
            (None, ""),
            ('healthy', "Healthy"),
            ('healthy_with_notes', "Healthy with Notes"),
            ('not_healthy', "Not Healthy"),
            ], "Result", sort=False,
        states=_only_for('health', required=True))
    health_string = health.translated('health')
    colour_vision = fields.Selection([
            (None, ""),
            ('normal', "Not Colour-blind"),
            ('partial', "Partially Colour-blind"),
            ('total', "Totally Colour-blind"),
            ], "Colour Vision", sort=False, states=_only_for('health'),
        help="Leave empty if it was not tested.")
    colour_vision_string = colour_vision.translated('colour_vision')
    referral_facility = fields.Char(
        "Referred to", strip=False,
        states=_only_for('referral', required=True))
    referral_service = fields.Char(
        "Referred to Service", strip=False, states=_only_for('referral'))
    referral_reason = fields.Text(
        "Reason for Referral", states=_only_for('referral', required=True))
    findings = fields.Text(
        "Findings", states=_only_for('health', 'referral'))
    therapy = fields.Text(
        "Therapy Given", states=_only_for('referral'))
    text = fields.Text(
        "Text", states={
            'required': Eval('kind') == 'other',
            **_draft},
        help="What else the letter says.")

    issued_at = fields.DateTime(
        "Issued at", readonly=True,
        states={
            'invisible': ~Eval('issued_at'),
            })
    issued_by = fields.Many2One(
        'company.employee', "Issued by", readonly=True, ondelete='RESTRICT',
        states={
            'invisible': ~Eval('issued_at'),
            })
    void_reason = fields.Text(
        "Reason to Void",
        states={
            'invisible': Eval('state') == 'draft',
            'readonly': Eval('state') != 'issued',
            'required': Eval('state') == 'void',
            })
    voided_at = fields.DateTime(
        "Voided at", readonly=True,
        states={
            'invisible': Eval('state') != 'void',
            })
    voided_by = fields.Many2One(
        'company.employee', "Voided by", readonly=True, ondelete='RESTRICT',
        states={
            'invisible': Eval('state') != 'void',
            })
    state = fields.Selection([
            ('draft', "Draft"),
            ('issued', "Issued"),
            ('void', "Void"),
            ], "State", required=True, readonly=True, sort=False)

    @classmethod
    def __setup__(cls):
        super().__setup__()
        cls.number.search_unaccented = False
        t = cls.__table__()
        cls._sql_indexes.update({
                Index(t, (t.encounter, Index.Equality())),
                Index(t, (t.company, Index.Equality()),
                    (t.date, Index.Range(order='DESC'))),
                Index(t, (t.number, Index.Similarity(cardinality='high'))),
                })
        cls._order = [('date', 'DESC'), ('id', 'DESC')]
        cls._transitions |= {('draft', 'issued'), ('issued', 'void')}
        cls._buttons.update({
                'issue': {
                    'invisible': Eval('state') != 'draft',
                    'icon': 'tryton-ok',
                    'depends': ['state'],
                    },
                'void': {
                    'invisible': Eval('state') != 'issued',
                    'readonly': ~Bool(Eval('void_reason')),
                    'icon': 'tryton-cancel',
                    'depends': ['state', 'void_reason'],
                    },
                })

    @classmethod
    def default_kind(cls):
        return 'sick_leave'

    @classmethod
    def default_company(cls):
        return Transaction().context.get('company')

    @classmethod
    def default_date(cls):
        return Pool().get('ir.date').today()

    @classmethod
    def default_state(cls):
        return 'draft'

    @classmethod
    def default_author(cls):
        pool = Pool()
        Company = pool.get('company.company')
        User = pool.get('res.user')
        if company := cls.default_company():
            return User.acting_employee(Company(company))

    @fields.depends('encounter', '_parent_encounter.patient')
    def on_change_with_patient(self, name=None):
        return self.encounter.patient if self.encounter else None

    @classmethod
    def search_patient(cls, name, clause):
        return [(f'encounter.{clause[0]}', *clause[1:])]

    @fields.depends('from_date', 'to_date')
    def on_change_with_days(self, name=None):
        "How many days the leave lasts, both ends counted"
        if self.from_date and self.to_date:
            return (self.to_date - self.from_date).days + 1

    def get_rec_name(self, name):
        return ' '.join(filter(None, [self.kind_string, self.number]))

    @classmethod
    def search_rec_name(cls, name, clause):
        operator = 'AND' if clause[1].startswith(('!', 'not ')) else 'OR'
        return [operator,
            ('number', *clause[1:]),
            ('encounter.patient.rec_name', *clause[1:]),
            ]

    @classmethod
    def view_attributes(cls):
        return super().view_attributes() + [
            ('/tree', 'visual', If(Eval('state') == 'void', 'muted', '')),
            ]

    @classmethod
    def preprocess_values(cls, mode, values):
        values = super().preprocess_values(mode, values)
        if mode == 'create':
            values.update(dict.fromkeys(_GIVEN))
        return values

    @classmethod
    def validate_fields(cls, letters, field_names):
        super().validate_fields(letters, field_names)
        cls.check_date(letters, field_names)
        cls.check_leave(letters, field_names)

    @classmethod
    def check_date(cls, letters, field_names=None):
        """Raise LetterValidationError for a day on which it was not written.

        Before the visit or in the future, by the clocks of the branch.
        """
        if field_names and not field_names & {'date', 'encounter'}:
            return
        Date = Pool().get('ir.date')
        for letter in letters:
            zone = timezone.ZoneInfo(letter.company.timezone)
            if letter.date < letter.encounter.day:
                raise LetterValidationError(gettext(
                        'clinic_rme.msg_letter_before_visit',
                        encounter=letter.encounter.rec_name))
            if letter.date > Date.today(timezone=zone):
                raise LetterValidationError(
                    gettext('clinic_rme.msg_letter_future'))

    @classmethod
    def check_leave(cls, letters, field_names=None):
        """Raise LetterValidationError for a leave that no doctor can grant.

        It begins with the visit or within a week of it, and is no longer
        than a month.
        """
        if field_names and not field_names & {
                'kind', 'from_date', 'to_date', 'encounter'}:
            return
        for letter in letters:
            if letter.kind != 'sick_leave' or letter.days is None:
                continue
            day = letter.encounter.day
            if not 1 <= letter.days <= LONGEST_LEAVE:
                raise LetterValidationError(gettext(
                        'clinic_rme.msg_letter_leave_length',
                        days=LONGEST_LEAVE))
            if not (day <= letter.from_date
                    <= day + dt.timedelta(LATEST_LEAVE)):
                raise LetterValidationError(gettext(
                        'clinic_rme.msg_letter_leave_start',
                        days=LATEST_LEAVE))

    @classmethod
    def check_modification(cls, mode, letters, values=None, external=False):
        super().check_modification(
            mode, letters, values=values, external=external)
        if mode == 'delete' and any(l_.state != 'draft' for l_ in letters):
            raise LetterAccessError(gettext('clinic_rme.msg_letter_delete'))
        if not external:
            return
        if mode == 'create' and any(l_.state != 'draft' for l_ in letters):
            raise LetterAccessError(gettext('clinic_rme.msg_letter_issue'))
        if mode == 'write':
            if values.keys() & (_GIVEN | {'state', 'company', 'encounter'}):
                raise LetterAccessError(
                    gettext('clinic_rme.msg_letter_fixed'))
            for letter in letters:
                if letter.state == 'draft' or (
                        letter.state == 'issued'
                        and values.keys() == {'void_reason'}):
                    continue
                raise LetterAccessError(gettext(
                        'clinic_rme.msg_letter_issued',
                        letter=letter.rec_name))

    @classmethod
    def copy(cls, letters, default=None):
        default = default.copy() if default is not None else {}
        for name in [*_GIVEN, 'void_reason']:
            default.setdefault(name)
        return super().copy(letters, default=default)

    @classmethod
    @ModelView.button
    @Workflow.transition('issued')
    def issue(cls, letters):
        """Give the letters a number; nothing in them changes any more.

        Raises LetterAccessError for the letter of somebody else.
        """
        Configuration = Pool().get('clinic.configuration')
        for letter in letters:
            letter.issued_by = letter._signing()
            letter.issued_at = now()
            letter.number = Configuration(1).get_multivalue(
                'letter_sequence', company=letter.company.id).get()
        cls.save(letters)

    def _signing(self):
        "Return the id of the user's employee, who has to be the author"
        User = Pool().get('res.user')
        employee = User.acting_employee(self.company)
        if not employee or not self.author or self.author.id != employee:
            raise LetterAccessError(gettext(
                    'clinic_rme.msg_letter_author', letter=self.rec_name))
        return employee

    @classmethod
    @ModelView.button
    @Workflow.transition('void')
    def void(cls, letters):
        """Take back issued letters; they stay readable.

        Raises LetterValidationError without a reason.
        """
        for letter in letters:
            if not (letter.void_reason or '').strip():
                raise LetterValidationError(gettext(
                        'clinic_rme.msg_letter_void_reason',
                        letter=letter.rec_name))
            letter.voided_at = now()
            letter.voided_by = signing_employee(letter.company)
        cls.save(letters)


class LetterReport(ClinicReport):
    __name__ = 'clinic.letter'
