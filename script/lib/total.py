# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Adds up the outcomes of several pytest runs.

Usage: total.py COUNTS SECONDS. COUNTS has one JSON object a line, from
outcome to number. Prints the sum as pytest closes a run; exits with 1 if no
test ran or one did not pass.
"""

import json
import sys
from collections import Counter

WORDS = {'error': 'errors'}
SHOWN_FIRST = ['failed', 'passed', 'skipped', 'deselected', 'xfailed']
BAD = {'failed', 'error'}
RAN = BAD | {'passed', 'xfailed', 'xpassed'}


def total(lines):
    "Counter of the outcomes, from the lines of the counts file."
    counts = Counter()
    for line in lines:
        counts.update(json.loads(line))
    return counts


def summary(counts, seconds):
    "The closing line as pytest words it."
    order = SHOWN_FIRST + sorted(set(counts) - set(SHOWN_FIRST))
    parts = [
        f'{counts[outcome]} {WORDS.get(outcome, outcome)}'
        for outcome in order if counts[outcome]]
    text = f" {', '.join(parts) or 'no tests ran'} in {seconds:.2f}s "
    return text.center(78, '=')


def main(path, seconds):
    with open(path, encoding='utf-8') as lines:
        counts = total(lines)
    print(summary(counts, float(seconds)))
    ran = sum(counts[outcome] for outcome in RAN)
    return int(not ran or any(counts[outcome] for outcome in BAD))


if __name__ == '__main__':
    sys.exit(main(*sys.argv[1:]))
