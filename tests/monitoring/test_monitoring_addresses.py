# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"The two addresses: when they are there, for whom, for which databases."

import sys
import uuid

import pytest
from push_clinic import drop_database
from trytond import backend
from trytond.pool import Pool
from trytond.protocols.wrappers import Response
from trytond.tests.test_tryton import create_db
from trytond.transaction import Transaction
from trytond.wsgi import app
from watched_clinic import TOKEN, get
from werkzeug.test import Client

ADDRESSES = ['health', 'metrics']


def set_hostname(clinic, hostname):
    "Let trytond serve the database under this host name only"
    with clinic.transaction():
        Configuration = Pool().get('ir.configuration')
        configuration = Configuration(1)
        configuration.hostname = hostname
        configuration.save()


def forget_databases(*names):
    "Let the process know nothing of the databases, as after its start"
    for name in names:
        Pool.stop(name)
    backend.Database.clear_cache()


@pytest.mark.parametrize('name', ADDRESSES)
def test_both_are_off_without_configuration(clinic, name):
    response = get(f'/{clinic.database}/satusehat/{name}', TOKEN)
    assert response.status_code == 404


def test_each_is_turned_on_alone(clinic, setting):
    setting(health='True')
    assert clinic.health().status_code in {200, 503}
    assert clinic.scrape().status_code == 404
    setting(health='False', metrics_token=TOKEN)
    assert clinic.health().status_code == 404
    assert clinic.scrape().status_code == 200


@pytest.mark.parametrize('headers', [
        {},
        {'Authorization': ''},
        {'Authorization': 'Bearer'},
        {'Authorization': 'Bearer '},
        {'Authorization': f'Bearer {TOKEN[:-1]}'},
        {'Authorization': f'Bearer {TOKEN}0'},
        {'Authorization': f'Bearer {TOKEN.upper()}'},
        {'Authorization': 'Bearer \u00e9\u00e9'},
        {'Authorization': TOKEN},
        {'Authorization': f'Token {TOKEN}'},
        ])
def test_metrics_need_the_token(watched, headers):
    response = watched.scrape(token=None, **headers)
    assert response.status_code == 401
    assert response.headers['WWW-Authenticate'] == 'Bearer'
    assert not response.data


def test_token_in_the_address_is_none(watched):
    response = get(
        f'/{watched.database}/satusehat/metrics?metrics_token={TOKEN}'
        f'&token={TOKEN}')
    assert response.status_code == 401


def test_metrics_with_the_token(watched):
    response = watched.scrape()
    assert response.status_code == 200
    assert response.headers['Content-Type'].startswith('text/plain')
    assert response.headers['Cache-Control'] == 'no-store'


@pytest.mark.parametrize('option, value', [
        ('metrics_token', 'short'),
        ('health', 'perhaps'),
        ('health_unsent', 'an hour'),
        ('health_sweep', '-1'),
        ('health_sweep', 'nan'),
        ])
def test_wrong_configuration_turns_all_off(
        watched, setting, caplog, option, value):
    setting(**{option: value})
    assert watched.health().status_code == 404
    assert watched.scrape(value).status_code == 404
    assert f'[satusehat] {option}: ' in caplog.text
    assert f' {value}' not in caplog.text


@pytest.mark.parametrize('method', ['post', 'put', 'delete'])
def test_nothing_but_reading(watched, method):
    for name in ADDRESSES:
        response = getattr(Client(app, Response), method)(
            f'/{watched.database}/satusehat/{name}',
            headers={'Authorization': f'Bearer {TOKEN}'})
        assert response.status_code == 405


def test_token_is_asked_for_before_the_database(watched):
    "Who does not know it does not learn which databases there are"
    for database in [watched.database, f'no_{uuid.uuid4().hex[:8]}']:
        response = get(f'/{database}/satusehat/metrics', 'wrong' * 5)
        assert response.status_code == 401


@pytest.mark.parametrize('name', ADDRESSES)
def test_unknown_database_is_not_found_and_not_made(watched, name):
    unknown = f'no_{uuid.uuid4().hex[:8]}'
    response = get(f'/{unknown}/satusehat/{name}', TOKEN)
    assert response.status_code == 404
    assert unknown not in Pool.database_list()
    backend.Database.clear_cache()
    with Transaction().start(None, 0, readonly=True) as transaction:
        assert unknown not in transaction.database.list()


@pytest.mark.parametrize('name', ADDRESSES)
@pytest.mark.parametrize('database', ['a%00b', '%2E%2E', "x'--"])
def test_odd_database_names(watched, name, database):
    assert get(f'/{database}/satusehat/{name}', TOKEN).status_code == 404


@pytest.mark.parametrize('name', ADDRESSES)
def test_database_of_another_host_is_not_started(watched, name):
    set_hostname(watched, 'elsewhere.example')
    forget_databases(watched.database)
    response = get(f'/{watched.database}/satusehat/{name}', TOKEN)
    assert response.status_code == 404
    assert watched.database not in Pool.database_list()
    response = get(
        f'/{watched.database}/satusehat/{name}', TOKEN,
        Host='elsewhere.example')
    assert response.status_code in {200, 503}
    set_hostname(watched, None)


@pytest.mark.parametrize('name', ADDRESSES)
def test_served_database_is_started_when_need_be(watched, name):
    "The first request after a start may well be a probe"
    watched.swept()
    forget_databases(watched.database)
    response = get(f'/{watched.database}/satusehat/{name}', TOKEN)
    assert response.status_code == 200
    assert watched.database in Pool.database_list()


@pytest.fixture
def plain_database():
    "A database of Tryton without the module"
    name = f'plain_{uuid.uuid4().hex[:12]}'
    create_db(name)
    yield name
    drop_database(name)


def test_database_without_the_module_is_not_found(
        setting, plain_database):
    setting(health='True', metrics_token=TOKEN)
    for name in ADDRESSES:
        response = get(f'/{plain_database}/satusehat/{name}', TOKEN)
        assert response.status_code == 404


def test_library_missing(watched, monkeypatch, caplog):
    monkeypatch.delitem(
        sys.modules,
        'trytond.modules.satusehat_integration.monitoring.metrics',
        raising=False)
    monkeypatch.setitem(sys.modules, 'prometheus_client', None)
    assert watched.scrape().status_code == 501
    assert 'prometheus-client' in caplog.text
    assert watched.health().status_code in {200, 503}


@pytest.fixture
def database_gone(watched, monkeypatch):
    "The database server does not answer any more, and says why"
    def refuse(*args, **kwargs):
        raise backend.DatabaseOperationalError(
            "connection to server at db.internal as user tryton failed")
    monkeypatch.setattr(backend.Database, 'get_connection', refuse)
    return watched


def test_health_without_database(database_gone):
    response = database_gone.health()
    assert response.status_code == 503
    assert response.json == {
        'status': 'failing', 'problems': ['database'], 'database': False,
        'oldest_unsent_seconds': None, 'last_sweep_seconds': None}


def test_metrics_without_database(database_gone):
    response = database_gone.scrape()
    assert response.status_code == 503
    assert not response.data


def test_first_probe_without_database(watched, monkeypatch):
    forget_databases(watched.database)
    with monkeypatch.context() as patch:
        def refuse(*args, **kwargs):
            raise backend.DatabaseOperationalError("db.internal is away")
        patch.setattr(backend.Database, 'get_connection', refuse)
        response = watched.health()
    assert response.status_code == 503
    assert response.json['problems'] == ['database']
    assert b'db.internal' not in response.data
    Pool(watched.database).init()
