# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"How faults are switched: the control address, Python, where and when."

import http.client
import json

import pytest

from satusehat_emulator.faults import KINDS, FaultError, Faults
from satusehat_emulator.faults.fault import parse, written
from satusehat_emulator.resources import DATA

from . import samples
from .plain_client import FHIR, PlainClient, last, room


def test_add_list_and_remove(emulator, client):
    assert client.control('GET').json == {'faults': []}
    added = client.control('POST', body={
        'fault': 'server_error', 'status': 503, 'times': 1, 'seed': 4})
    assert added.status == 201
    expected = {
        'id': 1, 'fault': 'server_error', 'endpoint': 'fhir', 'status': 503,
        'form': 'text', 'stored': False, 'retry_after': 0, 'times': 1,
        'after': 0, 'every': 1, 'probability': 1.0, 'seed': 4,
        'seen': 0, 'applied': 0}
    assert added.json == expected
    assert client.post(room(1)).status == 503
    assert client.post(room(1)).status == 201
    assert client.control('GET').json == {
        'faults': [{**expected, 'seen': 2, 'applied': 1}]}
    assert client.control('DELETE', '/1').json == {'removed': 1}
    assert client.control('DELETE', '/1').status == 404
    assert client.control('GET').json == {'faults': []}


def test_add_several_or_none(emulator, client):
    answer = client.control('POST', body=[
        {'fault': 'drop'}, {'fault': 'slow', 'seconds': -1}])
    assert answer.status == 400
    assert not emulator.faults
    answer = client.control('POST', body=[
        {'fault': 'drop', 'method': 'PUT'}, {'fault': 'slow'}])
    assert [fault['id'] for fault in answer.json['faults']] == [1, 2]
    assert client.control('DELETE').json == {'removed': 2}
    assert not emulator.faults


def test_what_was_listed_can_be_added_again(emulator, client):
    for name in KINDS:
        emulator.faults.add(name)
    for row in client.control('GET').json['faults']:
        again = {
            key: value for key, value in row.items()
            if key not in {'id', 'seen', 'applied'}}
        added = client.control('POST', body=again)
        assert added.status == 201, added.json
        assert {**added.json, 'id': row['id']} == row


@pytest.mark.parametrize('body, message', [
    ({'fault': 'banana'}, "there is no fault 'banana'; there are: "),
    ({'status': 503}, "with its name in 'fault'"),
    ('drop', "with its name in 'fault'"), (7, "with its name in 'fault'"),
    ({'fault': ['drop']}, "with its name in 'fault'"),
    ({'fault': 'drop', 'banana': 1},
        'drop has no option banana; it has: stored, send'),
    ({'fault': 'forbidden', 'stored': True},
        'forbidden has no option stored; it has: none'),
    ({'fault': 'server_error', 'status': 418},
        'status must be one of 500, 502, 503, 504, not 418'),
    ({'fault': 'slow', 'seconds': 'long'},
        "seconds must be a number from 0 to 600, not 'long'"),
    ({'fault': 'slow', 'seconds': True}, 'seconds must be a number'),
    ({'fault': 'slow', 'seconds': float('nan')}, 'seconds must be a number'),
    ({'fault': 'slow', 'seconds': 601}, 'seconds must be a number'),
    ({'fault': 'drop', 'stored': 'maybe'}, 'stored must be true or false'),
    ({'fault': 'drop', 'send': 1.5}, 'send must be a whole number'),
    ({'fault': 'drop', 'times': 0}, 'times must be a whole number from 1'),
    ({'fault': 'drop', 'after': -1}, 'after must be a whole number from 0'),
    ({'fault': 'drop', 'every': 0}, 'every must be a whole number from 1'),
    ({'fault': 'drop', 'probability': 1.5},
        'probability must be a number from 0 to 1'),
    ({'fault': 'drop', 'method': 'get'}, 'method must be one of GET, POST'),
    ({'fault': 'drop', 'path': 'Encounter'}, 'path must be like /fhir-r4'),
    ({'fault': 'drop', 'resource': '1'}, 'resource must be like Encounter'),
    ({'fault': 'drop', 'endpoint': 'moon'}, 'endpoint must be one of fhir'),
    ({'fault': 'no_id', 'endpoint': 'token'},
        'no_id is no fault of the endpoint token, but of: fhir'),
    ({'fault': 'redirect', 'to': 'http://example.org'},
        "to must be 'loop' or an address of this machine"),
    ({'fault': 'redirect', 'to': 'http://169.254.169.254/'},
        "to must be 'loop' or an address of this machine"),
    ({'fault': 'redirect', 'to': 'http://127.0.0.1:99999999'},
        "to must be 'loop' or an address of this machine"),
    ({'fault': 'random', 'kinds': 'drop+banana'},
        "there is no fault 'banana'"),
    ({'fault': 'random', 'kinds': 'random'}, "there is no fault 'random'"),
    ])
def test_nonsense_is_explained(emulator, client, body, message):
    answer = client.control('POST', body=body)
    assert answer.status == 400
    assert message in answer.json['message']
    assert not emulator.faults


def test_no_json(emulator, client):
    path = '/_emulator/faults'
    assert client.call('POST', path, b'{').json['message'] == (
        'the body is no JSON')
    assert client.call(
        'POST', path, b'{"fault": "drop"}', 'text/plain').json == {
            'message': 'Content-Type must be application/json'}
    assert not emulator.faults


def test_only_from_this_machine(app):
    http_client = app.test_client()
    for address, status in (
            ('127.0.0.1', 200), ('::1', 200), ('::ffff:127.0.0.1', 200),
            ('192.0.2.7', 403), ('2001:db8::1', 403)):
        assert http_client.get('/_emulator/faults', environ_overrides={
            'REMOTE_ADDR': address}).status_code == status


