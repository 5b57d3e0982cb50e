# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Which configuration is accepted, and where the base URL may lead."
import socket
from dataclasses import fields

import pytest
import trytond.config as config
from trytond.modules.satusehat_integration.platform import settings
from trytond.modules.satusehat_integration.platform.settings import ConfigurationError


@pytest.fixture
def configure():
    if config.has_section('satusehat'):
        before = {
            o: config.get('satusehat', o) for o in config.options('satusehat')}
    else:
        before = None
        config.add_section('satusehat')

    def configure(**options):
        for name, value in options.items():
            config.set('satusehat', name, value)
    yield configure
    config.remove_section('satusehat')
    config.add_section('satusehat')
    for name, value in (before or {}).items():
        config.set('satusehat', name, value)
    config.set('satusehat', 'unused', '')


def test_defaults(configure):
    assert settings.read() == settings.Settings()
    current = settings.Settings()
    assert (current.batch_size, current.connections) == (32, 8)
    assert (current.lease, current.checking_grace) == (120, 600)
    assert (current.backoff_base, current.backoff_cap) == (30, 3600)


def test_read_at_each_call(configure):
    configure(connect_timeout='3', batch_size='7')
    first = settings.read()
    configure(connect_timeout='4.5')
    assert (first.connect_timeout, first.batch_size) == (3.0, 7)
    assert settings.read().connect_timeout == 4.5


@pytest.mark.parametrize('option', fields(settings.Settings), ids=lambda o: o.name)
def test_numbers_have_the_type_of_their_default(configure, option):
    configure(**{option.name: '2'})
    value = getattr(settings.read(), option.name)
    assert value == 2
    assert type(value) is type(option.default)


@pytest.mark.parametrize('name, value, problem', [
        ('batch_size', '1.5', 'not_a_number'),
        ('batch_size', '0', 'too_small'),
        ('read_timeout', 'soon', 'not_a_number'),
        ('read_timeout', 'nan', 'not_a_number'),
        ('read_timeout', 'inf', 'not_a_number'),
        ('total_timeout', '0', 'too_small'),
        ('requests_per_minute', '-1', 'too_small'),
        ])
def test_wrong_number(configure, name, value, problem):
    configure(**{name: value})
    with pytest.raises(ConfigurationError) as raised:
        settings.read()
    assert (raised.value.option, raised.value.problem) == (name, problem)
    assert value not in str(raised.value)


def test_no_pacing(configure):
    configure(requests_per_minute='0')
    assert settings.read().requests_per_minute == 0


def test_fixed_hosts(configure):
    configure(local_url='http://127.0.0.1:8000')
    assert settings.base_url('staging') == (
        'https://api-satusehat-stg.dto.kemkes.go.id')
    assert settings.base_url('production') == (
        'https://api-satusehat.kemkes.go.id')


@pytest.mark.parametrize('environment', ['', None, 'dev', 'STAGING'])
def test_unknown_environment(configure, environment):
    with pytest.raises(ConfigurationError) as raised:
        settings.base_url(environment)
    assert raised.value.problem == 'unknown'


def test_local_needs_url(configure):
    with pytest.raises(ConfigurationError) as raised:
        settings.base_url('local')
    assert raised.value.problem == 'missing'


@pytest.mark.parametrize('url, base', [
        ('http://127.0.0.1:8000', 'http://127.0.0.1:8000'),
        ('http://127.0.0.1:8000/', 'http://127.0.0.1:8000'),
        ('http://127.0.0.9', 'http://127.0.0.9'),
        ('https://localhost:8443', 'https://localhost:8443'),
        ('http://[::1]:8000', 'http://[::1]:8000'),
        ])
def test_local(configure, url, base):
    configure(local_url=url)
    assert settings.base_url('local') == base


