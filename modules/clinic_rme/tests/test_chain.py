# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import json
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from proteus import config as proteus_config
from trytond import backend
from trytond.model.exceptions import AccessError
from trytond.modules.clinic_rme.content import (
    canonical, contents, digest, manifest, parts)
from trytond.modules.clinic_rme.exceptions import SealAccessError
from trytond.modules.clinic_rme.scripts import verify_seals
from trytond.modules.clinic_rme.verification import describe, verify
from trytond.tests.test_tryton import DB_NAME
from trytond.transaction import Transaction

from .sealed import MODEL, SEAL, SealedTestCase
from .tools import CHILDREN

# Rows that PostgreSQL deletes together
BELOW = {
    'clinic.prescription.item': [
        'clinic.prescription.item', 'clinic.prescription.component'],
    }


class ContentTestCase(SealedTestCase):
    "What is hashed"

    def test_finish_seals(self):
        visit = self.create_visit('finished')
        seal, = self.seals(visit)
        self.assertEqual(seal['kind'], 'finished')
        self.assertEqual(seal['version'], 1)
        self.assertEqual(seal['signed_by'], self.clinic['kota']['doctor'])
        self.assertIsNone(seal['number'])
        self.assertEqual(digest(json.loads(seal['manifest'])), seal['hash'])
        self.assertEqual(
            json.loads(seal['manifest']).keys(), {MODEL, *CHILDREN})
        self.assertEqual(
            self.root.read(MODEL, visit, 'content_hash')['content_hash'],
            seal['hash'])

    def test_every_part_joins(self):
        with self.database():
            self.assertEqual([p.__name__ for p in parts()], sorted(CHILDREN))

    def test_content_has_values_and_codes_and_no_name(self):
        visit = self.create_visit(
            'finished', chief_complaint="Demam \"tinggi\"\n🤒")
        with self.database():
            content = contents([visit])[visit]
        self.assertEqual(json.loads(canonical(content)), content | {
                model: json.loads(canonical(rows))
                for model, rows in content.items()})
        encounter, = content[MODEL].values()
        diagnosis, = content['clinic.diagnosis'].values()
        vital_signs, = content['clinic.vital_signs'].values()
        self.assertEqual(encounter['patient'], self.patient)
        self.assertEqual(
            encounter['chief_complaint'], "Demam \"tinggi\"\n🤒")
        self.assertEqual(
            encounter['finished_by'], self.clinic['kota']['doctor'])
        self.assertEqual(diagnosis['code.code'], 'J06.9')
        self.assertEqual(vital_signs['systolic'], 120)
        self.assertNotIn('weight', vital_signs)
        for name in ["Ardianto", "Poli Umum", "respiratory infection"]:
            self.assertNotIn(name, canonical(content))

    def test_content_of_several_visits(self):
        visits = [self.create_visit('finished') for _ in range(2)]
        with self.database():
            together = contents(visits)
            self.assertEqual(
                together, {v: contents([v])[v] for v in visits})
            self.assertEqual(
                len({digest(manifest(c)) for c in together.values()}), 2)

    def test_names_break_no_seal(self):
        self.create_visit('finished')
        self.link()
        root = self.root
        root('party.party', 'write', [self.clinic['people'][0]], {
                'name': "Nama Baru"})
        root('clinic.unit', 'write', [self.clinic['kota']['unit']], {
                'name': "Poli Baru", 'code': 'BARU'})
        root('clinic.room', 'write', [self.clinic['kota']['room']], {
                'name': "Ruang Baru"})
        root('clinic.icd10', 'write', [self.clinic['codes'][0]], {
                'name': "ISPA"})
        self.assertEqual(self.findings(), {})

    def test_values_are_stored_ones(self):
        "The values as other transactions see them, not as they were typed"
        visit = self.create_visit(
            'finished', chief_complaint="  Demam \r\n", vital_signs=[
                ('create', [{'temperature': 36.7, 'weight': 60}])])
        self.assertEqual(self.findings(), {})
        seal, = self.seals(visit)
        with self.database():
            self.assertEqual(
                digest(manifest(contents([visit])[visit])), seal['hash'])

    def test_nobody_changes_a_seal(self):
        visit = self.create_visit('finished')
        seal = self.row(SEAL, visit)
        for login in ['everything', 'admin!']:
            for method, args in [
                    ('write', [[seal], {'hash': 'x'}]),
                    ('delete', [[seal]]), ('copy', [[seal]])]:
                with self.subTest(login=login, method=method):
                    with self.assertRaises(AccessError):
                        self.user(login)(SEAL, method, *args)
        with Transaction().start(DB_NAME, 0):
            Seal = self.config.pool.get(SEAL)
            with self.assertRaises(SealAccessError):
                Seal.delete([Seal(seal)])


