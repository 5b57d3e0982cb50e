# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import unittest
from decimal import Decimal
from itertools import product
from xml.etree import ElementTree

from trytond.model.exceptions import (
    AccessError, DomainValidationError, RequiredValidationError,
    SelectionValidationError)

from trytond.modules.clinic_rme.exceptions import (
    EncounterAccessError, EncounterPartError, ToothFindingError)
from trytond.modules.clinic_rme.odontogram import draw
from trytond.modules.clinic_rme.teeth import (
    CONDITIONS, FILLINGS, MAY_HAVE_SURFACES, ON_SURFACES, ROWS, TEETH,
    contradict, decay_index, has_erupted, is_deciduous, milk_tooth_before,
    read_surfaces, surfaces_of)

from .tools import PARTS, RemoteTestCase, ago

ENCOUNTER = 'clinic.encounter'
TOOTH = 'clinic.tooth.finding'
MOUTH = 'clinic.dental_examination'
SVG = '{http://www.w3.org/2000/svg}'


class TeethTestCase(unittest.TestCase):
    "Teeth, surfaces and conditions by the odontogram's rules"

    def test_numbers(self):
        self.assertEqual([len(row) for row in ROWS], [16, 10, 10, 16])
        self.assertEqual(len({*TEETH}), 52)
        self.assertEqual((ROWS[0][0], ROWS[0][-1]), ('18', '28'))
        self.assertEqual((ROWS[3][0], ROWS[3][-1]), ('48', '38'))
        self.assertEqual(sum(map(is_deciduous, TEETH)), 20)

    def test_surfaces(self):
        self.assertEqual(surfaces_of('11'), [*'MIDVL'])
        self.assertEqual(surfaces_of('53'), [*'MIDVL'])
        self.assertEqual(surfaces_of('14'), [*'MODVL'])
        self.assertEqual(surfaces_of('85'), [*'MODVL'])

    def test_typed_surfaces(self):
        for text, tooth, letters in [
                ("mod", '16', 'MOD'), ("D O M", '16', 'MOD'),
                ("bp", '16', 'VL'), ("mo", '11', 'MI'), ("i", '46', 'O'),
                ("xyz", '16', ''), ("", '16', ''), (None, None, ''),
                ("OI", None, 'OI'), ("🦷", '16', '')]:
            with self.subTest(text=text, tooth=tooth):
                self.assertEqual(
                    ''.join(read_surfaces(text, tooth)), letters)

    def test_contradictions(self):
        codes = [code for code, _ in CONDITIONS]
        for one, other in product(codes, codes):
            self.assertEqual(contradict(one, other), contradict(other, one))
        for one, other, contradicts in [
                ('mis', 'amf', True), ('non', 'car', True),
                ('sou', 'car', True), ('une', 'cof', True),
                ('mis', 'non', True), ('prd', 'fld', True),
                ('fmc', 'poc', True), ('ipx', 'rct', True),
                ('rrx', 'fmc', True), ('pon', 'nvt', True),
                ('mis', 'pon', False), ('mis', 'prd', False),
                ('prd', 'acr', False), ('ipx', 'poc', False),
                ('car', 'amf', False), ('rct', 'fmc', False),
                ('abu', 'fmc', False), ('rrx', 'nvt', False),
                ('sou', 'dia', False), ('mis', 'dia', False)]:
            with self.subTest(one=one, other=other):
                self.assertEqual(contradict(one, other), contradicts)

    def test_decay_index(self):
        chart = {
            '16': ['car', 'amf'],  # decayed before filled
            '26': ['rrx'],
            '36': ['mis', 'pon'],
            '46': ['mis'],
            '18': ['non'], '28': ['une'],
            '11': ['cof', 'rct'], '21': ['poc'],
            '17': ['fis'], '27': ['sou'], '12': ['cfr'],
            '55': ['car'], '65': ['gif'], '75': ['mis'],
            }
        self.assertEqual(decay_index(chart), (2, 2, 2))
        self.assertEqual(decay_index(chart, deciduous=True), (1, 1, 1))
        self.assertEqual(decay_index({}), (0, 0, 0))


    def test_milk_tooth_before(self):
        for tooth, milk in [
                ('11', '51'), ('25', '65'), ('34', '74'), ('43', '83'),
                ('16', None), ('48', None), ('55', None)]:
            self.assertEqual(milk_tooth_before(tooth), milk)

    def test_has_erupted(self):
        for conditions, erupted in [
                (['sou'], True), (['car', 'amf'], True), (['ipx'], True),
                (['une'], False), (['pre'], False), (['dia'], False),
                (['mis', 'pon'], False), (['non'], False), ([], False)]:
            self.assertEqual(has_erupted(conditions), erupted, conditions)


