# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What waits for SATUSEHAT and who is told, through the web client.

Each test is what one person does and goes on where the one before ended.
"""

import re

import pytest

pytestmark = pytest.mark.browser

MENU = 'satusehat_integration.menu_unsent'
UNKNOWN = {
    "Wulan Lestari": '3171010203040005', "Dewi Anggraini": '3171010203040006'}
LATER = "Claudia Sintia"
LATER_NIK = '9204014804000002'
SLOW, SLOW_NIK = "Elizabeth Dior", '9104224509000003'
NOT_FOUND = "NIK pasien tidak ditemukan di SATUSEHAT"
WITHOUT = "NIK pasien belum diisi"


@pytest.fixture(scope='module')
def unsent(clinic, platform):
    "Visits that cannot be sent: two for one cause, one for another"
    for name, nik in [*UNKNOWN.items(), (LATER, None)]:
        clinic.finish_visit(name, nik)
    clinic.deliver()
    yield
    platform.faults.clear()


def count(client, cause):
    "Return how many visits wait for the cause, as the list shows it"
    _, _, rest = client.row(cause).text.partition(cause)
    return int(rest.split()[0])


def test_administrator_sees_what_waits_and_why(client, clinic, unsent):
    client.log_in(clinic.users['satusehat'])
    client.open(*clinic.menu(MENU))
    assert count(client, NOT_FOUND) == 2
    assert count(client, WITHOUT) == 1
    client.picture('91-not-sent')
    client.open_row(NOT_FOUND)
    assert len(client.rows()) == 2
    client.picture('92-visits-of-a-cause')
    client.open_row(NOT_FOUND)
    assert client.value('state') == 'needs_data'
    client.picture('93-submission')


def test_administrator_sends_again(client, clinic, unsent):
    clinic.identify(LATER, LATER_NIK)
    client.log_in(clinic.users['satusehat'])
    client.open(*clinic.menu(MENU))
    client.open_row(WITHOUT)
    client.select(WITHOUT)
    client.press('resend')
    client.enter('reason', "NIK sudah diisi")
    client.picture('94-send-again')
    client.answer()
    clinic.deliver()
    client.open(*clinic.menu('satusehat_integration.menu_submission'))
    client.tab(3)
    client.row("Terkirim")
    client.picture('94-sent')
    client.open(*clinic.menu(MENU))
    client.toolbar('reload')
    client.row(NOT_FOUND)
    assert not [row for row in client.rows() if WITHOUT in row.text]


def test_administrator_stops_one(client, clinic, unsent):
    client.log_in(clinic.users['satusehat'])
    client.open(*clinic.menu(MENU))
    client.open_row(NOT_FOUND)
    client.open_row(NOT_FOUND)
    client.press('stop')
    assert "tidak akan dikirim lagi ke SATUSEHAT: 1." in client.value('notice')
    client.enter('reason', "Kunjungan uji coba, bukan pasien")
    client.picture('95-stop')
    client.answer('.modal-footer .btn-default')
    client.wait_value('state', 'stopped')
    assert "Kunjungan uji coba" in client.value('last_error')
    client.picture('96-stopped')


def test_clinic_administrator_is_told_after_a_day(client, clinic, unsent):
    clinic.pass_time(30)
    clinic.notify()
    client.log_in(clinic.users['head'])
    assert client.badge() == '1'
    (label, description), = client.notifications()
    assert label == NOT_FOUND
    assert description.startswith(
        "1 kunjungan belum terkirim sejak 24 jam (Klinik Purnama).")
    client.picture('97-told-after-a-day')
    client.open_notification(label)
    assert count(client, NOT_FOUND) == 1
    client.picture('98-list-of-the-branch')


def test_administrator_sees_that_nothing_is_sent_at_all(
        client, clinic, unsent):
    clinic.finish_visit(SLOW, SLOW_NIK)
    clinic.pass_time(1)
    client.log_in(clinic.users['satusehat'])
    client.badge()
    label, description = client.notifications()[0]
    assert label == "Pengiriman otomatis belum berjalan"
    assert "trytond-cron" in description
    client.picture('99-nothing-is-sent')
    client.open_notification(label)
    client.row(label)
    client.picture('100-list-when-nothing-is-sent')


def test_doctor_sees_when_it_is_tried_again(client, clinic, platform, unsent):
    platform.faults.add('rate_limit', resource='Bundle', seconds=1800)
    clinic.deliver()
    client.log_in(clinic.users['doctor'])
    client.open(*clinic.menu('clinic_rme.menu_encounter'))
    client.tab(2)
    client.open_row(SLOW)
    assert client.value('satusehat_state') == 'waiting'
    assert re.match(
        r"Dibatasi server SATUSEHAT, dicoba lagi "
        r"(\d\d-\d\d-\d{4} )?\d\d:\d\d WIB\.",
        client.value('satusehat_note'))
    client.picture('101-visit-that-waits')
