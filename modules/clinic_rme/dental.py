# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The dental chart: what a dentist finds, tooth by tooth.

Ministry of Health, Panduan Rekam Medik Kedokteran Gigi (2014), and the
ministry's use case for dental visits, part odontogram.
"""

from collections import defaultdict
from itertools import combinations

from trytond.i18n import gettext
from trytond.model import Index, ModelSQL, ModelView, fields
from trytond.pool import PoolMeta
from trytond.pyson import Eval

from .exceptions import ToothFindingError
from .mixin import EncounterPartMixin, part_states
from .teeth import (
    CONDITIONS, FILLINGS, MAY_HAVE_SURFACES, ON_SURFACES, SURFACES, SYNONYMS,
    TEETH, contradict, read_surfaces, surfaces_of)

# What may be typed for surfaces
_LETTERS = {letter for letter, _ in SURFACES} | {*SYNONYMS} | {' '}


class ToothFinding(EncounterPartMixin, ModelSQL, ModelView):
    """One condition of one tooth.

    A tooth without a row was not examined in the visit.
    """
    __name__ = 'clinic.tooth.finding'

    tooth = fields.Selection(
        [(tooth, tooth) for tooth in TEETH], "Tooth", required=True,
        sort=False, translate=False, states=part_states,
        help="By FDI: 11 to 48 permanent, 51 to 85 milk teeth.\n"
        "What is recorded of a tooth replaces what earlier visits say of it.\n"
        "A milk tooth that was shed naturally is non, not mis; it leaves the "
        "chart when its successor is recorded later.")
    condition = fields.Selection(
        CONDITIONS, "Condition", required=True, sort=False,
        states=part_states)
    condition_string = condition.translated('condition')
    surfaces = fields.MultiSelection(
        SURFACES, "Surfaces", sort=False,
        states={
            'required': Eval('condition').in_(sorted(ON_SURFACES)),
            'invisible': ~Eval('condition').in_(sorted(MAY_HAVE_SURFACES)),
            **part_states})
    surface_letters = fields.Function(
        fields.Char(
            "Surface Letters",
            states={
                'invisible': ~Eval('condition').in_(
                    sorted(MAY_HAVE_SURFACES)),
                **part_states},
            help="Letters of M, O, I, D, V and L without spaces, e.g. MOD."),
        'on_change_with_surface_letters', setter='set_surface_letters')
    note = fields.Text("Note", states=part_states)

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_indexes.add(Index(t, (t.encounter, Index.Equality())))
        cls._order = [
            ('encounter', 'DESC'), ('tooth', 'ASC'), ('id', 'ASC')]

    @fields.depends('tooth', 'surface_letters')
    def on_change_surface_letters(self):
        "Take what was typed, of which only known letters stay"
        self.surfaces = tuple(
            read_surfaces(self.surface_letters, self.tooth))
        self.surface_letters = ''.join(self.surfaces)

    @fields.depends('condition')
    def on_change_condition(self):
        if self.condition not in MAY_HAVE_SURFACES:
            self.surfaces, self.surface_letters = (), ''

    @fields.depends('surfaces')
    def on_change_with_surface_letters(self, name=None):
        return ''.join(read_surfaces(''.join(self.surfaces or ())))

    @classmethod
    def set_surface_letters(cls, findings, name, value):
        """Store the letters as surfaces, where these do not say it already.

        Raises ToothFindingError for letters that name no surface.
        """
        for finding in findings:
            surfaces = read_surfaces(value, finding.tooth)
            if strange := {*(value or '').upper()} - _LETTERS:
                finding.refuse_surfaces(strange)
            if {*surfaces} != {*finding.surfaces}:
                cls.write([finding], {'surfaces': surfaces})

    def get_rec_name(self, name):
        return ' '.join(filter(None, [
                    self.tooth, self.condition, self.surface_letters]))

    @classmethod
    def search_rec_name(cls, name, clause):
        operator = 'AND' if clause[1].startswith(('!', 'not ')) else 'OR'
        return [operator,
            ('tooth', *clause[1:]),
            ('condition', *clause[1:]),
            ]

    @classmethod
    def validate_fields(cls, findings, field_names):
        super().validate_fields(findings, field_names)
        if field_names and not field_names & {
                'tooth', 'condition', 'surfaces'}:
            return
        for finding in findings:
            finding.check_surfaces()
        cls.check_contradictions(findings)

    def check_surfaces(self):
        """Raise ToothFindingError for surfaces that can not be meant.

        Those that the tooth has not, and any for a condition of the whole
        tooth; caries and fillings need one.
        """
        if not self.surfaces:
            if self.condition in ON_SURFACES:
                raise ToothFindingError(gettext(
                        'clinic_rme.msg_tooth_surface_required',
                        tooth=self.tooth, condition=self.condition_string))
            return
        if self.condition not in MAY_HAVE_SURFACES:
            raise ToothFindingError(gettext(
                    'clinic_rme.msg_tooth_whole',
                    tooth=self.tooth, condition=self.condition_string))
        if lacking := {*self.surfaces} - {*surfaces_of(self.tooth)}:
            self.refuse_surfaces(lacking)

    def refuse_surfaces(self, letters):
        "Raise ToothFindingError that names the letters and what there is"
        raise ToothFindingError(gettext(
                'clinic_rme.msg_tooth_surface', tooth=self.tooth,
                surface=', '.join(sorted(letters)),
                surfaces=', '.join(surfaces_of(self.tooth))))

    @classmethod
    def check_contradictions(cls, findings):
        """Refuse what a tooth can not be in one visit.

        The same condition twice, two that exclude each other, and two
        fillings of one surface.  Raises ToothFindingError.
        """
        teeth = defaultdict(list)
        for finding in cls.search([
                    ('encounter', 'in', list({
                        f.encounter.id for f in findings}))]):
            teeth[finding.encounter, finding.tooth].append(finding)
        for together in teeth.values():
            for one, other in combinations(together, 2):
                one.check_beside(other)

    def check_beside(self, other):
        "Raise ToothFindingError if the same tooth can not have both"
        message, names = None, {}
        if self.condition == other.condition:
            message = 'msg_tooth_twice'
        elif contradict(self.condition, other.condition):
            message, names = 'msg_tooth_contradiction', {
                'other': other.condition_string}
        elif {self.condition, other.condition} <= FILLINGS and (
                both := {*self.surfaces} & {*other.surfaces}):
            message, names = 'msg_tooth_filled_twice', {
                'other': other.condition_string,
                'surface': ', '.join(sorted(both))}
        if message:
            raise ToothFindingError(gettext(
                    f'clinic_rme.{message}', tooth=self.tooth,
                    condition=self.condition_string, **names))


class Encounter(metaclass=PoolMeta):
    __name__ = 'clinic.encounter'

    tooth_findings = fields.One2Many(
        'clinic.tooth.finding', 'encounter', "Findings of Teeth")

    @classmethod
    def recorded_fields(cls):
        return super().recorded_fields() | {'tooth_findings'}

    @classmethod
    def view_attributes(cls):
        return super().view_attributes() + [
            ('/form/notebook/page[@id="dental"]', 'states', {
                    'invisible': Eval('unit_kind') != 'dental',
                    }, ['unit_kind']),
            ]

    def holds_examination(self):
        return (
            super().holds_examination() or self._holds_any('tooth_findings'))