@pytest.mark.parametrize('url, problem', [
        ('ftp://127.0.0.1', 'scheme'),
        ('file:///etc/hosts', 'scheme'),
        ('127.0.0.1:8000', 'scheme'),
        ('//127.0.0.1:8000', 'scheme'),
        ('http://', 'malformed'),
        ('http://:8000', 'malformed'),
        ('http://127.0.0.1:0', 'malformed'),
        ('http://127.0.0.1:99999', 'malformed'),
        ('http://127.0.0.1:8o', 'malformed'),
        ('http://[::1', 'malformed'),
        ('http://user@127.0.0.1', 'userinfo'),
        ('http://127.0.0.1:80@203.0.113.5', 'userinfo'),
        ('http://@127.0.0.1', 'userinfo'),
        ('http://203.0.113.5#@127.0.0.1', 'path'),
        ('http://127.0.0.1\\@203.0.113.5', 'malformed'),
        ('http://127.0.0.1\t.example.org', 'malformed'),
        ('http://127.0.0.1/fhir-r4/v1', 'path'),
        ('http://127.0.0.1//', 'path'),
        ('http://127.0.0.1?', 'path'),
        ('http://127.0.0.1?x=1', 'path'),
        ('http://127.0.0.1#', 'path'),
        ('http://0.0.0.0:8000', 'not_loopback'),
        ('http://[::]:8000', 'not_loopback'),
        ('http://169.254.169.254', 'not_loopback'),
        ('http://10.0.0.1', 'not_loopback'),
        ('http://203.0.113.5', 'not_loopback'),
        ('http://[fe80::1]', 'not_loopback'),
        ('http://[::ffff:203.0.113.5]', 'not_loopback'),
        ('http://[::ffff:127.0.0.1]', 'not_loopback'),
        ('http://[::127.0.0.1]', 'not_loopback'),
        ('http://[::ffff:169.254.169.254]', 'not_loopback'),
        ('http://2130706433', 'host'),
        ('http://0x7f000001', 'host'),
        ('http://0x7f.1', 'host'),
        ('http://0177.0.0.1', 'host'),
        ('http://127.1', 'host'),
        ('http://127.0.0.1.', 'host'),
        ('http://localhost.', 'host'),
        ('http://local%68ost', 'host'),
        ('http://local_host', 'host'),
        ('http://\uff11\uff12\uff17.0.0.1', 'malformed'),
        ('http://\u24db\u24de\u24d2alhost', 'malformed'),
        ('http://127.0.0.1.platform.invalid', 'unresolved'),
        ])
def test_local_refused(configure, url, problem):
    configure(local_url=url)
    with pytest.raises(ConfigurationError) as raised:
        settings.base_url('local')
    assert raised.value.problem == problem
    assert raised.value.option == 'local_url'


@pytest.mark.parametrize('addresses', [
        ['203.0.113.5'], ['127.0.0.1', '203.0.113.5'], ['::1', 'fe80::1%lo'],
        []])
def test_local_name_that_resolves_elsewhere(configure, monkeypatch, addresses):
    configure(local_url='http://emulator.example:8000')
    monkeypatch.setattr(socket, 'getaddrinfo', lambda *a, **k: [
            (socket.AF_INET, socket.SOCK_STREAM, 6, '', (a, 0))
            for a in addresses])
    with pytest.raises(ConfigurationError) as raised:
        settings.base_url('local')
    assert raised.value.problem == 'not_loopback'


@pytest.mark.parametrize('host, address, allowed', [
        ('api-satusehat.kemkes.go.id', '103.10.20.30', True),
        ('API-SATUSEHAT.kemkes.go.id', '103.10.20.30', True),
        ('api-satusehat.kemkes.go.id', '::ffff:103.10.20.30', True),
        ('api-satusehat.kemkes.go.id', '127.0.0.1', False),
        ('api-satusehat.kemkes.go.id', '10.1.2.3', False),
        ('api-satusehat.kemkes.go.id', '169.254.169.254', False),
        ('api-satusehat.kemkes.go.id', '100.64.0.1', False),
        ('api-satusehat.kemkes.go.id', '224.0.0.1', False),
        ('api-satusehat.kemkes.go.id', '::ffff:10.1.2.3', False),
        ('api-satusehat.kemkes.go.id', '::1', False),
        ('localhost', '127.0.0.1', True),
        ('localhost', '::1', True),
        ('localhost', '::ffff:127.0.0.1', True),
        ('localhost', '::ffff:103.10.20.30', False),
        ('localhost', '103.10.20.30', False),
        ('evil.example', '103.10.20.30', False),
        ])
def test_may_connect(host, address, allowed):
    assert settings.may_connect(host, address) is allowed