class ChainTestCase(SealedTestCase):
    "Seals in a row"

    def test_each_branch_has_its_chain(self):
        visits = [
            self.create_visit('finished', branch=branch)
            for branch in ['kota', 'desa', 'kota', 'kota']]
        self.link()
        kota = [self.seals(v)[0] for v in visits if v != visits[1]]
        desa, = self.seals(visits[1])
        numbers = [s['number'] for s in kota]
        self.assertEqual(
            numbers, list(range(numbers[0], numbers[0] + 3)))
        self.assertEqual(
            [s['previous'] for s in kota[1:]], [s['link'] for s in kota[:2]])
        self.assertNotIn(desa['previous'], [s['link'] for s in kota])
        self.assertEqual(self.findings(), {})

    def test_linked_once(self):
        visit = self.create_visit('finished')
        self.link()
        before = self.seals(visit)
        self.link()
        self.assertEqual(self.seals(visit), before)

    def test_two_at_the_same_time(self):
        "The later one does not link again what the first one linked"
        visit = self.create_visit('finished')
        Seal = self.config.pool.get(SEAL)
        chain = Seal._chain.__func__
        calls = []

        def meanwhile(cls, number, link, seals):
            calls.append([s.id for s in seals])
            return chain(cls, number, link, seals)

        with mock.patch.object(Seal, '_chain', classmethod(meanwhile)):
            self.link()
            self.link()
        self.assertEqual(calls, [[self.row(SEAL, visit)]])

    def test_scheduled(self):
        with self.database() as pool:
            cron, = pool.get('ir.cron').search(
                [('method', '=', 'clinic.seal|seal')])
            self.assertTrue(cron.active)
            self.assertEqual(cron.companies, ())


