"""What a public pool asks of who claims from it, and when what was claimed goes back to it.

Values in, reasons out: nothing here knows an entity or a database. Days are those of the company's zone, moments are UTC.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from core.i18n import gettext as _
from core.i18n.formats import format_date, format_datetime, format_number

__all__ = [
    "ClaimRules",
    "Going",
    "Holdings",
    "Kept",
    "Limit",
    "Past",
    "goes_back",
    "untouched_since",
    "why_too_early",
    "why_too_many",
]


@dataclass(frozen=True)
class ClaimRules:
    """What one pool asks of who claims from it; None or nothing where it does not ask."""

    name: str
    daily_claims: int | None
    holding_limit: int | None
    department_limit: int | None = None
    #: So long the former owner may not claim it again.
    cool_down: timedelta = timedelta()
    #: So long a record that nobody has had yet stays unclaimed.
    wait: timedelta = timedelta()


@dataclass(frozen=True)
class Holdings:
    """What somebody has claimed from a pool today and holds of it, and what their department holds."""

    today: int
    held: int
    department: int


@dataclass(frozen=True)
class Past:
    """When a record came in, unless somebody has had it since, and when the claimant last lost it."""

    entered_at: datetime | None
    left_me_at: datetime | None


def why_too_many(rules: ClaimRules, now: Holdings, wanted: int) -> str | None:
    """Which limit ``wanted`` more records would pass; None when they may be claimed."""
    if rules.daily_claims is not None and now.today + wanted > rules.daily_claims:
        return _(
            "From %(pool)s you may claim %(limit)s a day; you have claimed %(n)s today.",
            pool=rules.name,
            limit=rules.daily_claims,
            n=now.today,
        )
    if rules.holding_limit is not None and now.held + wanted > rules.holding_limit:
        return _(
            "You may hold %(limit)s open ones of %(pool)s; you hold %(n)s.",
            pool=rules.name,
            limit=rules.holding_limit,
            n=now.held,
        )
    if rules.department_limit is not None and now.department + wanted > rules.department_limit:
        return _(
            "Your department may hold %(limit)s open ones of %(pool)s; it holds %(n)s.",
            pool=rules.name,
            limit=rules.department_limit,
            n=now.department,
        )
    return None


def why_too_early(rules: ClaimRules, past: Past, now: datetime, timezone: ZoneInfo) -> str | None:
    """Why a record may not be claimed yet, and from when; None when it may."""
    if past.left_me_at is not None and now < (again := past.left_me_at + rules.cool_down):
        return _(
            "it was yours until %(until)s, and may be claimed again by you from %(when)s",
            until=format_datetime(past.left_me_at, timezone),
            when=format_datetime(again, timezone),
        )
    if past.entered_at is not None and now < (first := past.entered_at + rules.wait):
        return _(
            "it is new, and may be claimed from %(when)s", when=format_datetime(first, timezone)
        )
    return None


@dataclass(frozen=True)
class Limit:
    """So many whole days may pass after the day that it counts from, e.g. the last follow-up.

    ``says`` is a text with ``%(since)s`` and ``%(n)s``.
    """

    name: str
    days: int
    says: object


@dataclass(frozen=True)
class Kept:
    """What keeps a record with its owner: for so many ``days`` after ``since``, or as long as it holds.

    ``says`` is a text with ``%(since)s``, and ``%(n)s`` where there are days.
    """

    since: date
    says: object
    days: int | None = None

    def said(self) -> str:
        """Why, in the reader's language."""
        return _filled(self.says, self.since, self.days)


@dataclass(frozen=True)
class Going:
    """A record goes back in the night that ends the day ``on``, by this limit, which counts ``since``.

    Without ``kept`` it would have gone back before.
    """

    on: date
    limit: Limit
    since: date
    kept: Kept | None = None

    def said(self) -> str:
        """Why, in the reader's language."""
        why = _filled(self.limit.says, self.since, self.limit.days)
        return why if self.kept is None else f"{why} {self.kept.said()}"


def _filled(says: object, since: date, days: int | None) -> str:
    n = "" if days is None else format_number(days)
    return str(says) % {"since": format_date(since), "n": n}


def goes_back(
    limits: Iterable[Limit], since: Mapping[str, date], kept: Iterable[Kept] = ()
) -> Going | Kept | None:
    """By which limit a record goes back first, and when; what keeps it for good; None without limits.

    ``since`` has, by the name of the limit, the day that it counts from; without one it does not bind.
    """
    found = (
        Going(since[limit.name] + timedelta(days=limit.days), limit, since[limit.name])
        for limit in limits
        if limit.name in since
    )
    first = min(found, key=lambda going: going.on, default=None)
    if first is None:
        return None
    for each in kept:
        if each.days is None:
            return each
        until = each.since + timedelta(days=each.days)
        if until > first.on:
            first = replace(first, on=until, kept=each)
    return first


def untouched_since(day: date, days: int) -> date:
    """What was last touched before this day goes back by the night that ends ``day``."""
    return day - timedelta(days=days - 1)
