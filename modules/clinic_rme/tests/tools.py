# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""A clinic of two branches, and calls to it as clients make them."""

import copy
import datetime as dt
import unittest
from contextlib import contextmanager
from decimal import Decimal

from proteus import Model
from proteus.config import TrytondConfig
from trytond.modules.company.tests import create_company
from trytond.modules.company.tests.tools import get_company
from trytond.modules.currency.tests import create_currency
from trytond.pool import Pool
from trytond.tests.test_tryton import DB_NAME, activate_module, drop_db
from trytond.transaction import Transaction

ROLES = (
    'registration', 'nurse', 'doctor', 'pharmacist', 'cashier', 'admin',
    'medical_records')
PROFESSIONS = {
    'registration': 'registration',
    'nurse': 'nurse',
    'doctor': 'general_practitioner',
    'pharmacist': 'pharmacist',
    'cashier': 'cashier',
    'admin': 'administrator',
    'medical_records': 'medical_records',
    }
GROUP_NAMES = {
    'registration': "Clinic Registration",
    'nurse': "Clinic Nurse",
    'doctor': "Clinic Doctor",
    'pharmacist': "Clinic Pharmacist",
    'cashier': "Clinic Cashier",
    'admin': "Clinic Administration",
    'medical_records': "Clinic Medical Records",
    }
CODES = {
    'J06.9': "Acute upper respiratory infection, unspecified",
    'I10': "Essential (primary) hypertension",
    'R50.9': "Fever, unspecified",
    }
ACTS = {
    '89.52': "Electrocardiogram",
    '86.59': "Closure of skin and subcutaneous tissue of other sites",
    }
# A medicine and its ingredient
MEDICINES = {
    'Paracetamol': "Paracetamol",
    'Amoxsan': "Amoxicillin",
    'Captopril': "Captopril",
    }
# The models of what is recorded in a visit, and its field of the visit
PARTS = {
    'clinic.vital_signs': 'vital_signs',
    'clinic.diagnosis': 'diagnoses',
    'clinic.examination': 'examinations',
    'clinic.procedure': 'procedures',
    'clinic.prescription.item': 'prescription_items',
    'clinic.tooth.finding': 'tooth_findings',
    'clinic.dental_examination': 'dental_examinations',
    'clinic.checkup': 'checkups',
    'clinic.obstetric_note': 'obstetric_notes',
    'clinic.order': 'orders',
    }
CHILDREN = (*PARTS, 'clinic.prescription.component')
# The values of a visit in which nobody was examined
UNEXAMINED = dict.fromkeys([
        'vital_signs', 'examinations', 'tooth_findings',
        'dental_examinations', 'checkups', 'obstetric_notes'])
VISIT_MODELS = (
    'clinic.encounter', 'clinic.encounter.status', *CHILDREN)


def ago(**kwargs):
    "The time before now, UTC, in whole seconds"
    return dt.datetime.now(dt.timezone.utc).replace(
        microsecond=0, tzinfo=None) - dt.timedelta(**kwargs)


def group_ids(*roles):
    "The database ids of the groups of the roles"
    ModelData = Pool().get('ir.model.data')
    return [ModelData.get_id('clinic_rme', f'group_{r}') for r in roles]


def create_users(company, users):
    """Create users of the branch.

    `users` are tuples of login, roles and employee (or None).
    """
    User = Pool().get('res.user')
    User.create([{
                'name': login.title(),
                'login': login,
                'groups': [('add', group_ids(*roles))],
                'companies': [('add', [company.id])],
                'company': company.id,
                'employees': [('add', [employee.id] if employee else [])],
                'employee': employee.id if employee else None,
                } for login, roles, employee in users])


def create_employees(company, branch):
    "Create an employee of each role, return them by role"
    pool = Pool()
    Employee = pool.get('company.employee')
    Party = pool.get('party.party')
    people = Party.create(
        [{'name': f"{role} {branch}".title()} for role in ROLES])
    return dict(zip(ROLES, Employee.create([{
                        'party': person.id,
                        'company': company.id,
                        'profession': PROFESSIONS[role],
                        } for role, person in zip(ROLES, people, strict=True)]),
            strict=True))


def create_role_users(config=None):
    "Create an employee and a user of each role with proteus"
    User = Model.get('res.user', config=config)
    Group = Model.get('res.group', config=config)
    Party = Model.get('party.party', config=config)
    Employee = Model.get('company.employee', config=config)
    company = get_company(config=config)
    for role in ROLES:
        party = Party(name=f"Staf {role.title()}")
        party.save()
        employee = Employee(party=party, company=company)
        employee.profession = PROFESSIONS[role]
        employee.save()
        user = User(name=role.title(), login=role)
        if role == 'admin':
            user.login = 'clinic-admin'
        user.groups.extend(Group.find(
                [('name', '=', GROUP_NAMES[role])]))
        user.companies.append(get_company(config=config))
        user.company = company
        user.employees.append(Employee(employee.id))
        user.employee = employee
        user.save()


