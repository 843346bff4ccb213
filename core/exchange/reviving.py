"""Records that an undone import left in the recycle bin, and that another import brings again.

They keep their unique values there, so that a new record could not have them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from core.entities import service
from core.exchange.trail import left_by_undo
from core.fields import EntitySpec

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["bring_back", "revivable"]

_IN_CHUNK = 900


def revivable(
    uow: UnitOfWork, spec: EntitySpec, rows: Sequence[Mapping[str, Any]]
) -> dict[int, int]:
    """``{place in rows: id}`` of those whose unique value such a record has."""
    if "archived_at" not in spec.table.c:
        return {}
    found: dict[int, int] = {}
    for item in spec.stored:
        if not item.unique:
            continue
        places = {row[item.name]: n for n, row in enumerate(rows) if row.get(item.name) is not None}
        values, column = list(places), spec.column(item.name)
        for start in range(0, len(values), _IN_CHUNK):
            statement = select(column.label("value"), spec.table.c.id).where(
                column.in_(values[start : start + _IN_CHUNK]), spec.table.c.archived_at.is_not(None)
            )
            for row in uow.execute(statement):
                if row.value in places:
                    found.setdefault(places[row.value], row.id)
    left = left_by_undo(uow, spec.name, sorted(found.values()))
    return {place: key for place, key in found.items() if key in left}


def bring_back(
    uow: UnitOfWork, entity: str, rows: Mapping[int, Mapping[str, Any]], fields: Sequence[str]
) -> None:
    """Take records out of the bin and give them the values of their rows in all of ``fields``.

    Whoever may delete and change them may: raises as `core.entities.service` does.
    """
    service.restore(uow, entity, list(rows))
    blank = dict.fromkeys(fields)
    service.update(uow, entity, {key: {**blank, **values} for key, values in rows.items()})
