# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Judges of FHIR R4 that share no code with what they judge.

Each takes a resource and returns what it finds wrong, as list of sentences.
"""

import fhirkit
from fhir.resources.R4B import get_fhir_model_class
from fhirclient.models.fhirabstractbase import FHIRValidationError
from fhirclient.models.fhirelementfactory import FHIRElementFactory
from pydantic import ValidationError


def r4b_models(resource):
    "fhir.resources: models of FHIR R4B 4.3.0."
    try:
        get_fhir_model_class(resource['resourceType']).model_validate(resource)
    except ValidationError as error:
        return [str(error)]
    return []


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
