# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import datetime as dt

from proteus import Model
from trytond.model.exceptions import (
    AccessButtonError, AccessError, RequiredValidationError)
from trytond.transaction import Transaction

from trytond.modules.clinic_rme.exceptions import (
    LetterAccessError, LetterValidationError)

from .printed import LONG, NASTY, PrintTestCase
from .tools import ROLES

LETTER = 'clinic.letter'
READERS = {'registration', 'nurse', 'doctor', 'medical_records'}
CLINICAL = ['diagnosis', 'referral_reason', 'findings', 'therapy', 'text']


class LetterTestCase(PrintTestCase):
    "Letters of a doctor"

    def setUp(self):
        super().setUp()
        self.doctor = self.user('doctor')
        self.visit = self.create_visit('in_progress', objective="Faring merah")
        self.day = self.today()

    def today(self):
        with self.database() as pool:
            return pool.get('clinic.encounter')(self.visit).day

    def leave(self, **values):
        return {
            'encounter': self.visit, 'kind': 'sick_leave',
            'from_date': self.day, 'to_date': self.day + dt.timedelta(2),
            **values}

    def write(self, **values):
        return self.doctor.create(LETTER, **self.leave(**values))

    def issue(self, **values):
        id_ = self.write(**values)
        self.doctor(LETTER, 'issue', [id_])
        return id_

    def row(self, id_):
        return self.root(LETTER, 'read', [id_], list(
                self.config.pool.get(LETTER)._fields))[0]

    def test_visit_is_taken_over(self):
        letter = Model.get(LETTER, config=self.doctor.config)()
        letter.encounter = Model.get(
            'clinic.encounter', config=self.doctor.config)(self.visit)
        self.assertEqual(letter.patient.id, self.patient)
        self.assertEqual(letter.author.id, self.clinic['kota']['doctor'])
        self.assertIn("J06.9", letter.diagnosis)
        self.assertEqual(letter.from_date, letter.date)
        letter.to_date = letter.from_date + dt.timedelta(1)
        self.assertEqual(letter.days, 2)
        letter.kind = 'referral'
        self.assertIn("Blood Pressure 120/80 mmHg", letter.findings)
        self.assertIn("Faring merah", letter.findings)
        self.assertIn("Paracetamol", letter.therapy)
        self.assertIn("89.52", letter.therapy)

    def test_what_is_written_is_kept(self):
        letter = Model.get(LETTER, config=self.doctor.config)()
        letter.diagnosis = "Sendiri"
        letter.encounter = Model.get(
            'clinic.encounter', config=self.doctor.config)(self.visit)
        self.assertEqual(letter.diagnosis, "Sendiri")

    def other_visit(self, **values):
        return self.create_visit(
            'in_progress', referral_facility="RS B", objective="Paru bersih",
            diagnoses=[('create', [{'code': self.clinic['codes'][1]}])],
            prescription_items=None, procedures=None, **values)

    def referral(self):
        "Return a referral that has taken over the first visit"
        self.root('clinic.encounter', 'write', [self.visit], {
                'referral_facility': "RS A", 'referral_service': "Poli A",
                'referral_reason': "Alasan A"})
        letter = Model.get(LETTER, config=self.doctor.config)()
        letter.kind = 'referral'
        self.choose(letter, self.visit)
        self.assertIn("J06.9", letter.diagnosis)
        self.assertEqual(letter.referral_reason, "Alasan A")
        return letter

    def choose(self, letter, visit):
        letter.encounter = Model.get(
            'clinic.encounter', config=self.doctor.config)(visit)

    def test_visit_of_another_patient_takes_over(self):
        "and leaves nothing of the first one, whatever was added to it"
        letter = self.referral()
        letter.diagnosis += ", berat"
        letter.kind = 'sick_leave'
        letter.encounter = None
        self.choose(letter, self.other_visit(
                patient=self.clinic['patients'][1]))
        letter.kind = 'referral'
        self.assertEqual(letter.patient.id, self.clinic['patients'][1])
        self.assertTrue(letter.diagnosis.startswith("I10"))
        self.assertNotIn("Faring", letter.findings)
        self.assertIn("Paru bersih", letter.findings)
        self.assertFalse(letter.therapy)
        self.assertEqual(letter.referral_facility, "RS B")
        self.assertFalse(letter.referral_service)
        self.assertFalse(letter.referral_reason)
        letter.referral_reason = "Alasan B"
        letter.save()
        self.assertNotIn("berat", self.row(letter.id)['diagnosis'])

    def test_other_visit_of_the_patient_takes_over(self):
        "and what was written by hand stays"
        letter = self.referral()
        letter.referral_reason = "Mohon konsul segera"
        self.choose(letter, self.other_visit())
        self.assertTrue(letter.diagnosis.startswith("I10"))
        self.assertEqual(letter.referral_facility, "RS B")
        self.assertFalse(letter.therapy)
        self.assertEqual(letter.referral_reason, "Mohon konsul segera")

    def test_form_tells_the_visit_that_proposed(self):
        view = self.doctor(LETTER, 'fields_view_get', None, 'form')
        self.assertIn('source', view['fields'])
        self.assertIn('source', view['fields']['encounter']['on_change'])

    def test_day_of_the_letter(self):
        for day, message in [
                (self.day - dt.timedelta(1), "before the visit"),
                (self.day + dt.timedelta(1), "in the future"),
                (dt.date(9999, 12, 31), "in the future")]:
            with self.subTest(day=day):
                with self.assertRaisesRegex(LetterValidationError, message):
                    self.write(date=day)
                id_ = self.write()
                with self.assertRaisesRegex(LetterValidationError, message):
                    self.doctor(LETTER, 'write', [id_], {'date': day})
                self.assertEqual(self.row(id_)['date'], self.day)

    def test_day_of_the_letter_after_the_visit(self):
        "Any day from the visit on"
        before = dt.datetime.now(dt.UTC).replace(tzinfo=None) - dt.timedelta(3)
        visit = self.create_visit(
            'finished', arrived_at=before, started_at=before,
            finished_at=before)
        for days in range(4):
            id_ = self.doctor.create(
                LETTER, encounter=visit, kind='other', text="Surat",
                date=self.day - dt.timedelta(days))
            self.assertTrue(id_)

    def test_number_is_given_when_issued(self):
        first, second = self.write(), self.write()
        self.assertIsNone(self.row(first)['number'])
        self.doctor(LETTER, 'issue', [first, second])
        rows = [self.row(i) for i in (first, second)]
        self.assertTrue(all(r['number'] and r['issued_at'] for r in rows))
        self.assertNotEqual(rows[0]['number'], rows[1]['number'])
        self.assertEqual(
            rows[0]['issued_by'], self.clinic['kota']['doctor'])

    def test_number_of_the_branch(self):
        with self.transaction() as pool:
            Sequence = pool.get('ir.sequence')
            Value = pool.get('clinic.configuration.sequence')
            type_ = pool.get('ir.model.data').get_id(
                'clinic_rme', 'sequence_type_letter')
            company = self.clinic['kota']['company']
            sequence, = Sequence.create([{
                        'name': "Surat Kota", 'sequence_type': type_,
                        'company': company, 'prefix': 'KOTA/'}])
            with Transaction().set_context(company=company):
                Value.create([{
                            'company': company,
                            'letter_sequence': sequence.id}])
        self.assertTrue(
            self.row(self.issue())['number'].startswith('KOTA/'))

    def test_after_the_visit_was_closed(self):
        self.doctor('clinic.encounter', 'finish', [self.visit])
        with self.database() as pool:
            before = pool.get('clinic.encounter')(self.visit).content_hash
        id_ = self.issue()
        self.assertEqual(self.row(id_)['state'], 'issued')
        with self.database() as pool:
            self.assertEqual(
                pool.get('clinic.encounter')(self.visit).content_hash, before)

    def test_only_about_who_was_examined(self):
        for state in ['planned', 'arrived', 'cancelled']:
            visit = self.create_visit(state)
            with self.subTest(state=state), self.assertRaises(Exception) as e:
                self.write(encounter=visit)
            self.assertIn('Domain', type(e.exception).__name__)

    def test_length_of_the_leave(self):
        for start, end, message in [
                (0, -1, "1 to 31 days"), (0, 31, "1 to 31 days"),
                (-1, 1, "begins on the day"), (8, 9, "begins on the day")]:
            values = {
                'from_date': self.day + dt.timedelta(start),
                'to_date': self.day + dt.timedelta(end)}
            with self.subTest(start=start, end=end):
                with self.assertRaisesRegex(LetterValidationError, message):
                    self.write(**values)
                id_ = self.write()
                with self.assertRaisesRegex(LetterValidationError, message):
                    self.doctor(LETTER, 'write', [id_], values)
        self.write(to_date=self.day + dt.timedelta(30))
        self.write(to_date=self.day)

    def test_what_each_kind_needs(self):
        for kind, values in {
                'sick_leave': {'from_date': None, 'to_date': None},
                'health': {}, 'referral': {}, 'other': {}}.items():
            with self.subTest(kind=kind):
                with self.assertRaises(RequiredValidationError):
                    self.doctor.create(
                        LETTER, encounter=self.visit, kind=kind, **values)

    def test_issued_letter_is_frozen(self):
        id_ = self.issue()
        before = self.row(id_)
        for values in [
                {'to_date': self.day}, {'text': "Lain"}, {'number': "1"},
                {'state': 'draft'}, {'shows_diagnosis': True},
                {'void_reason': "x", 'text': "Lain"},
                {'encounter': self.visit}, {'author': None}]:
            with self.subTest(values=values):
                with self.assertRaises(LetterAccessError):
                    self.root(LETTER, 'write', [id_], values)
        with self.assertRaises(LetterAccessError):
            self.root(LETTER, 'delete', [id_])
        self.assertEqual(self.row(id_), before)

    def test_copy_is_a_draft(self):
        copied, = self.doctor(LETTER, 'copy', [self.issue()])
        row = self.row(copied)
        self.assertEqual(row['state'], 'draft')
        self.assertIsNone(row['number'])
        self.assertIsNone(row['issued_at'])

    def test_state_is_set_by_the_buttons(self):
        for values in [
                {'state': 'issued'}, {'state': 'void', 'void_reason': "x"}]:
            with self.subTest(values=values):
                with self.assertRaises(LetterAccessError):
                    self.write(**values)
        id_ = self.write(number="99", issued_at=dt.datetime(2020, 1, 1))
        self.assertIsNone(self.row(id_)['number'])
        self.assertIsNone(self.row(id_)['issued_at'])

    def test_only_the_author_issues(self):
        id_ = self.write(author=self.clinic['kota']['nurse'])
        for login in ['doctor', 'admin!']:
            with self.assertRaisesRegex(LetterAccessError, "by its author"):
                self.user(login)(LETTER, 'issue', [id_])
        for role in ['registration', 'nurse', 'medical_records']:
            with self.subTest(role), self.assertRaises(AccessButtonError):
                self.user(role)(LETTER, 'issue', [id_])
        self.assertEqual(self.row(id_)['state'], 'draft')

    def test_void_needs_a_reason(self):
        id_ = self.issue()
        with self.assertRaises((LetterValidationError, AccessButtonError)):
            self.doctor(LETTER, 'void', [id_])
        self.doctor(LETTER, 'write', [id_], {'void_reason': "Salah tanggal"})
        self.doctor(LETTER, 'void', [id_])
        row = self.row(id_)
        self.assertEqual(row['state'], 'void')
        self.assertEqual(row['voided_by'], self.clinic['kota']['doctor'])
        with self.assertRaises(LetterAccessError):
            self.doctor(LETTER, 'write', [id_], {'void_reason': "Lain"})
        with self.assertRaises(AccessButtonError):
            self.doctor(LETTER, 'issue', [id_])
        self.assertPrinted(
            self.printed('nurse', LETTER, id_), "VOID", "Salah tanggal")

    def test_branches(self):
        there = self.create_visit('in_progress', branch='desa')
        theirs = self.user('doctor-desa').create(
            LETTER, **self.leave(encounter=there))
        with self.assertRaises(AccessError):
            self.printed('doctor', LETTER, theirs)
        with self.assertRaises(AccessError):
            self.doctor.read(LETTER, theirs, 'number')
        with self.assertRaises(Exception) as refusal:
            self.write(encounter=there)
        self.assertRegex(
            type(refusal.exception).__name__, 'Domain|AccessError')

    def test_who_prints(self):
        id_ = self.issue()
        for role in (*ROLES, 'nobody'):
            with self.subTest(role):
                if role in READERS:
                    self.assertPrinted(
                        self.printed(role, LETTER, id_),
                        self.row(id_)['number'])
                else:
                    with self.assertRaises(AccessError):
                        self.printed(role, LETTER, id_)

    def test_registration_reads_nothing_clinical(self):
        id_ = self.write(diagnosis="Rahasia")
        for name in CLINICAL:
            with self.subTest(name), self.assertRaises(AccessError):
                self.user('registration').read(LETTER, id_, name)
        self.user('registration').read(LETTER, id_, 'kind', 'from_date')

    def test_sick_leave_on_paper(self):
        id_ = self.write(diagnosis="Faringitis akut")
        texts = self.printed('doctor', LETTER, id_)
        self.assertPrinted(
            texts, "DRAFT, NOT VALID", "Sick Leave Certificate",
            "Ardianto Putra", self.shown(dt.date(1992, 1, 1)), "3 days", "Doctor Kota")
        self.assertNotIn("Faringitis", '\n'.join(texts))
        self.doctor(LETTER, 'write', [id_], {'shows_diagnosis': True})
        self.doctor(LETTER, 'issue', [id_])
        texts = self.printed('registration', LETTER, id_)
        self.assertPrinted(texts, "Faringitis akut", self.row(id_)['number'])
        self.assertNotIn("DRAFT, NOT VALID", texts)
        self.assertPrinted(texts, *map(
                self.shown, [self.day, self.day + dt.timedelta(2)]))

    def test_health_certificate_on_paper(self):
        id_ = self.doctor.create(
            LETTER, encounter=self.visit, kind='health', purpose="Melamar",
            health='healthy_with_notes', colour_vision='partial',
            findings="Tekanan darah 120/80 mmHg; tinggi 170 cm",
            text="Memakai kacamata")
        self.assertPrinted(
            self.printed('doctor', LETTER, id_), "Health Certificate",
            "Melamar", "Healthy with Notes", "Partially Colour-blind",
            "120/80 mmHg", "170 cm", "Memakai kacamata")

    def test_referral_on_paper(self):
        id_ = self.doctor.create(
            LETTER, encounter=self.visit, kind='referral',
            referral_facility="RSUD Sejahtera", referral_service="Poli Jantung",
            referral_reason="EKG tidak normal\nMohon konsul",
            findings="TD 180/110", diagnosis="I10 Hipertensi",
            therapy="Captopril 25 mg")
        self.assertPrinted(
            self.printed('doctor', LETTER, id_), "Referral Letter",
            "RSUD Sejahtera", "Poli Jantung", "EKG tidak normal",
            "Mohon konsul", "TD 180/110", "I10 Hipertensi",
            "Captopril 25 mg", "Not asked yet")

    def test_nasty_and_long_texts(self):
        id_ = self.doctor.create(
            LETTER, encounter=self.visit, kind='other',
            text=f"{NASTY}\n{LONG}")
        self.assertEqual(self.row(id_)['text'], f"{NASTY}\n{LONG}")
        self.assertPrinted(self.printed('doctor', LETTER, id_), NASTY, LONG)

    def test_in_the_record_of_the_patient(self):
        id_ = self.issue(text="Istirahat di rumah")
        self.assertPrinted(
            self.printed('doctor', 'clinic.patient.record', self.patient),
            "Letters", self.row(id_)['number'], "Istirahat di rumah")
