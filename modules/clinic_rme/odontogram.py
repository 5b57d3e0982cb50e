# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"The picture of a dental chart, as SVG."

from xml.etree import ElementTree

from .teeth import ROWS, is_anterior, is_right, is_upper

# Pixels
CELL, BOX, MIDLINE, ROW, MARGIN = 54, 40, 20, 92, 12
WIDTH = 2 * MARGIN + 16 * CELL + MIDLINE
LEGEND_ROW, LEGEND_COLUMNS = 18, 4
# Of one surface, or of the whole tooth for crowns and replacements
COLOURS = {
    'car': '#d62728', 'cfr': '#ff7f0e', 'att': '#c7a6d9', 'abr': '#a58fc9',
    'amf': '#3a3a3a', 'gif': '#1f77b4', 'cof': '#2ca02c', 'fis': '#f29ac4',
    'inl': '#8c6d31', 'onl': '#bd9e39', 'fmc': '#8a8a8a', 'poc': '#9edae5',
    'mpc': '#aec7e8', 'gmc': '#d4af37', 'ipx': '#9aaabb', 'pon': '#c5b0d5',
    'prd': '#f7b6d2', 'fld': '#f7b6d2', 'abu': '#dbdb8d', 'sou': '#ffffff',
    }
WHOLE = ['abu', 'fmc', 'poc', 'mpc', 'gmc', 'ipx', 'pon', 'prd', 'fld']
# Lines over the box, in parts of its side
MARKS = {
    'mis': [(0, 0, 1, 1), (0, 1, 1, 0)],
    'non': [(0, .5, 1, .5)],
    'rrx': [(0, 0, .5, 1), (.5, 1, 1, 0)],
    'une': [(0, 0, 1, 0), (.5, 0, .5, 1)],
    'cfr': [(.35, 0, .35, 1), (.65, 0, .65, 1),
        (0, .35, 1, .35), (0, .65, 1, .65)],
    }
# A triangle at the root, empty or full
ROOTS = {'nvt': 'none', 'rct': '#222222'}


