# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What nurse and doctor write in a visit, over RPC."""

import datetime as dt

from trytond.model.exceptions import (
    AccessButtonError, AccessError, DomainValidationError,
    RequiredValidationError, SelectionValidationError)

from trytond.modules.clinic_rme.anamnesis import HISTORY
from trytond.modules.clinic_rme.examination import BODY_PARTS
from trytond.modules.clinic_rme.exceptions import (
    AllergyStatusError, EncounterAccessError, ExaminationError,
    FallRiskError, FollowUpError, PatientAccessError, PlanNotFoundError,
    VitalSignsValidationError)
from trytond.modules.clinic_rme.note import SOAP
from trytond.modules.clinic_rme.plan import COPIED, REFERRAL

from .tools import PARTS, RemoteTestCase, ago

MODEL = 'clinic.encounter'
ALLERGY = 'clinic.allergy'
EXAMINATION = 'clinic.examination'
TEMPLATE = 'clinic.note_template'
VITAL_SIGNS = 'clinic.vital_signs'
TEXTS = [
    *sorted(HISTORY), *SOAP, 'nursing_note', 'care_goal', 'instruction',
    'diet', 'education_note', 'follow_up_note', *sorted(REFERRAL),
    'psychological_note']
LINES = {
    'follow_up_note', 'referral_facility', 'referral_service',
    'psychological_note'}
NASTY = (
    "  'kutip' \"ganda\" `balik` \\ %s %(x)s {y} <b>&amp;</b>\n\n"
    "\tbaris\r\nakhir 🤒👩‍⚕️ é é ‮ ")


class VisitTestCase(RemoteTestCase):

    def setUp(self):
        super().setUp()
        self.nurse, self.doctor = self.user('nurse'), self.user('doctor')
        self.visit = self.create_visit(
            'in_progress', **dict.fromkeys(PARTS.values()))

    def write(self, user, **values):
        user(MODEL, 'write', [self.visit], values)

    def read(self, user, name, visit=None):
        return user.read(MODEL, visit or self.visit, name)[name]

    def new_patient(self, **person):
        return self.root.create(
            'clinic.patient', party=self.root.create(
                'party.party', name="Pasien Baru", **person))


class TextTestCase(VisitTestCase):
    "Texts are kept as they were typed"

    def test_kept_byte_for_byte(self):
        for text in [
                NASTY, "x" * 10000, "🤒" * 10000, "a\n" * 5000, " ", "0"]:
            values = {
                name: ' '.join(text.splitlines()).replace('\t', ' ')
                if name in LINES else text
                for name in TEXTS}
            self.write(self.doctor, **values)
            with self.subTest(text=text[:10]):
                found = self.doctor.read(MODEL, self.visit, *TEXTS)
                self.assertEqual({n: found[n] for n in TEXTS}, values)

    def test_note_of_an_examination(self):
        row = self.doctor.create(
            EXAMINATION, encounter=self.visit, body_part='chest',
            note=NASTY * 100)
        self.assertEqual(
            self.doctor.read(EXAMINATION, row, 'note')['note'], NASTY * 100)

    def test_nurse_writes_before_the_doctor(self):
        self.write(self.nurse, present_illness="Demam 3 hari")
        self.write(self.doctor, subjective="Demam")
        self.assertEqual(
            self.read(self.doctor, 'present_illness'), "Demam 3 hari")
        self.assertEqual(self.read(self.nurse, 'subjective'), "Demam")

    def test_nurse_writes_no_soap(self):
        for name in SOAP:
            with self.assertRaises(AccessError):
                self.write(self.nurse, **{name: "x"})

    def test_copy_of_a_visit_starts_empty(self):
        self.write(
            self.doctor, **dict.fromkeys(TEXTS, "Teks"),
            education_topics=['pain'], prognosis='good')
        self.doctor.create(
            EXAMINATION, encounter=self.visit, body_part='chest', note="x")
        copy, = self.doctor(MODEL, 'copy', [self.visit])
        for name in [*TEXTS, 'education_topics', 'prognosis', 'examinations']:
            with self.subTest(name=name):
                self.assertFalse(self.read(self.doctor, name, copy))

    def test_planned_visit_with_a_text_is_not_deleted(self):
        clerk = self.user('registration')
        for name in ['present_illness', 'pregnancy_status', 'nursing_note']:
            visit = self.create_visit(**dict.fromkeys(PARTS.values()))
            value = 'pregnant' if name == 'pregnancy_status' else "Teks"
            self.nurse(MODEL, 'write', [visit], {name: value})
            with self.subTest(name=name):
                with self.assertRaisesRegex(
                        EncounterAccessError, "can not be deleted"):
                    clerk(MODEL, 'delete', [visit])
            self.nurse(MODEL, 'write', [visit], {name: None})
            clerk(MODEL, 'delete', [visit])


