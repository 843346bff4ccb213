"""Whoever had a share of a record that becomes part of another has one of that, and no longer once it
is taken back.

The shares of the others stay with them, in the recycle bin; what is written is those of the record that
stays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Row, delete, insert, or_, select, update

from core.db.bulk import one_of
from core.security.models import share_table
from core.work.uow import inserted_key

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["share_along", "take_shares_back"]

_FOREVER = datetime.max.replace(tzinfo=UTC)


def share_along(uow: UnitOfWork, entity: str, keep: int, gone: Sequence[int]) -> dict[str, Any]:
    """Share ``keep`` with all with whom one of ``gone`` is shared; what was done, for `take_shares_back`.

    Of several shares with one person or department the longest counts, of equals the one that lets them
    change it.
    """
    table = share_table
    rows = uow.execute(
        select(table)
        .where(
            table.c.entity == entity,
            one_of(uow.connection, table.c.record_id, [keep, *gone]),
            or_(table.c.until.is_(None), table.c.until > uow.now()),
        )
        .order_by(table.c.id)
    ).all()
    own = {_with(row): row for row in rows if row.record_id == keep}
    best: dict[tuple[Any, Any], Row[Any]] = {}
    for row in rows:
        best[_with(row)] = max(best.get(_with(row), row), row, key=_worth)
    memo: dict[str, Any] = {"added": [], "changed": {}}
    for whom, row in best.items():
        if row.record_id == keep:
            continue
        mine = own.get(whom)
        if mine is None:
            again = {**row._mapping, "record_id": keep}
            del again["id"]
            _forget_ended(uow, entity, keep, row)
            memo["added"].append(inserted_key(uow.execute(insert(table).values(again))))
        elif _worth(row) > _worth(mine):
            new = {"level": row.level, "until": row.until}
            uow.execute(update(table).where(table.c.id == mine.id).values(new))
            memo["changed"][str(mine.id)] = [_noted(mine), _noted(row)]
    return memo


def take_shares_back(uow: UnitOfWork, memo: Mapping[str, Any]) -> None:
    """Undo what `share_along` did, but for shares that somebody changed since."""
    table = share_table
    if memo["added"]:
        uow.execute(delete(table).where(one_of(uow.connection, table.c.id, memo["added"])))
    wanted = [int(key) for key in memo["changed"]]
    rows = uow.execute(select(table).where(one_of(uow.connection, table.c.id, wanted))).all()
    for row in rows:
        (level, until), new = memo["changed"][str(row.id)]
        if _noted(row) == new:
            before = {"level": level, "until": datetime.fromisoformat(until) if until else None}
            uow.execute(update(table).where(table.c.id == row.id).values(before))


def _with(row: Row[Any]) -> tuple[Any, Any]:
    return row.user_id, row.department_id


def _worth(row: Row[Any]) -> tuple[datetime, bool]:
    return row.until or _FOREVER, row.level == "write"


def _noted(row: Row[Any]) -> list[Any]:
    return [row.level, _text(row.until)]


def _text(until: datetime | None) -> str | None:
    return None if until is None else until.isoformat()


def _forget_ended(uow: UnitOfWork, entity: str, keep: int, row: Row[Any]) -> None:
    """A share of the same person that is over still has its row, and there is one row for each."""
    table = share_table
    whose = (
        table.c.user_id == row.user_id
        if row.user_id is not None
        else table.c.department_id == row.department_id
    )
    mine = (table.c.entity == entity) & (table.c.record_id == keep)
    uow.execute(delete(table).where(mine, whose))
