# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"The state of the patient's teeth, as it is known at a visit."

from collections import defaultdict

from trytond.i18n import gettext
from trytond.model import fields
from trytond.pool import Pool, PoolMeta
from trytond.transaction import check_access

from .odontogram import draw
from .teeth import ROWS, decay_index, has_erupted, milk_tooth_before

# From the upper right to the lower left, row by row
_PLACES = {
    tooth: place for place, tooth in enumerate(t for row in ROWS for t in row)}


class Encounter(metaclass=PoolMeta):
    __name__ = 'clinic.encounter'

    dental_chart = fields.Function(
        fields.Binary("Dental Chart"), 'get_dental_chart')
    dental_chart_text = fields.Function(
        fields.Text(
            "Dental Chart as Text",
            help="The state of each tooth when it was recorded last, "
            "up to this visit."),
        'get_dental_chart')

    @classmethod
    def dental_charts(cls, encounters):
        """Return {encounter id: {tooth: its findings}} of dental visits.

        All findings of the last visit in which the tooth was recorded: this
        one, or a finished one before it.  Of visits that the user may read.
        A milk tooth is there until its successor is recorded as erupted in
        a later visit.
        """
        result = {e.id: {} for e in encounters if e.unit_kind == 'dental'}
        encounters = [e for e in encounters if e.id in result]
        history = cls._dental_history(encounters)
        for encounter in encounters:
            for visit, teeth in history[encounter.patient.current.id]:
                if visit == encounter or (
                        visit.state == 'finished'
                        and visit._dental_order < encounter._dental_order):
                    _record(result[encounter.id], teeth)
        return result

    @classmethod
    def _dental_history(cls, encounters):
        "Return {patient id: [(visit, {tooth: findings})]}, the oldest first"
        pool = Pool()
        Access = pool.get('ir.model.access')
        Finding = pool.get('clinic.tooth.finding')
        result = defaultdict(list)
        patients = {
            r.id for e in encounters for r in e.patient.current.records}
        if not patients:
            return result
        with check_access():
            if not Access.check(Finding.__name__, raise_exception=False):
                return result
            findings = Finding.search([
                    ('encounter.patient', 'in', list(patients)),
                    ['OR',
                        ('encounter.state', '=', 'finished'),
                        ('encounter', 'in', [e.id for e in encounters]),
                        ],
                    ])
        visits = defaultdict(lambda: defaultdict(list))
        for finding in Finding.browse(findings):
            visits[finding.encounter][finding.tooth].append(finding)
        for visit in sorted(visits, key=lambda v: v._dental_order):
            result[visit.patient.current.id].append((visit, visits[visit]))
        return result

    @property
    def _dental_order(self):
        time = self.started_at or self.arrived_at
        return (time is None, time, self.id)

    @classmethod
    def get_dental_chart(cls, encounters, names):
        """The chart as an SVG picture and in words, for dental visits.

        The teeth that were recorded in the visit itself are marked.  In words
        it begins with the DMF-T and def-t index.
        """
        charts = cls.dental_charts(encounters)
        shown = {
            'dental_chart': cls._draw,
            'dental_chart_text': cls._tell,
            }
        return {
            name: {
                e.id: shown[name](e, charts[e.id]) if e.id in charts else None
                for e in encounters}
            for name in names}

    def _draw(self, chart):
        findings = [f for found in chart.values() for f in found]
        return draw(
            {tooth: [(f.condition, f.surfaces) for f in found]
                for tooth, found in chart.items()},
            recorded={f.tooth for f in findings if f.encounter == self},
            legend={
                f.condition: f.condition_string
                for f in sorted(findings, key=lambda f: f.condition)},
            title=self.__names__('dental_chart')['field'])

    def _tell(self, chart):
        if chart:
            return '\n'.join([*_index_lines(chart), *_tooth_lines(chart)])


def _record(chart, teeth):
    "Put the findings of the next visit into the chart"
    for tooth, found in teeth.items():
        if has_erupted(f.condition for f in found):
            chart.pop(milk_tooth_before(tooth), None)
    chart.update(teeth)


def index_of(chart, deciduous=False):
    "Return the counts of decayed, missing and filled teeth of a chart"
    return decay_index(
        {tooth: [f.condition for f in found]
            for tooth, found in chart.items()},
        deciduous=deciduous)


def _index_lines(chart):
    for message, deciduous in [
            ('msg_dental_dmf', False), ('msg_dental_def', True)]:
        decayed, missing, filled = index_of(chart, deciduous)
        if not deciduous or decayed or missing or filled:
            yield gettext(
                f'clinic_rme.{message}', decayed=decayed, missing=missing,
                filled=filled, total=decayed + missing + filled)


def _tooth_lines(chart):
    Lang = Pool().get('ir.lang')
    lang = Lang.get()
    for tooth in sorted(chart, key=_PLACES.get):
        found = chart[tooth]
        yield gettext(
            'clinic_rme.msg_dental_tooth', tooth=tooth,
            findings='; '.join(map(_described, found)),
            date=lang.strftime(found[0].encounter.day))


def _described(finding):
    return ' '.join(filter(None, [
                finding.condition_string, finding.surface_letters,
                finding.note and f'({finding.note})']))
