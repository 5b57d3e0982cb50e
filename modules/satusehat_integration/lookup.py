# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The platform's numbers of the people and places of a visit.

People are looked up by NIK and never created; places are found by our
identifier and registered when they are not there.
"""

import datetime as dt
import threading

from trytond.pool import Pool
from trytond.transaction import Transaction

from .committed import committed, reading
from .exceptions import ResourceIdConflict
from .exchange import close
from .fhir import location, organization
from .fhir.answer import search_ids
from .fhir.bundle import to_bytes
from .fhir.record import is_id
from .gate import database_now
from .platform import answer as outcomes
from .platform import settings
from .verdict import SHARED, THROTTLE_PAUSE, Halt, Verdict, of_write

NIK = 'https://fhir.kemkes.go.id/id/nik'


def needed(snapshot, patient):
    """Return what a Bundle refers to, (resource type, record) by role.

    patient is the id of the person today: a merge after the visit counts.
    """
    return {
        'patient': ('Patient', f'party.party,{patient}'),
        'practitioner': _practitioner(snapshot['practitioner']['record']),
        'location': ('Location', f'clinic.room,{snapshot["room"]["record"]}'),
        'unit': ('Organization', f'clinic.unit,{snapshot["unit"]["record"]}'),
        **{performer: _practitioner(performer)
            for performer in _performers(snapshot)},
        }


def _practitioner(party):
    return 'Practitioner', f'party.party,{party}'


def _performers(snapshot):
    return {
        row['performer']['record'] for row in snapshot['vital_signs']
        if row['performer']}


class Lookup:
    """Finds the references of visits of one branch, through its channel.

    absent are the people who are known not to be found in this run.
    """

    def __init__(self, channel):
        self.channel = channel
        self.absent = set()
        self._missing_people = {}
        self._lock = threading.Lock()

    def complete(self, snapshot, patient, known):
        """Return what fhir.bundle.build needs beside the snapshot.

        known is {(resource type, record): id}.  Returns None when a number
        that can be asked for is not among them.
        """
        roles = needed(snapshot, patient)
        found = {role: known.get(row) for role, row in roles.items()}
        practitioner = snapshot['practitioner']['record']
        practitioners = {practitioner: found['practitioner']} | {
            p: found[p] for p in _performers(snapshot) - self.absent}
        numbers = [
            found['patient'], found['location'], *practitioners.values()]
        if all(numbers):
            return {
                'organization': self.channel.organization_id,
                'patient': found['patient'],
                'practitioners': practitioners,
                'location': found['location'],
                }

    def references(self, snapshot, patient, log):
        """Return the same, asking the platform for what is not known.

        One at a time in each branch: what two visits need is asked for
        once.  Raises Halt when a number can not be had.
        """
        with self._lock:
            roles = needed(snapshot, patient)
            with reading():
                known = Pool().get('satusehat.resource').known(
                    self.channel.environment, roles.values())
            self._ask(snapshot, roles, known, log)
            return self.complete(snapshot, patient, known)

    def _ask(self, snapshot, roles, known, log):
        for role in ['patient', 'practitioner']:
            if roles[role] not in known:
                known[roles[role]] = self._person(*roles[role], log)
        for performer in _performers(snapshot) - self.absent:
            if roles[performer] not in known:
                try:
                    known[roles[performer]] = self._person(
                        *roles[performer], log)
                except Halt as halt:
                    if halt.verdict.state != 'needs_data':
                        raise
                    self.absent.add(performer)
        if roles['location'] not in known:
            managing = known.get(roles['unit']) or self._unit(
                snapshot['unit'], log)
            known[roles['location']] = self._room(
                snapshot['room'], managing, log)

    def _person(self, resource_type, record, log):
        "Return the number of the only person with the NIK"
        kind = resource_type.lower()
        with reading():
            nik = Pool().get('party.party')(int(record.split(',')[1])).nik
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
        self._adopt(resource_type, record, number)
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
        if not found:
            return self._register(
                resource_type, record, to_bytes(resource), log)
        number, = found
        self._adopt(
            resource_type, record, number, company=self.channel.company)
        return number

    def _register(self, resource_type, record, body, log):
        for last in (False, True):
            token = self.channel.token(log)
            self.channel.wait_turn()
            exchange, number = committed(
                self._announce, resource_type, record)
            if number:
                return number
            answer = self.channel.post(
                resource_type, body, token, expect=[resource_type])
            if answer.outcome == outcomes.OK and is_id(answer.body.get('id')):
                number = answer.body['id']
                self._adopt(
                    resource_type, record, number,
                    company=self.channel.company, closing=(exchange, answer))
                return number
            # Taken and without a number: it may be there all the same
            committed(
                close, exchange, answer, answer.outcome == outcomes.OK)
            if answer.outcome != outcomes.UNAUTHORIZED or last:
                raise Halt(self._not_registered(answer))
            self.channel.drop(token)

    def _announce(self, resource_type, record):
        """Write the row of the request that is about to leave.

        Returns its id and, instead, the number that another sender has got
        for the record since it was looked for.
        """
        pool = Pool()
        Exchange = pool.get('satusehat.exchange')
        Resource = pool.get('satusehat.resource')
        _claim(record)
        now = database_now()
        place = resource_type, record
        if known := Resource.known(self.channel.environment, [place]):
            return None, known[place]
        self._refuse_unknown(record, now)
        exchange, = Exchange.create([{
                    **self.channel.opening(resource_type, now),
                    'record': record,
                    }])
        return exchange.id, None

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
            return Verdict('checking', 'registration_unknown')
        if answer.outcome == outcomes.THROTTLED:
            self.channel.pause(answer.retry_after or THROTTLE_PAUSE)
        verdict = of_write(answer)
        state, reason = verdict.state, verdict.reason
        if state == 'needs_data':
            state, reason = 'needs_admin', 'place_refused'
        # What the platform has and does not show yet is not asked at once
        delay = verdict.delay or None
        return Verdict(
            state, reason, verdict.detail, delay,
            shared=SHARED.get(answer.outcome))

    def _adopt(
            self, resource_type, record, number, company=None, closing=None):
        """Keep the number of a record.

        closing is the exchange that gave it and its Answer: it is closed in
        the same transaction, or others would see neither number nor doubt.
        """
        try:
            committed(_adopt, {
                    'environment': self.channel.environment,
                    'resource_type': resource_type,
                    'resource_id': number,
                    'record': record,
                    'company': company,
                    }, closing)
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


def _adopt(row, closing):
    if closing:
        close(*closing)
    Pool().get('satusehat.resource').adopt([row])


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
