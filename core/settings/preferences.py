"""What a person has chosen: columns of a list, mappings of imports. Small JSON values by key."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import Column, ForeignKey, Row, Table, delete, insert, select

from core.db.base import metadata
from core.db.types import BigId, Json, PlainText
from core.entities.reading import Reading

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = [
    "get_preference",
    "preference_table",
    "put_preference",
    "reading_preferences",
    "write_preference",
]

preference_table = Table(
    "core_preference",
    metadata,
    Column("user_id", BigId, ForeignKey("core_user.id", ondelete="CASCADE"), primary_key=True),
    Column("key", PlainText(120), primary_key=True),
    Column("value", Json),
)


def get_preference(uow: UnitOfWork, key: str, default: Any = None) -> Any:
    """The actor's choice, or ``default``."""
    recalled = uow.memo.get(("preferences", uow.actor.user_id), {})
    if key in recalled:
        return default if recalled[key] is None else recalled[key]
    table = preference_table
    row = uow.execute(
        select(table.c.value).where(table.c.user_id == uow.actor.user_id, table.c.key == key)
    ).one_or_none()
    return default if row is None else row.value


def reading_preferences(uow: UnitOfWork, keys: Iterable[str]) -> Reading[None]:
    """Several of the actor's choices, to be read with more: `get_preference` finds them in this
    unit of work from then on."""
    table, wanted, person = preference_table, list(keys), uow.actor.user_id
    chosen = select(table.c.key, table.c.value).where(
        table.c.user_id == person, table.c.key.in_(wanted)
    )

    def recall(rows: Sequence[Row[Any]]) -> None:
        recalled = uow.memo.setdefault(("preferences", person), {})
        recalled.update(dict.fromkeys(wanted) | {row.key: row.value for row in rows})

    return Reading((chosen,), recall)


def put_preference(uow: UnitOfWork, key: str, value: Any) -> None:
    """Keep the actor's choice; nobody else's can be set.

    Nothing is kept of what a program does with a token, or somebody who is signed in as the person.
    """
    if uow.actor.is_oneself:
        write_preference(uow, key, value)


def write_preference(uow: UnitOfWork, key: str, value: Any) -> None:
    """The same for what is no choice of the person's, but what is done in their name."""
    if uow.actor.user_id is None:
        return
    uow.memo.pop(("preferences", uow.actor.user_id), None)
    table = preference_table
    mine = (table.c.user_id == uow.actor.user_id) & (table.c.key == key)
    uow.execute(delete(table).where(mine))
    uow.execute(insert(table).values(user_id=uow.actor.user_id, key=key, value=value))
