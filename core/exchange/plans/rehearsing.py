"""A dry run: all steps are really taken, in one transaction that is rolled back at its end."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from core.exchange.duplicates import ensure_keys
from core.exchange.importing import Batch
from core.exchange.jobs import BATCH
from core.exchange.plans.model import Plan, Step
from core.exchange.plans.preparing import Work, creations, prepare, write_rows
from core.exchange.plans.suggesting import suggestions
from core.tabular.ahead import read_table
from core.work.uow import Origin, UnitOfWork

if TYPE_CHECKING:
    from core.runtime import Runtime
    from core.security.actor import Actor

__all__ = ["rehearse_plan"]


class _Rehearsed(Exception):
    """Ends the transaction without a trace."""


def rehearse_plan(
    runtime: Runtime, plan: Plan, paths: Mapping[str, Path], *, actor: Actor
) -> dict[str, Any]:
    """What `core.exchange.plans.running` would answer, and the refused rows; nothing is written.

    The rows of a file pass hooks, rules and constraints as in earnest. On SQLite nobody else
    writes meanwhile.
    """
    steps: list[dict[str, Any]] = []
    likely: list[dict[str, Any]] = []
    with suppress(_Rehearsed), TemporaryDirectory(prefix="dougong-") as name:
        folder = Path(name)
        with UnitOfWork(runtime, actor, origin=Origin("import")) as uow:
            for step in plan.steps:
                work = prepare(step, _path(step, paths, folder))
                for making in creations(uow, work, folder):
                    steps.append(_told(making, _take(uow, making)))
                steps.append(_told(work, _take(uow, work)))
                likely += [each.as_json() for each in suggestions(uow, work)]
            raise _Rehearsed
    return {"steps": steps, "suggestions": likely}


def _path(step: Step, paths: Mapping[str, Path], folder: Path) -> Path:
    return paths[step.file] if step.file else write_rows(step, folder)


def _take(uow: UnitOfWork, work: Work) -> Batch:
    importer, whole = work.importer(uow), Batch()
    ensure_keys(uow, uow.entity(work.entity))
    with read_table(work.path, work.filename, work.table.layout) as reading:
        for rows in reading.batches(importer.recipe(uow), 0, BATCH):
            batch = importer.batch(uow, rows)
            whole.created += batch.created
            whole.updated += batch.updated
            whole.duplicates += batch.duplicates
            whole.refused += batch.refused
    return whole


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
