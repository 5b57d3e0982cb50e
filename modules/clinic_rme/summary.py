# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The whole visit on paper: every field that holds something.

SECTIONS give order and headings.  A field of the visit or a kind of entry
that is named in none of them stands in the last section, so that what comes
new is printed before anybody thinks of it.
"""

from typing import NamedTuple

from trytond.i18n import gettext
from trytond.model import fields
from trytond.pool import Pool

from .content import parts
from .report import ClinicReport, PatientReport
from .wording import HIDDEN, entry_lines, field_lines, label


class Section(NamedTuple):
    "A heading (message `msg_section_<name>`) and the fields below it"
    name: str
    fields: list


SECTIONS = [
    Section('visit', [
            'number', 'state', 'unit', 'room', 'practitioner',
            'encounter_class', 'arrived_at', 'started_at', 'finished_at',
            'cancelled_at', 'registered_by', 'started_by', 'finished_by']),
    Section('anamnesis', [
            'chief_complaint', 'chief_complaint_code', 'present_illness',
            'past_illness', 'family_illness', 'medication_history']),
    Section('screening', [
            'psychological_status', 'psychological_note',
            'pregnancy_status', 'fall_risk_scale', 'fall_risk_score',
            'fall_risk', 'nursing_note']),
    Section('note', [
            'vital_signs', 'subjective', 'objective', 'examinations',
            'assessment', 'diagnoses', 'plan']),
    Section('treatment', ['orders', 'procedures', 'prescription_items']),
    Section('afterwards', [
            'care_goal', 'instruction', 'diet', 'education_topics',
            'education_note', 'prognosis', 'follow_up_date',
            'follow_up_unit', 'follow_up_note', 'referral_facility',
            'referral_service', 'referral_reason', 'leaving_condition',
            'discharge_disposition', 'discharge_note']),
    ]


class SummaryReport(ClinicReport):
    __name__ = 'clinic.encounter.summary'

    @classmethod
    def get_context(cls, records, header, data):
        context = super().get_context(records, header, data)
        return {**context, **_helpers(context)}


class RecordReport(PatientReport):
    """The medical record of a patient, every visit with its addenda.

    Of the branches that the user works in.
    """
    __name__ = 'clinic.patient.record'

    @classmethod
    def get_context(cls, records, header, data):
        pool = Pool()
        context = super().get_context(records, header, data)
        patient = context['record']
        companies = pool.get('res.user').get_companies()
        return {
            **context,
            **_helpers(context),
            'visits': sorted(
                patient.visits, key=lambda v: (v.day, v.id)),
            'letters': [
                (letter.rec_name, entry_lines(letter, context['time_zone']))
                for letter in pool.get('clinic.letter').search([
                        ('encounter', 'in', [v.id for v in patient.visits]),
                        ], order=[('date', 'ASC'), ('id', 'ASC')])],
            'consents': [
                (consent.rec_name, entry_lines(consent, context['time_zone']))
                for consent in pool.get('clinic.consent').search([
                        ('patient', 'in', [p.id for p in patient.records]),
                        ('company', 'in', companies),
                        ], order=[('date', 'ASC'), ('id', 'ASC')])],
            }


def _helpers(context):
    zone = context['time_zone']
    return {
        'sections': lambda visit: sections(visit, zone),
        'seal': seal,
        }


def sections(visit, zone):
    """Return [(heading, [(label, [line])])] of what the visit holds.

    Times are those of the zone (ZoneInfo).  Empty fields are left out, and
    sections of them.
    """
    result = []
    for name, names in [*SECTIONS, ('other', unnamed())]:
        rows = [
            (label(visit, field), text) for field in names
            if (text := field_lines(visit, field, zone))]
        if rows:
            result.append((gettext(f'clinic_rme.msg_section_{name}'), rows))
    return result


def unnamed():
    "Return the fields of the visit that hold data and are in no section"
    Encounter = Pool().get('clinic.encounter')
    named = {n for section in SECTIONS for n in section.fields} | HIDDEN
    models = {Part.__name__ for Part in parts()}
    return sorted(
        name for name, field in Encounter._fields.items()
        if name not in named and (
            getattr(field, 'model_name', None) in models
            if field._type == 'one2many'
            else not isinstance(field, fields.Function)))


def seal(visit):
    "Return the last seal over the content of the visit, if any"
    Seal = Pool().get('clinic.seal')
    seals = Seal.of_content([visit])[visit.id]
    return seals[-1] if seals else None
