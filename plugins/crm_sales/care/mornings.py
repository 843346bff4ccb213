"""When a day begins."""

from __future__ import annotations

from datetime import UTC, datetime, time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["morning_of"]


def morning_of(uow: UnitOfWork) -> datetime:
    """When today began in the company's zone: days follow each other without a gap, whenever it runs."""
    return datetime.combine(uow.clock.today(), time(), uow.clock.timezone).astimezone(UTC)
