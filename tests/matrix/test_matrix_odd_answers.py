# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Fault matrix: JSON that parsers disagree about."

from string import ascii_letters, digits

import pytest
from gateway import FHIR, stored_cut
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from matrix_clinic import bundles, sees, settled


@pytest.mark.fault(35)
@pytest.mark.parametrize('form', [
        'duplicate_keys', 'nan', 'infinity', 'charset', 'utf_16', 'deep'])
def test_json_that_parsers_disagree_about(clinic, emulator, warm, form):
    emulator.faults.add('odd_json', resource='Bundle', times=1, form=form)
    visit = clinic.visit()
    clinic.push()
    submission = sees(clinic, visit, 35)
    assert (submission['state'], submission['reason']) == (
        'checking', 'unrecognised')
    assert clinic.encounter_id(visit) is None
    clinic.make_due()
    clinic.push()
    assert sees(clinic, visit, 35)['state'] == 'sent'
    assert len(bundles(emulator)) == 3
    settled(clinic, emulator)


@pytest.mark.fault(35)
@pytest.mark.parametrize('form', ['bom', 'text_plain'])
def test_json_that_is_only_labelled_oddly(clinic, emulator, warm, form):
    emulator.faults.add('odd_json', resource='Bundle', times=1, form=form)
    visit = clinic.visit()
    clinic.push()
    assert sees(clinic, visit, 35)['state'] == 'sent'
    settled(clinic, emulator)


# By chance

LEVELS = [1, 100, 1000, 10_000, 100_000]
VALUES = [
    'NaN', '-Infinity', '1e999', '9' * 5000, '"\\ud800"', '"\\u0000"', '01',
    '+1', "'text'", '"\t"', *('[' * n + ']' * n for n in LEVELS),
    *('{"a":' * n + '1' + '}' * n for n in LEVELS)]
KEYS = ['resourceType', 'id', 'type', 'entry', 'response', 'location', 'x']
ENCODINGS = [
    'utf-8-sig', 'utf-16', 'utf-16-le', 'utf-32', 'utf-7', 'cp037', 'cp1026']
LABELS = st.sampled_from([
        'application/json', 'application/fhir+json; charset=utf-16',
        'application/json; charset=nonsense', 'text/plain; charset=cp037',
        'text/html', ''])


def encoded(encoding):
    return lambda body: body.decode().encode(encoding)


def with_member(key, value, share):
    "A member more in one of the objects, whose key may be there already"
    def change(body):
        objects = [i for i, byte in enumerate(body) if byte == ord('{')]
        place = objects[int(share * (len(objects) - 1))] + 1
        member = f'"{key}":{value},'.encode()
        return body[:place] + member + body[place:]
    return change


def with_bytes(data, share):
    def change(body):
        place = int(share * len(body))
        return body[:place] + data + body[place:]
    return change


def cut(share):
    return lambda body: body[:int(share * len(body))]


SHARES = st.floats(0, 1)
# Not of an id: one that is whole and wrong cannot be told from a right one
ODD_BYTES = st.lists(
    st.sampled_from(sorted(
            set(range(256)) - set(b'-.' + (digits + ascii_letters).encode()))),
    min_size=1, max_size=4).map(bytes)
CHANGES = st.one_of(
    st.builds(encoded, st.sampled_from(ENCODINGS)),
    st.builds(
        with_member, st.sampled_from(KEYS), st.sampled_from(VALUES), SHARES),
    st.builds(with_bytes, ODD_BYTES, SHARES),
    st.builds(cut, SHARES),
    st.binary(max_size=300).map(lambda data: lambda body: data))


def chance(examples):
    "Examples of odd answers, the same ones each time"
    def decorate(function):
        return settings(
            max_examples=examples, deadline=None, database=None,
            derandomize=True, phases=[Phase.generate])(
                given(CHANGES, LABELS)(function))
    return decorate


def oddly(change, label):
    "Carry it out and answer with the changed body"
    def fault(exchange):
        status, _, body = exchange.forward()
        exchange.reply(status, change(body), Content_Type=label)
    return fault


@pytest.mark.nightly
@pytest.mark.fault(35)
def test_odd_answer_to_a_bundle(clinic, emulator, warm, gateway):
    @chance(80)
    def sent_once(change, label):
        gateway.once('POST', FHIR, oddly(change, label))
        visit = clinic.visit()
        before = len(gateway.posts)
        clinic.push()
        submission = sees(clinic, visit, 35)
        if submission['state'] == 'checking':
            assert submission['reason'] == 'unrecognised'
            assert clinic.encounter_id(visit) is None
            clinic.make_due()
            clinic.push()
            submission = sees(clinic, visit, 35)
        assert submission['state'] == 'sent'
        assert len(gateway.posts) == before + 1
    sent_once()
    settled(clinic, emulator)


@pytest.mark.nightly
@pytest.mark.fault(35)
def test_odd_answer_to_a_search(clinic, emulator, warm, gateway):
    @chance(40)
    def looked_for_again(change, label):
        gateway.once('POST', FHIR, stored_cut)
        visit = clinic.visit()
        clinic.push()
        assert clinic.submission(visit)['state'] == 'checking'
        before = len(gateway.posts)
        gateway.once('GET', FHIR + '/Encounter', oddly(change, label))
        clinic.make_due()
        clinic.push()
        if clinic.submission(visit)['state'] != 'sent':
            assert clinic.submission(visit)['state'] in {
                'checking', 'waiting'}
            assert clinic.encounter_id(visit) is None
            clinic.make_due()
            clinic.push()
        assert clinic.submission(visit)['state'] == 'sent'
        assert len(gateway.posts) == before
    looked_for_again()
    settled(clinic, emulator)
