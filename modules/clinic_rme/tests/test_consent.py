# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from proteus import Model
from trytond.model.exceptions import AccessButtonError, AccessError

from trytond.modules.clinic_rme.consent import EXPLAINED, shipped_text
from trytond.modules.clinic_rme.exceptions import (
    ConsentAccessError, ConsentValidationError, EncounterAccessError)

from .printed import LONG, NASTY, PrintTestCase
from .tools import ROLES

CONSENT = 'clinic.consent'
TEMPLATE = 'clinic.consent.template'
READERS = {'registration', 'nurse', 'doctor', 'medical_records'}


class ConsentTestCase(PrintTestCase):
    "Consents and refusals"

    def setUp(self):
        super().setUp()
        self.doctor = self.user('doctor')
        self.visit = self.create_visit('in_progress')

    def general(self, login='registration', **values):
        return self.user(login).create(CONSENT, **{
                'kind': 'general', 'patient': self.patient, **values})

    def informed(self, **values):
        return self.doctor.create(CONSENT, **{
                'kind': 'informed', 'patient': self.patient,
                'encounter': self.visit, 'witness': "Ns. Saksi",
                'signer_name': "Ardianto Putra", 'cost': "Rp150.000",
                **{n: f"Isi {n}" for n in EXPLAINED if n != 'cost'},
                **values})

    def template(self, login='admin', **values):
        return self.user(login).create(TEMPLATE, **{
                'company': self.clinic['kota']['company'],
                'kind': 'general', 'name': "Umum", 'text': "Teks cabang",
                **values})

    def row(self, id_):
        return self.root(CONSENT, 'read', [id_], list(
                self.config.pool.get(CONSENT)._fields))[0]

    def test_shipped_text_without_template(self):
        for kind, id_ in [
                ('general', self.general()), ('informed', self.informed())]:
            self.assertEqual(self.row(id_)['text'], shipped_text(kind))

    def test_text_of_the_branch_is_copied(self):
        template = self.template()
        id_ = self.general(template=template)
        self.user('admin')(TEMPLATE, 'write', [template], {'text': "Lain"})
        self.assertEqual(self.row(id_)['text'], "Teks cabang")
        self.user('admin')(TEMPLATE, 'delete', [template])
        self.assertEqual(self.row(id_)['text'], "Teks cabang")
        self.assertPrinted(
            self.printed('registration', CONSENT, id_), "Teks cabang")

    def test_template_begins_with_the_shipped_text(self):
        template = Model.get(TEMPLATE, config=self.user('admin').config)()
        template.kind = 'informed'
        self.assertEqual(template.text, shipped_text('informed'))

    def test_templates_of_branches(self):
        theirs = self.template(
            'admin-desa', company=self.clinic['desa']['company'])
        with self.assertRaises(AccessError):
            self.user('admin').read(TEMPLATE, theirs, 'text')
        with self.assertRaises(AccessError):
            self.user('admin')(TEMPLATE, 'write', [theirs], {'text': "Lain"})
        with self.assertRaises(Exception) as refusal:
            self.general(template=theirs)
        self.assertRegex(
            type(refusal.exception).__name__, 'Domain|AccessError')
        for role in ['registration', 'nurse', 'doctor']:
            with self.subTest(role), self.assertRaises(AccessError):
                self.template(role)

    def test_form_proposes(self):
        consent = Model.get(CONSENT, config=self.doctor.config)()
        consent.kind = 'informed'
        consent.encounter = Model.get(
            'clinic.encounter', config=self.doctor.config)(self.visit)
        self.assertEqual(consent.text, shipped_text('informed'))
        self.assertEqual(consent.patient.id, self.patient)
        self.assertIn("J06.9", consent.diagnosis)
        self.assertEqual(
            consent.explained_by.id, self.clinic['kota']['doctor'])
        consent.signer_relationship = 'parent'
        consent.signer_relationship = 'self'
        self.assertEqual(consent.signer_name, "Ardianto Putra")
        consent.signer_relationship = 'spouse'
        self.assertFalse(consent.signer_name)

    def test_registration_has_only_general_ones(self):
        informed = self.informed()
        registration = self.user('registration')
        with self.assertRaises(AccessError):
            registration.read(CONSENT, informed, 'diagnosis')
        with self.assertRaises(AccessError):
            self.printed('registration', CONSENT, informed)
        with self.assertRaises(AccessError):
            registration.create(
                CONSENT, kind='informed', patient=self.patient,
                encounter=self.visit)
        self.assertNotIn(informed, registration.search(CONSENT, []))
        general = self.general(signer_name="Ardianto Putra")
        self.assertTrue(self.printed('registration', CONSENT, general))
        registration(CONSENT, 'sign', [general])
        self.assertEqual(self.row(general)['state'], 'signed')

    def test_signature(self):
        id_ = self.informed()
        self.doctor(CONSENT, 'sign', [id_])
        row = self.row(id_)
        self.assertEqual(row['state'], 'signed')
        self.assertEqual(row['signed_by'], self.doctor.config.user)
        self.assertTrue(row['signed_at'])

    def test_what_was_not_explained(self):
        for name in [*EXPLAINED, 'witness', 'explained_by']:
            if name == 'cost':
                continue
            id_ = self.informed(**{name: None})
            with self.subTest(name):
                with self.assertRaisesRegex(
                        ConsentValidationError, "Before consent"):
                    self.doctor(CONSENT, 'sign', [id_])
                self.assertEqual(self.row(id_)['state'], 'draft')
        self.doctor(CONSENT, 'sign', [self.informed(cost=None)])

    def test_signed_consent_is_frozen(self):
        id_ = self.informed(decision='refused')
        self.doctor(CONSENT, 'sign', [id_])
        before = self.row(id_)
        for values in [
                {'decision': 'agreed'}, {'text': "Lain"}, {'witness': "X"},
                {'state': 'draft'}, {'signed_at': None},
                {'patient': self.clinic['patients'][1]}]:
            with self.subTest(values=values):
                with self.assertRaises(ConsentAccessError):
                    self.root(CONSENT, 'write', [id_], values)
        with self.assertRaises(ConsentAccessError):
            self.root(CONSENT, 'delete', [id_])
        self.assertEqual(self.row(id_), before)
        copied, = self.doctor(CONSENT, 'copy', [id_])
        self.assertEqual(self.row(copied)['state'], 'draft')
        self.assertIsNone(self.row(copied)['signed_at'])

    def test_scan_of_the_signed_paper_is_frozen(self):
        id_, draft = self.informed(), self.informed()

        def attach(consent, name):
            return self.doctor.create(
                'ir.attachment', name=name, data=b'jpeg',
                resource=f'{CONSENT},{consent}')
        sketch = attach(id_, "sketsa.jpg")
        self.doctor('ir.attachment', 'write', [sketch], {'data': b'png'})
        self.doctor(CONSENT, 'sign', [id_])
        scan = attach(id_, "pindaian.jpg")
        for method, *args in [
                ('write', [scan], {'data': b'lain'}),
                ('write', [scan], {'resource': f'{CONSENT},{draft}'}),
                ('delete', [scan]),
                ('delete', [sketch]),
                ]:
            for login in ['doctor', 'admin!']:
                with self.subTest(method=method, args=args, login=login):
                    with self.assertRaises(EncounterAccessError):
                        self.user(login)('ir.attachment', method, *args)
        self.assertEqual(
            self.doctor.read('ir.attachment', scan, 'data')['data'], b'jpeg')

    def test_state_is_set_by_the_button(self):
        with self.assertRaises(ConsentAccessError):
            self.informed(state='signed')
        id_ = self.informed(signed_by=1)
        self.assertIsNone(self.row(id_)['signed_by'])

    def test_visit_of_another_patient(self):
        with self.assertRaises(Exception) as refusal:
            self.informed(patient=self.clinic['patients'][1])
        self.assertIn('Domain', type(refusal.exception).__name__)

    def test_branches(self):
        theirs = self.general('registration-desa')
        with self.assertRaises(AccessError):
            self.user('registration').read(CONSENT, theirs, 'text')
        with self.assertRaises(AccessError):
            self.printed('registration', CONSENT, theirs)
        with self.assertRaises(AccessError):
            self.user('registration')(CONSENT, 'sign', [theirs])

    def test_who_prints_and_signs(self):
        for role in (*ROLES, 'nobody'):
            id_ = self.general(signer_name="Ardianto Putra")
            with self.subTest(role):
                if role in READERS:
                    self.assertPrinted(
                        self.printed(role, CONSENT, id_), "General Consent")
                else:
                    with self.assertRaises(AccessError):
                        self.printed(role, CONSENT, id_)
                if role in READERS - {'medical_records'}:
                    self.user(role)(CONSENT, 'sign', [id_])
                else:
                    with self.assertRaises((AccessButtonError, AccessError)):
                        self.user(role)(CONSENT, 'sign', [id_])

    def test_general_on_paper(self):
        id_ = self.general(
            signer_name="Budi", signer_relationship='parent')
        self.assertPrinted(
            self.printed('nurse', CONSENT, id_), "General Consent",
            "Ardianto Putra", "Budi", "Parent",
            *shipped_text('general').splitlines())

    def test_refused_general_consent_is_no_agreement(self):
        id_ = self.general(
            signer_name="Budi", signer_relationship='parent',
            decision='refused')
        texts = self.printed('nurse', CONSENT, id_)
        self.assertIn("Refusal of the General Consent", texts)
        self.assertNotIn("General Consent", texts)
        before, after = "I refuse the general consent", "Saya setuju"
        paper = '\n'.join(texts)
        self.assertPrinted(texts, before, after, "Budi", "Refused")
        self.assertLess(paper.index(before), paper.index(after))
        agreed = self.general(signer_name="Budi")
        self.assertNotIn(
            before, '\n'.join(self.printed('nurse', CONSENT, agreed)))
        self.assertPrinted(
            self.printed('doctor', 'clinic.patient.record', self.patient),
            "General Consent (Refused): ", "General Consent: ")

    def test_informed_on_paper(self):
        for decision, title, word in [
                ('agreed', "Consent to a Procedure", "Agreed"),
                ('refused', "Refusal of a Procedure", "Refused")]:
            id_ = self.informed(decision=decision)
            with self.subTest(decision):
                self.assertPrinted(
                    self.printed('doctor', CONSENT, id_), title, word,
                    "Rp150.000", "Ns. Saksi", "Doctor Kota",
                    *(f"Isi {n}" for n in EXPLAINED if n != 'cost'))

    def test_nasty_and_long_texts(self):
        id_ = self.informed(risks=NASTY, text=LONG, witness=NASTY)
        self.assertEqual(self.row(id_)['risks'], NASTY)
        self.assertPrinted(self.printed('doctor', CONSENT, id_), NASTY, LONG)
        self.doctor(CONSENT, 'sign', [id_])
        self.assertPrinted(
            self.printed('doctor', 'clinic.patient.record', self.patient),
            "Consents", NASTY)
