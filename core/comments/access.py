"""Who may read a comment: whoever reads the record that it is about, now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import ColumnElement, FromClause, false, or_

from core.entities.scope import about_readable

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["comment_scope"]


def comment_scope(uow: UnitOfWork, action: str, table: FromClause) -> ColumnElement[bool]:
    """The comments that the actor reaches; the scope of the entity ``comment``."""
    if uow.actor.user_id is None or action != "read":
        return false()
    return or_(false(), *(clause for _spec, clause in about_readable(uow, table)))
