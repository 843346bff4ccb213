"""Undoing an import as a whole (S-258): rehearsed, then done by a job, chunk by chunk.

Created records go to the recycle bin, from where they can be restored; changed ones get their old
values back. What was changed since, or is referred to, stays as it is and is listed with why.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any

from sqlalchemy import Row, delete, func, insert, select

from core.audit.recorder import record_act
from core.entities.labels import resolve_labels
from core.errors import Refused
from core.exchange.history import find_import, undo_key, undo_of
from core.exchange.judging import Kept, judge
from core.exchange.mapping import RECORD_ID
from core.exchange.reverting import revert
from core.exchange.tables import import_kept_table
from core.exchange.trail import count_entries, deeds_before, undo_origin
from core.files.service import store_result
from core.i18n import gettext as _
from core.i18n import lazy_gettext as _l
from core.plugins.contributions import Job
from core.tabular.writer import write_xlsx
from core.work.endings import replay_as
from core.work.tables import job_table
from core.work.uow import UnitOfWork

if TYPE_CHECKING:
    from core.work.jobs import JobContext

__all__ = ["REASONS", "UNDO", "Rehearsal", "rehearse", "start_undo"]

#: Entries of the trail that one transaction undoes.
CHUNK = 500
#: Entries that a rehearsal looks at; a larger import is rehearsed in part.
REHEARSED = 20_000
EXAMPLES = 20
_READ = 5_000
_OVER = ("done", "failed", "cancelled")

#: Why records stay, for counts.
REASONS = {
    "changed": _l("changed since"),
    "referenced": _l("other records refer to them"),
    "gone": _l("deleted already"),
    "rights": _l("not yours to change back"),
    "off": _l("their module is switched off"),
    "refused": _l("refused by a rule"),
}


@dataclass
class Rehearsal:
    """What an undo would do. What rules of the business refuse is not known before it is tried."""

    removed: int = 0
    restored: int = 0
    #: How many stay, by code (see `REASONS`).
    kept: Counter[str] = field(default_factory=Counter)
    examples: list[Kept] = field(default_factory=list)
    #: True when only the newest `REHEARSED` changes were looked at.
    partly: bool = False


def rehearse(uow: UnitOfWork, job_id: int) -> Rehearsal:
    """What `start_undo` would do; writes nothing. Raises as it does."""
    job = _undoable(uow, job_id)
    found, gone = Rehearsal(), set[tuple[str, int]]()
    begun = undo_of(uow, job_id)
    before: int | None = ((begun.result if begun is not None else None) or {}).get("before")
    seen = 0
    while True:
        deeds, entries, last = deeds_before(uow, job_id, before, CHUNK)
        if not entries:
            return found
        going, kept = judge(uow, job_id, job.arguments["entity"], deeds, gone)
        found.removed += sum(deed.kind == "create" for deed in going)
        found.restored += sum(deed.kind != "create" for deed in going)
        found.kept.update(each.code for each in kept)
        found.examples += kept[: EXAMPLES - len(found.examples)]
        before, seen = last, seen + entries
        if seen >= REHEARSED:
            found.partly = seen < count_entries(uow, job_id)
            return found


def start_undo(uow: UnitOfWork, job_id: int) -> int:
    """Queue the undo of an import and return its job's id.

    An undo that failed or was stopped goes on where it ended, with the rights of whoever asks
    now. Raises `NotFound` for an import that the actor may not see, `Forbidden` without the right
    to import, `Refused` while it runs and when it is undone already.
    """
    job = _undoable(uow, job_id, lock=True)
    entity = uow.entity(job.arguments["entity"])
    earlier = undo_of(uow, job_id)
    if earlier is not None:
        replay_as(uow, earlier.id)
        return int(earlier.id)
    arguments = {"import_id": job_id, "entity": entity.name}
    title = _("Undo of an import: %(entity)s", entity=str(entity.label_plural))
    undo_id = uow.enqueue(UNDO.name, arguments, title=title, key=undo_key(job_id))
    if undo_id is None:
        raise Refused(_("This import is being undone already."))
    record_act(uow, "undo_import", entity=entity.name, details={"import": job_id})
    return undo_id


def _undoable(uow: UnitOfWork, job_id: int, *, lock: bool = False) -> Row[Any]:
    job = find_import(uow, job_id, lock=lock)
    if job.state not in _OVER:
        raise Refused(_("This import is still running. Stop it first, then undo it."))
    earlier = undo_of(uow, job_id)
    if earlier is not None and earlier.state == "done":
        raise Refused(_("This import was undone already. Its records are in the recycle bin."))
    if earlier is not None and earlier.state not in _OVER:
        raise Refused(_("This import is being undone already."))
    if not count_entries(uow, job_id):
        written = (job.result or {}).get("created") or (job.result or {}).get("updated")
        if written:
            raise Refused(_("It was not recorded which records this import wrote."))
        raise Refused(_("This import changed nothing; there is nothing to undo."))
    return job


# The job


def _undo(context: JobContext, *, import_id: int, entity: str) -> None:
    """The handler of ``core.undo_import``. Each chunk is committed with the place it ended at:
    nothing is done twice by whoever takes the job over."""
    with context.unit_of_work(write=False) as uow:
        find_import(uow, import_id)
        job = uow.execute(select(job_table).where(job_table.c.id == context.job_id)).one()
        total = job.total or count_entries(uow, import_id)
    counts: dict[str, Any] = {"removed": 0, "restored": 0, "kept": 0, **(job.result or {})}
    done, before = job.done, counts.get("before")
    while True:
        with UnitOfWork(context.runtime, context.actor, origin=undo_origin(import_id)) as uow:
            deeds, entries, last = deeds_before(uow, import_id, before, CHUNK, lock=True)
            if not entries:
                break
            going, kept = judge(uow, import_id, entity, deeds, set())
            reverted = revert(uow, entity, going)
            kept = [*kept, *reverted.kept]
            _keep(uow, context.job_id, kept)
            counts["removed"] += reverted.removed
            counts["restored"] += reverted.restored
            counts["kept"] += len(kept)
            counts["before"] = before = last
            done += entries
            context.advance(uow, done, total, partial=dict(counts))
    _finish(context, entity, counts)


def _keep(uow: UnitOfWork, job_id: int, kept: Sequence[Kept]) -> None:
    if kept:
        rows = [
            {"job_id": job_id, "entity": k.entity, "record_id": k.record_id, "reason": k.reason}
            for k in kept
        ]
        uow.execute(insert(import_kept_table), rows)


def _finish(context: JobContext, entity: str, counts: dict[str, Any]) -> None:
    mine = import_kept_table.c.job_id == context.job_id
    with context.unit_of_work() as uow:
        report = None
        if uow.execute(select(func.count()).where(mine)).scalar_one():
            report = _report(uow, context.job_id, entity)
            uow.execute(delete(import_kept_table).where(mine))
        result = {name: counts[name] for name in ("removed", "restored", "kept")}
        context.finish(uow, {**result, "report": report})


def _report(uow: UnitOfWork, job_id: int, entity: str) -> int:
    """The records that stay, each with its number, its name and why."""
    header = [str(RECORD_ID), _("Record"), _("Kind"), _("Why it stays")]
    with TemporaryFile() as file:
        write_xlsx(file, header, _kept_rows(uow, job_id))
        file.seek(0)
        name = f"{_('left as they are')}.xlsx"
        return store_result(uow, file, name, job_id=job_id, action="import", entity=entity)


def _kept_rows(uow: UnitOfWork, job_id: int) -> Iterator[list[Any]]:
    table = import_kept_table
    statement = select(table).where(table.c.job_id == job_id)
    place: tuple[str, int] = ("", 0)
    while True:
        after = (table.c.entity > place[0]) | (
            (table.c.entity == place[0]) & (table.c.record_id > place[1])
        )
        ordered = statement.where(after).order_by(table.c.entity, table.c.record_id)
        rows = uow.execute(ordered.limit(_READ)).all()
        wanted: dict[str, set[int]] = {}
        for row in rows:
            wanted.setdefault(row.entity, set()).add(row.record_id)
        labels = resolve_labels(uow, wanted)
        for row in rows:
            spec = uow.snapshot.installed_entities.get(row.entity)
            kind = row.entity if spec is None else str(spec.label)
            label = labels.get(row.entity, {}).get(row.record_id, f"#{row.record_id}")
            yield [row.record_id, label, kind, row.reason]
        if len(rows) < _READ:
            return
        place = (rows[-1].entity, rows[-1].record_id)


UNDO = Job("core.undo_import", _undo, _l("Undo of an import"), is_history=True)
