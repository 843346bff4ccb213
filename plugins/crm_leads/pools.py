"""Pools: who belongs to them, which one is the default, and how much one person may claim."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time
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

from core.db.base import metadata
from core.errors import Refused
from core.i18n import gettext as _
from core.settings.service import get_setting
from plugins.crm_leads.models import OPEN

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = [
    "administered",
    "check_limits",
    "claimable",
    "default_pool",
    "in_my_pools",
    "lock_person",
    "pools_of",
]


@dataclass(frozen=True)
class Pool:
    """One active pool, as far as claiming goes."""

    id: int
    name: str
    daily_claims: int
    holding_limit: int


def pools_of(uow: UnitOfWork) -> Mapping[int, Pool]:
    """The active pools that the actor belongs to, by id: as a member, an administrator, through a
    department at or below a member department, or because the pool is open to everybody."""
    # The limits of some come from the settings, which the structure's epoch stands for.
    key = ("pools of", uow.actor.user_id, uow.snapshot.structure)
    kept = uow.access.memo if uow.sees_what_holds else uow.memo
    if key not in kept:
        kept[key] = _read_pools(uow)
    found: Mapping[int, Pool] = kept[key]
    return found


def _read_pools(uow: UnitOfWork) -> dict[int, Pool]:
    statement = uow.snapshot.memo.get("pools of")
    if statement is None:  # asked by every list of leads: putting it together takes longer
        statement = uow.snapshot.memo["pools of"] = _pools_statement(uow)
    given = {"me": uow.actor.user_id, "departments": list(uow.actor.departments)}
    claims = get_setting(uow, "crm_leads", "daily_claims")
    holding = get_setting(uow, "crm_leads", "holding_limit")
    return {
        row.id: Pool(row.id, row.name, row.daily_claims or claims, row.holding_limit or holding)
        for row in uow.execute(statement, given)
    }


def _pools_statement(uow: UnitOfWork) -> Select[Any]:
    pool, me = uow.snapshot.installed_entities["lead_pool"].table, bindparam("me")
    members, departments, administrators = (
        metadata.tables[f"{pool.name}__{name}"]
        for name in ("members", "departments", "administrators")
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
        select(pool.c.id, pool.c.name, pool.c.daily_claims, pool.c.holding_limit)
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


def in_my_pools(uow: UnitOfWork, table: FromClause) -> ColumnElement[bool]:
    """Leads that nobody owns, in pools that the actor belongs to."""
    mine = list(pools_of(uow))
    # Without pools the condition vanishes, and the index of the owner's leads serves alone.
    return and_(table.c.owner_id.is_(None), table.c.pool_id.in_(mine)) if mine else false()


def claimable(uow: UnitOfWork, table: FromClause) -> ColumnElement[bool]:
    """Open leads of the actor's pools, owned ones too: who comes second is told who was first."""
    return and_(table.c.pool_id.in_(list(pools_of(uow))), table.c.status.in_(OPEN))


def administered(uow: UnitOfWork, table: FromClause) -> ColumnElement[bool]:
    """Pools that the actor administers."""
    links = metadata.tables["crm_leads_lead_pool__administrators"]
    mine = select(links.c.source_id).where(links.c.target_id == uow.actor.user_id)
    return table.c.id.in_(mine)


def default_pool(uow: UnitOfWork) -> int | None:
    """Where a lead goes that nobody owns and that names no pool: the actor's first, else the first."""
    if uow.actor.user_id is not None and (mine := pools_of(uow)):
        return next(iter(mine))
    if "default pool" not in uow.memo:
        pool = uow.snapshot.installed_entities["lead_pool"].table
        uow.memo["default pool"] = uow.execute(
            select(func.min(pool.c.id)).where(pool.c.is_active, pool.c.archived_at.is_(None))
        ).scalar()
    found: int | None = uow.memo["default pool"]
    return found


def lock_person(uow: UnitOfWork, user_id: int) -> None:
    """Let one claim of a person wait for another, so that the limits below are counted in peace.

    SQLite needs no row lock: its writing transactions follow one another anyway.
    """
    user = uow.snapshot.installed_entities["user"].table
    lock = select(user.c.id).where(user.c.id == user_id).with_for_update(key_share=True)
    uow.execute(lock).one()


def check_limits(uow: UnitOfWork, leads: Sequence[Mapping[str, Any]]) -> None:
    """Refuse a claim that passes the pool's limit for a day or for leads in hand.

    The person must be locked, see `lock_person`.
    """
    mine = pools_of(uow)
    for pool_id, wanted in Counter(lead["pool"] for lead in leads).items():
        pool = mine[pool_id]
        today, held = _claimed_today(uow, pool_id), _held(uow, pool_id)
        if today + wanted > pool.daily_claims:
            message = _(
                "From %(pool)s you may claim %(limit)s leads a day; you have claimed %(n)s today.",
                pool=pool.name,
                limit=pool.daily_claims,
                n=today,
            )
            raise Refused(message)
        if held + wanted > pool.holding_limit:
            message = _(
                "You may hold %(limit)s open leads of %(pool)s; you hold %(n)s.",
                pool=pool.name,
                limit=pool.holding_limit,
                n=held,
            )
            raise Refused(message)


def _claimed_today(uow: UnitOfWork, pool_id: int) -> int:
    table = uow.snapshot.installed_entities["lead_transfer"].table
    midnight = datetime.combine(uow.clock.today(), time(), uow.clock.timezone).astimezone(UTC)
    statement = select(func.count()).where(
        table.c.to_owner_id == uow.actor.user_id,
        table.c.created_at >= midnight,
        table.c.kind == "claim",
        table.c.pool_id == pool_id,
    )
    return int(uow.execute(statement).scalar_one())


def _held(uow: UnitOfWork, pool_id: int) -> int:
    table = uow.snapshot.installed_entities["lead"].table
    statement = select(func.count()).where(
        table.c.owner_id == uow.actor.user_id,
        table.c.pool_id == pool_id,
        table.c.status.in_(OPEN),
        table.c.archived_at.is_(None),
    )
    return int(uow.execute(statement).scalar_one())
