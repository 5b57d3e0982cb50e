# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from collections import defaultdict

from sql import Null
from trytond.model import fields
from trytond.pool import Pool, PoolMeta
from trytond.pyson import Eval, If
from trytond.transaction import check_access, without_check_access

from trytond.modules.clinic_rme.guard import guard_names

from .explanation import explain, history
from .identity import ResourceIdMixin
from .submission import STATES

guard_names('satusehat.')


class Encounter(ResourceIdMixin, metaclass=PoolMeta):
    __name__ = 'clinic.encounter'
    _resource_type = 'Encounter'

    satusehat_id = fields.Function(
        fields.Char("SATUSEHAT Encounter"),
        'get_resource_id', searcher='search_resource_id')
    satusehat_state = fields.Function(
        fields.Selection([(None, "")] + STATES, "SATUSEHAT State", sort=False),
        'get_satusehat', searcher='search_satusehat')
    satusehat_note = fields.Function(
        fields.Text("SATUSEHAT Note", states={
                'invisible': ~Eval('satusehat_note'),
                }),
        'get_satusehat')

    @classmethod
    def on_finished(cls, encounters):
        Submission = Pool().get('satusehat.submission')
        super().on_finished(encounters)
        Submission.enqueue(encounters, first=True)

    @classmethod
    def on_corrected(cls, encounters):
        Submission = Pool().get('satusehat.submission')
        super().on_corrected(encounters)
        Submission.enqueue(encounters)

    @classmethod
    def on_entered_in_error(cls, encounters, reason):
        Submission = Pool().get('satusehat.submission')
        super().on_entered_in_error(encounters, reason)
        Submission.withdraw(encounters, reason)

    @classmethod
    def get_satusehat(cls, encounters, names):
        pool = Pool()
        Submission = pool.get('satusehat.submission')
        Access = pool.get('ir.model.access')
        with check_access():
            detail = Access.check('clinic.diagnosis', raise_exception=False)
        result = {name: {e.id: None for e in encounters} for name in names}
        with without_check_access():
            versions = defaultdict(list)
            for submission in Submission.search(
                    [('encounter', 'in', [e.id for e in encounters])],
                    order=[('version', 'ASC')]):
                versions[submission.encounter.id].append(submission)
            if 'satusehat_state' in names:
                result['satusehat_state'].update({
                        encounter: of_visit[-1].state
                        for encounter, of_visit in versions.items()})
            if 'satusehat_note' in names:
                notes = explain(
                    [of_visit[-1] for of_visit in versions.values()], detail)
                result['satusehat_note'].update({
                        encounter: '\n'.join(filter(None, [
                                    history(of_visit),
                                    notes[of_visit[-1].id]])) or None
                        for encounter, of_visit in versions.items()})
        return result

    @classmethod
    def search_satusehat(cls, name, clause):
        pool = Pool()
        Submission = pool.get('satusehat.submission')
        _, operator, value = clause[:3]
        last, newer = Submission.__table__(), Submission.__table__()
        where = newer.id == Null
        if value is None:
            operator = {'=': 'not in', '!=': 'in'}[operator]
        else:
            where &= fields.SQL_OPERATORS[operator](last.state, value)
            operator = 'in'
        query = last.join(
            newer, 'LEFT', condition=(newer.encounter == last.encounter)
            & (newer.version > last.version)).select(
                last.encounter, where=where)
        return [('id', operator, query)]

    @classmethod
    def view_attributes(cls):
        return super().view_attributes() + [
            ('/tree//field[@name="satusehat_state"]', 'visual',
                If(Eval('satusehat_state') == 'sent', 'success',
                    If(Eval('satusehat_state').in_(
                            ['needs_data', 'needs_admin']), 'danger',
                        If(Eval('satusehat_state').in_(
                                ['waiting', 'checking']), 'warning', '')))),
            ]


class Patient(metaclass=PoolMeta):
    __name__ = 'clinic.patient'

    ihs_number = fields.Function(
        fields.Char("IHS Number"),
        'get_ihs_number', searcher='search_ihs_number')

    @classmethod
    def get_ihs_number(cls, patients, name):
        with without_check_access():
            return {p.id: p.party.ihs_number for p in cls.browse(patients)}

    @classmethod
    def search_ihs_number(cls, name, clause):
        return [(f'party.{clause[0]}', *clause[1:])]


class Unit(ResourceIdMixin, metaclass=PoolMeta):
    __name__ = 'clinic.unit'
    _resource_type = 'Organization'

    ihs_number = fields.Function(
        fields.Char("SATUSEHAT Organization"),
        'get_resource_id', searcher='search_resource_id')


class Room(ResourceIdMixin, metaclass=PoolMeta):
    __name__ = 'clinic.room'
    _resource_type = 'Location'

    ihs_number = fields.Function(
        fields.Char("SATUSEHAT Location"),
        'get_resource_id', searcher='search_resource_id')