class TamperTestCase(SealedTestCase):
    "What is done past the server is found and named"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        case = cls()
        cls.visit = case.create_visit('finished')
        cls.other = case.create_visit('finished')
        case.link()
        cls.number = case.root.read(MODEL, cls.visit, 'number')['number']
        cls.rows = {
            MODEL: cls.visit,
            **{m: case.row(m, cls.visit) for m in (*CHILDREN, SEAL)}}

    def setUp(self):
        super().setUp()
        self.assertEqual(self.findings(), {})

    def tampered(self, *queries, heads=None):
        "Return the findings after the statements, which are taken back"
        with Transaction().start(DB_NAME, 0) as transaction:
            cursor = transaction.connection.cursor()
            for query in queries:
                cursor.execute(query)
                self.assertGreater(cursor.rowcount, 0, query)
            pool = self.config.pool
            findings = verify(
                pool.get('company.company').search([]), heads).findings
            for finding in findings:
                self.assertEqual(
                    finding.company, self.clinic['kota']['company'])
                self.assertIn(finding.encounter, describe(finding))
            transaction.rollback()
        return findings

    def update(self, model, column, value):
        return (
            f'UPDATE {model.replace(".", "_")} SET {column} = {value} '
            f'WHERE id = {self.rows[model]}')

    def assertOne(self, findings, model, what):
        finding, = findings
        self.assertEqual((finding.model, finding.what), (model, what))
        self.assertEqual(finding.encounter, self.number)

    def test_values(self):
        for model, column, value in [
                (MODEL, 'discharge_disposition', "'oth'"),
                (MODEL, 'discharge_note', "'Lain'"),
                (MODEL, 'patient', self.clinic['patients'][1]),
                (MODEL, 'finished_by', self.clinic['kota']['nurse']),
                (MODEL, 'finished_at', "'2026-01-01 00:00:00'"),
                (MODEL, 'state', "'in_progress'"),
                ('clinic.vital_signs', 'systolic', 121),
                ('clinic.vital_signs', 'diastolic', 'NULL'),
                ('clinic.vital_signs', 'weight', 60.5),
                ('clinic.diagnosis', 'code', self.clinic['codes'][1]),
                ('clinic.diagnosis', 'rank', 2),
                ('clinic.diagnosis', 'recorded_by',
                    self.clinic['kota']['nurse']),
                ]:
            with self.subTest(model=model, column=column):
                self.assertOne(
                    self.tampered(self.update(model, column, value)),
                    model, 'altered')

    def test_code(self):
        findings = self.tampered(
            "UPDATE clinic_icd10 SET code = 'J06.8' "
            f"WHERE id = {self.clinic['codes'][0]}")
        self.assertEqual(
            [(f.model, f.what) for f in findings],
            [('clinic.diagnosis', 'altered')] * 2)

    def test_row_added(self):
        self.assertOne(self.tampered(
                'INSERT INTO clinic_diagnosis '
                '(uid, encounter, code, rank, recorded_at) '
                "SELECT 'forged', encounter, code, 2, recorded_at "
                'FROM clinic_diagnosis '
                f"WHERE id = {self.rows['clinic.diagnosis']}"),
            'clinic.diagnosis', 'added')

    def test_row_removed(self):
        for model in CHILDREN:
            findings = self.tampered(
                f'DELETE FROM {model.replace(".", "_")} '
                f'WHERE id = {self.rows[model]}')
            found = {(f.model, f.what) for f in findings}
            self.assertIn((model, 'removed'), found)
            self.assertLessEqual(
                found, {(m, 'removed') for m in BELOW.get(model, [model])})

    def test_row_moved(self):
        findings = self.tampered(
            self.update('clinic.vital_signs', 'encounter', self.other))
        self.assertEqual(
            {(f.model, f.what) for f in findings}, {
                ('clinic.vital_signs', 'removed'),
                ('clinic.vital_signs', 'added')})

    def test_visit_added(self):
        names = (
            'company, patient, practitioner, room, encounter_class, '
            'arrived_at, started_at, finished_at, discharge_disposition, '
            'state')
        finding, = self.tampered(
            f'INSERT INTO clinic_encounter (uid, number, {names}) '
            f"SELECT 'forged', 'RJ-X', {names} FROM clinic_encounter "
            f'WHERE id = {self.visit}')
        self.assertEqual(finding[1:], ('RJ-X', MODEL, 'forged', 'added'))

    @unittest.skipUnless(
        backend.name == 'sqlite', "PostgreSQL checks foreign keys")
    def test_visit_removed(self):
        with Transaction().start(DB_NAME, 0) as transaction:
            cursor = transaction.connection.cursor()
            cursor.execute('PRAGMA foreign_keys')
            checked, = cursor.fetchone()
        if not checked:
            findings = self.tampered(
                f'DELETE FROM clinic_encounter WHERE id = {self.visit}')
            self.assertIn(
                (self.number, MODEL, 'removed'),
                [(f.encounter, f.model, f.what) for f in findings])

    def test_seal_altered(self):
        for column, value in [
                ('hash', "'0'"), ('manifest', "'{}'"),
                ('signed_by', self.clinic['kota']['nurse']),
                ('signed_at', "'2026-01-01 00:00:00'"),
                ('encounter_number', "'RJ-0'"), ('number', '999'),
                ('link', "'0'"), ('previous', "'0'"),
                ]:
            with self.subTest(column=column):
                self.assertIn(
                    (SEAL, 'altered'), [
                        (f.model, f.what) for f in self.tampered(
                            self.update(SEAL, column, value))])

    def test_content_and_hash_altered_together(self):
        "Who computes the hash anew is betrayed by the link"
        change = self.update('clinic.vital_signs', 'systolic', 90)
        with Transaction().start(DB_NAME, 0) as transaction:
            transaction.connection.cursor().execute(change)
            forged = manifest(contents([self.visit])[self.visit])
            transaction.rollback()
        self.assertOne(self.tampered(
                change,
                self.update(SEAL, 'manifest', f"'{canonical(forged)}'"),
                self.update(SEAL, 'hash', f"'{digest(forged)}'")),
            SEAL, 'altered')

    def test_seal_removed(self):
        findings = self.tampered(
            f'DELETE FROM clinic_seal WHERE id = {self.rows[SEAL]}')
        self.assertEqual(
            {(f.model, f.what, f.encounter) for f in findings}, {
                (SEAL, 'removed', '-'), (MODEL, 'added', self.number)})

    def test_end_of_the_chain_removed(self):
        "is found by the heads that were kept outside"
        heads = self.verify().heads
        cut = [
            f'DELETE FROM clinic_seal WHERE encounter = {self.other}',
            "UPDATE clinic_encounter SET state = 'cancelled' "
            f'WHERE id = {self.other}']
        self.assertEqual(self.tampered(*cut), [])
        finding, = self.tampered(*cut, heads=heads)
        self.assertEqual((finding.model, finding.what), (SEAL, 'removed'))

    def test_wizard(self):
        for login, allowed in [
                ('medical_records', True), ('admin', True),
                ('doctor', False), ('registration', False)]:
            with self.subTest(login=login):
                if not allowed:
                    with self.assertRaises(AccessError):
                        self.press_verify(login)
                    continue
                self.assertFalse(self.press_verify(login)['findings'])
                self.sql(self.update('clinic.vital_signs', 'systolic', 200))
                findings = self.press_verify(login)['findings']
                self.assertIn(self.number, findings)
                self.assertIn('altered', findings)
                self.assertFalse(
                    self.press_verify(f'{login}-desa')['findings'])
                self.sql(self.update('clinic.vital_signs', 'systolic', 120))

    def press_verify(self, login):
        user = self.user(login)
        proxy = user.config.get_proxy('clinic.seal.verify', 'wizard')
        context = user.config.context
        session, start, _ = proxy.create(context)
        view = proxy.execute(session, {}, start, context)['view']
        return {**view.get('defaults', {}), **view.get('values', {})}

    def test_command(self):
        with tempfile.TemporaryDirectory() as folder:
            heads = Path(folder) / 'heads.json'
            with mock.patch.object(
                    proteus_config, 'set_trytond',
                    return_value=self.config), mock.patch.object(
                    proteus_config, 'get_config',
                    return_value=self.config), mock.patch('builtins.print'):
                self.assertTrue(verify_seals.main(DB_NAME, heads=heads))
                kept = heads.read_text()
                self.assertEqual(
                    verify_seals.read_heads(heads).keys(),
                    {self.clinic[b]['company'] for b in ['kota', 'desa']})
                self.sql(self.update('clinic.vital_signs', 'systolic', 200))
                self.assertFalse(verify_seals.main(DB_NAME, heads=heads))
                self.sql(self.update('clinic.vital_signs', 'systolic', 120))
                self.assertEqual(heads.read_text(), kept)
