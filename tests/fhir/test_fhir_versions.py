# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The R4B models against R4, element by element, and when they are loaded.

See docs/developer/fhir-r4-r4b.md.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from fhir.resources.R4B import get_fhir_model_class
from fhirclient.models.domainresource import DomainResource
from fhirclient.models.fhirabstractbase import FHIRAbstractBase
from fhirclient.models.fhirelementfactory import FHIRElementFactory
from fhirclient.models.resource import Resource

from trytond.modules.satusehat_integration import fhir

USED = (
    'Encounter', 'Condition', 'Observation', 'Organization', 'Location',
    'Bundle', 'OperationOutcome')
ONLY_R4B = {
    'Extension.valueCodeableReference', 'Extension.valueRatioRange'}
ONLY_R4 = {'Extension.valueMeta'}
RENAMED = {'FHIRReference': 'Reference'}
LOADER = '''
import importlib.util, json, pkgutil, sys
spec = importlib.util.spec_from_file_location(
    'mapping', sys.argv[1] + '/__init__.py',
    submodule_search_locations=[sys.argv[1]])
package = sys.modules['mapping'] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(package)
for module in pkgutil.iter_modules(package.__path__):
    importlib.import_module('mapping.' + module.name)
print(json.dumps(sorted(sys.modules)))
'''


def r4_types(name):
    "Yield the R4 4.0.1 class of a resource and of all it is made of."
    pending = [type(FHIRElementFactory.instantiate(name, None))]
    seen = set()
    while pending:
        kind = pending.pop()
        if kind in seen or kind in {Resource, DomainResource}:
            continue
        seen.add(kind)
        yield kind
        pending += [
            row[2] for row in kind().elementProperties()
            if issubclass(row[2], FHIRAbstractBase)]


def r4_elements(kind):
    return {
        row[1]: (bool(row[3]), bool(row[5]))
        for row in kind().elementProperties()}


def r4b_elements(name):
    return {
        field.alias or key: (
            'List[' in str(field.annotation),
            field.is_required()
            or bool((field.json_schema_extra or {}).get('element_required')))
        for key, field in get_fhir_model_class(name).model_fields.items()
        if (field.json_schema_extra or {}).get('element_property')}


@pytest.mark.parametrize('name', USED)
def test_r4b_has_the_elements_of_r4(name):
    "Names, repetition and (choices of type aside) cardinality from 1."
    only_r4, only_r4b = set(), set()
    for kind in r4_types(name):
        model = RENAMED.get(kind.__name__, kind.__name__)
        r4, r4b = r4_elements(kind), r4b_elements(model)
        only_r4 |= {f'{model}.{key}' for key in r4.keys() - r4b.keys()}
        only_r4b |= {f'{model}.{key}' for key in r4b.keys() - r4.keys()}
        for key in r4.keys() & r4b.keys():
            repeats, required = r4[key]
            assert r4b[key][0] == repeats, f'{model}.{key}'
            if not key.startswith('value'):
                assert r4b[key][1] == required, f'{model}.{key}'
    assert only_r4 <= ONLY_R4
    assert only_r4b <= ONLY_R4B


def test_import_loads_neither_models_nor_tryton_nor_http():
    result = subprocess.run(
        [sys.executable, '-c', LOADER, str(Path(fhir.__file__).parent)],
        capture_output=True, text=True, check=True)
    modules = set(json.loads(result.stdout))
    assert 'mapping.validation' in modules and 'mapping.bundle' in modules
    for unwanted in (
            'fhir', 'fhir.resources', 'fhir_core', 'pydantic', 'trytond',
            'requests', 'urllib3', 'sql'):
        assert unwanted not in modules
