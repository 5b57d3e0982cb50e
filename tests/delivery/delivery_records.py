# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What our own database says about visits and their delivery.

Read by plain queries in one read-only transaction, so that ten thousand
visits take seconds and nothing of the code under test has a say in it.
"""

import json
from collections import defaultdict
from dataclasses import dataclass, field
from functools import cached_property
from types import SimpleNamespace

from trytond.pool import Pool
from trytond.transaction import Transaction

SUBMISSION = [
    'id', 'encounter', 'version', 'company', 'environment', 'state',
    'reason', 'detail', 'attempts', 'next_attempt', 'sent_at', 'begun',
    'bundle_hash', 'bundle_index']
EXCHANGE = [
    'id', 'company', 'submission', 'record', 'environment', 'started_at',
    'method', 'path', 'status', 'request_id', 'outcome', 'rules']
RESOURCE = [
    'id', 'environment', 'resource_type', 'resource_id', 'record', 'key',
    'company']
# (model, table column that leads to the branch or to a record of PARENTS)
PLACED = {
    'clinic.encounter': 'company',
    'clinic.diagnosis': 'encounter',
    'clinic.vital_signs': 'encounter',
    'clinic.unit': 'company',
    'clinic.room': 'unit',
    }
PARENTS = {'encounter': 'clinic.encounter', 'unit': 'clinic.unit'}


@dataclass(frozen=True)
class Record:
    "A committed record that can be a resource; visit is an encounter's id"
    model: str
    id: int
    uid: str
    company: int
    visit: int | None


@dataclass
class Records:
    """The rows of one database.

    visits is {encounter id: state}; submissions, exchanges and resources are
    namespaces with the columns named above; organizations is {company id:
    organization id}, niks {party id: NIK}, secrets what no log may show.
    """
    environment: str
    visits: dict = field(default_factory=dict)
    submissions: list = field(default_factory=list)
    exchanges: list = field(default_factory=list)
    resources: list = field(default_factory=list)
    records: list = field(default_factory=list)
    organizations: dict = field(default_factory=dict)
    niks: dict = field(default_factory=dict)
    secrets: set = field(default_factory=set)
    texts: dict = field(default_factory=dict)

    @cached_property
    def by_record(self):
        "The Records by their name, 'model,id'"
        return {f'{r.model},{r.id}': r for r in self.records}

    @cached_property
    def by_uid(self):
        "The Records of visits by their whole uid"
        return {r.uid: r for r in self.records if r.visit}

    @cached_property
    def places(self):
        "The Records of units and rooms by the first eight signs of uid"
        return {r.uid[:8]: r for r in self.records if not r.visit}

    @cached_property
    def versions(self):
        "The submissions of each encounter by version"
        found = defaultdict(list)
        for row in sorted(self.submissions, key=lambda s: s.version):
            found[row.encounter].append(row)
        return found

    def named(self, value):
        """Return the Record that an identifier's value names, or None.

        A visit's resources carry its uid, alone or before a key; units and
        rooms their code and the first eight signs of theirs.
        """
        return self.by_uid.get(value[:36]) or self.places.get(value[-8:])


def read(database, environment='local'):
    "Return the Records of a database, those of one environment's delivery"
    with Transaction(new=True).start(database, 0, readonly=True):
        records = Records(environment)
        records.visits = dict(_rows('clinic.encounter', ['id', 'state']))
        records.submissions = _spaces('satusehat.submission', SUBMISSION)
        records.exchanges = [
            row for row in _spaces('satusehat.exchange', EXCHANGE)
            if row.environment == environment]
        records.resources = [
            row for row in _spaces('satusehat.resource', RESOURCE)
            if row.environment == environment]
        records.records = list(_records())
        records.organizations = {
            company: organization for company, organization, of in _rows(
                'satusehat.credential',
                ['company', 'organization_id', 'environment'])
            if of == environment}
        records.niks = dict(_rows('party.party', ['id', 'nik']))
        records.secrets = set(_secrets(records))
        records.texts = dict(_texts())
    return records


def entries(submission):
    "Return the entries of a submission's frozen Bundle, as dicts"
    return json.loads(submission.bundle_index or '[]')


def _rows(model, names):
    table = Pool().get(model).__table__()
    cursor = Transaction().connection.cursor()
    cursor.execute(*table.select(
            *(getattr(table, name) for name in names), order_by=table.id))
    return cursor.fetchall()


def _spaces(model, names):
    return [
        SimpleNamespace(**dict(zip(names, row, strict=True)))
        for row in _rows(model, names)]


def _records():
    companies = {}
    for model, parent in PLACED.items():
        for id_, uid, owner in _rows(model, ['id', 'uid', parent]):
            visit = None
            if model == 'clinic.encounter':
                visit = id_
            elif parent == 'encounter':
                visit = owner
            if parent in PARENTS:
                owner = companies[PARENTS[parent], owner]
            companies[model, id_] = owner
            yield Record(model, id_, uid, owner, visit)


def _secrets(records):
    "Yield what may stand nowhere but where it belongs"
    from trytond.modules.satusehat_integration import crypto
    pool = Pool()
    yield from filter(None, records.niks.values())
    for model, column in [
            ('satusehat.credential', 'client_secret_encrypted'),
            ('satusehat.gate', 'token_encrypted')]:
        for ciphertext, in _rows(model, [column]):
            if ciphertext:
                try:
                    yield crypto.decrypt(ciphertext)
                except crypto.EncryptionError:
                    continue
    people = {
        getattr(person.party, 'id', None)
        for model in ['clinic.patient', 'company.employee']
        for person in pool.get(model).search([])}
    yield from (
        name for party, name in _rows('party.party', ['id', 'name'])
        if party in people and len(name or '') >= 8)
    codes = {code for code, in _rows('clinic.diagnosis', ['code'])}
    yield from (
        name for code, name in _rows('clinic.icd10', ['id', 'name'])
        if code in codes)


def _texts():
    "Yield (where, text) of what is told to people about the delivery"
    for model in [
            'satusehat.submission', 'satusehat.exchange', 'satusehat.gate',
            'ir.error', 'ir.cron.log']:
        Model = Pool().get(model)
        names = [
            name for name, column in Model._fields.items()
            if column._type in {'char', 'text', 'selection'}
            and not hasattr(column, 'getter')
            and name not in {'bundle_index', 'client_id', 'state'}]
        for row in _rows(model, ['id', *names]):
            for name, value in zip(names, row[1:], strict=True):
                if value:
                    yield f'{model},{row[0]} {name}', str(value)
