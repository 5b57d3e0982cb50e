# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Reading the package's data files."

import json
from functools import cache
from pathlib import Path

DATA = Path(__file__).parent / 'data'


@cache
def load(name):
    """Return the content of the data file `name` ('search.json').

    The answer is shared by all callers: do not change it.
    """
    return json.loads((DATA / name).read_text(encoding='utf-8'))


@cache
def rule_tables():
    "Return the rule tables by resource type."
    return {
        path.stem: json.loads(path.read_text(encoding='utf-8'))
        for path in sorted((DATA / 'rules').glob('*.json'))}
