# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from trytond.model import fields
from trytond.pool import PoolMeta

TIMEZONES = [
    ('Asia/Jakarta', "Asia/Jakarta (WIB)"),
    ('Asia/Pontianak', "Asia/Pontianak (WIB)"),
    ('Asia/Makassar', "Asia/Makassar (WITA)"),
    ('Asia/Jayapura', "Asia/Jayapura (WIT)"),
    ]
PROFESSIONS = [
    (None, ""),
    ('general_practitioner', "General Practitioner"),
    ('specialist', "Specialist"),
    ('dentist', "Dentist"),
    ('checkup_physician', "Check-up Physician"),
    ('nurse', "Nurse"),
    ('midwife', "Midwife"),
    ('pharmacist', "Pharmacist"),
    ('pharmacy_assistant', "Pharmacy Assistant"),
    ('registration', "Registration Clerk"),
    ('cashier', "Cashier"),
    ('administrator', "Administrator"),
    ('medical_records', "Medical Records Officer"),
    ]
PRACTITIONERS = [
    'general_practitioner', 'specialist', 'dentist', 'checkup_physician',
    'midwife', 'nurse']


class Company(metaclass=PoolMeta):
    __name__ = 'company.company'

    facility_type = fields.Selection([
            (None, ""),
            ('independent_practice', "Independent Practice"),
            ('primary_clinic', "Primary Clinic"),
            ('main_clinic', "Main Clinic"),
            ('puskesmas', "Puskesmas"),
            ], "Facility Type", sort=False)
    facility_code = fields.Char(
        "Facility Code",
        help="The code of the facility in the Ministry of Health's index.")
    facility_license = fields.Char("Operating Licence Number")

    @classmethod
    def __setup__(cls):
        super().__setup__()
        cls.timezone.selection = TIMEZONES
        cls.timezone.required = True

    @classmethod
    def default_timezone(cls):
        return 'Asia/Jakarta'


class Employee(metaclass=PoolMeta):
    __name__ = 'company.employee'

    profession = fields.Selection(PROFESSIONS, "Profession", sort=False)
    str_number = fields.Char(
        "STR Number", help="The registration certificate of the council.")
    sip_number = fields.Char(
        "SIP Number", help="The practice licence for this branch.")
