# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What a dental chart says beside the single teeth.

Ministry of Health, Panduan Rekam Medik Kedokteran Gigi (2014): occlusion,
torus, palate, diastema, anomalies.  Oral hygiene by the simplified index of
Greene and Vermillion (OHI-S).
"""

from decimal import ROUND_HALF_UP, Decimal

from trytond.model import ModelSQL, ModelView, fields
from trytond.pool import Pool, PoolMeta
from trytond.pyson import Eval

from .dental_chart import index_of
from .mixin import SinglePart, SinglePartMixin, part_states

# One surface of each of these teeth is looked at
INDEX_TEETH = ['16', '11', '26', '36', '31', '46']
# An index of fewer teeth says nothing
FEWEST = 2
DEBRIS = [f'debris_{tooth}' for tooth in INDEX_TEETH]
CALCULUS = [f'calculus_{tooth}' for tooth in INDEX_TEETH]
# The highest OHI-S of good and of fair oral hygiene
GOOD, FAIR = Decimal('1.2'), Decimal('3.0')
COUNTS = {
    'decayed': (0, False), 'missing': (1, False), 'filled': (2, False),
    'deciduous_decayed': (0, True), 'deciduous_missing': (1, True),
    'deciduous_filled': (2, True)}


def _score(name, string):
    return fields.Integer(
        string, domain=['OR',
            (name, '=', None),
            [(name, '>=', 0), (name, '<=', 3)],
            ],
        states=part_states)


def _count(string):
    return fields.Function(fields.Integer(string), 'get_counts')


class DentalExamination(SinglePartMixin, ModelSQL, ModelView):
    __name__ = 'clinic.dental_examination'

    occlusion = fields.Selection([
            (None, ""),
            ('normal', "Normal Bite"),
            ('cross', "Cross Bite"),
            ('steep', "Steep Bite"),
            ], "Occlusion", sort=False, states=part_states)
    torus_palatinus = fields.Selection([
            (None, ""),
            ('none', "None"),
            ('small', "Small"),
            ('medium', "Medium"),
            ('large', "Large"),
            ('multiple', "Multiple"),
            ], "Torus Palatinus", sort=False, states=part_states)
    torus_mandibularis = fields.Selection([
            (None, ""),
            ('none', "None"),
            ('left', "Left Side"),
            ('right', "Right Side"),
            ('both', "Both Sides"),
            ], "Torus Mandibularis", sort=False, states=part_states)
    palate = fields.Selection([
            (None, ""),
            ('deep', "Deep"),
            ('medium', "Medium"),
            ('shallow', "Shallow"),
            ], "Palate", sort=False, states=part_states)
    diastema = fields.Selection([
            (None, ""),
            ('none', "None"),
            ('present', "Present"),
            ], "Diastema", sort=False, states=part_states)
    diastema_note = fields.Char(
        "Diastema Note", strip=False,
        states={
            'invisible': Eval('diastema') != 'present',
            'required': Eval('diastema') == 'present',
            **part_states},
        help="Where the gap is and how wide.")
    anomaly = fields.Selection([
            (None, ""),
            ('none', "None"),
            ('present', "Present"),
            ], "Anomaly of Teeth", sort=False, states=part_states)
    anomaly_note = fields.Char(
        "Anomaly Note", strip=False,
        states={
            'invisible': Eval('anomaly') != 'present',
            'required': Eval('anomaly') == 'present',
            **part_states},
        help="Which tooth and its form.")
    note = fields.Text("Note", states=part_states)

    debris_16 = _score('debris_16', "Debris 16")
    debris_11 = _score('debris_11', "Debris 11")
    debris_26 = _score('debris_26', "Debris 26")
    debris_36 = _score('debris_36', "Debris 36")
    debris_31 = _score('debris_31', "Debris 31")
    debris_46 = _score('debris_46', "Debris 46")
    calculus_16 = _score('calculus_16', "Calculus 16")
    calculus_11 = _score('calculus_11', "Calculus 11")
    calculus_26 = _score('calculus_26', "Calculus 26")
    calculus_36 = _score('calculus_36', "Calculus 36")
    calculus_31 = _score('calculus_31', "Calculus 31")
    calculus_46 = _score('calculus_46', "Calculus 46")
    debris_index = fields.Function(
        fields.Numeric(
            "Debris Index", digits=(1, 2),
            help="The mean of the teeth examined, at least two."),
        'on_change_with_debris_index')
    calculus_index = fields.Function(
        fields.Numeric(
            "Calculus Index", digits=(1, 2),
            help="The mean of the teeth examined, at least two."),
        'on_change_with_calculus_index')
    ohi_s = fields.Function(
        fields.Numeric(
            "OHI-S", digits=(1, 2),
            help="Debris index and calculus index together."),
        'on_change_with_ohi_s')
    oral_hygiene = fields.Function(
        fields.Selection([
                (None, ""),
                ('good', "Good"),
                ('fair', "Fair"),
                ('poor', "Poor"),
                ], "Oral Hygiene", sort=False),
        'on_change_with_oral_hygiene')

    decayed = _count("Decayed (D)")
    missing = _count("Missing (M)")
    filled = _count("Filled (F)")
    deciduous_decayed = _count("Decayed Milk Teeth (d)")
    deciduous_missing = _count("Missing Milk Teeth (e)")
    deciduous_filled = _count("Filled Milk Teeth (f)")

    @fields.depends(*DEBRIS)
    def on_change_with_debris_index(self, name=None):
        return self._mean(DEBRIS)

    @fields.depends(*CALCULUS)
    def on_change_with_calculus_index(self, name=None):
        return self._mean(CALCULUS)

    def _mean(self, names):
        scores = [s for n in names if (s := getattr(self, n, None)) is not None]
        if len(scores) >= FEWEST:
            return (Decimal(sum(scores)) / len(scores)).quantize(
                Decimal('.01'), ROUND_HALF_UP)

    @fields.depends(methods=[
            'on_change_with_debris_index', 'on_change_with_calculus_index'])
    def on_change_with_ohi_s(self, name=None):
        debris = self.on_change_with_debris_index()
        calculus = self.on_change_with_calculus_index()
        if debris is not None and calculus is not None:
            return debris + calculus

    @fields.depends(methods=['on_change_with_ohi_s'])
    def on_change_with_oral_hygiene(self, name=None):
        score = self.on_change_with_ohi_s()
        if score is None:
            return None
        if score <= GOOD:
            return 'good'
        return 'fair' if score <= FAIR else 'poor'

    @classmethod
    def get_counts(cls, examinations, names):
        "The DMF-T and def-t counts of the chart of the visit"
        Encounter = Pool().get('clinic.encounter')
        charts = Encounter.dental_charts(
            Encounter.browse([e.encounter.id for e in examinations]))
        counts = {
            deciduous: {
                id_: index_of(chart, deciduous)
                for id_, chart in charts.items()}
            for deciduous in [False, True]}
        result = {}
        for name in names:
            place, deciduous = COUNTS[name]
            result[name] = {
                e.id: counts[deciduous][e.encounter.id][place]
                if e.encounter.id in charts else None
                for e in examinations}
        return result


class Encounter(metaclass=PoolMeta):
    __name__ = 'clinic.encounter'

    dental_examinations = SinglePart(
        'clinic.dental_examination', 'encounter', "Dental Examination")

    @classmethod
    def recorded_fields(cls):
        return super().recorded_fields() | {'dental_examinations'}

    def holds_examination(self):
        return (
            super().holds_examination()
            or self._holds_any('dental_examinations'))
