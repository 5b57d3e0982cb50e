# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from decimal import Decimal

from trytond.model.exceptions import AccessButtonError, AccessError
from trytond.pyson import PYSONDecoder

from trytond.modules.clinic_rme.encounter import CLOSED
from trytond.modules.clinic_rme.exceptions import EncounterAccessError
from trytond.modules.clinic_rme.mixin import EncounterPartMixin

from .tools import CHILDREN, PARTS, ROLES, VISIT_MODELS, RemoteTestCase, ago

MODEL = 'clinic.encounter'
(
    VITAL_SIGNS, DIAGNOSIS, EXAMINATION, PROCEDURE, ITEM, TOOTH, MOUTH,
    CHECKUP, OBSTETRIC, ORDER, COMPONENT) = CHILDREN
LOGINS = (*ROLES, 'nobody', 'everything', 'admin!')
CLOSED_MESSAGE = (
    r"RJ-\d+ is closed: nothing in it can be changed"
    r"|can not be changed|can not be moved|can not be deleted")


class SealMixin:
    """Nothing in a closed visit changes, whoever asks for it however.

    The built-in administrator and a user of all groups have every right that
    a group can give: what they are told is about the seal.
    """
    closed_state = None

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        case = cls()
        cls.closed = case.create_visit(cls.closed_state)
        cls.open = case.create_visit('in_progress')
        cls.before = case.content(*VISIT_MODELS)

    def tearDown(self):
        self.assertEqual(self.content(*VISIT_MODELS), self.before)
        super().tearDown()

    def children(self, visit, model):
        return self.root.search(model, [('encounter', '=', visit)])

    def child_values(self, model):
        return {
            VITAL_SIGNS: {'heart_rate': 80},
            DIAGNOSIS: {'code': self.clinic['codes'][1]},
            EXAMINATION: {'body_part': 'neck', 'finding': 'normal'},
            PROCEDURE: {
                'code': self.clinic['acts'][1],
                'performer': self.clinic['kota']['doctor']},
            ITEM: {
                'medicine': self.clinic['medicines']['Captopril'],
                'kind': 'simple', 'compound_form': None,
                'compounding': None, 'components': None,
                'dose': Decimal(1), 'dose_unit': 'tablet', 'frequency': 2,
                'route': 'oral', 'quantity': Decimal(10),
                'quantity_unit': 'tablet'},
            TOOTH: {'tooth': '21', 'condition': 'mis', 'surfaces': ()},
            MOUTH: {'palate': 'deep'},
            CHECKUP: {'purpose': 'school'},
            OBSTETRIC: {'gravida': 2},
            ORDER: {
                'investigation': self.clinic['investigations']['GDS'],
                'requester': self.clinic['kota']['doctor']},
            COMPONENT: {
                'item': self.root.search(
                    ITEM, [('encounter', '=', self.closed)])[0],
                'medicine': self.clinic['medicines']['Captopril'],
                'amount': Decimal(5), 'amount_unit': 'mg'},
            }[model]

    def copy_values(self, model):
        "What a copy within the visit has to differ in"
        return {
            VITAL_SIGNS: {},
            DIAGNOSIS: {'code': self.clinic['codes'][1], 'rank': None},
            EXAMINATION: {'body_part': 'neck'},
            PROCEDURE: {'performed_at': ago()},
            ITEM: {},
            TOOTH: {'tooth': '26'},
            MOUTH: {},
            CHECKUP: {},
            OBSTETRIC: {},
            ORDER: {},
            COMPONENT: {},
            }[model]

    def refuse(self, model, method, *args):
        for login in LOGINS:
            with self.subTest(login=login, method=method, args=args):
                if login in {'everything', 'admin!'}:
                    refusal = self.assertRaisesRegex(
                        EncounterAccessError, CLOSED_MESSAGE)
                else:
                    refusal = self.assertRaises(AccessError)
                with refusal:
                    self.user(login)(model, method, *args)

    def test_every_kind_of_entry_is_tried(self):
        with self.database() as pool:
            self.assertEqual(set(CHILDREN), {
                    name for name, model in pool.iterobject()
                    if issubclass(model, EncounterPartMixin)})

    def test_is_closed(self):
        self.assertIn(self.closed_state, CLOSED)
        self.assertEqual(self.state(self.closed), self.closed_state)

    def test_write_of_each_field(self):
        with self.database() as pool:
            fields = [
                (name, field._type)
                for name, field in pool.get(MODEL)._fields.items()
                if not hasattr(field, 'getter') and name not in {
                    'id', 'create_uid', 'create_date', 'write_uid',
                    'write_date', 'amendments'}]
        self.assertGreater(len(fields), 20)
        current = self.before[MODEL][self.closed]
        for name, type_ in fields:
            with self.subTest(name=name):
                value = {
                    'char': "lain",
                    'text': "lain",
                    'datetime': ago(),
                    'one2many': [('create', [{}])],
                    'selection': current[name],
                    }.get(type_)
                self.refuse(MODEL, 'write', [self.closed], {name: value})

    def test_write_of_nothing(self):
        self.refuse(MODEL, 'write', [self.closed], {})

    def test_write_with_an_open_visit(self):
        values = {'discharge_note': "lain"}
        self.refuse(MODEL, 'write', [self.open, self.closed], values)
        self.refuse(
            MODEL, 'write', [self.open], values, [self.closed], values)

    def test_delete(self):
        self.refuse(MODEL, 'delete', [self.closed])

    def test_children_created(self):
        for model in CHILDREN:
            values = self.child_values(model)
            self.refuse(
                model, 'create', [{'encounter': self.closed, **values}])
            self.refuse(
                model, 'create', [
                    {'encounter': self.open, **values},
                    {'encounter': self.closed, **values}])

    def test_children_written(self):
        for model in CHILDREN:
            with self.database() as pool:
                names = {
                    n for n, f in pool.get(model)._fields.items()
                    if not hasattr(f, 'getter')} - {
                    'id', 'create_uid', 'create_date', 'write_uid',
                    'write_date'}
            child, = self.children(self.closed, model)
            for name in names:
                self.refuse(model, 'write', [child], {name: None})
            values = self.child_values(model)
            self.refuse(model, 'write', [child], values)
            other, = self.children(self.open, model)
            self.refuse(model, 'write', [other, child], values)
            self.refuse(model, 'write', [other], {}, [child], values)

    def test_children_deleted(self):
        for model in CHILDREN:
            child, = self.children(self.closed, model)
            other, = self.children(self.open, model)
            self.refuse(model, 'delete', [child])
            self.refuse(model, 'delete', [other, child])

    def test_children_moved(self):
        for model in CHILDREN:
            child, = self.children(self.closed, model)
            other, = self.children(self.open, model)
            self.refuse(model, 'write', [other], {'encounter': self.closed})
            self.refuse(model, 'write', [child], {'encounter': self.open})
            self.refuse(model, 'write', [child], {'encounter': None})

    def test_children_copied(self):
        for model in CHILDREN:
            child, = self.children(self.closed, model)
            other, = self.children(self.open, model)
            values = self.copy_values(model)
            self.refuse(model, 'copy', [child], values)
            self.refuse(
                model, 'copy', [other], {'encounter': self.closed, **values})

    def test_children_through_the_closed_visit(self):
        for model, name in PARTS.items():
            for command in self.commands(model):
                self.refuse(
                    MODEL, 'write', [self.closed], {name: [command]})

    def test_children_through_another_visit(self):
        for model, name in PARTS.items():
            child, = self.children(self.closed, model)
            for command in [
                    ('write', [child], self.child_values(model)),
                    ('delete', [child]),
                    ('add', [child]),
                    ]:
                self.refuse(MODEL, 'write', [self.open], {name: [command]})
                self.refuse(
                    MODEL, 'create', [self.visit_values(**{name: [command]})])

    def test_children_through_the_patient(self):
        for model, name in PARTS.items():
            for command in self.commands(model):
                self.refuse(
                    'clinic.patient', 'write', [self.patient], {
                        'encounters': [
                            ('write', [self.closed], {name: [command]})]})
        for command in [
                ('write', [self.closed], {'discharge_note': "lain"}),
                ('delete', [self.closed]),
                ('remove', [self.closed])]:
            self.refuse(
                'clinic.patient', 'write', [self.patient],
                {'encounters': [command]})
        self.refuse(
            'clinic.patient', 'write', [self.clinic['patients'][1]],
            {'encounters': [('add', [self.closed])]})

    def test_children_through_the_person(self):
        self.refuse(
            'party.party', 'write', [self.clinic['people'][0]], {
                'patients': [('write', [self.patient], {
                            'encounters': [('write', [self.closed], {
                                        'discharge_note': "lain"})]})]})

    def commands(self, model):
        child, = self.children(self.closed, model)
        other, = self.children(self.open, model)
        return [
            ('create', [self.child_values(model)]),
            ('write', [child], self.child_values(model)),
            ('delete', [child]),
            ('remove', [child]),
            ('add', [other]),
            ('copy', [child], self.copy_values(model)),
            ('copy', [other], self.copy_values(model)),
            ]

    def test_status_history(self):
        rows = self.root.read(
            MODEL, self.closed, 'status_history')['status_history']
        self.assertTrue(rows)
        model = 'clinic.encounter.status'
        for login in LOGINS:
            for method, args in [
                    ('write', [rows, {'start': ago(days=1)}]),
                    ('delete', [rows]),
                    ('copy', [rows]),
                    ('create', [[{
                                    'encounter': self.closed,
                                    'status': 'planned', 'start': ago()}]]),
                    ]:
                with self.subTest(login=login, method=method):
                    with self.assertRaises(AccessError):
                        self.user(login)(model, method, *args)

    def test_import(self):
        self.refuse(
            MODEL, 'import_data', ['id', 'discharge_note'],
            [[str(self.closed), "lain"]])
        self.refuse(
            MODEL, 'import_data',
            ['id', 'vital_signs/heart_rate', 'vital_signs/measured_at'],
            [[str(self.closed), '80', '2026-01-01 00:00:00']])
        for model, name, value in [
                (VITAL_SIGNS, 'heart_rate', '80'), (DIAGNOSIS, 'note', "x"),
                (EXAMINATION, 'note', "x"), (PROCEDURE, 'note', "x"),
                (ITEM, 'instructions', "x"), (TOOTH, 'note', "x"),
                (MOUTH, 'note', "x"), (CHECKUP, 'advice', "x"),
                (OBSTETRIC, 'note', "x"), (ORDER, 'reason', "x"),
                (COMPONENT, 'override_reason', "x")]:
            child, = self.children(self.closed, model)
            self.refuse(
                model, 'import_data', ['id', name], [[str(child), value]])

    def test_buttons(self):
        for button in ['arrive', 'start', 'finish', 'cancel']:
            for login in LOGINS:
                with self.subTest(button=button, login=login):
                    with self.assertRaises((AccessButtonError, AccessError)):
                        self.user(login)(MODEL, button, [self.closed])
                    with self.assertRaises((AccessButtonError, AccessError)):
                        self.user(login)(
                            MODEL, button, [self.open, self.closed])

    def test_other_branch(self):
        for role in ROLES:
            with self.subTest(role=role):
                with self.assertRaises(AccessError):
                    self.user(f'{role}-desa')(
                        MODEL, 'write', [self.closed],
                        {'discharge_note': "lain"})

    def test_entries_are_shown_readonly(self):
        for model in CHILDREN:
            for visit, readonly in [(self.closed, True), (self.open, False)]:
                child, = self.children(visit, model)
                with self.database() as pool:
                    Model = pool.get(model)
                    record = Model(child)
                    self.assertEqual(record.encounter_open, not readonly)
                view = self.user('doctor')(model, 'fields_get', [{
                            VITAL_SIGNS: 'heart_rate',
                            ITEM: 'dose',
                            CHECKUP: 'advice',
                            ORDER: 'reason',
                            COMPONENT: 'amount',
                            }.get(model, 'note')])
                for definition in view.values():
                    states = PYSONDecoder({
                            'encounter_open': not readonly, 'id': child,
                            }).decode(definition['states'])
                    self.assertEqual(bool(states['readonly']), readonly)


class FinishedSealTestCase(SealMixin, RemoteTestCase):
    "A finished visit"
    closed_state = 'finished'


class CancelledSealTestCase(SealMixin, RemoteTestCase):
    "A cancelled visit"
    closed_state = 'cancelled'
