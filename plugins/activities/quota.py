"""Who is behind with the week's quota of follow-ups is told, and who leads them, once a week (S-055)."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import insert, select

from core.entities.aggregate import aggregate
from core.entities.query import ListQuery
from core.i18n import lazy_gettext as _l
from core.notifications import notify
from core.plugins.contributions import Job, NotificationKind, Schedule
from core.security.directory import load_actor
from core.security.heads import head_above, heads_of
from core.settings.service import get_setting
from plugins.activities.models import quota_week_table
from plugins.activities.weeks import week_of

if TYPE_CHECKING:
    from core.work.jobs import JobContext
    from core.work.uow import UnitOfWork

__all__ = ["BEHIND", "DAYS", "TEAM_BEHIND", "TELL", "TOLD", "WRITTEN", "weekly_quota"]

#: Days of the week as the settings name them, Monday first.
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
#: What counts, as a condition of the list's filter: what somebody wrote; what another system logged
#: nobody did.
WRITTEN = ("external_id", "is_empty")
#: A server that was off that long tells nobody of what is past.
_LATEST = timedelta(days=1)

BEHIND = NotificationKind(
    "activities.behind",
    _l("My week's quota is not reached"),
    _l("You have not reached this week's quota of follow-ups."),
    icon="chart-bar",
    page="web.home",
)
TEAM_BEHIND = NotificationKind(
    "activities.team_behind",
    _l("The quota of somebody in my department is not reached"),
    _l("Behind with this week's quota of follow-ups: %(record)s"),
    icon="chart-bar",
    page="activities.quota",
)


def weekly_quota(uow: UnitOfWork) -> int:
    """How many follow-ups a week; 0 where none are asked for, or the reader may not tell which count."""
    spec, (field, _op) = uow.entity("follow_up"), WRITTEN
    usable = uow.actor.access(spec).can_use(spec[field])
    return int(get_setting(uow, "activities", "weekly_quota")) if usable else 0


def _tell(context: JobContext) -> dict[str, int]:
    """Tell people when the time of the settings has come; each week once, whatever ends this process."""
    with context.unit_of_work() as uow:
        quota, week = weekly_quota(uow), _due_week(uow)
        if not quota or week is None or not _take(uow, week):
            return {"behind": 0}
        behind = _behind(uow, quota)
        for person in behind:
            notify(uow, BEHIND.name, [person])
        for manager, people in _by_manager(uow, behind).items():
            notify(uow, TEAM_BEHIND.name, [manager], entity="user", record_ids=people)
        return {"behind": len(behind)}


def _due_week(uow: UnitOfWork) -> date | None:
    """The Monday of this week when it is time to look at it; None before, and long after."""
    day = get_setting(uow, "activities", "quota_day")
    if day not in DAYS:
        return None
    monday, *_others = week = week_of(uow.clock.today())
    hour = time(get_setting(uow, "activities", "quota_hour"))
    moment = datetime.combine(week[DAYS.index(day)], hour, uow.clock.timezone).astimezone(UTC)
    return monday if moment <= uow.now() < moment + _LATEST else None


def _take(uow: UnitOfWork, week: date) -> bool:
    """Whether this process is the first to look at that week; another at the same instant fails."""
    c = quota_week_table.c
    if uow.execute(select(c.week).where(c.week == week)).first() is not None:
        return False
    uow.execute(insert(quota_week_table).values(week=week, told_at=uow.now()))
    return True


def _behind(uow: UnitOfWork, quota: int) -> list[int]:
    """The active people who may write follow-ups and wrote fewer; administrators have no quota."""
    this_week = {"field": "happened_at", "op": "within", "value": "this_week"}
    written = {"all": [this_week, dict(zip(("field", "op"), WRITTEN, strict=True))]}
    rows = aggregate(uow, "follow_up", ["owner"], ["count"], ListQuery(filter=written))
    counts = {row["owner"]["id"]: row["count"] for row in rows if row["owner"]}
    users = uow.entity("user").table.c
    active = select(users.id).where(users.is_active, users.archived_at.is_(None)).order_by(users.id)
    short = [key for key in uow.execute(active).scalars() if counts.get(key, 0) < quota]
    spec = uow.entity("follow_up")
    return [
        key
        for key in short
        if (who := load_actor(uow, key)) is not None
        and not who.is_admin
        and who.access(spec).may("create")
    ]


def _by_manager(uow: UnitOfWork, people: list[int]) -> dict[int, list[int]]:
    """Those people by the head of their department, or of the nearest above that has another head."""
    users = uow.entity("user").table.c
    asked = select(users.id, users.department_id).where(users.id.in_(people)).order_by(users.id)
    tree, found = heads_of(uow), defaultdict[int, list[int]](list)
    for person, department in uow.execute(asked):
        if (head := head_above(tree, department, but=person)) is not None:
            found[head].append(person)
    return found


TELL = Job("activities.tell_quota", _tell, title=_l("Tell who is behind with the week's quota"))
TOLD = Schedule("tell_quota", TELL.name, every=timedelta(minutes=15))
