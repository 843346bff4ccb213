"""When a day begins, and jobs that tell once of what came to pass since the day up to which they told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING

from core.entities.sequences import remember, remembered

if TYPE_CHECKING:
    from core.work.jobs import JobContext
    from core.work.uow import UnitOfWork

__all__ = ["AT_ONCE", "Span", "morning_of", "tell_day_by_day"]

#: So many records are told of in one transaction.
AT_ONCE = 1_000


@dataclass(frozen=True)
class Span:
    """What is told of came to pass after the morning of ``since`` and by that of ``until``."""

    since: datetime
    until: datetime


def morning_of(uow: UnitOfWork, day: date | None = None) -> datetime:
    """When the day, or today, began in the company's zone: days follow each other without a gap."""
    day = day or uow.clock.today()
    return datetime.combine(day, time(), uow.clock.timezone).astimezone(UTC)


def tell_day_by_day(
    context: JobContext, name: str, tell: Callable[[UnitOfWork, Span, int], Sequence[int]]
) -> int:
    """Tell of everything since the last day that was told of; how many records that were.

    ``tell(uow, span, after)`` tells of the next `AT_ONCE` records with larger numbers than ``after``,
    and returns their numbers in order. How far it came is remembered with each portion: what is
    broken off goes on there, and a day without a run is made up for.
    """
    total = 0
    while True:
        with context.unit_of_work() as uow:
            today = uow.clock.today().toordinal()
            done = remembered(uow, f"{name}:day") or today - 1
            if done >= today:
                return total
            until, after = remembered(uow, f"{name}:until") or 0, 0
            if until > done:  # broken off
                after = remembered(uow, f"{name}:record") or 0
            else:
                until = today
            mornings = (morning_of(uow, date.fromordinal(day)) for day in (done, until))
            ids = tell(uow, Span(*mornings), after)
            if len(ids) < AT_ONCE:
                remember(uow, f"{name}:day", until)
            else:
                remember(uow, f"{name}:until", until)
                remember(uow, f"{name}:record", ids[-1])
            total += len(ids)
