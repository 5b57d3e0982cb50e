# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Reading a CSV file that a clinic made with any spreadsheet program."""

import codecs
import csv
import io
from typing import NamedTuple

from trytond.i18n import gettext

from .exceptions import CSVFileError

MAX_SIZE = 10 * 1024 ** 2
MAX_ROWS = 20_000
DELIMITERS = ';,\t|'
BOMS = {
    codecs.BOM_UTF8: 'utf-8-sig',
    codecs.BOM_UTF16_LE: 'utf-16',
    codecs.BOM_UTF16_BE: 'utf-16',
    }
# What a spreadsheet program takes for a formula (OWASP, CSV injection)
FORMULA = ('=', '+', '-', '@', '\t', '\r')


class CSVTable(NamedTuple):
    """The content of a CSV file.

    `columns` are the titles of its columns; `rows` are tuples of the line
    the row ends on and the list of its cells, empty rows left out.
    """
    columns: list
    rows: list


def read_csv(data, encoding='utf-8'):
    """Return the bytes of a CSV file as a CSVTable.

    A byte order mark wins over `encoding`; without encoding (None) it is
    UTF-8 or, where the file can not be that, the one of Windows. The
    delimiter is the one that is most frequent in the first line. Raises
    CSVFileError when the file is too large, no text in the encoding, or has
    no titles or no rows.
    """
    if len(data) > MAX_SIZE:
        raise CSVFileError(gettext(
                'clinic_rme.msg_csv_too_large',
                size=MAX_SIZE // 1024 ** 2, rows=MAX_ROWS))
    text = _decoded(data, encoding)
    first = text.partition('\n')[0]
    delimiter = max(DELIMITERS, key=first.count)
    reader = csv.reader(
        io.StringIO(text, newline=''), delimiter=delimiter, strict=True)
    try:
        lines = [
            (reader.line_num, _without_empty_end(cells))
            for cells in reader if any(map(str.strip, cells))]
    except csv.Error as error:
        raise CSVFileError(gettext(
                'clinic_rme.msg_csv_malformed',
                line=reader.line_num)) from error
    if len(lines) < 2 or not all(lines[0][1]):
        raise CSVFileError(gettext('clinic_rme.msg_csv_empty'))
    if len(lines) > MAX_ROWS + 1:
        raise CSVFileError(gettext(
                'clinic_rme.msg_csv_too_large',
                size=MAX_SIZE // 1024 ** 2, rows=MAX_ROWS))
    (_, columns), *rows = lines
    if len(set(columns)) < len(columns):
        raise CSVFileError(gettext('clinic_rme.msg_csv_titles_twice'))
    return CSVTable(columns, rows)


def _decoded(data, encoding):
    encoding = next(
        (e for bom, e in BOMS.items() if data.startswith(bom)),
        encoding or _detected(data))
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b'\n', 0, error.start) + 1
        raise CSVFileError(gettext(
                'clinic_rme.msg_csv_encoding', line=line)) from error
    if '\0' in text or data.startswith(b'PK\x03\x04'):
        raise CSVFileError(gettext('clinic_rme.msg_csv_no_text'))
    return text


def _detected(data):
    "Return the encoding of a file without byte order mark"
    try:
        data.decode('utf-8')
    except UnicodeDecodeError:
        return 'cp1252'
    return 'utf-8'


def _without_empty_end(cells):
    cells = [cell.strip() for cell in cells]
    while cells and not cells[-1]:
        cells.pop()
    return cells


def is_formula(cell):
    "Return whether a spreadsheet program would calculate the cell."
    return cell.startswith(FORMULA)


def write_csv(columns, rows):
    """Return the bytes of a CSV file that spreadsheet programs open.

    UTF-8 with a byte order mark, a semicolon between the cells. What they
    would calculate gets an apostrophe in front (OWASP, CSV injection).
    """
    text = io.StringIO(newline='')
    writer = csv.writer(text, delimiter=';')
    for row in [columns, *rows]:
        writer.writerow([_escaped(str(cell)) for cell in row])
    return text.getvalue().encode('utf-8-sig')


def _escaped(cell):
    return f"'{cell}" if is_formula(cell) else cell
