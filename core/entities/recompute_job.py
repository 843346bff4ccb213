"""The job that computes again what a change left to it: too many records, or held by others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Select, func, select

from core.entities.dependants import KIND, holders
from core.entities.dependencies import Step
from core.entities.recompute import compute
from core.i18n import lazy_gettext as _l
from core.plugins.contributions import Job
from core.security.actor import SYSTEM
from core.work.claims import JOB
from core.work.jobs import JobContext
from core.work.tables import job_table
from core.work.uow import UnitOfWork

__all__ = ["RECOMPUTE"]

#: What is computed in one transaction.
CHUNK = 500


def _run(
    context: JobContext,
    *,
    entity: str,
    fields: list[str],
    steps: list[list[Any]],
    keys: list[int] | None,
) -> None:
    """The handler of ``core.recompute``: a chunk a transaction, each with its progress.

    It computes from what is stored when it runs, so of several changes the last one counts.
    """
    path = [Step(*step) for step in steps]
    with context.unit_of_work(write=False) as uow:
        job = uow.execute(select(job_table).where(job_table.c.id == context.job_id)).one()
        wanted = _wanted(uow, entity, path, keys)
        total = None
        if wanted is not None:
            total = uow.execute(select(func.count()).select_from(wanted.subquery())).scalar_one()
    progress = {"last": 0, "changed": 0, **(job.result or {})}
    done = job.done
    while True:
        with UnitOfWork(context.runtime, SYSTEM, origin=JOB) as uow:
            ids = _chunk(uow, entity, path, keys, progress["last"])
            if not ids:
                context.finish(uow, {"rows": done, "changed": progress["changed"]})
                return
            progress["changed"] += compute(uow, entity, fields, ids)
            progress["last"] = ids[-1]
            done += len(ids)
            context.advance(uow, done, total, partial=progress)


def _wanted(
    uow: UnitOfWork, entity: str, steps: Sequence[Step], keys: list[int] | None
) -> Select[Any] | None:
    spec = uow.snapshot.entities.get(entity)
    if spec is None:
        return None  # the module was switched off; when it is on again all is computed
    statement = select(spec.table.c.id)
    if keys is not None:
        statement = statement.where(
            spec.table.c.id.in_(holders(uow, steps, keys) if steps else keys)
        )
    return statement


def _chunk(
    uow: UnitOfWork, entity: str, steps: Sequence[Step], keys: list[int] | None, last: int
) -> list[int]:
    statement = _wanted(uow, entity, steps, keys)
    if statement is None:
        return []
    key = statement.selected_columns.id
    chunk = statement.where(key > last).order_by(key).limit(CHUNK)
    return list(uow.execute(chunk).scalars())


RECOMPUTE = Job(KIND, _run, _l("Compute again"), max_attempts=20)
