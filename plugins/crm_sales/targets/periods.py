"""Months, quarters and years: the spans for which targets are set and sums are shown."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta

from core.i18n import gettext as _
from core.i18n.formats import format_month

__all__ = ["KINDS", "Period", "earlier", "parse", "period_of"]

#: Kind: so many months.
KINDS = {"month": 1, "quarter": 3, "year": 12}
_FIRST_YEAR, _LAST_YEAR = 1990, 2200
_KEY = re.compile(r"([12][0-9]{3})(?:-(?:Q([1-4])|(0[1-9]|1[0-2])))?", re.ASCII)


@dataclass(frozen=True)
class Period:
    """A month, quarter or year, by its first day."""

    kind: str
    first: date

    @property
    def last(self) -> date:
        """Its last day."""
        return self.after.first - timedelta(days=1)

    @property
    def before(self) -> Period:
        """The period of the same length before it."""
        return Period(self.kind, _plus(self.first, -KINDS[self.kind]))

    @property
    def after(self) -> Period:
        """The period of the same length after it."""
        return Period(self.kind, _plus(self.first, KINDS[self.kind]))

    @property
    def key(self) -> str:
        """``2026-11``, ``2026-Q4`` or ``2026``, in every language."""
        match self.kind:
            case "month":
                return f"{self.first:%Y-%m}"
            case "quarter":
                return f"{self.first.year}-Q{(self.first.month + 2) // 3}"
        return str(self.first.year)

    @property
    def label(self) -> str:
        """As the reader's language says it."""
        match self.kind:
            case "month":
                return format_month(self.first)
            case "quarter":
                number = (self.first.month + 2) // 3
                return _("Q%(n)s %(year)s", n=number, year=self.first.year)
        return _("Year %(year)s", year=self.first.year)

    @property
    def is_known(self) -> bool:
        """False beyond the years for which anybody plans."""
        return _FIRST_YEAR <= self.first.year <= _LAST_YEAR

    def parts(self, kind: str) -> list[Period]:
        """The shorter periods that make it up, in their order; itself if none are."""
        step = KINDS[kind]
        if step >= KINDS[self.kind]:
            return [self]
        return [Period(kind, _plus(self.first, n)) for n in range(0, KINDS[self.kind], step)]


def period_of(kind: str, day: date) -> Period:
    """The period of a kind that holds a day."""
    months = KINDS[kind]
    return Period(kind, day.replace(month=(day.month - 1) // months * months + 1, day=1))


def parse(kind: str, key: str, today: date) -> Period:
    """The period that an address names by kind and key; whatever is none is that of today.

    A key of another kind means the period that holds its first day.
    """
    kind = kind if kind in KINDS else "month"
    if (match := _KEY.fullmatch(key)) is None:
        return period_of(kind, today)
    year, quarter, month = match.groups()
    first = date(int(year), int(month or 1) if quarter is None else int(quarter) * 3 - 2, 1)
    found = period_of(kind, first)
    return found if found.is_known else period_of(kind, today)


def earlier(day: date, kind: str) -> date:
    """The same day a period earlier; the last of its month where that is shorter."""
    first = _plus(day.replace(day=1), -KINDS[kind])
    last = _plus(first, 1) - timedelta(days=1)
    return first.replace(day=min(day.day, last.day))


def _plus(first: date, months: int) -> date:
    index = first.year * 12 + first.month - 1 + months
    return date(index // 12, index % 12 + 1, 1)