class ScreeningTestCase(VisitTestCase):
    "Fall risk, psychological status, pregnancy"

    def test_level_of_the_fall_risk(self):
        for scale, levels in {
                'morse': {
                    0: 'low', 24: 'low', 25: 'medium', 44: 'medium',
                    45: 'high', 125: 'high'},
                'humpty_dumpty': {
                    7: 'low', 11: 'low', 12: 'high', 23: 'high'},
                'edmonson': {0: 'low', 89: 'low', 90: 'high'},
                }.items():
            for score, level in levels.items():
                with self.subTest(scale=scale, score=score):
                    self.write(
                        self.nurse, fall_risk_scale=scale,
                        fall_risk_score=score)
                    self.assertEqual(
                        self.read(self.nurse, 'fall_risk'), level)
        self.write(self.nurse, fall_risk_score=None)
        self.assertIsNone(self.read(self.nurse, 'fall_risk'))

    def test_impossible_score(self):
        for scale, score, message in [
                ('morse', 126, "has 0 to 125"), ('morse', -1, "has 0 to"),
                ('humpty_dumpty', 6, "has 7 to 23"),
                ('humpty_dumpty', 24, "has 7 to 23"),
                ('edmonson', -1, "begins with 0"),
                (None, 10, "Choose the scale")]:
            values = {'fall_risk_scale': scale, 'fall_risk_score': score}
            with self.subTest(scale=scale, score=score):
                with self.assertRaisesRegex(FallRiskError, message):
                    self.write(self.nurse, **values)
                (kind, notice), = self.nurse(
                    MODEL, 'on_change_notify', values)
                self.assertEqual(kind, 'warning')
                self.assertRegex(notice, message)

    def test_unknown_selection(self):
        for name in [
                'psychological_status', 'pregnancy_status',
                'fall_risk_scale']:
            with self.assertRaises(SelectionValidationError):
                self.write(self.nurse, **{name: 'x'})

    def test_pharmacist_reads_pregnancy_and_no_more(self):
        self.write(
            self.nurse, pregnancy_status='pregnant', past_illness="Asma")
        pharmacist = self.user('pharmacist')
        self.assertEqual(
            self.read(pharmacist, 'pregnancy_status'), 'pregnant')
        for name in ['past_illness', 'subjective', 'fall_risk']:
            with self.assertRaises(AccessError):
                self.read(pharmacist, name)


