# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"FHIR data types as plain dictionaries."

from . import systems


def coding(system, code, display=None):
    "Return a Coding; `display` is left out when it is empty."
    shown = {'display': display} if display else {}
    return {'system': system, 'code': code, **shown}


def concept(system, code, display=None, text=None):
    "Return a CodeableConcept of one coding."
    spoken = {'text': text} if text else {}
    return {'coding': [coding(system, code, display)], **spoken}


def reference(target, display=None):
    "Return a Reference to `Type/id` or to a `urn:uuid:` of the Bundle."
    shown = {'display': display} if display else {}
    return {'reference': target, **shown}


def period(start, end):
    "Return a closed Period of two UTC times."
    return {'start': start, 'end': end}


def quantity(value, unit, code):
    "Return a Quantity (or Duration) in UCUM."
    return {
        'value': value, 'unit': unit, 'system': systems.UCUM, 'code': code}
