"""Important leads that lie unclaimed, or that their owner leaves alone: who leads the sales is told, once.

Told once for each time that the clock began: a follow-up, a claim or a return begins it anew.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, and_, case, delete, exists, insert, or_, select, text

from core.db.base import metadata
from core.i18n import lazy_gettext as _l
from core.notifications import notify
from core.plugins.contributions import Job, NotificationKind, Schedule
from core.settings.service import get_setting
from plugins.crm_leads.models import OPEN, alert_table

if TYPE_CHECKING:
    from core.work.jobs import JobContext
    from core.work.uow import UnitOfWork

__all__ = ["ALERT", "ALERTING", "NEGLECTED", "UNCLAIMED"]

_AT_ONCE = 200

UNCLAIMED = NotificationKind(
    "crm_leads.unclaimed",
    _l("An important lead lies unclaimed"),
    _l("%(record)s is important and has not been claimed in time."),
    icon="alert-triangle",
)
NEGLECTED = NotificationKind(
    "crm_leads.neglected",
    _l("An important lead is not followed up"),
    _l("%(record)s is important and has not been followed up in time."),
    icon="alert-triangle",
)


def _alert(context: JobContext) -> dict[str, int]:
    told = 0
    for kind in (UNCLAIMED, NEGLECTED):
        more = True
        while more:
            with context.unit_of_work() as uow:
                n = _tell(uow, kind.name)
            told += n
            more = n == _AT_ONCE
    return {"told": told}


def _tell(uow: UnitOfWork, kind: str) -> int:
    """Tell of the next few; how many they were."""
    rows = uow.execute(_wanted(uow, kind)).all() if _limit(uow, kind) else []
    if not rows:
        return 0
    ids = [row.id for row in rows]
    mine = and_(alert_table.c.lead_id.in_(ids), alert_table.c.kind == kind)
    uow.execute(delete(alert_table).where(mine))
    noted = [{"lead_id": row.id, "kind": kind, "since": row.since} for row in rows]
    uow.execute(insert(alert_table), noted)
    administrators = _administrators(uow, {row.pool_id for row in rows if row.pool_id})
    heads = _Heads(uow)
    by_person = defaultdict[int, list[int]](list)
    for row in rows:
        if kind == NEGLECTED.name:
            head = heads.above(row.department_id, but=row.owner_id)
            people = [head] if head is not None else administrators.get(row.pool_id, [])
        else:
            people = administrators.get(row.pool_id) or heads.of_pool(row.pool_id)
        for person in people:
            by_person[person].append(row.id)
    for person, keys in by_person.items():
        notify(uow, kind, [person], entity="lead", record_ids=keys)
    return len(rows)


def _limit(uow: UnitOfWork, kind: str) -> timedelta | None:
    if kind == UNCLAIMED.name:
        hours = get_setting(uow, "crm_leads", "alert_unclaimed_hours")
        return None if hours is None else timedelta(hours=hours)
    days = get_setting(uow, "crm_leads", "alert_idle_days")
    return None if days is None else timedelta(days=days)


def _wanted(uow: UnitOfWork, kind: str) -> Any:
    limit = _limit(uow, kind)
    assert limit is not None
    lead, edge = uow.entity("lead").table, uow.now() - limit
    since: ColumnElement[Any] = lead.c.held_since
    whose = lead.c.owner_id.is_(None)
    if kind == NEGLECTED.name:
        whose = lead.c.owner_id.is_not(None)
        later = lead.c.last_followed_at > lead.c.held_since
        since = case((later, lead.c.last_followed_at), else_=lead.c.held_since)
    told = exists().where(
        alert_table.c.lead_id == lead.c.id,
        alert_table.c.kind == kind,
        alert_table.c.since == since,
    )
    return (
        select(
            lead.c.id, lead.c.owner_id, lead.c.department_id, lead.c.pool_id, since.label("since")
        )
        .where(
            text("crm_leads_lead.priority = 'high'"),  # as the index has it
            whose,
            lead.c.status.in_(OPEN),
            lead.c.archived_at.is_(None),
            lead.c.held_since <= edge,
            or_(lead.c.last_followed_at.is_(None), lead.c.last_followed_at <= edge)
            if kind == NEGLECTED.name
            else lead.c.pool_id.is_not(None),
            ~told,
        )
        .order_by(lead.c.held_since, lead.c.id)
        .limit(_AT_ONCE)
    )


def _administrators(uow: UnitOfWork, pools: Iterable[int]) -> Mapping[int, Sequence[int]]:
    links = metadata.tables["crm_leads_lead_pool__administrators"]
    found = defaultdict[int, list[int]](list)
    for row in uow.execute(select(links).where(links.c.source_id.in_(list(pools)))):
        found[row.source_id].append(row.target_id)
    return found


class _Heads:
    """Who leads what: the departments, read once."""

    def __init__(self, uow: UnitOfWork) -> None:
        tree = uow.snapshot.installed_entities["department"].table
        rows = uow.execute(select(tree.c.id, tree.c.parent_id, tree.c.head_id)).all()
        self.parents = {row.id: row.parent_id for row in rows}
        self.heads = {row.id: row.head_id for row in rows}
        links = metadata.tables["crm_leads_lead_pool__departments"]
        self.members = defaultdict[int, list[int]](list)
        for row in uow.execute(select(links)):
            self.members[row.source_id].append(row.target_id)

    def above(self, department: int | None, *, but: int | None = None) -> int | None:
        """The head of the department, or of the nearest above that has another."""
        while department is not None:
            head = self.heads.get(department)
            if head is not None and head != but:
                return int(head)
            department = self.parents.get(department)
        return None

    def of_pool(self, pool: int | None) -> list[int]:
        """The heads of a pool's member departments."""
        found = (self.above(department) for department in self.members.get(pool or 0, ()))
        return sorted({head for head in found if head is not None})


ALERT = Job("crm_leads.alert", _alert, title=_l("Tell of important leads left alone"), limit=1)
ALERTING = Schedule("alert", ALERT.name, every=timedelta(minutes=10))
