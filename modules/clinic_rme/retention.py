# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import datetime as dt

from dateutil.relativedelta import relativedelta
from sql.aggregate import Max
from sql.conditionals import Coalesce
from trytond.model import fields
from trytond.pool import Pool, PoolMeta
from trytond.tools import timezone
from trytond.transaction import Transaction

NOT_HELD = ['planned', 'cancelled']


class Patient(metaclass=PoolMeta):
    __name__ = 'clinic.patient'

    retention_until = fields.Function(
        fields.Date(
            "Kept until",
            help="The medical record is not destroyed before this day."),
        'get_retention_until')

    @classmethod
    def get_retention_until(cls, patients, name):
        """Return the day until which each record is kept.

        25 years after the last visit (PMK 24/2022, article 39), or as many
        more as the clinic keeps it, in the time of the branch.  Computed
        from the visits of all branches each time it is asked for, so that
        it is never out of date; empty without a visit.
        """
        Configuration = Pool().get('clinic.configuration')
        years = Configuration(1).retention_years
        return {
            patient: last and last + relativedelta(years=years)
            for patient, last in _last_visits(patients).items()}


def _last_visits(patients):
    "Return {patient id: day of the last visit that took place or None}"
    pool = Pool()
    encounter = pool.get('clinic.encounter').__table__()
    company = pool.get('company.company').__table__()
    ended = Coalesce(
        encounter.finished_at, encounter.started_at, encounter.arrived_at)
    cursor = Transaction().connection.cursor()
    cursor.execute(*encounter.join(
            company, condition=encounter.company == company.id).select(
            encounter.patient, company.timezone, Max(ended),
            where=fields.SQL_OPERATORS['in'](
                encounter.patient, [p.id for p in patients])
            & ~encounter.state.in_(NOT_HELD),
            group_by=[encounter.patient, company.timezone]))
    days = {p.id: None for p in patients}
    for patient, zone, last in cursor:
        if last:
            day = _day(last, zone)
            days[patient] = max(days[patient] or day, day)
    return days


def _day(time, zone):
    if isinstance(time, str):
        # SQLite knows no type of what was computed
        time = dt.datetime.fromisoformat(time)
    return time.replace(tzinfo=timezone.UTC).astimezone(
        timezone.ZoneInfo(zone)).date()
