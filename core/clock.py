"""The one clock: everything that asks for the time asks here, so that tests can move it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

__all__ = ["Clock", "move_shared_clock", "shared_clock"]


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


def shared_clock(timezone: ZoneInfo, file: Path) -> Clock:
    """A clock for tests whose offset lies in ``file``: moving it moves every running process."""
    return Clock(timezone=timezone, source=lambda: _system_time() + _kept_offset(file))


def move_shared_clock(file: Path, by: timedelta) -> timedelta:
    """Shift what `shared_clock` tells; the offset from real time reached."""
    offset = _kept_offset(file) + by
    new = file.with_suffix(".new")
    new.write_text(str(offset.total_seconds()))
    new.replace(file)  # so that nobody reads half of it
    return offset


def _kept_offset(file: Path) -> timedelta:
    try:
        return timedelta(seconds=float(file.read_text()))
    except FileNotFoundError:
        return timedelta()
