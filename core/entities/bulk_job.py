"""Acts on more records than one transaction should hold: the work of a job, which can be taken over."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, select

from core.entities import query
from core.entities.bulk import (
    AT_ONCE,
    MOST_REASONS,
    Outcome,
    begin_bulk,
    bulk_change_table,
    bulk_table,
    do_bulk,
    find_bulk,
)
from core.entities.bulk_undo import note_undone, undo_bulk
from core.entities.query import ListQuery
from core.fields import EntitySpec
from core.i18n import gettext as _
from core.i18n import lazy_gettext as _l
from core.plugins.contributions import Job, Schedule
from core.settings.gone import forget_gone
from core.work.tables import job_table

if TYPE_CHECKING:
    from core.work.jobs import JobContext
    from core.work.uow import UnitOfWork

__all__ = ["BULK", "BULK_CLEANED", "CLEAN_BULK", "start_bulk", "start_undo"]

#: For how long what records were before is kept.
KEPT = timedelta(days=7)


def start_bulk(uow: UnitOfWork, spec: EntitySpec, act: Mapping[str, Any], wanted: ListQuery) -> int:
    """Queue the act on all records that the query finds; the number of its job."""
    key = begin_bulk(uow, spec, act)
    asked = {"filter": wanted.filter, "search": wanted.search, "ids": wanted.ids}
    arguments = {"bulk_id": key, "entity": spec.name, "asked": asked}
    title = _("%(entity)s: several at once", entity=str(spec.label_plural))
    job = uow.enqueue(BULK.name, arguments, title=title)
    assert job is not None
    return job


def start_undo(uow: UnitOfWork, bulk_id: int) -> int | None:
    """Note that the act is taken back: the number of the job that does so, or None when there are so
    few records that `undo_bulk` may do it at once. `Refused` when it was done before."""
    note_undone(uow, bulk_id)
    c = bulk_change_table.c
    some = select(c.record_id).where(c.bulk_id == bulk_id).limit(AT_ONCE + 1)
    if len(uow.execute(some).all()) <= AT_ONCE:
        return None
    arguments = {"bulk_id": bulk_id, "entity": find_bulk(uow, bulk_id).entity, "asked": None}
    return uow.enqueue(BULK.name, arguments, title=_("Taking back what was done to several"))


def _run(
    context: JobContext, *, bulk_id: int, entity: str, asked: Mapping[str, Any] | None
) -> None:
    """The handler of ``core.bulk``: a handful a transaction, each with the place it ended at, so that
    nothing is done twice by whoever takes the job over. Without ``asked`` the act is taken back."""
    with context.unit_of_work(write=False) as uow:
        job = uow.execute(select(job_table).where(job_table.c.id == context.job_id)).one()
        total = job.total
        if total is None and asked is not None:
            total = query.count(uow, entity, _query(asked))
        if total is None:
            c = bulk_change_table.c
            total = len(uow.execute(select(c.record_id).where(c.bulk_id == bulk_id)).all())
    partial = {"done": 0, "kept": 0, "reasons": [], "beside": [], "last": 0, **(job.result or {})}
    passed = job.done
    while True:
        with context.unit_of_work() as uow:
            if asked is None:
                outcome, last = undo_bulk(uow, bulk_id, partial["last"])
                ids = [] if last is None else [last]
            else:
                is_undone = find_bulk(uow, bulk_id, lock=True).undone_at is not None
                ids = [] if is_undone else _next_ids(uow, entity, asked, partial["last"])
                outcome = do_bulk(uow, bulk_id, ids) if ids else Outcome()
            if not ids:
                result = {name: partial[name] for name in ("done", "kept", "reasons", "beside")}
                context.finish(uow, {**result, "bulk": bulk_id, "undo": asked is None})
                return
            partial["done"] += outcome.done
            partial["kept"] += outcome.kept
            partial["reasons"] = [*partial["reasons"], *outcome.reasons][:MOST_REASONS]
            partial["beside"] = list(dict.fromkeys([*partial["beside"], *outcome.beside]))
            partial["last"] = ids[-1]
            passed += outcome.done + outcome.kept
            context.advance(uow, passed, max(total, passed), partial=dict(partial))


def _query(asked: Mapping[str, Any]) -> ListQuery:
    ids = asked.get("ids")
    return ListQuery(
        filter=asked.get("filter"),
        search=asked.get("search") or "",
        ids=None if ids is None else tuple(ids),
    )


def _next_ids(uow: UnitOfWork, entity: str, asked: Mapping[str, Any], last: int) -> list[int]:
    """The next records by number, those included that may be seen but not changed: they are told
    of."""
    wanted = _query(asked)
    further = {"field": "id", "op": "gt", "value": last}
    both = {"all": [wanted.filter, further]} if wanted.filter else further
    query_ = ListQuery(filter=both, search=wanted.search, ids=wanted.ids, sort="id")
    return query.select_ids(uow, entity, query_, action="read", limit=AT_ONCE)


def _clean(context: JobContext) -> dict[str, int]:
    with context.unit_of_work() as uow:
        forget_gone(uow)
        old = delete(bulk_table).where(bulk_table.c.at < uow.now() - KEPT)
        return {"dropped": uow.execute(old).rowcount}


BULK = Job("core.bulk", _run, title=_l("Several records at once"))
CLEAN_BULK = Job("core.clean_bulk", _clean, title=_l("Forget what can no longer be taken back"))
BULK_CLEANED = Schedule("bulk_cleaned", CLEAN_BULK.name, daily_at="03:40")