class OdontogramTestCase(unittest.TestCase):
    "The picture of the chart"

    def texts(self, svg):
        return [e.text for e in svg.iter(f'{SVG}text')]

    def test_every_tooth_has_its_surfaces(self):
        svg = ElementTree.fromstring(draw({}))
        self.assertEqual(self.texts(svg), sum(ROWS, []))
        self.assertEqual(len([*svg.iter(f'{SVG}polygon')]), 52 * 5)

    def test_each_condition_is_drawn(self):
        empty = draw({})
        for code, label in CONDITIONS:
            surfaces = ['M'] if code in MAY_HAVE_SURFACES else []
            with self.subTest(code):
                picture = draw(
                    {'16': [(code, surfaces)]}, legend={code: label})
                self.assertNotEqual(picture, empty)
                texts = self.texts(ElementTree.fromstring(picture))
                self.assertIn(code, texts)
                self.assertIn(label, texts)

    def test_mesial_is_next_to_the_midline(self):
        for tooth in TEETH:
            svg = ElementTree.fromstring(
                draw({tooth: [('car', ['M'])]}))
            middle = float(svg.get('width')) / 2
            teeth, places = self.texts(svg)[:52], []
            for polygon in svg.iter(f'{SVG}polygon'):
                points = [
                    float(p.split(',')[0])
                    for p in polygon.get('points').split()]
                places.append((sum(points) / 4, polygon.get('fill')))
            red = next(
                n for n, (_, fill) in enumerate(places) if fill == '#d62728')
            self.assertIn(tooth, teeth)
            first = red // 5 * 5
            distances = [
                abs(x - middle) for x, _ in places[first:first + 5]]
            with self.subTest(tooth):
                self.assertEqual(
                    abs(places[red][0] - middle), min(distances))

    def test_text_is_escaped(self):
        picture = draw(
            {'16': [('mis', [])]}, legend={'mis': '<b>"&'}, title='<&>')
        self.assertIn('<b>"&', self.texts(ElementTree.fromstring(picture)))


