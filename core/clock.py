"""The one clock: everything that asks for the time asks here, so that tests can move it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

__all__ = ["Clock"]


def _system_time() -> datetime:
    return datetime.now(UTC)


@dataclass(slots=True)
class Clock:
    """Tells the time in UTC and the day in the company's zone."""

    timezone: ZoneInfo = ZoneInfo("Asia/Shanghai")
    offset: timedelta = timedelta()
    source: Callable[[], datetime] = field(default=_system_time)

    def now(self) -> datetime:
        """The present moment, aware, in UTC."""
        return self.source() + self.offset

    def today(self) -> date:
        """The present day in the company's zone."""
        return self.now().astimezone(self.timezone).date()

    def move(self, by: timedelta) -> None:
        """Shift this clock; only tests and ``dougong dev clock`` call it."""
        self.offset += by
