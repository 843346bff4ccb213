"""The days of a month and of a week as a calendar shows them. Pure: dates in, dates out."""

from __future__ import annotations

from datetime import date, timedelta

__all__ = ["add_months", "month_weeks", "week_of"]

_DAYS = 7


def week_of(day: date) -> tuple[date, ...]:
    """The seven days of the week that holds ``day``; weeks begin on Monday."""
    monday = day - timedelta(days=day.weekday())
    return tuple(monday + timedelta(days=number) for number in range(_DAYS))


def month_weeks(day: date) -> tuple[tuple[date, ...], ...]:
    """The weeks that show the month of ``day``, whole: the first and last may reach beyond it."""
    first = day.replace(day=1)
    after = add_months(first, 1)
    weeks, monday = [], week_of(first)[0]
    while monday < after:
        weeks.append(week_of(monday))
        monday += timedelta(days=_DAYS)
    return tuple(weeks)


def add_months(day: date, months: int) -> date:
    """So many months later, or earlier; the last day of a month that is too short for it."""
    index = day.year * 12 + day.month - 1 + months
    year, month = index // 12, index % 12 + 1
    return date(year, month, min(day.day, _length(year, month)))


def _length(year: int, month: int) -> int:
    following = date(year + month // 12, month % 12 + 1, 1)
    return (following - timedelta(days=1)).day
