# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""How medicines are dosed: units, routes, and what follows from a form.

The keys stand for codes of the national platform's value sets: routes for
those of the WHO's ATC, units for orderable drug forms and UCUM (Ministry of
Health, outpatient playbook, prescribing).
"""

from decimal import ROUND_CEILING, Decimal

UNITS = [
    (None, ""),
    ('tablet', "tablet"),
    ('capsule', "capsule"),
    ('sachet', "sachet"),
    ('lozenge', "lozenge"),
    ('suppository', "suppository"),
    ('ovule', "ovule"),
    ('ml', "mL"),
    ('teaspoon', "teaspoon (5 mL)"),
    ('tablespoon', "tablespoon (15 mL)"),
    ('drop', "drop"),
    ('puff', "puff"),
    ('application', "application"),
    ('ampoule', "ampoule"),
    ('vial', "vial"),
    ('unit', "international unit"),
    ('mcg', "mcg"),
    ('mg', "mg"),
    ('g', "g"),
    ('bottle', "bottle"),
    ('tube', "tube"),
    ('pot', "pot"),
    ('piece', "piece"),
    ]
# Units that are counted and handed out whole
SOLID = {'tablet', 'capsule', 'sachet', 'lozenge', 'suppository', 'ovule'}

ROUTES = [
    (None, ""),
    ('oral', "Oral"),
    ('sublingual', "Sublingual"),
    ('rectal', "Rectal"),
    ('vaginal', "Vaginal"),
    ('cutaneous', "Cutaneous"),
    ('transdermal', "Transdermal"),
    ('ocular', "Eye"),
    ('otic', "Ear"),
    ('nasal', "Nasal"),
    ('oromucosal', "Mouth and Throat"),
    ('inhalation', "Inhalation"),
    ('intramuscular', "Intramuscular"),
    ('intravenous', "Intravenous"),
    ('subcutaneous', "Subcutaneous"),
    ('other', "Other"),
    ]

MEALS = [
    (None, ""),
    ('before', "before meals"),
    ('with', "with meals"),
    ('after', "after meals"),
    ]

# Dosage form: unit of the dose, unit of the quantity, route
FORM_DOSAGE = {
    **dict.fromkeys([
            'tablet', 'film_coated_tablet', 'chewable_tablet',
            'effervescent_tablet', 'caplet'],
        ('tablet', 'tablet', 'oral')),
    'lozenge': ('lozenge', 'lozenge', 'oromucosal'),
    'sublingual_tablet': ('tablet', 'tablet', 'sublingual'),
    'vaginal_tablet': ('tablet', 'tablet', 'vaginal'),
    'capsule': ('capsule', 'capsule', 'oral'),
    'oral_powder': ('sachet', 'sachet', 'oral'),
    **dict.fromkeys(['syrup', 'dry_syrup', 'suspension', 'emulsion'],
        ('ml', 'bottle', 'oral')),
    'oral_drops': ('drop', 'bottle', 'oral'),
    'mouthwash': ('ml', 'bottle', 'oromucosal'),
    **dict.fromkeys(['ointment', 'cream', 'gel'],
        ('application', 'tube', 'cutaneous')),
    'eye_ointment': ('application', 'tube', 'ocular'),
    'eye_drops': ('drop', 'bottle', 'ocular'),
    'ear_drops': ('drop', 'bottle', 'otic'),
    'nasal_drops': ('drop', 'bottle', 'nasal'),
    'suppository': ('suppository', 'suppository', 'rectal'),
    'ovule': ('ovule', 'ovule', 'vaginal'),
    'injection': ('ampoule', 'ampoule', None),
    'injection_powder': ('vial', 'vial', None),
    'infusion': ('ml', 'bottle', 'intravenous'),
    'inhalation': ('puff', 'piece', 'inhalation'),
    }


def quantity_of(dose, frequency, days, period=None):
    """Return how many whole units the doses of the days take, or None.

    dose is a Decimal in units, frequency the times in a period of days, one
    if not given; a period that has begun is counted whole. Each dose is
    counted as it is: what is left over from a broken tablet is used for the
    next dose. None where one of them is missing or not positive.
    """
    if not all(value and value > 0 for value in [dose, frequency, days]):
        return None
    periods = -(-days // (period or 1))
    return (Decimal(dose) * frequency * periods).to_integral_value(
        rounding=ROUND_CEILING)
