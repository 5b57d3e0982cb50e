# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"The short note of a visit in pregnancy."

import datetime as dt

from dateutil.relativedelta import relativedelta
from trytond.i18n import gettext
from trytond.model import ModelSQL, ModelView, fields
from trytond.pool import PoolMeta
from trytond.pyson import Eval

from .exceptions import ObstetricNoteError
from .mixin import SinglePart, SinglePartMixin, part_states

# Days from the last period to the expected delivery, and to what is no
# pregnancy any more without a doubt about the last period
TERM, LONGEST = 280, 315
# What a living mother and child can have, not what is normal
RANGES = {
    'gravida': (0, 25),
    'para': (0, 25),
    'abortus': (0, 25),
    'fundal_height': (1, 60),
    'fetal_heart_rate': (50, 250),
    }


def expected_delivery(last_period):
    """Return the day of delivery that the last period lets expect.

    By Naegele: seven days later, three months back, a year on.
    """
    return (
        last_period + dt.timedelta(days=7)
        + relativedelta(months=-3, years=1))


def _ranged(name, string, states=part_states, **options):
    low, high = RANGES[name]
    return fields.Integer(
        string, states=states,
        domain=['OR',
            (name, '=', None),
            [(name, '>=', low), (name, '<=', high)],
            ],
        **options)


class ObstetricNote(SinglePartMixin, ModelSQL, ModelView):
    __name__ = 'clinic.obstetric_note'

    gravida = _ranged(
        'gravida', "Gravida", help="Pregnancies, with this one.")
    para = _ranged('para', "Para", help="Births after 20 weeks or more.")
    abortus = _ranged(
        'abortus', "Abortus", help="Pregnancies that ended before 20 weeks.")
    last_period = fields.Date(
        "Last Menstrual Period", states=part_states,
        help="The first day of the last menstruation.")
    expected_delivery = fields.Date(
        "Expected Delivery", states=part_states,
        help="Computed from the last menstrual period by Naegele;\n"
        "enter another day when it is known better, e.g. by ultrasound.")
    gestational_age = fields.Function(
        fields.Char(
            "Gestational Age",
            help="On the day of the visit: from the last menstrual period, "
            "or by the expected delivery where another day was entered."),
        'get_gestational_age')
    fundal_height = _ranged(
        'fundal_height', "Fundal Height", help="Centimetres, 1 to 60.")
    fetal_heart_rate = _ranged(
        'fetal_heart_rate', "Fetal Heart Rate",
        help="Beats per minute, 50 to 250.")
    note = fields.Text("Note", states=part_states)

    @fields.depends('last_period')
    def on_change_last_period(self):
        self.expected_delivery = (
            expected_delivery(self.last_period) if self.last_period else None)

    @fields.depends('last_period', 'expected_delivery')
    def on_change_notify(self):
        notifications = super().on_change_notify()
        start, end = self.last_period, self.expected_delivery
        if start and end and end > start + dt.timedelta(LONGEST):
            notifications.append(('warning', gettext(
                        'clinic_rme.msg_obstetric_note_delivery_late',
                        days=LONGEST)))
        return notifications

    @property
    def gestational_days(self):
        """The age of the pregnancy on the day of the visit, None if unknown.

        From the last period: Naegele counts months, so that the day of
        delivery lies up to three days beside the 280 days.  A day that is
        known better counts back from term.
        """
        start, end = self.last_period, self.expected_delivery
        if not end:
            return None
        if start and end == expected_delivery(start):
            days = (self.encounter.day - start).days
        else:
            days = TERM - (end - self.encounter.day).days
        return days if 0 <= days <= LONGEST else None

    @classmethod
    def get_gestational_age(cls, notes, name):
        "The age in weeks and days, empty where it is not known"
        return {
            note.id: gettext(
                'clinic_rme.msg_gestational_age', weeks=days // 7,
                days=days % 7)
            if (days := note.gestational_days) is not None else None
            for note in notes}

    @classmethod
    def preprocess_values(cls, mode, values):
        values = super().preprocess_values(mode, values)
        if (mode == 'create' and values.get('last_period')
                and not values.get('expected_delivery')):
            values['expected_delivery'] = expected_delivery(
                values['last_period'])
        return values

    @classmethod
    def validate_fields(cls, notes, field_names):
        super().validate_fields(notes, field_names)
        cls.check_sex(notes)
        cls.check_pregnancies(notes)
        cls.check_dates(notes)

    @classmethod
    def check_sex(cls, notes):
        "Raise ObstetricNoteError for a man"
        for note in notes:
            if note.encounter.patient.current.party.sex == 'male':
                raise ObstetricNoteError(gettext(
                        'clinic_rme.msg_obstetric_note_male',
                        encounter=note.encounter.rec_name))

    @classmethod
    def check_pregnancies(cls, notes):
        "Raise ObstetricNoteError for more endings than pregnancies"
        for note in notes:
            ended = (note.para or 0) + (note.abortus or 0)
            if note.gravida is not None and ended > note.gravida:
                raise ObstetricNoteError(gettext(
                        'clinic_rme.msg_obstetric_note_pregnancies',
                        encounter=note.encounter.rec_name))

    @classmethod
    def check_dates(cls, notes):
        """Raise ObstetricNoteError for days that can not be.

        A last period after the visit, or a delivery that is not expected
        after it.  However late is allowed: who conceives while nursing has
        had no period for long, and goes by ultrasound.
        """
        for note in notes:
            start, end = note.last_period, note.expected_delivery
            if start and start > note.encounter.day:
                raise ObstetricNoteError(gettext(
                        'clinic_rme.msg_obstetric_note_last_period',
                        encounter=note.encounter.rec_name))
            if start and end and end <= start:
                raise ObstetricNoteError(gettext(
                        'clinic_rme.msg_obstetric_note_delivery',
                        encounter=note.encounter.rec_name))


class Encounter(metaclass=PoolMeta):
    __name__ = 'clinic.encounter'

    obstetric_notes = SinglePart(
        'clinic.obstetric_note', 'encounter', "Obstetric Note")

    @classmethod
    def recorded_fields(cls):
        return super().recorded_fields() | {'obstetric_notes'}

    def holds_examination(self):
        return (
            super().holds_examination()
            or self._holds_any('obstetric_notes'))

    @classmethod
    def view_attributes(cls):
        return super().view_attributes() + [
            ('/form/notebook/page[@id="obstetric"]', 'states', {
                    'invisible': Eval('unit_kind') != 'maternal_child',
                    }, ['unit_kind']),
            ]
