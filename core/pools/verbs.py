"""The verbs on pooled records: claim, release, move, assign. All take many at once, do all or none, and can be
taken back by whoever used them.

The service has checked the right, and has locked the rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from core.entities import service
from core.entities.labels import resolve_labels
from core.errors import Invalid, Problem, Refused
from core.fields import ActionSpec, FieldSpec, Given, Reference, Text
from core.i18n import gettext as _
from core.i18n import lazy_gettext as _l
from core.pools.claiming import check_limits, lock_claimant
from core.pools.declaring import Pooled, Row
from core.pools.members import claimable, default_pool, in_administered_pools, pools_of

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = [
    "assign_verb",
    "claim_verb",
    "move_verb",
    "release_verb",
    "require_unowned",
    "why_not_claim",
]

_IN_POOL = ({"field": "owner", "op": "is_empty"}, {"field": "pool", "op": "is_set"})


def claim_verb(pooled: Pooled) -> ActionSpec:
    """``claim``: the actor becomes the owner of records that lie in pools of theirs."""
    return ActionSpec(
        "claim",
        _l("Claim"),
        partial(_claim, pooled),
        when={"all": [*_IN_POOL, *pooled.open_filter()]},
        why_not=partial(why_not_claim, pooled),
        tone="good",
        scope=partial(claimable, pooled),
        undoable=True,
    )


def release_verb(pooled: Pooled) -> ActionSpec:
    """``release(reason, pool)``: records go into the pool given, else the one they came from."""
    return ActionSpec(
        "release",
        _l("Release to pool"),
        partial(_release, pooled),
        params=(
            FieldSpec("reason", Text(300), _l("Reason"), required=True),
            FieldSpec(
                "pool",
                Reference(pooled.pools),
                _l("Pool"),
                help=_l("Empty: the one that it came from."),
            ),
        ),
        when={"all": [{"field": "owner", "op": "is_set"}, *pooled.open_filter()]},
        why_not=partial(_why_not_release, pooled),
        tone="warn",
        undoable=True,
    )


def move_verb(pooled: Pooled) -> ActionSpec:
    """``move(pool)``, or as the declaration names it: from one pool into another."""
    return ActionSpec(
        pooled.move,
        _l("Move to pool"),
        partial(_move, pooled),
        params=(FieldSpec("pool", Reference(pooled.pools), _l("Pool"), required=True),),
        when={"field": "owner", "op": "is_empty"},
        why_not=partial(require_unowned, pooled),
        scope=partial(in_administered_pools, pooled),
        sets={"pool": Given("pool")},
        undoable=True,
    )


def assign_verb(pooled: Pooled) -> ActionSpec:
    """``assign(owner)``. The limits of pools bind who claims, not who assigns."""
    return ActionSpec(
        pooled.assign,
        _l("Assign"),
        partial(_assign, pooled),
        params=(FieldSpec("owner", Reference("user"), _l("New owner"), required=True),),
        when={"all": pooled.open_filter()} if pooled.open else None,
        why_not=pooled.require_open if pooled.open else None,
        undoable=True,
    )


def _claim(pooled: Pooled, uow: UnitOfWork, rows: Sequence[Row], params: Row) -> dict[str, Any]:
    """All or none: `Refused` names who was first, or the limit that would be passed."""
    me = uow.actor.user_id
    if me is None:
        raise Refused(_("Only a person claims something."))
    why_not_claim(pooled, uow, rows)
    mine = pools_of(uow, pooled)
    for row in rows:
        if row["pool"] not in mine:
            raise Refused(_("%(name)s lies in no pool of yours.", name=pooled.label(uow, row)))
    lock_claimant(uow, pooled, rows)
    check_limits(uow, pooled, rows)
    values = {row["id"]: {"owner": me, **pooled.taken(uow, row)} for row in rows}
    ids = tuple(service.update(uow, pooled.entity, values))
    pooled.along(uow, rows)
    if pooled.claimed is not None:
        uow.publish(pooled.claimed(ids, me))
    return {"claimed": list(ids)}


def _release(pooled: Pooled, uow: UnitOfWork, rows: Sequence[Row], params: Row) -> dict[str, Any]:
    _why_not_release(pooled, uow, rows)
    pooled.require_free(uow, rows)
    pool, reason = params.get("pool"), params["reason"]
    if pool is not None:
        _require_active_pool(uow, pooled, pool)
    values = {
        row["id"]: {
            "owner": None,
            "department": None,
            "pool": pool or row["pool"] or _some_pool(uow, pooled),
            "release_reason": reason,
            **pooled.returned,
        }
        for row in rows
    }
    ids = tuple(service.update(uow, pooled.entity, values))
    if pooled.released is not None:
        uow.publish(pooled.released(ids, reason))
    return {"released": list(ids)}


def _move(pooled: Pooled, uow: UnitOfWork, rows: Sequence[Row], params: Row) -> dict[str, Any]:
    pool = params["pool"]
    require_unowned(pooled, uow, rows)
    _require_active_pool(uow, pooled, pool)
    ids = [row["id"] for row in rows if row["pool"] != pool]
    if ids:
        service.update(uow, pooled.entity, {key: {"pool": pool} for key in ids})
    return {"moved": ids}


def _assign(pooled: Pooled, uow: UnitOfWork, rows: Sequence[Row], params: Row) -> dict[str, Any]:
    owner = params["owner"]
    _require_active(uow, owner)
    values = {
        row["id"]: {"owner": owner, **pooled.taken(uow, row)}
        for row in rows
        if row["owner"] != owner
    }
    ids = tuple(service.update(uow, pooled.entity, values)) if values else ()
    if ids and pooled.assigned is not None:
        uow.publish(pooled.assigned(ids, owner))
    return {"assigned": list(ids)}


def why_not_claim(pooled: Pooled, uow: UnitOfWork, rows: Sequence[Row]) -> None:
    """Raise `Refused` for rows that are not worked on, that somebody owns, or that lie in no pool."""
    pooled.require_open(uow, rows)
    require_unowned(pooled, uow, rows)
    for row in rows:
        if row["pool"] is None:
            raise Refused(_("%(name)s lies in no pool.", name=pooled.label(uow, row)))


def _why_not_release(pooled: Pooled, uow: UnitOfWork, rows: Sequence[Row]) -> None:
    pooled.require_open(uow, rows)
    for row in rows:
        if row["owner"] is None:
            name = pooled.label(uow, row)
            raise Refused(
                _("%(name)s lies in a pool already.", name=name)
                if row["pool"] is not None
                else _("%(name)s belongs to nobody already.", name=name)
            )


def require_unowned(pooled: Pooled, uow: UnitOfWork, rows: Sequence[Row]) -> None:
    """Raise `Refused` for rows that somebody owns, by name."""
    owned = next((row for row in rows if row["owner"] is not None), None)
    if owned is None:
        return
    record = pooled.label(uow, owned)
    if owned["owner"] == uow.actor.user_id:
        raise Refused(_("%(name)s is yours already.", name=record))
    names = resolve_labels(uow, {"user": {owned["owner"]}})
    name = names.get("user", {}).get(owned["owner"], "")
    raise Refused(_("%(name)s has claimed %(record)s already.", name=name, record=record))


def _require_active(uow: UnitOfWork, user_id: int) -> None:
    """Raise `Invalid` at ``owner`` for somebody who has left."""
    user = uow.snapshot.installed_entities["user"].table
    is_active = select(user.c.is_active).where(user.c.id == user_id)
    if not uow.execute(is_active).scalar_one():
        message = _("This person is no longer active.")
        raise Invalid(message, [Problem("owner", "inactive", message)])


def _require_active_pool(uow: UnitOfWork, pooled: Pooled, pool_id: int) -> None:
    pool = pooled.pool_table(uow)
    if not uow.execute(select(pool.c.is_active).where(pool.c.id == pool_id)).scalar_one():
        message = _("This pool is no longer active.")
        raise Invalid(message, [Problem("pool", "inactive", message)])


def _some_pool(uow: UnitOfWork, pooled: Pooled) -> int:
    found = default_pool(uow, pooled)
    if found is None:
        raise Refused(_("There is no active pool."))
    return found
