"""What pools and follow-ups make of changes of customers and opportunities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sqlalchemy import select

from core.entities.changes import Change
from core.pools import changes as pools
from core.pools.declaring import Pooled
from core.pools.members import pools_of
from plugins.crm_sales.pools import follow_ups
from plugins.crm_sales.pools.declared import CUSTOMERS, OPPORTUNITIES

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["prepare", "settle"]

_BY_NAME = {pooled.entity: pooled for pooled in (CUSTOMERS, OPPORTUNITIES)}


def prepare(changes: Sequence[Change], uow: UnitOfWork) -> None:
    """Before changes are written: which pool, and in whose hands since when."""
    pooled = _BY_NAME.get(changes[0].entity.name)
    if pooled is None:
        return
    pools.prepare(pooled, changes, uow)
    if changes[0].kind == "create":
        _take_new(pooled, changes, uow)


def _take_new(pooled: Pooled, changes: Sequence[Change], uow: UnitOfWork) -> None:
    """What somebody makes for themselves belongs to the first of their pools that takes such."""
    me = uow.actor.user_id
    mine = [c for c in changes if c.after["pool"] is None and c.after["owner"] == me]
    if me is None or not mine:
        return
    pool = _taking_pool(pooled, uow)
    if pool is not None:
        for change in mine:
            change.set("pool", pool)


def _taking_pool(pooled: Pooled, uow: UnitOfWork) -> int | None:
    ids = list(pools_of(uow, pooled))
    if not ids:
        return None
    key = ("pool that takes new", pooled.pools)
    if key not in uow.memo:
        table = pooled.pool_table(uow)
        asked = select(table.c.id).where(table.c.id.in_(ids), table.c.takes_new)
        uow.memo[key] = uow.execute(asked.order_by(table.c.id).limit(1)).scalar()
    found: int | None = uow.memo[key]
    return found


def settle(changes: Sequence[Change], uow: UnitOfWork) -> None:
    """After changes were written: who had what when, and when something was last followed up."""
    name = changes[0].entity.name
    if name in _BY_NAME:
        pools.record_transfers(_BY_NAME[name], changes, uow)
    elif name == follow_ups.ENTITY:
        follow_ups.follow(changes, uow)
