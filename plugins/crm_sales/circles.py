"""What would stand above itself: companies, people who report to people, categories of products."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from core.entities.changes import Change
from core.errors import Problem

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["check_circles", "column_of"]

_AT_ONCE = 900


def check_circles(
    changes: Sequence[Change], uow: UnitOfWork, field: str, message: str
) -> Iterable[Problem]:
    """Whoever would stand above itself by ``field``, also by what else changes now.

    Two who move each other at once take turns, as each alone would make no circle. What is new is above
    nothing yet.
    """
    touched = [c for c in changes if c.kind == "update" and c.changed(field)]
    moved = {c.id: c.after[field] for c in touched}
    if not any(moved.values()):
        return
    entity = changes[0].entity
    uow.take_turns(f"{entity.name}.{field}")
    above: dict[Any, Any] = dict(moved)
    unknown = {key for key in moved.values() if key is not None} - above.keys()
    while unknown:
        read = column_of(uow, entity.name, entity.column(field).name, unknown)
        above |= {key: read.get(key) for key in unknown}
        unknown = {key for key in read.values() if key is not None} - above.keys()
    for change in touched:
        key, seen = change.after[field], set[Any]()
        while key is not None and key not in seen and key != change.id:
            seen.add(key)
            key = above.get(key)
        if key is not None and key == change.id:
            yield change.problem(field, "circle", message)


def column_of(uow: UnitOfWork, entity: str, column: str, ids: set[Any]) -> dict[int, Any]:
    """The values of a column by id, of these records in the bin or not."""
    table = uow.entity(entity).table
    found: dict[int, Any] = {}
    wanted = sorted(each for each in ids if each is not None)
    for start in range(0, len(wanted), _AT_ONCE):
        rows = uow.execute(
            select(table.c.id, table.c[column].label("value")).where(
                table.c.id.in_(wanted[start : start + _AT_ONCE])
            )
        )
        found.update({row.id: row.value for row in rows})
    return found
