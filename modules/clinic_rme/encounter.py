# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from collections import defaultdict
from itertools import chain, pairwise

from trytond.i18n import gettext
from trytond.model import Index, ModelSQL, ModelView, Workflow, fields
from trytond.pool import Pool
from trytond.pyson import Bool, Eval, If
from trytond.tools import timezone
from trytond.transaction import Transaction

from .anamnesis import AnamnesisMixin
from .company import PRACTITIONERS
from .completion import CompletionMixin
from .examination import ExaminationMixin
from .exceptions import EncounterAccessError, EncounterTimeError
from .mixin import BranchMixin, UidMixin, now, signing_employee
from .note import NoteMixin
from .party import SEXES
from .patient import PAYERS, age_text
from .plan import PlanMixin
from .screening import ScreeningMixin

STATES = [
    ('planned', "Planned"),
    ('arrived', "Arrived"),
    ('in_progress', "In Progress"),
    ('finished', "Finished"),
    ('cancelled', "Cancelled"),
    ('entered_in_error', "Entered in Error"),
    ]
CLOSED = ['finished', 'cancelled', 'entered_in_error']
# What was recorded or ordered in them does not count
ANNULLED = ['cancelled', 'entered_in_error']
PASSED = {
    'arrived': 'arrived_at',
    'in_progress': 'started_at',
    'finished': 'finished_at',
    }
TIMES = list(PASSED.values())
BY = {
    'arrived': 'registered_by',
    'in_progress': 'started_by',
    'finished': 'finished_by',
    }
GIVEN = {
    'number', 'cancelled_at', 'registered_by', 'started_by', 'finished_by'}
FIXED = GIVEN | {'company', 'state', 'status_history'}
# Also of a visit that is recorded afterwards, with the times of its course
MAY_FINISH = (Eval('state') == 'in_progress') | (
    Eval('state').in_(['planned', 'arrived'])
    & Bool(Eval('arrived_at')) & Bool(Eval('started_at')))
_closed = {
    'readonly': Eval('state').in_(CLOSED) & ~Eval('correction_open', False),
    }


