# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from itertools import pairwise

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle, RuleBasedStateMachine, invariant, precondition, rule,
    run_state_machine_as_test)
from trytond import backend
from trytond.exceptions import UserError

from trytond.modules.clinic_rme.encounter import CLOSED, PASSED, TIMES

from .test_encounter import ALLOWED, BUTTONS, MODEL
from .tools import PARTS, VISIT_MODELS, RemoteTestCase, ago

# Each step is a transaction of its own: slower where it reaches a server
settings.register_profile(
    'clinic', max_examples=50 if backend.name == 'sqlite' else 15,
    stateful_step_count=20, deadline=None, derandomize=True, database=None,
    print_blob=False,
    suppress_health_check=list(HealthCheck))
VITAL_SIGNS, DIAGNOSIS, *_ = VISIT_MODELS[2:]
NEXT = {
    'planned': {'arrived', 'cancelled'},
    'arrived': {'in_progress', 'cancelled'},
    'in_progress': {'finished', 'cancelled'},
    }
REFUSED = object()
hours = st.integers(-2, 30)
buttons = st.sampled_from(BUTTONS)
paths = st.sampled_from([
        [], [], ['arrive'], ['arrive', 'start'],
        ['arrive', 'start', 'finish'], ['arrive', 'cancel']])


class EncounterMachine(RuleBasedStateMachine):
    """Users of the built-in groups do with visits what comes to their mind.

    What the server refuses is rolled back; what it does is checked after
    every step.
    """
    case = None
    visits = Bundle('visits')

    def __init__(self):
        super().__init__()
        self.known = {}
        self.sealed = {}
        self.created = set()
        self.gone = set()

    def call(self, model, method, *args):
        "Return the answer, REFUSED if there is none"
        try:
            return self.case.root(model, method, *args)
        except UserError:
            return REFUSED

    @precondition(lambda self: len(self.known) < 3)
    @rule(target=visits, complete=st.booleans(), path=paths)
    def create(self, complete, path):
        values = self.case.visit_values()
        if not complete:
            values.update(room=None, **dict.fromkeys(PARTS.values()))
        visit, = self.case.root(MODEL, 'create', [values])
        self.created.add(visit)
        for button in path:
            self.call(MODEL, button, [visit])
        return visit

    @rule(visit=visits, button=buttons)
    def press(self, visit, button):
        if visit in self.gone:
            return
        _, state = self.known[visit]
        reached = ALLOWED.get((state, button))
        if button == 'finish' and state in {'planned', 'arrived'}:
            times = self.case.root.read(MODEL, visit, *TIMES[:2])
            reached = 'finished' if all(times.values()) else None
        pressed = self.call(MODEL, button, [visit]) is not REFUSED
        if not reached:
            assert not pressed
        elif pressed:
            assert self.case.state(visit) == reached

    @rule(visit=visits, other=visits, button=buttons)
    def press_for_two(self, visit, other, button):
        if visit != other:
            self.call(MODEL, button, [visit, other])

    @rule(visit=visits, times=st.dictionaries(
            st.sampled_from(TIMES), st.none() | hours, min_size=1))
    def edit_times(self, visit, times):
        self.call(MODEL, 'write', [visit], {
                n: None if h is None else ago(hours=h)
                for n, h in times.items()})

    @rule(visit=visits, pulse=st.sampled_from([80, 80, 19, None]))
    def add_vital_signs(self, visit, pulse):
        self.call(VITAL_SIGNS, 'create', [
                {'encounter': visit, 'heart_rate': pulse}])

    @rule(visit=visits, index=st.integers(0, 2),
        rank=st.sampled_from([None, None, 1, 2]))
    def add_diagnosis(self, visit, index, rank):
        self.call(MODEL, 'write', [visit], {
                'diagnoses': [('create', [{
                                'code': self.case.clinic['codes'][index],
                                'rank': rank}])]})

    @rule(visit=visits, model=st.sampled_from([VITAL_SIGNS, DIAGNOSIS]))
    def remove_entries(self, visit, model):
        ids = self.case.root.search(model, [('encounter', '=', visit)])
        self.call(model, 'delete', ids)

    @rule(visit=visits, other=visits)
    def move_entries(self, visit, other):
        ids = self.case.root.search(VITAL_SIGNS, [('encounter', '=', visit)])
        self.call(MODEL, 'write', [other], {'vital_signs': [('add', ids)]})

    @rule(visit=visits, name=st.sampled_from(['number', 'uid', 'state']))
    def forge(self, visit, name):
        self.call(MODEL, 'write', [visit], {name: 'finished'})

    @rule(visit=visits)
    def delete(self, visit):
        if visit in self.gone:
            return
        state = self.known[visit][1]
        if self.call(MODEL, 'delete', [visit]) is not REFUSED:
            assert state == 'planned'
            del self.known[visit]
            self.gone.add(visit)

    @invariant()
    def check(self):
        content = self.case.content(*VISIT_MODELS, visits=self.created)
        visits = content[MODEL]
        rows = content['clinic.encounter.status']
        for visit, values in visits.items():
            self.check_identity(visit, values)
            self.check_rows(values, [
                    r for r in rows.values()
                    if r['encounter'] == f'{MODEL},{visit}'])
            self.check_times(values)
            self.check_diagnoses([
                    d for d in content[DIAGNOSIS].values()
                    if d['encounter'] == f'{MODEL},{visit}'])
            self.check_seal(visit, values, content)
        assert visits.keys() == self.created - self.gone

    def check_identity(self, visit, values):
        identity = values['number'], values['uid'], values['company']
        former, state = self.known.setdefault(
            visit, (identity, values['state']))
        assert identity == former
        assert values['state'] in {
            state, *reachable(state)}, (state, values['state'])
        self.known[visit] = identity, values['state']

    def check_rows(self, values, rows):
        order = [*PASSED, 'cancelled']
        rows.sort(key=lambda r: order.index(r['status']))
        state = values['state']
        statuses = [r['status'] for r in rows]
        if state == 'planned':
            assert not rows
            return
        assert statuses[-1] == state
        if state == 'cancelled':
            assert statuses[:-1] == order[:len(statuses) - 1]
        else:
            assert statuses == order[:order.index(state) + 1]
        ends = self.ends(rows)
        for before, after in pairwise(rows):
            assert ends[before['id']] == after['start']
        for row in rows:
            if row['status'] in PASSED:
                assert row['start'] == values[PASSED[row['status']]]
            else:
                assert row['start'] == values['cancelled_at']
            assert ends[row['id']] is None or row['start'] <= ends[row['id']]
        last = rows[-1]
        assert ends[last['id']] == (
            last['start'] if state in CLOSED else None)

    def ends(self, rows):
        with self.case.database() as pool:
            Status = pool.get('clinic.encounter.status')
            return {
                str(r.id): r.end and str(r.end)
                for r in Status.browse([int(r['id']) for r in rows])}

    def check_times(self, values):
        times = [values[n] for n in TIMES if values[n]]
        assert times == sorted(times)
        assert all(time <= str(ago()) for time in times)

    def check_diagnoses(self, diagnoses):
        assert [d['rank'] for d in diagnoses].count('1') <= 1
        assert len({d['code'] for d in diagnoses}) == len(diagnoses)

    def check_seal(self, visit, values, content):
        if values['state'] not in CLOSED:
            return
        record = f'{MODEL},{visit}'
        whole = [values] + [
            [r for r in content[m].values() if r['encounter'] == record]
            for m in VISIT_MODELS[1:]]
        assert self.sealed.setdefault(visit, whole) == whole
        if values['state'] == 'finished':
            assert '1' in {
                d['rank'] for d in content[DIAGNOSIS].values()
                if d['encounter'] == record}
            for name in ['room', 'practitioner', *TIMES]:
                assert values[name], name


def reachable(state):
    "The states that buttons lead to from the state, in any number of steps"
    found = set()
    for following in NEXT.get(state, ()):
        found |= {following, *reachable(following)}
    return found


class EncounterMachineTestCase(RemoteTestCase):
    "The visit under whatever users do in whatever order"

    def test_machine(self):
        case = self

        class Machine(EncounterMachine):
            def __init__(self):
                super().__init__()
                self.case = case

        run_state_machine_as_test(
            Machine, settings=settings.get_profile('clinic'))
