"""What may be claimed now: not too early, and not more than a person or a department may hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, time
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, and_, func, select

from core.errors import Refused
from core.i18n import gettext as _
from core.pools.declaring import Pooled, Row
from core.pools.members import pools_of
from core.pools.rules import Holdings, Past, why_too_early, why_too_many

if TYPE_CHECKING:
    from sqlalchemy import Column

    from core.work.uow import UnitOfWork

__all__ = ["check_limits", "counts_today", "lock_claimant", "why_not_yet"]

_AT_ONCE = 900


def lock_claimant(uow: UnitOfWork, pooled: Pooled, rows: Sequence[Row]) -> None:
    """Let one claim of a person wait for another, and of a department where that has a limit, so that
    the limits below are counted in peace.

    SQLite needs no row lock: its writing transactions follow one another anyway.
    """
    mine = pools_of(uow, pooled)
    locked: list[tuple[str, list[Any]]] = [("user", [uow.actor.user_id])]
    if any(mine[row["pool"]].department_limit is not None for row in rows):
        locked.insert(0, ("department", sorted(uow.actor.departments)))
    for entity, ids in locked:
        table = uow.snapshot.installed_entities[entity].table
        asked = select(table.c.id).where(table.c.id.in_(ids)).order_by(table.c.id)
        uow.execute(asked.with_for_update(key_share=True)).all()


def check_limits(uow: UnitOfWork, pooled: Pooled, rows: Sequence[Row]) -> None:
    """Refuse a claim that comes too early, or passes a limit of the pool.

    The person must be locked, see `lock_claimant`.
    """
    too_early = why_not_yet(uow, pooled, rows)
    for row in rows:
        if why := too_early.get(row["id"]):
            name = pooled.label(uow, row)
            raise Refused(_("%(name)s is not to be claimed yet: %(why)s.", name=name, why=why))
    mine = pools_of(uow, pooled)
    for pool_id, wanted in Counter(row["pool"] for row in rows).items():
        if why := why_too_many(mine[pool_id], _holdings(uow, pooled, pool_id), wanted):
            raise Refused(why)


def why_not_yet(uow: UnitOfWork, pooled: Pooled, rows: Sequence[Row]) -> dict[int, str]:
    """Of rows in pools of the actor, those that it is too early to claim, with the reason."""
    mine, now = pools_of(uow, pooled), uow.now()
    asked = [
        row
        for row in rows
        if row["pool"] in mine and (mine[row["pool"]].cool_down or mine[row["pool"]].wait)
    ]
    if not asked:
        return {}
    held, left = _held_before(uow, pooled, [row["id"] for row in asked])
    found = {}
    for row in asked:
        entered = None if row["id"] in held else row["created_at"]
        past = Past(entered, left.get(row["id"]))
        if why := why_too_early(mine[row["pool"]], past, now, uow.clock.timezone):
            found[row["id"]] = why
    return found


def _held_before(
    uow: UnitOfWork, pooled: Pooled, ids: Sequence[int]
) -> tuple[set[int], dict[int, datetime]]:
    """Which of the records somebody has had, and when those that the actor had were lost last."""
    transfers = uow.snapshot.installed_entities[pooled.transfers]
    table = transfers.table
    record: Column[int] = table.c[transfers.column(pooled.entity).name]
    held: set[int] = set()
    left: dict[int, datetime] = {}
    for start in range(0, len(ids), _AT_ONCE):
        rows = select(
            record.label("record"),
            table.c.from_owner_id.label("owner"),
            func.max(table.c.created_at).label("at"),
        ).where(record.in_(ids[start : start + _AT_ONCE]), table.c.from_owner_id.is_not(None))
        for row in uow.execute(rows.group_by(record, table.c.from_owner_id)):
            held.add(row.record)
            if row.owner == uow.actor.user_id:
                left[row.record] = row.at
    return held, left


def _holdings(uow: UnitOfWork, pooled: Pooled, pool_id: int) -> Holdings:
    department = 0
    if pools_of(uow, pooled)[pool_id].department_limit is not None:
        record = pooled.table(uow)
        theirs = record.c.department_id.in_(uow.actor.departments)
        department = _held(uow, pooled, pool_id, and_(theirs, record.c.owner_id.is_not(None)))
    return Holdings(_claimed_today(uow, pooled, pool_id), _held(uow, pooled, pool_id), department)


def _claimed_today(uow: UnitOfWork, pooled: Pooled, pool_id: int) -> int:
    table = uow.snapshot.installed_entities[pooled.transfers].table
    statement = select(func.count()).where(
        table.c.to_owner_id == uow.actor.user_id,
        table.c.created_at >= _midnight(uow),
        table.c.kind == "claim",
        table.c.pool_id == pool_id,
    )
    return int(uow.execute(statement).scalar_one())


def _midnight(uow: UnitOfWork) -> datetime:
    return datetime.combine(uow.clock.today(), time(), uow.clock.timezone).astimezone(UTC)


def counts_today(uow: UnitOfWork, pooled: Pooled, pool_id: int, claimed_at: datetime) -> str | None:
    """The name of the pool where a claim of the actor counts for the day; None where it does not, or
    days are not counted."""
    rules = pools_of(uow, pooled).get(pool_id)
    if rules is None or rules.daily_claims is None or claimed_at < _midnight(uow):
        return None
    return rules.name


def _held(
    uow: UnitOfWork, pooled: Pooled, pool_id: int, whose: ColumnElement[bool] | None = None
) -> int:
    table = pooled.table(uow)
    statement = select(func.count()).where(
        table.c.owner_id == uow.actor.user_id if whose is None else whose,
        table.c.pool_id == pool_id,
        pooled.while_open(uow, table),
        table.c.archived_at.is_(None),
    )
    return int(uow.execute(statement).scalar_one())
