# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The connection test of the administrator, over a real socket.

It is the one click that waits for the platform.
"""

import json
import socket
import threading

import pytest
from cryptography.fernet import Fernet
from flask import Response
from trytond.model.exceptions import SQLConstraintError
from trytond.pool import Pool
from trytond.transaction import Transaction

MODEL = 'satusehat.credential'
WIZARD = 'satusehat.credential.test'
LOGIN = 'satusehat-a'
BUSINESS_RULE = 'resource cannot be accessed due to business rule'


class Administrator:
    "The SATUSEHAT administrator of branch A, and the credential there"

    def __init__(self, clinic):
        self.clinic = clinic
        with clinic.transaction(user=0):
            pool = Pool()
            User = pool.get('res.user')
            credential, = pool.get(MODEL).search([
                    ('client_id', '=', 'client-A')])
            self.credential = credential.id
            user = User.search([('login', '=', LOGIN)]) or User.create([{
                        'name': "SATUSEHAT A",
                        'login': LOGIN,
                        'companies': [('add', [credential.company.id])],
                        'company': credential.company.id,
                        'groups': [('add', [pool.get('ir.model.data').get_id(
                                        'satusehat_integration',
                                        'group_satusehat_admin')])],
                        }])
            self.user = user[0].id

    def write(self, **values):
        with self.clinic.transaction():
            Credential = Pool().get(MODEL)
            Credential.write([Credential(self.credential)], values)

    def press(self, language='en'):
        "Start the wizard as a client does and return (success, text)"
        context = {
            'language': language,
            'active_model': MODEL,
            'active_id': self.credential,
            'active_ids': [self.credential],
            }
        with self.clinic.transaction(self.user, context):
            Wizard = Pool().get(WIZARD, type='wizard')
            session, state, _ = Wizard.create()
        with self.clinic.transaction(self.user, context):
            shown = Wizard.execute(session, {}, state)['view']['defaults']
        with self.clinic.transaction(self.user, context):
            Wizard.delete(session)
        return shown['success'], shown['result']


@pytest.fixture
def administrator(clinic):
    administrator = Administrator(clinic)
    yield administrator
    administrator.write(
        organization_id='10000004', client_id='client-A',
        client_secret='secret-A')


@pytest.fixture
def silent_port():
    "A port that takes connections and never answers"
    with socket.create_server(('127.0.0.1', 0)) as server:
        yield server.getsockname()[1]


def answer_with(emulator, path, **response):
    "Let the emulator answer requests to the path so"
    def door(request):
        if path in request.path:
            return Response(**response)
    emulator.doors.before.append(door)


def test_success(administrator, emulator):
    success, text = administrator.press()
    assert success
    assert text.startswith("The connection works.")
    assert "Klinik" in text


def test_wrong_secret(administrator, emulator):
    administrator.write(client_secret='wrong-secret-7')
    success, text = administrator.press()
    assert not success
    assert text.startswith("SATUSEHAT refuses the Client ID or the Secret")
    assert 'wrong-secret-7' not in text


def test_unknown_client(administrator, emulator):
    administrator.write(client_id='client-nobody')
    success, text = administrator.press()
    assert not success
    assert text.startswith("SATUSEHAT refuses the Client ID or the Secret")


@pytest.mark.parametrize('organization', ['99999999', '100000040'])
def test_unknown_organization(administrator, emulator, organization):
    administrator.write(organization_id=organization)
    success, text = administrator.press()
    assert not success
    assert organization in text
    assert "Check the Organization ID of the branch" in text


def test_organization_of_the_other_branch_is_not_entered(administrator):
    with pytest.raises(SQLConstraintError, match="Each branch needs its own"):
        administrator.write(organization_id='10000005')


@pytest.fixture
def borrowed(administrator, clinic):
    "Branch A has the organization of branch B, which has no credential"
    with clinic.transaction():
        Credential = Pool().get(MODEL)
        other, = Credential.search([('client_id', '=', 'client-B')])
        Credential.write([other], {'organization_id': '10000099'})
    administrator.write(organization_id='10000005')
    yield administrator
    administrator.write(organization_id='10000004')
    with clinic.transaction():
        Credential.write([Credential(other.id)], {
                'organization_id': '10000005'})


def test_organization_refused_to_the_client(borrowed, emulator):
    answer_with(
        emulator, '/Organization/', status=403, mimetype='application/json',
        response=json.dumps({
                'resourceType': 'OperationOutcome',
                'issue': [{
                        'severity': 'error', 'code': 'forbidden',
                        'details': {'text': BUSINESS_RULE}}]}))
    success, text = borrowed.press()
    assert not success
    assert '10000005' in text
    assert "Check the Organization ID of the branch" in text
    assert BUSINESS_RULE in text


def test_organization_of_the_other_branch(borrowed, emulator):
    success, text = borrowed.press()
    assert not success
    assert "Check the Organization ID of the branch" in text


def test_closed_port(administrator, setting):
    with socket.create_server(('127.0.0.1', 0)) as server:
        port = server.getsockname()[1]
    setting(local_url=f'http://127.0.0.1:{port}')
    assert administrator.press() == (
        False,
        "SATUSEHAT cannot be reached. "
        "Check the internet connection of the server.")


@pytest.mark.parametrize('path', ['/oauth2/', '/Organization/'])
@pytest.mark.parametrize('status, words', [
        (200, "The answer of SATUSEHAT was not understood. Try again later."),
        (503, "SATUSEHAT has a fault at the moment. Try again later."),
        ])
def test_html(administrator, emulator, path, status, words):
    answer_with(
        emulator, path, status=status, mimetype='text/html',
        response="<html><body>Pemeliharaan</body></html>")
    success, text = administrator.press()
    assert not success
    assert text == words


def test_missing_secret(administrator, emulator):
    administrator.write(client_secret=None)
    assert administrator.press() == (
        False, "The Secret Key is empty. Enter it and try again.")


def test_missing_key(administrator, emulator, setting):
    setting(encryption_keys='')
    success, text = administrator.press()
    assert not success
    assert 'encryption_keys' in text


def test_changed_key(administrator, emulator, setting):
    setting(encryption_keys=Fernet.generate_key().decode())
    success, text = administrator.press()
    assert not success
    assert "has to enter the Secret Key again" in text


@pytest.mark.parametrize('url', ['', 'http://192.0.2.1', 'ftp://127.0.0.1'])
def test_configuration(administrator, setting, url):
    setting(local_url=url)
    success, text = administrator.press()
    assert not success
    assert '"local_url"' in text


def test_nothing_is_written_or_locked_before_the_answer(
        administrator, emulator, clinic):
    written = []

    def door(request):
        with Transaction().start(clinic.database, 0) as transaction:
            Credential = Pool().get(MODEL)
            Credential.write([Credential(administrator.credential)], {
                    'organization_id': '10000004'})
            transaction.commit()
        written.append(request.path)
    emulator.doors.before.append(door)

    success, text = administrator.press()

    assert success, text
    assert len(written) == 2


def test_a_silent_server_is_left_within_ten_seconds(
        administrator, setting, silent_port):
    setting(local_url=f'http://127.0.0.1:{silent_port}')
    answers = []
    click = threading.Thread(
        target=lambda: answers.append(administrator.press()), daemon=True)
    click.start()
    click.join(10)
    assert answers == [(
            False, "SATUSEHAT did not answer in time. Try again later.")]


def test_silence_after_the_token(administrator, emulator):
    release = threading.Event()

    def door(request):
        if '/Organization/' in request.path:
            release.wait()
    emulator.doors.before.append(door)
    try:
        success, text = administrator.press()
    finally:
        release.set()
    assert not success
    assert text == "SATUSEHAT did not answer in time. Try again later."


def test_in_the_language_of_the_administrator(
        administrator, emulator, clinic):
    with clinic.transaction():
        Lang = Pool().get('ir.lang')
        Lang.load_translations(Lang.search([('code', '=', 'id')]))
    success, text = administrator.press(language='id')
    assert success
    assert text.startswith("Koneksi berhasil. SATUSEHAT mengenali cabang ini")
    administrator.write(client_secret='wrong')
    success, text = administrator.press(language='id')
    assert not success
    assert text.startswith("SATUSEHAT menolak Client ID atau Secret Key.")
