"""A dry run: all steps are really taken, in one transaction that is rolled back at its end."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import asdict
from datetime import timedelta
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from sqlalchemy import Row, select

from core.errors import NotFound
from core.exchange.duplicates import ensure_keys
from core.exchange.importing import Batch
from core.exchange.jobs import BATCH
from core.exchange.plans.model import Plan, Step
from core.exchange.plans.preparing import Work, creations, prepare, write_rows
from core.exchange.plans.reading import parse_plan
from core.exchange.plans.running import check_with, fetched
from core.exchange.plans.suggesting import suggestions
from core.i18n import gettext as _
from core.i18n import lazy_gettext as _l
from core.plugins.contributions import Job
from core.tabular.ahead import read_table
from core.work.tables import job_table
from core.work.uow import Origin, UnitOfWork

if TYPE_CHECKING:
    from core.runtime import Runtime
    from core.security.actor import Actor
    from core.work.jobs import JobContext

__all__ = ["REHEARSED", "REHEARSE_PLAN", "find_rehearsal", "rehearse_plan", "start_rehearsal"]

#: Rows of each file that a rehearsal for a page takes, and refused rows of each that it tells: on
#: SQLite nobody else writes meanwhile.
REHEARSED = 20_000
MOST_REFUSALS = 1_000


class _Rehearsed(Exception):
    """Ends the transaction, or the part of it, without a trace."""


def rehearse_plan(
    runtime: Runtime, plan: Plan, paths: Mapping[str, Path], *, actor: Actor
) -> dict[str, Any]:
    """What `core.exchange.plans.running` would answer, and the refused rows; nothing is written.

    The rows of a file pass hooks, rules and constraints as in earnest. On SQLite nobody else
    writes meanwhile.
    """
    told: dict[str, Any] = {}
    with suppress(_Rehearsed), UnitOfWork(runtime, actor, origin=Origin("import")) as uow:
        told = _take_all(uow, plan, paths)
        raise _Rehearsed
    return told


def start_rehearsal(
    uow: UnitOfWork, plan: Plan, files: Mapping[str, int], *, saved_id: int | None = None
) -> int:
    """Queue the rehearsal of a plan with uploads of the actor's and return its job's id.

    Raises as `core.exchange.plans.running.queue_plan`.
    """
    with fetched(uow, plan, files) as paths:
        check_with(uow, plan, paths)
    arguments = {"title": plan.title, "plan": dict(plan.content), "files": dict(files)}
    title = _("Rehearsal of an import plan: %(name)s", name=plan.title)
    job_id = uow.enqueue(REHEARSE_PLAN.name, {**arguments, "saved_id": saved_id}, title=title)
    assert job_id is not None
    return job_id


def find_rehearsal(uow: UnitOfWork, job_id: int) -> Row[Any]:
    """The job of a rehearsal of the actor's. Raises `NotFound`."""
    mine = (job_table.c.kind == REHEARSE_PLAN.name) & (job_table.c.actor_id == uow.actor.user_id)
    row = uow.execute(select(job_table).where(job_table.c.id == job_id, mine)).one_or_none()
    if row is None:
        raise NotFound(_("There is no job with the number %(id)s.", id=job_id))
    return row


def _run(
    context: JobContext,
    *,
    title: str,
    plan: Mapping[str, Any],
    files: Mapping[str, int],
    saved_id: int | None = None,
) -> None:
    """The handler of ``core.rehearse_import_plan``.

    What was tried goes back in the same transaction in which the job is done: on SQLite no sign of
    life can be given before, and nobody can take the job over either.
    """
    parsed, told = parse_plan(plan, title), dict[str, Any]()
    with ExitStack() as stack:
        with context.unit_of_work(write=False) as reading:
            paths = stack.enter_context(fetched(reading, parsed, files))
            check_with(reading, parsed, paths)
        with UnitOfWork(context.runtime, context.actor, origin=Origin("import")) as uow:
            with suppress(_Rehearsed), uow.savepoint():
                told = _take_all(uow, parsed, paths, REHEARSED)
                raise _Rehearsed
            for step in told["steps"]:
                step["refusals"] = step["refusals"][:MOST_REFUSALS]
            context.finish(uow, told)


def _take_all(
    uow: UnitOfWork, plan: Plan, paths: Mapping[str, Path], most: int | None = None
) -> dict[str, Any]:
    steps: list[dict[str, Any]] = []
    likely: list[dict[str, Any]] = []
    with TemporaryDirectory(prefix="dougong-") as name:
        folder = Path(name)
        for step in plan.steps:
            work = prepare(step, _path(step, paths, folder), most)
            for making in creations(uow, work, folder):
                steps.append(_take(uow, making))
            steps.append(_take(uow, work))
            likely += [each.as_json() for each in suggestions(uow, work)]
    return {"steps": steps, "suggestions": likely}


def _path(step: Step, paths: Mapping[str, Path], folder: Path) -> Path:
    return paths[step.file] if step.file else write_rows(step, folder)


def _take(uow: UnitOfWork, work: Work) -> dict[str, Any]:
    importer, whole, read = work.importer(uow), Batch(), 0
    ensure_keys(uow, uow.entity(work.entity))
    batches = None if work.most is None else -(-work.most // BATCH)
    with read_table(work.path, work.filename, work.table.layout) as reading:
        for rows in islice(reading.batches(importer.recipe(uow), 0, BATCH), batches):
            batch = importer.batch(uow, rows)
            read += len(rows.lines)
            whole.created += batch.created
            whole.updated += batch.updated
            whole.duplicates += batch.duplicates
            whole.refused += batch.refused
    return {**_told(work, whole), "rows": read, "partly": read == work.most}


def _told(work: Work, batch: Batch) -> dict[str, Any]:
    return {
        "step": work.label,
        "file": work.filename,
        "entity": work.entity,
        "created": batch.created,
        "updated": batch.updated,
        "duplicates": batch.duplicates,
        "refused": len(batch.refused),
        "refusals": [asdict(each) for each in batch.refused],
    }


REHEARSE_PLAN = Job(
    "core.rehearse_import_plan",
    _run,
    _l("Rehearsal of an import plan"),
    max_attempts=2,
    time_limit=timedelta(hours=1),
)
