"""The rules of reference tables and the calendar, and who is told when they change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, insert, select, update

from core.entities.changes import Change
from core.errors import Problem
from core.expressions import Source, fold
from core.i18n import gettext as _
from core.reference.models import COLUMNS, revision_table
from core.reference.reading import CALENDAR, LOOKUP

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["MAX_ROWS", "follow", "prepare", "validate"]

#: A table is held in memory while it is looked into.
MAX_ROWS = 20_000
_SOURCES = {"lookup_table": LOOKUP, "lookup_row": LOOKUP, "calendar_day": CALENDAR}
_IN_CHUNK = 900


def validate(changes: Sequence[Change], uow: UnitOfWork) -> Iterable[Problem]:
    """Problems of reference tables and the calendar; none for other entities."""
    match changes[0].entity.name:
        case "lookup_table":
            return [problem for change in changes for problem in _same_columns(change)]
        case "lookup_row":
            return [*_taken(changes, uow, ("table", "key"), "key"), *_too_many(changes, uow)]
        case "calendar_day":
            return _taken(changes, uow, ("date",), "date")
    return ()


def _same_columns(change: Change) -> Iterable[Problem]:
    names = [f"column_{place}" for place in range(1, COLUMNS + 1)]
    seen = {fold(change.after["key_label"] or "key")}
    for name in names:
        given = fold(change.after[name] or "")
        if given and given in seen:
            yield change.problem(name, "taken", _("Two columns have the same name."))
        seen.add(given)


def _taken(
    changes: Sequence[Change], uow: UnitOfWork, names: tuple[str, ...], marked: str
) -> list[Problem]:
    """Living records that have the same values as another living one."""
    spec = changes[0].entity
    wanted: dict[tuple[Any, ...], Change] = {}
    problems = []
    message = _("Another record has this value already.")
    for change in changes:
        values = tuple(_form(change.after[name]) for name in names)
        moved = change.kind in ("create", "restore") or any(change.changed(n) for n in names)
        if change.kind == "delete" or not moved:
            continue
        if values in wanted:
            problems.append(change.problem(marked, "taken", message))
        wanted[values] = change
    columns = [spec.column(name).label(name) for name in names]
    moving = {change.id for change in wanted.values()}
    firsts = sorted({change.after[names[0]] for change in wanted.values()})
    for start in range(0, len(firsts), _IN_CHUNK):
        rows = uow.execute(
            select(spec.table.c.id.label("id_"), *columns).where(
                spec.column(names[0]).in_(firsts[start : start + _IN_CHUNK]),
                spec.table.c.archived_at.is_(None),
            )
        )
        for row in rows.mappings():
            found = wanted.get(tuple(_form(row[name]) for name in names))
            if found is not None and row["id_"] not in moving:
                problems.append(found.problem(marked, "taken", message))
    return problems


def _form(value: Any) -> Any:
    return fold(value) if isinstance(value, str) else value


def _too_many(changes: Sequence[Change], uow: UnitOfWork) -> list[Problem]:
    new = Counter(
        change.after["table"] for change in changes if change.kind in ("create", "restore")
    )
    if not new:
        return []
    table = changes[0].entity.table
    counted = (
        select(table.c.table_id, func.count().label("rows"))
        .where(table.c.table_id.in_(list(new)), table.c.archived_at.is_(None))
        .group_by(table.c.table_id)
    )
    full = {r.table_id for r in uow.execute(counted) if r.rows + new[r.table_id] > MAX_ROWS}
    full |= {key for key, count in new.items() if count > MAX_ROWS}
    message = _("A reference table has at most %(n)s rows.", n=MAX_ROWS)
    return [
        change.problem("table", "too_many", message)
        for change in changes
        if change.after["table"] in full
    ]


def prepare(changes: Sequence[Change], uow: UnitOfWork) -> None:
    """Let nobody read the tables from here on until this is committed."""
    source = _SOURCES.get(changes[0].entity.name)
    if source is None:
        return
    table = revision_table
    moved = uow.execute(
        update(table).where(table.c.source == source).values(revision=table.c.revision + 1)
    )
    if not moved.rowcount:
        uow.execute(insert(table).values(source=source, revision=1))
    uow.memo["reference changed", source] = True


def follow(changes: Sequence[Change], uow: UnitOfWork) -> None:
    """Compute again what looks into the tables that changed."""
    from core.entities.recompute import follow_sources

    entity = changes[0].entity.name
    source = _SOURCES.get(entity)
    if source is None:
        return
    uow.memo.pop(("reference", source), None)
    if source == CALENDAR:
        follow_sources(uow, [Source(CALENDAR, None)])
        return
    names: set[str] = set()
    if entity == "lookup_table":
        states = [state for change in changes for state in (change.before, change.after) if state]
        names.update(state[part] for state in states for part in ("name", "label"))
    else:
        states = [state for change in changes for state in (change.before, change.after) if state]
        tables = uow.snapshot.entities["lookup_table"].table
        ids = sorted({state["table"] for state in states})
        for row in uow.execute(select(tables.c.name, tables.c.label).where(tables.c.id.in_(ids))):
            names.update(row)
    follow_sources(uow, [Source(LOOKUP, name) for name in sorted(names)])
