# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"OperationOutcome: how the platform words a refusal."

from dataclasses import dataclass, field


@dataclass
class Issue:
    """One issue of an OperationOutcome.

    `code` is a FHIR issue type (or what the platform uses as one),
    `expression` the FHIRPath of the element, None where there is none.
    """
    code: str
    text: str
    expression: str | None = None
    diagnostics: str | None = None
    severity: str = 'error'

    def as_dict(self):
        issue = {
            'severity': self.severity,
            'code': self.code,
            'details': {'text': self.text},
            }
        if self.diagnostics:
            issue['diagnostics'] = self.diagnostics
        if self.expression:
            issue['expression'] = [self.expression]
        return issue


@dataclass
class Refusal(Exception):
    """A request the platform refuses.

    `processor` is true for refusals of the rule processor, which marks its
    answers with `text.status`; the FHIR store behind it does not.
    """
    status: int
    issues: list[Issue] = field(default_factory=list)
    processor: bool = False

    def as_dict(self):
        return operation_outcome(self.issues, self.processor)


def operation_outcome(issues, processor=False):
    "Return the OperationOutcome (a dict) for a list of Issue."
    outcome = {
        'resourceType': 'OperationOutcome',
        'issue': [issue.as_dict() for issue in issues],
        }
    if processor:
        outcome['text'] = {'status': 'generated'}
    return outcome


def numbered(text, number):
    "Return `text` with its rule number as the platform appends it."
    return f'{text} (RuleNumber: {number})'


def refused_by_rules(issues):
    return Refusal(400, issues, processor=True)


def refused_by_store(text, diagnostics=None, expression=None, status=400):
    """Return a refusal of the FHIR store.

    The words are those of the Google Cloud Healthcare API, which the
    platform's answers show ('unparseable_resource', 'resource_mismatch').
    """
    issue = Issue('structure', text, expression, diagnostics)
    return Refusal(status, [issue])


def not_found(resource_type, id_):
    issue = Issue(
        'no-store', 'storage_error',
        diagnostics=f'resource not found: {resource_type}/{id_}')
    return Refusal(404, [issue])


def duplicate(resource_type):
    """Return the issue of rule 20002.

    The platform words it differently for Encounter than for the others.
    """
    label = (
        'Found duplicate resource' if resource_type == 'Encounter'
        else 'Found duplicate')
    return Issue(
        'duplicate', numbered(f'{label}: {resource_type}', 20002),
        resource_type)


def version_conflict(status=412):
    """Return the refusal of a change to another version than is stored.

    The platform's words are not published.
    """
    return Refusal(status, [Issue('conflict', 'version_conflict')])


def suppressed(diagnostics=None):
    "Return the issue that stands for data without the patient's consent."
    return Issue(
        'suppressed',
        'The operation did not return any information due to consent or '
        'privacy rules.',
        diagnostics=diagnostics, severity='information')


def consent_refused():
    return Refusal(403, [Issue(
        'forbidden',
        'Operation cannot be performed due to consent or privacy rules.')])


def foreign_organization():
    """Return the refusal of an organization that another client sends for.

    One credential serves one organization (SATUSEHAT, pages of the patient
    and facility indexes); the status is assumed.
    """
    return Refusal(403, [Issue(
        'forbidden', 'resource cannot be accessed due to business rule')])
