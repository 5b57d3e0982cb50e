# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Switches that change while the emulator runs."

import json

import pytest

PATH = '/_emulator/settings'


def change(client, body, content_type='application/json'):
    return client.call('PATCH', PATH, json.dumps(body), content_type)


def test_switches_are_shown_and_changed(emulator, client):
    shown = client.call('GET', PATH).json
    assert shown['latency'] == 0 and shown['token_lifetime'] == 3599
    assert 'clock' not in shown
    answer = change(client, {
        'latency': 1, 'index_lag': 2.5, 'cascade': True, 'page_size': 5})
    assert answer.status == 200
    assert answer.json == {
        **shown, 'latency': 1, 'index_lag': 2.5, 'cascade': True,
        'page_size': 5}
    assert emulator.settings.index_lag == 2.5
    assert client.call('GET', PATH).json == answer.json
    assert client.get('/Location').status == 200


@pytest.mark.parametrize('body, message', [
    ({'latency': 'long'}, 'latency must be a float'),
    ({'latency': -1}, 'latency must be a float'),
    ({'latency': True}, 'latency must be a float'),
    ({'latency': float('nan')}, 'latency must be a float'),
    ({'page_size': 2.5}, 'page_size must be a int'),
    ({'cascade': 1}, 'cascade must be a bool'),
    ({'patient_id_key': 7}, 'patient_id_key must be a str'),
    ({'clock': 0}, 'there is no switch clock'),
    ({'page_size': 7, 'banana': 1}, 'there is no switch banana'),
    ([], 'an object with switches')])
def test_nonsense_changes_nothing(emulator, client, body, message):
    before = client.call('GET', PATH).json
    answer = change(client, body)
    assert answer.status == 400
    assert message in answer.json['message']
    assert client.call('GET', PATH).json == before


def test_only_json_and_only_from_this_machine(app, client):
    assert change(client, {'latency': 1}, 'text/plain').status == 400
    for method in ('GET', 'PATCH'):
        assert app.test_client().open(
            PATH, method=method, json={'latency': 1}, environ_overrides={
                'REMOTE_ADDR': '192.0.2.7'}).status_code == 403
