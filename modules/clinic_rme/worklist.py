# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The lists of the day: who waits, for how long, and for whom.

A day is that of the branch's zone.
"""

import datetime as dt

from sql.conditionals import Case
from trytond.model import fields
from trytond.pool import Pool, PoolMeta
from trytond.pyson import Eval, If
from trytond.tools import timezone

from .company import TIMEZONES
from .mixin import now

ARRIVALS = [
    (None, ""),
    ('today', "Today"),
    ('earlier', "Earlier"),
    ]
_NEGATIVE = {'!=', 'not in'}


def start_of_day(zone):
    "Return the begin of the present day in the named zone, naive UTC"
    zone = timezone.ZoneInfo(zone)
    local = now().replace(tzinfo=timezone.UTC).astimezone(zone)
    return local.replace(
        hour=0, minute=0, second=0).astimezone(timezone.UTC).replace(
            tzinfo=None)


class Configuration(metaclass=PoolMeta):
    __name__ = 'clinic.configuration'

    waiting_warning = fields.Integer(
        "Waiting Long", required=True,
        domain=[
            ('waiting_warning', '>=', 0),
            ('waiting_warning', '<=', Eval('waiting_danger', 0)),
            ],
        help="After how many minutes a waiting patient is marked.")
    waiting_danger = fields.Integer(
        "Waiting Too Long", required=True,
        domain=[('waiting_danger', '>=', 0)],
        help="After how many minutes a waiting patient is marked in red.")

    @classmethod
    def default_waiting_warning(cls):
        return 30

    @classmethod
    def default_waiting_danger(cls):
        """Return the minutes of the minimum standard for outpatients.

        KMK 129/Menkes/SK/II/2008: at most 60 minutes.
        """
        return 60


class Encounter(metaclass=PoolMeta):
    __name__ = 'clinic.encounter'

    arrival = fields.Function(
        fields.Selection(ARRIVALS, "Arrival", sort=False),
        'get_arrival', searcher='search_arrival')
    waiting_minutes = fields.Function(
        fields.Integer(
            "Waiting (min)",
            help="Minutes from the arrival to the start of the examination, "
            "or until now."),
        'get_waiting')
    waiting_level = fields.Function(
        fields.Selection([
                (None, ""),
                ('warning', "Long"),
                ('danger', "Too Long"),
                ], "Waiting Level", sort=False),
        'get_waiting')
    mine = fields.Function(
        fields.Boolean("Mine"), 'get_mine', searcher='search_mine')

    @classmethod
    def view_attributes(cls):
        return super().view_attributes() + [
            ('/tree//field[@name="waiting_minutes"]', 'visual',
                If(Eval('waiting_level').in_(['warning', 'danger']),
                    Eval('waiting_level', ''), '')),
            ]

    @classmethod
    def get_arrival(cls, encounters, name):
        "Whether the patient came today or on a former day"
        starts = {
            zone: start_of_day(zone)
            for zone in {e.company.timezone for e in encounters}}
        return {
            e.id: e.arrived_at and (
                'today' if e.arrived_at >= starts[e.company.timezone]
                else 'earlier')
            for e in encounters}

    @classmethod
    def search_arrival(cls, name, clause):
        _, operator, operand = clause[:3]
        wanted = {*operand} if isinstance(operand, (list, tuple)) else {operand}
        if operator in _NEGATIVE:
            wanted = {value for value, _ in ARRIVALS} - wanted
        domain = ['OR', ('id', '=', -1)]
        if None in wanted:
            domain.append(('arrived_at', '=', None))
        for value, comparison in [('today', '>='), ('earlier', '<')]:
            if value in wanted:
                domain.extend([
                        ('company.timezone', '=', zone),
                        ('arrived_at', comparison, start_of_day(zone)),
                        ] for zone, _ in TIMEZONES)
        return domain

    @classmethod
    def get_waiting(cls, encounters, names):
        """Return whole minutes, and how they are marked, by field name.

        Only who still waits is marked.
        """
        configuration = Pool().get('clinic.configuration')(1)
        present = now()
        minutes = {e.id: e._waited(present) for e in encounters}
        values = {'waiting_minutes': minutes}
        if 'waiting_level' in names:
            limits = [
                ('danger', configuration.waiting_danger),
                ('warning', configuration.waiting_warning)]
            values['waiting_level'] = {
                e.id: next((
                        level for level, limit in limits
                        if minutes[e.id] >= limit), None)
                if e.state == 'arrived' and minutes[e.id] is not None
                else None
                for e in encounters}
        return {name: values[name] for name in names}

    def _waited(self, present):
        end = present if self.state == 'arrived' else self.started_at
        if (self.state in {'planned', 'cancelled'}
                or not self.arrived_at or not end):
            return None
        return max(0, (end - self.arrived_at) // dt.timedelta(minutes=1))

    @classmethod
    def get_mine(cls, encounters, name):
        "Whether the user is the practitioner"
        employees = cls._own_employees()
        return {
            e.id: bool(e.practitioner) and e.practitioner.id in employees
            for e in encounters}

    @classmethod
    def search_mine(cls, name, clause):
        _, operator, operand = clause[:3]
        own = ('practitioner', 'in', cls._own_employees())
        if bool(operand) == (operator not in _NEGATIVE):
            return [own]
        return ['OR',
            ('practitioner', '=', None),
            ('practitioner', 'not in', own[-1]),
            ]

    @classmethod
    def order_mine(cls, tables):
        table, _ = tables[None]
        if not (employees := cls._own_employees()):
            return []
        return [Case((table.practitioner.in_(employees), 1), else_=0)]

    @classmethod
    def _own_employees(cls):
        User = Pool().get('res.user')
        return list(User.get_employees())