class AllergyTestCase(VisitTestCase):
    "The allergies of the patient, entered in the visit"

    def setUp(self):
        super().setUp()
        self.other = self.new_patient()
        self.owner = self.new_patient()
        self.visit = self.create_visit(
            'in_progress', patient=self.owner,
            **dict.fromkeys(PARTS.values()))

    def add(self, **values):
        self.write(self.nurse, allergy_status='listed', allergies=[
                ('create', [{
                            'patient': self.owner, 'substance': "Udang",
                            'category': 'food', **values}])])
        *_, row = self.read(self.nurse, 'allergies')
        return row

    def test_tri_state(self):
        self.assertEqual(
            self.read(self.nurse, 'allergy_status'), 'not_asked')
        self.write(self.nurse, allergy_status='none_known')
        self.assertEqual(self.root.read(
                'clinic.patient', self.owner, 'allergy_status'
                )['allergy_status'], 'none_known')

    def test_entry(self):
        row = self.add(
            reaction="Gatal", severity='severe', verification='confirmed')
        values = self.doctor.read(
            ALLERGY, row, 'patient', 'severity', 'verification',
            'recorded_by', 'recorded_at')
        self.assertEqual(values['patient'], self.owner)
        self.assertEqual(values['severity'], 'severe')
        self.assertEqual(values['verification'], 'confirmed')
        self.assertEqual(
            values['recorded_by'], self.clinic['kota']['nurse'])
        self.assertLessEqual(values['recorded_at'], ago())
        self.assertEqual(
            self.read(self.doctor, 'patient_allergy_text'), "Udang")

    def test_author_is_given(self):
        row = self.add(recorded_by=self.clinic['kota']['doctor'])
        self.assertEqual(
            self.nurse.read(ALLERGY, row, 'recorded_by')['recorded_by'],
            self.clinic['kota']['nurse'])
        for values in [
                {'recorded_by': self.clinic['kota']['doctor']},
                {'recorded_at': ago(days=1)}]:
            with self.assertRaisesRegex(
                    PatientAccessError, "by whom an entry was recorded"):
                self.nurse(ALLERGY, 'write', [row], values)

    def test_list_changed_in_the_visit(self):
        row = self.add()
        self.write(self.nurse, allergies=[
                ('write', [row], {'severity': 'mild'}),
                ('create', [{'substance': "Debu"}])])
        self.assertEqual(len(self.read(self.nurse, 'allergies')), 2)
        self.write(self.nurse, allergies=[
                ('delete', self.read(self.nurse, 'allergies'))])
        self.assertEqual(
            self.read(self.nurse, 'allergy_status'), 'not_asked')
        self.add()
        self.write(
            self.nurse, allergy_status='none_known', allergies=[
                ('remove', self.read(self.nurse, 'allergies'))])
        self.assertEqual(
            self.read(self.nurse, 'allergy_status'), 'none_known')

    def test_contradiction(self):
        with self.assertRaises(AllergyStatusError):
            self.write(self.nurse, allergy_status='listed')
        self.add()
        for status in ['not_asked', 'none_known']:
            with self.assertRaises(AllergyStatusError):
                self.write(self.nurse, allergy_status=status)

    def test_entries_of_another_patient(self):
        row = self.add()
        stranger = self.root.create(
            'clinic.patient', party=self.root.create(
                'party.party', name="Orang Lain"),
            allergy_status='listed',
            allergies=[('create', [{'substance': "Debu"}])])
        foreign, = self.root.read(
            'clinic.patient', stranger, 'allergies')['allergies']
        for command in [
                ('write', [foreign], {'substance': "x"}),
                ('write', [row], {}, [foreign], {'substance': "x"}),
                ('delete', [foreign]), ('remove', [foreign]),
                ('add', [foreign]), ('copy', [foreign])]:
            with self.subTest(command=command):
                with self.assertRaises(EncounterAccessError):
                    self.write(self.nurse, allergies=[command])
        self.write(self.nurse, allergies=[('create', [{
                            'patient': stranger, 'substance': "Susu"}])])
        self.assertEqual(len(self.read(self.nurse, 'allergies')), 2)
        self.assertEqual(self.root.read(
                'clinic.patient', stranger, 'allergies')['allergies'],
            (foreign,))

    def test_closed_visit(self):
        visit = self.create_visit('cancelled', patient=self.owner)
        for values in [
                {'allergy_status': 'none_known'},
                {'allergies': [('create', [{'substance': "Debu"}])]}]:
            for user in [self.nurse, self.doctor, self.root]:
                with self.assertRaisesRegex(
                        EncounterAccessError, "is closed"):
                    user(MODEL, 'write', [visit], values)

    def test_refuted(self):
        row = self.add()
        self.doctor(ALLERGY, 'write', [row], {'verification': 'refuted'})
        self.assertEqual(
            self.read(self.doctor, 'patient_allergy_text'),
            "Udang (refuted)")

    def test_status_follows_the_list(self):
        for status, rows, expected in [
                ('not_asked', [{'id': -1, 'substance': "Debu"}], 'listed'),
                ('none_known', [], 'none_known'), ('listed', [], 'listed')]:
            changed = self.nurse(
                MODEL, 'on_change',
                {'allergy_status': status, 'allergies': rows}, ['allergies'])
            self.assertEqual(
                changed.get('allergy_status', status), expected)

    def test_seen_at_another_branch(self):
        self.add()
        there = self.user('doctor-desa')
        row, = there.read('clinic.patient', self.owner, 'allergies')[
            'allergies']
        self.assertTrue(there.read(
                ALLERGY, row, 'recorded_by.rec_name')['recorded_by.'])


