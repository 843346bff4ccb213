"""Undoing a plan as a whole: its imports are undone one after the other, the last one first."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import Row, select

from core.errors import NotFound, Refused
from core.exchange.history import find_import, undo_of
from core.exchange.plans.running import find_plan, steps_of
from core.exchange.undo import start_undo
from core.exchange.waiting import run_to_end
from core.i18n import gettext as _
from core.i18n import lazy_gettext as _l
from core.plugins.contributions import Job
from core.work.endings import replay_as
from core.work.tables import job_table

if TYPE_CHECKING:
    from core.work.jobs import JobContext
    from core.work.uow import UnitOfWork

__all__ = ["UNDO_PLAN", "find_plan_undo", "has_written", "start_plan_undo", "undo_of_plan"]

_OVER = ("done", "failed", "cancelled")
_COUNTS = ("removed", "restored", "kept")


def start_plan_undo(uow: UnitOfWork, job_id: int) -> int:
    """Queue the undo of a plan and return its job's id; one that failed goes on where it ended.

    Raises `NotFound` for a plan that the actor may not see, `Refused` while it runs, when it is
    undone already, and when it changed nothing.
    """
    plan = find_plan(uow, job_id)
    if plan is None:
        raise NotFound(_("There is no import with the number %(id)s.", id=job_id))
    if plan.state not in _OVER:
        raise Refused(_("This import is still running. Stop it first, then undo it."))
    imports = [job for job in steps_of(uow, job_id) if has_written(job)]
    if not imports:
        raise Refused(_("This import changed nothing; there is nothing to undo."))
    for job in imports:
        find_import(uow, job.id)  # with the right to import its entity
    earlier = undo_of_plan(uow, job_id)
    if earlier is None:
        title = _("Undo of an import plan: %(name)s", name=plan.arguments["title"])
        undo_id = uow.enqueue(UNDO_PLAN.name, {"plan_id": job_id}, title=title, key=_key(job_id))
        if undo_id is not None:
            return undo_id
        raise Refused(_("This import is being undone already."))
    if earlier.state == "done":
        raise Refused(_("This import was undone already. Its records are in the recycle bin."))
    if earlier.state not in _OVER:
        raise Refused(_("This import is being undone already."))
    replay_as(uow, earlier.id)
    return int(earlier.id)


def undo_of_plan(uow: UnitOfWork, job_id: int) -> Row[Any] | None:
    """The job that undid a plan or does so; None when nobody has asked for it."""
    found = select(job_table).where(job_table.c.key == _key(job_id))
    return uow.execute(found).one_or_none()


def find_plan_undo(uow: UnitOfWork, job_id: int) -> Row[Any] | None:
    """The job of an undo of a plan that the actor may see; None without one."""
    undo = (job_table.c.id == job_id) & (job_table.c.kind == UNDO_PLAN.name)
    row = uow.execute(select(job_table).where(undo)).one_or_none()
    return row if row is not None and find_plan(uow, row.arguments["plan_id"]) else None


def _key(job_id: int) -> str:
    return f"core.undo_import_plan:{job_id}"


def has_written(job: Row[Any]) -> bool:
    """True for an import that made or changed records."""
    result = job.result or {}
    return bool(result.get("created") or result.get("updated"))


def _undo(context: JobContext, *, plan_id: int) -> None:
    """The handler of ``core.undo_import_plan``."""
    with context.unit_of_work(write=False) as uow:
        if find_plan(uow, plan_id) is None:
            raise NotFound(_("There is no import with the number %(id)s.", id=plan_id))
        imports = [job for job in steps_of(uow, plan_id) if has_written(job)]
    counts, steps = dict.fromkeys(_COUNTS, 0), []
    for number, job in enumerate(reversed(imports)):
        context.progress(number, len(imports))
        undone = _undo_one(context, job.id)
        for name in _COUNTS:
            counts[name] += undone.result[name]
        told = {name: undone.result[name] for name in (*_COUNTS, "report")}
        file, entity = job.arguments["filename"], job.arguments["entity"]
        steps.append({"step": job.key.rpartition(":")[2], "file": file, "entity": entity, **told})
    with context.unit_of_work() as uow:
        context.advance(uow, len(imports), len(imports))
        context.finish(uow, {**counts, "steps": steps})


def _undo_one(context: JobContext, import_id: int) -> Row[Any]:
    """Undo one import; one that somebody has undone by itself, or begins to, stays so."""
    with context.unit_of_work() as uow:
        earlier = undo_of(uow, import_id)
        is_under_way = earlier is not None and earlier.state not in ("failed", "cancelled")
        undo_id = earlier.id if earlier and is_under_way else start_undo(uow, import_id)
    undone = run_to_end(context.runtime, undo_id)
    if undone.state != "done":
        raise Refused(undone.error or _("The undo was stopped."))
    return undone


UNDO_PLAN = Job(
    "core.undo_import_plan",
    _undo,
    _l("Undo of an import plan"),
    time_limit=timedelta(days=1),
    is_history=True,
)
