# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import datetime as dt
from itertools import pairwise

from trytond.model.exceptions import (
    AccessButtonError, AccessError, DomainValidationError,
    RequiredValidationError)
from trytond.tests.test_tryton import DB_NAME
from trytond.transaction import Transaction

from trytond.modules.clinic_rme.encounter import FIXED, GIVEN, STATES, TIMES
from trytond.modules.clinic_rme.exceptions import (
    EncounterAccessError, EncounterIncompleteError, EncounterTimeError)

from .tools import PARTS, VISIT_MODELS, RemoteTestCase, ago

BUTTONS = ('arrive', 'start', 'finish', 'cancel')
ALLOWED = {
    ('planned', 'arrive'): 'arrived',
    ('arrived', 'start'): 'in_progress',
    ('in_progress', 'finish'): 'finished',
    ('planned', 'cancel'): 'cancelled',
    ('arrived', 'cancel'): 'cancelled',
    ('in_progress', 'cancel'): 'cancelled',
    }
MODEL = 'clinic.encounter'


class EncounterTestCase(RemoteTestCase):
    "A visit as the desk and the doctor handle it"

    def setUp(self):
        super().setUp()
        self.doctor = self.user('doctor')
        self.clerk = self.user('registration')
        self.present = ago()

    def ago(self, **kwargs):
        "The time before the begin of the test: the same in each call"
        return self.present - dt.timedelta(**kwargs)

    def create_state(self, state, **values):
        "Create a visit in the state, also in one that no button leads to"
        if state != 'entered_in_error':
            return self.create_visit(state, **values)
        visit = self.create_visit('finished', **values)
        self.change(visit, state=state)
        return visit

    def change(self, visit, **values):
        "Write as the server itself does"
        with Transaction().start(DB_NAME, 0) as transaction:
            Encounter = self.config.pool.get(MODEL)
            Encounter.write([Encounter(visit)], values)
            transaction.commit()

    def write(self, visit, **values):
        self.doctor(MODEL, 'write', [visit], values)

    def read(self, visit, *names):
        return self.root.read(MODEL, visit, *names)

    def rows(self, visit):
        "The status rows: status, start and end"
        with self.database() as pool:
            Encounter = pool.get(MODEL)
            return [
                (r.status, r.start, r.end)
                for r in Encounter(visit).status_history]

    def times(self, visit):
        values = self.read(visit, *TIMES)
        return [values[name] for name in TIMES]


