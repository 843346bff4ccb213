"""What a person has chosen: columns of a list, mappings of imports. Small JSON values by key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import Column, ForeignKey, Table, delete, insert, select

from core.db.base import metadata
from core.db.types import BigId, Json, PlainText

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["get_preference", "preference_table", "put_preference"]

preference_table = Table(
    "core_preference",
    metadata,
    Column("user_id", BigId, ForeignKey("core_user.id", ondelete="CASCADE"), primary_key=True),
    Column("key", PlainText(120), primary_key=True),
    Column("value", Json),
)


def get_preference(uow: UnitOfWork, key: str, default: Any = None) -> Any:
    """The actor's choice, or ``default``."""
    table = preference_table
    row = uow.execute(
        select(table.c.value).where(table.c.user_id == uow.actor.user_id, table.c.key == key)
    ).one_or_none()
    return default if row is None else row.value


def put_preference(uow: UnitOfWork, key: str, value: Any) -> None:
    """Keep the actor's choice; nobody else's can be set."""
    if uow.actor.user_id is None:
        return
    table = preference_table
    mine = (table.c.user_id == uow.actor.user_id) & (table.c.key == key)
    uow.execute(delete(table).where(mine))
    uow.execute(insert(table).values(user_id=uow.actor.user_id, key=key, value=value))
