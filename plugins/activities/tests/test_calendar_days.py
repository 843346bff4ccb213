"""The days of months and weeks, and when what repeats is due again."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from core.entities.periods import month_weeks
from plugins.activities.recurring import next_due
from plugins.activities.weeks import add_months, week_of

CHINA = ZoneInfo("Asia/Shanghai")
BERLIN = ZoneInfo("Europe/Berlin")


def test_every_month_is_shown_in_whole_weeks_without_gap():
    day = date(2023, 1, 15)
    while day.year < 2031:
        weeks = month_weeks(day)
        days = [each for week in weeks for each in week]
        assert all(len(week) == 7 and week[0].weekday() == 0 for week in weeks)
        assert days == [days[0] + timedelta(days=n) for n in range(len(days))]
        inside = [each for each in days if each.month == day.month]
        assert inside[0].day == 1
        assert (inside[-1] + timedelta(days=1)).day == 1
        assert weeks[0][-1] >= inside[0]
        assert weeks[-1][0] <= inside[-1]
        day = add_months(day, 1)


def test_a_week_holds_its_day():
    assert week_of(date(2026, 11, 30))[0] == date(2026, 11, 30)
    assert week_of(date(2026, 12, 6))[0] == date(2026, 11, 30)


@pytest.mark.parametrize(
    ("day", "months", "expected"),
    [
        (date(2026, 1, 31), 1, date(2026, 2, 28)),
        (date(2024, 1, 31), 1, date(2024, 2, 29)),
        (date(2026, 1, 31), 3, date(2026, 4, 30)),
        (date(2026, 11, 30), 2, date(2027, 1, 30)),
        (date(2024, 2, 29), 12, date(2025, 2, 28)),
        (date(2026, 3, 31), -1, date(2026, 2, 28)),
    ],
)
def test_months_end_where_they_end(day, months, expected):
    assert add_months(day, months) == expected


def at(*parts, zone=CHINA):
    return datetime(*parts, tzinfo=zone).astimezone(UTC)


@pytest.mark.parametrize(
    ("first", "rule", "every", "after", "expected"),
    [
        (at(2026, 1, 5, 9), "daily", 1, at(2026, 1, 5, 9), at(2026, 1, 6, 9)),
        (at(2026, 1, 5, 9), "daily", 3, at(2026, 1, 6, 9), at(2026, 1, 8, 9)),
        (at(2026, 1, 5, 9), "daily", 1, at(2026, 1, 9, 8), at(2026, 1, 9, 9)),
        (at(2026, 1, 5, 9), "daily", 1, at(2026, 1, 9, 10), at(2026, 1, 10, 9)),
        (at(2026, 1, 5, 9), "weekly", 2, at(2026, 1, 5, 9), at(2026, 1, 19, 9)),
        (at(2026, 1, 31, 9), "monthly", 1, at(2026, 1, 31, 9), at(2026, 2, 28, 9)),
        (at(2026, 1, 31, 9), "monthly", 1, at(2026, 2, 28, 9), at(2026, 3, 31, 9)),
        (at(2026, 1, 31, 9), "monthly", 1, at(2026, 3, 31, 9), at(2026, 4, 30, 9)),
        (at(2026, 1, 31, 9), "monthly", 3, at(2026, 2, 1, 9), at(2026, 4, 30, 9)),
        (at(2024, 2, 29, 9), "yearly", 1, at(2024, 2, 29, 9), at(2025, 2, 28, 9)),
        (at(2024, 2, 29, 9), "yearly", 1, at(2027, 6, 1, 9), at(2028, 2, 29, 9)),
    ],
)
def test_what_repeats_is_due_again(first, rule, every, after, expected):
    assert next_due(first, rule, every, after, CHINA) == expected


def test_a_series_keeps_its_hour_when_clocks_change():
    first = at(2026, 3, 22, 9, zone=BERLIN)
    following = next_due(first, "weekly", 1, first, BERLIN)
    assert following == at(2026, 3, 29, 9, zone=BERLIN)
    assert following - first == timedelta(days=7, hours=-1)


@pytest.mark.parametrize("rule", ["daily", "weekly", "monthly", "yearly"])
def test_the_next_is_the_first_behind_and_belongs_to_the_series(rule):
    """Held against counting step by step."""
    first = at(2024, 1, 31, 23, 30)
    for every in (1, 2, 5):
        after = first
        for _turn in range(12):
            found = next_due(first, rule, every, after, CHINA)
            assert found > after
            assert next_due(first, rule, every, found - timedelta(seconds=1), CHINA) == found
            after = found
    assert next_due(first, rule, 99, at(9989, 1, 1), CHINA) is None or rule in ("daily", "weekly")
