"""What is seen of a record before somebody claims it: the fields that its pool names are masked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from sqlalchemy import ColumnElement, FromClause, and_, select

from core.pools.declaring import Pooled
from core.pools.members import administered_by_me

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["veil_of", "veil_through"]

Veil = Callable[["UnitOfWork", FromClause], Mapping[str, ColumnElement[bool]]]


def veil_of(pooled: Pooled) -> Veil:
    """The ``veil`` of the entity: as long as nobody owns a record, what its pool says is masked.

    Not for who administers the pool, nor for who may change records in pools.
    """
    return partial(_veil, pooled)


def veil_through(pooled: Pooled, column: str, prefix: str) -> Veil:
    """The ``veil`` of an entity that belongs to the records, by its ``column``: the pool names fields
    of it with ``prefix``, e.g. ``contact_mobile``."""
    return partial(_veil_through, pooled, column, prefix)


def _veil(pooled: Pooled, uow: UnitOfWork, table: FromClause) -> Mapping[str, ColumnElement[bool]]:
    own = pooled.spec(uow)
    return {
        name: and_(table.c.owner_id.is_(None), table.c.pool_id.in_(pools))
        for name, pools in _veiling(uow, pooled).items()
        if name in own
    }


def _veil_through(
    pooled: Pooled, column: str, prefix: str, uow: UnitOfWork, table: FromClause
) -> Mapping[str, ColumnElement[bool]]:
    record = uow.alias(pooled.table(uow))
    return {
        name.removeprefix(prefix): table.c[column].in_(
            select(record.c.id)
            .where(record.c.owner_id.is_(None), record.c.pool_id.in_(pools))
            .correlate(None)
        )
        for name, pools in _veiling(uow, pooled).items()
        if name.startswith(prefix)
    }


def _veiling(uow: UnitOfWork, pooled: Pooled) -> Mapping[str, Sequence[int]]:
    """By field the pools, not administered by the actor, that mask it for them."""
    access = uow.actor.access(pooled.spec(uow))
    if access.is_unlimited("update") or "pool" in access.scopes.get("update", ()):
        return {}
    key = ("veiling pools", pooled.pools, uow.actor.user_id)
    kept = uow.access.memo if uow.sees_what_holds else uow.memo
    if key not in kept:
        pool = pooled.pool_table(uow)
        asked = select(pool.c.id, pool.c.veiled).where(
            pool.c.veiled.is_not(None), pool.c.id.not_in(administered_by_me(uow, pooled))
        )
        found: dict[str, list[int]] = {}
        for row in uow.execute(asked):
            for name in row.veiled or ():
                found.setdefault(name, []).append(row.id)
        kept[key] = found
    pools: Mapping[str, Sequence[int]] = kept[key]
    return pools
