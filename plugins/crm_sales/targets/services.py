"""What follows from what is typed into a target."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from core.entities.changes import Change
from plugins.crm_sales.targets.periods import period_of

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["prepare"]


def prepare(changes: Sequence[Change], uow: UnitOfWork) -> None:
    """The first day of the period, and what the period is called."""
    if changes[0].entity.name != "sales_target":
        return
    for change in changes:
        if change.kind in ("create", "update"):
            period = period_of(change.after["period_kind"], change.after["starts_on"])
            change.set("starts_on", period.first)
            change.set("name", period.key)