class DentalTestCase(RemoteTestCase):
    "Dental visits, as the dentist records them"

    def setUp(self):
        super().setUp()
        self.doctor = self.user('doctor')
        self.unit = self.dental_unit('kota')
        self.visit = self.begin()

    def dental_unit(self, branch):
        company = self.clinic[branch]['company']
        found = self.root.search('clinic.unit', [
                ('company', '=', company), ('kind', '=', 'dental')])
        return found[0] if found else self.root.create(
            'clinic.unit', company=company, code='GIGI', name="Poli Gigi",
            kind='dental', rooms=[
                ('create', [{'code': 'G1', 'name': "Ruang Gigi"}])])

    def new_patient(self):
        party = self.root.create('party.party', name="Pasien Gigi")
        return self.root.create('clinic.patient', party=party)

    def begin(self, days=0, **values):
        "Begin a dental visit of some days ago, without any entry"
        start = ago(days=days, hours=2)
        visit = self.create_visit(
            arrived_at=start, started_at=start, **{
                **dict.fromkeys(PARTS.values()),
                'patient': self.patient, 'unit': self.unit, 'room': None,
                **values})
        for button in ['arrive', 'start']:
            self.doctor(ENCOUNTER, button, [visit])
        return visit

    def finish(self, visit):
        unit = self.doctor.read(ENCOUNTER, visit, 'unit')['unit']
        room, = self.root.search('clinic.room', [('unit', '=', unit)])
        self.doctor(ENCOUNTER, 'write', [visit], {
                'room': room,
                'plan': "Kontrol enam bulan lagi",
                'diagnoses': [
                    ('create', [{'code': self.clinic['codes'][0]}])]})
        self.doctor(ENCOUNTER, 'finish', [visit])
        self.assertEqual(self.state(visit), 'finished')

    def find(self, tooth, condition, *surfaces, visit=None, **values):
        return self.doctor.create(
            TOOTH, encounter=visit or self.visit, tooth=tooth,
            condition=condition, surfaces=surfaces, **values)

    def text(self, visit=None, login='doctor'):
        return self.user(login).read(
            ENCOUNTER, visit or self.visit,
            'dental_chart_text')['dental_chart_text']


