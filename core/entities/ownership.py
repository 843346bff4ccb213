"""Owners: who gets a new record, and the department that follows its owner."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from core.entities.changes import Change

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["default_owner", "follow_owner"]


def default_owner(
    uow: UnitOfWork, changes: Sequence[Change], given: Sequence[Mapping[str, Any]]
) -> None:
    """A new record is its maker's, unless an owner (or explicitly nobody) was given."""
    for change, item in zip(changes, given, strict=True):
        if "owner" not in item and not uow.actor.is_system:
            change.after["owner"] = uow.actor.user_id
    _set_departments(uow, changes, given)


def follow_owner(
    uow: UnitOfWork, changes: Sequence[Change], given: Mapping[int, Mapping[str, Any]]
) -> None:
    """When the owner changes and no department was given, the department becomes the new owner's."""
    moved = [change for change in changes if change.changed("owner")]
    _set_departments(uow, moved, [given[change.id] for change in moved if change.id is not None])


def _set_departments(
    uow: UnitOfWork, changes: Sequence[Change], given: Sequence[Mapping[str, Any]]
) -> None:
    homes = _departments(uow, {change.after.get("owner") for change in changes})
    for change, item in zip(changes, given, strict=True):
        owner = change.after.get("owner")
        if owner is not None and "department" not in item:
            change.after["department"] = homes.get(owner)


def _departments(uow: UnitOfWork, people: set[Any]) -> dict[int, int | None]:
    kept = uow.access.memo if uow.sees_what_holds else uow.memo
    known: dict[int, int | None] = kept.setdefault("departments of people", {})
    missing = sorted(people - known.keys() - {None})
    if missing:
        users = uow.snapshot.installed_entities["user"].table
        for start in range(0, len(missing), 900):
            rows = uow.execute(
                select(users.c.id, users.c.department_id).where(
                    users.c.id.in_(missing[start : start + 900])
                )
            )
            known.update({row.id: row.department_id for row in rows})
    return known
