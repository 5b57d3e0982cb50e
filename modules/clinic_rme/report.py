# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What all prints share: who may have them, letterhead, language and time.

Where the server has no LibreOffice the core gives the document as it is,
an OpenDocument text, and writes the reason into its log.
"""

from functools import partial

from trytond.exceptions import UserError
from trytond.i18n import gettext
from trytond.model.exceptions import AccessError
from trytond.modules.company import CompanyReport
from trytond.pool import Pool
from trytond.tools import timezone
from trytond.transaction import Transaction, without_check_access

from . import latin
from .company import TIMEZONES
from .mixin import now
from .prescription import shown
from .wording import day, moment, value

LANGUAGE = 'id'
# Forms that separate while they stand
SHAKEN = {'suspension', 'emulsion', 'dry_syrup'}


class ClinicReport(CompanyReport):
    """A print on the letterhead of a branch.

    It is written in the language of the branch's party, Indonesian unless
    another one is set there.  Who may print the record sees what stands on
    the paper, whatever fields he may read on the screen.
    """

    @classmethod
    def check_access(cls, action, model, ids):
        """Raise AccessError for what the user may not print.

        The action names the groups, so that of another report would open
        this one.
        """
        if Transaction().user and action.report_name != cls.__name__:
            cls._refuse()
        super().check_access(action, model, ids)

    @classmethod
    def _refuse(cls):
        raise AccessError(gettext(
                'ir.msg_access_report_error', report=cls.__name__))

    @classmethod
    def execute(cls, ids, data):
        """Return (extension, content, direct print, name of the file).

        Raises AccessError for users who do not even find the action.
        """
        Action = Pool().get('ir.action.report')
        if not Action.search([('report_name', '=', cls.__name__)], limit=1):
            cls._refuse()
        return super().execute(ids, data)

    @classmethod
    def header_key(cls, record, data):
        return (('company', cls.branch(record)),)

    @classmethod
    def branch(cls, record):
        "Return the branch whose letterhead the print has"
        return record.company

    @classmethod
    def _execute(cls, records, header, data, action):
        Model = Pool().get(action.model)
        company = header['company']
        language = company.party.lang
        with without_check_access(), Transaction().set_context(
                company=company.id,
                language=language.code if language else LANGUAGE):
            return super()._execute(
                Model.browse(list(map(int, records))), header, data, action)

    @classmethod
    def get_context(cls, records, header, data):
        context = super().get_context(records, header, data)
        company = header['company']
        zone = timezone.ZoneInfo(company.timezone)
        return {
            **context,
            'letterhead': letterhead(company),
            'time_zone': zone,
            'zone': dict(TIMEZONES)[company.timezone].split('(')[1][:-1],
            'day': day,
            'moment': partial(moment, zone=zone),
            'value': partial(value, zone=zone),
            'today': now().replace(
                tzinfo=timezone.UTC).astimezone(zone).date(),
            'number': shown,
            'lines': lines,
            'latin': latin,
            }


class PatientReport(ClinicReport):
    "A print of what belongs to no branch, by the branch of the user"

    @classmethod
    def branch(cls, record):
        "Raise UserError where the user works in no branch"
        User = Pool().get('res.user')
        company = User(Transaction().user).company
        if not company:
            raise UserError(gettext('clinic_rme.msg_print_without_branch'))
        return company


class Prescription(ClinicReport):
    __name__ = 'clinic.encounter.prescription'


class DrugLabel(ClinicReport):
    """The label of each item of a prescription.

    PMK 73/2016, annex: white for what is swallowed, blue for the rest, and
    that suspensions are shaken.
    """
    __name__ = 'clinic.encounter.drug_label'

    @classmethod
    def get_context(cls, records, header, data):
        context = super().get_context(records, header, data)
        context['shaken'] = lambda item: (
            item.medicine and item.medicine.form in SHAKEN)
        return context


class PatientCard(PatientReport):
    "The card that the patient brings along to the next visit"
    __name__ = 'clinic.patient.card'

    @classmethod
    def get_context(cls, records, header, data):
        context = super().get_context(records, header, data)
        today = context['today']
        context['appointments'] = sorted(
            (v for v in context['record'].visits
                if v.follow_up_date and v.follow_up_date >= today
                and v.state == 'finished'),
            key=lambda v: v.follow_up_date)
        return context


def letterhead(company):
    """Return the lines below the name of the branch.

    What the administration wrote as header of the company; otherwise its
    address, phone, e-mail, licence and code.
    """
    if company.header:
        return lines(company.header_used)
    party = company.party
    address = party.address_get()
    return [line for line in [
            address and ', '.join(lines(address.full_address)),
            ' · '.join(filter(None, [
                        party.phone or party.mobile, party.email,
                        party.website])),
            company.facility_license and gettext(
                'clinic_rme.msg_letterhead_license',
                license=company.facility_license),
            company.facility_code and gettext(
                'clinic_rme.msg_letterhead_code',
                code=company.facility_code),
            ] if line]


def lines(text):
    "Return the lines of the text, none of an empty one"
    return (text or '').splitlines()