class Encounter(
        AnamnesisMixin, ScreeningMixin, ExaminationMixin, NoteMixin,
        PlanMixin, CompletionMixin, UidMixin, BranchMixin, Workflow,
        ModelSQL, ModelView):
    __name__ = 'clinic.encounter'
    _rec_name = 'number'

    number = fields.Char("Number", required=True, readonly=True)
    company = fields.Many2One(
        'company.company', "Branch", required=True, ondelete='RESTRICT',
        states={
            'readonly': Eval('id', -1) >= 0,
            })
    patient = fields.Many2One(
        'clinic.patient', "Patient", required=True, ondelete='RESTRICT',
        domain=[('replaced_by', '=', None)],
        states=_closed)
    practitioner = fields.Many2One(
        'company.employee', "Practitioner", ondelete='RESTRICT',
        domain=[
            ('company', '=', Eval('company', -1)),
            ('profession', 'in', PRACTITIONERS),
            ],
        states=_closed)
    unit = fields.Many2One(
        'clinic.unit', "Service Unit", ondelete='RESTRICT',
        domain=[('company', '=', Eval('company', -1))],
        states=_closed)
    room = fields.Many2One(
        'clinic.room', "Room", ondelete='RESTRICT',
        domain=[
            ('unit.company', '=', Eval('company', -1)),
            If(Bool(Eval('unit')), ('unit', '=', Eval('unit', -1)), ()),
            ],
        states=_closed)
    encounter_class = fields.Selection([
            ('AMB', "Outpatient"),
            ('EMER', "Emergency"),
            ('HH', "Home Visit"),
            ], "Class", required=True, sort=False, states=_closed)

    arrived_at = fields.DateTime(
        "Arrived at",
        states={
            'required': Eval('state').in_(
                ['arrived', 'in_progress', 'finished']),
            **_closed})
    started_at = fields.DateTime(
        "Started at",
        states={
            'required': Eval('state').in_(['in_progress', 'finished']),
            **_closed})
    finished_at = fields.DateTime(
        "Finished at",
        states={
            'required': Eval('state') == 'finished',
            **_closed})
    cancelled_at = fields.DateTime(
        "Cancelled at", readonly=True,
        states={
            'invisible': Eval('state') != 'cancelled',
            })
    status_history = fields.One2Many(
        'clinic.encounter.status', 'encounter', "Status History",
        readonly=True)

    chief_complaint = fields.Text(
        "Chief Complaint",  states=_closed)
    chief_complaint_code = fields.Many2One(
        'clinic.clinical_finding', "Chief Complaint Code",
        ondelete='RESTRICT',  states=_closed,
        help="The complaint as a coded finding.\n"
        "Leave empty when no entry of the list fits.")
    vital_signs = fields.One2Many(
        'clinic.vital_signs', 'encounter', "Vital Signs", states=_closed)
    diagnoses = fields.One2Many(
        'clinic.diagnosis', 'encounter', "Diagnoses", states=_closed)
    diagnosis_text = fields.Function(
        fields.Char("Diagnoses"), 'get_diagnosis_text')
    discharge_disposition = fields.Selection([
            ('home', "Home"),
            ('other-hcf', "Referred to Another Facility"),
            ('aadvice', "Left against Advice"),
            ('exp-lt48h', "Died within 48 Hours"),
            ('exp-gt48h', "Died after 48 Hours"),
            ('oth', "Other"),
            ], "Discharge Disposition", required=True, sort=False,
        states=_closed)
    discharge_note = fields.Char(
        "Discharge Note",  states=_closed)

    registered_by = fields.Many2One(
        'company.employee', "Registered by", readonly=True,
        ondelete='RESTRICT')
    started_by = fields.Many2One(
        'company.employee', "Started by", readonly=True, ondelete='RESTRICT')
    finished_by = fields.Many2One(
        'company.employee', "Finished by", readonly=True, ondelete='RESTRICT')
    state = fields.Selection(
        STATES, "State", required=True, readonly=True, sort=False)

    patient_sex = fields.Function(
        fields.Selection(SEXES, "Sex", sort=False), 'get_banner')
    patient_age = fields.Function(fields.Char("Age"), 'get_patient_age')
    patient_payer = fields.Function(
        fields.Selection(PAYERS, "Payer", sort=False), 'get_banner')
    patient_allergy_status = fields.Function(
        fields.Char("Allergy Status"), 'get_banner')
    patient_allergy_text = fields.Function(
        fields.Char("Allergies"), 'get_banner')

    @classmethod
    def __setup__(cls):
        super().__setup__()
        cls.number.search_unaccented = False
        t = cls.__table__()
        cls._sql_indexes.update({
                Index(t, (t.number, Index.Similarity(cardinality='high'))),
                Index(t, (t.company, Index.Equality()),
                    (t.arrived_at, Index.Range(order='DESC'))),
                Index(t, (t.patient, Index.Equality()),
                    (t.arrived_at, Index.Range(order='DESC'))),
                # The branches of a rule are several: with them in front
                # the index would not give the list in its order
                Index(t, (t.arrived_at, Index.Range(order='DESC')),
                    (t.id, Index.Range(order='DESC'))),
                Index(t, (t.state, Index.Equality(cardinality='low')),
                    where=t.state.in_(['planned', 'arrived', 'in_progress'])),
                })
        cls._order = [
            ('arrived_at', 'DESC NULLS FIRST'),
            ('id', 'DESC'),
            ]
        cls._transitions |= {
            ('planned', 'arrived'),
            ('arrived', 'in_progress'),
            ('in_progress', 'finished'),
            ('planned', 'cancelled'),
            ('arrived', 'cancelled'),
            ('in_progress', 'cancelled'),
            ('finished', 'entered_in_error'),
            }
        cls._buttons.update({
                'cancel': {
                    'invisible': Eval('state').in_(CLOSED),
                    'icon': 'tryton-cancel',
                    'depends': ['state'],
                    },
                'arrive': {
                    'invisible': Eval('state') != 'planned',
                    'icon': 'tryton-forward',
                    'depends': ['state'],
                    },
                'start': {
                    'invisible': Eval('state') != 'arrived',
                    'icon': 'tryton-forward',
                    'depends': ['state'],
                    },
                'finish': {
                    'invisible': ~MAY_FINISH,
                    'icon': 'tryton-ok',
                    'depends': ['state', 'arrived_at', 'started_at'],
                    },
                })

    @classmethod
    def default_company(cls):
        return Transaction().context.get('company')

    @classmethod
    def default_encounter_class(cls):
        return 'AMB'

    @classmethod
    def default_discharge_disposition(cls):
        return 'home'

    @classmethod
    def default_state(cls):
        return 'planned'

    @fields.depends('room', 'unit')
    def on_change_room(self):
        if self.room and not self.unit:
            self.unit = self.room.unit

    @fields.depends('room', 'unit')
    def on_change_unit(self):
        if self.room and self.room.unit != self.unit:
            self.room = None

    @fields.depends('patient', methods=['_set_banner'])
    def on_change_patient(self):
        self._set_banner()

    @fields.depends('patient')
    def _set_banner(self):
        pool = Pool()
        FieldAccess = pool.get('ir.model.field.access')
        for name in _BANNER:
            if FieldAccess.check(
                    self.__name__, [f'patient_{name}'],
                    raise_exception=False):
                setattr(self, f'patient_{name}',
                    getattr(self.patient, name) if self.patient else None)

    @classmethod
    def get_banner(cls, encounters, names):
        return {
            name: {
                e.id: getattr(e.patient.current, name[len('patient_'):])
                for e in encounters}
            for name in names}

    @classmethod
    def get_patient_age(cls, encounters, name):
        "The age on the day of the visit, as the branch counts days"
        return {
            e.id: age_text(e.patient.party.birth_date, e.day)
            for e in encounters}

    @classmethod
    def get_diagnosis_text(cls, encounters, name):
        "The diagnoses in their order, by code and title"
        return {
            e.id: ', '.join(d.code.rec_name for d in e.diagnoses)
            for e in encounters}

    @property
    def day(self):
        "The date of the visit in the zone of its branch, today if planned"
        moment = self.arrived_at or self.started_at or now()
        zone = timezone.ZoneInfo(self.company.timezone)
        return moment.replace(tzinfo=timezone.UTC).astimezone(zone).date()

    @property
    def is_closed(self):
        "Whether the record may not be changed any more"
        return self.state in CLOSED

    @classmethod
    def create(cls, vlist):
        # Nobody else sees them yet: what is recorded in them holds nothing
        with Transaction().set_context(_encounters_new=True):
            return super().create(vlist)

    @classmethod
    def preprocess_values(cls, mode, values):
        pool = Pool()
        Configuration = pool.get('clinic.configuration')
        values = super().preprocess_values(mode, values)
        if mode == 'create':
            sequence = Configuration(1).get_multivalue(
                'encounter_sequence',
                company=values.get('company', cls.default_company()))
            values.update(dict.fromkeys(GIVEN), number=sequence.get())
        return values

    @classmethod
    def validate_fields(cls, encounters, field_names):
        super().validate_fields(encounters, field_names)
        cls.check_times(encounters, field_names)

    @classmethod
    def check_times(cls, encounters, field_names=None):
        """Refuse times in the future or out of order.

        Raises EncounterTimeError.
        """
        if field_names and not field_names & {*TIMES}:
            return
        present = now()
        for encounter in encounters:
            times = [
                (name, getattr(encounter, name)) for name in TIMES
                if getattr(encounter, name)]
            for name, time in times:
                if time > present:
                    raise EncounterTimeError(gettext(
                            'clinic_rme.msg_encounter_time_future',
                            encounter=encounter.rec_name,
                            **cls.__names__(name)))
            for (before, start), (after, end) in pairwise(times):
                if start > end:
                    raise EncounterTimeError(gettext(
                            'clinic_rme.msg_encounter_time_order',
                            encounter=encounter.rec_name,
                            before=cls.__names__(before)['field'],
                            after=cls.__names__(after)['field']))

    @classmethod
    def check_modification(
            cls, mode, encounters, values=None, external=False):
        super().check_modification(
            mode, encounters, values=values, external=external)
        if mode == 'delete':
            for encounter in encounters:
                if (encounter.state != 'planned'
                        or encounter.vital_signs or encounter.diagnoses):
                    raise EncounterAccessError(gettext(
                            'clinic_rme.msg_encounter_delete',
                            encounter=encounter.rec_name))
        if not external:
            return
        if mode == 'write' and values.keys() & FIXED:
            raise EncounterAccessError(
                gettext('clinic_rme.msg_encounter_fixed'))
        for encounter in encounters:
            if mode == 'create' and encounter.state != 'planned':
                raise EncounterAccessError(
                    gettext('clinic_rme.msg_encounter_create_planned'))
            if mode == 'write' and encounter.is_closed:
                raise EncounterAccessError(gettext(
                        'clinic_rme.msg_encounter_closed',
                        encounter=encounter.rec_name))

    @classmethod
    def on_modification(cls, mode, encounters, field_names=None):
        pool = Pool()
        Status = pool.get('clinic.encounter.status')
        super().on_modification(mode, encounters, field_names=field_names)
        if mode in {'create', 'write'} and (
                field_names is None
                or field_names & {'state', 'cancelled_at', *TIMES}):
            Status.follow([e for e in encounters if e.state != 'planned'])

    @classmethod
    def copy(cls, encounters, default=None):
        default = default.copy() if default is not None else {}
        for name in [
                'number', 'cancelled_at', 'registered_by', 'started_by',
                'finished_by', 'status_history', 'vital_signs', 'diagnoses',
                'chief_complaint', 'chief_complaint_code', 'discharge_note',
                *TIMES]:
            default.setdefault(name)
        default.setdefault('discharge_disposition', 'home')
        return super().copy(encounters, default=default)

    @classmethod
    def view_attributes(cls):
        return super().view_attributes() + [
            ('/tree', 'visual',
                If(Eval('state').in_(['cancelled', 'entered_in_error']),
                    'muted',
                    If(Eval('state') == 'in_progress', 'warning',
                        If(Eval('state') == 'finished', 'success', '')))),
            ('/form//image[@name="tryton-warning"]', 'states', {
                    'invisible': (
                        Eval('patient_allergy_status', '') != 'not_asked'),
                    }),
            ('/form//image[@name="clinic-allergy"]', 'states', {
                    'invisible': (
                        Eval('patient_allergy_status', '') != 'listed'),
                    }),
            ]

    @classmethod
    @ModelView.button
    def arrive(cls, encounters):
        "The patient is here and waits"
        cls._pass(cls._that_may(encounters, 'arrived'), 'arrived')

    @classmethod
    @ModelView.button
    def start(cls, encounters):
        "The examination begins"
        cls._pass(cls._that_may(encounters, 'in_progress'), 'in_progress')

    @classmethod
    @ModelView.button
    def finish(cls, encounters):
        """The visit is over: what it holds is closed.

        A visit that is recorded afterwards passes what lies before, at the
        times that were filled in.
        Raises EncounterIncompleteError that names what is missing.
        """
        encounters = cls._that_may(encounters, 'finished')
        cls.check_complete(encounters)
        cls._pass(encounters, 'finished')
        cls.on_finished(encounters)

    @classmethod
    def on_finished(cls, encounters):
        "Extend it with what follows from the end of visits"

    @classmethod
    @ModelView.button
    def cancel(cls, encounters):
        "The visit does not take place"
        cls._pass(cls._that_may(encounters, 'cancelled'), 'cancelled')

    @classmethod
    def _that_may(cls, encounters, state):
        "Return the visits that may pass to the state"
        return [e for e in encounters if e._way(state)]

    def _way(self, state):
        "Return the states through which the visit passes to the state, if any"
        if (self.state, state) in self._transitions:
            return [state]
        if (state == 'finished' and self.state in {'planned', 'arrived'}
                and self.arrived_at and self.started_at):
            return [s for s in PASSED if s != self.state]
        return []

    @classmethod
    def _pass(cls, encounters, state):
        """Let the visits pass to the state, in one write of each.

        What the staff did not fill in becomes the present time and the
        employee who does it.  `Workflow.transition` and `set_employee` would
        write each visit three times.
        """
        times = {**PASSED, 'cancelled': 'cancelled_at'}
        present = now()
        groups = defaultdict(list)
        for encounter in encounters:
            values = {'state': state}
            for passed in encounter._way(state):
                time, by = times[passed], BY.get(passed)
                if not getattr(encounter, time):
                    values[time] = present
                if by and not getattr(encounter, by):
                    values[by] = signing_employee(encounter.company)
            groups[tuple(values.items())].append(encounter)
        if groups:
            cls.write(*chain.from_iterable(
                    (group, dict(values)) for values, group in groups.items()))


