# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The Indonesian of the module is complete.

Where a test fails, let Tryton write the file anew (Administration,
Localization: Set, Clean, Synchronize and Export Translations) and translate
what is empty or fuzzy in it.
"""

import re
import unittest
from pathlib import Path

import polib
import trytond.tools
from trytond.pool import Pool
from trytond.tests.test_tryton import (
    activate_module, drop_db, with_transaction)

LANGUAGE = 'id'
PLACEHOLDER = re.compile(r'%\(\w+\)[sd]')
# What reads the same in both languages
SAME = {
    '%', 'Administrator', 'Diet', 'Gel', 'Hindu', 'ICD-10', 'ICD-9-CM',
    'Islam', 'JKN', 'NIK', 'OK', 'Prognosis', 'Puskesmas', 'RT', 'RW',
    'SpO₂', 'Status', 'Tablet', 'UID', 'UTF-8', 'Windows', 'cm', 'kg',
    'mmHg', '°C', 'Oral', 'g', 'mL', 'mcg', 'mg', 'pot', 'tablet', 'tube',
    'vial', 'Anamnesis', 'Diagnosis', 'SHA-256', 'SIP', 'Debris', 'Diastema',
    'Distal', 'Mesial', 'Normal', 'OHI-S', 'Torus Mandibularis',
    'Torus Palatinus', '11', '16', '26', '31', '36', '46', 'LOINC', 'Panel',
    'Plasma', 'Serum'}


def synchronize():
    "Load the Indonesian files and compare them with the sources, as an administrator"
    pool = Pool()
    Lang = pool.get('ir.lang')
    language, = Lang.search([('code', '=', LANGUAGE)])
    Lang.load_translations([language])
    for name, state in [
            ('ir.translation.set', 'set_'), ('ir.translation.clean', 'clean')]:
        Wizard = pool.get(name, type='wizard')
        session, _, _ = Wizard.create()
        Wizard.execute(session, {}, state)
    Update = pool.get('ir.translation.update', type='wizard')
    session, _, _ = Update.create()
    Update.execute(session, {'start': {'language': language.id}}, 'update')


def by_source(text):
    "Return the entries of a translation file by context and source"
    return {(e.msgctxt, e.msgid): e for e in polib.pofile(text)}


def ending(text):
    "Return the mark that ends the text, if any"
    return text[-1] if text[-1] in '.?:' else ''


class ModuleTranslationsTestCase(unittest.TestCase):
    "Test the Indonesian of the medical record"
    module = 'clinic_rme'
    same = SAME

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        drop_db()
        activate_module(cls.module)

    @classmethod
    def tearDownClass(cls):
        drop_db()
        super().tearDownClass()

    @property
    def written(self):
        path = trytond.tools.find_path(f'{self.module}/locale/{LANGUAGE}.po')
        return by_source(Path(path).read_text(encoding='utf-8'))

    @with_transaction()
    def test_every_source_is_translated(self):
        Translation = Pool().get('ir.translation')
        synchronize()

        needed = by_source(Translation.translation_export(
                LANGUAGE, self.module).decode())

        self.assertGreater(len(needed), 100)
        self.assertEqual(
            [k for k, e in needed.items() if not e.msgstr or e.fuzzy], [])
        self.assertEqual(needed.keys() ^ self.written.keys(), set())

    def test_translation_differs_from_source(self):
        self.assertEqual([
                key for key, entry in self.written.items()
                if entry.msgstr == entry.msgid
                and entry.msgid not in self.same], [])

    def test_placeholders_are_kept(self):
        self.assertEqual([
                key for key, entry in self.written.items()
                if sorted(PLACEHOLDER.findall(entry.msgstr))
                != sorted(PLACEHOLDER.findall(entry.msgid))], [])

    def test_sentences_end_alike(self):
        self.assertEqual([
                key for key, entry in self.written.items()
                if ending(entry.msgstr) != ending(entry.msgid)
                or entry.msgstr != entry.msgstr.strip()], [])
