# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Any order of visits, faults, crashes and time keeps the promises.

No visit is lost, the platform holds none twice, and the numbers here are
those of the platform.
"""

import gateway as faults
import pytest
import trytond.config as config
from gateway import FHIR, gateway_to
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine, initialize, invariant, rule,
    run_state_machine_as_test)
from push_clinic import (
    DOCTOR_NIK, PATIENT_NIK, UNKNOWN_NIK, Clinic, create_database,
    drop_database)
from satusehat_emulator.serving import serve
from trytond import backend

FINAL = {'sent', 'needs_data', 'needs_admin'}
FAULTS = [
    faults.html, faults.error_500, faults.stored_500, faults.cut,
    faults.stored_cut, faults.malformed, faults.stored_malformed,
    faults.throttled, faults.unauthorized, faults.stored_without_ids]
PATHS = [
    ('POST', FHIR), ('POST', f'{FHIR}/Organization'),
    ('POST', f'{FHIR}/Location'), ('GET', f'{FHIR}/Encounter'),
    ('POST', faults.TOKEN)]


class Delivery(RuleBasedStateMachine):

    @initialize()
    def open(self):
        self._serving = serve()
        self.emulator = self._serving.__enter__()
        self._passing = gateway_to(self.emulator.url)
        self.gateway = self._passing.__enter__()
        config.set('satusehat', 'local_url', self.gateway.url)
        self.database = create_database()
        self.clinic = Clinic(self.database)
        self.visits = {}
        self.numbers = {}

    @rule(branch=st.sampled_from('AB'), nik=st.sampled_from(
            [PATIENT_NIK, PATIENT_NIK, UNKNOWN_NIK, None]),
        code=st.sampled_from(['J00', 'I10', 'U07.1']))
    def finish(self, branch, nik, code):
        visit = self.clinic.visit(
            branch, nik=nik, doctor=DOCTOR_NIK, code=code)
        self.visits[visit] = branch

    @rule(path=st.sampled_from(PATHS), fault=st.sampled_from(FAULTS))
    def meet_fault(self, path, fault):
        if 'stored' in fault.__name__ and path[1] != FHIR:
            fault = faults.cut
        self.gateway.once(*path, fault)

    @rule()
    def push(self):
        self.clinic.push()

    @rule()
    def push_that_cannot_settle(self):
        from trytond.modules.satusehat_integration.sender import Sender

        def gone(*args):
            raise backend.DatabaseOperationalError("gone")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Sender, '_settle', gone)
            try:
                self.clinic.push()
            except backend.DatabaseOperationalError:
                pass

    @rule(seconds=st.sampled_from([61, 130, 700]))
    def pass_time(self, seconds):
        self.clinic.pass_time(seconds)

    @rule()
    def resend(self):
        for visit in self.visits:
            self.clinic.resend(visit)

    @invariant()
    def nothing_is_lost(self):
        rows = self.clinic.read('satusehat.submission', [], 'encounter')
        assert sorted(r.split(',')[1] for r, in rows) == sorted(
            map(str, self.visits))

    @invariant()
    def nothing_is_there_twice(self):
        for type_ in [
                'Encounter', 'Condition', 'Observation', 'Organization',
                'Location']:
            identifiers = [
                (r.owner, i['value'])
                for r in self.emulator.store.find(type_) if r.owner
                for i in r.body['identifier']]
            assert len(identifiers) == len(set(identifiers)), type_

    @invariant()
    def numbers_are_those_of_the_platform(self):
        for type_, record, key, id_ in self.clinic.read(
                'satusehat.resource', [], 'resource_type', 'record', 'key',
                'resource_id'):
            assert self.emulator.store.exists(type_, id_)
            assert self.numbers.setdefault((type_, record, key), id_) == id_
        for visit, branch in self.visits.items():
            number = self.clinic.encounter_id(visit, branch)
            sent = self.clinic.submission(visit)['state'] == 'sent'
            assert bool(number) == sent
            if sent:
                uid, = self.clinic.read(
                    'clinic.encounter', [('id', '=', visit)], 'uid')[0]
                held = self.emulator.store.get('Encounter', number).body
                assert held['identifier'][0]['value'] == uid

    @invariant()
    def every_write_has_its_row(self):
        written = [
            s for s in self.gateway.requests('POST')
            if s.path != faults.TOKEN]
        rows = [
            path for method, path, *_ in self.clinic.exchanges(method='POST')
            if path != faults.TOKEN]
        assert sorted(s.path for s in written) == sorted(rows)

    def teardown(self):
        if not hasattr(self, 'clinic'):
            return
        try:
            self.gateway.heal()
            for _ in range(5):
                self.clinic.pass_time(4000)
                self.clinic.push()
            states = {
                self.clinic.submission(v)['state'] for v in self.visits}
            assert states <= FINAL, self.clinic.states()
            self.nothing_is_lost()
            self.nothing_is_there_twice()
            self.numbers_are_those_of_the_platform()
        finally:
            self._passing.__exit__(None, None, None)
            self._serving.__exit__(None, None, None)
            drop_database(self.database)


@pytest.mark.slow
def test_delivery_keeps_its_promises(clinic, setting, steady_pauses):
    setting(local_url='http://127.0.0.1:9')
    run_state_machine_as_test(Delivery, settings=settings(
            max_examples=10, stateful_step_count=15, deadline=None,
            derandomize=True, database=None,
            suppress_health_check=list(HealthCheck)))
