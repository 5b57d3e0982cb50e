# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Write the golden Bundle again after a deliberate change of the mapping.

    python tests/fhir/regenerate_golden.py

`visit.json` holds the exact bytes that would be sent, `visit.pretty.json`
the same to read.  Review the difference of the latter before committing it:
resources already delivered keep the shape they had.
"""

import json
from pathlib import Path

from fhir_visits import references, visit

from trytond.modules.satusehat_integration.fhir import bundle

GOLDEN = Path(__file__).parent / 'golden'
EXACT = GOLDEN / 'visit.json'
PRETTY = GOLDEN / 'visit.pretty.json'


def main():
    built = bundle.build(visit(), references()).resource
    EXACT.write_bytes(bundle.to_bytes(built))
    PRETTY.write_text(
        json.dumps(built, ensure_ascii=False, indent=1) + '\n',
        encoding='utf-8')


if __name__ == '__main__':
    main()
