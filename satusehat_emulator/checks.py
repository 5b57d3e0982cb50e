# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Checks of the rule processor that one element's kind cannot express.

The names of the platform's own checks are known, the content of some is not;
only what is published or was observed is checked here.
"""

import re

from .outcome import Issue, numbered
from .walk import EXTENSIONS, concepts, values

KFA = 'http://sys-ids.kemkes.go.id/kfa'
SYSTEM_IDS = 'http://sys-ids.kemkes.go.id'
IHS_NUMBER = 'https://fhir.kemkes.go.id/id/ihs-number'
MEDICATION_TYPE = EXTENSIONS + 'MedicationType'


def _issue(rule, expression, text):
    return Issue('value', numbered(text, rule['number']), expression)


def status_history(rule, found, context):
    """Every status needs a start, in a finished visit an end too.

    SATUSEHAT, validation dictionary, rule 10122.
    """
    ends = context.resource.get('status') == 'finished'
    for expression, entry in found:
        period = entry.get('period') if isinstance(entry, dict) else None
        period = period if isinstance(period, dict) else {}
        if not period.get('start') or (ends and not period.get('end')):
            yield Issue(
                'value',
                'every statusHistory period start and end must be filled '
                f'(Rule {rule["number"]})', f'{expression}.period')


def service_provider(rule, found, context):
    """The visit's provider is the credential's organization.

    SATUSEHAT, validation dictionary, rule 10124.
    """
    expected = f'Organization/{context.organization}'
    for expression, value in found:
        target = value.get('reference') if isinstance(value, dict) else None
        if target and target != expected:
            yield _issue(
                rule, expression,
                'wrong organization ID provided by serviceProvider')


def encounter_length(rule, found, context):
    """Hours or minutes for outpatients, days for inpatients.

    SATUSEHAT, validation dictionary, rule 10840.
    """
    inpatient = 'IMP' in values(context.resource, 'class.code')
    allowed = ['d'] if inpatient else ['h', 'min']
    for expression, value in found:
        code = value.get('code') if isinstance(value, dict) else None
        if code not in allowed:
            yield _issue(
                rule, f'{expression}.code',
                f"Code not found: '{code}' in system: "
                'http://unitsofmeasure.org')


def one_kfa_code(rule, found, context):
    "A medicine has exactly one code of the drug dictionary (rule 10024)."
    for expression, value in found:
        codes = [c for c in concepts(value) if c.get('system') == KFA]
        if len(codes) > 1:
            yield _issue(
                rule, expression, 'Only one KFA code is allowed')


def prescription_identifiers(rule, found, context):
    """A prescription line has its prescription's number and its own.

    SATUSEHAT, validation dictionary, rules 10388 and 10389.
    """
    systems = [
        value.get('system') for _, value in found if isinstance(value, dict)]
    type_ = context.resource['resourceType']
    for kind in ('prescription', 'prescription-item'):
        system = f'{SYSTEM_IDS}/{kind}/{context.organization}'
        if system not in systems:
            yield _issue(
                rule, f'{type_}.identifier',
                f'Element not found: {type_}.identifier {system}')


def ihs_identifier(rule, found, context):
    "A related person is known by an IHS number (rule 10476)."
    if not any(
            isinstance(value, dict) and value.get('system') == IHS_NUMBER
            for _, value in found):
        yield _issue(
            rule, 'RelatedPerson.identifier',
            f'Element not found: RelatedPerson.identifier {IHS_NUMBER}')


def expiry_after_occurrence(rule, found, context):
    "A vaccine is used before it expires (rule 10307)."
    occurrence = context.resource.get('occurrenceDateTime')
    for expression, value in found:
        if isinstance(occurrence, str) and str(value) <= occurrence[:10]:
            yield _issue(
                rule, expression, f'Invalid date time value : {value}')


def address_parent(rule, found, context):
    """A region lies in the region named one level above.

    SATUSEHAT, validation dictionary: village in district, district in city,
    city in province (10621 to 10623 and 10633 to 10635).
    """
    parent = {10: 'district', 6: 'city', 4: 'province'}[rule['digits']]
    for expression, value in found:
        address = re.match(r'\w+\.address\[(\d+)\]', expression)
        above = address and values(
            context.resource['address'][int(address[1])],
            'extension[administrativeCode].extension'
            f'[{parent}].valueCode')
        if above and not str(value).startswith(str(above[0])):
            yield _issue(
                rule, expression,
                f"Code not found: '{value}' in system: "
                f'{rule["systems"][0]}')


CHECKS = {
    check.__name__: check for check in (
        status_history, service_provider, encounter_length, one_kfa_code,
        prescription_identifiers, ihs_identifier, expiry_after_occurrence,
        address_parent)}
