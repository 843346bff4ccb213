"""The next step of a follow-up as a task: made with the date, moved with it, done by the next one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from core.entities import query, service
from core.entities.changes import Change
from core.entities.query import ListQuery
from core.i18n import gettext as _

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["plan"]

#: A change of these in a follow-up changes these of its task.
_PLANNED_BY = ("next_follow_at", "next_step", "owner", "related_entity", "related_id")
_FOLLOWING = ("title", "due_at", "assignee", "related_entity", "related_id")
About = tuple[str | None, int | None]


def plan(changes: Sequence[Change], uow: UnitOfWork) -> None:
    """What follows from follow-ups that were written, changed or deleted just now.

    Of several follow-ups about one record the latest counts: its date is the plan, and what earlier
    ones had planned for its author is done, or no longer planned.
    """
    kind = changes[0].kind
    if kind == "delete":
        _drop(uow, [change.id for change in changes])
        return
    if kind == "create":
        _wait_for_others(uow, changes)
    latest = _latest(uow, changes)
    current = [
        change
        for change in changes
        if change.after["related_id"] is None
        or _when(change) >= latest.get(_about(change), _when(change))
    ]
    if kind == "create":
        current = _last_of_each(current)
        _settle_earlier(uow, current)
        _make(uow, current)
    else:
        _move(uow, changes, {change.id for change in current})


def _wait_for_others(uow: UnitOfWork, changes: Sequence[Change]) -> None:
    """Whoever follows up the same record at the same instant sees the plan that is made here."""
    for entity, ids in sorted(_by_entity(_about(change) for change in changes).items()):
        if entity not in uow.entities:
            continue
        table, wanted = uow.entity(entity).table, sorted(ids)
        for start in range(0, len(wanted), 900):
            chunk = table.c.id.in_(wanted[start : start + 900])
            uow.execute(select(table.c.id).where(chunk).order_by(table.c.id).with_for_update())


def _last_of_each(changes: Sequence[Change]) -> list[Change]:
    """Of several that one person wrote of one record at once, that which says last what comes next."""
    found: dict[Any, Change] = {}
    for change in sorted(changes, key=lambda each: (_when(each), each.id or 0)):
        key = change.id if change.after["related_id"] is None else _plan_of(change)
        before = found.get(key)
        if before is None or _has_plan(change) or not _has_plan(before):
            found[key] = change
    return list(found.values())


def _plan_of(change: Change) -> tuple[str | None, int | None, int | None]:
    """A record's plan is that of one person."""
    return (*_about(change), change.after["owner"])


def _has_plan(change: Change) -> bool:
    return bool(change.after["no_next"]) or change.after["next_follow_at"] is not None


def _about(change: Change) -> About:
    return change.after["related_entity"], change.after["related_id"]


def _when(change: Change) -> datetime:
    moment: datetime = change.after["happened_at"]
    return moment


def _latest(uow: UnitOfWork, changes: Sequence[Change]) -> dict[About, datetime]:
    """When each of the records was last followed up."""
    table = changes[0].entity.table
    found: dict[About, datetime] = {}
    for entity, ids in _by_entity(_about(change) for change in changes).items():
        wanted = sorted(ids)
        for start in range(0, len(wanted), 900):
            rows = uow.execute(
                select(table.c.related_id, func.max(table.c.happened_at).label("last"))
                .where(
                    table.c.related_entity == entity,
                    table.c.related_id.in_(wanted[start : start + 900]),
                    table.c.archived_at.is_(None),
                )
                .group_by(table.c.related_id)
            )
            found.update({(entity, row.related_id): row.last for row in rows})
    return found


def _by_entity(abouts: Any) -> dict[str, set[int]]:
    found: dict[str, set[int]] = {}
    for entity, key in abouts:
        if entity is not None and key is not None:
            found.setdefault(entity, set()).add(key)
    return found


