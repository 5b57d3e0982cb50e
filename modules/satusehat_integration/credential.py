# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import re

from trytond.i18n import gettext
from trytond.model import ModelSQL, ModelView, Unique, fields
from trytond.pool import Pool
from trytond.pyson import Eval
from trytond.transaction import Transaction, without_check_access
from trytond.wizard import Button, StateTransition, StateView, Wizard

from . import crypto
from .exceptions import (
    CredentialCopyError, EncryptionKeyError, OrganizationIdError)
from .platform.settings import FHIR, ConfigurationError, base_url
from .platform.transport import Limits

ENVIRONMENTS = [
    ('staging', "Staging"),
    ('production', "Production"),
    ('local', "Local"),
    ]
MASK = 'x' * 10
_ID = re.compile(r'[A-Za-z0-9\-.]{1,64}')


class Credential(ModelSQL, ModelView):
    __name__ = 'satusehat.credential'
    _rec_name = 'organization_id'

    company = fields.Many2One(
        'company.company', "Branch", required=True, ondelete='RESTRICT')
    environment = fields.Selection(
        ENVIRONMENTS, "Environment", required=True, sort=False)
    environment_string = environment.translated('environment')
    organization_id = fields.Char(
        "Organization ID", required=True,
        help="The number of the facility on the platform.")
    client_id = fields.Char("Client ID", required=True, strip=False)
    client_secret_encrypted = fields.Char(
        "Encrypted Client Secret", strip=False, readonly=True, loading='lazy')
    client_secret = fields.Function(
        fields.Char("Secret Key", strip=False),
        'get_client_secret', setter='set_client_secret')

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_constraints += [
            ('company_environment_unique',
                Unique(t, t.company, t.environment),
                'satusehat_integration.msg_credential_company_unique'),
            ('organization_unique',
                Unique(t, t.environment, t.organization_id),
                'satusehat_integration.msg_credential_organization_unique'),
            ]
        cls._order.insert(0, ('company', 'ASC'))
        cls._buttons.update({
                'test_connection': {
                    'icon': 'tryton-launch',
                    },
                })

    @classmethod
    def default_company(cls):
        return Transaction().context.get('company')

    @classmethod
    def get_client_secret(cls, credentials, name):
        with without_check_access():
            return {
                c.id: MASK if c.client_secret_encrypted else None
                for c in cls.browse(credentials)}

    @classmethod
    def set_client_secret(cls, credentials, name, value):
        """Store the secret as ciphertext.

        The mask itself changes nothing.  Raises EncryptionKeyError without
        key in the server's configuration.
        """
        if value == MASK:
            return
        try:
            encrypted = crypto.encrypt(value) if value else None
        except crypto.KeyMissing:
            raise EncryptionKeyError(gettext(
                    'satusehat_integration.msg_key_missing')) from None
        with without_check_access():
            cls.write(credentials, {'client_secret_encrypted': encrypted})

    @property
    def secret(self):
        """The secret in clear; None when none was entered.

        Raises crypto.EncryptionError.
        """
        if self.client_secret_encrypted:
            return crypto.decrypt(self.client_secret_encrypted)

    @classmethod
    def validate_fields(cls, credentials, field_names):
        super().validate_fields(credentials, field_names)
        for credential in credentials:
            if not _ID.fullmatch(credential.organization_id):
                raise OrganizationIdError(gettext(
                        'satusehat_integration.msg_organization_id'))

    @classmethod
    def on_modification(cls, mode, credentials, field_names=None):
        pool = Pool()
        Gate = pool.get('satusehat.gate')
        Submission = pool.get('satusehat.submission')
        super().on_modification(mode, credentials, field_names=field_names)
        Gate.forget([(c.environment, c.client_id) for c in credentials])
        if mode != 'delete':
            Submission.release({
                    (c.company.id, c.environment) for c in credentials})

    @classmethod
    def copy(cls, credentials, default=None):
        "Each branch has its own credential: there is nothing to copy"
        if credentials:
            raise CredentialCopyError(gettext(
                    'satusehat_integration.msg_credential_copy'))
        return super().copy(credentials, default=default)

    def get_rec_name(self, name):
        return f'{self.company.rec_name} ({self.environment_string})'

    @classmethod
    @ModelView.button_action(
        'satusehat_integration.wizard_credential_test')
    def test_connection(cls, credentials):
        pass


class CredentialTestResult(ModelView):
    __name__ = 'satusehat.credential.test.result'

    result = fields.Text("Result", readonly=True)
    success = fields.Boolean(
        "Success", readonly=True, states={'invisible': Eval('id', -1) >= -9})


class CredentialTest(Wizard):
    "Fetch a token and read the branch's own Organization"
    __name__ = 'satusehat.credential.test'

    start_state = 'test'
    test = StateTransition()
    result = StateView(
        'satusehat.credential.test.result',
        'satusehat_integration.credential_test_result_view_form', [
            Button("Close", 'end', 'tryton-close', default=True),
            ])

    def transition_test(self):
        """Ask the platform, at most ten seconds, and keep the words.

        Nothing is written or locked before the platform has answered.
        """
        try:
            self.result.success, self.result.result = _test(self.record)
        except crypto.EncryptionError as e:
            reason = (
                'reason_key_wrong' if isinstance(e, crypto.KeyWrong)
                else 'key_missing')
            self.result.success = False
            self.result.result = gettext(f'satusehat_integration.msg_{reason}')
        except ConfigurationError as e:
            self.result.success = False
            self.result.result = gettext(
                'satusehat_integration.msg_configuration', option=e.option)
        return 'result'

    def default_result(self, fields):
        return {
            'result': self.result.result,
            'success': self.result.success,
            }


def _test(credential):
    from .platform import token as token_
    from .platform.client import Client
    limits = Limits(connect=3, read=4, total=5)
    url = base_url(credential.environment)
    if not credential.client_secret_encrypted:
        return False, gettext('satusehat_integration.msg_test_no_secret')
    token, answer = token_.fetch(
        url, credential.client_id, credential.secret, limits)
    if token is None:
        return False, explain(answer)
    answer = Client(url, limits=limits).request(
        'GET', f'{FHIR}/Organization/{credential.organization_id}',
        token=token.value, expect=['Organization'])
    if answer.outcome != 'ok':
        return False, explain(answer, organization=credential.organization_id)
    if answer.body.get('id') != credential.organization_id:
        return False, gettext(
            'satusehat_integration.msg_outcome_organization',
            organization=credential.organization_id)
    return True, gettext(
        'satusehat_integration.msg_test_success',
        organization=answer.body.get('name') or credential.organization_id,
        duration=answer.duration)


def explain(answer, organization=None):
    "Return what an Answer means, in words for the administrator"
    name = answer.outcome
    if organization and name in {'not_found', 'forbidden', 'suppressed'}:
        name = 'organization'
    text = gettext(
        f'satusehat_integration.msg_outcome_{name}',
        organization=organization)
    quoted = '; '.join(i.text for i in answer.causes if i.text)
    return f'{text}\n{quoted}' if quoted else text
