# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"What the demo says: one line for each step, and tables."

import sys
import time
from contextlib import contextmanager


def prepare(stream):
    "Let no character that a terminal lacks end the demo"
    if hasattr(stream, 'reconfigure'):
        stream.reconfigure(errors='replace')


def say(text=''):
    print(text, flush=True)


def complain(text):
    "Print an error's text, after whatever line was begun"
    sys.stdout.flush()
    print(text, file=sys.stderr, flush=True)


@contextmanager
def step(text):
    """Announce a step and, when it is done, the seconds it took.

    Yields a list; what it holds in the end is added to the line.
    """
    print(f'  {text} ... ', end='', flush=True)
    started = time.monotonic()
    remarks = []
    try:
        yield remarks
    except BaseException:
        say('berhenti ✗')
        raise
    remark = f' ({", ".join(remarks)})' if remarks else ''
    say(f'✓ {seconds(time.monotonic() - started)}{remark}')


def still(text):
    "Add to the line of the present step"
    print(f'{text} ... ', end='', flush=True)


def seconds(value):
    "Return seconds as Indonesian text: 0.84 -> '0,8 d'"
    return f'{value:.1f} d'.replace('.', ',')


def table(heads, rows):
    """Return the lines of a table.

    rows are tuples of text as long as heads; a column whose head starts
    with a blank is aligned to the right.
    """
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]

    def line(cells):
        return '  '.join(
            cell.rjust(width) if head.startswith(' ') else cell.ljust(width)
            for head, cell, width in zip(heads, cells, widths, strict=True)
            ).rstrip()

    return [line(heads), '  '.join('-' * w for w in widths), *map(line, rows)]