def test_every_fault_is_described(client):
    answer = client.control('GET', '/kinds').json
    assert {row['fault'] for row in answer['kinds']} == KINDS.keys()
    assert all(row['text'] and row['endpoints'] for row in answer['kinds'])
    readme = (DATA.parent / 'README.md').read_text(encoding='utf-8')
    for name, kind in KINDS.items():
        row = next(
            line for line in readme.splitlines()
            if line.startswith(f'| `{name}`'))
        for option in kind.options:
            assert f'`{option}`' in row, (name, option)


def test_python_says_the_same():
    faults = Faults()
    with pytest.raises(FaultError, match="there is no fault 'banana'"):
        faults.add('banana')
    with pytest.raises(FaultError, match='no option colour'):
        faults.add('drop', colour='red')
    fault = faults.add('server_error', status='502', stored='true')
    assert fault.options['status'] == 502
    assert fault.options['stored'] is True


def test_text_of_the_command_line():
    name, options = parse('redirect:to=http://127.0.0.1:8,stored=true,times=1')
    assert (name, options) == ('redirect', {
        'to': 'http://127.0.0.1:8', 'stored': 'true', 'times': '1'})
    assert parse(written(name, options)) == (name, options)
    assert parse('drop') == ('drop', {})
    with pytest.raises(FaultError, match="'stored' of the fault drop"):
        parse('drop:stored')


@pytest.mark.parametrize('where, hit, spared', [
    ({'method': 'GET'}, ('GET', '/Location'), ('POST', '/Location')),
    ({'resource': 'Location'}, ('GET', '/Location'), ('GET', '/Encounter')),
    ({'resource': 'Bundle'}, ('POST', ''), ('POST', '/Location')),
    ({'path': '/fhir-r4/v1/Location/*'},
        ('GET', '/Location/1'), ('GET', '/Location'))])
def test_where(emulator, client, where, hit, spared):
    emulator.faults.add('edge_block', **where)
    for (method, path), expected in ((hit, True), (spared, False)):
        answer = client.call(method, FHIR + path, b'{}')
        assert (answer.status == 403) == expected


def test_path_reaches_every_service(emulator, client):
    emulator.faults.add('edge_block', path='/consent/*')
    assert client.call('GET', '/consent/v1/Consent').status == 403
    assert client.call('GET', '/masterdata/v1/provinces').status == 200
    emulator.faults.add('edge_block', endpoint='any')
    assert client.call('GET', '/masterdata/v1/provinces').status == 403
    assert client.call('GET', '/_emulator/counts').status == 200


def test_whose(emulator, client):
    other = PlainClient(emulator, 'client-B', 'secret-B').log_in()
    emulator.faults.add('edge_block', client='client-A')
    emulator.faults.add('no_product', organization=samples.OTHER_ORG)
    assert client.get('/Location').status == 403
    assert emulator.journal.entries()[-1]['client'] == 'client-A'
    assert other.get('/Location').status == 401
    emulator.faults.clear()
    emulator.faults.add(
        'bad_credentials', client='client-B', penalty=False)
    assert client.ask_token().status == 200
    assert other.ask_token().status == 401


@pytest.mark.parametrize('when, hits', [
    ({}, '11111111'), ({'times': 2}, '11000000'), ({'after': 3}, '00011111'),
    ({'every': 3}, '10010010'), ({'after': 1, 'every': 2}, '01010101'),
    ({'after': 2, 'every': 3, 'times': 1}, '00100000')])
def test_when(emulator, client, when, hits):
    emulator.faults.add('edge_block', **when)
    got = ''.join(
        str(int(client.get('/Location').status == 403)) for _ in hits)
    assert got == hits


def test_first_fault_wins_and_the_second_keeps_its_turns(emulator, client):
    emulator.faults.add('edge_block', times=1)
    emulator.faults.add('server_error', times=1)
    assert [client.get('/Location').status for _ in range(3)] == [
        403, 500, 200]


def test_fault_that_changes_nothing_keeps_its_turn(emulator, client):
    emulator.faults.add('wrong_id', times=1)
    assert client.post({**room(1), 'name': 7}).status == 400
    assert last(emulator) == (None, 400, 0)
    client.post(room(1))
    assert last(emulator) == ('wrong_id', 201, 1)


def test_journal_and_page_show_the_fault(emulator, client):
    client.post(room(1))
    emulator.faults.add('server_error', stored=True, status=502)
    emulator.faults.add('rule', text='<b>', method='PUT', number=10003)
    client.post(room(2))
    *_, plain, faulty = client.call(
        'GET', '/_emulator/requests').json['requests']
    assert (plain['fault'], plain['fault_detail'], plain['stored']) == (
        None, None, 1)
    assert (faulty['fault'], faulty['status'], faulty['stored']) == (
        'server_error', 502, 1)
    assert faulty['fault_detail'] == (
        'server_error:stored=true,status=502,form=text,retry_after=0')
    page = client.call('GET', '/').body.decode()
    assert '>server_error:stored=true,status=502' in page
    assert 'text=&lt;b&gt;' in page and '<b>' not in page


def test_page_shows_who_got_no_answer(emulator, client):
    emulator.faults.add('drop', times=1)
    with pytest.raises(http.client.RemoteDisconnected):
        client.get('/Location')
    assert '>no answer</td>' in client.call('GET', '/').body.decode()
    assert json.loads(client.call('GET', '/_emulator/requests').body)[
        'requests'][-1]['status'] is None
