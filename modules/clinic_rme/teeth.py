# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Teeth, their surfaces and conditions, as a dental chart names them.

Numbers by FDI (ISO 3950); surfaces and conditions by the abbreviations of the
Ministry of Health's guide to dental records (Panduan Rekam Medik Kedokteran
Gigi, 2014), part odontogram.
"""

# Rows of the chart, as somebody sees them who faces the patient
ROWS = [
    [f'{quadrant}{place}' for quadrant, places in row for place in places]
    for row in [
        [(1, range(8, 0, -1)), (2, range(1, 9))],
        [(5, range(5, 0, -1)), (6, range(1, 6))],
        [(8, range(5, 0, -1)), (7, range(1, 6))],
        [(4, range(8, 0, -1)), (3, range(1, 9))],
        ]]
TEETH = sorted(tooth for row in ROWS for tooth in row)
SURFACES = [
    ('M', "Mesial"),
    ('O', "Occlusal"),
    ('I', "Incisal"),
    ('D', "Distal"),
    ('V', "Vestibular (buccal, labial)"),
    ('L', "Lingual or Palatal"),
    ]
# How dentists write surfaces beside the letters of the guide
SYNONYMS = {'B': 'V', 'P': 'L'}
CONDITIONS = [
    ('sou', "sou = Sound"),
    ('car', "car = Caries"),
    ('rrx', "rrx = Root Remnant"),
    ('cfr', "cfr = Crown Fracture"),
    ('nvt', "nvt = Non-vital"),
    ('rct', "rct = Root Canal Treatment"),
    ('mis', "mis = Missing"),
    ('non', "non = Absent or Unknown"),
    ('une', "une = Unerupted"),
    ('pre', "pre = Partially Erupted"),
    ('imv', "imv = Impacted, Visible"),
    ('ano', "ano = Anomaly"),
    ('dia', "dia = Diastema"),
    ('att', "att = Attrition"),
    ('abr', "abr = Abrasion"),
    ('amf', "amf = Amalgam Filling"),
    ('gif', "gif = Glass Ionomer or Silicate Filling"),
    ('cof', "cof = Composite Filling"),
    ('fis', "fis = Fissure Sealant"),
    ('inl', "inl = Inlay"),
    ('onl', "onl = Onlay"),
    ('fmc', "fmc = Full Metal Crown"),
    ('poc', "poc = Porcelain Crown"),
    ('mpc', "mpc = Metal Porcelain Crown"),
    ('gmc', "gmc = Gold Crown"),
    ('ipx', "ipx = Implant"),
    ('meb', "meb = Metal Bridge"),
    ('pob', "pob = Porcelain Bridge"),
    ('pon', "pon = Pontic"),
    ('abu', "abu = Abutment"),
    ('prd', "prd = Partial Denture"),
    ('fld', "fld = Full Denture"),
    ('acr', "acr = Acrylic"),
    ]
ABSENT = {'mis', 'non'}
DECAYED = {'car', 'rrx'}
FILLINGS = {'amf', 'gif', 'cof', 'inl', 'onl'}
CROWNS = {'fmc', 'poc', 'mpc', 'gmc'}
# What does not tell that the milk tooth is gone; a tooth that only begins to
# come may stand beside it
NOT_THROUGH = ABSENT | {'une', 'pre', 'imv'}
REPLACED = {'ipx', 'pon', 'prd', 'fld'}
BRIDGES = {'meb', 'pob'}
# The guide wants the place of caries and fillings named
ON_SURFACES = {'car', *FILLINGS}
MAY_HAVE_SURFACES = ON_SURFACES | {'fis', 'cfr', 'att', 'abr'}
# What excludes everything else but these; dia is the gap beside the tooth
_BESIDE = {
    'sou': set(),
    'une': set(),
    'rrx': {'car', 'nvt', 'rct'},
    **dict.fromkeys(ABSENT, REPLACED | BRIDGES | CROWNS | {'acr'}),
    'ipx': ABSENT | BRIDGES | CROWNS | {'abu'},
    'pon': ABSENT | BRIDGES | CROWNS | {'acr'},
    'prd': ABSENT | {'acr'},
    'fld': ABSENT | {'acr'},
    }


def is_anterior(tooth):
    "Return whether the tooth is an incisor or canine, which has an edge"
    return tooth[1] in '123'


def is_deciduous(tooth):
    "Return whether it is a milk tooth"
    return tooth[0] in '5678'


def milk_tooth_before(tooth):
    "Return the milk tooth in whose place the tooth comes, None if none"
    if is_deciduous(tooth) or tooth[1] > '5':
        return None
    return f'{int(tooth[0]) + 4}{tooth[1]}'


def has_erupted(conditions):
    "Return whether the conditions are those of a tooth that is through"
    conditions = {*conditions} - {'dia'}
    return bool(conditions) and not conditions & NOT_THROUGH


def is_upper(tooth):
    return tooth[0] in '1256'


def is_right(tooth):
    "Return whether it is on the patient's right, the left of the chart"
    return tooth[0] in '1458'


def surfaces_of(tooth):
    "Return the letters of the surfaces that the tooth has, in their order"
    lacking = 'O' if is_anterior(tooth) else 'I'
    return [letter for letter, _ in SURFACES if letter != lacking]


def read_surfaces(text, tooth=None):
    """Return the letters of the surfaces that somebody typed, in their order.

    Small letters, B for buccal and P for palatal are understood, and O or I
    is what the tooth has of both.  What names no surface is left out.
    """
    letters = {SYNONYMS.get(c, c) for c in (text or '').upper()}
    if tooth:
        own, other = 'IO' if is_anterior(tooth) else 'OI'
        if other in letters:
            letters = letters - {other} | {own}
    return [letter for letter, _ in SURFACES if letter in letters]


def contradict(one, other):
    "Return whether a tooth can not have both conditions at the same time"
    if 'dia' in {one, other}:
        return False
    return (
        {one, other} <= CROWNS
        or one in _BESIDE and other not in _BESIDE[one]
        or other in _BESIDE and one not in _BESIDE[other])


def decay_index(chart, deciduous=False):
    """Return the counts of decayed, missing and filled teeth.

    Of the permanent teeth (DMF-T), or of the milk teeth (def-t).  chart is
    {tooth: conditions}.  WHO, Oral health surveys: a tooth counts once, as
    decayed before missing before filled; a crown counts as filling, a
    fissure sealant does not, nor a tooth that never was there.
    """
    decayed = missing = filled = 0
    for tooth, conditions in chart.items():
        conditions = {*conditions}
        if is_deciduous(tooth) != deciduous:
            continue
        if conditions & DECAYED:
            decayed += 1
        elif 'non' in conditions:
            continue
        elif conditions & ({'mis'} | REPLACED):
            missing += 1
        elif conditions & (FILLINGS | CROWNS):
            filled += 1
    return decayed, missing, filled
