# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from trytond.exceptions import UserError, UserWarning
from trytond.model.exceptions import AccessError, ValidationError


class EncryptionKeyError(UserError):
    pass


class CredentialCopyError(AccessError):
    pass


class OrganizationIdError(ValidationError):
    pass


class ResourceIdConflict(Exception):
    "A record already has another id on the platform"


class ResourceAccessError(AccessError):
    pass


class SubmissionAccessError(AccessError):
    pass


class ReasonRequired(UserError):
    pass


class ResendError(UserError):
    pass


class StopError(UserError):
    pass


class BindWarning(UserWarning):
    pass
