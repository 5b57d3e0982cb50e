# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Visits of several items, and what the platform holds of them."

from gateway import FHIR
from trytond.modules.satusehat_integration import walk
from trytond.pool import Pool

# Not in the edition of ICD-10 that the platform knows
UNKNOWN_CODE = 'U07.1'
WRITES = {'POST', 'PUT'}


class Crash(BaseException):
    "Stands for the death of a process"


def singly(clinic):
    "Let the branches send the rest when one item is refused"
    clinic.write('company.company', [], {'satusehat_singly': True})


def visit_with(clinic, *codes):
    "Record a visit with diagnoses of the codes, the first one primary"
    first, *others = codes
    visit = clinic.visit(code=first, finish=False)
    add_diagnoses(clinic, visit, *others)
    clinic.finish(visit)
    return visit


def add_diagnoses(clinic, visit, *codes):
    "Add diagnoses behind those there are, also to a finished visit"
    with clinic.transaction(user=0):
        pool = Pool()
        Encounter = pool.get('clinic.encounter')
        Diagnosis = pool.get('clinic.diagnosis')
        encounter = Encounter(visit)
        for code in codes:
            icd10 = icd10_of(code)
            rank = max([d.rank for d in Diagnosis.search([
                            ('encounter', '=', visit)])], default=0) + 1
            Diagnosis.create([{
                        'encounter': visit, 'code': icd10.id, 'rank': rank,
                        'recorded_at': encounter.started_at}])


def icd10_of(code):
    "Return the record of a code, a new one if needed"
    ICD10 = Pool().get('clinic.icd10')
    found = ICD10.search([('code', '=', code)])
    return (found or ICD10.create([{
                    'code': code, 'name': f"Name of {code}",
                    'edition': "WHO 2019"}]))[0]


def correct(clinic, visit, change=None):
    "Change the finished visit by a function of it, and write its version"
    with clinic.transaction(user=0):
        pool = Pool()
        encounter = pool.get('clinic.encounter')(visit)
        if change:
            change(encounter)
        pool.get('satusehat.submission').enqueue(
            pool.get('clinic.encounter').browse([visit]))


def to_code(code):
    "Return a change that gives the last diagnosis the code"
    def change(encounter):
        pool = Pool()
        icd10 = icd10_of(code)
        diagnoses = sorted(encounter.diagnoses, key=lambda d: d.rank)
        pool.get('clinic.diagnosis').write(
            diagnoses[-1:], {'code': icd10.id})
    return change


def instead(code):
    "Return a change that replaces the last diagnosis by one of the code"
    def change(encounter):
        pool = Pool()
        Diagnosis = pool.get('clinic.diagnosis')
        icd10 = icd10_of(code)
        last = sorted(encounter.diagnoses, key=lambda d: d.rank)[-1]
        rank = last.rank
        Diagnosis.delete([last])
        Diagnosis.create([{
                    'encounter': encounter.id, 'code': icd10.id,
                    'rank': rank, 'recorded_at': encounter.started_at}])
    return change


def versions(clinic, visit):
    "Return (version, state, reason) of the visit, oldest first"
    return clinic.read(
        'satusehat.submission', [('encounter', '=', visit)],
        'version', 'state', 'reason')


def row(clinic, visit, version=1):
    "Return what is known of a version of the visit"
    with clinic.transaction(user=0, context={'language': 'en'}):
        found, = Pool().get('satusehat.submission').search([
                ('encounter', '=', visit), ('version', '=', version)])
        return {
            name: getattr(found, name) for name in [
                'id', 'state', 'reason', 'detail', 'begun_at', 'singly',
                'last_error', 'attempts']}


def held(emulator, type_):
    "Return the resources of a type on the platform"
    return [r.body for r in emulator.store.find(type_)]


def writes(gateway):
    "Return (method, resource type) of the writes that arrived, in order"
    return [
        (s.method, s.path.removeprefix(FHIR).strip('/').partition('/')[0])
        for s in gateway.seen if s.method in WRITES
        and s.path.startswith(FHIR)
        and s.path.removeprefix(FHIR).strip('/').partition('/')[0]
        not in {'Organization', 'Location'}]


def assert_whole(clinic, emulator, visit, diagnoses=1, signs=4):
    "The platform holds each item of the visit once, and they fit together"
    encounter, = held(emulator, 'Encounter')
    assert encounter['id'] == clinic.encounter_id(visit)
    assert encounter['status'] == 'finished'
    right = [c for c in held(emulator, 'Condition')
        if 'verificationStatus' not in c]
    assert len(right) == diagnoses
    assert {d['condition']['reference'] for d in encounter['diagnosis']} == {
        f'Condition/{c["id"]}' for c in right}
    assert len(held(emulator, 'Observation')) == signs
    for type_ in ['Condition', 'Observation']:
        values = [r['identifier'][0]['value'] for r in held(emulator, type_)]
        assert len(set(values)) == len(values)
        assert {r['encounter']['reference'] for r in held(emulator, type_)} == {
            f'Encounter/{encounter["id"]}'}
    known = {
        (type_, id_) for type_, id_ in clinic.read(
            'satusehat.resource', [], 'resource_type', 'resource_id')}
    for type_ in ['Encounter', 'Condition', 'Observation']:
        assert {(type_, r['id']) for r in held(emulator, type_)} <= known


def assert_traced(clinic, gateway):
    "Each write that arrived has one row, committed before it arrived"
    rows = [
        (method, path.removeprefix(FHIR).strip('/').partition('/')[0])
        for method, path, _, _ in clinic.exchanges()
        if method in WRITES and path.startswith(FHIR)]
    rows = [r for r in rows if r[1] not in {'Organization', 'Location'}]
    assert sorted(rows) == sorted(writes(gateway))


def crash_at(monkeypatch, number, moment):
    """Let the sender die at its number-th write, when it is sent.

    Or, at the moment 'answered', before it has written what was answered.
    """
    count = []
    if moment == 'begun':
        def write(channel, method, path, *args, **kwargs):
            if path not in {'Organization', 'Location'}:
                count.append(1)
                if len(count) == number:
                    raise Crash
            return whole(channel, method, path, *args, **kwargs)
        from trytond.modules.satusehat_integration.channel import Channel
        whole = Channel.write
        monkeypatch.setattr(Channel, 'write', write)
    else:
        def end(self, *args):
            count.append(1)
            if len(count) == number:
                raise Crash
            return finish(self, *args)
        finish = walk.Walk._end
        monkeypatch.setattr(walk.Walk, '_end', end)
    return count


def drain(clinic):
    "Let leases and the grace time pass, twice"
    for _ in range(2):
        clinic.pass_time(700)
        clinic.push()
