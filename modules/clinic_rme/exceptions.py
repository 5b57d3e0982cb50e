# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from trytond.exceptions import UserError, UserWarning
from trytond.model.exceptions import AccessError, ValidationError


class NIKValidationError(ValidationError):
    pass


class BirthDateValidationError(ValidationError):
    pass


class AllergyStatusError(ValidationError):
    pass


class EncounterTimeError(ValidationError):
    pass


class EncounterIncompleteError(ValidationError):
    pass


class PatientAccessError(AccessError):
    pass


class ServiceAccessError(AccessError):
    pass


class EncounterAccessError(AccessError):
    pass


class SignerError(AccessError):
    pass


class VitalSignsValidationError(ValidationError):
    pass


class DiagnosisRankError(ValidationError):
    pass


class PartyEraseError(ValidationError):
    pass


class CSVFileError(ValidationError):
    pass


class MedicineValidationError(ValidationError):
    pass


class PhoneValidationError(ValidationError):
    pass


class PatientMergeError(ValidationError):
    pass


class SealAccessError(AccessError):
    pass


class AmendmentError(ValidationError):
    pass


class AmendmentAccessError(AccessError):
    pass


class FallRiskError(ValidationError):
    pass


class ExaminationError(ValidationError):
    pass


class FollowUpError(ValidationError):
    pass


class ProcedureTimeError(ValidationError):
    pass


class PrescriptionAllergyError(ValidationError):
    pass


class RecordExportError(AccessError):
    pass


class InvestigationError(ValidationError):
    pass


class OrderError(ValidationError):
    pass


class OrderAccessError(AccessError):
    pass


class SpecimenError(ValidationError):
    pass


class SpecimenAccessError(AccessError):
    pass


class ResultError(ValidationError):
    pass


class ResultAccessError(AccessError):
    pass


class PlanNotFoundError(UserError):
    pass


class PlanAllergyWarning(UserWarning):
    pass


class EncounterPartError(ValidationError):
    pass


class ToothFindingError(ValidationError):
    pass


class CheckupError(ValidationError):
    pass


class ObstetricNoteError(ValidationError):
    pass


class LetterValidationError(ValidationError):
    pass


class LetterAccessError(AccessError):
    pass


class ConsentValidationError(ValidationError):
    pass


class ConsentAccessError(AccessError):
    pass
