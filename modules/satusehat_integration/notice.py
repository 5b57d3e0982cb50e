# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Telling people what was not sent for long."

import datetime as dt
import logging
from collections import defaultdict
from dataclasses import dataclass
from itertools import groupby

from trytond.i18n import gettext
from trytond.model import ModelSQL, Unique, fields
from trytond.pool import Pool
from trytond.tools import timezone
from trytond.transaction import Transaction

from .explanation import PATIENCE, last_sweep, stall, words
from .gate import database_now
from .hold import moment
from .oversight import UNSENT, cause_of, unsent
from .skew import minutes, skews

logger = logging.getLogger(__name__)

# Which group is told, by audience
GROUPS = {
    'administrators': ('satusehat_integration', 'group_satusehat_admin'),
    'branch': ('clinic_rme', 'group_admin'),
    }
FIRST = dt.timedelta(hours=24)
SECOND = dt.timedelta(hours=72)
KEPT = dt.timedelta(days=30)
NAMED = 3


@dataclass(frozen=True)
class Concern:
    """What one audience of one branch is told, for this cause.

    So many visits wait, or the clock is wrong by so many minutes.
    """
    audience: str
    company: int
    cause: str
    visits: int
    message: str
    minutes: int = 0


class Notice(ModelSQL):
    """That an audience of a branch was told of a cause on a day.

    The day is the branch's own.  No two are alike: each is given once.
    """
    __name__ = 'satusehat.notice'

    company = fields.Many2One(
        'company.company', "Branch", required=True, ondelete='CASCADE')
    audience = fields.Char("Audience", required=True)
    cause = fields.Char("Cause", required=True)
    day = fields.Date("Day", required=True)

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_constraints.append(
            ('day_unique', Unique(t, t.company, t.audience, t.cause, t.day),
                'satusehat_integration.msg_notice_unique'))
        cls.__rpc__.clear()

    @classmethod
    def give(cls):
        """Tell who has to know, once a day for each branch and cause.

        The clinic's administrators of the branch after FIRST, those of
        SATUSEHAT after SECOND or as soon as they have to act.  A person who
        is both is told as the latter only.
        """
        now = database_now()
        if old := cls.search([('day', '<', (now - KEPT).date())]):
            cls.delete(old)
        told = cls._told(now)
        new = [
            concern for concern in concerns(now)
            if (concern.company, concern.audience, concern.cause,
                _day(concern.company, now)) not in told]
        if not new:
            return
        cls.create([{
                    'company': concern.company,
                    'audience': concern.audience,
                    'cause': concern.cause,
                    'day': _day(concern.company, now),
                    } for concern in new])
        told = cls._told(now)
        by_user = defaultdict(list)
        for concern in new:
            users = _users(concern.audience, concern.company)
            if concern.audience == 'branch' and (
                    concern.company, 'administrators', concern.cause,
                    _day(concern.company, now)) in told:
                users -= _users('administrators', concern.company)
            for user in users:
                by_user[user].append(concern)
            if not users:
                logger.warning(
                    "nobody to tell at branch %s (%s): %s visits not sent, %s",
                    concern.company, concern.audience, concern.visits,
                    concern.cause)
        _notify(by_user)

    @classmethod
    def _told(cls, now):
        return {
            (n.company.id, n.audience, n.cause, n.day)
            for n in cls.search([
                    ('day', '>=', (now - dt.timedelta(days=1)).date())])}


def concerns(now):
    """Return the Concerns of the moment, one for each audience, branch, cause.

    now is UTC.
    """
    found = {}
    for audience, message, groups in [
            ('administrators', 'msg_notice_admin', _groups(
                    now, states=['needs_admin'])),
            ('administrators', 'msg_notice_long', _groups(now, now - SECOND)),
            ('branch', 'msg_notice_day', _groups(now, now - FIRST)),
            ]:
        for (company, cause), visits in groups.items():
            found.setdefault(
                (audience, company, cause),
                Concern(audience, company, cause, visits, message))
    return list(found.values()) + _clocks(now)


