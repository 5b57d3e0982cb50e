# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The platform's numbers of the people and places of a visit.

People are looked up by NIK and never created; places are found by our
identifier and registered when they are not there.
"""

import datetime as dt

from trytond.pool import Pool
from trytond.transaction import Transaction

from .exceptions import ResourceIdConflict
from .exchange import closing
from .fhir import location, organization
from .fhir.answer import search_ids
from .fhir.bundle import to_bytes
from .gate import database_now
from .platform import answer as outcomes
from .platform import settings
from .verdict import THROTTLE_PAUSE, Halt, Verdict, of_write

NIK = 'https://fhir.kemkes.go.id/id/nik'


class Lookup:
    "Finds the references of visits of one branch, through its channel"

    def __init__(self, channel):
        self.channel = channel
        self._missing_people = {}

    def references(self, snapshot, patient, log):
        """Return what fhir.bundle.build needs beside the snapshot.

        patient is the id of the person today: a merge after the visit
        counts.  Raises Halt when a number can not be had.
        """
        practitioner = snapshot['practitioner']['record']
        performers = {
            row['performer']['record'] for row in snapshot['vital_signs']
            if row['performer']}
        room, unit = snapshot['room'], snapshot['unit']
        with Transaction().new_transaction(readonly=True):
            patients = self._known('Patient', 'party.party', [patient])
            practitioners = self._known(
                'Practitioner', 'party.party',
                list(performers | {practitioner}))
            rooms = self._known('Location', 'clinic.room', [room['record']])
            units = self._known(
                'Organization', 'clinic.unit', [unit['record']])
        if patient not in patients:
            patients[patient] = self._person('Patient', patient, log)
        if practitioner not in practitioners:
            practitioners[practitioner] = self._person(
                'Practitioner', practitioner, log)
        for performer in performers - practitioners.keys():
            try:
                practitioners[performer] = self._person(
                    'Practitioner', performer, log)
            except Halt as halt:
                if halt.verdict.state != 'needs_data':
                    raise
        if room['record'] not in rooms:
            managing = units.get(unit['record']) or self._unit(unit, log)
            rooms[room['record']] = self._room(room, managing, log)
        return {
            'organization': self.channel.organization_id,
            'patient': patients[patient],
            'practitioners': practitioners,
            'location': rooms[room['record']],
            }

    def _known(self, resource_type, model, ids):
        return Pool().get('satusehat.resource').ids(
            self.channel.environment, resource_type, model, ids)

    def _person(self, resource_type, party, log):
        "Return the number of the only person with the NIK"
        kind = resource_type.lower()
        with Transaction().new_transaction(readonly=True):
            nik = Pool().get('party.party')(party).nik
        if not nik:
            raise Halt(Verdict('needs_data', f'{kind}_without_nik'))
        known = self._missing_people.get((kind, nik))
        if known:
            raise Halt(known)
        found = self.channel.search(
            resource_type, {'identifier': f'{NIK}|{nik}'}, log)
        numbers = {
            entry['resource']['id'] for entry in found['entry']
            if isinstance(entry.get('resource'), dict)
            and entry['resource'].get('resourceType') == resource_type
            and entry['resource'].get('id')}
        if len(numbers) != 1:
            verdict = Verdict(
                'needs_data',
                f'{kind}_ambiguous' if numbers else f'{kind}_not_found')
            self._missing_people[kind, nik] = verdict
            raise Halt(verdict)
        number, = numbers
        self._adopt(resource_type, f'party.party,{party}', number)
        return number

    def _unit(self, unit, log):
        "Return the Organization id of a service unit"
        resource = organization.build(unit, self.channel.organization_id)
        return self._place(
            'Organization', 'clinic.unit', unit, resource,
            {'partof': self.channel.organization_id}, log)

    def _room(self, room, managing, log):
        "Return the Location id of a room"
        resource = location.build(
            room, self.channel.organization_id, managing)
        identifier, = resource['identifier']
        return self._place(
            'Location', 'clinic.room', room, resource,
            {'identifier': f'{identifier["system"]}|{identifier["value"]}'},
            log)

    def _place(self, resource_type, model, place, resource, params, log):
        identifier, = resource['identifier']
        record = f'{model},{place["record"]}'
        found = set(search_ids(
                self.channel.search(resource_type, params, log),
                resource_type, identifier['system'], identifier['value']))
        if len(found) > 1:
            raise Halt(Verdict('needs_admin', 'place_ambiguous'))
        if found:
            number, = found
        else:
            number = self._register(
                resource_type, record, to_bytes(resource), log)
        self._adopt(
            resource_type, record, number, company=self.channel.company)
        return number

    def _register(self, resource_type, record, body, log):
        token = self.channel.token(log)
        with Transaction().new_transaction():
            Exchange = Pool().get('satusehat.exchange')
            now = database_now()
            self._refuse_unknown(record, now)
            exchange, = Exchange.create([{
                        **self.channel.opening(resource_type, now),
                        'record': record,
                        }])
            exchange_id = exchange.id
        answer = self.channel.post(
            resource_type, body, token, expect=[resource_type])
        with Transaction().new_transaction():
            Exchange = Pool().get('satusehat.exchange')
            values = closing(answer)
            if outcomes.is_unknown(answer, write=True):
                values['outcome'] = 'unknown'
            Exchange.write([Exchange(exchange_id)], values)
        if answer.outcome == outcomes.OK and answer.body.get('id'):
            return answer.body['id']
        raise Halt(self._not_registered(answer, token))

    @staticmethod
    def _refuse_unknown(record, now):
        """Do not register again what may have been registered.

        Raises Halt while the outcome of an earlier try is not known and
        younger than the grace time: the platform's index may lag.
        """
        Exchange = Pool().get('satusehat.exchange')
        grace = settings.read().checking_grace
        if Exchange.search([
                    ('record', '=', record),
                    ('outcome', '=', 'unknown'),
                    ('started_at', '>', now - dt.timedelta(seconds=grace)),
                    ], limit=1):
            raise Halt(Verdict('checking', 'registration_unknown'))

    def _not_registered(self, answer, token):
        if answer.outcome == outcomes.OK:
            return Verdict('needs_admin', 'unrecognised')
        if answer.outcome == outcomes.UNAUTHORIZED:
            self.channel.drop(token)
            return Verdict('waiting', answer.outcome)
        if answer.outcome == outcomes.THROTTLED:
            self.channel.pause(answer.retry_after or THROTTLE_PAUSE)
        verdict = of_write(answer)
        state, reason = verdict.state, verdict.reason
        if state == 'needs_data':
            state, reason = 'needs_admin', 'place_refused'
        return Verdict(state, reason, verdict.detail, verdict.delay)

    def _adopt(self, resource_type, record, number, company=None):
        try:
            with Transaction().new_transaction():
                Pool().get('satusehat.resource').adopt([{
                            'environment': self.channel.environment,
                            'resource_type': resource_type,
                            'resource_id': number,
                            'record': record,
                            'company': company,
                            }])
        except ResourceIdConflict:
            raise Halt(Verdict('needs_admin', 'id_conflict')) from None
