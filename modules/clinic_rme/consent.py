# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What a patient agrees to or refuses, and after which explanation.

PMK 290/MENKES/PER/III/2008, articles 2, 7, 13 and 16: who consents, what has
to be explained, and that a refusal is written down.  The signed paper stays
the proof; the record tells that and when it was signed.
"""

from functools import cache
from pathlib import Path

from trytond.i18n import gettext
from trytond.model import (
    DeactivableMixin, Index, ModelSQL, ModelView, Workflow, fields)
from trytond.pool import Pool
from trytond.pyson import Bool, Eval, If
from trytond.transaction import Transaction

from .company import PRACTITIONERS
from .contact import RELATIONSHIPS
from .exceptions import ConsentAccessError, ConsentValidationError
from .mixin import BranchMixin, UidMixin, now
from .report import ClinicReport

KINDS = [
    ('general', "General Consent"),
    ('informed', "Informed Consent"),
    ]
# PMK 290/MENKES/PER/III/2008, article 7, paragraph 3
EXPLAINED = [
    'diagnosis', 'procedure', 'goal', 'alternatives', 'risks', 'prognosis',
    'cost']
DATA = Path(__file__).parent / 'data'
_GIVEN = {'signed_at', 'signed_by'}
_draft = {'readonly': Eval('state') != 'draft'}
_informed = {
    'invisible': Eval('kind') != 'informed',
    'readonly': Eval('state') != 'draft',
    }
_asked = {
    **_informed,
    'required': (Eval('kind') == 'informed') & (Eval('state') == 'signed'),
    }


@cache
def shipped_text(kind):
    "Return the text that a branch without a template of its own uses"
    return (DATA / f'consent_{kind}.txt').read_text(encoding='utf-8').strip()


class ConsentTemplate(
        BranchMixin, DeactivableMixin, ModelSQL, ModelView):
    "A text of the branch; a consent keeps the one it was made with"
    __name__ = 'clinic.consent.template'

    company = fields.Many2One(
        'company.company', "Branch", required=True, ondelete='RESTRICT',
        states={
            'readonly': Eval('id', -1) >= 0,
            })
    kind = fields.Selection(KINDS, "Kind", required=True, sort=False)
    name = fields.Char(
        "Name", required=True,
        help="E.g. the procedure that the text is about.")
    text = fields.Text("Text", required=True)

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_indexes.add(Index(t, (t.company, Index.Equality())))
        cls._order = [('name', 'ASC'), ('id', 'ASC')]

    @classmethod
    def default_company(cls):
        return Transaction().context.get('company')

    @fields.depends('kind', 'text')
    def on_change_kind(self):
        if self.kind and not self.text:
            self.text = shipped_text(self.kind)

    @classmethod
    def check_modification(cls, mode, templates, values=None, external=False):
        super().check_modification(
            mode, templates, values=values, external=external)
        if external and mode == 'write' and 'company' in values:
            raise ConsentAccessError(gettext('clinic_rme.msg_consent_fixed'))


class Consent(UidMixin, BranchMixin, Workflow, ModelSQL, ModelView):
    __name__ = 'clinic.consent'

    company = fields.Many2One(
        'company.company', "Branch", required=True, readonly=True,
        ondelete='RESTRICT')
    kind = fields.Selection(
        KINDS, "Kind", required=True, sort=False,
        states={
            'readonly': Eval('id', -1) >= 0,
            })
    kind_string = kind.translated('kind')
    patient = fields.Many2One(
        'clinic.patient', "Patient", required=True, ondelete='RESTRICT',
        states=_draft)
    encounter = fields.Many2One(
        'clinic.encounter', "Encounter", ondelete='RESTRICT',
        domain=[
            ('company', '=', Eval('company', -1)),
            ('patient', '=', Eval('patient', -1)),
            ],
        states={
            'required': Eval('kind') == 'informed',
            **_draft})
    date = fields.Date("Date", required=True, states=_draft)
    template = fields.Many2One(
        'clinic.consent.template', "Template", ondelete='SET NULL',
        domain=[
            ('company', '=', Eval('company', -1)),
            ('kind', '=', Eval('kind')),
            ],
        states=_draft)
    text = fields.Text(
        "Text", states=_draft,
        help="Taken over from the template when the consent is made.")
    procedure = fields.Char("Procedure", strip=False, states=_asked)
    diagnosis = fields.Text("Diagnosis", states=_asked)
    goal = fields.Text("Goal of the Procedure", states=_asked)
    alternatives = fields.Text("Alternatives and their Risks", states=_asked)
    risks = fields.Text("Risks and Complications", states=_asked)
    prognosis = fields.Text("Prognosis", states=_asked)
    cost = fields.Char("Estimated Cost", strip=False, states=_informed)
    explained_by = fields.Many2One(
        'company.employee', "Explained by", ondelete='RESTRICT',
        domain=[
            ('company', '=', Eval('company', -1)),
            If(Eval('kind') == 'informed',
                ('profession', 'in', PRACTITIONERS), ()),
            ],
        states={
            'required': Eval('state') == 'signed',
            **_draft})
    decision = fields.Selection([
            ('agreed', "Agreed"),
            ('refused', "Refused"),
            ], "Decision", required=True, sort=False, states=_draft)
    decision_string = decision.translated('decision')
    signer_name = fields.Char(
        "Signed by (Name)", strip=False,
        states={
            'required': Eval('state') == 'signed',
            **_draft},
        help="The patient, or who decides in the patient's place.")
    signer_relationship = fields.Selection(
        RELATIONSHIPS, "Relationship to the Patient", required=True,
        sort=False, states=_draft)
    signer_relationship_string = signer_relationship.translated(
        'signer_relationship')
    witness = fields.Char(
        "Witness", strip=False,
        states={
            'required': (
                (Eval('kind') == 'informed') & (Eval('state') == 'signed')),
            **_draft})
    signed_at = fields.DateTime(
        "Signed at", readonly=True,
        states={
            'invisible': Eval('state') != 'signed',
            })
    signed_by = fields.Many2One(
        'res.user', "Signature Recorded by", readonly=True,
        ondelete='RESTRICT',
        states={
            'invisible': Eval('state') != 'signed',
            })
    state = fields.Selection([
            ('draft', "Draft"),
            ('signed', "Signed"),
            ], "State", required=True, readonly=True, sort=False)

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_indexes.update({
                Index(t, (t.patient, Index.Equality())),
                Index(t, (t.encounter, Index.Equality())),
                Index(t, (t.company, Index.Equality()),
                    (t.date, Index.Range(order='DESC'))),
                })
        cls._order = [('date', 'DESC'), ('id', 'DESC')]
        cls._transitions |= {('draft', 'signed')}
        cls._buttons.update({
                'sign': {
                    'invisible': Eval('state') != 'draft',
                    'readonly': ~Bool(Eval('signer_name')),
                    'icon': 'tryton-ok',
                    'depends': ['state', 'signer_name'],
                    },
                })

    @classmethod
    def default_company(cls):
        return Transaction().context.get('company')

    @classmethod
    def default_kind(cls):
        return 'general'

    @classmethod
    def default_date(cls):
        return Pool().get('ir.date').today()

    @classmethod
    def default_decision(cls):
        return 'agreed'

    @classmethod
    def default_signer_relationship(cls):
        return 'self'

    @classmethod
    def default_state(cls):
        return 'draft'

    @classmethod
    def default_explained_by(cls):
        pool = Pool()
        Company = pool.get('company.company')
        User = pool.get('res.user')
        if company := cls.default_company():
            return User.acting_employee(Company(company))

    @fields.depends('kind', 'text')
    def on_change_kind(self):
        if not self.text or self.text in {shipped_text(k) for k, _ in KINDS}:
            self.text = shipped_text(self.kind) if self.kind else None

    @fields.depends('template')
    def on_change_template(self):
        if self.template:
            self.text = self.template.text

    @fields.depends('kind', 'encounter', 'patient', 'diagnosis')
    def on_change_encounter(self):
        if not self.encounter:
            return
        if not self.patient:
            self.patient = self.encounter.patient
        Access = Pool().get('ir.model.access')
        if self.kind == 'informed' and not self.diagnosis and Access.check(
                'clinic.diagnosis', raise_exception=False):
            self.diagnosis = '\n'.join(
                d.code.rec_name for d in self.encounter.diagnoses)

    @fields.depends('patient', 'signer_name', 'signer_relationship')
    def on_change_patient(self):
        if (self.patient and not self.signer_name
                and self.signer_relationship == 'self'):
            self.signer_name = self.patient.name

    @fields.depends('patient', 'signer_name', 'signer_relationship')
    def on_change_signer_relationship(self):
        name = self.patient.name if self.patient else None
        if self.signer_relationship == 'self':
            self.signer_name = name
        elif self.signer_name == name:
            self.signer_name = None

    def get_rec_name(self, name):
        kind = self.kind_string
        if self.decision == 'refused':
            kind = f'{kind} ({self.decision_string})'
        return f'{kind}: {self.procedure or self.patient.rec_name}'

    @classmethod
    def search_rec_name(cls, name, clause):
        operator = 'AND' if clause[1].startswith(('!', 'not ')) else 'OR'
        return [operator,
            ('procedure', *clause[1:]),
            ('patient.rec_name', *clause[1:]),
            ]

    @classmethod
    def preprocess_values(cls, mode, values):
        values = super().preprocess_values(mode, values)
        if mode == 'create':
            values.update(dict.fromkeys(_GIVEN))
        return values

    def compute_fields(self, field_names=None):
        values = super().compute_fields(field_names=field_names)
        if not (self.text or '').strip() and self.state == 'draft':
            values['text'] = (
                self.template.text if self.template
                else shipped_text(self.kind))
        return values

    @classmethod
    def check_modification(cls, mode, consents, values=None, external=False):
        super().check_modification(
            mode, consents, values=values, external=external)
        if mode == 'delete' and any(c.state != 'draft' for c in consents):
            raise ConsentAccessError(
                gettext('clinic_rme.msg_consent_delete'))
        if not external:
            return
        if mode == 'create' and any(c.state != 'draft' for c in consents):
            raise ConsentAccessError(gettext('clinic_rme.msg_consent_sign'))
        if mode == 'write':
            if values.keys() & (_GIVEN | {'state', 'company', 'kind'}):
                raise ConsentAccessError(
                    gettext('clinic_rme.msg_consent_fixed'))
            for consent in consents:
                if consent.state != 'draft':
                    raise ConsentAccessError(gettext(
                            'clinic_rme.msg_consent_signed',
                            consent=consent.rec_name))

    @classmethod
    def copy(cls, consents, default=None):
        default = default.copy() if default is not None else {}
        for name in _GIVEN:
            default.setdefault(name)
        return super().copy(consents, default=default)

    @classmethod
    @ModelView.button
    @Workflow.transition('signed')
    def sign(cls, consents):
        """Record that the paper was signed: nothing changes any more.

        Raises ConsentValidationError that names what was not explained.
        """
        for consent in consents:
            if missing := consent.missing():
                raise ConsentValidationError(gettext(
                        'clinic_rme.msg_consent_missing',
                        consent=consent.rec_name, missing=', '.join(missing)))
            consent.signed_at = now()
            consent.signed_by = Transaction().user
        cls.save(consents)

    def missing(self):
        "Return the labels of what is empty and has to stand on the paper"
        names = ['signer_name', 'explained_by']
        if self.kind == 'informed':
            names += [n for n in EXPLAINED if n != 'cost'] + ['witness']
        return [
            self.__names__(name)['field'] for name in names
            if not getattr(self, name)]


class ConsentReport(ClinicReport):
    __name__ = 'clinic.consent'

    @classmethod
    def get_context(cls, records, header, data):
        context = super().get_context(records, header, data)
        context['explained'] = lambda consent: [
            (consent.__names__(name)['field'], getattr(consent, name))
            for name in EXPLAINED if getattr(consent, name)]
        return context
