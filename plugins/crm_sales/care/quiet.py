"""Deals that stand still: their owner is told once, and may ask for support (S-067).

A stage says after how many days without a change or a follow-up a deal counts as quiet. The owner is told on the day
after these are over, or as soon as the job runs again; a change or a follow-up begins the days anew. Asking for support makes a task for
whoever leads the department, where the module of tasks is on, and tells them in any case.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, and_, exists, not_, or_, select

from core.entities import service
from core.errors import Refused
from core.i18n import gettext as _
from core.i18n import lazy_gettext as _l
from core.notifications import notify
from core.plugins.contributions import Job, NotificationKind, Schedule
from core.security.heads import head_above, heads_of
from plugins.crm_sales.care.mornings import AT_ONCE, Span, morning_of, tell_day_by_day
from plugins.crm_sales.stages import stages_of

if TYPE_CHECKING:
    from core.work.jobs import JobContext
    from core.work.uow import UnitOfWork

__all__ = ["QUIET", "SUPPORT", "TELL", "TELLING", "ask_support", "quiet_days"]

QUIET = NotificationKind(
    "crm_sales.quiet",
    _l("Nothing moves in a deal of mine"),
    _l("Nothing moves: %(record)s. Follow it up, or ask for support."),
    icon="clock",
)
SUPPORT = NotificationKind(
    "crm_sales.support",
    _l("Somebody asks me for support with a deal"),
    _l("Support is asked for: %(record)s"),
    icon="headset",
)


def ask_support(
    uow: UnitOfWork, deals: Sequence[Mapping[str, Any]], params: Mapping[str, Any]
) -> dict[str, Any]:
    """The head above each owner is told, and gets a task. `Refused` where nobody leads them."""
    tree, asked, tasks = heads_of(uow), defaultdict[int, list[int]](list), []
    for deal in deals:
        head = head_above(tree, deal["department"], but=uow.actor.user_id)
        if head is None:
            raise Refused(_("Nobody leads the department of %(name)s.", name=deal["name"]))
        asked[head].append(deal["id"])
        tasks.append(
            {
                "title": _("Support: %(name)s", name=deal["name"])[:200],
                "description": params["note"],
                "related_entity": "opportunity",
                "related_id": deal["id"],
                "assignee": head,
                "due_at": uow.now() + timedelta(days=1),
            }
        )
    if "task" in uow.entities:
        with uow.elevated():
            service.create(uow, "task", tasks)
    for head, ids in asked.items():
        notify(uow, SUPPORT.name, [head], entity="opportunity", record_ids=ids)
    return {"asked": [deal["id"] for deal in deals]}


def quiet_days(uow: UnitOfWork, deal: Mapping[str, Any]) -> int | None:
    """How many days nothing has moved in an open deal, when its stage calls that too many."""
    step = stages_of(uow, processes=[deal["process"]]).by_id.get(deal["stage"])
    if step is None or step.quiet_days is None or deal["status"] != "open":
        return None
    table, edge = uow.entity("opportunity").table, morning_of(uow) - timedelta(step.quiet_days)
    still = select(table.c.id).where(table.c.id == deal["id"], _untouched(uow, edge))
    return step.quiet_days if uow.execute(still).first() is not None else None


def _untouched(uow: UnitOfWork, edge: datetime) -> ColumnElement[bool]:
    """Opportunities that nobody has changed or followed up since ``edge``."""
    deal = uow.entity("opportunity").table
    follow_up = uow.entities.get("follow_up")
    if follow_up is None or follow_up.plugin != "activities":
        return deal.c.updated_at < edge
    talk = follow_up.table
    talked = exists().where(
        talk.c.related_entity == "opportunity",
        talk.c.related_id == deal.c.id,
        talk.c.archived_at.is_(None),
        talk.c.happened_at >= edge,
    )
    return and_(deal.c.updated_at < edge, ~talked)


def _tell(context: JobContext) -> dict[str, int]:
    return {"told": tell_day_by_day(context, TELL.name, _tell_owners)}


def _tell_owners(uow: UnitOfWork, span: Span, after: int) -> list[int]:
    deal, stage = uow.entity("opportunity").table, uow.entity("stage").table
    limits = uow.execute(
        select(stage.c.id, stage.c.quiet_days).where(
            stage.c.quiet_days.is_not(None), stage.c.archived_at.is_(None)
        )
    ).all()
    if not limits:
        return []
    quiet_since = []
    for key, number in limits:
        days = timedelta(days=number)
        before = _untouched(uow, span.since - days)
        still = _untouched(uow, span.until - days)
        quiet_since.append(and_(deal.c.stage_id == key, still, not_(before)))
    rows = uow.execute(
        select(deal.c.id, deal.c.owner_id)
        .where(deal.c.status == "open", deal.c.archived_at.is_(None), deal.c.id > after)
        .where(deal.c.owner_id.is_not(None), or_(*quiet_since))
        .order_by(deal.c.id)
        .limit(AT_ONCE)
    ).all()
    owners = defaultdict[int, list[int]](list)
    for row in rows:
        owners[row.owner_id].append(row.id)
    for owner, ids in owners.items():
        notify(uow, QUIET.name, [owner], entity="opportunity", record_ids=ids)
    return [row.id for row in rows]


TELL = Job("crm_sales.tell_quiet", _tell, title=_l("Tell of deals in which nothing moves"), limit=1)
TELLING = Schedule("tell_quiet", TELL.name, daily_at="07:40")
