# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from dateutil.relativedelta import relativedelta
from sql import Null, Union
from sql.operators import Equal

from trytond.i18n import gettext
from trytond.model import (
    DeactivableMixin, Exclude, Index, ModelSQL, ModelView, Unique, fields)
from trytond.pool import Pool
from trytond.pyson import Bool, Eval, If
from trytond.transaction import (
    Transaction, check_access, inactive_records, without_check_access)

from .exceptions import AllergyStatusError, PatientAccessError
from .merge import MergeMixin
from .mixin import now
from .party import SEXES

# KMK HK.01.07/MENKES/1423/2022, outpatient, means of payment
PAYERS = [
    (None, ""),
    ('jkn', "JKN"),
    ('self_pay', "Self-pay"),
    ('insurance', "Insurance"),
    ('company', "Company"),
    ]
ALLERGY_STATUSES = [
    ('not_asked', "Not Asked"),
    ('none_known', "No Known Allergy"),
    ('listed', "Has Allergies"),
    ]


class Patient(MergeMixin, DeactivableMixin, ModelSQL, ModelView):
    __name__ = 'clinic.patient'
    _rec_name = 'medical_record_number'

    party = fields.Many2One(
        'party.party', "Person", required=True, ondelete='RESTRICT',
        states={
            'readonly': Eval('id', -1) >= 0,
            })
    medical_record_number = fields.Char(
        "Medical Record Number", required=True, readonly=True,
        help="Given once, at registration, by the branch that registers.")
    allergy_status = fields.Selection(
        ALLERGY_STATUSES, "Allergy Status", required=True, sort=False,
        )
    allergies = fields.One2Many(
        'clinic.allergy', 'patient', "Allergies",
        states={
            'invisible': Eval('allergy_status') != 'listed',
            })
    allergy_text = fields.Function(
        fields.Char("Allergies"), 'on_change_with_allergy_text')
    payer = fields.Selection(PAYERS, "Payer", sort=False)
    payer_name = fields.Char(
        "Payer Name",
        states={
            'required': Eval('payer').in_(['insurance', 'company']),
            'invisible': ~Eval('payer').in_(['insurance', 'company']),
            })
    payer_number = fields.Char(
        "Card Number",
        states={
            'invisible': ~Eval('payer').in_(['jkn', 'insurance', 'company']),
            },
        help="The number of the patient at the payer.")
    related_persons = fields.One2Many(
        'clinic.related_person', 'patient', "Guardian and Contacts",
        )
    encounters = fields.One2Many(
        'clinic.encounter', 'patient', "Encounters", readonly=True,
        order=[('arrived_at', 'DESC NULLS FIRST'), ('id', 'DESC')])
    visits = fields.Function(
        fields.One2Many('clinic.encounter', None, "Visits", readonly=True),
        'get_visits', setter='set_visits')
    last_weight = fields.Function(
        fields.Float("Last Weight (kg)", digits=(4, 1)), 'get_last_weight')

    name = fields.Function(
        fields.Char("Name"), 'get_person', searcher='search_person')
    nik = fields.Function(
        fields.Char("NIK"), 'get_person', searcher='search_person')
    birth_date = fields.Function(
        fields.Date("Birth Date"), 'get_person', searcher='search_person')
    sex = fields.Function(
        fields.Selection(SEXES, "Sex", sort=False),
        'get_person', searcher='search_person')
    age = fields.Function(fields.Char("Age"), 'get_age')

    @classmethod
    def __setup__(cls):
        super().__setup__()
        cls.medical_record_number.search_unaccented = False
        t = cls.__table__()
        cls._sql_constraints += [
            ('party_exclude',
                Exclude(
                    t, (t.party, Equal), where=t.replaced_by == Null),
                'clinic_rme.msg_patient_party_unique'),
            ('medical_record_number_unique',
                Unique(t, t.medical_record_number),
                'clinic_rme.msg_patient_number_unique'),
            ]
        cls._sql_indexes.update({
                Index(t, (t.medical_record_number,
                        Index.Equality(cardinality='high'))),
                Index(t, (t.medical_record_number,
                        Index.Similarity(cardinality='high'))),
                Index(t, (t.party, Index.Equality())),
                })
        cls._buttons.update({
                'new_visit': {
                    'invisible': Bool(Eval('replaced_by')),
                    'icon': 'tryton-create',
                    'depends': ['replaced_by'],
                    },
                'open_graphs': {
                    'icon': 'tryton-history',
                    },
                })

    @classmethod
    def __register__(cls, module_name):
        super().__register__(module_name)
        # Migration from 8.0.0: merged records have the same person
        cls.__table_handler__(module_name).drop_constraint('party_unique')

    @classmethod
    def default_allergy_status(cls):
        return 'not_asked'

    @classmethod
    def get_person(cls, patients, names):
        return {
            name: {p.id: getattr(p.party, name) for p in patients}
            for name in names}

    @classmethod
    def search_person(cls, name, clause):
        return [cls._of_person(clause)]

    @classmethod
    def _of_person(cls, clause):
        """Return the clause of the patients whose person meets the clause.

        As a query of its own, so that the database can begin with the
        person's index: joined, it would read every patient.
        """
        Party = Pool().get('party.party')
        with inactive_records():
            return ('party', 'in', Party.search([clause], order=[], query=True))

    @classmethod
    def get_age(cls, patients, name):
        pool = Pool()
        Date = pool.get('ir.date')
        today = Date.today()
        return {
            p.id: age_text(p.party.birth_date, today) for p in patients}

    @classmethod
    def get_visits(cls, patients, name):
        "The visits, also those of merged records, the latest first"
        pool = Pool()
        Encounter = pool.get('clinic.encounter')
        owners = {r.id: p.id for p in patients for r in p.records}
        with check_access():
            visits = Encounter.search(
                [('patient', 'in', list(owners))],
                order=[('arrived_at', 'DESC NULLS FIRST'), ('id', 'DESC')])
        ids = {p.id: [] for p in patients}
        for visit in Encounter.browse(visits):
            ids[owners[visit.patient.id]].append(visit.id)
        return ids

    @classmethod
    def set_visits(cls, patients, name, value):
        "Raise PatientAccessError: visits are recorded by themselves"
        raise PatientAccessError(gettext('clinic_rme.msg_patient_visits'))

    @classmethod
    def get_last_weight(cls, patients, name):
        """The weight measured last, in kilograms.

        Of the branches of the user: doses are computed with it by who does
        not read the visit.
        """
        pool = Pool()
        VitalSigns = pool.get('clinic.vital_signs')
        owners = {r.id: p.id for p in patients for r in p.records}
        latest = {}
        for patient, *weighed in VitalSigns.last_weights(list(owners)):
            owner = owners[patient]
            latest[owner] = max(latest.get(owner, weighed), weighed)
        return {
            p.id: latest[p.id][-1] if p.id in latest else None
            for p in patients}

    @fields.depends('party')
    def on_change_notify(self):
        notifications = super().on_change_notify()
        if self.party and self._may_be_told():
            with without_check_access():
                problem = self.party.identity_problem()
            if problem:
                notifications.append(('warning', gettext(
                            f'clinic_rme.msg_identity_{problem}')))
        return notifications

    @classmethod
    def _may_be_told(cls):
        pool = Pool()
        FieldAccess = pool.get('ir.model.field.access')
        return FieldAccess.check(
            'party.party', ['nik', 'no_nik_reason', 'mother_nik'],
            raise_exception=False)

    @classmethod
    @ModelView.button_action('clinic_rme.act_encounter_new')
    def new_visit(cls, patients):
        "Open the form of a new visit of the patient"

    @classmethod
    @ModelView.button_action('clinic_rme.act_vital_signs_graph')
    def open_graphs(cls, patients):
        "Show blood pressure, heart rate, weight and temperature over time"

    @fields.depends('allergy_status', 'allergies')
    def on_change_with_allergy_text(self, name=None):
        if self.allergy_status == 'listed':
            return ', '.join(
                a.shown for a in self.allergies or [] if a.substance)
        if not self.allergy_status:
            return ''
        return gettext(f'clinic_rme.msg_allergy_{self.allergy_status}')

    def get_rec_name(self, name):
        return f'[{self.medical_record_number}] {self.party.name or ""}'

    @classmethod
    def search_rec_name(cls, name, clause):
        _, operator, operand, *extra = clause
        code = operand
        if operator.endswith('like') and isinstance(operand, str):
            code = operand.strip('%') + '%'
        clauses = [
            ('medical_record_number', operator, operand, *extra),
            cls._of_person(('name', operator, operand, *extra)),
            ]
        if cls._may_find_by_nik():
            clauses.append(cls._of_person(('nik', operator, code, *extra)))
        if operator.startswith(('!', 'not ')):
            return clauses
        clauses.append(
            ('replaced.medical_record_number', operator, operand, *extra))
        with inactive_records():
            found = [cls.search([c], order=[], query=True) for c in clauses]
        # Each by its own index: the whole of an OR would have none
        return [('id', 'in', Union(*found))]

    @classmethod
    def _may_find_by_nik(cls):
        # Searchers run without access check
        pool = Pool()
        FieldAccess = pool.get('ir.model.field.access')
        if not Transaction().user:
            return True
        with check_access():
            return FieldAccess.check(
                cls.__name__, ['nik'], raise_exception=False)

    @classmethod
    def preprocess_values(cls, mode, values):
        pool = Pool()
        Configuration = pool.get('clinic.configuration')
        values = super().preprocess_values(mode, values)
        if mode == 'create' and not values.get('medical_record_number'):
            sequence = Configuration(1).get_multivalue(
                'patient_sequence',
                company=Transaction().context.get('company'))
            values['medical_record_number'] = sequence.get()
        return values

    @classmethod
    def on_modification(cls, mode, patients, field_names=None):
        super().on_modification(mode, patients, field_names=field_names)
        checked = []
        if mode == 'create':
            # Each allergy of a new patient has seen to the status by itself
            checked = [p for p in patients if p.allergy_status == 'listed']
        elif mode == 'write' and field_names & {'allergy_status', 'allergies'}:
            checked = patients
        for patient in checked:
            patient.check_allergies(patient.allergies)

    def check_allergies(self, allergies):
        """Raise AllergyStatusError if the list contradicts the status.

        The list may not be silently hidden behind 'no known allergy'.
        """
        if (self.allergy_status == 'listed') != bool(allergies):
            raise AllergyStatusError(gettext(
                    'clinic_rme.msg_patient_allergy_status',
                    patient=self.rec_name))

    @classmethod
    def write(cls, *args):
        # Their list is complete only after the last of its changes
        written = tuple(p.id for patients in args[::2] for p in patients)
        with Transaction().set_context(_patients_written=written):
            super().write(*args)

    @classmethod
    def check_modification(cls, mode, patients, values=None, external=False):
        super().check_modification(
            mode, patients, values=values, external=external)
        if (external
                and mode == 'write'
                and values.keys() & {'party', 'medical_record_number'}):
            raise PatientAccessError(
                gettext('clinic_rme.msg_patient_identity'))

    @classmethod
    def copy(cls, patients, default=None):
        default = default.copy() if default is not None else {}
        default.setdefault('medical_record_number')
        default.setdefault('encounters')
        default.setdefault('related_persons')
        return super().copy(patients, default=default)

    @classmethod
    def view_attributes(cls):
        return super().view_attributes() + [
            ('/form//image[@name="clinic-allergy"]', 'states', {
                    'invisible': Eval('allergy_status', '') != 'listed',
                    }),
            ('/form//image[@name="tryton-warning"]', 'states', {
                    'invisible': Eval('allergy_status', '') != 'not_asked',
                    }),
            ('/tree//field[@name="allergy_text"]', 'visual',
                If(Eval('allergy_status') == 'listed', 'danger',
                    If(Eval('allergy_status') == 'not_asked',
                        'warning', ''))),
            ]


