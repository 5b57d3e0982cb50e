# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Judges of FHIR R4 that share no code with what they judge.

Each takes a resource and returns what it finds wrong, as list of sentences.
"""

import fhirkit
from fhirclient.models.fhirabstractbase import FHIRValidationError
from fhirclient.models.fhirelementfactory import FHIRElementFactory

from trytond.modules.satusehat_integration.fhir import validation


def r4b_models(resource):
    "Models of fhir.resources, R4B 4.3.0, through our own last look."
    urls = {
        element['reference'] for element in _objects(resource)
        if str(element.get('reference', '')).startswith('urn:uuid:')}
    return validation.validate_resource(resource, known=urls)


def rust_validator(resource):
    "fhirkit-rs: FHIR R4 4.0.1, structure and lexical rules."
    return [str(issue) for issue in fhirkit.validate(resource)]


def r4_models(resource):
    "fhirclient: models of FHIR R4 4.0.1, strict."
    try:
        FHIRElementFactory.instantiate(
            resource['resourceType'], resource).as_json()
    except FHIRValidationError as error:
        return [str(error)]
    return []


JUDGES = (r4b_models, rust_validator, r4_models)


def _objects(value):
    if isinstance(value, dict):
        yield value
    for child in (
            value.values() if isinstance(value, dict)
            else value if isinstance(value, list) else ()):
        yield from _objects(child)
