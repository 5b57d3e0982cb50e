# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Encryption of what must not be read from the database or its backups."

import trytond.config as config
from cryptography.fernet import Fernet, InvalidToken, MultiFernet


class EncryptionError(Exception):
    "Base of the errors of this module"


class KeyMissing(EncryptionError):
    "[satusehat] encryption_keys is empty or holds no Fernet key"


class KeyWrong(EncryptionError):
    "None of the keys decrypts the text"


def encrypt(text):
    """Return the text encrypted with the first configured key.

    Raises KeyMissing; there is no fallback to plain text.
    """
    return _fernet().encrypt(text.encode()).decode('ascii')


def decrypt(token):
    """Return the text of a token made by encrypt, under any configured key.

    Raises KeyMissing and KeyWrong.
    """
    try:
        return _fernet().decrypt(token.encode('ascii')).decode()
    except InvalidToken as e:
        raise KeyWrong from e


def rotate(token):
    "Return the token encrypted anew with the first configured key"
    try:
        return _fernet().rotate(token.encode('ascii')).decode('ascii')
    except InvalidToken as e:
        raise KeyWrong from e


def _fernet():
    keys = config.get('satusehat', 'encryption_keys', default='')
    try:
        return MultiFernet(
            [Fernet(key.strip()) for key in keys.split(',') if key.strip()])
    except ValueError as e:
        raise KeyMissing from e
