# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import datetime as dt

from dateutil.relativedelta import relativedelta
from sql import Null, Window
from sql.functions import RowNumber

from trytond.i18n import gettext
from trytond.model import Index, ModelSQL, ModelView, fields
from trytond.pool import Pool
from trytond.tools import timezone
from trytond.transaction import Transaction

from .encounter import ANNULLED
from .exceptions import VitalSignsValidationError
from .mixin import EncounterPartMixin, now, part_states

# What a living person can have, not what is normal
RANGES = {
    'systolic': (40, 300),
    'diastolic': (20, 200),
    'heart_rate': (20, 300),
    'respiratory_rate': (4, 120),
    'temperature': (25, 45),
    'oxygen_saturation': (30, 100),
    'weight': (0.3, 500),
    'height': (20, 260),
    }
ENTRIES = [*RANGES, 'consciousness', 'pain_score']
# By what factor a value may differ from the one before without a notice
CHANGES = {'weight': 1.5, 'height': 1.2}
# Kilograms that are rare in adults
HEAVY = 200


class VitalSigns(EncounterPartMixin, ModelSQL, ModelView):
    __name__ = 'clinic.vital_signs'

    measured_at = fields.DateTime(
        "Measured at", required=True, states=part_states)
    systolic = fields.Integer(
        "Systolic", states=part_states,
        help="mmHg, 40 to 300.")
    diastolic = fields.Integer(
        "Diastolic", states=part_states,
        help="mmHg, 20 to 200.")
    heart_rate = fields.Integer(
        "Heart Rate", states=part_states,
        help="Beats per minute, 20 to 300.")
    respiratory_rate = fields.Integer(
        "Respiratory Rate",
        states=part_states,
        help="Breaths per minute, 4 to 120.")
    temperature = fields.Float(
        "Temperature", digits=(3, 1),
        states=part_states,
        help="Degrees Celsius, 25 to 45.")
    oxygen_saturation = fields.Integer(
        "Oxygen Saturation",
        states=part_states,
        help="Percent, 30 to 100.")
    weight = fields.Float(
        "Weight", digits=(4, 1),
        states=part_states,
        help="Kilograms, 0.3 to 500.")
    height = fields.Float(
        "Height", digits=(4, 1),
        states=part_states,
        help="Centimetres, 20 to 260.")
    consciousness = fields.Selection([
            (None, ""),
            ('alert', "Alert"),
            ('voice', "Responds to Voice"),
            ('pain', "Responds to Pain"),
            ('unresponsive', "Unresponsive"),
            ('confused', "Confused or Restless"),
            ('delirium', "Acute Confusional State"),
            ], "Consciousness", sort=False, states=part_states)
    pain_scale = fields.Selection([
            (None, ""),
            ('nrs', "Numeric (0 to 10)"),
            ('wong_baker', "Wong-Baker Faces (0 to 10)"),
            ('nips', "NIPS, newborns (0 to 7)"),
            ], "Pain Scale", sort=False, states=part_states)
    pain_score = fields.Integer(
        "Pain Score", states=part_states,
        help="0 is no pain; up to 10, or 7 by NIPS.")
    pain_note = fields.Char(
        "Pain Note", strip=False, states=part_states,
        help="Place, cause, duration and frequency.")

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_indexes.add(Index(t, (t.encounter, Index.Equality())))
        cls._order = [('measured_at', 'DESC'), ('id', 'DESC')]

    @classmethod
    def default_measured_at(cls):
        return now()

    @classmethod
    def last_weights(cls, patients):
        """Return the latest (patient, time, id, weight) of each patient.

        patients are ids; in one query, of the branches of the user. Not of
        visits that were cancelled or entered in error.
        """
        pool = Pool()
        encounter = pool.get('clinic.encounter').__table__()
        companies = list(pool.get('res.user').get_companies())
        if not patients or not companies:
            return []
        in_ = fields.SQL_OPERATORS['in']
        table = cls.__table__()
        place = RowNumber(window=Window(
                [encounter.patient],
                order_by=[table.measured_at.desc, table.id.desc]))
        ranked = encounter.join(
            table, condition=table.encounter == encounter.id).select(
            encounter.patient, table.measured_at, table.id, table.weight,
            place.as_('place'),
            where=in_(encounter.patient, patients)
            & in_(encounter.company, companies)
            & ~encounter.state.in_(ANNULLED)
            & (table.weight != Null))
        cursor = Transaction().connection.cursor()
        cursor.execute(*ranked.select(
                ranked.patient, ranked.measured_at, ranked.id, ranked.weight,
                where=ranked.place == 1))
        return cursor.fetchall()

    @fields.depends(methods=['_problems', '_doubts'])
    def on_change_notify(self):
        notifications = super().on_change_notify()
        problems = list(self._problems()) or list(self._doubts())
        notifications.extend(('warning', p) for p in problems)
        return notifications

    @fields.depends(*RANGES, 'pain_scale', 'pain_score')
    def _problems(self):
        for name, (low, high) in RANGES.items():
            value = getattr(self, name, None)
            if value is not None and not low <= value <= high:
                yield gettext('clinic_rme.msg_vital_signs_range',
                    value=value, low=low, high=high,
                    **self.__names__(name))
        systolic = getattr(self, 'systolic', None)
        diastolic = getattr(self, 'diastolic', None)
        if systolic and diastolic and systolic <= diastolic:
            yield gettext('clinic_rme.msg_vital_signs_blood_pressure')
        pain = getattr(self, 'pain_score', None)
        highest = 7 if getattr(self, 'pain_scale', None) == 'nips' else 10
        if pain is not None and not 0 <= pain <= highest:
            yield gettext('clinic_rme.msg_vital_signs_range',
                value=pain, low=0, high=highest,
                **self.__names__('pain_score'))

    @fields.depends(
        'id', 'weight', 'height', 'encounter', '_parent_encounter.patient')
    def _doubts(self):
        """Yield what is possible and yet looks like a slip of the hand.

        Browsers drop a decimal comma that is not of their language: 37,4
        kg becomes 374 kg.
        """
        weight = getattr(self, 'weight', None)
        if weight and weight > self._usual_weight():
            yield gettext('clinic_rme.msg_vital_signs_unusual',
                value=weight, **self.__names__('weight'))
            return
        for name, factor in CHANGES.items():
            value, known = getattr(self, name, None), self._last_known(name)
            if value and known and not (
                    known / factor <= value <= known * factor):
                yield gettext('clinic_rme.msg_vital_signs_changed',
                    value=value, known=known, **self.__names__(name))

    def _usual_weight(self):
        """Return the weight in kilograms above which a comma may be missing.

        For children two and a half times the estimate 2 x (age + 4).
        """
        patient = self.encounter.patient if self.encounter else None
        if patient and patient.birth_date:
            age = relativedelta(now().date(), patient.birth_date).years
            return min(HEAVY, 5 * (age + 4))
        return HEAVY

    def _last_known(self, name):
        "Return what was measured last in the patient, if anything"
        if not self.encounter or not self.encounter.patient:
            return None
        rows = self.search([
                ('encounter.patient', '=', self.encounter.patient.id),
                ('encounter.state', 'not in', ANNULLED),
                ('id', '!=', self.id if self.id and self.id > 0 else None),
                (name, '!=', None),
                ], limit=1)
        return getattr(rows[0], name) if rows else None

    @classmethod
    def _validate(cls, records, field_names=None):
        # Before the domains, whose message does not tell the limits
        cls.check_plausible(records, field_names)
        super()._validate(records, field_names=field_names)

    @classmethod
    def validate_fields(cls, records, field_names):
        super().validate_fields(records, field_names)
        cls.check_measured_at(records, field_names)

    @classmethod
    def check_plausible(cls, records, field_names=None):
        """Refuse what no living person can have, and empty rows.

        Raises VitalSignsValidationError that names value and limits.
        """
        if field_names and not field_names & {*ENTRIES, 'pain_scale'}:
            return
        for record in records:
            for problem in record._problems():
                raise VitalSignsValidationError(problem)
            if all(getattr(record, name) is None for name in ENTRIES):
                raise VitalSignsValidationError(
                    gettext('clinic_rme.msg_vital_signs_empty'))

    @classmethod
    def check_measured_at(cls, records, field_names=None):
        """Refuse a time in the future or before the birth of the patient.

        Raises VitalSignsValidationError.
        """
        if field_names and 'measured_at' not in field_names:
            return
        present = now()
        for record in records:
            if record.measured_at > present:
                raise VitalSignsValidationError(
                    gettext('clinic_rme.msg_vital_signs_future'))
            if record.measured_at.date() == present.date():
                # Nobody is born later than today, in UTC tomorrow
                continue
            born = record.encounter.patient.birth_date
            # A day of room: the birth date is local time
            if born and record.measured_at.date() < born - dt.timedelta(1):
                raise VitalSignsValidationError(
                    gettext('clinic_rme.msg_vital_signs_before_birth'))

    @property
    def measured(self):
        "The values that were measured, by field name"
        return {
            name: getattr(self, name) for name in RANGES
            if getattr(self, name) is not None}

    def get_rec_name(self, name):
        pool = Pool()
        Lang = pool.get('ir.lang')
        if not self.measured_at:
            return ''
        zone = timezone.ZoneInfo(self.encounter.company.timezone)
        return Lang.get().strftime(
            self.measured_at.replace(tzinfo=timezone.UTC).astimezone(zone))