class TransitionTestCase(EncounterTestCase):
    "The state machine"

    def test_every_button_in_every_state(self):
        for state in dict(STATES):
            for button in BUTTONS:
                with self.subTest(state=state, button=button):
                    visit = self.create_state(state)
                    rows = self.rows(visit)
                    if result := ALLOWED.get((state, button)):
                        self.doctor(MODEL, button, [visit])
                        self.assertEqual(self.state(visit), result)
                        self.assertEqual(self.rows(visit)[-1][0], result)
                    else:
                        with self.assertRaises(AccessButtonError):
                            self.doctor(MODEL, button, [visit])
                        self.assertEqual(self.state(visit), state)
                        self.assertEqual(self.rows(visit), rows)

    def test_refused_for_one_refused_for_all(self):
        planned, finished = (
            self.create_visit(), self.create_visit('finished'))
        with self.assertRaises(AccessButtonError):
            self.doctor(MODEL, 'arrive', [planned, finished])
        self.assertEqual(self.state(planned), 'planned')

    def test_refused_without_access_check_too(self):
        "What a button of other code calls keeps to the state machine"
        for state in dict(STATES):
            visit = self.create_state(state)
            for button in BUTTONS:
                if (state, button) in ALLOWED:
                    continue
                with self.subTest(state=state, button=button):
                    with Transaction().start(DB_NAME, 0):
                        Encounter = self.config.pool.get(MODEL)
                        getattr(Encounter, button)([Encounter(visit)])
                        self.assertEqual(Encounter(visit).state, state)

    def test_state_is_not_written(self):
        for state in dict(STATES):
            visit = self.create_visit()
            for login in ['registration', 'doctor', 'admin', 'admin!']:
                with self.subTest(state=state, login=login):
                    with self.assertRaisesRegex(
                            EncounterAccessError, "use the buttons"):
                        self.user(login)(
                            MODEL, 'write', [visit], {'state': state})
            self.assertEqual(self.state(visit), 'planned')

    def test_created_as_planned(self):
        times = dict.fromkeys(TIMES, self.ago())
        before = self.content(*VISIT_MODELS)
        for state in dict(STATES):
            if state == 'planned':
                continue
            for user in [self.doctor, self.root]:
                with self.subTest(state=state, user=user.login):
                    with self.assertRaisesRegex(
                            EncounterAccessError, "created as planned"):
                        user.create(MODEL, **self.visit_values(
                                state=state, **times,
                                **dict.fromkeys(PARTS.values())))
        self.assertEqual(self.content(*VISIT_MODELS), before)

    def test_what_the_server_gives_can_not_be_chosen(self):
        employee = self.clinic['kota']['cashier']
        visit = self.clerk.create(
            MODEL, company=self.clinic['kota']['company'],
            patient=self.patient, number='MINE', registered_by=employee,
            started_by=employee, finished_by=employee,
            cancelled_at=dt.datetime(2090, 1, 1), uid='MINE')
        values = self.read(visit, *GIVEN, 'uid')
        self.assertRegex(values['number'], r'\ARJ-\d{6}\Z')
        self.assertNotEqual(values['uid'], 'MINE')
        for name in GIVEN - {'number'}:
            self.assertIsNone(values[name], name)
        with self.assertRaises(AccessError):
            self.clerk.create(
                MODEL, company=self.clinic['kota']['company'],
                patient=self.patient, status_history=[('create', [
                            {'status': 'finished', 'start': self.ago()}])])

    def test_fixed_fields(self):
        visit = self.create_visit('in_progress')
        before = self.content(*VISIT_MODELS)
        employee = self.clinic['kota']['cashier']
        for name in FIXED:
            value = {
                'company': self.clinic['desa']['company'],
                'state': 'planned',
                'number': 'MINE',
                'cancelled_at': self.ago(),
                'status_history': [
                    ('delete', self.read(
                            visit, 'status_history')['status_history'])],
                }.get(name, employee)
            for user in [self.doctor, self.root]:
                with self.subTest(name=name, user=user.login):
                    with self.assertRaisesRegex(
                            EncounterAccessError, "can not be changed"):
                        user(MODEL, 'write', [visit], {name: value})
        self.assertEqual(self.content(*VISIT_MODELS), before)

    def test_status_rows_are_derived(self):
        visit = self.create_visit('in_progress')
        row = self.read(visit, 'status_history')['status_history'][0]
        before = self.rows(visit)
        for method, arguments in [
                ('create', [[{
                                'encounter': visit, 'status': 'finished',
                                'start': self.ago()}]]),
                ('write', [[row], {'start': self.ago(days=1)}]),
                ('delete', [[row]]),
                ('copy', [[row]]),
                ]:
            for user in [self.doctor, self.root]:
                with self.subTest(method=method, user=user.login):
                    with self.assertRaises(AccessError):
                        user('clinic.encounter.status', method, *arguments)
        self.assertEqual(self.rows(visit), before)

    def test_who_pressed_the_button(self):
        visit = self.create_visit()
        for login, button, name in [
                ('registration', 'arrive', 'registered_by'),
                ('nurse', 'start', 'started_by'),
                ('doctor', 'finish', 'finished_by')]:
            self.user(login)(MODEL, button, [visit])
            self.assertEqual(
                self.read(visit, name)[name], self.clinic['kota'][login])

    def test_delete(self):
        empty = dict.fromkeys(PARTS.values())
        visit = self.create_visit(**empty)
        self.clerk(MODEL, 'delete', [visit])
        self.assertEqual(self.root.search(MODEL, [('id', '=', visit)]), [])
        before = self.content(*VISIT_MODELS)
        visits = [
            self.create_state(state, **(
                    empty if state not in {'finished', 'entered_in_error'}
                    else {}))
            for state in dict(STATES) if state != 'planned']
        visits.append(self.create_visit(diagnoses=None))
        visits.append(self.create_visit(vital_signs=None))
        before = self.content(*VISIT_MODELS)
        for visit in visits:
            for user in [self.clerk, self.root]:
                with self.subTest(state=self.state(visit), user=user.login):
                    with self.assertRaisesRegex(
                            EncounterAccessError, "can not be deleted"):
                        user(MODEL, 'delete', [visit])
        self.assertEqual(self.content(*VISIT_MODELS), before)

    def test_copy(self):
        visit = self.create_visit(
            'finished', chief_complaint="Demam", discharge_note="Kontrol",
            discharge_disposition='other-hcf')
        copy, = self.doctor(MODEL, 'copy', [visit])
        old, new = (
            self.content(MODEL)[MODEL][i] for i in [visit, copy])
        self.assertEqual(new['state'], 'planned')
        self.assertEqual(new['discharge_disposition'], 'home')
        self.assertEqual(new['patient'], old['patient'])
        for name in [*TIMES, *GIVEN - {'number'}, 'chief_complaint',
                'chief_complaint_code', 'discharge_note']:
            self.assertFalse(new[name], name)
        for name in ['vital_signs', 'diagnoses', 'status_history']:
            self.assertEqual(new[name], [], name)
        for name in ['number', 'uid']:
            self.assertNotEqual(new[name], old[name], name)

    def test_numbers(self):
        with self.database() as pool:
            type_ = pool.get('ir.model.data').get_id(
                'clinic_rme', 'sequence_type_encounter')
        company = self.clinic['desa']['company']
        sequence = self.root.create(
            'ir.sequence', name='Desa', prefix='DESA-', padding=3,
            sequence_type=type_, company=company)
        self.root(
            'clinic.configuration', 'write', [1],
            {'encounter_sequence': sequence}, company=company)
        # The branch of the visit counts, not the one the user works in
        visits = self.root(MODEL, 'create', [
                {'company': self.clinic[b]['company'],
                    'patient': self.patient}
                for b in ['desa', 'kota', 'desa']])
        numbers = [self.read(v, 'number')['number'] for v in visits]
        self.assertEqual([numbers[0], numbers[2]], ['DESA-001', 'DESA-002'])
        self.assertRegex(numbers[1], r'\ARJ-')

    def test_places_of_another_branch(self):
        visit = self.create_visit()
        before = self.content(*VISIT_MODELS)
        for name, key in [
                ('practitioner', 'doctor'), ('unit', 'unit'),
                ('room', 'room')]:
            for user in [self.clerk, self.root]:
                with self.subTest(name=name, user=user.login):
                    with self.assertRaises(DomainValidationError):
                        user(MODEL, 'write', [visit], {
                                name: self.clinic['desa'][key]})
        self.assertEqual(self.content(*VISIT_MODELS), before)

    def test_practitioner_has_a_profession_that_examines(self):
        visit = self.create_visit()
        for role in ['cashier', 'registration', 'pharmacist', 'admin']:
            with self.subTest(role=role):
                with self.assertRaises(DomainValidationError):
                    self.write(
                        visit, practitioner=self.clinic['kota'][role])
        self.write(visit, practitioner=self.clinic['kota']['nurse'])