class ExaminationTestCase(VisitTestCase):
    "Findings from head to toe"

    def test_each_part(self):
        self.assertEqual(len(BODY_PARTS), 28)
        self.write(self.doctor, examinations=[('create', [
                        {'body_part': part, 'finding': 'normal'}
                        for part, _ in BODY_PARTS])])
        self.assertEqual(len(self.read(self.nurse, 'examinations')), 28)

    def test_once(self):
        row = self.doctor.create(
            EXAMINATION, encounter=self.visit, body_part='chest', note="x")
        self.doctor.create(
            EXAMINATION, encounter=self.visit, body_part='neck', note="x")
        with self.assertRaisesRegex(ExaminationError, "Chest twice"):
            self.doctor.create(
                EXAMINATION, encounter=self.visit, body_part='chest',
                note="y")
        with self.assertRaisesRegex(ExaminationError, "Neck twice"):
            self.doctor(EXAMINATION, 'write', [row], {'body_part': 'neck'})
        self.assertEqual(
            self.doctor.read(EXAMINATION, row, 'rec_name')['rec_name'],
            "Chest")

    def test_abnormal_finding_is_described(self):
        with self.assertRaises(RequiredValidationError):
            self.doctor.create(
                EXAMINATION, encounter=self.visit, body_part='chest')
        row = self.doctor.create(
            EXAMINATION, encounter=self.visit, body_part='chest',
            finding='normal')
        with self.assertRaises(RequiredValidationError):
            self.doctor(
                EXAMINATION, 'write', [row], {'finding': 'abnormal'})

    def test_author(self):
        row = self.doctor.create(
            EXAMINATION, encounter=self.visit, body_part='chest', note="x",
            recorded_by=self.clinic['kota']['nurse'])
        self.assertEqual(
            self.doctor.read(EXAMINATION, row, 'recorded_by')['recorded_by'],
            self.clinic['kota']['doctor'])


class TemplateTestCase(VisitTestCase):
    "Templates of the note"

    def setUp(self):
        super().setUp()
        self.own = self.doctor.create(
            TEMPLATE, name="ISPA", subjective="Batuk pilek",
            plan="Istirahat\nMinum cukup")

    def insert(self, template, **values):
        values = {**dict.fromkeys(SOAP), **values}
        changed = self.doctor(MODEL, 'on_change', {
                **values, 'note_template': template}, ['note_template'])
        return {**values, **changed}

    def test_insert(self):
        self.assertEqual(self.insert(self.own), {
                'note_template': None, 'subjective': "Batuk pilek",
                'objective': None, 'assessment': None,
                'plan': "Istirahat\nMinum cukup"})

    def test_nothing_written_is_lost(self):
        changed = self.insert(
            self.own, subjective="Demam ", objective="Faring merah")
        self.assertEqual(changed['subjective'], "Demam \nBatuk pilek")
        self.assertEqual(changed['objective'], "Faring merah")

    def test_choice_is_not_stored(self):
        self.write(self.doctor, note_template=self.own, subjective="Demam")
        self.assertIsNone(self.read(self.doctor, 'note_template'))
        self.assertEqual(self.read(self.doctor, 'subjective'), "Demam")

    def test_own_and_common(self):
        common = self.user('admin').create(
            TEMPLATE, name="Umum", employee=None)
        other = self.user('doctor-desa').create(TEMPLATE, name="Lain")
        self.assertEqual(
            self.doctor.read(TEMPLATE, self.own, 'employee')['employee'],
            self.clinic['kota']['doctor'])
        self.assertEqual(
            {self.own, common, other} & {*self.doctor.search(TEMPLATE, [])},
            {self.own, common})
        self.assertLessEqual(
            {self.own, common, other},
            {*self.user('admin').search(TEMPLATE, [])})
        for template in [common, other]:
            with self.assertRaises(AccessError):
                self.doctor(TEMPLATE, 'write', [template], {'name': "x"})
            with self.assertRaises(AccessError):
                self.doctor(TEMPLATE, 'delete', [template])
        for employee in [None, self.clinic['desa']['doctor']]:
            with self.assertRaises(AccessError):
                self.doctor.create(TEMPLATE, name="x", employee=employee)
            with self.assertRaises(AccessError):
                self.doctor(
                    TEMPLATE, 'write', [self.own], {'employee': employee})


