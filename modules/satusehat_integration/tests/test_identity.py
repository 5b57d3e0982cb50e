# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.


from trytond.model.exceptions import SQLConstraintError
from trytond.modules.satusehat_integration.exceptions import (
    ResourceIdConflict)

from .tools import SatusehatTestCase, counted_statements

SHOWN = {
    'party.party': 'ihs_number',
    'clinic.patient': 'ihs_number',
    'company.employee': 'ihs_number',
    'clinic.unit': 'ihs_number',
    'clinic.room': 'ihs_number',
    'clinic.encounter': 'satusehat_id',
    }


class ResourceTestCase(SatusehatTestCase):
    "Test that an id of the platform is never overwritten"

    def row(self, **values):
        return {
            'environment': 'staging',
            'resource_type': 'Patient',
            'resource_id': 'P01',
            'record': f"party.party,{self.clinic['people'][0]}",
            **values}

    def found(self, **values):
        row = self.row(**values)
        with self.database() as pool:
            return [
                r.resource_id for r in pool.get('satusehat.resource').search([
                        (name, '=', row[name])
                        for name in ['environment', 'resource_type', 'record']
                        ])]

    def adopt_rows(self, *rows):
        with self.changes() as pool:
            pool.get('satusehat.resource').adopt(list(rows))

    def tearDown(self):
        with self.changes() as pool:
            Resource = pool.get('satusehat.resource')
            Resource.delete(Resource.search([]))
        super().tearDown()

    def test_new_id_is_stored(self):
        self.adopt_rows(self.row())
        self.assertEqual(self.found(), ['P01'])

    def test_same_id_is_stored_once(self):
        self.adopt_rows(self.row())
        self.adopt_rows(self.row(), self.row(resource_type='Practitioner'))
        self.assertEqual(self.found(), ['P01'])
        self.assertEqual(self.found(resource_type='Practitioner'), ['P01'])

    def test_other_id_is_refused(self):
        self.adopt_rows(self.row())
        for rows in [
                [self.row(resource_id='P02')],
                [self.row(resource_type='Practitioner', resource_id='N01'),
                    self.row(resource_id='P02')],
                ]:
            with self.subTest(rows=rows):
                with self.assertRaises(ResourceIdConflict):
                    self.adopt_rows(*rows)
                self.assertEqual(self.found(), ['P01'])
                self.assertEqual(
                    self.found(resource_type='Practitioner'), [])

    def test_no_key_is_the_empty_key(self):
        self.adopt_rows(self.row())
        for key in ['', None]:
            with self.subTest(key=key):
                self.adopt_rows(self.row(key=key))
                with self.assertRaises(ResourceIdConflict):
                    self.adopt_rows(self.row(key=key, resource_id='P02'))
        self.assertEqual(self.found(), ['P01'])

    def test_keys_tell_resources_of_a_record_apart(self):
        self.adopt_rows(
            self.row(key='systolic', resource_id='A'),
            self.row(key='diastolic', resource_id='B'))
        self.assertEqual(sorted(self.found()), ['A', 'B'])
        with self.assertRaises(ResourceIdConflict):
            self.adopt_rows(self.row(key='systolic', resource_id='B'))

    def test_environments_do_not_mix(self):
        self.adopt_rows(self.row())
        self.adopt_rows(self.row(environment='production', resource_id='P9'))
        self.assertEqual(self.found(), ['P01'])
        self.assertEqual(self.found(environment='production'), ['P9'])

    def test_database_refuses_a_second_id(self):
        self.adopt_rows(self.row())
        with self.changes() as pool:
            with self.assertRaises(SQLConstraintError):
                pool.get('satusehat.resource').create(
                    [self.row(resource_id='P02', key=None)])


