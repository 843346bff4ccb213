"""Named periods such as ``this_month``, as half-open spans of days or moments."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

__all__ = ["NAMED_PERIODS", "day_start", "is_period", "moments", "month_weeks", "span"]

NAMED_PERIODS = (
    "today", "yesterday", "tomorrow",
    "this_week", "last_week", "next_week",
    "this_month", "last_month", "next_month",
    "this_quarter", "last_quarter", "next_quarter",
    "this_year", "last_year", "next_year",
)  # fmt: skip
_COUNTED = re.compile(r"(last|next)_([1-9][0-9]{0,3})_days")


def is_period(name: object) -> bool:
    """True for a named period, including ``last_N_days`` and ``next_N_days`` with N up to 9999."""
    return isinstance(name, str) and (name in NAMED_PERIODS or bool(_COUNTED.fullmatch(name)))


def span(name: str, today: date) -> tuple[date, date]:
    """First day and the day after the last. Weeks begin on Monday.

    ``last_7_days`` are the seven days that end with today; ``next_7_days`` begin with tomorrow.
    """
    if match := _COUNTED.fullmatch(name):
        days = timedelta(days=int(match[2]))
        tomorrow = today + timedelta(days=1)
        return (tomorrow - days, tomorrow) if match[1] == "last" else (tomorrow, tomorrow + days)
    if name in ("today", "yesterday", "tomorrow"):
        start = today + timedelta(days={"today": 0, "yesterday": -1, "tomorrow": 1}[name])
        return start, start + timedelta(days=1)
    which, unit = name.split("_")
    step = {"last": -1, "this": 0, "next": 1}[which]
    if unit == "week":
        start = today - timedelta(days=today.weekday()) + timedelta(weeks=step)
        return start, start + timedelta(weeks=1)
    months = {"month": 1, "quarter": 3, "year": 12}[unit]
    index = today.year * 12 + today.month - 1
    first = index - index % months + step * months
    return _month(first), _month(first + months)


def _month(index: int) -> date:
    return date(index // 12, index % 12 + 1, 1)


def day_start(day: date, zone: ZoneInfo) -> datetime:
    """The moment at which a day begins in ``zone``, in UTC."""
    return datetime.combine(day, time(), zone).astimezone(UTC)


def moments(days: tuple[date, date], zone: ZoneInfo) -> tuple[datetime, datetime]:
    """A span of days as a span of moments."""
    return day_start(days[0], zone), day_start(days[1], zone)


def month_weeks(day: date) -> list[list[date]]:
    """The whole weeks, from Monday to Sunday, that hold the month of ``day``."""
    first = day.replace(day=1)
    start = first - timedelta(days=first.weekday())
    weeks = []
    while start < first or start.month == first.month:
        weeks.append([start + timedelta(days=step) for step in range(7)])
        start += timedelta(weeks=1)
    return weeks
