"""What repeats: when the next task of a series is due, making it once the last one is done, and taking
it back with that."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from sqlalchemy import select

from core.entities import query, service
from core.entities.changes import Change
from core.entities.query import ListQuery
from plugins.activities.weeks import add_months

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["next_due", "recur", "take_back"]

#: What the next of a series has from the one before.
_KEPT = (
    *("title", "description", "priority", "assignee", "reminder", "related_entity", "related_id"),
    *("recurrence", "every", "repeat_until", "created_by"),
)
_MONTHS = {"monthly": 1, "yearly": 12}
_DAYS = {"daily": 1, "weekly": 7}
_LAST_YEAR = 9990


def next_due(
    first: datetime, rule: str, every: int, after: datetime, zone: ZoneInfo
) -> datetime | None:
    """The first moment of a series behind ``after``, at the same time of the company's day.

    The series is counted from its first moment, so that one due on the 31st comes back to the 31st
    behind a month of thirty days. None beyond what calendars hold.
    """
    local = first.astimezone(zone)
    step = 0
    if rule in _DAYS:
        days = _DAYS[rule] * every
        step = max(0, (after.astimezone(zone).date() - local.date()).days // days - 1)
    else:
        passed = after.astimezone(zone).date()
        months = (passed.year - local.year) * 12 + passed.month - local.month
        step = max(0, months // (_MONTHS[rule] * every) - 1)
    while True:
        step += 1
        day = _day(local.date(), rule, every * step)
        if day is None:
            return None
        moment = datetime.combine(day, local.time(), zone).astimezone(UTC)
        if moment > after:
            return moment


def _day(first: date, rule: str, number: int) -> date | None:
    if first.year + number // (1 if rule == "yearly" else 12) > _LAST_YEAR and rule in _MONTHS:
        return None
    if rule in _MONTHS:
        return add_months(first, _MONTHS[rule] * number)
    try:
        return first + timedelta(days=_DAYS[rule] * number)
    except OverflowError:
        return None


def recur(changes: Sequence[Change], uow: UnitOfWork) -> None:
    """Make the next task of each series whose last one was done just now, and no second one."""
    done = [
        change
        for change in changes
        if change.after["status"] == "done"
        and change.changed("status")
        and change.after["recurrence"]
        and change.after["due_at"] is not None
    ]
    if not done:
        return
    followed = _followed(uow, [change.id for change in done])
    gone = _gone(uow, done)
    rows = []
    for change in done:
        about = (change.after["related_entity"], change.after["related_id"])
        if change.id in followed or about in gone:
            continue
        if (row := _next(change, uow)) is not None:
            rows.append(row)
    if rows:
        service.create(uow, "task", rows)


def take_back(changes: Sequence[Change], uow: UnitOfWork) -> None:
    """Of tasks that are open again after all the next ones go, as long as nobody has touched them: a
    series has one that is to be done."""
    opened = [
        change.id
        for change in changes
        if change.before["status"] == "done" and change.after["status"] == "open"
    ]
    table = uow.entity("task").table
    ids: list[int] = []
    for start in range(0, len(opened), 900):
        chunk = table.c.previous_id.in_(opened[start : start + 900])
        as_made = (table.c.status == "open") & (table.c.version == 1)
        living = table.c.archived_at.is_(None)
        ids.extend(uow.execute(select(table.c.id).where(chunk, as_made, living)).scalars())
    if ids:
        service.delete(uow, "task", ids)


def _next(change: Change, uow: UnitOfWork) -> dict[str, Any] | None:
    task, zone = change.after, uow.clock.timezone
    first = task["recurs_from"] or task["due_at"]
    after = max(task["due_at"], uow.now())  # what was missed meanwhile is not asked for any more
    due = next_due(first, task["recurrence"], task["every"] or 1, after, zone)
    until = task["repeat_until"]
    if due is None or (until is not None and due.astimezone(zone).date() > until):
        return None
    kept = {name: task[name] for name in _KEPT}
    return {**kept, "due_at": due, "recurs_from": first, "previous": change.id}


def _followed(uow: UnitOfWork, ids: Iterable[int | None]) -> set[int]:
    """Those that have a next one already: they were done before, and opened again after somebody had
    touched it."""
    table = uow.entity("task").table
    found: set[int] = set()
    wanted = list(ids)
    for start in range(0, len(wanted), 900):
        chunk = table.c.previous_id.in_(wanted[start : start + 900])
        living = table.c.archived_at.is_(None)
        found.update(uow.execute(select(table.c.previous_id).where(chunk, living)).scalars())
    return found


def _gone(uow: UnitOfWork, changes: Sequence[Change]) -> set[tuple[str, int]]:
    """The records that tasks are about and that are deleted, or whose module is off."""
    wanted: dict[str, set[int]] = {}
    for change in changes:
        if change.after["related_id"] is not None:
            about = wanted.setdefault(change.after["related_entity"], set())
            about.add(change.after["related_id"])
    gone: set[tuple[str, int]] = set()
    for entity, ids in wanted.items():
        living: set[int] = set()
        if entity in uow.snapshot.entities:
            asked = ListQuery(ids=tuple(ids))
            living.update(query.select_ids(uow, entity, asked, action="read", limit=len(ids)))
        gone |= {(entity, key) for key in ids - living}
    return gone
