"""Follow-ups of leads, where the module of activities is on: the lead keeps its last and next date.

That module knows nothing of leads. What it writes about any record passes through the hooks of the
transaction like everything else, so that the lead is right at once, and not a moment later.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from core.entities import query, service
from core.entities.changes import Change
from core.entities.query import ListQuery
from plugins.crm_leads.models import OPEN

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["ENTITY", "follow"]

#: What the other module calls them.
ENTITY = "follow_up"
_FIELDS = ("status", "last_followed_at", "next_follow_at")


def follow(changes: Sequence[Change], uow: UnitOfWork) -> None:
    """Take over when leads were last followed up and when they are to be next."""
    by_lead: dict[int, list[Change]] = {}
    for change in changes:
        for values in (change.before, change.after):
            if values.get("related_entity") == "lead" and values.get("related_id") is not None:
                about = by_lead.setdefault(values["related_id"], [])
                if change not in about:
                    about.append(change)
    if not by_lead:
        return
    _lock(uow, sorted(by_lead))
    newest = _newest(uow, changes[0], sorted(by_lead))
    values = {
        lead["id"]: new
        for lead in _leads(uow, sorted(by_lead))
        if (new := _values(lead, by_lead[lead["id"]], newest.get(lead["id"]), uow.now()))
    }
    if values:
        service.update(uow, "lead", values)


def _lock(uow: UnitOfWork, ids: Sequence[int]) -> None:
    """Of two people who follow up one lead at once, the second sees what the first has written."""
    lead = uow.entity("lead").table
    for start in range(0, len(ids), 900):
        chunk = lead.c.id.in_(ids[start : start + 900])
        uow.execute(select(lead.c.id).where(chunk).order_by(lead.c.id).with_for_update())


def _leads(uow: UnitOfWork, ids: Sequence[int]) -> list[dict[str, Any]]:
    wanted = ListQuery(fields=_FIELDS, ids=tuple(ids), sort="id")
    return [row for page in query.stream(uow, "lead", wanted, action="read") for row in page.items]


def _newest(uow: UnitOfWork, change: Change, ids: Sequence[int]) -> dict[int, Any]:
    """The latest follow-up of each lead; of two of one moment the one written last."""
    table = change.entity.table
    place = func.row_number().over(
        partition_by=table.c.related_id, order_by=(table.c.happened_at.desc(), table.c.id.desc())
    )
    found: dict[int, Any] = {}
    for start in range(0, len(ids), 900):
        ranked = (
            select(
                *(table.c.id, table.c.related_id, table.c.happened_at),
                *(table.c.next_follow_at, table.c.no_next, place.label("place")),
            )
            .where(
                table.c.related_entity == "lead",
                table.c.related_id.in_(ids[start : start + 900]),
                table.c.archived_at.is_(None),
            )
            .subquery()
        )
        for row in uow.execute(select(ranked).where(ranked.c.place == 1)):
            found[row.related_id] = row
    return found


def _values(
    lead: Mapping[str, Any], changes: Sequence[Change], newest: Any, now: datetime
) -> dict[str, Any]:
    """What a lead is to hold that it does not hold yet."""
    found = {
        "last_followed_at": _last(lead, changes, newest),
        "next_follow_at": _next(lead, changes, newest, now),
        "status": lead["status"],
    }
    if lead["status"] == "new" and any(change.kind == "create" for change in changes):
        found["status"] = "following"
    return {name: value for name, value in found.items() if value != lead[name]}


def _last(lead: Mapping[str, Any], changes: Sequence[Change], newest: Any) -> datetime | None:
    """A date that no follow-up stands for, such as an imported one, is only replaced by a later one."""
    kept: datetime | None = lead["last_followed_at"]
    if any(change.before.get("happened_at") == kept for change in changes):
        kept = None  # it came from one that has changed, or is gone
    told: datetime | None = newest.happened_at if newest is not None else None
    return max((each for each in (kept, told) if each is not None), default=None)


def _next(
    lead: Mapping[str, Any], changes: Sequence[Change], newest: Any, now: datetime
) -> datetime | None:
    """What the latest follow-up plans. Without a plan in it, an appointment still ahead stands."""
    kept: datetime | None = lead["next_follow_at"]
    if lead["status"] not in OPEN:
        return kept
    planned_before = [change.before.get("next_follow_at") for change in changes]
    told: datetime | None = newest.next_follow_at if newest is not None else None
    if newest is None or newest.id not in {change.id for change in changes}:
        return told if kept is not None and kept in planned_before else kept
    if told is not None or newest.no_next:
        return told
    return kept if kept is not None and kept > now and kept not in planned_before else None
