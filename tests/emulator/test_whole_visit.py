# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"One outpatient visit with everything that belongs to it, as one transaction."

import json

from . import samples
from .clinical import SNOMED, sample
from .conftest import texts
from .samples import KEMKES, VITAL_SIGNS, concept, ref, urn


def complaint():
    return {
        **samples.condition(urn(1)),
        'category': [concept(KEMKES, 'chief-complaint')],
        'code': {**concept(SNOMED, '49727002'), 'text': 'Batuk tiga hari'},
        'note': [{'text': 'Batuk berdahak sejak tiga hari'}]}


def whole_visit(room):
    "Return the transaction: 13 entries, the visit is urn(1)."
    visit = samples.finished(
        samples.encounter('K-2026-0001', room), urn(3), urn(2))
    visit['diagnosis'][1]['use'] = concept(
        f'{samples.HL7}/diagnosis-role', 'CC')
    del visit['diagnosis'][1]['rank']
    diagnosis = samples.condition(urn(1), 'J20.9')
    diagnosis['code']['coding'].append(
        {'system': SNOMED, 'code': '10509002'})
    composition = sample('Composition', urn(1))
    composition['section'].append({
        'title': 'Pemeriksaan Fisik', 'code': concept(KEMKES, 'TK000007'),
        'entry': [ref(urn(number)) for number in range(4, 10)]})
    prescription = sample('MedicationRequest', urn(1))
    prescription['reasonReference'] = [ref(urn(3))]
    return samples.bundle(
        visit, complaint(), diagnosis,
        *[samples.observation(urn(1), name) for name in VITAL_SIGNS],
        sample('Procedure', urn(1)), sample('AllergyIntolerance', urn(1)),
        prescription, composition)


def test_whole_visit_is_accepted(api, room):
    sent = whole_visit(room)
    response = api.send(sent)
    answer = response.get_json()
    assert response.status_code == 200, answer
    assert answer['total'] == len(sent['entry']) == 13
    responses = [entry['response'] for entry in answer['entry']]
    assert [r['resourceType'] for r in responses] == [
        entry['resource']['resourceType'] for entry in sent['entry']]
    stored = [
        api.get(f'/{r["resourceType"]}/{r["resourceID"]}').get_json()
        for r in responses]
    assert 'urn:uuid:' not in json.dumps(stored)
    assert stored[12]['section'][1]['entry'][0] == ref(
        f'Observation/{responses[3]["resourceID"]}')
    for type_, total in (
            ('Condition', 2), ('Observation', 6), ('Procedure', 1),
            ('AllergyIntolerance', 1), ('MedicationRequest', 1),
            ('Composition', 1)):
        found = api.get(
            f'/{type_}', encounter=responses[0]['resourceID']).get_json()
        assert found['total'] == total, type_


def test_one_bad_entry_refuses_the_whole_visit(api, room, store):
    before = store.counts()
    for number, entry in enumerate(whole_visit(room)['entry']):
        sent = whole_visit(room)
        name = 'category' if (
            entry['resource']['resourceType'] == 'AllergyIntolerance'
            ) else 'code' if 'code' in entry['resource'] else 'status'
        del sent['entry'][number]['resource'][name]
        response = api.send(sent)
        assert response.status_code == 400
        assert len(texts(response)) == 1
        assert store.counts() == before
