"""Past imports: whose they are, what became of them, and whether they were undone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, Row, and_, literal_column, select

from core.entities.labels import resolve_labels
from core.entities.scope import may, require, scope_clause
from core.errors import NotFound
from core.fields import EntitySpec
from core.i18n import gettext as _
from core.work.tables import job_table

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = [
    "COUNTS",
    "PastImport",
    "find_import",
    "oversees",
    "past_imports",
    "readable_reports",
    "undo_key",
    "undo_of",
]

PAGE = 50
#: Jobs read at a time; which entity one is of stands in its arguments.
_LOOK = 200
#: What the result of an import counts.
COUNTS = ("created", "updated", "duplicates", "refused")
#: As the condition of the index says it.
_IS_IMPORT = job_table.c.kind == literal_column("'core.import'")


@dataclass(frozen=True)
class PastImport:
    """One import as a list shows it."""

    id: int
    entity: EntitySpec
    who: str
    at: datetime
    filename: str
    #: ``queued running done failed cancelled``
    state: str
    #: Rows by what became of them; what was done before it failed or was stopped included.
    counts: dict[str, int]
    error: str = ""
    #: The file of refused rows, while it is kept and may be read.
    report: int | None = None
    #: The job that undid it or does so.
    undo: Row[Any] | None = None
    undo_report: int | None = None
    undo_counts: dict[str, int] = field(default_factory=dict)

    @property
    def may_undo(self) -> bool:
        """True when there may be something to undo that nobody has begun to."""
        written = self.counts["created"] or self.counts["updated"]
        over = self.state in ("done", "failed", "cancelled")
        return bool(over and written and not self.is_being_undone)

    @property
    def is_being_undone(self) -> bool:
        """True once it is undone, or about to be."""
        return self.undo is not None and self.undo.state not in ("failed", "cancelled")


def undo_key(job_id: int) -> str:
    """The key of the one job that undoes an import."""
    return f"core.undo_import:{job_id}"


def undo_of(uow: UnitOfWork, job_id: int) -> Row[Any] | None:
    """The job that undid an import or does so; None when nobody has asked for it."""
    found = select(job_table).where(job_table.c.key == undo_key(job_id))
    return uow.execute(found).one_or_none()


def oversees(uow: UnitOfWork) -> bool:
    """True for who sees the imports of others: administrators, but not by a narrower token."""
    return uow.actor.manages_security


def find_import(uow: UnitOfWork, job_id: int, *, lock: bool = False) -> Row[Any]:
    """The job of an import that is the actor's, or any for an administrator.

    Raises `NotFound`, and `Forbidden` when the right to import is no longer there.
    """
    statement = select(job_table).where(job_table.c.id == job_id, _IS_IMPORT)
    if not oversees(uow):
        statement = statement.where(job_table.c.actor_id == uow.actor.user_id)
    if lock:
        statement = statement.with_for_update()
    job = uow.execute(statement).one_or_none()
    if job is None:
        raise NotFound(_("There is no import with the number %(id)s.", id=job_id))
    require(uow, uow.entity(job.arguments["entity"]), "import")
    return job


def past_imports(
    uow: UnitOfWork,
    entity: str | None = None,
    *,
    everyone: bool = False,
    before: int | None = None,
    limit: int = PAGE,
) -> tuple[list[PastImport], int | None]:
    """(imports from the newest on, the id to continue ``before``; None at the end).

    One's own, or with ``everyone`` all that the actor oversees; of entities that the actor may
    import.
    """
    wanted: list[ColumnElement[bool]] = [_IS_IMPORT]
    if not (everyone and oversees(uow)):
        wanted.append(job_table.c.actor_id == uow.actor.user_id)
    names = {
        spec.name
        for spec in uow.entities.values()
        if entity in (None, spec.name) and may(uow, spec, "import")
    }
    rows: list[Row[Any]] = []
    while names and len(rows) <= limit:
        here = [*wanted, job_table.c.id < before] if before is not None else wanted
        statement = select(job_table).where(and_(*here)).order_by(job_table.c.id.desc())
        found = uow.execute(statement.limit(_LOOK)).all()
        rows += [row for row in found if row.arguments.get("entity") in names]
        if len(found) < _LOOK:
            break
        before = found[-1].id
    shown = rows[:limit]
    return _described(uow, shown), shown[-1].id if len(rows) > limit else None


def _described(uow: UnitOfWork, rows: Sequence[Row[Any]]) -> list[PastImport]:
    keys = {undo_key(row.id): row.id for row in rows}
    statement = select(job_table).where(job_table.c.key.in_(keys))
    undone = {keys[row.key]: row for row in uow.execute(statement)} if keys else {}
    people = {row.actor_id for row in rows if row.actor_id}
    names = resolve_labels(uow, {"user": people}).get("user", {})
    results = [job.result for job in (*rows, *undone.values())]
    reports = readable_reports(uow, [(result or {}).get("report") for result in results])
    return [_shown(uow, row, undone.get(row.id), names, reports) for row in rows]


def _shown(
    uow: UnitOfWork,
    row: Row[Any],
    undo: Row[Any] | None,
    names: dict[int, str],
    reports: set[int],
) -> PastImport:
    result = row.result or {}
    undo_result = (undo.result or {}) if undo is not None else {}
    report, undo_report = result.get("report"), undo_result.get("report")
    return PastImport(
        id=row.id,
        entity=uow.entity(row.arguments["entity"]),
        who=names.get(row.actor_id, f"#{row.actor_id}") if row.actor_id else "",
        at=row.created_at,
        filename=row.arguments.get("filename") or "",
        state=row.state,
        counts={name: result.get(name, 0) for name in COUNTS},
        error=row.error or "",
        report=report if report in reports else None,
        undo=undo,
        undo_report=undo_report if undo_report in reports else None,
        undo_counts={n: undo_result.get(n, 0) for n in ("removed", "restored", "kept")},
    )


def readable_reports(uow: UnitOfWork, ids: Sequence[int | None]) -> set[int]:
    """Those of the files that are still kept and that the actor may read now."""
    wanted = sorted({key for key in ids if key is not None})
    if not wanted:
        return set()
    spec = uow.snapshot.installed_entities["file"]
    statement = select(spec.table.c.id).where(spec.table.c.id.in_(wanted))
    if (clause := scope_clause(uow, spec, "read")) is not None:
        statement = statement.where(clause)
    return set(uow.execute(statement).scalars())
