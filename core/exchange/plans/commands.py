"""Plans for the command line: checked, rehearsed, run and undone here, to their end."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import Invalid, Problem, Refused
from core.exchange.commands import save_report
from core.exchange.plans.model import Plan, PlanFault
from core.exchange.plans.reading import as_invalid, read_plan
from core.exchange.plans.rehearsing import rehearse_plan
from core.exchange.plans.running import check_with, find_plan, start_plan
from core.exchange.plans.undoing import start_plan_undo
from core.exchange.waiting import run_to_end
from core.i18n import gettext as _
from core.tabular.errors import TableError
from core.tabular.reader import FORMATS
from core.tabular.writer import write_csv
from core.work.jobs import cancel_job
from core.work.uow import Origin, UnitOfWork

if TYPE_CHECKING:
    from sqlalchemy import Row

    from core.runtime import Runtime
    from core.security.actor import Actor

__all__ = ["is_plan", "run_plan", "undo_plan"]

CLI = Origin("cli")


def run_plan(
    runtime: Runtime,
    path: Path,
    folder: Path,
    *,
    actor: Actor,
    dry_run: bool = False,
    reports: Path | None = None,
) -> dict[str, Any]:
    """Follow the plan in ``path`` with the files of ``folder``.

    The answer is ``{"job", "created", "updated", "duplicates", "refused", "steps": [the same for
    each file], "suggestions"}``; a dry run has no job, and lists the refused rows of each step. The
    refused rows of each file are written into the folder ``reports``. Raises `Invalid` with all
    that is wrong with the plan before anything is written.
    """
    plan = read_plan(path)
    paths = _paths(plan, folder)
    try:
        with UnitOfWork(runtime, actor, origin=CLI, write=not dry_run) as uow:
            if dry_run:
                check_with(uow, plan, paths)
            else:
                job_id = start_plan(uow, plan, paths)
        if dry_run:
            result = rehearse_plan(runtime, plan, paths, actor=actor)
            _write_refusals(result["steps"], reports)
            return result
    except TableError as error:
        raise Invalid(error.message, [Problem("file", error.code, error.message)]) from error
    job = _ended(runtime, actor, job_id)
    if job.state != "done":
        why = job.error or _("The import was stopped.")
        message = _("%(why)s What was imported before can be undone: --undo %(id)s",
                    why=why, id=job_id)  # fmt: skip
        raise Refused(message)
    _save_reports(runtime, actor, job.result["steps"], reports)
    return {"job": job_id, **job.result}


def _ended(runtime: Runtime, actor: Actor, job_id: int) -> Row[Any]:
    """The job at its end. What failed here waits for its operator, not for a worker to try again."""
    job = run_to_end(runtime, job_id)
    if job.state == "queued":
        with UnitOfWork(runtime, actor, origin=CLI) as uow:
            cancel_job(uow, job_id)
    return job


def _paths(plan: Plan, folder: Path) -> dict[str, Path]:
    missing = [
        PlanFault(step.place, _("there is no such file in %(folder)s", folder=folder))
        for step in plan.steps
        if step.file and not (folder / step.file).is_file()
    ]
    if missing:
        raise as_invalid(missing)
    return {name: folder / name for name in plan.files}


def is_plan(runtime: Runtime, job_id: int, *, actor: Actor) -> bool:
    """True for the number of a plan that the actor may see."""
    with UnitOfWork(runtime, actor, origin=CLI, write=False) as uow:
        return find_plan(uow, job_id) is not None


def undo_plan(
    runtime: Runtime, job_id: int, *, actor: Actor, reports: Path | None = None
) -> dict[str, Any]:
    """Undo a plan to its end: ``{"removed", "restored", "kept", "steps"}``.

    What stays as it is, with why, is written into the folder ``reports``.
    """
    with UnitOfWork(runtime, actor, origin=CLI) as uow:
        undo_id = start_plan_undo(uow, job_id)
    job = _ended(runtime, actor, undo_id)
    if job.state != "done":
        raise Refused(job.error or _("The undo was stopped."))
    _save_reports(runtime, actor, job.result["steps"], reports, is_undo=True)
    result: dict[str, Any] = job.result
    return result


def _save_reports(
    runtime: Runtime,
    actor: Actor,
    steps: list[Mapping[str, Any]],
    folder: Path | None,
    *,
    is_undo: bool = False,
) -> None:
    for step in steps:
        if folder is None or step["report"] is None:
            continue
        folder.mkdir(parents=True, exist_ok=True)
        file = Path(step["file"])
        # A report of refused rows is written like its file.
        is_text = not is_undo and FORMATS.get(file.suffix.lower()) == "csv"
        name = f"{step['step']}-{file.stem}{'.csv' if is_text else '.xlsx'}"
        save_report(runtime, actor, step["report"], folder / name)


def _write_refusals(steps: list[Mapping[str, Any]], folder: Path | None) -> None:
    for step in steps:
        if folder is None or not step["refusals"]:
            continue
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / f"{step['step']}-{Path(step['file']).stem}.csv").open("wb") as target:
            rows = ([each["line"], each["field"], each["reason"]] for each in step["refusals"])
            write_csv(target, ["line", "field", "reason"], rows)
