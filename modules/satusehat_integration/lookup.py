# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The platform's numbers of the people and places of a visit.

People are looked up by NIK and never created; places are found by our
identifier and registered when they are not there.
"""

import datetime as dt

from trytond.pool import Pool
from trytond.transaction import Transaction

from .committed import committed
from .exceptions import ResourceIdConflict
from .exchange import closing_write
from .fhir import location, organization
from .fhir.answer import search_ids
from .fhir.bundle import to_bytes
from .fhir.record import is_id
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
            if _is_person(entry.get('resource'), resource_type, nik)}
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
        for last in (False, True):
            token = self.channel.token(log)
            exchange = committed(self._announce, resource_type, record)
            answer = self.channel.post(
                resource_type, body, token, expect=[resource_type])
            committed(_close, exchange, answer)
            if answer.outcome != outcomes.UNAUTHORIZED or last:
                break
            self.channel.drop(token)
        if answer.outcome == outcomes.OK and is_id(answer.body.get('id')):
            return answer.body['id']
        raise Halt(self._not_registered(answer))

    def _announce(self, resource_type, record):
        "Write the row of the request that is about to leave, return its id"
        Exchange = Pool().get('satusehat.exchange')
        _claim(record)
        now = database_now()
        self._refuse_unknown(record, now)
        exchange, = Exchange.create([{
                    **self.channel.opening(resource_type, now),
                    'record': record,
                    }])
        return exchange.id

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

    def _not_registered(self, answer):
        if answer.outcome == outcomes.OK:
            return Verdict('needs_admin', 'unrecognised')
        if answer.outcome == outcomes.THROTTLED:
            self.channel.pause(answer.retry_after or THROTTLE_PAUSE)
        verdict = of_write(answer)
        state, reason = verdict.state, verdict.reason
        if state == 'needs_data':
            state, reason = 'needs_admin', 'place_refused'
        return Verdict(state, reason, verdict.detail, verdict.delay)

    def _adopt(self, resource_type, record, number, company=None):
        try:
            committed(Pool().get('satusehat.resource').adopt, [{
                        'environment': self.channel.environment,
                        'resource_type': resource_type,
                        'resource_id': number,
                        'record': record,
                        'company': company,
                        }])
        except ResourceIdConflict:
            raise Halt(Verdict('needs_admin', 'id_conflict')) from None


def _claim(record):
    """Take the record's row until the end of the transaction.

    Of two senders that register it the second one starts again and sees
    what the first one announced.
    """
    model, id_ = record.split(',')
    table = Pool().get(model).__table__()
    Transaction().connection.cursor().execute(*table.update(
            [table.id], [table.id], where=table.id == int(id_)))


def _close(exchange, answer):
    Exchange = Pool().get('satusehat.exchange')
    Exchange.write([Exchange(exchange)], closing_write(answer))


def _is_person(resource, resource_type, nik):
    """Whether a found resource can be the person with the NIK.

    The platform masks the NIK in its answer; where it is clear it must be
    the one asked for.
    """
    if (not isinstance(resource, dict)
            or resource.get('resourceType') != resource_type
            or not is_id(resource.get('id'))):
        return False
    identifiers = resource.get('identifier')
    return not any(
        isinstance(i, dict) and i.get('system') == NIK
        and str(i.get('value')).isdecimal() and i['value'] != nik
        for i in (identifiers if isinstance(identifiers, list) else []))