class ToothFindingTestCase(DentalTestCase):
    "What is recorded of a tooth, and what is refused"

    def test_every_condition(self):
        for tooth, (condition, _) in zip(TEETH, CONDITIONS, strict=False):
            surfaces = surfaces_of(tooth)[:2] if (
                condition in MAY_HAVE_SURFACES) else ()
            with self.subTest(condition):
                id_ = self.find(tooth, condition, *surfaces)
                values = self.doctor.read(
                    TOOTH, id_, 'surfaces', 'surface_letters',
                    'recorded_by', 'rec_name')
                self.assertEqual({*values['surfaces']}, {*surfaces})
                self.assertEqual(
                    values['surface_letters'], ''.join(surfaces))
                self.assertEqual(
                    values['recorded_by'], self.clinic['kota']['doctor'])
                self.assertTrue(
                    values['rec_name'].startswith(f'{tooth} {condition}'))

    def test_surfaces_that_the_tooth_has_not(self):
        for tooth, surface in [('11', 'O'), ('73', 'O'), ('16', 'I')]:
            with self.subTest(tooth):
                with self.assertRaisesRegex(
                        ToothFindingError,
                        f"Tooth {tooth} has no surface {surface}"):
                    self.find(tooth, 'car', surface)
        id_ = self.find('16', 'car', 'O')
        with self.assertRaisesRegex(ToothFindingError, "has no surface O"):
            self.doctor(TOOTH, 'write', [id_], {'tooth': '11'})

    def test_surfaces_of_the_whole_tooth(self):
        for condition, _ in CONDITIONS:
            if condition not in MAY_HAVE_SURFACES:
                with self.subTest(condition):
                    with self.assertRaisesRegex(
                            ToothFindingError, "of the whole tooth"):
                        self.find('16', condition, 'O')

    def test_surface_is_needed(self):
        for condition in ON_SURFACES:
            with self.subTest(condition):
                with self.assertRaises(
                        (ToothFindingError, RequiredValidationError)):
                    self.find('16', condition)

    def test_unknown_values(self):
        for values in [
                {'tooth': '19'}, {'tooth': '56'}, {'tooth': ''},
                {'condition': 'xxx'}, {'surfaces': ['X']}]:
            with self.subTest(values):
                with self.assertRaises((
                            SelectionValidationError,
                            RequiredValidationError,
                            DomainValidationError)):
                    self.doctor.create(
                        TOOTH, encounter=self.visit, **{
                            'tooth': '16', 'condition': 'car',
                            'surfaces': ['O'], **values})

    def test_twice(self):
        self.find('16', 'car', 'O')
        with self.assertRaisesRegex(ToothFindingError, "recorded twice"):
            self.find('16', 'car', 'D')
        self.find('26', 'car', 'D')
        with self.assertRaisesRegex(ToothFindingError, "recorded twice"):
            self.doctor(
                TOOTH, 'write', self.doctor.search(
                    TOOTH, [('encounter', '=', self.visit)]),
                {'tooth': '36'})

    def test_contradictions(self):
        self.find('46', 'mis')
        for condition in sorted(FILLINGS):
            with self.subTest(condition):
                with self.assertRaisesRegex(
                        ToothFindingError, "46 can not be"):
                    self.find('46', condition, 'O')
        self.find('46', 'pon')
        amalgam = self.find('36', 'amf', 'M', 'O')
        with self.assertRaisesRegex(
                ToothFindingError, "36: surface O can not be"):
            self.find('36', 'cof', 'O', 'D')
        self.find('36', 'cof', 'D')
        self.find('36', 'car', 'O')
        with self.assertRaisesRegex(ToothFindingError, "surface D"):
            self.doctor(
                TOOTH, 'write', [amalgam], {'surfaces': ['O', 'D']})
        self.assertEqual(
            {*self.doctor.read(TOOTH, amalgam, 'surfaces')['surfaces']},
            {'M', 'O'})

    def test_mixed_dentition(self):
        self.find('55', 'car', 'O')
        self.find('15', 'pre')

    def test_correction_of_a_slip_in_one_save(self):
        wrong = self.find('16', 'mis')
        self.doctor(ENCOUNTER, 'write', [self.visit], {
                'tooth_findings': [
                    ('delete', [wrong]),
                    ('create', [{
                                'tooth': '16', 'condition': 'amf',
                                'surfaces': ['O']}])]})
        self.assertIn("16: amf = Amalgam Filling O", self.text())

    def test_typed_letters(self):
        changes = self.doctor(TOOTH, 'on_change', {
                'tooth': '11', 'condition': 'car',
                'surface_letters': "om?"}, ['surface_letters'])
        self.assertEqual({*changes['surfaces']}, {'M', 'I'})
        self.assertEqual(changes['surface_letters'], 'MI')

    def test_letters_alone(self):
        id_ = self.doctor.create(
            TOOTH, encounter=self.visit, tooth='11', condition='cof',
            surface_letters="om b")
        self.assertEqual(
            {*self.doctor.read(TOOTH, id_, 'surfaces')['surfaces']},
            {'M', 'I', 'V'})
        self.doctor(TOOTH, 'write', [id_], {'surface_letters': "d"})
        self.assertEqual(
            self.doctor.read(TOOTH, id_, 'surfaces')['surfaces'], ('D',))
        for letters in ["x", "d1", "🦷"]:
            with self.subTest(letters):
                with self.assertRaisesRegex(
                        ToothFindingError, "11 has no surface"):
                    self.doctor(
                        TOOTH, 'write', [id_], {'surface_letters': letters})
        with self.assertRaises((ToothFindingError, RequiredValidationError)):
            self.doctor(TOOTH, 'write', [id_], {'surface_letters': ""})
        self.assertEqual(
            self.doctor.read(TOOTH, id_, 'surfaces')['surfaces'], ('D',))

    def test_long_note(self):
        note = "Karies \"dalam\"\n🦷 " * 700
        id_ = self.find('16', 'car', 'O', note=note)
        self.assertGreater(len(note), 10_000)
        self.assertEqual(self.doctor.read(TOOTH, id_, 'note')['note'], note)
        self.assertIn(note, self.text())

    def test_who_records(self):
        id_ = self.find('16', 'car', 'O')
        for role in ['nurse', 'medical_records']:
            self.user(role).read(TOOTH, id_, 'tooth', 'condition')
            self.assertIn("16: car", self.text(login=role))
            self.assertTrue(self.user(role).read(
                    ENCOUNTER, self.visit, 'dental_chart')['dental_chart'])
        for role in [
                'nurse', 'medical_records', 'registration', 'pharmacist',
                'cashier', 'admin']:
            with self.subTest(role), self.assertRaises(AccessError):
                self.user(role).create(
                    TOOTH, encounter=self.visit, tooth='17', condition='sou')
        for role in ['registration', 'pharmacist', 'cashier', 'admin']:
            with self.subTest(role), self.assertRaises(AccessError):
                self.user(role).read(TOOTH, id_, 'tooth')
            for name in ['dental_chart', 'dental_chart_text']:
                with self.subTest(role), self.assertRaises(AccessError):
                    self.user(role).read(ENCOUNTER, self.visit, name)

    def test_closed_with_the_visit(self):
        id_ = self.find('16', 'car', 'O')
        self.finish(self.visit)
        for method, args in [
                ('write', [[id_], {'condition': 'cfr'}]),
                ('delete', [[id_]]),
                ('create', [[{
                                'encounter': self.visit, 'tooth': '17',
                                'condition': 'sou'}]])]:
            with self.subTest(method):
                with self.assertRaises(EncounterAccessError):
                    self.doctor(TOOTH, method, *args)


    def test_correction_tells_surfaces_in_words(self):
        id_ = self.find('16', 'car', 'O')
        self.finish(self.visit)
        amendment = self.amend(self.visit, 'doctor', 'correction')
        self.doctor(TOOTH, 'write', [id_], {'surfaces': ['O', 'D']})
        self.doctor(ENCOUNTER, 'complete_correction', [self.visit])
        changes = self.root.read(
            'clinic.amendment', amendment, 'changes')['changes']
        self.assertIn("from Occlusal to Distal, Occlusal", changes)
        self.assertIn("16: car = Caries OD", self.text())