def _clocks(now):
    "Return the Concerns of a clock that differs from the platform's"
    differing = skews(now)
    Company = Pool().get('company.company')
    return [
        Concern(
            'administrators', company.id, 'clock', 0,
            'msg_notice_clock_slow'
            if differing[company.satusehat_environment] > 0
            else 'msg_notice_clock_fast',
            minutes(differing[company.satusehat_environment]))
        for company in Company.search([
                ('satusehat_environment', 'in', list(differing))])]


def _groups(now, before=None, states=UNSENT):
    "Return {(company id, cause): visits} of what is not sent"
    query = unsent(before)
    cursor = Transaction().connection.cursor()
    cursor.execute(*query.select(
            query.company, query.state, query.environment, query.reason,
            query.visits, query.since, query.next_attempt,
            where=query.state.in_(states)))
    groups = defaultdict(int)
    sweep = last_sweep()
    for company, state, environment, reason, visits, since, due in cursor:
        cause = cause_of(
            state, environment, reason, moment(due or since), sweep, now)
        groups[company, cause] += visits
    return groups


def silence():
    """Return the (label, description) that nothing is sent, None when it is.

    For the current user: as the scheduler that tells of all else is what
    does not run, this is found out when it is asked for.
    """
    pool = Pool()
    User = pool.get('res.user')
    ModelData = pool.get('ir.model.data')
    now, sweep = database_now(), last_sweep()
    if sweep and sweep >= now - PATIENCE:
        return None
    if ModelData.get_id(*GROUPS['administrators']) not in User.get_groups():
        return None
    companies = User(Transaction().user).companies
    ids = {company.id for company in companies}
    count = sum(
        visits for (company, cause), visits in _groups(now).items()
        if cause == 'not_swept' and company in ids)
    if not count:
        return None
    what, who = stall(sweep, companies[0])
    told = gettext('satusehat_integration.msg_visits_wait', count=count)
    return what.rstrip('.'), f'{told} {who}'


def _day(company, now):
    Company = Pool().get('company.company')
    zone = timezone.ZoneInfo(Company(company).timezone)
    return now.replace(tzinfo=dt.timezone.utc).astimezone(zone).date()


def _users(audience, company):
    "Return the ids of the users of the audience at the branch"
    pool = Pool()
    ModelData = pool.get('ir.model.data')
    User = pool.get('res.user')
    return set(map(int, User.search([
                    ('groups', '=', ModelData.get_id(*GROUPS[audience])),
                    ('companies', '=', company),
                    ])))


def _notify(by_user):
    "Write the notifications; by_user is {user id: list of Concern}"
    pool = Pool()
    ModelData = pool.get('ir.model.data')
    Notification = pool.get('res.notification')
    User = pool.get('res.user')
    action = ModelData.get_id('satusehat_integration', 'act_unsent_form')
    notifications = []
    for user in User.browse(list(by_user)):
        language = user.language.code if user.language else None
        with Transaction().set_context(language=language):
            notifications += [
                # The web client opens an action that is given whole only,
                # which any value of its own makes it
                Notification(
                    user=user, icon='satusehat', action=action,
                    action_value='{}', label=label, description=description)
                for label, description in texts(by_user[user.id])]
    if notifications:
        Notification.save(notifications)


def texts(of_user):
    """Return the (label, description) that tell a user the Concerns.

    The label is the cause: clients show the beginning of both only.  The
    branches of one cause are told together.
    """
    def kind(concern):
        return concern.message, concern.cause
    found = []
    for (message, cause), same in groupby(
            sorted(of_user, key=kind), key=kind):
        same = list(same)
        what, who = words(cause)
        told = gettext(
            f'satusehat_integration.{message}',
            count=sum(c.visits for c in same),
            minutes=max(c.minutes for c in same), branches=_branches(same))
        found.append((what.rstrip('.:'), f'{told} {who}'.replace(':', '.')))
    return found


def _branches(same):
    Company = Pool().get('company.company')
    names = [c.rec_name for c in Company.browse(
            [concern.company for concern in same[:NAMED]])]
    if len(same) > NAMED:
        names.append(gettext(
                'satusehat_integration.msg_more_branches',
                count=len(same) - NAMED))
    return ', '.join(names)
