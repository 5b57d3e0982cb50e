# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""A list of patients is imported, and a patient's record handed out."""

import datetime as dt

import pytest
from selenium.webdriver.common.by import By

pytestmark = pytest.mark.browser

LIST = '''\
No RM;Nama Pasien;No KTP;JK;Tgl Lahir;Alamat;No Telp;Agama;Pekerjaan
A-0001;Wulan Sari;3174015203900007;P;12/03/1990;Jl. Melati 3;081234567890;\
ISLAM;Karyawan Swasta
A-0002;Joko Susilo;;L;25/12/1985;Jl. Kenanga 8;12;JEDI;Nelayan
{third}
'''


def choose_file(client, path):
    client.settle()
    client.scope().find_element(
        By.CSS_SELECTOR, 'input[type="file"]').send_keys(str(path))
    client.settle()


def press(client, label):
    "Press the button of the wizard and wait for what it shows"
    client.settle()
    client.until(
        lambda: [b for b in client.visible('.modal-footer button')
            if b.text.strip().lower() == label.lower()], label)[0].click()
    client.settle()


def test_patients_are_imported(client, clinic, tmp_path):
    path = tmp_path / 'pasien.csv'
    path.write_text(LIST.format(third='A-0003;;31;X;31/02/1990;;;;'))
    client.log_in(clinic.users['manager'])
    client.open(*clinic.menu('clinic_rme.menu_import_patient'))
    choose_file(client, path)
    client.picture('91-import-file')
    press(client, "Lanjut")
    assert "Apa isi setiap kolom" in client.dialog()
    client.picture('92-import-columns')
    press(client, "Periksa")
    client.wait_value('faulty', '1')
    client.picture('93-import-errors')
    assert "Baris 4, Nama Pasien: Nama belum diisi." in client.value(
        'findings')
    press(client, "Batal")
    client.open(*clinic.menu('clinic_rme.menu_import_patient'))
    path.write_text(LIST.format(third=''))
    choose_file(client, path)
    press(client, "Lanjut")
    press(client, "Periksa")
    client.wait_value('faulty', '0')
    client.picture('94-import-warnings')
    press(client, "Impor")
    client.wait_value('new', '2')
    client.picture('95-imported')
    press(client, "OK")
    client.open(*clinic.menu('clinic_rme.menu_patient'))
    client.toolbar('reload')
    client.open_row("A-0001")
    client.picture('96-imported-patient')
    assert "Wulan Sari" in client.value('party')


@pytest.fixture
def patient(clinic):
    admin = clinic.admin
    person = admin.model('party.party')(
        name="Nurul Hidayah", birth_date=dt.date(1988, 8, 17), sex='female')
    person.save()
    record = admin.model('clinic.patient')(party=person)
    record.save()
    return record


def test_record_is_handed_out(client, clinic, patient):
    client.log_in(clinic.users['doctor'])
    client.open(*clinic.menu('clinic_rme.menu_patient'))
    client.open_row(patient.medical_record_number)
    client.toolbar('action')
    client.choose_action("Ekspor Rekam Medis")
    client.enter('reason', "Permintaan pasien untuk dirujuk")
    client.picture('97-export-reason')
    press(client, "Ekspor")
    assert "Berkas" in client.dialog()
    client.picture('98-export-file')
    press(client, "Tutup")
    client.log_in(clinic.users['manager'])
    client.open(*clinic.menu('clinic_rme.menu_record_export'))
    client.picture('98-exports')
    client.open_row("Nurul Hidayah")
    assert client.value('reason') == "Permintaan pasien untuk dirujuk"
    client.picture('99-export-note')
