# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""A person who works in the clinic, as the client of that person calls.

Every call is checked against the rights of the user. Menus, actions, tabs and
the fields of lists are those that the server describes to the client.
"""

import itertools

from proteus import Model
from trytond.modules.clinic_rme.tests.tools import (
    RemoteTestCase, create_users)
from trytond.pyson import PYSONDecoder

MODULE = 'clinic_rme'
ENCOUNTER, PATIENT, PERSON = (
    'clinic.encounter', 'clinic.patient', 'party.party')
serials = itertools.count(1)


class Worker:
    "What one user does at the client in the course of a day"

    def __init__(self, case, login):
        self.case = case
        self.remote = case.user(login)
        self.context = self.remote.config.context

    def __call__(self, model, method, *args, **context):
        return self.remote(model, method, *args, **context)

    def sign_in(self):
        "Fetch what the client fetches first, return the names of the menus"
        preferences = self('res.user', 'get_preferences', True)
        self.case.assertTrue(preferences['company'])
        menus = self.remote.search('ir.ui.menu', [])
        with self.case.database() as pool:
            return {
                d.fs_id for d in pool.get('ir.model.data').search([
                        ('module', '=', MODULE),
                        ('model', '=', 'ir.ui.menu'),
                        ('db_id', 'in', menus)])}

    def open(self, menu):
        "Return the action that the menu opens"
        with self.case.database() as pool:
            id_ = pool.get('ir.model.data').get_id(MODULE, menu)
        self.case.assertEqual(
            self.remote.search('ir.ui.menu', [('id', '=', id_)]), [id_])
        action, = self(
            'ir.action.keyword', 'get_keyword', 'tree_open',
            ['ir.ui.menu', id_])
        return action

    def tabs(self, menu):
        "Return {tab: ids in the order of the list}, each counted and read"
        action = self.open(menu)
        decoder = PYSONDecoder({'context': self.context})
        order = decoder.decode(action['pyson_order'] or 'null')
        base = decoder.decode(action['pyson_domain'] or '[]')
        model = action['res_model']
        view = self(model, 'fields_view_get', action['views'][0][0], 'tree')
        names = list(view['fields'])
        result = {}
        for name, domain, count in action['domains'] or [("All", '[]', False)]:
            where = [base, decoder.decode(domain or '[]')]
            result[name] = self(model, 'search', where, 0, 1000, order)
            rows = self(model, 'read', result[name], names)
            self.case.assertEqual(len(rows), len(result[name]))
            if count:
                self.case.assertEqual(
                    self(model, 'search_count', where), len(rows))
        return result

    def form(self, model, id_=None, **values):
        "Return the record in its form, a new one with its defaults"
        Record = Model.get(model, config=self.remote.config)
        view = self(model, 'fields_view_get', None, 'form')
        self.case.assertTrue(view['fields'])
        if id_ is None:
            return Record(**values)
        self(model, 'read', [id_], list(view['fields']))
        return Record(id_)

    def press(self, record, button):
        "Press the button of a saved form"
        self(record.__class__.__name__, button, [record.id])
        record.reload()

    def complete(self, model, text):
        "Return the ids that a field of the model offers for the text"
        return [row['id'] for row in self(model, 'autocomplete', text, [], 10)]

    def wizard(self, name, record, *steps):
        "Go through a wizard on the record: pairs of data and state"
        proxy = self.remote.config.get_proxy(name, 'wizard')
        context = dict(self.context)
        if record is not None:
            model, id_ = record
            context.update(
                active_model=model, active_id=id_, active_ids=[id_])
        session, _, _ = proxy.create(context)
        page = None
        for data, state in steps:
            page = proxy.execute(session, data, state, context)
        proxy.delete(session, context)
        return page

    def refused(self, model, method, *args, error=Exception, text=None):
        "Try what is not allowed, return what the user is told"
        with self.case.assertRaises(error) as refusal:
            self(model, method, *args)
        message = ' '.join(map(str, refusal.exception.args))
        if text:
            self.case.assertRegex(message, text)
        return message


class ClinicDayTestCase(RemoteTestCase):
    "A branch with staff of every profession and units of every kind"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        case = cls()
        with case.transaction() as pool:
            Company = pool.get('company.company')
            Employee = pool.get('company.employee')
            Party = pool.get('party.party')
            Unit = pool.get('clinic.unit')
            company = Company(cls.clinic['kota']['company'])
            staff = {}
            for role, profession, group in [
                    ('midwife', 'midwife', 'nurse'),
                    ('dentist', 'dentist', 'doctor'),
                    ('colleague', 'specialist', 'doctor')]:
                party, = Party.create([{'name': role.title()}])
                employee, = Employee.create([{
                            'party': party.id, 'company': company.id,
                            'profession': profession}])
                create_users(
                    company, [(f'{role}-kota', [group], employee)])
                staff[role] = employee.id
            cls.clinic['kota'].update(staff)
            for kind in ['dental', 'maternal_child']:
                unit, = Unit.create([{
                            'company': company.id, 'code': kind,
                            'name': kind.title(), 'kind': kind,
                            'rooms': [('create', [
                                        {'code': kind, 'name': kind}])]}])
                cls.clinic['kota'][kind] = unit.id
                cls.clinic['kota'][f'{kind}_room'] = unit.rooms[0].id

    def worker(self, login):
        return Worker(self, login)

    def waiting(self, **values):
        "Return the id of a visit that the desk has brought to waiting"
        clerk = self.worker('registration')
        patient = values.pop('patient', None) or self.patient_of(clerk)
        branch = self.clinic['kota']
        visit = clerk.remote.create(ENCOUNTER, **{
                'company': branch['company'], 'patient': patient,
                'unit': branch['unit'], 'room': branch['room'],
                'practitioner': branch['doctor'], **values})
        clerk(ENCOUNTER, 'arrive', [visit])
        return visit

    def patient_of(self, worker, **values):
        "Return the id of a new patient"
        person = worker.remote.create(
            PERSON, **{'name': f"Pasien {next(serials)}", **values})
        return worker.remote.create(PATIENT, party=person)
