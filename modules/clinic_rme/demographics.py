# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What KMK HK.01.07/MENKES/1423/2022 asks of every outpatient.

Each key stands for one value of the variable's list there (identity sheet,
items i to k and af to ah), in its order.
"""

from trytond.model import fields

RELIGIONS = [
    (None, ""),
    ('islam', "Islam"),
    ('protestant', "Protestant"),
    ('catholic', "Catholic"),
    ('hindu', "Hindu"),
    ('buddhist', "Buddhist"),
    ('confucian', "Confucian"),
    ('indigenous', "Indigenous Belief"),
    ('other', "Other"),
    ]
EDUCATIONS = [
    (None, ""),
    ('none', "No Schooling"),
    ('primary', "Primary School"),
    ('lower_secondary', "Lower Secondary School"),
    ('upper_secondary', "Upper Secondary School"),
    ('diploma_1_3', "Diploma 1 to 3"),
    ('diploma_4', "Diploma 4"),
    ('bachelor', "Bachelor"),
    ('master', "Master"),
    ('doctorate', "Doctorate"),
    ]
OCCUPATIONS = [
    (None, ""),
    ('none', "Not Working"),
    ('civil_servant', "Civil Servant"),
    ('military_police', "Military or Police"),
    ('state_enterprise', "State Enterprise"),
    ('private', "Private Sector or Self-employed"),
    ('other', "Other"),
    ]
MARITAL_STATUSES = [
    (None, ""),
    ('single', "Single"),
    ('married', "Married"),
    ('divorced', "Divorced"),
    ('widowed', "Widowed"),
    ]
BLOOD_TYPES = [
    (None, ""),
    ('A', "A"),
    ('B', "B"),
    ('AB', "AB"),
    ('O', "O"),
    ]
RHESUS_FACTORS = [
    (None, ""),
    ('positive', "Positive"),
    ('negative', "Negative"),
    ]


class DemographicsMixin:
    "The social data of a person; nothing of it is asked by force"
    __slots__ = ()

    religion = fields.Selection(
        RELIGIONS, "Religion", sort=False)
    education = fields.Selection(
        EDUCATIONS, "Education", sort=False,
        help="The highest degree.")
    occupation = fields.Selection(
        OCCUPATIONS, "Occupation", sort=False)
    marital_status = fields.Selection(
        MARITAL_STATUSES, "Marital Status", sort=False)
    ethnicity = fields.Char("Ethnicity")
    spoken_languages = fields.Char(
        "Spoken Languages",
        help="The languages in which the person can be talked to.")
    blood_type = fields.Selection(
        BLOOD_TYPES, "Blood Type", sort=False, translate=False,
        )
    rhesus = fields.Selection(
        RHESUS_FACTORS, "Rhesus Factor", sort=False)
