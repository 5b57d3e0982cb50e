# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Phones, and the persons to call: guardian and emergency contact."""

import phonenumbers
from trytond.i18n import gettext
from trytond.model import Index, ModelSQL, ModelView, fields, sequence_ordered
from trytond.pool import PoolMeta

from .exceptions import PatientAccessError, PhoneValidationError

COUNTRY = 'ID'
RELATIONSHIPS = [
    ('self', "Self"),
    ('parent', "Parent"),
    ('child', "Child"),
    ('spouse', "Spouse"),
    ('relative', "Relative"),
    ('other', "Other"),
    ]


def international(text):
    """Return the phone number in its international form.

    Without country code it is an Indonesian one.  None if there can be no
    such number.
    """
    try:
        number = phonenumbers.parse(text, COUNTRY)
    except phonenumbers.NumberParseException:
        return None
    if phonenumbers.is_valid_number(number):
        return phonenumbers.format_number(
            number, phonenumbers.PhoneNumberFormat.INTERNATIONAL)


class ContactMechanism(metaclass=PoolMeta):
    __name__ = 'party.contact_mechanism'

    @fields.depends()
    def _phone_country_codes(self):
        yield from super()._phone_country_codes()
        yield COUNTRY


class RelatedPerson(sequence_ordered(), ModelSQL, ModelView):
    """Who answers for a patient, or is called.

    KMK HK.01.07/MENKES/1423/2022, outpatient identity sheet: name, phone and
    relationship of the responsible person.
    """
    __name__ = 'clinic.related_person'

    patient = fields.Many2One(
        'clinic.patient', "Patient", required=True, ondelete='CASCADE')
    name = fields.Char("Name", required=True)
    relationship = fields.Selection(
        RELATIONSHIPS, "Relationship", required=True, sort=False,
        help="What the person is to the patient.")
    phone = fields.Char("Phone")
    guardian = fields.Boolean(
        "Guardian", help="Answers for the patient and consents in the "
        "patient's place.")
    emergency_contact = fields.Boolean(
        "Emergency Contact", help="Is called in an emergency.")

    @classmethod
    def __setup__(cls):
        super().__setup__()
        cls.phone.search_unaccented = False
        t = cls.__table__()
        cls._sql_indexes.add(Index(t, (t.patient, Index.Equality())))

    @classmethod
    def default_guardian(cls):
        return False

    @classmethod
    def default_emergency_contact(cls):
        return True

    @fields.depends('phone')
    def on_change_phone(self):
        if self.phone:
            self.phone = international(self.phone) or self.phone

    @classmethod
    def preprocess_values(cls, mode, values):
        values = super().preprocess_values(mode, values)
        if values.get('phone'):
            values['phone'] = international(values['phone']) or values['phone']
        return values

    @classmethod
    def validate_fields(cls, persons, field_names):
        super().validate_fields(persons, field_names)
        cls.check_phone(persons, field_names)

    @classmethod
    def check_phone(cls, persons, field_names=None):
        "Raise PhoneValidationError for a number that cannot exist"
        if field_names and 'phone' not in field_names:
            return
        for person in persons:
            if person.phone and not international(person.phone):
                raise PhoneValidationError(gettext(
                        'clinic_rme.msg_phone', phone=person.phone))

    @classmethod
    def check_modification(cls, mode, persons, values=None, external=False):
        super().check_modification(
            mode, persons, values=values, external=external)
        if external and mode == 'write' and 'patient' in values:
            raise PatientAccessError(
                gettext('clinic_rme.msg_related_person_move'))
