# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Whether the records say what was sealed.

Finds what was done in the database past the server: each finding names the
visit, the model, the row, and whether it was altered, removed or added.
"""

import json
from typing import NamedTuple

from sql import Null
from trytond.i18n import gettext
from trytond.model import ModelView, fields
from trytond.pool import Pool
from trytond.tools import grouped_slice
from trytond.transaction import Transaction, without_check_access
from trytond.wizard import Button, StateTransition, StateView, Wizard

from .content import ENCOUNTER, contents, digest, manifest
from .seal import OF_CONTENT

SEAL, AMENDMENT = 'clinic.seal', 'clinic.amendment'
SEALED_STATES = {
    'finished': 'finished',
    'corrected': 'finished',
    'entered_in_error': 'entered_in_error',
    }


class Finding(NamedTuple):
    "company is an id, row a UID or a number; what an action of WHATS"
    company: int
    encounter: str
    model: str
    row: str
    what: str


WHATS = ['altered', 'removed', 'added']


class Report(NamedTuple):
    """What a verification found.

    seals is their number, heads {company id: (number, link)} of the last
    link of each chain, to be kept outside the database.
    """
    seals: int
    heads: dict
    findings: list


def verify(companies, heads=None):
    """Return the Report of the branches.

    heads are those of an earlier report: the chain must still hold them.
    """
    with without_check_access():
        findings, found_heads, count = [], {}, 0
        for company in companies:
            number, link, broken = _verify_chain(
                company, (heads or {}).get(company.id))
            found_heads[company.id] = (number, link)
            findings += broken
        for seals in _by_encounter(companies):
            count += sum(map(len, seals.values()))
            findings += _verify_encounters(seals)
        findings += _unsealed(companies)
        return Report(count, found_heads, findings)


def describe(finding):
    "Return the finding in one line"
    model = Pool().get('ir.model').get_name(finding.model)
    what = gettext(f'clinic_rme.msg_seal_{finding.what}')
    return ' | '.join([finding.encounter, model, finding.row, what])


def _verify_chain(company, expected):
    "Return (last number, last link, findings) of the branch's chain"
    Seal = Pool().get(SEAL)
    findings, number, link, links = [], 0, '', {}
    chain = Seal.search([
            ('company', '=', company.id),
            ('number', '!=', None),
            ], order=[('number', 'ASC')])
    for seal in chain:
        findings += [
            Finding(company.id, '-', SEAL, str(missing), 'removed')
            for missing in range(number + 1, seal.number)]
        is_next = seal.number == number + 1
        if (seal.link != seal.compute_link()
                or is_next and seal.previous != link):
            findings.append(_of_seal(seal, 'altered'))
        number, link = seal.number, seal.link
        links[number] = link
    if expected and links.get(expected[0], '') != expected[1]:
        findings.append(Finding(
                company.id, '-', SEAL, str(expected[0]),
                'altered' if expected[0] in links else 'removed'))
    return number, link, findings


def _by_encounter(companies):
    "Yield {encounter id: its seals, oldest first}, some visits at a time"
    Seal = Pool().get(SEAL)
    table = Seal.__table__()
    cursor = Transaction().connection.cursor()
    cursor.execute(*table.select(
            table.encounter, group_by=table.encounter,
            where=table.company.in_([c.id for c in companies] or [0]),
            order_by=table.encounter))
    ids = [id_ for id_, in cursor]
    for some in grouped_slice(ids, 500):
        result = {}
        for seal in Seal.search(
                [('encounter', 'in', list(some))], order=[('id', 'ASC')]):
            result.setdefault(seal.encounter.id, []).append(seal)
        yield result


def _verify_encounters(by_encounter):
    Encounter = Pool().get(ENCOUNTER)
    present = {
        e.id: e for e in Encounter.search([('id', 'in', list(by_encounter))])}
    content = contents(present)
    amended = _amendments(by_encounter)
    for id_, seals in by_encounter.items():
        for seal in seals:
            if digest(json.loads(seal.manifest)) != seal.hash:
                yield _of_seal(seal, 'altered')
        last = [s for s in seals if s.kind in OF_CONTENT][-1:]
        found = manifest({AMENDMENT: amended.get(id_, {})})
        encounter = present.get(id_)
        sealed = {AMENDMENT: {}}
        for seal in seals:
            sealed[AMENDMENT].update(
                json.loads(seal.manifest).get(AMENDMENT, {}))
        if not encounter:
            yield Finding(
                seals[0].company.id, seals[0].encounter_number, ENCOUNTER,
                '-', 'removed')
        elif last and not _is_in_correction(encounter, last[0]):
            sealed = {**json.loads(last[0].manifest), **sealed}
            found = {**manifest(content[id_]), **found}
            if encounter.state != SEALED_STATES[last[0].kind]:
                yield Finding(
                    encounter.company.id, seals[0].encounter_number,
                    ENCOUNTER, 'state', 'altered')
        yield from _compare(seals[0], sealed, found)


def _is_in_correction(encounter, last):
    "Whether the author is changing what the last seal holds right now"
    amendment = encounter.correction
    if not amendment or amendment.state != 'open':
        return False
    content = json.loads(last.manifest)
    content.pop(AMENDMENT, None)
    return manifest(json.loads(amendment.before or '{}')) == content


def _amendments(encounters):
    "Return {encounter id: {uid: row}} of the amendments that count"
    Amendment = Pool().get(AMENDMENT)
    result = {}
    for amendment in Amendment.search([
                ('encounter', 'in', list(encounters)),
                ('state', '=', 'done')]):
        result.setdefault(amendment.encounter.id, {}).update(
            amendment.content[AMENDMENT])
    return result


def _compare(seal, sealed, found):
    "Yield what differs between the rows of two manifests"
    for model in sorted(sealed.keys() | found.keys()):
        before, after = sealed.get(model, {}), found.get(model, {})
        for uid in sorted(before.keys() | after.keys()):
            if before.get(uid) != after.get(uid):
                what = (
                    'added' if uid not in before
                    else 'removed' if uid not in after else 'altered')
                yield Finding(
                    seal.company.id, seal.encounter_number, model, uid, what)


def _unsealed(companies):
    "Yield the closed visits that never had a seal"
    pool = Pool()
    encounter = pool.get(ENCOUNTER).__table__()
    seal = pool.get(SEAL).__table__()
    cursor = Transaction().connection.cursor()
    cursor.execute(*encounter.join(
            seal, 'LEFT', condition=seal.encounter == encounter.id).select(
            encounter.company, encounter.number, encounter.uid,
            where=(seal.id == Null)
            & encounter.state.in_(['finished', 'entered_in_error'])
            & encounter.company.in_([c.id for c in companies] or [0]),
            order_by=encounter.id))
    for company, number, uid in cursor:
        yield Finding(company, number, ENCOUNTER, uid, 'added')


def _of_seal(seal, what):
    return Finding(
        seal.company.id, seal.encounter_number, SEAL,
        str(seal.number or seal.id), what)


class VerifyResult(ModelView):
    __name__ = 'clinic.seal.verify.result'

    summary = fields.Char("Summary", readonly=True)
    findings = fields.Text(
        "Findings", readonly=True,
        help="Visit, record, row, and what happened to it.")


class Verify(Wizard):
    __name__ = 'clinic.seal.verify'

    start_state = 'verify'
    verify = StateTransition()
    result = StateView(
        'clinic.seal.verify.result', 'clinic_rme.seal_verify_result_view_form',
        [Button("OK", 'end', 'tryton-ok', default=True)])

    def transition_verify(self):
        return 'result'

    def default_result(self, fields):
        pool = Pool()
        User = pool.get('res.user')
        report = verify(User(Transaction().user).companies)
        lines = [describe(f) for f in report.findings]
        message = 'msg_seal_broken' if lines else 'msg_seal_intact'
        return {
            'summary': gettext(
                f'clinic_rme.{message}', seals=report.seals,
                findings=len(lines)),
            'findings': '\n'.join(lines),
            }
