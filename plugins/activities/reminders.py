"""Reminders: one row a task while one is to come; a job of the clock gives it and takes it away."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, insert, select

from core.entities import query
from core.entities.changes import Change
from core.entities.query import ListQuery
from core.i18n import lazy_gettext as _l
from core.notifications import notify
from core.plugins.contributions import Job, NotificationKind, Schedule
from core.security.directory import load_actor
from plugins.activities.models import reminder_table

if TYPE_CHECKING:
    from core.work.jobs import JobContext
    from core.work.uow import UnitOfWork

__all__ = ["DUE", "REMIND", "REMINDED", "keep_reminders"]

_BEFORE = {
    "on_time": timedelta(),
    "10_minutes": timedelta(minutes=10),
    "30_minutes": timedelta(minutes=30),
    "1_hour": timedelta(hours=1),
    "1_day": timedelta(days=1),
}
_TOUCHING = ("due_at", "reminder", "status", "assignee", "archived_at")
_AT_ONCE = 200

DUE = NotificationKind(
    "activities.due", _l("A task is due"), _l("%(record)s is due."), icon="clock"
)


def keep_reminders(changes: Sequence[Change], uow: UnitOfWork) -> None:
    """Write down when people are to be reminded of tasks that were made or changed just now."""
    touched = [
        change
        for change in changes
        if change.kind != "update" or any(change.changed(name) for name in _TOUCHING)
    ]
    ids = [change.id for change in touched]
    if touched and touched[0].kind != "create":
        for start in range(0, len(ids), 900):
            gone = reminder_table.c.task_id.in_(ids[start : start + 900])
            uow.execute(delete(reminder_table).where(gone))
    rows = [
        {"task_id": change.id, "at": at}
        for change in touched
        if (at := _moment(change.after, uow.now())) is not None
    ]
    if rows:
        uow.execute(insert(reminder_table), rows)


def _moment(task: dict[str, Any], now: datetime) -> datetime | None:
    """When the assignee is to be reminded; None for who is not, or no longer."""
    before, due = _BEFORE.get(task["reminder"] or ""), task["due_at"]
    if before is None or due is None or due < now or task["assignee"] is None:
        return None
    if task["status"] != "open" or task["archived_at"] is not None:
        return None
    moment: datetime = due - before
    return moment


def _remind(context: JobContext) -> dict[str, int]:
    """Tell the assignees of what is due; each once, whatever ends this process meanwhile."""
    told = 0
    while True:
        with context.unit_of_work() as uow:
            ids = _take(uow)
            told += _tell(uow, ids)
        if len(ids) < _AT_ONCE:
            return {"told": told}
        context.progress(told)


def _take(uow: UnitOfWork) -> list[int]:
    """Tasks to be reminded of now; their rows are locked, so that no other process takes them."""
    c = reminder_table.c
    due = select(c.task_id).where(c.at <= uow.now()).order_by(c.at, c.task_id).limit(_AT_ONCE)
    ids = list(uow.execute(due.with_for_update(skip_locked=True)).scalars())
    if ids:
        uow.execute(delete(reminder_table).where(c.task_id.in_(ids)))
    return ids


def _tell(uow: UnitOfWork, ids: Sequence[int]) -> int:
    if not ids:
        return 0
    still = {"field": "status", "op": "eq", "value": "open"}
    wanted = ListQuery(fields=("assignee",), ids=tuple(ids), filter=still, limit=_AT_ONCE)
    by_person: dict[int, list[int]] = {}
    for row in query.page(uow, "task", wanted).items:
        by_person.setdefault(row["assignee"], []).append(row["id"])
    for person, keys in by_person.items():
        reader = load_actor(uow, person)
        if reader is None:
            continue  # who has left is not told
        with uow.seen_by(reader):
            asked = ListQuery(ids=tuple(keys))
            seen = query.select_ids(uow, "task", asked, action="read", limit=len(keys))
        if seen:
            notify(uow, DUE.name, [person], entity="task", record_ids=sorted(seen))
    return len(ids)


REMIND = Job("activities.remind", _remind, title=_l("Remind people of tasks"))
REMINDED = Schedule("remind", REMIND.name, every=timedelta(minutes=1))