class ChartTestCase(DentalTestCase):
    "The chart of the patient, up to a visit"

    def setUp(self):
        super().setUp()
        self.patient_of_test = self.new_patient()

    def begin_for(self, days, **values):
        return self.begin(
            days=days, **{'patient': self.patient_of_test, **values})

    def lines(self, visit, **options):
        text = self.text(visit, **options)
        return [line.split(':')[0] for line in text.splitlines()]

    def test_last_record_of_each_tooth(self):
        first = self.begin_for(30)
        self.find('16', 'car', 'O', visit=first)
        self.find('16', 'amf', 'M', visit=first)
        self.find('36', 'mis', visit=first)
        self.finish(first)
        second = self.begin_for(20)
        self.find('16', 'cof', 'O', visit=second)
        text = self.text(second)
        self.assertIn("16: cof = Composite Filling O, on ", text)
        self.assertNotIn("amf", text)
        self.assertIn("36: mis = Missing, on ", text)
        self.assertIn("DMF-T: D 0, M 1, F 1, total 2", text)
        self.assertNotIn("def-t", text)
        with self.subTest("the earlier visit tells what was known then"):
            text = self.text(first)
            self.assertIn("16: car = Caries O; amf", text)
            self.assertIn("D 1, M 1, F 0, total 2", text)

    def test_order_of_the_rows(self):
        visit = self.begin_for(0)
        for tooth in ['48', '85', '55', '18', '28']:
            self.find(tooth, 'sou', visit=visit)
        self.assertEqual(
            self.lines(visit), ['DMF-T', '18', '28', '55', '85', '48'])

    def test_milk_teeth(self):
        visit = self.begin_for(0)
        self.find('55', 'car', 'O', visit=visit)
        self.find('16', 'sou', visit=visit)
        self.assertIn("def-t: d 1, e 0, f 0, total 1", self.text(visit))

    def test_milk_tooth_goes_when_its_successor_came(self):
        first = self.begin_for(400)
        self.find('55', 'car', 'O', visit=first)
        self.find('65', 'mis', visit=first)
        self.find('75', 'amf', 'O', visit=first)
        self.finish(first)
        second = self.begin_for(200)
        self.find('15', 'pre', visit=second)
        self.find('35', 'cof', 'O', visit=second)
        self.find('26', 'sou', visit=second)
        self.find('73', 'sou', visit=second)
        self.find('33', 'sou', visit=second)
        self.finish(second)
        self.assertEqual(self.lines(second), [
                'DMF-T', 'def-t', '15', '26', '55', '65', '73', '33', '35'])
        third = self.begin_for(0)
        self.find('15', 'sou', visit=third)
        self.find('25', 'dia', visit=third)
        self.assertIn("def-t: d 0, e 1, f 0, total 1", self.text(third))
        self.find('24', 'car', 'O', visit=third)
        self.assertEqual(self.lines(third), [
                'DMF-T', 'def-t', '15', '24', '25', '26', '65', '73', '33',
                '35'])

    def test_what_is_not_finished_or_later_does_not_count(self):
        first = self.begin_for(30)
        self.find('16', 'car', 'O', visit=first)
        second = self.begin_for(20)
        self.find('26', 'sou', visit=second)
        self.assertEqual(self.lines(second), ['DMF-T', '26'])
        self.finish(first)
        self.assertEqual(self.lines(second), ['DMF-T', '16', '26'])
        self.finish(second)
        self.assertEqual(self.lines(first), ['DMF-T', '16'])
        self.amend(first, 'doctor', 'entered_in_error')
        self.assertEqual(self.state(first), 'entered_in_error')
        self.assertEqual(self.lines(second), ['DMF-T', '26'])

    def test_of_another_patient(self):
        other = self.begin_for(30, patient=self.new_patient())
        self.find('16', 'car', 'O', visit=other)
        self.finish(other)
        self.assertIsNone(self.text(self.begin_for(0)) or None)

    def test_of_a_branch_that_the_user_may_not_read(self):
        there = self.dental_unit('desa')
        visit = self.create_visit(
            branch='desa', arrived_at=ago(days=3), started_at=ago(days=3), **{
                **dict.fromkeys(PARTS.values()),
                'patient': self.patient_of_test, 'unit': there,
                'room': self.root.search(
                    'clinic.room', [('unit', '=', there)])[0],
                'plan': "Kontrol enam bulan lagi",
                'diagnoses': [
                    ('create', [{'code': self.clinic['codes'][0]}])],
                'tooth_findings': [
                    ('create', [{'tooth': '16', 'condition': 'mis'}])]})
        for button in ['arrive', 'start', 'finish']:
            self.user('doctor-desa')(ENCOUNTER, button, [visit])
        here = self.begin_for(0)
        self.find('26', 'sou', visit=here)
        self.assertEqual(self.lines(here), ['DMF-T', '26'])
        self.assertEqual(
            self.lines(here, login='admin!'), ['DMF-T', '16', '26'])

    def test_picture(self):
        first = self.begin_for(10)
        self.find('16', 'mis', visit=first)
        self.finish(first)
        second = self.begin_for(0)
        self.find('26', 'car', 'O', visit=second)
        picture = self.doctor.read(
            ENCOUNTER, second, 'dental_chart')['dental_chart']
        svg = ElementTree.fromstring(bytes(picture))
        texts = {e.text: e for e in svg.iter(f'{SVG}text')}
        self.assertIn('mis', texts)
        self.assertIn("car = Caries", texts)
        self.assertEqual(texts['26'].get('font-weight'), 'bold')
        self.assertEqual(texts['16'].get('font-weight'), 'normal')

    def test_only_in_dental_units(self):
        visit = self.create_visit('in_progress')
        values = self.doctor.read(
            ENCOUNTER, visit, 'dental_chart', 'dental_chart_text',
            'unit_kind')
        self.assertEqual(values['unit_kind'], 'general')
        self.assertIsNone(values['dental_chart'])
        self.assertIsNone(values['dental_chart_text'])

    def test_empty_chart(self):
        visit = self.begin_for(0)
        values = self.doctor.read(
            ENCOUNTER, visit, 'dental_chart', 'dental_chart_text')
        self.assertTrue(values['dental_chart'])
        self.assertFalse(values['dental_chart_text'])

    def test_planned_visit_without_time(self):
        first = self.begin_for(10)
        self.find('16', 'mis', visit=first)
        self.finish(first)
        planned = self.create_visit(**{
                **dict.fromkeys(PARTS.values()),
                'patient': self.patient_of_test, 'unit': self.unit,
                'room': None})
        self.assertEqual(self.lines(planned), ['DMF-T', '16'])


