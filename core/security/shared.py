"""What is shared with somebody, as one indexed condition."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import ColumnElement, FromClause, Select, any_, func, or_, select

from core.security.models import share_table

if TYPE_CHECKING:
    from core.fields import EntitySpec
    from core.work.uow import UnitOfWork

__all__ = ["ACTION_LEVELS", "is_shareable", "shared_clause", "shared_keys"]

#: Which shares stand for an action; no other action is shared.
ACTION_LEVELS = {"read": ("read", "write"), "update": ("write",)}


def is_shareable(spec: EntitySpec) -> bool:
    """True for business records: not lines, nor what has rules of reach of its own, nor people."""
    own_rules = spec.scope is not None or spec.parent_field is not None
    return not (own_rules or spec.directory or spec.shapes_access)


def shared_clause(
    uow: UnitOfWork, spec: EntitySpec, action: str, table: FromClause
) -> ColumnElement[bool] | None:
    """The rows shared with the actor for the action; None when nothing ever was, which costs nothing."""
    levels = [
        level for level in ACTION_LEVELS.get(action, ()) if (spec.name, level) in uow.actor.shared
    ]
    if not levels or not is_shareable(spec):
        return None
    ids = _shared_ids(uow, spec, levels)
    if uow.runtime.database.is_sqlite:
        return table.c.id.in_(ids)
    # As an array PostgreSQL reads it first, and the rows through the key; an IN among alternatives
    # it would test row by row.
    clause: ColumnElement[bool] = table.c.id == any_(func.array(ids.scalar_subquery()))
    return clause


def shared_keys(uow: UnitOfWork, spec: EntitySpec, limit: int) -> list[int]:
    """The ids of the records shared with the actor, of at most ``limit`` of them the newest shares."""
    if not uow.actor.shared:
        return []
    ids = _shared_ids(uow, spec, list(ACTION_LEVELS["read"])).order_by(share_table.c.id.desc())
    return list(dict.fromkeys(uow.execute(ids.limit(limit)).scalars()))


def _shared_ids(uow: UnitOfWork, spec: EntitySpec, levels: list[str]) -> Select[tuple[int]]:
    table, actor = share_table, uow.actor
    return select(table.c.record_id).where(
        table.c.entity == spec.name,
        table.c.level.in_(levels),
        or_(table.c.user_id == actor.user_id, table.c.department_id.in_(actor.departments_above)),
        or_(table.c.until.is_(None), table.c.until > uow.now()),
    )