class ShownIdTestCase(SatusehatTestCase):
    "Test the ids that people see, and the search for them"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        self = cls()
        cls.visits = {
            b: self.create_visit('arrived', b) for b in ['kota', 'desa']}
        people = self.clinic['people']
        with self.database() as pool:
            Employee = pool.get('company.employee')
            cls.doctor = Employee(self.clinic['kota']['doctor']).party.id
        for environment, mark in [('staging', 'S'), ('production', 'P')]:
            for resource_type, record, company in [
                    ('Patient', f'party.party,{people[0]}', None),
                    ('Practitioner', f'party.party,{cls.doctor}', None),
                    ('Patient', f'party.party,{cls.doctor}', None),
                    ('Organization',
                        f"clinic.unit,{self.clinic['kota']['unit']}", 'kota'),
                    ('Location',
                        f"clinic.room,{self.clinic['kota']['room']}", 'kota'),
                    ('Encounter',
                        f"clinic.encounter,{cls.visits['kota']}", 'kota'),
                    ]:
                self.adopt(
                    resource_type, record,
                    f'{mark}-{resource_type}-{record.split(",")[1]}',
                    environment=environment,
                    company=self.company(company) if company else None)
            # Of the same record, but not what the visit shows
            self.adopt(
                'Encounter', f"clinic.encounter,{cls.visits['kota']}",
                f'{mark}-other', environment=environment, key='other',
                company=self.company())

    def setUp(self):
        super().setUp()
        self.activate(kota='staging', desa='staging')

    def activate(self, **environments):
        with self.changes() as pool:
            Company = pool.get('company.company')
            for branch, environment in environments.items():
                Company.write([Company(self.company(branch))], {
                        'satusehat_environment': environment})

    def records(self):
        "Return the record of each model that has an id, and the id's end"
        clinic = self.clinic
        return {
            'party.party': (
                clinic['people'][0], f"Patient-{clinic['people'][0]}"),
            'clinic.patient': (
                clinic['patients'][0], f"Patient-{clinic['people'][0]}"),
            'company.employee': (
                clinic['kota']['doctor'], f'Practitioner-{self.doctor}'),
            'clinic.unit': (
                clinic['kota']['unit'],
                f"Organization-{clinic['kota']['unit']}"),
            'clinic.room': (
                clinic['kota']['room'], f"Location-{clinic['kota']['room']}"),
            'clinic.encounter': (
                self.visits['kota'], f"Encounter-{self.visits['kota']}"),
            }

    def values(self, branch=None):
        "Return what the records show on the screens of the branch"
        with self.shown(branch) as pool:
            return {
                model: getattr(pool.get(model)(id_), SHOWN[model])
                for model, (id_, _) in self.records().items()}

    def expected(self, mark):
        return {
            model: f'{mark}-{end}' if mark else None
            for model, (_, end) in self.records().items()}

    def search(self, model, operator, value, branch='kota'):
        with self.shown(branch) as pool:
            return {r.id for r in pool.get(model).search(
                    [(SHOWN[model], operator, value)])}

    def all(self, model):
        with self.shown('kota') as pool:
            return {r.id for r in pool.get(model).search([])}

    def test_environment_of_the_branch(self):
        self.activate(kota='staging', desa='production')
        self.assertEqual(self.values('kota'), self.expected('S'))
        self.assertEqual(self.values('desa'), self.expected('P'))

    def test_switching_the_environment(self):
        self.activate(kota='production')
        self.assertEqual(self.values('kota'), self.expected('P'))
        self.activate(kota='local')
        self.assertEqual(self.values('kota'), self.expected(None))
        self.activate(kota=None)
        self.assertEqual(self.values('kota'), self.expected(None))
        self.activate(kota='staging')
        self.assertEqual(self.values('kota'), self.expected('S'))

    def test_without_branch_the_shared_environment(self):
        self.assertEqual(self.values(), self.expected('S'))
        self.activate(desa='production')
        self.assertEqual(self.values(), self.expected(None))
        self.activate(desa=None)
        self.assertEqual(self.values(), self.expected(None))

    def test_a_doctor_is_a_patient_by_another_number(self):
        with self.shown('kota') as pool:
            Party = pool.get('party.party')
            self.assertEqual(
                Party(self.doctor).ihs_number, f'S-Patient-{self.doctor}')

    def test_records_without_id(self):
        with self.shown('kota') as pool:
            for model, id_ in [
                    ('party.party', self.clinic['people'][1]),
                    ('clinic.patient', self.clinic['patients'][1]),
                    ('company.employee', self.clinic['kota']['nurse']),
                    ('clinic.unit', self.clinic['desa']['unit']),
                    ('clinic.room', self.clinic['desa']['room']),
                    ('clinic.encounter', self.visits['desa']),
                    ]:
                with self.subTest(model=model):
                    self.assertIsNone(
                        getattr(pool.get(model)(id_), SHOWN[model]))

    def test_search(self):
        for model, (id_, end) in self.records().items():
            value = f'S-{end}'
            every = self.all(model)
            with_id = self.search(model, '!=', None)
            self.assertIn(id_, with_id)
            for operator, operand, expected in [
                    ('=', value, {id_}),
                    ('=', f'P-{end}', set()),
                    ('=', 'S-other', set()),
                    ('!=', value, every - {id_}),
                    ('in', [value, 'x'], {id_}),
                    ('in', ['x'], set()),
                    ('in', [], set()),
                    ('not in', [value, 'x'], every - {id_}),
                    ('not in', [], every),
                    ('like', f'S-{end[:4]}%', with_id),
                    ('ilike', f's-{end[:4].lower()}%', with_id),
                    ('like', 'x%', set()),
                    ('not like', 'x%', every),
                    ('not ilike', value, every - {id_}),
                    ('=', None, every - with_id),
                    ]:
                with self.subTest(
                        model=model, operator=operator, operand=operand):
                    self.assertEqual(
                        self.search(model, operator, operand), expected)

    def test_search_in_the_environment_of_the_branch(self):
        self.activate(desa='production')
        id_, end = self.records()['party.party']
        self.assertEqual(
            self.search('party.party', '=', f'P-{end}', 'desa'), {id_})
        self.assertEqual(
            self.search('party.party', '=', f'S-{end}', 'desa'), set())

    def test_read_by_people_without_access_to_the_ids(self):
        for role in ['registration', 'doctor', 'nurse']:
            user = self.user(role)
            for model, (id_, end) in self.records().items():
                with self.subTest(role=role, model=model):
                    name = SHOWN[model]
                    self.assertEqual(
                        user.read(model, id_, name)[name], f'S-{end}')
                    self.assertEqual(
                        user.search(model, [(name, '=', f'S-{end}')]), [id_])

    def test_ids_are_not_written(self):
        for model in self.records():
            with self.subTest(model=model):
                field = self.config.pool.get(model)._fields[SHOWN[model]]
                self.assertTrue(field.readonly)
                self.assertIsNone(field.setter)
        self.assertEqual(self.values('kota'), self.expected('S'))


