# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Reading of the snapshot: every access names its field when it fails."

import re
from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from .errors import MappingError

TEXT_LIMIT = 1024 * 1024
INTEGER_LIMIT = 2 ** 53 - 1
_UNWRITABLE = re.compile(
    '[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]')
_CODE = re.compile(r'[^\s\x00-\x1f\x7f]+( [^\s\x00-\x1f\x7f]+)*')
_ID = re.compile(r'[A-Za-z0-9\-.]{1,64}')
_UTC = re.compile(r'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00', re.ASCII)


def is_id(value):
    "Tell whether the value is a FHIR id (FHIR R4, data types, id)."
    return isinstance(value, str) and bool(_ID.fullmatch(value))


def utc(value):
    """Return the datetime of `YYYY-MM-DDThh:mm:ss+00:00`, else None.

    The only spelling that the platform documents (SATUSEHAT, playbook,
    time zone; validation dictionary, "Invalid date time format").
    """
    if not isinstance(value, str) or not _UTC.fullmatch(value):
        return None
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        return None


def clean(text):
    """Return the text as FHIR can carry it.

    Control characters, lone surrogates and non-characters become a space;
    the outer white space is removed (FHIR R4, data types, string).
    """
    return _UNWRITABLE.sub(' ', text).strip()


class Record:
    """A JSON object of the snapshot that knows its own path.

    Raises MappingError for whatever is missing or of the wrong kind.
    """

    def __init__(self, data, path=''):
        self.path = path
        if not isinstance(data, Mapping):
            raise MappingError(
                path or 'snapshot', 'missing' if data is None else 'wrong_type')
        self._data = data

    def at(self, key):
        "Return the path of a member."
        return f'{self.path}.{key}' if self.path else key

    def fail(self, key, reason):
        "Return the error of a member, to be raised."
        return MappingError(self.at(key), reason)

    def get(self, key):
        "Return the raw member or None."
        return self._data.get(key)

    def keys(self):
        "Return the names of the members, as they stand."
        return list(self._data)

    def required(self, key, kind):
        "Return the member, which must be an instance of `kind`."
        value = self.get(key)
        if value is None:
            raise self.fail(key, 'missing')
        if not isinstance(value, kind) or isinstance(value, bool):
            raise self.fail(key, 'wrong_type')
        return value

    def record(self, key):
        "Return the member as Record."
        return Record(self.get(key), self.at(key))

    def optional_record(self, key):
        "Return the member as Record, None when it is null or absent."
        return None if self.get(key) is None else self.record(key)

    def records(self, key):
        "Return the members of a list as Records."
        return [
            Record(item, f'{self.at(key)}[{index}]')
            for index, item in enumerate(self.required(key, list))]

    def optional_text(self, key):
        "Return the cleaned text, None when nothing visible is left."
        if self.get(key) is None:
            return None
        text = clean(self.required(key, str))
        if len(text) > TEXT_LIMIT:
            raise self.fail(key, 'too_long')
        return text or None

    def text(self, key):
        "Return the cleaned text, which must not be empty."
        text = self.optional_text(key)
        if text is None:
            raise self.fail(key, 'missing')
        return text

    def code(self, key):
        "Return a FHIR code: no outer space, no two spaces in a row."
        code = self.text(key)
        if not _CODE.fullmatch(code):
            raise self.fail(key, 'invalid_code')
        return code

    def choice(self, key, choices):
        "Return the member, which must be one of `choices`."
        value = self.required(key, str)
        if value not in choices:
            raise self.fail(key, 'unknown_value')
        return value

    def uid(self, key='uid'):
        "Return a UUID, canonical so that one record has one identifier."
        value = self.required(key, str)
        try:
            canonical = str(UUID(value))
        except ValueError:
            canonical = None
        if value != canonical:
            raise self.fail(key, 'invalid_uid')
        return value

    def time(self, key):
        "Return a UTC time as text; such texts sort as times do."
        value = self.required(key, str)
        if utc(value) is None:
            raise self.fail(key, 'not_utc')
        return value

    def positive(self, key):
        "Return a FHIR positiveInt."
        value = self.required(key, int)
        if not 1 <= value < 2 ** 31:
            raise self.fail(key, 'out_of_range')
        return value

    def measure(self, key):
        """Return a number from 0 that any JSON reader keeps exact.

        Range of RFC 7493 (I-JSON), section 2.2; the platform refuses a
        minus sign in quantities (SATUSEHAT, validation dictionary).
        """
        value = self.required(key, (int, float))
        if not 0 <= value <= INTEGER_LIMIT:
            raise self.fail(key, 'out_of_range')
        return value