def _make(uow: UnitOfWork, changes: Sequence[Change]) -> None:
    rows = [_task(change) for change in changes if change.after["next_follow_at"] is not None]
    if rows:
        service.create(uow, "task", rows)


def _task(change: Change) -> dict[str, Any]:
    after = change.after
    return {
        "title": after["next_step"] or _("Follow up"),
        "due_at": after["next_follow_at"],
        "assignee": after["owner"],
        "related_entity": after["related_entity"],
        "related_id": after["related_id"],
        "follow_up": change.id,
        "created_by": after["created_by"],
    }


def _settle_earlier(uow: UnitOfWork, changes: Sequence[Change]) -> None:
    """What was planned about the same records for the same people: done where it was due by then,
    else given up for the new plan; without a new plan what lies ahead stays."""
    by_plan = {_plan_of(change): change for change in changes}
    values: dict[int, dict[str, Any]] = {}
    for entity, ids in _by_entity(_about(change) for change in changes).items():
        for task in _planned(uow, _of_records(entity, ids)):
            change = by_plan.get((entity, task["related_id"], task["assignee"]))
            if change is None:
                continue
            if (status := _outcome(uow, task, change)) is not None:
                values[task["id"]] = {"status": status}
    if values:
        service.update(uow, "task", values)


def _outcome(uow: UnitOfWork, task: Mapping[str, Any], change: Change) -> str | None:
    zone = uow.clock.timezone
    due = task["due_at"]
    if due is None or due.astimezone(zone).date() <= _when(change).astimezone(zone).date():
        return "done"
    return "cancelled" if _has_plan(change) else None


def _of_records(entity: str, ids: set[int]) -> dict[str, Any]:
    return {
        "all": [
            {"field": "related_entity", "op": "eq", "value": entity},
            {"field": "related_id", "op": "in", "value": sorted(ids)[:1000]},
            {"field": "follow_up", "op": "is_set"},
        ]
    }


def _planned(uow: UnitOfWork, condition: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Open tasks that follow-ups have planned."""
    still = {"field": "status", "op": "eq", "value": "open"}
    fields = ("related_id", "assignee", "due_at", "follow_up", "title")
    wanted = ListQuery(fields=fields, filter={"all": [condition, still]}, sort="id")
    return [row for page in query.stream(uow, "task", wanted, action="read") for row in page.items]


def _of_follow_ups(ids: Sequence[int | None]) -> dict[str, Any]:
    return {"field": "follow_up", "op": "in", "value": list(ids)[:1000]}


def _drop(uow: UnitOfWork, ids: Sequence[int | None]) -> None:
    tasks = _planned(uow, _of_follow_ups(ids))
    if tasks:
        service.update(uow, "task", {task["id"]: {"status": "cancelled"} for task in tasks})


def _move(uow: UnitOfWork, changes: Sequence[Change], current: set[int | None]) -> None:
    """The tasks of follow-ups whose plan was changed, or that came back from the recycle bin.

    Only those that are ``current`` get one where they had none.
    """
    touched = [
        change
        for change in changes
        if change.kind == "restore" or any(change.changed(name) for name in _PLANNED_BY)
    ]
    if not touched:
        return
    ids = [change.id for change in touched]
    tasks = {task["follow_up"]: task for task in _planned(uow, _of_follow_ups(ids))}
    values, unplanned = {}, []
    for change in touched:
        task = tasks.get(change.id)
        if task is None:
            if change.id in current and _is_planned_anew(change):
                unplanned.append(change)
        elif change.after["next_follow_at"] is None:
            values[task["id"]] = {"status": "cancelled"}
        else:
            new = _task(change)
            values[task["id"]] = {name: new[name] for name in _FOLLOWING}
    if values:
        service.update(uow, "task", values)
    _make(uow, unplanned)


def _is_planned_anew(change: Change) -> bool:
    return change.kind == "restore" or change.changed("next_follow_at")
