# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""A prescription as pharmacists read it: the usual Latin abbreviations."""

from trytond.i18n import gettext

from .dosage import SOLID
from .prescription import shown

UNITS = {
    'tablet': 'tab', 'capsule': 'caps', 'sachet': 'pulv', 'lozenge': 'troch',
    'suppository': 'supp', 'ovule': 'ovul', 'ml': 'ml', 'teaspoon': 'cth',
    'tablespoon': 'C', 'drop': 'gtt', 'puff': 'puff',
    'application': 'applic', 'ampoule': 'amp', 'vial': 'vial', 'unit': 'IU',
    'mcg': 'mcg', 'mg': 'mg', 'g': 'g', 'bottle': 'fl', 'tube': 'tube',
    'pot': 'pot', 'piece': 'pcs',
    }
COMPOUND_FORMS = {
    'oral_powder': 'pulv', 'capsule': 'caps', 'ointment': 'ungt',
    'cream': 'cream', 'syrup': 'syr',
    }
MEALS = {'before': 'a.c.', 'with': 'd.c.', 'after': 'p.c.'}
# Routes by which it is swallowed or dissolves in the mouth
TAKEN = {'oral', 'sublingual'}
INJECTED = {'intramuscular', 'intravenous', 'subcutaneous'}
# Units that are measured, not counted
MEASURED = {'ml', 'unit', 'mcg', 'mg', 'g'}
NUMERALS = [
    (1000, 'M'), (900, 'CM'), (500, 'D'), (400, 'CD'), (100, 'C'),
    (90, 'XC'), (50, 'L'), (40, 'XL'), (10, 'X'), (9, 'IX'), (5, 'V'),
    (4, 'IV'), (1, 'I')]


def roman(number):
    "Return the whole number, 1 to 3999, in Roman numerals"
    text = ''
    for value, numeral in NUMERALS:
        count, number = divmod(number, value)
        text += numeral * count
    return text


def counted(number):
    "Return the Decimal in Roman numerals, or as it is where it is broken"
    if number == int(number) and 0 < number < 4000:
        return roman(int(number))
    return shown(number)


def measured(number, unit):
    "Return the amount with its unit: tab II, 125 mg"
    if unit in MEASURED:
        return f'{shown(number)} {UNITS[unit]}'
    return f'{UNITS[unit]} {counted(number)}'


def order(item):
    "Return the lines from R/ to the quantity of a prescription item"
    if item.kind == 'simple':
        return [f'R/ {item.name} {quantity(item)}']
    names = [c.rec_name for c in item.components]
    divided = 'd.t.d. ' if item.compounding == 'per_dose' else ''
    form = COMPOUND_FORMS[item.compound_form]
    return [
        *(f'{"R/ " if not i else ""}{name}' for i, name in enumerate(names)),
        f'm.f. {form} {divided}{quantity(item)}']


def quantity(item):
    "Return what is to be handed out: No. X, fl No. I, 30 ml"
    number, unit = item.quantity, item.quantity_unit
    if unit in MEASURED:
        return f'{shown(number)} {UNITS[unit]}'
    if unit in SOLID or item.kind == 'compounded':
        return f'No. {counted(number)}'
    return f'{UNITS[unit]} No. {counted(number)}'


def directions(item):
    "Return the line that begins with S: how the item is used"
    return ' '.join(filter(None, [
                'S',
                item.frequency and how_often(item),
                item.as_needed and 'p.r.n.',
                measured(item.dose, item.dose_unit),
                item.meal and MEALS[item.meal],
                use(item) == 'external' and 'u.e.',
                ]))


def how_often(item):
    "Return the times a day, or in how many days"
    if (item.period_days or 1) == 1:
        return f'{item.frequency} dd'
    return gettext(
        'clinic_rme.msg_latin_period',
        frequency=item.frequency, days=item.period_days)


def use(item):
    """Return how the item is used: internal, external or injection.


    The label of what is swallowed is white, that of everything else,
    injections too, is blue (PMK 73/2016, annex, handing out of
    prescriptions).
    """
    if item.route in INJECTED:
        return 'injection'
    if item.route in TAKEN or item.dose_unit == 'lozenge':
        return 'internal'
    return 'external'