class TimeTestCase(EncounterTestCase):
    "Arrival, start and end of a visit"

    def test_button_fills_what_is_empty(self):
        visit = self.create_visit('finished')
        times = self.times(visit)
        self.assertEqual(sorted(times), times)
        for time in times:
            self.assertLessEqual(self.present, time)
            self.assertLessEqual(time, ago())
            self.assertEqual(time.microsecond, 0)

    def test_button_keeps_what_was_typed(self):
        typed = [self.ago(days=3, hours=h) for h in [3, 2, 1]]
        visit = self.create_visit(
            'finished', **dict(zip(TIMES, typed, strict=True)))
        self.assertEqual(self.times(visit), typed)
        arrived, started, finished = typed
        self.assertEqual(self.rows(visit), [
                ('arrived', arrived, started),
                ('in_progress', started, finished),
                ('finished', finished, finished),
                ])

    def test_rows_grow_with_the_state(self):
        arrived, started = self.ago(hours=3), self.ago(hours=2)
        visit = self.create_visit(
            arrived_at=arrived, started_at=started, finished_at=self.ago(hours=1))
        self.assertEqual(self.rows(visit), [])
        self.doctor(MODEL, 'arrive', [visit])
        self.assertEqual(self.rows(visit), [('arrived', arrived, None)])
        self.doctor(MODEL, 'start', [visit])
        self.assertEqual(self.rows(visit), [
                ('arrived', arrived, started),
                ('in_progress', started, None)])

    def test_changed_time_moves_the_neighbours(self):
        arrived, started, finished = (self.ago(hours=h) for h in [5, 4, 2])
        visit = self.create_visit(
            'in_progress', arrived_at=arrived, started_at=started)
        self.write(visit, started_at=self.ago(hours=3))
        self.assertEqual(self.rows(visit), [
                ('arrived', arrived, self.ago(hours=3)),
                ('in_progress', self.ago(hours=3), None)])
        self.write(visit, arrived_at=self.ago(hours=6), started_at=started,
            finished_at=finished)
        self.doctor(MODEL, 'finish', [visit])
        self.assertEqual(self.rows(visit), [
                ('arrived', self.ago(hours=6), started),
                ('in_progress', started, finished),
                ('finished', finished, finished)])

    def test_recorded_afterwards_and_finished_at_once(self):
        arrived, started, finished = (self.ago(hours=h) for h in [5, 4, 2])
        times = {'arrived_at': arrived, 'started_at': started}
        employee = self.clinic['kota']['doctor']
        for state in ['planned', 'arrived']:
            visit = self.create_visit(state, **times)
            before = self.doctor.read(MODEL, visit, 'registered_by')
            self.write(visit, finished_at=finished)
            self.doctor(MODEL, 'finish', [visit])
            with self.subTest(state=state):
                self.assertEqual(self.state(visit), 'finished')
                self.assertEqual(self.rows(visit), [
                        ('arrived', arrived, started),
                        ('in_progress', started, finished),
                        ('finished', finished, finished)])
                self.assertEqual(
                    self.doctor.read(
                        MODEL, visit, 'registered_by', 'started_by',
                        'finished_by'), {
                            'id': visit,
                            'registered_by':
                                before['registered_by'] or employee,
                            'started_by': employee,
                            'finished_by': employee,
                            })

    def test_not_finished_at_once_without_its_times(self):
        for state, times in [
                ('planned', {'arrived_at': self.ago(hours=5)}),
                ('planned', {'started_at': self.ago(hours=4)}),
                ('planned', {'finished_at': self.ago(hours=4)}),
                ('arrived', {'arrived_at': self.ago(hours=5)}),
                ]:
            visit = self.create_visit(state, **times)
            with self.subTest(state=state, times=times):
                with self.assertRaises(AccessButtonError):
                    self.doctor(MODEL, 'finish', [visit])
                with Transaction().start(DB_NAME, 0):
                    Encounter = self.config.pool.get(MODEL)
                    Encounter.finish([Encounter(visit)])
                    self.assertEqual(Encounter(visit).state, state)

    def test_incomplete_is_not_finished_at_once(self):
        visit = self.create_visit(
            arrived_at=self.ago(hours=5), started_at=self.ago(hours=4),
            diagnoses=None)
        with self.assertRaises(EncounterIncompleteError):
            self.doctor(MODEL, 'finish', [visit])
        self.assertEqual(self.state(visit), 'planned')
        self.assertEqual(self.rows(visit), [])

    def test_several_visits_in_one_write(self):
        times = {'arrived_at': self.ago(hours=5), 'started_at': self.ago(hours=4)}
        visits = [self.create_visit('in_progress', **times) for _ in '123']
        self.doctor(
            MODEL, 'write',
            visits[:2], {'started_at': self.ago(hours=3)},
            visits[2:], {'started_at': self.ago(hours=2)})
        for visit, hours in zip(visits, [3, 3, 2], strict=True):
            self.assertEqual(self.rows(visit), [
                    ('arrived', self.ago(hours=5), self.ago(hours=hours)),
                    ('in_progress', self.ago(hours=hours), None)])

    def test_equal_times(self):
        time = self.ago(hours=1)
        visit = self.create_visit(
            'finished', **dict.fromkeys(TIMES, time))
        self.assertEqual(self.rows(visit), [
                (s, time, time)
                for s in ['arrived', 'in_progress', 'finished']])

    def test_future(self):
        visit = self.create_visit('in_progress')
        before = self.content(*VISIT_MODELS)
        for name, label in [
                ('arrived_at', "Arrived at"), ('started_at', "Started at"),
                ('finished_at', "Finished at")]:
            with self.subTest(name=name):
                with self.assertRaisesRegex(
                        EncounterTimeError, f'"{label}".*in the future'):
                    self.write(visit, **{name: ago(minutes=-5)})
                with self.assertRaisesRegex(
                        EncounterTimeError, f'"{label}".*in the future'):
                    self.create_visit(**{name: ago(minutes=-5)})
        self.assertEqual(self.content(*VISIT_MODELS), before)

    def test_order(self):
        visit = self.create_visit(
            'in_progress', arrived_at=self.ago(hours=3), started_at=self.ago(hours=2))
        before = self.content(*VISIT_MODELS)
        for values, message in [
                ({'started_at': self.ago(hours=4)},
                    '"Started at" is before "Arrived at"'),
                ({'arrived_at': self.ago(hours=1)},
                    '"Started at" is before "Arrived at"'),
                ({'finished_at': self.ago(hours=2, seconds=1)},
                    '"Finished at" is before "Started at"'),
                ]:
            with self.subTest(message=message):
                with self.assertRaisesRegex(EncounterTimeError, message):
                    self.write(visit, **values)
        self.assertEqual(self.content(*VISIT_MODELS), before)

    def test_order_with_a_gap(self):
        "Without a start the end is still not before the arrival"
        with self.assertRaisesRegex(
                EncounterTimeError, '"Finished at" is before "Arrived at"'):
            self.create_visit(
                arrived_at=self.ago(hours=1), finished_at=self.ago(hours=2))

    def test_button_refuses_typed_end_before_its_start(self):
        visit = self.create_visit('arrived', arrived_at=self.ago(hours=2))
        self.write(visit, finished_at=self.ago(hours=1))
        with self.assertRaisesRegex(
                EncounterTimeError, '"Finished at" is before "Started at"'):
            self.doctor(MODEL, 'start', [visit])
        self.assertEqual(self.state(visit), 'arrived')

    def test_required_times(self):
        visit = self.create_visit('in_progress')
        for name in ['arrived_at', 'started_at']:
            with self.subTest(name=name):
                with self.assertRaises(RequiredValidationError):
                    self.write(visit, **{name: None})
        self.assertTrue(all(self.times(visit)[:2]))

    def test_whole_seconds(self):
        time = self.ago(hours=1).replace(microsecond=654321)
        visit = self.create_visit('arrived', arrived_at=time)
        self.write(visit, started_at=time.replace(microsecond=123456))
        self.doctor(MODEL, 'start', [visit])
        whole = time.replace(microsecond=0)
        self.assertEqual(self.times(visit)[:2], [whole, whole])
        self.assertEqual(self.rows(visit), [
                ('arrived', whole, whole), ('in_progress', whole, None)])

    def test_cancelled(self):
        arrived, started = self.ago(hours=3), self.ago(hours=2)
        times = {'arrived_at': arrived, 'started_at': started}
        for state, expected in [
                ('planned', []),
                ('arrived', ['arrived']),
                ('in_progress', ['arrived', 'in_progress'])]:
            with self.subTest(state=state):
                visit = self.create_visit(state, **times)
                self.doctor(MODEL, 'cancel', [visit])
                rows = self.rows(visit)
                self.assertEqual(
                    [r[0] for r in rows], [*expected, 'cancelled'])
                for (_, _, end), (_, start, _) in pairwise(rows):
                    self.assertEqual(end, start)
                self.assertEqual(rows[-1][1], rows[-1][2])
                self.assertEqual(
                    rows[-1][1],
                    self.read(visit, 'cancelled_at')['cancelled_at'])
                self.assertEqual(
                    [r[1] for r in rows[:-1]],
                    [arrived, started][:len(expected)])


class FinishTestCase(EncounterTestCase):
    "What the record allows before a visit's end"

    def test_one_incomplete_stops_all(self):
        complete = self.create_visit('in_progress')
        incomplete = self.create_visit('in_progress', room=None)
        with self.assertRaises(EncounterIncompleteError):
            self.doctor(MODEL, 'finish', [complete, incomplete])
        self.assertEqual(self.state(complete), 'in_progress')

    def test_entries_in_every_open_state(self):
        nurse = self.user('nurse')
        for state in ['planned', 'arrived', 'in_progress']:
            with self.subTest(state=state):
                visit = self.create_visit(
                    state, **dict.fromkeys(PARTS.values()))
                nurse.create(
                    'clinic.vital_signs', encounter=visit, heart_rate=80)
                self.doctor.create(
                    'clinic.diagnosis', encounter=visit,
                    code=self.clinic['codes'][0])
                nurse(MODEL, 'write', [visit], {'chief_complaint': "Demam"})
