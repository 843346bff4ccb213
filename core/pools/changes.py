"""What pools make of changes, whoever makes them: for the hooks of a plugin, one function each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import Row, delete, func, select

from core.assigning.giving import is_by_rule
from core.entities import service
from core.entities.bulk_undo import is_taking_back, tell_beside
from core.entities.changes import Change
from core.errors import Problem
from core.fields import Choice
from core.i18n import gettext as _
from core.pools.claiming import counts_today
from core.pools.declaring import Pooled
from core.pools.members import default_pool

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["check_hands", "check_masks", "check_pools", "prepare", "record_transfers"]


def prepare(pooled: Pooled, changes: Sequence[Change], uow: UnitOfWork) -> None:
    """For ``before_changes``: who names a pool means the pool, and since when it is in whose hands."""
    if changes[0].entity.name != pooled.entity:
        return
    for change in changes:
        after = change.after
        if change.kind == "create" and after["pool"] is not None and "owner" not in change.given:
            change.set("owner", None)  # who names a pool means the pool, not the one who types
            change.set("department", None)
        if after["owner"] is None and change.changed("owner"):
            change.set("department", None)
        if pooled.takes_unowned and after["owner"] is None and after["pool"] is None:
            change.set("pool", default_pool(uow, pooled))
        if change.kind == "create":
            change.set("held_since", after["created_at"])
        elif _begins(change) and not change.changed("held_since"):  # the system may know better
            change.set("held_since", uow.now())
        because = pooled.assigned_because
        given = change.kind == "update" and change.changed("owner")
        if because is not None and given and not _by_rule(pooled, change, uow):
            change.set(because, None)


def _begins(change: Change) -> bool:
    """It came into other hands, or under the rules of a pool."""
    return _changes_hands(change) or (change.before.get("pool") is None and change.changed("pool"))


def _changes_hands(change: Change) -> bool:
    """Another owner, or another pool while there is none."""
    return change.changed("owner") or (change.after["owner"] is None and change.changed("pool"))


def _by_rule(pooled: Pooled, change: Change, uow: UnitOfWork) -> bool:
    because = pooled.assigned_because
    if because is None or not change.after[because]:
        return False
    return change.changed(because) or is_by_rule(uow)  # the same rule may give it once more


def record_transfers(pooled: Pooled, changes: Sequence[Change], uow: UnitOfWork) -> None:
    """For ``after_changes``: keep who had a record when; the claims of a day are counted from it.

    A change of hands that is taken back is kept no longer. The claim of what a pool masks counts for the day
    all the same, but no days are waited for: whose it was by mistake, it never was.
    """
    if changes[0].entity.name != pooled.entity or changes[0].kind != "update":
        return
    moved = [change for change in changes if _changes_hands(change)]
    seen: set[int] = set()
    if moved and is_taking_back(uow):
        forgotten, seen = _forget(pooled, moved, uow)
        moved = [change for change in moved if change.id not in forgotten]
    rows = [
        {
            pooled.entity: change.id,
            "kind": _kind(pooled, change, uow),
            "from_owner": None if change.id in seen else change.before["owner"],
            "to_owner": change.after["owner"],
            "pool": change.after["pool"],
            "reason": _reason(pooled, change, uow),
        }
        for change in moved
    ]
    if rows:
        service.create(uow, pooled.transfers, rows)


def _reason(pooled: Pooled, change: Change, uow: UnitOfWork) -> str | None:
    if is_taking_back(uow):
        return _("Taken back.")
    name = "release_reason" if _is_release(change) else pooled.assigned_because
    reason: str | None = change.after[name] if name is not None else None
    return reason


def _forget(
    pooled: Pooled, changes: Sequence[Change], uow: UnitOfWork
) -> tuple[set[int], set[int]]:
    """Drop the last change of hands of each record where that is taken back. The records of which it was
    dropped, and those of which it stays: who claimed what a pool masks has seen it."""
    transfers, pool = uow.snapshot.installed_entities[pooled.transfers], pooled.pool_table(uow)
    table, back = transfers.table, {change.id: change for change in changes}
    record = table.c[transfers.column(pooled.entity).name]
    last = select(func.max(table.c.id)).where(record.in_(list(back))).group_by(record)
    asked = (
        select(
            *(table.c.id, table.c.kind, table.c.from_owner_id, table.c.to_owner_id),
            *(table.c.pool_id, table.c.created_at, record.label("record"), pool.c.veiled),
        )
        .outerjoin(pool, pool.c.id == table.c.pool_id)
        .where(table.c.id.in_(last))
    )
    gone: dict[int, int] = {}
    seen: set[int] = set()
    for row in uow.execute(asked):
        before, after = back[row.record].before, back[row.record].after
        undone = (before["owner"], after["owner"]) == (row.to_owner_id, row.from_owner_id)
        if not undone or row.pool_id != before["pool"]:
            continue
        if row.kind == "claim" and row.veiled:
            seen.add(row.record)
            _tell_that_it_counts(pooled, uow, row)
        else:
            gone[row.id] = row.record
    uow.execute(delete(table).where(table.c.id.in_(list(gone))))
    return set(gone.values()), seen


def _tell_that_it_counts(pooled: Pooled, uow: UnitOfWork, claim: Row[Any]) -> None:
    """Whoever takes a claim back would wonder why it is one less that may be claimed today."""
    if (name := counts_today(uow, pooled, claim.pool_id, claim.created_at)) is not None:
        told = _(
            "The claim out of %(pool)s counts for today all the same, as what the pool masks was seen.",
            pool=name,
        )
        tell_beside(uow, claim.record, told)


def _is_release(change: Change) -> bool:
    return change.changed("owner") and change.after["owner"] is None


def _kind(pooled: Pooled, change: Change, uow: UnitOfWork) -> str:
    if not change.changed("owner"):
        return "move"
    if _is_release(change):
        return "release"
    if _by_rule(pooled, change, uow):
        return "assign"
    took = change.before["owner"] is None and change.after["owner"] == uow.actor.user_id
    return "claim" if took else "assign"


# What is refused


def check_hands(
    pooled: Pooled, changes: Sequence[Change], uow: UnitOfWork, *, always: bool = False
) -> Iterable[Problem]:
    """For ``validate_changes``: what belongs to a pool changes hands by verbs, or by hand for who may
    assign; with ``always`` what belongs to none, too. So do changes of the pool itself."""
    if changes[0].entity.name != pooled.entity or changes[0].kind != "update":
        return
    if uow.actor.is_system or uow.actor.access(changes[0].entity).may(pooled.assign):
        return
    message = _("Claim or release it, or ask who may assign it.")
    for change in changes:
        bound = always or change.before["pool"] is not None
        for name in ("owner", "department", "pool") if bound else ("pool",):
            if change.changed(name):
                yield change.problem(name, "readonly", message)


def check_masks(
    changes: Sequence[Change], uow: UnitOfWork, veilable: Sequence[Choice], prefix: str = ""
) -> Iterable[Problem]:
    """For ``validate_changes``: what was shown masked does not come back as a value."""
    if uow.actor.is_system:
        return
    names = [choice.value.removeprefix(prefix) for choice in veilable]
    for change in changes:
        if change.kind not in ("create", "update"):
            continue
        for name in names:
            value = change.after[name]
            if change.changed(name) and isinstance(value, str) and "****" in value:
                message = _("This is masked. Write it out, or leave it as it is.")
                yield change.problem(name, "masked", message)


def check_pools(pooled: Pooled, changes: Sequence[Change], uow: UnitOfWork) -> Iterable[Problem]:
    """For ``validate_changes``: a warning comes in time, and a pool that is deleted is empty."""
    if changes[0].entity.name != pooled.pools:
        return
    for change in changes:
        if change.kind in ("create", "update"):
            yield from _check_warning(pooled, change)
    leaving = [change.id for change in changes if change.kind == "delete"]
    if not leaving:
        return
    record = pooled.table(uow)
    living = select(record.c.id).where(
        record.c.pool_id.in_(leaving), record.c.owner_id.is_(None), record.c.archived_at.is_(None)
    )
    if uow.execute(living.limit(1)).first() is not None:
        message = _("There is something in this pool. Move it first.")
        yield changes[0].problem("name", "in_use", message)


def _check_warning(pooled: Pooled, change: Change) -> Iterable[Problem]:
    warn = change.after["warn_days"]
    limits = [change.after[limit.field] for limit in pooled.limits]
    allowed = min((days for days in limits if days is not None), default=None)
    if warn is None:
        return
    if allowed is None:
        message = _("There is nothing to warn of: say after how many days something goes back.")
        yield change.problem("warn_days", "needless", message)
    elif warn >= allowed:
        message = _("A warning comes before the %(n)s days are over.", n=allowed)
        yield change.problem("warn_days", "range", message)