class DentalExaminationTestCase(DentalTestCase):
    "What is found beside the single teeth"

    def examine(self, **values):
        return self.doctor.create(MOUTH, encounter=self.visit, **values)

    def test_oral_hygiene(self):
        id_ = self.examine()
        for scores, expected in [
                ({}, (None, None, None, None)),
                ({'debris_16': 1, 'calculus_16': 1},
                    (None, None, None, None)),
                ({'debris_16': 1, 'debris_11': 0, 'calculus_16': 1,
                        'calculus_11': 0},
                    (Decimal('0.50'), Decimal('0.50'), Decimal('1.00'),
                        'good')),
                ({'debris_26': 2, 'debris_36': 1, 'calculus_26': 0},
                    (Decimal('1.00'), Decimal('0.33'), Decimal('1.33'),
                        'fair')),
                ({'debris_31': 3, 'debris_46': 3, 'calculus_36': 3,
                        'calculus_31': 3, 'calculus_46': 3},
                    (Decimal('1.67'), Decimal('1.67'), Decimal('3.34'),
                        'poor'))]:
            self.doctor(MOUTH, 'write', [id_], scores)
            values = self.doctor.read(
                MOUTH, id_, 'debris_index', 'calculus_index', 'ohi_s',
                'oral_hygiene')
            with self.subTest(scores):
                self.assertEqual((
                        values['debris_index'], values['calculus_index'],
                        values['ohi_s'], values['oral_hygiene']), expected)

    def test_scores_out_of_range(self):
        for value in [-1, 4]:
            for name in ['debris_16', 'calculus_46']:
                with self.subTest(name=name, value=value):
                    with self.assertRaises(DomainValidationError):
                        self.examine(**{name: value})

    def test_what_is_present_is_described(self):
        for name in ['diastema', 'anomaly']:
            with self.subTest(name):
                with self.assertRaises(RequiredValidationError):
                    self.examine(**{name: 'present'})
        self.examine(
            diastema='present', diastema_note=" antara 11 dan 21, 2 mm ",
            anomaly='none')

    def test_counts(self):
        id_ = self.examine()
        self.find('16', 'car', 'O')
        self.find('26', 'mis')
        self.find('36', 'amf', 'O')
        self.find('55', 'gif', 'O')
        self.assertEqual(
            {n: v for n, v in self.doctor.read(
                MOUTH, id_, 'decayed', 'missing', 'filled',
                'deciduous_decayed', 'deciduous_missing',
                'deciduous_filled').items() if n != 'id'}, {
                'decayed': 1, 'missing': 1, 'filled': 1,
                'deciduous_decayed': 0, 'deciduous_missing': 0,
                'deciduous_filled': 1})

    def test_examination_is_there(self):
        for holds in [False, True]:
            with self.database() as pool:
                self.assertEqual(
                    pool.get(ENCOUNTER)(self.visit).holds_examination(),
                    holds)
            if not holds:
                self.examine(occlusion='normal')

    def test_once_in_a_visit(self):
        self.examine()
        with self.assertRaisesRegex(EncounterPartError, "already"):
            self.examine()
        self.assertEqual(len(self.doctor.search(
                    MOUTH, [('encounter', '=', self.visit)])), 1)
