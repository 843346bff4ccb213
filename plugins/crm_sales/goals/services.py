"""What follows from what is typed into a goal."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from core.entities.changes import Change

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["prepare"]


def prepare(changes: Sequence[Change], uow: UnitOfWork) -> None:
    """Without a baseline it begins with nothing."""
    if changes[0].entity.name != "goal":
        return
    for change in changes:
        if change.kind in ("create", "update") and change.after["baseline"] is None:
            change.set("baseline", Decimal(0))