def create_branch(name, currency):
    """Create a branch with a unit and its room, staff and a user per role.

    Returns the ids by kind; the user of each role is called as the role,
    with the name of the branch after it.
    """
    pool = Pool()
    Unit = pool.get('clinic.unit')
    company = create_company(f"Klinik {name.title()}", currency=currency)
    unit, = Unit.create([{
                'company': company.id,
                'code': 'UMUM',
                'name': "Poli Umum",
                'rooms': [('create', [{'code': 'R1', 'name': "Ruang 1"}])],
                }])
    employees = create_employees(company, name)
    create_users(company, [
            *((f'{r}-{name}', [r], e) for r, e in employees.items()),
            (f'everything-{name}', ROLES, None),
            (f'nobody-{name}', [], None),
            ])
    return {
        'company': company.id,
        'unit': unit.id,
        'room': unit.rooms[0].id,
        **{role: employee.id for role, employee in employees.items()},
        }


def create_medicines():
    "Create medicines and their substances, return the ids by name"
    pool = Pool()
    Medicine = pool.get('clinic.medicine')
    Substance = pool.get('clinic.substance')
    substances = {
        s.name: s.id for s in Substance.create(
            [{'name': n} for n in sorted({*MEDICINES.values()})])}
    medicines = Medicine.create([{
                'name': name,
                'strength': "500 mg",
                'form': 'tablet',
                'ingredients': [
                    ('create', [{'substance': substances[substance]}])],
                } for name, substance in MEDICINES.items()])
    return {m.name: m.id for m in medicines}


def create_clinic():
    "Create branches, codes and patients, return their ids"
    pool = Pool()
    ICD10 = pool.get('clinic.icd10')
    ICD9CM = pool.get('clinic.icd9cm')
    Patient = pool.get('clinic.patient')
    Party = pool.get('party.party')
    User = pool.get('res.user')
    currency = create_currency('IDR')
    branches = {
        name: create_branch(name, currency) for name in ['kota', 'desa']}
    User.write([User(1)], {
            'companies': [
                ('add', [b['company'] for b in branches.values()])],
            'company': branches['kota']['company'],
            'company_filter': 'all',
            })
    codes = ICD10.create([
            {'code': c, 'name': n, 'edition': "Test"}
            for c, n in CODES.items()])
    acts = ICD9CM.create(
        [{'code': c, 'name': n} for c, n in ACTS.items()])
    medicines = create_medicines()
    people = Party.create([
            {'name': "Ardianto Putra", 'nik': '3174010101920001',
                'birth_date': dt.date(1992, 1, 1), 'sex': 'female'},
            {'name': "Claudia Sintia",
                'birth_date': dt.date(1989, 11, 3), 'sex': 'female'},
            ])
    patients = Patient.create([{'party': p.id} for p in people])
    return {
        **branches,
        'codes': [c.id for c in codes],
        'acts': [a.id for a in acts],
        'medicines': medicines,
        'investigations': {
            i.code: i.id
            for i in pool.get('clinic.investigation').search([])},
        'people': [p.id for p in people],
        'patients': [p.id for p in patients],
        }


class Remote:
    """What a user does over RPC.

    Each call runs in a transaction of its own, with the user's rights, and
    is rolled back when it fails: what the server does with a client's call.
    """

    def __init__(self, config, login):
        self.config = copy.copy(config)
        self.login = login
        with Transaction().start(DB_NAME, 0) as transaction:
            User = config.pool.get('res.user')
            user, = User.search([('login', '=', login)])
            with transaction.set_user(user.id):
                context = User.get_preferences(context_only=True)
        self.config.user = user.id
        self.config._context = context

    def __call__(self, model, method, *args, **context):
        proxy = self.config.get_proxy(model)
        return getattr(proxy, method)(
            *args, {**self.config.context, **context})

    def create(self, model, **values):
        "Create one record, return its id"
        id_, = self(model, 'create', [values])
        return id_

    def read(self, model, id_, *names):
        "Return the values of the record by field name"
        row, = self(model, 'read', [id_], list(names))
        return row

    def search(self, model, domain):
        "Return the ids of the records"
        return self(model, 'search', domain, 0, None, None)


