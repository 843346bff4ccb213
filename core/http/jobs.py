"""Jobs as pages show them: one's own, and the administrators'."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, select

from core.entities.labels import resolve_labels
from core.http.requests import runtime
from core.i18n import gettext as _
from core.work.tables import job_table
from core.work.uow import UnitOfWork

__all__ = ["DELIVERY", "OPEN", "find_jobs", "job_kinds", "shown"]

PAGE = 50
OPEN = ("queued", "running")
#: The kind of the jobs that carry events to their subscribers.
DELIVERY = "core.deliver"


def find_jobs(
    uow: UnitOfWork,
    where: Sequence[ColumnElement[bool]],
    *,
    before: int | None = None,
    limit: int = PAGE,
) -> tuple[list[Row[Any]], int | None]:
    """(jobs from the newest on, the id to continue ``before``; None at the end)."""
    statement = select(job_table).where(*where).order_by(job_table.c.id.desc()).limit(limit + 1)
    if before is not None:
        statement = statement.where(job_table.c.id < before)
    rows = list(uow.execute(statement))
    return rows[:limit], rows[limit - 1].id if len(rows) > limit else None


def job_kinds() -> dict[str, str]:
    """What the kinds of jobs are called, those of modules that are off included."""
    found = {
        c.item.name: str(c.item.title or c.item.name) for c in runtime().installed("register_jobs")
    }
    return found | {DELIVERY: _("Delivery of an event")}


def shown(uow: UnitOfWork, row: Row[Any], kinds: Mapping[str, str]) -> dict[str, Any]:
    """One job as pages show it."""
    who = {row.actor_id} if row.actor_id else set()
    names = resolve_labels(uow, {"user": who}).get("user", {})
    return {
        "id": row.id,
        "title": kinds.get(row.kind, row.kind) if row.title == row.kind else row.title,
        "kind": row.kind,
        "kind_title": kinds.get(row.kind, row.kind),
        "owner": row.owner,
        "waits_for_module": row.state == "queued"
        and row.owner != "core"
        and row.owner not in uow.snapshot.enabled,
        "state": row.state,
        "is_open": row.state in OPEN,
        "actor": row.actor_id,
        "who": names.get(row.actor_id, f"#{row.actor_id}") if row.actor_id else "",
        "done": row.done,
        "total": row.total,
        "attempts": row.attempts,
        "error": row.error or "",
        "result": row.result,
        "arguments": row.arguments,
        "created": _local(row.created_at),
        "run_at": _local(row.run_at),
        "started": _local(row.started_at),
        "finished": _local(row.finished_at),
        "took": _took(row.started_at, row.finished_at),
    }


def _local(value: datetime | None) -> str:
    return f"{value.astimezone(runtime().clock.timezone):%Y-%m-%d %H:%M:%S}" if value else ""


def _took(start: datetime | None, end: datetime | None) -> str:
    if start is None or end is None or end < start:
        return ""
    return _("%(n)s s", n=round((end - start).total_seconds(), 1))
