"""Days and moments: adding, counting, and the company's day of a moment."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Callable
from datetime import date, datetime, timedelta, tzinfo
from decimal import Decimal

__all__ = [
    "add_to_date",
    "add_workdays",
    "count_workdays",
    "days_between",
    "is_weekday",
    "local",
    "make_date",
]

_LAST_DAY = date.max.toordinal()
_MONTHS = 9999 * 12


def make_date(year: Decimal, month: Decimal, day: Decimal) -> date | None:
    """The day, or null when the calendar has no such day."""
    try:
        return date(int(year), int(month), int(day))
    except (ValueError, OverflowError):
        return None


def add_to_date(day: date, amount: Decimal, unit: str) -> date | None:
    """``day`` moved by whole ``day``, ``month`` or ``year`` units; null outside years 1 to 9999.

    A month that is too short gives its last day. Fractions of the amount are dropped.
    """
    count = int(amount)
    if unit == "day":
        ordinal = day.toordinal() + count
        return date.fromordinal(ordinal) if 0 < ordinal <= _LAST_DAY else None
    months = day.year * 12 + day.month - 13 + (count * 12 if unit == "year" else count)
    if not 0 <= months < _MONTHS:
        return None
    year, month = months // 12 + 1, months % 12 + 1
    return date(year, month, min(day.day, monthrange(year, month)[1]))


def days_between(end: date, start: date) -> Decimal:
    """Days from ``start`` to ``end``, negative when ``end`` comes first."""
    return Decimal(end.toordinal() - start.toordinal())


def count_workdays(start: date, end: date, is_workday: Callable[[date], bool] | None) -> Decimal:
    """Workdays from ``start`` to ``end``, both included; negative when ``end`` comes first."""
    works = is_workday or is_weekday
    first, last = min(start, end), max(start, end)
    days = range((last - first).days + 1)
    count = sum(1 for offset in days if works(first + timedelta(days=offset)))
    return Decimal(count if start <= end else -count)


def add_workdays(start: date, count: int, is_workday: Callable[[date], bool]) -> date | None:
    """The ``count``-th workday after ``start``, or before it when negative; null off the calendar.

    ``start`` itself is not counted, and is the answer for 0, as in spreadsheets.
    """
    ordinal, step, left = start.toordinal(), 1 if count > 0 else -1, abs(count)
    while left:
        ordinal += step
        if not 0 < ordinal <= _LAST_DAY:
            return None
        left -= is_workday(date.fromordinal(ordinal))
    return date.fromordinal(ordinal)


def is_weekday(day: date) -> bool:
    """True from Monday to Friday."""
    return day.weekday() < 5


def local(moment: datetime, zone: tzinfo) -> datetime | None:
    """``moment`` on the clocks of ``zone``; null at the two ends of the calendar."""
    try:
        return moment.astimezone(zone)
    except OverflowError:
        return None
