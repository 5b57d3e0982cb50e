# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Modules of the other folders of tests, which are not on the path."

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]


def load(path):
    "Return the module in the file below tests/"
    spec = spec_from_file_location(
        path.removesuffix('.py').replace('/', '_'), TESTS / path)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