class PlanTestCase(VisitTestCase):
    "The plan, and the plan of the visit before"

    def test_topics(self):
        self.write(self.nurse, education_topics=['disease', 'pain'])
        self.assertEqual(
            set(self.read(self.doctor, 'education_topics')),
            {'disease', 'pain'})
        with self.assertRaises(SelectionValidationError):
            self.write(self.nurse, education_topics=['x'])

    def test_follow_up_is_not_before_the_visit(self):
        zone = dt.timezone(dt.timedelta(hours=7))
        today = dt.datetime.now(zone).date()
        for days in [0, 7]:
            date = today + dt.timedelta(days)
            self.write(self.doctor, follow_up_date=date)
            self.assertEqual(self.read(self.doctor, 'follow_up_date'), date)
        with self.assertRaisesRegex(FollowUpError, "before the visit"):
            self.write(
                self.doctor, follow_up_date=today - dt.timedelta(1))

    def test_day_of_the_branch(self):
        "Half past six in the morning in Jakarta is the day before in UTC"
        visit = self.create_visit(
            arrived_at=dt.datetime(2026, 3, 9, 23, 30))
        self.doctor(MODEL, 'write', [visit], {
                'follow_up_date': dt.date(2026, 3, 10)})
        with self.assertRaises(FollowUpError):
            self.doctor(MODEL, 'write', [visit], {
                    'follow_up_date': dt.date(2026, 3, 9)})

    def test_unit_of_the_branch(self):
        self.write(
            self.doctor, follow_up_unit=self.clinic['kota']['unit'])
        with self.assertRaises((DomainValidationError, AccessError)):
            self.write(
                self.doctor, follow_up_unit=self.clinic['desa']['unit'])

    def finished(self, patient, branch='kota', **values):
        visit = self.create_visit(
            'in_progress', branch=branch, patient=patient,
            prescription_items=None)
        doctor = self.user(f'doctor-{branch}')
        doctor(MODEL, 'write', [visit], values)
        doctor(MODEL, 'finish', [visit])
        return visit

    def test_copied_from_the_last_visit(self):
        patient = self.new_patient()
        first = {
            **dict.fromkeys(COPIED, "Lama"), 'education_topics': ['pain']}
        self.finished(patient, **first)
        self.finished(
            patient, plan="Lanjut obat", subjective="Nyeri",
            objective="Baik", assessment="Membaik", prognosis='good',
            education_topics=['disease'], diet="Rendah garam")
        self.finished(patient, subjective="Tanpa rencana")
        visit = self.create_visit('in_progress', patient=patient)
        self.doctor(MODEL, 'write', [visit], {'diet': "Rendah gula"})
        self.doctor(MODEL, 'copy_plan', [visit])
        values = self.doctor.read(
            MODEL, visit, *COPIED, *SOAP, 'prognosis')
        self.assertEqual(values['plan'], "Lanjut obat")
        self.assertEqual(values['education_topics'], ('disease',))
        self.assertEqual(values['diet'], "Rendah gula")
        for name in [
                'subjective', 'objective', 'assessment', 'prognosis',
                'instruction']:
            self.assertFalse(values[name], name)

    def test_nothing_to_copy(self):
        patient = self.new_patient()
        self.finished(patient, 'desa', plan="Dari cabang lain")
        self.finished(patient, subjective="Nyeri")
        visit = self.create_visit('in_progress', patient=patient)
        with self.assertRaisesRegex(PlanNotFoundError, "to take over"):
            self.doctor(MODEL, 'copy_plan', [visit])

    def test_who_copies_and_when(self):
        patient = self.new_patient()
        closed = self.finished(patient, plan="Lanjut")
        visit = self.create_visit('in_progress', patient=patient)
        for role in ['nurse', 'registration', 'pharmacist', 'cashier']:
            with self.assertRaises(AccessButtonError):
                self.user(role)(MODEL, 'copy_plan', [visit])
        with self.assertRaises((AccessButtonError, AccessError)):
            self.doctor(MODEL, 'copy_plan', [closed])


