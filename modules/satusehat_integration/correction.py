# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"What becomes of the versions of a visit when it is corrected or withdrawn."

import json

from sql.aggregate import Max
from trytond.i18n import gettext
from trytond.pool import Pool
from trytond.transaction import Transaction, without_check_access

from .decision import held
from .exceptions import ReasonRequired
from .visit import thaw

# Not settled yet, and nothing of it has left as long as it is not begun
OPEN = [
    'pending', 'sending', 'checking', 'waiting', 'needs_data', 'needs_admin']


class CorrectionMixin:
    "Submissions of which a visit can have several"
    __slots__ = ()

    @classmethod
    def next_versions(cls, encounters):
        "Return {encounter id: number of its next version}"
        cursor = Transaction().connection.cursor()
        table = cls.__table__()
        cursor.execute(*table.select(
                table.encounter, Max(table.version),
                where=table.encounter.in_([e.id for e in encounters] or [0]),
                group_by=table.encounter))
        last = dict(cursor)
        return {e.id: last.get(e.id, 0) + 1 for e in encounters}

    @classmethod
    def supersede(cls, encounters):
        """Stop what the platform refused of visits that were corrected.

        It would wait for the correction for ever, and the correction for it.
        """
        with without_check_access():
            rows = cls.search([
                    ('encounter', 'in', [e.id for e in encounters]),
                    ('state', '=', 'needs_data'),
                    ])
            states = held(rows)
            cls._give_way(
                [row for row in rows if states[row.id] == 'needs_data'])

    @classmethod
    def give_way(cls, submissions):
        """Stop those that were refused and have a newer version by now.

        The correction was made before the platform refused what it corrects.
        """
        with without_check_access():
            last = cls.next_versions({s.encounter for s in submissions})
            cls._give_way([
                    s for s in submissions if s.state == 'needs_data'
                    and s.version + 1 < last[s.encounter.id]])

    @classmethod
    def _give_way(cls, rows):
        for row in rows:
            if not row.begun_at:
                cls._end([row], 'stop', gettext(
                        'satusehat_integration.msg_superseded',
                        version=row.version + 1))

    @classmethod
    def withdraw(cls, encounters, reason):
        """Let the platform not take visits that were entered in error.

        What has not begun to leave is stopped, on the word of the current
        user.  Of what has, the next version tells the platform that it was
        entered in error, once the ones before are settled.  Raises
        ReasonRequired without a reason.
        """
        reason = (reason or '').strip()
        if not reason:
            raise ReasonRequired(
                gettext('satusehat_integration.msg_reason_required'))
        with without_check_access():
            rows = cls.search([
                    ('encounter', 'in', [e.id for e in encounters])])
            states = held(rows)
            cls._end([
                    row for row in rows if states[row.id] in OPEN
                    and (not row.begun
                        or states[row.id] == 'needs_data'
                        and not row.begun_at)],
                'withdraw', reason)
            begun = {row.encounter for row in rows if row.begun}
            versions = cls.enqueue(
                [e for e in encounters if e in begun], in_error=True)
            cls._note(versions, 'withdraw', reason)

    @classmethod
    @without_check_access
    def over(cls, submissions):
        """Return those that the platform must not get any more.

        A later version is there, or they were stopped and a later version
        took their place or the visit was withdrawn.
        """
        encounters = {s.encounter for s in submissions}
        sent, withdrawn = cls._latest_sent(encounters), cls._withdrawn(
            encounters)
        following = cls.next_versions(encounters)
        return [
            s for s in submissions
            if s.version < sent.get(s.encounter.id, 0)
            or s.state == 'stopped' and (
                s.version + 1 < following[s.encounter.id]
                or s.encounter.id in withdrawn and not s.tells_of_error)]

    @classmethod
    def _latest_sent(cls, encounters):
        "Return {encounter id: latest version that was sent}"
        sent = cls.search([
                ('encounter', 'in', [e.id for e in encounters]),
                ('state', '=', 'sent'),
                ], order=[('version', 'ASC')])
        return {s.encounter.id: s.version for s in sent}

    @classmethod
    def _withdrawn(cls, encounters):
        "Return the ids of the encounters that were withdrawn"
        Action = Pool().get('satusehat.submission.action')
        return {
            a.submission.encounter.id for a in Action.search([
                    ('submission.encounter', 'in', [e.id for e in encounters]),
                    ('action', '=', 'withdraw'),
                    ])}

    @property
    def tells_of_error(self):
        "Whether the version only tells that the visit was entered in error"
        try:
            snapshot = json.loads(thaw(self.snapshot, self.snapshot_hash))
        except ValueError:
            return False
        return bool(snapshot['encounter'].get('in_error'))

    @classmethod
    def _end(cls, rows, action, reason):
        # A sender that has claimed one of them finds its claim gone
        cls._note(rows, action, reason)
        if rows:
            cls.write(rows, {
                    'state': 'stopped',
                    'claim': None,
                    'lease_until': None,
                    'next_attempt': None,
                    })

    @staticmethod
    def _note(rows, action, reason):
        Action = Pool().get('satusehat.submission.action')
        Action.create([{
                    'submission': row.id,
                    'action': action,
                    'reason': reason,
                    } for row in rows])
