"""Jobs as pages show them: one's own, and the administrators'; and stopping them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, select

from core.audit.recorder import record_act
from core.entities.labels import resolve_labels
from core.http.rendering import render
from core.http.requests import runtime
from core.i18n import gettext as _
from core.i18n.formats import format_datetime
from core.work.jobs import cancel_job
from core.work.tables import job_table
from core.work.uow import UnitOfWork

__all__ = [
    "DELIVERY",
    "OPEN",
    "ask_to_stop",
    "find_jobs",
    "job_kinds",
    "local",
    "shown",
    "stop_job",
]

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


def stop_job(uow: UnitOfWork, key: int) -> bool:
    """Stop a job that the caller may stop, and record who did; False when it is over already."""
    done = cancel_job(uow, key)
    if done:
        record_act(uow, "cancel_job", details={"job": key})
    return done


def ask_to_stop(title: str, action: str, back: str) -> str:
    """The page that asks before a job is stopped."""
    return render(
        "core/admin/confirm.html",
        title=_("Stop the job %(title)s?", title=title),
        text=_("What it has already done stays. A running job stops at its next step."),
        items=[],
        action=action,
        label=_("Stop the job"),
        kind="danger",
        back=back,
        crumb=title,
    )


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
        "worker": row.worker or "",
        "done": row.done,
        "total": row.total,
        "attempts": row.attempts,
        "error": row.error or "",
        "result": row.result,
        "arguments": row.arguments,
        "created": local(row.created_at),
        "run_at": local(row.run_at),
        "started": local(row.started_at),
        "finished": local(row.finished_at),
        "took": _took(row.started_at, row.finished_at),
    }


def local(value: datetime | None) -> str:
    """A moment in the company's zone, to the second; nothing for None."""
    return format_datetime(value, runtime().clock.timezone, seconds=True) if value else ""


def _took(start: datetime | None, end: datetime | None) -> str:
    if start is None or end is None or end < start:
        return ""
    return _("%(n)s s", n=round((end - start).total_seconds(), 1))