def draw(chart, recorded=(), legend=None, title=''):
    """Return the picture as the bytes of an SVG document.

    chart is {tooth: [(condition, letters of its surfaces)]}; the numbers of
    the teeth in recorded are set in bold, with a frame; legend is {condition:
    text} for those that the chart uses.
    """
    used = [c for c in legend or {} if any(
            c == condition for found in chart.values()
            for condition, _ in found)]
    lines = -(-len(used) // LEGEND_COLUMNS)
    height = 2 * MARGIN + 4 * ROW + lines * LEGEND_ROW
    svg = ElementTree.Element('svg', {
            'xmlns': 'http://www.w3.org/2000/svg',
            'width': str(WIDTH), 'height': str(height),
            'viewBox': f'0 0 {WIDTH} {height}',
            'font-family': 'sans-serif', 'text-anchor': 'middle'})
    ElementTree.SubElement(svg, 'title').text = title
    _add(svg, 'rect', width=WIDTH, height=height, fill='#ffffff')
    for number, row in enumerate(ROWS):
        for tooth, x in _places(row):
            _draw_tooth(
                svg, tooth, x, MARGIN + number * ROW, chart.get(tooth, []),
                tooth in recorded)
    middle = WIDTH / 2
    _line(svg, middle, MARGIN, middle, MARGIN + 4 * ROW, '#999999', 1)
    _line(
        svg, MARGIN, MARGIN + 2 * ROW - 4, WIDTH - MARGIN,
        MARGIN + 2 * ROW - 4, '#999999', 1)
    for place, condition in enumerate(used):
        _draw_legend(svg, place, condition, legend[condition])
    return ElementTree.tostring(svg, encoding='utf-8', xml_declaration=True)


def _places(row):
    "Yield (tooth, left side of its box) of a row, which is centred"
    left = WIDTH / 2 - MIDLINE / 2 - len(row) / 2 * CELL
    for place, tooth in enumerate(row):
        gap = 0 if is_right(tooth) else MIDLINE
        yield tooth, left + place * CELL + gap + (CELL - BOX) / 2


def _draw_tooth(svg, tooth, x, y, findings, recorded):
    conditions = [condition for condition, _ in findings]
    middle, top = x + BOX / 2, y + 18
    _text(
        svg, middle, y + 12, tooth, 13,
        weight='bold' if recorded else 'normal')
    if recorded:
        _add(
            svg, 'rect', x=x - 3, y=top - 3, width=BOX + 6, height=BOX + 6,
            fill='none', stroke='#1f77b4', stroke_width=2)
    for surface, points in _outlines(tooth).items():
        fill, stroke = _colours(surface, findings)
        _add(
            svg, 'polygon', fill=fill, stroke=stroke,
            stroke_width=1 if stroke == _OUTLINE else 3,
            points=' '.join(
                f'{x + px * BOX:g},{top + py * BOX:g}' for px, py in points))
    for condition in conditions:
        for x1, y1, x2, y2 in MARKS.get(condition, ()):
            _line(
                svg, x + x1 * BOX, top + y1 * BOX, x + x2 * BOX,
                top + y2 * BOX, '#222222', 2.5)
        if condition in ROOTS:
            _draw_root(svg, middle, top + BOX, ROOTS[condition])
    for line in range(0, len(conditions), 2):
        _text(
            svg, middle, top + BOX + 14 + line * 5,
            ' '.join(conditions[line:line + 2]), 10)


_OUTLINE = '#555555'


def _outlines(tooth):
    "Return {surface: points} in parts of the side of the box"
    near, far = (.42, .58) if is_anterior(tooth) else (.28, .72)
    left, right = .28, .72
    outer, inner = ('V', 'L') if is_upper(tooth) else ('L', 'V')
    before, after = ('D', 'M') if is_right(tooth) else ('M', 'D')
    return {
        outer: [(0, 0), (1, 0), (right, near), (left, near)],
        after: [(1, 0), (1, 1), (right, far), (right, near)],
        inner: [(1, 1), (0, 1), (left, far), (right, far)],
        before: [(0, 1), (0, 0), (left, near), (left, far)],
        'I' if is_anterior(tooth) else 'O': [
            (left, near), (right, near), (right, far), (left, far)],
        }


def _colours(surface, findings):
    "Return (fill, outline) of a surface: caries stays visible at a filling"
    fill, stroke = '#ffffff', _OUTLINE
    for condition, _ in findings:
        if condition in WHOLE:
            fill = COLOURS[condition]
    here = [condition for condition, letters in findings if surface in letters]
    for condition in here:
        if condition != 'car':
            fill = COLOURS[condition]
    if 'car' in here:
        stroke = COLOURS['car']
        if here == ['car']:
            fill = COLOURS['car']
    return fill, stroke


def _draw_root(svg, x, y, fill):
    _add(
        svg, 'polygon', points=f'{x - 6:g},{y + 1:g} {x + 6:g},{y + 1:g} '
        f'{x:g},{y + 7:g}', fill=fill, stroke='#222222', stroke_width=1.5)


def _draw_legend(svg, place, condition, text):
    line, column = divmod(place, LEGEND_COLUMNS)
    x = MARGIN + column * (WIDTH - 2 * MARGIN) / LEGEND_COLUMNS
    y = MARGIN + 4 * ROW + line * LEGEND_ROW
    _add(
        svg, 'rect', x=x, y=y, width=12, height=12, stroke=_OUTLINE,
        fill=COLOURS.get(condition, '#ffffff'))
    _text(svg, x + 18, y + 10, text, 11, anchor='start')


def _line(svg, x1, y1, x2, y2, stroke, width):
    _add(
        svg, 'line', x1=x1, y1=y1, x2=x2, y2=y2, stroke=stroke,
        stroke_width=width)


def _text(svg, x, y, text, size, weight='normal', anchor='middle'):
    element = _add(
        svg, 'text', x=x, y=y, font_size=size, font_weight=weight,
        text_anchor=anchor)
    element.text = text


def _add(parent, tag, **attributes):
    "Add an element; numbers as short as they are, _ for the hyphen"
    return ElementTree.SubElement(parent, tag, {
            name.replace('_', '-'):
                value if isinstance(value, str) else f'{value:g}'
            for name, value in attributes.items()})
