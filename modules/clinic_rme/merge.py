# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""One person who was registered twice: found, and merged.

The record with the other number stays, inactive and pointing at the one that
stands for it: a closed visit is sealed with the record it was made for, and
both numbers are found.
"""

from sql import Literal, Null
from sql.aggregate import Max, Min
from sql.conditionals import Case, Coalesce
from sql.functions import Lower, Trim

from trytond.i18n import gettext
from trytond.model import ModelSQL, ModelView, fields
from trytond.pool import Pool, PoolMeta
from trytond.pyson import Eval
from trytond.transaction import (
    Transaction, inactive_records, without_check_access)

from .exceptions import PatientAccessError, PatientMergeError, PartyEraseError

PHONES = ['phone', 'mobile']
# What is known best stands for both
ALLERGY_STATUSES = ['listed', 'none_known', 'not_asked']


class MergeMixin:
    "A patient that another one may stand for"
    __slots__ = ()

    replaced_by = fields.Many2One(
        'clinic.patient', "Replaced By", readonly=True, ondelete='RESTRICT',
        states={
            'invisible': ~Eval('replaced_by'),
            },
        help="The record that stands for this one since both were merged.")
    replaced = fields.One2Many(
        'clinic.patient', 'replaced_by', "Replaced Records", readonly=True,
        filter=[('active', 'in', [True, False])])
    former_numbers = fields.Function(
        fields.Char(
            "Former Numbers",
            states={
                'invisible': ~Eval('former_numbers'),
                },
            help="Numbers of records that this one stands for."),
        'get_former_numbers')

    @classmethod
    def get_former_numbers(cls, patients, name):
        return {
            p.id: ', '.join(r.medical_record_number for r in p.replaced)
            for p in patients}

    @property
    def current(self):
        "The patient that stands for this one: itself unless merged"
        return self.replaced_by or self

    @property
    def records(self):
        "This patient and those that it stands for"
        return [self, *self.replaced]

    @classmethod
    def fields_to_merge(cls):
        """Return the (model, field) of what a merge moves.

        What leads to a patient and belongs to no visit.
        """
        return [
            ('clinic.allergy', 'patient'),
            ('clinic.related_person', 'patient'),
            ('clinic.patient', 'replaced_by'),
            ]

    def merge(self, destination):
        """Let the destination stand for this patient from now on.

        Open visits go on as visits of the destination; closed ones stay as
        they were sealed.
        """
        pool = Pool()
        Encounter = pool.get('clinic.encounter')
        statuses = {self.allergy_status, destination.allergy_status}
        with Transaction().set_context(_log=True), inactive_records():
            Encounter.write([
                    e for e in Encounter.search([('patient', '=', self.id)])
                    if not e.is_closed], {'patient': destination.id})
            for name, field in self.fields_to_merge():
                Model = pool.get(name)
                Model.write(
                    Model.search([(field, '=', self.id)]),
                    {field: destination.id})
            self.__class__.write(
                [self], {
                    'allergy_status': 'not_asked',
                    'replaced_by': destination.id,
                    'active': False,
                    },
                [destination], {
                    'allergy_status': next(
                        s for s in ALLERGY_STATUSES if s in statuses),
                    })

    @classmethod
    def check_modification(cls, mode, patients, values=None, external=False):
        super().check_modification(
            mode, patients, values=values, external=external)
        if external and mode == 'write' and (
                values.keys() & {'replaced_by', 'replaced'}
                or values.get('active') and any(
                    p.replaced_by for p in patients)):
            raise PatientAccessError(
                gettext('clinic_rme.msg_patient_replaced'))

    @classmethod
    def copy(cls, patients, default=None):
        default = default.copy() if default is not None else {}
        default.setdefault('replaced_by')
        default.setdefault('replaced')
        return super().copy(patients, default=default)


class Replace(metaclass=PoolMeta):
    __name__ = 'party.replace'

    @classmethod
    def fields_to_replace(cls):
        return super().fields_to_replace() + [
            ('clinic.patient', 'party'),
            ]

    def transition_replace(self):
        with without_check_access():
            self.check_nik()
            self.merge_patients()
            return super().transition_replace()

    def check_nik(self):
        """Raise PatientMergeError where the NIK would be lost.

        Two NIK are two persons, unless one of them is wrong and is
        corrected first.
        """
        source, destination = self.ask.source, self.ask.destination
        if source.nik and destination.nik:
            raise PatientMergeError(gettext(
                    'clinic_rme.msg_merge_two_nik',
                    source=source.rec_name, destination=destination.rec_name))
        if source.nik:
            raise PatientMergeError(gettext(
                    'clinic_rme.msg_merge_swap', person=source.rec_name))

    def merge_patients(self):
        "Merge the patients if both persons are one"
        source, destination = map(
            _patient_of, [self.ask.source, self.ask.destination])
        if source and destination:
            source.merge(destination)


def _patient_of(person):
    pool = Pool()
    Patient = pool.get('clinic.patient')
    with inactive_records():
        patients = Patient.search([
                ('party', '=', person.id), ('replaced_by', '=', None)])
    return patients[0] if patients else None


class ReplaceAsk(metaclass=PoolMeta):
    __name__ = 'party.replace.ask'

    source_number = fields.Function(
        fields.Char("Medical Record Number"),
        'on_change_with_source_number')
    destination_number = fields.Function(
        fields.Char("Medical Record Number"),
        'on_change_with_destination_number')

    @classmethod
    def default_source(cls):
        pair = cls._pair()
        return pair[0] if pair else super().default_source()

    @classmethod
    def default_destination(cls):
        pair = cls._pair()
        return pair[1] if pair else None

    @classmethod
    def _pair(cls):
        "Return the ids of the persons of the record the wizard began with"
        pool = Pool()
        context = Transaction().context
        model, id_ = context.get('active_model'), context.get('active_id')
        if model == 'clinic.patient' and id_:
            return pool.get(model)(id_).party.id, None
        if model == 'clinic.patient.duplicate' and id_:
            duplicate = pool.get(model)(id_)
            source, destination = (
                duplicate.patient.party, duplicate.other.party)
            if source.nik:
                source, destination = destination, source
            return source.id, destination.id

    @fields.depends('source')
    def on_change_with_source_number(self, name=None):
        return self._number(self.source)

    @fields.depends('destination')
    def on_change_with_destination_number(self, name=None):
        return self._number(self.destination)

    @classmethod
    def _number(cls, person):
        patient = _patient_of(person) if person else None
        return patient.medical_record_number if patient else None


class Erase(metaclass=PoolMeta):
    __name__ = 'party.erase'

    def check_erase(self, party):
        """Refuse to erase a patient.

        A medical record is kept for 25 years after the last visit
        (PMK 24/2022, article 39).
        """
        pool = Pool()
        Patient = pool.get('clinic.patient')
        super().check_erase(party)
        with without_check_access(), inactive_records():
            patients = Patient.search([
                    ('party', 'in', _stand_ins(party))], limit=1)
        if patients:
            raise PartyEraseError(gettext(
                    'clinic_rme.msg_party_erase_patient',
                    person=party.rec_name))


def _stand_ins(party):
    "The ids of the person and of those that replace it"
    ids = []
    while party and party.id not in ids:
        ids.append(party.id)
        party = party.replaced_by
    return ids


class PatientDuplicate(ModelSQL, ModelView):
    """A patient who may be registered already.

    The same birth date, and the same name or phone; not two persons with a
    NIK each.  A pair that was merged remains, for who has it open.
    """
    __name__ = 'clinic.patient.duplicate'

    patient = fields.Many2One('clinic.patient', "Patient")
    other = fields.Many2One('clinic.patient', "Registered Earlier")
    birth_date = fields.Date("Birth Date")
    merged = fields.Boolean("Merged")

    @classmethod
    def __setup__(cls):
        super().__setup__()
        cls._order = [('birth_date', 'DESC'), ('id', 'DESC')]

    @classmethod
    def table_query(cls):
        pool = Pool()
        Patient = pool.get('clinic.patient')
        Party = pool.get('party.party')
        later, earlier = Patient.__table__(), Patient.__table__()
        person, namesake = Party.__table__(), Party.__table__()
        same_name = (
            Lower(Trim(person.name)) == Lower(Trim(namesake.name)))
        merged = (
            (later.replaced_by == earlier.id)
            | (earlier.replaced_by == later.id))
        alike = (
            (later.replaced_by == Null)
            & (earlier.replaced_by == Null)
            & ((person.nik == Null) | (namesake.nik == Null))
            & (same_name | cls._same_phone(person, namesake)))
        return (later
            .join(person, condition=later.party == person.id)
            .join(namesake, condition=(
                    namesake.birth_date == person.birth_date))
            .join(earlier, condition=(
                    (earlier.party == namesake.id)
                    & (earlier.id < later.id)))
            .select(
                later.id.as_('id'),
                Max(later.id).as_('patient'),
                Coalesce(
                    Min(Case((alike, earlier.id))),
                    Min(earlier.id)).as_('other'),
                Max(person.birth_date).as_('birth_date'),
                (Min(Case((merged, 1), else_=0)) == 1).as_('merged'),
                where=alike | merged,
                group_by=later.id))

    @classmethod
    def _same_phone(cls, person, namesake):
        pool = Pool()
        Contact = pool.get('party.contact_mechanism')
        one, two = Contact.__table__(), Contact.__table__()
        return person.id.in_(one
            .join(two, condition=one.value_compact == two.value_compact)
            .select(one.party, where=(
                    (one.party == person.id)
                    & (two.party == namesake.id)
                    & one.type.in_(PHONES)
                    & two.type.in_(PHONES)
                    & (one.active == Literal(True))
                    & (two.active == Literal(True)))))
