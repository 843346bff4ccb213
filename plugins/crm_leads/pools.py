"""Pools: who belongs to them, which one is the default, what may be claimed, and what is seen before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, time, timedelta
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
from plugins.crm_leads.pool_rules import ClaimRules, Holdings, Past, why_too_early, why_too_many

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = [
    "administered",
    "check_limits",
    "claimable",
    "default_pool",
    "in_administered_pools",
    "in_my_pools",
    "lock_claimant",
    "pools_of",
    "veiled",
    "why_not_yet",
]

_AT_ONCE = 900


def pools_of(uow: UnitOfWork) -> Mapping[int, ClaimRules]:
    """The active pools that the actor belongs to, by id: as a member, an administrator, through a
    department at or below a member department, or because the pool is open to everybody."""
    # The limits of some come from the settings, which the structure's epoch stands for.
    key = ("pools of", uow.actor.user_id, uow.snapshot.structure)
    kept = uow.access.memo if uow.sees_what_holds else uow.memo
    if key not in kept:
        kept[key] = _read_pools(uow)
    found: Mapping[int, ClaimRules] = kept[key]
    return found


def _read_pools(uow: UnitOfWork) -> dict[int, ClaimRules]:
    statement = uow.snapshot.memo.get("pools of")
    if statement is None:  # asked by every list of leads: putting it together takes longer
        statement = uow.snapshot.memo["pools of"] = _pools_statement(uow)
    given = {"me": uow.actor.user_id, "departments": list(uow.actor.departments)}
    claims = get_setting(uow, "crm_leads", "daily_claims")
    holding = get_setting(uow, "crm_leads", "holding_limit")
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
    return table.c.id.in_(_administered(uow))


def in_administered_pools(uow: UnitOfWork, table: FromClause) -> ColumnElement[bool]:
    """Leads that nobody owns, in pools that the actor administers."""
    return and_(table.c.owner_id.is_(None), table.c.pool_id.in_(_administered(uow)))


def _administered(uow: UnitOfWork) -> Select[Any]:
    links = metadata.tables["crm_leads_lead_pool__administrators"]
    return select(links.c.source_id).where(links.c.target_id == uow.actor.user_id)


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


# Before claiming


def veiled(uow: UnitOfWork, table: FromClause) -> Mapping[str, ColumnElement[bool]]:
    """The fields that the actor sees masked as long as nobody owns the lead: what its pool says.

    Not for who administers the pool, nor for who may change leads in pools.
    """
    access = uow.actor.access(uow.entity("lead"))
    if access.is_unlimited("update") or "pool" in access.scopes.get("update", ()):
        return {}
    return {
        name: and_(table.c.owner_id.is_(None), table.c.pool_id.in_(pools))
        for name, pools in _veiling(uow).items()
    }


def _veiling(uow: UnitOfWork) -> Mapping[str, Sequence[int]]:
    """By field the pools, not administered by the actor, that mask it."""
    key = ("veiling pools", uow.actor.user_id)
    kept = uow.access.memo if uow.sees_what_holds else uow.memo
    if key not in kept:
        pool = uow.snapshot.installed_entities["lead_pool"].table
        asked = select(pool.c.id, pool.c.veiled).where(
            pool.c.veiled.is_not(None), pool.c.id.not_in(_administered(uow))
        )
        found: dict[str, list[int]] = {}
        for row in uow.execute(asked):
            for name in row.veiled or ():
                found.setdefault(name, []).append(row.id)
        kept[key] = found
    pools: Mapping[str, Sequence[int]] = kept[key]
    return pools


# Claiming


def lock_claimant(uow: UnitOfWork, leads: Sequence[Mapping[str, Any]]) -> None:
    """Let one claim of a person wait for another, and of a department where that has a limit, so that
    the limits below are counted in peace.

    SQLite needs no row lock: its writing transactions follow one another anyway.
    """
    mine = pools_of(uow)
    locked = [("user", [uow.actor.user_id])]
    if any(mine[lead["pool"]].department_limit is not None for lead in leads):
        locked.insert(0, ("department", sorted(uow.actor.departments)))
    for entity, ids in locked:
        table = uow.snapshot.installed_entities[entity].table
        rows = select(table.c.id).where(table.c.id.in_(ids)).order_by(table.c.id)
        uow.execute(rows.with_for_update(key_share=True)).all()


def check_limits(uow: UnitOfWork, leads: Sequence[Mapping[str, Any]]) -> None:
    """Refuse a claim that comes too early, or passes a limit of the pool.

    The person must be locked, see `lock_claimant`.
    """
    too_early = why_not_yet(uow, leads)
    for lead in leads:
        if why := too_early.get(lead["id"]):
            raise Refused(
                _(
                    "%(company)s is not to be claimed yet: %(why)s.",
                    company=lead["company"],
                    why=why,
                )
            )
    mine = pools_of(uow)
    for pool_id, wanted in Counter(lead["pool"] for lead in leads).items():
        if why := why_too_many(mine[pool_id], _holdings(uow, pool_id), wanted):
            raise Refused(why)


def why_not_yet(uow: UnitOfWork, leads: Sequence[Mapping[str, Any]]) -> dict[int, str]:
    """Of leads in pools of the actor, those that it is too early to claim, with the reason."""
    mine, now = pools_of(uow), uow.now()
    asked = [
        lead
        for lead in leads
        if lead["pool"] in mine and (mine[lead["pool"]].cool_down or mine[lead["pool"]].wait)
    ]
    if not asked:
        return {}
    held, left = _held_before(uow, [lead["id"] for lead in asked])
    found = {}
    for lead in asked:
        entered = None if lead["id"] in held else lead["created_at"]
        past = Past(entered, left.get(lead["id"]))
        if why := why_too_early(mine[lead["pool"]], past, now, uow.clock.timezone):
            found[lead["id"]] = why
    return found


def _held_before(uow: UnitOfWork, ids: Sequence[int]) -> tuple[set[int], dict[int, datetime]]:
    """Which of the leads somebody has had, and when those that the actor had were lost last."""
    table = uow.snapshot.installed_entities["lead_transfer"].table
    held: set[int] = set()
    left: dict[int, datetime] = {}
    for start in range(0, len(ids), _AT_ONCE):
        rows = select(table.c.lead_id, table.c.from_owner_id, func.max(table.c.created_at)).where(
            table.c.lead_id.in_(ids[start : start + _AT_ONCE]), table.c.from_owner_id.is_not(None)
        )
        for lead, owner, at in uow.execute(rows.group_by(table.c.lead_id, table.c.from_owner_id)):
            held.add(lead)
            if owner == uow.actor.user_id:
                left[lead] = at
    return held, left


def _holdings(uow: UnitOfWork, pool_id: int) -> Holdings:
    department = 0
    if pools_of(uow)[pool_id].department_limit is not None:
        lead = uow.snapshot.installed_entities["lead"].table
        theirs = lead.c.department_id.in_(uow.actor.departments)
        department = _held(uow, pool_id, and_(theirs, lead.c.owner_id.is_not(None)))
    return Holdings(_claimed_today(uow, pool_id), _held(uow, pool_id), department)


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


def _held(uow: UnitOfWork, pool_id: int, whose: ColumnElement[bool] | None = None) -> int:
    table = uow.snapshot.installed_entities["lead"].table
    statement = select(func.count()).where(
        table.c.owner_id == uow.actor.user_id if whose is None else whose,
        table.c.pool_id == pool_id,
        table.c.status.in_(OPEN),
        table.c.archived_at.is_(None),
    )
    return int(uow.execute(statement).scalar_one())