class SlipTestCase(VisitTestCase):
    "Values that are possible, and yet a slip of the hand"

    def setUp(self):
        super().setUp()
        self.owner = self.new_patient(
            birth_date=dt.date.today() - dt.timedelta(365 * 30))
        self.visit = self.create_visit(
            'in_progress', patient=self.owner,
            **dict.fromkeys(PARTS.values()))

    def notices(self, **values):
        return [text for _, text in self.nurse(
                VITAL_SIGNS, 'on_change_notify',
                {'id': -1, 'encounter': self.visit, **values})]

    def child(self, days):
        self.visit = self.create_visit(
            'in_progress', patient=self.new_patient(
                birth_date=dt.date.today() - dt.timedelta(days)))

    def test_against_the_last_value(self):
        self.nurse.create(
            VITAL_SIGNS, encounter=self.create_visit(
                'in_progress', patient=self.owner),
            weight=62.5, height=165, measured_at=ago(hours=1))
        for values in [
                {'weight': 62.5}, {'weight': 80}, {'height': 166}, {}]:
            self.assertEqual(self.notices(**values), [], values)
        notice, = self.notices(weight=6.3)
        self.assertRegex(notice, r"Weight 6\.3: the last time it was 62\.5")
        notice, = self.notices(height=105)
        self.assertRegex(notice, r"Height 105\.0: the last time it was 165\.0")

    def test_against_the_age(self):
        for days, weight, heavy in [
                (3, 3.4, 34), (365, 9, 90), (365 * 9, 28.5, 285),
                (365 * 30, 62.5, 374)]:
            self.child(days)
            self.assertEqual(self.notices(weight=weight), [])
            notice, = self.notices(weight=heavy)
            self.assertRegex(notice, "unusual for the age")

    def test_it_is_a_notice(self):
        row = self.nurse.create(
            VITAL_SIGNS, encounter=self.visit, weight=230)
        self.assertEqual(
            self.nurse.read(VITAL_SIGNS, row, 'weight')['weight'], 230)

    def test_impossible_value_first(self):
        notice, = self.notices(weight=625)
        self.assertRegex(notice, "is not possible")

    def test_before_the_birth(self):
        self.child(3)
        with self.assertRaisesRegex(
                VitalSignsValidationError, "before the birth"):
            self.nurse.create(
                VITAL_SIGNS, encounter=self.visit, weight=3.4,
                measured_at=ago(days=6))

    def test_pain(self):
        for scale, score in [
                ('nrs', 0), ('nrs', 10), ('nips', 7), (None, 4)]:
            self.nurse.create(
                VITAL_SIGNS, encounter=self.visit, pain_scale=scale,
                pain_score=score)
        for scale, score in [('nrs', 11), ('nips', 8), (None, -1)]:
            with self.assertRaisesRegex(
                    VitalSignsValidationError, "is not possible"):
                self.nurse.create(
                    VITAL_SIGNS, encounter=self.visit, pain_scale=scale,
                    pain_score=score)

    def test_consciousness_alone(self):
        row = self.nurse.create(
            VITAL_SIGNS, encounter=self.visit, consciousness='alert')
        with self.assertRaisesRegex(
                VitalSignsValidationError, "at least one"):
            self.nurse(VITAL_SIGNS, 'write', [row], {'consciousness': None})