_BANNER = ['sex', 'age', 'payer', 'allergy_status', 'allergy_text']


class EncounterStatus(BranchMixin, ModelSQL, ModelView):
    __name__ = 'clinic.encounter.status'

    encounter = fields.Many2One(
        'clinic.encounter', "Encounter", required=True, readonly=True,
        ondelete='CASCADE')
    status = fields.Selection(
        STATES, "Status", required=True, readonly=True, sort=False)
    start = fields.DateTime("Start", required=True, readonly=True)
    end = fields.Function(fields.DateTime("End"), 'get_end')

    @classmethod
    def __setup__(cls):
        super().__setup__()
        cls._order = [('encounter', 'ASC'), ('start', 'ASC'), ('id', 'ASC')]

    @classmethod
    def __register__(cls, module):
        super().__register__(module)
        cls.__table_handler__(module).drop_column('end')

    @classmethod
    def get_end(cls, rows, name):
        """Return when the next status of the visit started.

        No gap, no overlap: only the last one has no end, unless nothing
        comes after it.
        """
        following, ends = {}, {}
        for row in cls.search(
                [('encounter', 'in', {r.encounter.id for r in rows})],
                order=[('start', 'DESC'), ('id', 'DESC')]):
            last = row.start if row.status in CLOSED else None
            ends[row.id] = following.get(row.encounter, last)
            following[row.encounter] = row.start
        return {row.id: ends.get(row.id) for row in rows}

    @classmethod
    def check_modification(cls, mode, rows, values=None, external=False):
        super().check_modification(mode, rows, values=values, external=external)
        if external:
            raise EncounterAccessError(
                gettext('clinic_rme.msg_encounter_status_derived'))

    @classmethod
    def follow(cls, encounters):
        "Make the rows of the encounters what their times say"
        if not encounters:
            return
        rows = {}
        for row in cls.search([
                    ('encounter', 'in', [e.id for e in encounters])]):
            rows[row.encounter, row.status] = row
        to_save = []
        for encounter in encounters:
            for status, start in _starts(encounter):
                row = rows.pop((encounter, status), None)
                if row is None:
                    row = cls(encounter=encounter, status=status)
                elif row.start == start:
                    continue
                row.start = start
                to_save.append(row)
        if rows:
            cls.delete(list(rows.values()))
        cls.save(to_save)


def _starts(encounter):
    "Return the (status, time) of the course of the visit, in its order"
    starts = {s: getattr(encounter, n) for s, n in PASSED.items()}
    if encounter.state == 'cancelled':
        starts = {
            s: t for s, t in starts.items()
            if t and s in {r.status for r in encounter.status_history}}
        starts['cancelled'] = encounter.cancelled_at
    elif encounter.state == 'entered_in_error':
        # The course of the visit is told as before
        starts = {s: t for s, t in starts.items() if t}
    elif encounter.state in PASSED:
        reached = list(PASSED)[:list(PASSED).index(encounter.state) + 1]
        starts = {s: starts[s] for s in reached}
    else:
        starts = {}
    return [(status, time) for status, time in starts.items() if time]