class Allergy(ModelSQL, ModelView):
    __name__ = 'clinic.allergy'
    _rec_name = 'substance'

    patient = fields.Many2One(
        'clinic.patient', "Patient", required=True, ondelete='CASCADE')
    substance = fields.Char("Substance", required=True)
    substance_code = fields.Many2One(
        'clinic.substance', "Coded Substance", ondelete='RESTRICT',
        help="By which medicines that contain it are recognised.")
    category = fields.Selection([
            ('medication', "Medication"),
            ('food', "Food"),
            ('environment', "Environment"),
            ('biologic', "Biologic"),
            ], "Category", required=True, sort=False)
    reaction = fields.Char("Reaction")
    severity = fields.Selection([
            (None, ""),
            ('mild', "Mild"),
            ('moderate', "Moderate"),
            ('severe', "Severe"),
            ], "Severity", sort=False)
    verification = fields.Selection([
            ('unconfirmed', "Unconfirmed"),
            ('confirmed', "Confirmed"),
            ('refuted', "Refuted"),
            ], "Verification", required=True, sort=False)
    recorded_by = fields.Many2One(
        'company.employee', "Recorded by", readonly=True,
        ondelete='RESTRICT',
        help="The employee who made the entry.")
    recorded_at = fields.DateTime("Recorded at", readonly=True)

    @classmethod
    def default_category(cls):
        return 'medication'

    @fields.depends('substance', 'substance_code')
    def on_change_substance_code(self):
        if self.substance_code and not self.substance:
            self.substance = self.substance_code.name

    @classmethod
    def default_verification(cls):
        return 'unconfirmed'

    @property
    def shown(self):
        "The substance, and that it is none if the allergy was refuted"
        if getattr(self, 'verification', None) == 'refuted':
            return gettext(
                'clinic_rme.msg_allergy_refuted', substance=self.substance)
        return self.substance

    @classmethod
    def preprocess_values(cls, mode, values):
        pool = Pool()
        User = pool.get('res.user')
        values = super().preprocess_values(mode, values)
        if mode == 'create':
            employee = User(Transaction().user).employee
            values['recorded_by'] = employee.id if employee else None
            values['recorded_at'] = now()
        return values

    @classmethod
    def check_modification(cls, mode, allergies, values=None, external=False):
        super().check_modification(
            mode, allergies, values=values, external=external)
        if external and mode == 'write' and 'patient' in values:
            raise PatientAccessError(
                gettext('clinic_rme.msg_allergy_move'))
        if (external
                and mode == 'write'
                and values.keys() & {'recorded_by', 'recorded_at'}):
            raise PatientAccessError(
                gettext('clinic_rme.msg_encounter_part_author'))
        if mode == 'create' or external and mode == 'delete':
            written = Transaction().context.get('_patients_written', ())
            cls._check_status(
                [a for a in allergies if a.patient.id not in written],
                removed=allergies if mode == 'delete' else [])

    @classmethod
    def _check_status(cls, allergies, removed):
        for patient in {a.patient for a in allergies}:
            patient.check_allergies(set(patient.allergies) - set(removed))


def age_text(birth_date, day):
    """Return the age on the day in whole years, months and days.

    An empty text without birth date, and before the birth.
    """
    if not birth_date or birth_date > day:
        return ''
    age = relativedelta(day, birth_date)
    return gettext(
        'clinic_rme.msg_age',
        years=age.years, months=age.months, days=age.days)
