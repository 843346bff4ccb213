"""Who belongs to which pool, and which records somebody reaches for that."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Select,
    and_,
    bindparam,
    exists,
    false,
    func,
    or_,
    select,
)

from core.fields import ScopeSpec
from core.i18n import lazy_gettext as _l
from core.pools.declaring import Pooled
from core.pools.rules import ClaimRules
from core.settings.service import get_setting

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = [
    "administered_by_me",
    "administered_scope",
    "claimable",
    "default_pool",
    "in_administered_pools",
    "in_my_pools",
    "pool_scope",
    "pools_of",
]


def pools_of(uow: UnitOfWork, pooled: Pooled) -> Mapping[int, ClaimRules]:
    """The active pools that the actor belongs to, by id: as a member, an administrator, through a
    department at or below a member department, or because the pool is open to everybody."""
    # The limits of some come from the settings, which the structure's epoch stands for.
    key = ("pools of", pooled.pools, uow.actor.user_id, uow.snapshot.structure)
    kept = uow.access.memo if uow.sees_what_holds else uow.memo
    if key not in kept:
        kept[key] = _read_pools(uow, pooled)
    found: Mapping[int, ClaimRules] = kept[key]
    return found


def _read_pools(uow: UnitOfWork, pooled: Pooled) -> dict[int, ClaimRules]:
    memo, key = uow.snapshot.memo, ("pools of", pooled.pools)
    statement = memo.get(key)
    if statement is None:  # asked by every list: putting it together takes longer
        statement = memo[key] = _pools_statement(uow, pooled)
    given = {"me": uow.actor.user_id, "departments": list(uow.actor.departments)}
    claims = holding = None
    if pooled.settings is not None:
        claims = get_setting(uow, pooled.settings, "daily_claims")
        holding = get_setting(uow, pooled.settings, "holding_limit")
    return {
        row.id: ClaimRules(
            row.name,
            row.daily_claims or claims,
            row.holding_limit or holding,
            row.department_limit,
            timedelta(days=row.cool_down_days or 0),
            timedelta(hours=row.wait_hours or 0),
        )
        for row in uow.execute(statement, given)
    }


def _pools_statement(uow: UnitOfWork, pooled: Pooled) -> Select[Any]:
    pool = pooled.pool_table(uow)
    me: ColumnElement[Any] = bindparam("me")
    members, departments, administrators = (
        pooled.links(uow, name) for name in ("members", "departments", "administrators")
    )
    tree = uow.snapshot.installed_entities["department"].table
    above, mine = tree.alias(), tree.alias()
    through_department = (
        select(departments.c.source_id)
        .join(above, above.c.id == departments.c.target_id)
        .join(mine, mine.c.path.like(above.c.path.concat("%")))
        .where(
            departments.c.source_id == pool.c.id,
            mine.c.id.in_(bindparam("departments", expanding=True)),
        )
    )
    is_open = and_(
        ~exists().where(members.c.source_id == pool.c.id),
        ~exists().where(departments.c.source_id == pool.c.id),
    )
    return (
        select(
            *(pool.c.id, pool.c.name, pool.c.daily_claims, pool.c.holding_limit),
            *(pool.c.department_limit, pool.c.cool_down_days, pool.c.wait_hours),
        )
        .where(
            pool.c.is_active,
            pool.c.archived_at.is_(None),
            or_(
                exists().where(members.c.source_id == pool.c.id, members.c.target_id == me),
                exists().where(
                    administrators.c.source_id == pool.c.id, administrators.c.target_id == me
                ),
                through_department.exists(),
                is_open,
            ),
        )
        .order_by(pool.c.id)
    )


def in_my_pools(pooled: Pooled, uow: UnitOfWork, table: FromClause) -> ColumnElement[bool]:
    """Records that nobody owns, in pools that the actor belongs to."""
    mine = list(pools_of(uow, pooled))
    # Without pools the condition vanishes, and the index of the owner's records serves alone.
    return and_(table.c.owner_id.is_(None), table.c.pool_id.in_(mine)) if mine else false()


def claimable(pooled: Pooled, uow: UnitOfWork, table: FromClause) -> ColumnElement[bool]:
    """Open records of the actor's pools, owned ones too: who comes second is told who was first."""
    mine = list(pools_of(uow, pooled))
    return and_(table.c.pool_id.in_(mine), pooled.while_open(uow, table))


def in_administered_pools(
    pooled: Pooled, uow: UnitOfWork, table: FromClause
) -> ColumnElement[bool]:
    """Records that nobody owns, in pools that the actor administers."""
    return and_(table.c.owner_id.is_(None), table.c.pool_id.in_(administered_by_me(uow, pooled)))


def administered(pooled: Pooled, uow: UnitOfWork, table: FromClause) -> ColumnElement[bool]:
    """Pools that the actor administers."""
    return table.c.id.in_(administered_by_me(uow, pooled))


def administered_by_me(uow: UnitOfWork, pooled: Pooled) -> Select[Any]:
    """The keys of the pools that the actor administers."""
    links = pooled.links(uow, "administrators")
    return select(links.c.source_id).where(links.c.target_id == uow.actor.user_id)


def pool_scope(pooled: Pooled) -> ScopeSpec:
    """The scope ``pool`` of the records."""
    return ScopeSpec("pool", _l("in own pools, without owner"), partial(in_my_pools, pooled))


def administered_scope(pooled: Pooled) -> ScopeSpec:
    """The scope ``administered`` of the pools."""
    return ScopeSpec("administered", _l("administered by oneself"), partial(administered, pooled))


def default_pool(uow: UnitOfWork, pooled: Pooled) -> int | None:
    """Where a record goes that nobody owns and that names no pool: the actor's first, else the first."""
    if uow.actor.user_id is not None and (mine := pools_of(uow, pooled)):
        return next(iter(mine))
    key = ("default pool", pooled.pools)
    if key not in uow.memo:
        pool = pooled.pool_table(uow)
        uow.memo[key] = uow.execute(
            select(func.min(pool.c.id)).where(pool.c.is_active, pool.c.archived_at.is_(None))
        ).scalar()
    found: int | None = uow.memo[key]
    return found
