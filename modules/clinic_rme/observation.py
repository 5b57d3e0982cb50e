# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from trytond.i18n import gettext
from trytond.model import Index, ModelSQL, ModelView, fields
from trytond.pool import Pool
from trytond.tools import timezone

from .encounter import now
from .exceptions import VitalSignsValidationError
from .mixin import EncounterPartMixin, part_states

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


def _within(name):
    low, high = RANGES[name]
    return ['OR',
        (name, '=', None),
        [(name, '>=', low), (name, '<=', high)],
        ]


class VitalSigns(EncounterPartMixin, ModelSQL, ModelView):
    __name__ = 'clinic.vital_signs'

    measured_at = fields.DateTime(
        "Measured at", required=True, states=part_states)
    systolic = fields.Integer(
        "Systolic", domain=_within('systolic'), states=part_states,
        help="mmHg, 40 to 300.")
    diastolic = fields.Integer(
        "Diastolic", domain=_within('diastolic'), states=part_states,
        help="mmHg, 20 to 200.")
    heart_rate = fields.Integer(
        "Heart Rate", domain=_within('heart_rate'), states=part_states,
        help="Beats per minute, 20 to 300.")
    respiratory_rate = fields.Integer(
        "Respiratory Rate", domain=_within('respiratory_rate'),
        states=part_states,
        help="Breaths per minute, 4 to 120.")
    temperature = fields.Float(
        "Temperature", digits=(3, 1), domain=_within('temperature'),
        states=part_states,
        help="Degrees Celsius, 25 to 45.")
    oxygen_saturation = fields.Integer(
        "Oxygen Saturation", domain=_within('oxygen_saturation'),
        states=part_states,
        help="Percent, 30 to 100.")
    weight = fields.Float(
        "Weight", digits=(4, 1), domain=_within('weight'),
        states=part_states,
        help="Kilograms, 0.3 to 500.")
    height = fields.Float(
        "Height", digits=(4, 1), domain=_within('height'),
        states=part_states,
        help="Centimetres, 20 to 260.")

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_indexes.add(Index(t, (t.encounter, Index.Equality())))
        cls._order = [('measured_at', 'DESC'), ('id', 'DESC')]

    @classmethod
    def default_measured_at(cls):
        return now()

    @fields.depends(*RANGES)
    def on_change_notify(self):
        notifications = super().on_change_notify()
        notifications.extend(('warning', p) for p in self._problems())
        return notifications

    @fields.depends(*RANGES)
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
        if field_names and not field_names & RANGES.keys():
            return
        for record in records:
            for problem in record._problems():
                raise VitalSignsValidationError(problem)
            if all(getattr(record, name) is None for name in RANGES):
                raise VitalSignsValidationError(
                    gettext('clinic_rme.msg_vital_signs_empty'))

    @classmethod
    def check_measured_at(cls, records, field_names=None):
        "Raise VitalSignsValidationError for a time in the future"
        if field_names and 'measured_at' not in field_names:
            return
        present = now()
        for record in records:
            if record.measured_at > present:
                raise VitalSignsValidationError(
                    gettext('clinic_rme.msg_vital_signs_future'))

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
