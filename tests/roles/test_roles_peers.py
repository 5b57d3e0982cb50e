# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Defects that other clinic systems are known for, and the tests that this
one has none of them.

DEFECTS lists each with its tests: here, beside it, or in the module. Reports
of diseases and new and old cases have theirs when they are made.
"""

import threading
import unittest
from collections import Counter
from pathlib import Path

import pytest
from roles_worker import (
    ENCOUNTER, PATIENT, PERSON, ClinicDayTestCase, serials)
from trytond import backend
from trytond.model import ModelSingleton, ModelSQL
from trytond.model.exceptions import SQLConstraintError
from trytond.modules.clinic_rme.exceptions import (
    DiagnosisRankError, NIKValidationError)
from trytond.modules.clinic_rme.mixin import EncounterPartMixin
from trytond.modules.clinic_rme.tests.tools import CHILDREN, PARTS, ROLES
from trytond.tests.test_tryton import DB_NAME
from trytond.transaction import Transaction

ROOT = Path(__file__).resolve().parents[2]
MODULE = 'modules/clinic_rme/tests'
DEFECTS = {
    "the texts of a finished note are lost, but for the first": [
        (f'{MODULE}/test_patient_export.py', 'test_values')],
    "'today' is the day of the server, in UTC": [
        ('tests/roles/test_roles_morning.py', 'test_birth_date_and_age'),
        ('tests/roles/test_roles_morning.py',
            'test_day_of_the_visit_and_work_lists'),
        ('tests/roles/test_roles_morning.py', 'test_follow_up_and_times'),
        ('tests/roles/test_roles_morning.py', 'test_finished_visit'),
        (f'{MODULE}/test_worklist.py', 'test_morning_in_each_zone')],
    "two persons in one call fail": [
        ('tests/roles/test_roles_peers.py', 'test_many_in_one_call')],
    "writing different values to several records breaks": [
        ('tests/roles/test_roles_peers.py', 'test_multi_write')],
    "deleting one entry deletes others": [
        ('tests/roles/test_roles_peers.py',
            'test_deleting_a_child_touches_no_other')],
    "the next number is the highest plus one, without a lock": [
        ('tests/roles/test_roles_peers.py', 'test_numbers_of_8_threads')],
    "an insert that fails becomes an update of something else": [
        ('tests/roles/test_roles_peers.py',
            'test_a_failed_insert_changes_nothing')],
    "a locked visit takes new entries": [
        (f'{MODULE}/test_seal.py', 'test_children_created'),
        (f'{MODULE}/test_seal.py', 'test_every_kind_of_entry_is_tried'),
        ('tests/roles/test_roles_peers.py',
            'test_every_verb_on_every_entry_of_a_closed_visit')],
    "a clinical value is set without being asked for": [
        ('tests/roles/test_roles_peers.py', 'test_no_clinical_default')],
    "a signed note is rewritten and signed again": [
        (f'{MODULE}/test_seal.py', 'test_write_of_each_field'),
        (f'{MODULE}/test_chain.py', 'test_values')],
    "a corrected name breaks old signatures": [
        (f'{MODULE}/test_chain.py', 'test_names_break_no_seal')],
    "who has no role writes and reads records": [
        (f'{MODULE}/test_access.py', 'test_matrix'),
        (f'{MODULE}/test_access.py', 'test_search_without_groups')],
    }


@pytest.mark.parametrize('defect', DEFECTS)
def test_defect_has_its_tests(defect):
    for path, name in DEFECTS[defect]:
        source = (ROOT / path).read_text(encoding='utf-8')
        assert f'def {name}(' in source, (path, name)


class ManyTestCase(ClinicDayTestCase):
    "Many records in one call"

    def test_many_in_one_call(self):
        clerk = self.worker('registration')
        people = clerk(PERSON, 'create', [
                {'name': f"Serentak {i}"} for i in range(3)])
        patients = clerk(
            PATIENT, 'create', [{'party': person} for person in people])
        branch = self.clinic['kota']
        visits = clerk(ENCOUNTER, 'create', [{
                    'company': branch['company'], 'patient': patient}
                for patient in patients])
        clerk(ENCOUNTER, 'arrive', visits)
        for model, ids, name in [
                (PERSON, people, 'code'),
                (PATIENT, patients, 'medical_record_number'),
                (ENCOUNTER, visits, 'number')]:
            values = [r[name] for r in clerk(model, 'read', ids, [name])]
            self.assertEqual(len({*values}), 3)
            self.assertTrue(all(values))

    def test_multi_write(self):
        doctor = self.worker('doctor')
        visits = [self.create_visit('in_progress') for _ in range(3)]
        texts = [f"Rencana {i}" for i in range(3)]
        arguments = []
        for visit, text in zip(visits, texts, strict=True):
            arguments += [[visit], {'plan': text}]
        doctor(ENCOUNTER, 'write', *arguments)
        self.assertEqual(
            {r['id']: r['plan']
                for r in doctor(ENCOUNTER, 'read', visits, ['plan'])},
            dict(zip(visits, texts, strict=True)))
        rows = [
            self.root.search(
                'clinic.vital_signs', [('encounter', '=', visit)])[0]
            for visit in visits]
        arguments = []
        for row, rate in zip(rows, [70, 80, 90], strict=True):
            arguments += [[row], {'heart_rate': rate}]
        doctor('clinic.vital_signs', 'write', *arguments)
        self.assertEqual(
            {r['id']: r['heart_rate'] for r in doctor(
                    'clinic.vital_signs', 'read', rows, ['heart_rate'])},
            dict(zip(rows, [70, 80, 90], strict=True)))


class EntryTestCase(ClinicDayTestCase):
    "Entries of a visit, one at a time"

    def everything(self):
        with self.database() as pool:
            models = [
                name for name, model in pool.iterobject()
                if name.startswith(('clinic.', 'party.'))
                and issubclass(model, ModelSQL)
                and not issubclass(model, ModelSingleton)
                and not callable(getattr(model, 'table_query', None))]
        lists = {
            name: {
                n for n, f in self.config.pool.get(name)._fields.items()
                if f._type == 'one2many'}
            for name in models}
        return {
            name: {
                id_: {n: v for n, v in row.items() if n not in lists[name]}
                for id_, row in rows.items()}
            for name, rows in self.content(*models).items()}

    def test_deleting_a_child_touches_no_other(self):
        doctor = self.worker('doctor')
        for model in PARTS:
            visit = self.create_visit('in_progress')
            with self.subTest(model=model):
                before = self.everything()
                child, = self.root.search(
                    model, [('encounter', '=', visit)])
                doctor(model, 'delete', [child])
                after = self.everything()
                gone = {
                    name: before[name].keys() - after[name].keys()
                    for name in before}
                own = {
                    name for name, ids in gone.items() if ids}
                self.assertEqual(gone[model], {child})
                # What is compounded goes with its ingredients
                self.assertLessEqual(
                    own - {model},
                    {'clinic.prescription.component'}
                    if model == 'clinic.prescription.item' else set())
                for name in before:
                    for id_ in after[name]:
                        self.assertEqual(
                            after[name][id_], before[name][id_], name)

    def test_a_failed_insert_changes_nothing(self):
        clerk = self.worker('registration')
        nik = f'317401020292{next(serials):04}'
        clerk.remote.create(PERSON, name="Pertama", nik=nik)
        before = self.everything()
        clerk.refused(
            PERSON, 'create', [{'name': "Kedua", 'nik': nik}],
            error=SQLConstraintError, text="belongs to another person")
        clerk.refused(
            PERSON, 'create', [
                {'name': "Ketiga"}, {'name': "Keempat", 'nik': '1'}],
            error=NIKValidationError)
        visit = self.create_visit('in_progress')
        before = self.everything()
        code = self.clinic['codes'][0]
        self.worker('doctor').refused(
            'clinic.diagnosis', 'create',
            [{'encounter': visit, 'code': code}], error=DiagnosisRankError)
        self.assertEqual(self.everything(), before)

    def test_every_verb_on_every_entry_of_a_closed_visit(self):
        with self.database() as pool:
            kinds = {
                name for name, model in pool.iterobject()
                if issubclass(model, EncounterPartMixin)}
        self.assertEqual(kinds, {*CHILDREN})
        visit = self.create_visit('finished')
        before = self.content(ENCOUNTER, *kinds, visits=[visit])
        for model in kinds:
            child, = self.root.search(model, [('encounter', '=', visit)])
            for login in [*ROLES, 'midwife', 'dentist', 'admin!']:
                for method, args in [
                        ('create', [[{'encounter': visit}]]),
                        ('write', [[child], {}]),
                        ('write', [[child], {'encounter': visit}]),
                        ('delete', [[child]]),
                        ('copy', [[child]])]:
                    with self.subTest(
                            model=model, login=login, method=method):
                        self.worker(login).refused(model, method, *args)
        self.assertEqual(
            self.content(ENCOUNTER, *kinds, visits=[visit]), before)

    def test_no_clinical_default(self):
        "What nobody chose is not in the record"
        technical = {
            'encounter', 'encounter_open', 'recorded_by', 'recorded_at',
            'measured_at', 'performed_at', 'performer', 'kind', 'uid',
            'substitution_allowed', 'as_needed', 'create_uid', 'create_date',
            'mine', 'ordered_at', 'requester', 'state', 'priority',
            'performing', 'period_days'}
        # Shown first in the form, where the other values are a click away
        shown = {
            'clinic.examination': {'finding'},
            'clinic.prescription.component': {'amount_unit'}}
        doctor = self.worker('doctor')
        for model in CHILDREN:
            with self.subTest(model=model):
                names = list(self.config.pool.get(model)._fields)
                chosen = {
                    name for name, value in doctor(
                        model, 'default_get', names).items()
                    if value not in (None, [], (), '')}
                self.assertLessEqual(
                    {n.rstrip('.') for n in chosen},
                    technical | shown.get(model, set()))


@unittest.skipUnless(
    backend.name == 'postgresql', "SQLite in memory has one thread")
class NumberTestCase(ClinicDayTestCase):
    "Eight desks at the same time"

    DESKS, EACH = 8, 12

    def test_numbers_of_8_threads(self):
        "No number is given twice and none is skipped"
        config = self.user('registration').config
        company = self.clinic['kota']['company']
        given, failures = [], []

        def register(desk):
            try:
                for i in range(self.EACH):
                    given.append(self.registered(
                            config, company, f"{desk}-{i}"))
            except Exception as error:
                failures.append(error)

        threads = [
            threading.Thread(target=register, args=(desk,))
            for desk in range(self.DESKS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failures, [])
        for numbers in zip(*given, strict=True):
            counted = Counter(numbers)
            self.assertEqual(len(counted), self.DESKS * self.EACH)
            serial = sorted(int(n.partition('-')[2]) for n in counted)
            self.assertEqual(
                serial, [*range(serial[0], serial[0] + len(serial))])

    def registered(self, config, company, name):
        "Register a patient and a visit, return both numbers"
        with Transaction().start(
                DB_NAME, config.user, context=config.context) as transaction:
            pool = config.pool
            person, = pool.get(PERSON).create([{'name': name}])
            patient, = pool.get(PATIENT).create([{'party': person.id}])
            visit, = pool.get(ENCOUNTER).create([
                    {'company': company, 'patient': patient.id}])
            numbers = patient.medical_record_number, visit.number
            transaction.commit()
            return numbers
