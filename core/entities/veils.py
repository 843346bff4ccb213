"""Fields that a reader sees masked in some rows only, such as the telephone of a lead that nobody has claimed.

Such a row is found, sorted and grouped as if the field were empty: what the mask hides cannot be
guessed at by asking. An entity's own name and child lines are not veiled.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, FromClause, case, null, type_coerce

if TYPE_CHECKING:
    from core.fields import EntitySpec, FieldSpec
    from core.work.uow import UnitOfWork

__all__ = ["flag", "seen", "veils"]


def veils(
    uow: UnitOfWork, spec: EntitySpec, table: FromClause | None = None
) -> Mapping[str, ColumnElement[bool]]:
    """By field name, in which rows of ``table`` the actor sees it masked; mostly there are none."""
    if spec.veil is None or uow.actor.is_system:
        return {}
    table = spec.table if table is None else table
    if uow.write:
        return spec.veil(uow, table)
    key = ("veils", id(uow.actor), spec.name, table)
    if key not in uow.memo:  # with the actor, so that no other one comes to have its id
        uow.memo[key] = uow.actor, spec.veil(uow, table)
    found: Mapping[str, ColumnElement[bool]] = uow.memo[key][1]
    return found


def seen(
    uow: UnitOfWork, spec: EntitySpec, field: FieldSpec, table: FromClause
) -> ColumnElement[Any]:
    """The field's column as far as the actor may use it: null where it is masked."""
    assert field.column is not None
    column = table.c[field.column]
    veil = veils(uow, spec, table).get(field.name)
    if veil is None:
        return column
    return type_coerce(case((veil, null()), else_=column), column.type)


def flag(name: str) -> str:
    """Under which name it is selected whether the field ``name`` is masked in a row."""
    return f"{name}__veiled"
