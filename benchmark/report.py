# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Tables of figures, and quantiles."

import math


class Table:
    "Prints each row as it is known, under its heading"

    def __init__(self, columns):
        self._widths = [width for _, width in columns]
        self.add([name for name, _ in columns])

    def add(self, values):
        print(' '.join(
                str(value).rjust(width) for value, width in zip(
                    values, self._widths, strict=True)), flush=True)


def quantile(values, share):
    "Return the smallest of the values that the share of them does not exceed"
    ordered = sorted(values)
    return ordered[max(math.ceil(share * len(ordered)) - 1, 0)]