class ShownStateTestCase(SatusehatTestCase):
    "Test what a visit shows of its submission"

    def visit(self, **values):
        submission = self.submission(**values)
        with self.database() as pool:
            return pool.get('satusehat.submission')(submission).encounter.id

    def shown_of(self, visit):
        with self.shown('kota', language='en') as pool:
            encounter = pool.get('clinic.encounter')(visit)
            return encounter.satusehat_state, encounter.satusehat_note

    def search(self, operator, value):
        with self.shown('kota') as pool:
            return {r.id for r in pool.get('clinic.encounter').search(
                    [('satusehat_state', operator, value)])}

    def test_visit_that_is_not_finished(self):
        visit = self.create_visit('in_progress')
        self.assertEqual(self.shown_of(visit), (None, None))

    def test_finished_visit(self):
        self.assertEqual(self.shown_of(self.visit()), ('pending', None))

    def test_note(self):
        visit = self.visit(
            state='needs_data', reason='refused', detail="RuleNumber 10122")
        state, note = self.shown_of(visit)
        self.assertEqual(state, 'needs_data')
        self.assertIn("refuses the content", note)
        self.assertIn("RuleNumber 10122", note)

    def test_sent(self):
        visit = self.visit(state='sent', reason=None)
        self.assertEqual(self.shown_of(visit), ('sent', None))

    def test_note_without_environment(self):
        visit = self.visit(environment=None)
        state, note = self.shown_of(visit)
        self.assertEqual(state, 'pending')
        self.assertIn("no active SATUSEHAT environment", note)

    def test_last_version_counts(self):
        visit = self.visit(state='sent')
        with self.changes() as pool:
            Submission = pool.get('satusehat.submission')
            first, = Submission.search([('encounter', '=', visit)])
            Submission.create([{
                        'encounter': visit, 'version': 2,
                        'company': first.company.id,
                        'environment': 'staging', 'state': 'waiting',
                        'reason': 'server_error'}])
        self.assertEqual(self.shown_of(visit)[0], 'waiting')

    def test_search(self):
        planned = self.create_visit('planned')
        pending = self.visit()
        sent = self.visit(state='sent')
        parked = self.visit(state='needs_admin', reason='twin')
        mine = {planned, pending, sent, parked}
        for operator, value, expected in [
                ('=', 'sent', {sent}),
                ('in', ['sent', 'needs_admin'], {sent, parked}),
                ('=', None, {planned}),
                ('!=', None, {pending, sent, parked}),
                ]:
            with self.subTest(operator=operator, value=value):
                self.assertEqual(
                    self.search(operator, value) & mine, expected)

    def test_search_for_other_states(self):
        "As with a column: what has no state is not of another state"
        planned = self.create_visit('planned')
        sent = self.visit(state='sent')
        pending = self.visit()
        mine = {planned, sent, pending}
        for operator, value in [('!=', 'sent'), ('not in', ['sent'])]:
            with self.subTest(operator=operator):
                self.assertEqual(
                    self.search(operator, value) & mine, {pending})

    def test_search_by_last_version(self):
        visit = self.visit(state='sent')
        with self.changes() as pool:
            Submission = pool.get('satusehat.submission')
            first, = Submission.search([('encounter', '=', visit)])
            Submission.create([{
                        'encounter': visit, 'version': 2,
                        'company': first.company.id,
                        'environment': 'staging', 'state': 'waiting'}])
        self.assertNotIn(visit, self.search('=', 'sent'))
        self.assertIn(visit, self.search('=', 'waiting'))


