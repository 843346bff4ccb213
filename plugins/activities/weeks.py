"""The days of a week, and so many months later. Pure: dates in, dates out."""

from __future__ import annotations

from datetime import date, timedelta

__all__ = ["add_months", "week_of"]

_DAYS = 7


def week_of(day: date) -> tuple[date, ...]:
    """The seven days of the week that holds ``day``; weeks begin on Monday."""
    monday = day - timedelta(days=day.weekday())
    return tuple(monday + timedelta(days=number) for number in range(_DAYS))


def add_months(day: date, months: int) -> date:
    """So many months later, or earlier; the last day of a month that is too short for it."""
    index = day.year * 12 + day.month - 1 + months
    year, month = index // 12, index % 12 + 1
    return date(year, month, min(day.day, _length(year, month)))


def _length(year: int, month: int) -> int:
    following = date(year + month // 12, month % 12 + 1, 1)
    return (following - timedelta(days=1)).day