class RemoteTestCase(unittest.TestCase):
    "Tests that call a clinic with committed data over RPC"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        drop_db()
        activate_module('clinic_rme')
        with Transaction().start(DB_NAME, 1) as transaction:
            cls.clinic = create_clinic()
            transaction.commit()
        cls.config = TrytondConfig()
        cls.remotes = {}

    @classmethod
    def tearDownClass(cls):
        cls.remotes.clear()
        drop_db()
        super().tearDownClass()

    @property
    def patient(self):
        return self.clinic['patients'][0]

    def user(self, login):
        "Return what the user does over RPC; a role alone is of the first branch"
        if login != 'admin!' and '-' not in login:
            login += '-kota'
        login = login.rstrip('!')
        if login not in self.remotes:
            self.remotes[login] = Remote(self.config, login)
        return self.remotes[login]

    @property
    def root(self):
        "The built-in administrator, who has every group and every branch"
        return self.user('admin!')

    @contextmanager
    def database(self):
        "Look at the database without access checks"
        with Transaction().start(DB_NAME, 0, readonly=True):
            yield Pool()

    @contextmanager
    def transaction(self, **options):
        "Change the database as the server does, without access checks"
        with Transaction().start(DB_NAME, 0, **options) as transaction:
            yield Pool()
            transaction.commit()

    def content(self, *models, visits=None):
        """Return every value of every record, for comparison.

        Of the given visits alone if there are any.
        """
        def domain(name):
            if visits is None:
                return []
            return [(
                    'id' if name == 'clinic.encounter' else 'encounter',
                    'in', list(visits))]
        with self.database() as pool:
            return {
                name: {
                    r.id: {
                        fname: _plain(getattr(r, fname))
                        for fname, field in r._fields.items()
                        if fname not in {'write_date', 'write_uid'}
                        and not hasattr(field, 'getter')}
                    for r in pool.get(name).search(domain(name))}
                for name in models}

    def visit_values(self, branch='kota', **values):
        "Return the values of a planned visit that can be finished"
        places = self.clinic[branch]
        return {
            'company': places['company'],
            'patient': self.patient,
            'practitioner': places['doctor'],
            'unit': places['unit'],
            'room': places['room'],
            'chief_complaint': "Pusing",
            'vital_signs': [
                ('create', [{'systolic': 120, 'diastolic': 80}])],
            'diagnoses': [('create', [{'code': self.clinic['codes'][0]}])],
            'examinations': [
                ('create', [{'body_part': 'head', 'finding': 'normal'}])],
            'procedures': [('create', [{
                            'code': self.clinic['acts'][0],
                            'performer': places['doctor']}])],
            'prescription_items': [('create', [self.compounded()])],
            'tooth_findings': [('create', [{
                            'tooth': '16', 'condition': 'car',
                            'surfaces': ['O']}])],
            'dental_examinations': [('create', [{'occlusion': 'normal'}])],
            'checkups': [('create', [{'purpose': 'employment'}])],
            'obstetric_notes': [('create', [{'gravida': 1}])],
            'orders': [('create', [{
                            'investigation':
                            self.clinic['investigations']['HB'],
                            'requester': places['doctor']}])],
            **values}

    def compounded(self, **values):
        "Return the values of a compounded prescription item"
        return {
            'kind': 'compounded', 'compound_form': 'oral_powder',
            'compounding': 'per_dose', 'dose': Decimal(1),
            'dose_unit': 'sachet', 'route': 'oral', 'frequency': 3,
            'duration': 5,
            'components': [('create', [{
                            'medicine': self.clinic['medicines'][
                                'Paracetamol'],
                            'amount': Decimal(125), 'amount_unit': 'mg',
                            }])],
            **values}

    def create_visit(self, state='planned', branch='kota', **values):
        "Create a visit and press the buttons up to the state, return its id"
        buttons = {
            'planned': [],
            'arrived': ['arrive'],
            'in_progress': ['arrive', 'start'],
            'finished': ['arrive', 'start', 'finish'],
            'cancelled': ['cancel'],
            }[state]
        doctor = self.user(f'doctor-{branch}')
        visit = doctor.create(
            'clinic.encounter', **self.visit_values(branch, **values))
        for button in buttons:
            doctor('clinic.encounter', button, [visit])
        return visit

    def amend(self, visit, login, kind, text="Alasan"):
        "Amend the visit with the wizard, return the id of the amendment"
        user = self.user(login)
        proxy = user.config.get_proxy('clinic.encounter.amend', 'wizard')
        context = {
            **user.config.context, 'active_model': 'clinic.encounter',
            'active_id': visit, 'active_ids': [visit]}
        session, _, _ = proxy.create(context)
        proxy.execute(
            session, {'ask': {'kind': kind, 'text': text}}, 'amend', context)
        proxy.delete(session, context)
        return self.root.search(
            'clinic.amendment', [('encounter', '=', visit)])[0]

    def state(self, visit):
        return self.root.read('clinic.encounter', visit, 'state')['state']


def _plain(value):
    if isinstance(value, (list, tuple)):
        return [str(v) for v in value]
    return value if value is None else str(value)