class ListTestCase(SatusehatTestCase):
    "Test that a list asks the database no more for more rows"

    SIZE = 100

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        self = cls()
        template = self.submission(state='needs_data', reason='twin')
        with self.changes() as pool:
            Encounter = pool.get('clinic.encounter')
            Submission = pool.get('satusehat.submission')
            Resource = pool.get('satusehat.resource')
            first = Submission(template)
            copies = Encounter.copy([first.encounter] * cls.SIZE)
            Submission.create([{
                        'encounter': e.id, 'version': 1,
                        'company': e.company.id, 'environment': 'staging',
                        'state': 'needs_data', 'reason': 'twin',
                        } for e in copies])
            Resource.adopt([{
                        'environment': 'staging',
                        'resource_type': 'Encounter',
                        'resource_id': f'enc-{e.id}',
                        'record': str(e),
                        'company': e.company.id,
                        } for e in copies])
            cls.visits = [e.id for e in copies]

    def statements(self, model, ids, names):
        "Return how many statements reading the rows as a client takes"
        with self.shown('kota') as pool:
            Model = pool.get(model)
            Model.read(ids[:1], names)
            with counted_statements() as statements:
                rows = Model.read(ids, names)
        self.assertEqual(len(rows), len(ids))
        return len(statements)

    def compare(self, model, ids, names):
        few = self.statements(model, ids[:5], names)
        many = self.statements(model, ids, names)
        self.assertGreater(few, 0)
        self.assertEqual(many, few)

    def test_visits(self):
        for names in [
                ['satusehat_id'], ['satusehat_state'], ['satusehat_note'],
                ['satusehat_id', 'satusehat_state', 'satusehat_note']]:
            with self.subTest(names=names):
                self.compare('clinic.encounter', self.visits, names)

    def test_visits_of_a_hundred_are_few_statements(self):
        self.assertLess(
            self.statements('clinic.encounter', self.visits, [
                    'satusehat_id', 'satusehat_state', 'satusehat_note']),
            25)

    def test_submissions(self):
        with self.database() as pool:
            ids = [s.id for s in pool.get('satusehat.submission').search([
                        ('encounter', 'in', self.visits)])]
        self.compare('satusehat.submission', ids, [
                'rec_name', 'encounter.rec_name', 'state', 'last_error'])

    def test_people(self):
        with self.changes() as pool:
            Party = pool.get('party.party')
            Patient = pool.get('clinic.patient')
            parties = Party.create([
                    {'name': f"Orang {i}"} for i in range(self.SIZE)])
            patients = Patient.create([{'party': p.id} for p in parties])
            parties, patients = list(map(int, parties)), list(
                map(int, patients))
        self.compare('party.party', parties, ['ihs_number'])
        self.compare('clinic.patient', patients, ['ihs_number'])
