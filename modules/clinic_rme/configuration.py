# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from trytond.model import ModelSingleton, ModelSQL, ModelView, fields
from trytond.modules.company.model import (
    CompanyMultiValueMixin, CompanyValueMixin)
from trytond.pool import Pool
from trytond.pyson import Eval, Id


def _sequence(string, type_):
    return fields.Many2One(
        'ir.sequence', string, required=True,
        domain=[
            ('company', 'in',
                [Eval('context', {}).get('company', -1), None]),
            ('sequence_type', '=', Id('clinic_rme', type_)),
            ])


_signature_required = fields.Boolean(
    "Password at Signing",
    help="A visit is finished by signing: the password is asked for again "
    "when it was not entered for some minutes.")
_correction_hours = fields.Integer(
    "Correction Hours", required=True,
    domain=[('correction_hours', '>=', 0)],
    help="For how long after the signature the author may correct a visit "
    "without approval.")
_case_days = fields.Integer(
    "Days until a New Case", required=True,
    domain=[('case_days', '>=', 0)],
    help="How many days after its last visit a disease counts as a new case "
    "again.\n"
    "0: never, it stays an old case.")


class Configuration(
        ModelSingleton, ModelSQL, ModelView, CompanyMultiValueMixin):
    __name__ = 'clinic.configuration'

    patient_sequence = fields.MultiValue(
        _sequence("Medical Record Number Sequence", 'sequence_type_patient'))
    encounter_sequence = fields.MultiValue(
        _sequence("Encounter Sequence", 'sequence_type_encounter'))
    letter_sequence = fields.MultiValue(
        _sequence("Letter Sequence", 'sequence_type_letter'))
    signature_required = fields.MultiValue(_signature_required)
    correction_hours = fields.MultiValue(_correction_hours)
    case_days = fields.MultiValue(_case_days)
    retention_years = fields.Integer(
        "Retention Years", required=True,
        domain=[('retention_years', '>=', 25)],
        help="How long a medical record is kept after the last visit, "
        "at least 25 years.")

    @classmethod
    def multivalue_model(cls, field):
        pool = Pool()
        if field in {'signature_required', 'correction_hours'}:
            return pool.get('clinic.configuration.correction')
        if field == 'case_days':
            return pool.get('clinic.configuration.diagnosis')
        if field in {
                'patient_sequence', 'encounter_sequence', 'letter_sequence'}:
            return pool.get('clinic.configuration.sequence')
        return super().multivalue_model(field)

    @classmethod
    def default_patient_sequence(cls, **pattern):
        return cls.multivalue_model(
            'patient_sequence').default_patient_sequence()

    @classmethod
    def default_correction_hours(cls, **pattern):
        return cls.multivalue_model(
            'correction_hours').default_correction_hours()

    @classmethod
    def default_case_days(cls, **pattern):
        return cls.multivalue_model('case_days').default_case_days()

    @classmethod
    def default_retention_years(cls):
        return 25

    @classmethod
    def default_encounter_sequence(cls, **pattern):
        return cls.multivalue_model(
            'encounter_sequence').default_encounter_sequence()

    @classmethod
    def default_letter_sequence(cls, **pattern):
        return cls.multivalue_model(
            'letter_sequence').default_letter_sequence()


class ConfigurationSequence(ModelSQL, CompanyValueMixin):
    __name__ = 'clinic.configuration.sequence'

    patient_sequence = _sequence(
        "Medical Record Number Sequence", 'sequence_type_patient')
    encounter_sequence = _sequence(
        "Encounter Sequence", 'sequence_type_encounter')
    letter_sequence = _sequence("Letter Sequence", 'sequence_type_letter')

    @classmethod
    def default_patient_sequence(cls):
        return cls._default_sequence('sequence_patient')

    @classmethod
    def default_encounter_sequence(cls):
        return cls._default_sequence('sequence_encounter')

    @classmethod
    def default_letter_sequence(cls):
        return cls._default_sequence('sequence_letter')

    @classmethod
    def _default_sequence(cls, name):
        pool = Pool()
        ModelData = pool.get('ir.model.data')
        try:
            return ModelData.get_id('clinic_rme', name)
        except KeyError:
            return None


class ConfigurationCorrection(ModelSQL, CompanyValueMixin):
    __name__ = 'clinic.configuration.correction'

    signature_required = _signature_required
    correction_hours = _correction_hours

    @classmethod
    def default_correction_hours(cls):
        """Return the limit of vendors and commentaries, 2 x 24 hours.

        It is said to be in PMK 24/2022, article 30, and is a setting for
        that reason.
        """
        return 48


class ConfigurationDiagnosis(ModelSQL, CompanyValueMixin):
    __name__ = 'clinic.configuration.diagnosis'

    case_days = _case_days

    @classmethod
    def default_case_days(cls):
        return 90
