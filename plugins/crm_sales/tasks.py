"""The key tasks of a stage, ticked off on the opportunity that stands in it (S-062)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from core.entities import query, service
from core.entities.query import ListQuery, Record
from core.http.rendering import macros
from plugins.crm_sales.stages import stages_of

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["over_opportunity", "tick"]


def tick(uow: UnitOfWork, key: int, *, shown: Sequence[str], done: Sequence[str]) -> None:
    """Of the tasks that were shown these are done; what was ticked off elsewhere stays.

    A task is known by its words: two stages that ask for the same share the tick.
    """
    before = query.get(uow, "opportunity", key).values.get("done_tasks") or ()
    kept = [task for task in before if task not in shown]
    ticked = [*kept, *(task for task in shown if task in done)]
    service.update(uow, "opportunity", {key: {"done_tasks": ticked or None}})


def over_opportunity(uow: UnitOfWork, record: Record) -> str:
    """What is to be done before an open opportunity leaves its stage; to be ticked by who may change it."""
    values = record.values
    if values.get("status") != "open" or values.get("stage") is None:
        return ""
    step = stages_of(uow, stages=[values["stage"]]).by_id.get(values["stage"])
    if step is None or not step.tasks:
        return ""
    spec = uow.entity("opportunity")
    access = uow.actor.access(spec)
    if not access.can_see(spec["done_tasks"]):
        return ""
    done = set(values.get("done_tasks") or ())
    asked = ListQuery(ids=(values["id"],))
    may_tick = (
        access.may("update")
        and access.can_use(spec["done_tasks"])
        and bool(query.select_ids(uow, "opportunity", asked, action="update", limit=1))
    )
    rows = [(task, task in done) for task in step.tasks]
    html: str = macros("crm_sales/parts.html").tasks(values["id"], step.name, rows, may_tick)
    return html
