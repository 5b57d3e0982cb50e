# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The prints as paper: sizes, pages, and that LibreOffice reads them.

In Indonesian, as clinics print them.  Set PRINTS to a folder to keep the
files and look at them.
"""

import datetime as dt
import os
import re
import shutil
import subprocess
from decimal import Decimal
from pathlib import Path

import pytest
from trytond.modules.clinic_rme.consent import EXPLAINED
from trytond.modules.clinic_rme.tests.tools import RemoteTestCase
from trytond.pool import Pool
from trytond.tests.test_tryton import DB_NAME
from trytond.transaction import Transaction

TOOLS = ['soffice', 'pdfinfo', 'pdftotext']
missing = [tool for tool in TOOLS if not shutil.which(tool)]
pytestmark = pytest.mark.skipif(
    bool(missing), reason=f"not installed: {', '.join(missing)}")
# Width and height in points (1/72 inch)
A4, A5, CARD, LABEL = (595, 842), (420, 595), (420, 298), (170, 113)
OTHER_LANGUAGE = re.compile(r'\b(?:Patient|Visit|Weight|Diagnoses)\b')


class Clinic(RemoteTestCase):
    "A clinic with what is to be printed"

    def runTest(self):
        "Not a test by itself"

    def fill(self):
        with self.transaction() as pool:
            Lang = pool.get('ir.lang')
            language, = Lang.search([('code', '=', 'id')])
            Lang.write([language], {'translatable': True})
            Lang.load_translations([language])
            branch = self.clinic['kota']
            Company = pool.get('company.company')
            company = Company(branch['company'])
            Company.write([company], {
                    'facility_license': "503/0123/KLINIK/2025",
                    'facility_code': "3171010001"})
            pool.get('party.address').write(list(company.party.addresses), {
                    'street': "Jl. Melati No. 12", 'city': "Bandung",
                    'postal_code': "40115"})
            Party = pool.get('party.party')
            Party.write([company.party], {
                    'contact_mechanisms': [('create', [
                                {'type': 'phone', 'value': "022 4200000"},
                                {'type': 'email',
                                    'value': "info@klinik.example"}])]})
            pool.get('company.employee').write(
                [pool.get('company.employee')(branch['doctor'])],
                {'sip_number': "446/SIP-DU/0451/2025"})
            patient = pool.get('clinic.patient')(self.patient)
            Party.write([patient.party], {
                    'occupation': 'private',
                    'addresses': [('create', [{
                                    'street': "Jl. Kenanga RT 03/RW 05",
                                    'city': "Bandung"}])]})
            pool.get('clinic.patient').write([patient], {
                    'allergy_status': 'listed',
                    'allergies': [('create', [{
                                    'substance': "Amoksisilin",
                                    'reaction': "Gatal, sesak",
                                    'severity': 'severe'}])]})
        self.visit = self.create_visit('in_progress', **self.full())
        for button in ['finish']:
            self.user('doctor')('clinic.encounter', button, [self.visit])
        self.amend(
            self.visit, 'pharmacist', 'addendum',
            "Sirup diganti tablet karena stok habis.")
        self.amend(self.visit, 'doctor', 'correction', "Salah ketik rencana")
        self.user('doctor')('clinic.encounter', 'write', [self.visit], {
                'plan': "Kontrol bila demam lebih dari 3 hari."})
        self.user('doctor')(
            'clinic.encounter', 'complete_correction', [self.visit])
        self.create_visit('finished', chief_complaint="Batuk pilek")
        return self

    def full(self):
        medicine = self.clinic['medicines']
        return {
            'chief_complaint': "Pusing sejak 2 hari, disertai mual",
            'present_illness': "Pusing berputar, memberat bila bangun.",
            'subjective': "Pusing, mual, tidak muntah.",
            'objective': "Faring tidak hiperemis.\nParu vesikuler.",
            'assessment': "Hipertensi belum terkontrol.",
            'plan': "Obat rutin.",
            'education_topics': ['disease', 'medication'],
            'prognosis': 'fair',
            'follow_up_date': dt.date.today() + dt.timedelta(7),
            'follow_up_unit': self.clinic['kota']['unit'],
            'vital_signs': [('create', [{
                            'systolic': 168, 'diastolic': 96,
                            'heart_rate': 88, 'respiratory_rate': 18,
                            'temperature': 36.7, 'oxygen_saturation': 98,
                            'weight': 62.5, 'height': 165.0}])],
            'prescription_items': [('create', [
                        {'kind': 'simple',
                            'medicine': medicine['Captopril'],
                            'dose': Decimal(1), 'dose_unit': 'tablet',
                            'route': 'oral', 'frequency': 2, 'duration': 30,
                            'meal': 'before',
                            'instructions': "Diminum pada jam yang sama."},
                        {'kind': 'simple', 'medicine': medicine['Paracetamol'],
                            'dose': Decimal('0.5'), 'dose_unit': 'tablet',
                            'route': 'rectal', 'as_needed': True,
                            'quantity': Decimal(5),
                            'quantity_unit': 'suppository',
                            'substitution_allowed': False},
                        {'kind': 'simple', 'medicine': medicine['Amoxsan'],
                            'dose': Decimal(1), 'dose_unit': 'tablet',
                            'route': 'oral', 'frequency': 3, 'duration': 5,
                            'override_reason': "Alergi ringan, diawasi."},
                        self.compounded(meal='after')])],
            }

    def letter(self, kind, **values):
        doctor = self.user('doctor')
        id_ = doctor.create(
            'clinic.letter', encounter=self.visit, kind=kind,
            author=self.clinic['kota']['doctor'], **values)
        doctor('clinic.letter', 'issue', [id_])
        return id_

    def consent(self, kind, **values):
        return self.user('doctor').create('clinic.consent', **{
                'kind': kind, 'patient': self.patient,
                'signer_name': "Ardianto Putra",
                'explained_by': self.clinic['kota']['doctor'],
                **({
                        'encounter': self.visit, 'witness': "Ns. Saksi",
                        **{n: f"Penjelasan {n}" for n in EXPLAINED}}
                    if kind == 'informed' else {}), **values})

    def pdf(self, report, id_):
        "Return the print as the doctor gets it"
        config = self.user('doctor').config
        extension, content, _, _ = config.get_proxy(report, 'report').execute(
            [id_], {}, config.context)
        assert extension == 'pdf'
        return bytes(content)


@pytest.fixture(scope='module')
def clinic():
    Clinic.setUpClass()
    yield Clinic().fill()
    Clinic.tearDownClass()


@pytest.fixture(scope='module')
def papers(clinic):
    "Return what is printed: name, (report, id, size, most pages, words)"
    today = dt.date.today()
    with Transaction().start(DB_NAME, 0, readonly=True):
        day = Pool().get('clinic.encounter')(clinic.visit).day
    assert abs(day - today) <= dt.timedelta(1)
    return {
        'resep': (
            'clinic.encounter.prescription', clinic.visit, A5, 2,
            ["Resep", "R/ Captopril", "2 x sehari 1 tablet sebelum makan",
                "ALERGI", "Amoksisilin", "Dokter"]),
        'etiket': (
            'clinic.encounter.drug_label', clinic.visit, LABEL, 4,
            ["OBAT LUAR", "OBAT DALAM", "Jumlah: 60 tablet"]),
        'kartu': (
            'clinic.patient.card', clinic.patient, CARD, 1,
            ["Kartu Berobat", "Ardianto Putra", "Kunjungan Berikutnya"]),
        'sakit': (
            'clinic.letter', clinic.letter(
                'sick_leave', from_date=day, to_date=day + dt.timedelta(2),
                diagnosis="Hipertensi"), A5, 1,
            ["Surat Keterangan Sakit", "3 hari"]),
        'sehat': (
            'clinic.letter', clinic.letter(
                'health', purpose="Melamar pekerjaan", health='healthy',
                colour_vision='normal',
                findings="Tekanan Darah 120/80 mmHg; Tinggi 165 cm"), A5, 1,
            ["Surat Keterangan Sehat", "Tidak buta warna"]),
        'rujukan': (
            'clinic.letter', clinic.letter(
                'referral', referral_facility="RSUD Kota Bandung",
                referral_service="Poli Penyakit Dalam",
                referral_reason="Hipertensi tidak terkontrol",
                findings="TD 168/96 mmHg", diagnosis="I10 Hipertensi",
                therapy="Captopril 25 mg"), A5, 2,
            ["Surat Rujukan", "RSUD Kota Bandung"]),
        'persetujuan-umum': (
            'clinic.consent', clinic.consent('general'), A4, 1,
            ["Persetujuan Umum", "Saksi"]),
        'penolakan': (
            'clinic.consent', clinic.consent(
                'informed', decision='refused'), A4, 2,
            ["Penolakan Tindakan", "Menolak"]),
        'ringkasan': (
            'clinic.encounter.summary', clinic.visit, A4, 3,
            ["Ringkasan Kunjungan", "168 mmHg", "Sirup diganti",
                "Salah ketik rencana", "SHA-256"]),
        'rekam-medis': (
            'clinic.patient.record', clinic.patient, A4, 6,
            ["Rekam Medis", "Batuk pilek", "Gatal, sesak", "Surat"]),
        }


NAMES = [
    'resep', 'etiket', 'kartu', 'sakit', 'sehat', 'rujukan',
    'persetujuan-umum', 'penolakan', 'ringkasan', 'rekam-medis']


def ask(*command):
    return subprocess.run(
        command, check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize('name', NAMES)
def test_paper(clinic, papers, name, tmp_path):
    report, id_, size, most, words = papers[name]
    folder = Path(os.environ.get('PRINTS') or tmp_path)
    path = folder / f'{name}.pdf'

    path.write_bytes(clinic.pdf(report, id_))

    facts = dict(
        line.split(':', 1) for line in ask('pdfinfo', path).splitlines())
    width, height = map(
        float, re.findall(r'[\d.]+', facts['Page size'])[:2])
    assert (round(width), round(height)) == pytest.approx(size, abs=2)
    assert 1 <= int(facts['Pages']) <= most
    text = ' '.join(ask('pdftotext', '-layout', path, '-').split())
    assert [w for w in words if w.lower() not in text.lower()] == []
    assert not OTHER_LANGUAGE.findall(text)


def test_nothing_is_left_to_print(papers):
    assert sorted(papers) == sorted(NAMES)
