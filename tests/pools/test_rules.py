"""The rules of pools by themselves: values in, reasons out."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from core.pools.rules import (
    ClaimRules,
    Holdings,
    Limit,
    Past,
    goes_back,
    untouched_since,
    why_too_early,
    why_too_many,
)

SHANGHAI = ZoneInfo("Asia/Shanghai")
NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)
RULES = ClaimRules("华东公海", 5, 8, 20, timedelta(days=30), timedelta(hours=4))
IDLE = Limit("idle", 3, "%(since)s %(n)s")
UNCONVERTED = Limit("unconverted", 10, "%(since)s %(n)s")


@pytest.mark.parametrize(
    ("now", "wanted", "told"),
    [
        (Holdings(4, 0, 0), 1, None),
        (Holdings(4, 0, 0), 2, "5"),
        (Holdings(0, 7, 19), 1, None),
        (Holdings(0, 7, 0), 2, "8"),
        (Holdings(0, 0, 19), 2, "20"),
    ],
)
def test_limits_bind_at_their_number(now, wanted, told):
    why = why_too_many(RULES, now, wanted)
    assert (why is None) if told is None else (told in why)


def test_without_a_limit_of_departments_none_binds():
    assert why_too_many(ClaimRules("p", 5, 8), Holdings(0, 0, 10**6), 1) is None


@pytest.mark.parametrize(
    ("entered", "left", "is_early"),
    [
        (timedelta(hours=3, minutes=59), None, True),
        (timedelta(hours=4), None, False),
        (None, timedelta(days=29, hours=23), True),
        (None, timedelta(days=30), False),
        (None, None, False),
    ],
)
def test_new_records_and_former_owners_wait(entered, left, is_early):
    past = Past(*(None if ago is None else NOW - ago for ago in (entered, left)))
    assert (why_too_early(RULES, past, NOW, SHANGHAI) is not None) is is_early
    assert why_too_early(ClaimRules("p", 5, 8), past, NOW, SHANGHAI) is None


def test_the_first_limit_that_is_over_sends_back():
    since = {"idle": date(2026, 3, 8), "unconverted": date(2026, 3, 1)}
    found = goes_back((IDLE, UNCONVERTED), since)
    assert (found.on, found.limit, found.since) == (date(2026, 3, 11), IDLE, date(2026, 3, 8))
    later = goes_back((IDLE, UNCONVERTED), {**since, "idle": date(2026, 3, 9)})
    assert (later.on, later.limit) == (date(2026, 3, 11), UNCONVERTED)
    assert goes_back((), since) is None
    assert goes_back((IDLE,), {}) is None


@pytest.mark.parametrize("days", [1, 3, 10])
def test_the_day_of_the_condition_is_that_of_the_rule(days):
    """What SQL looks for is what `goes_back` says, on either side of midnight."""
    limit = Limit("idle", days, "")
    day = date(2026, 3, 11)
    for ago in range(days + 3):
        touched = day - timedelta(days=ago)
        goes = goes_back((limit,), {"idle": touched}).on <= day
        assert goes is (touched < untouched_since(day, days)), ago
