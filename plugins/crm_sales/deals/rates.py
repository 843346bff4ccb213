"""What an opportunity in another currency is worth in the company's: by the rate of which day.

What is ongoing counts by the latest rate that began by today. What is closed keeps the rate of the day
on which it was closed, whatever is entered later; one that had none gets it once it is entered, and
counts like any other sum until then.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING

from sqlalchemy import or_, select

from core.entities import service
from core.entities.changes import Change
from core.i18n import gettext as _
from core.i18n.formats import format_date
from core.settings.service import get_setting

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["Rate", "fix_late_rates", "fix_rates", "no_rate", "rates_of", "without_rate"]

_DECIDES = ("status", "closed_on", "currency")
_CHUNK = 500


@dataclass(frozen=True, slots=True)
class Rate:
    """So much of the company's currency for one unit, since a day."""

    rate: Decimal
    since: date


@dataclass(frozen=True)
class Rates:
    """The rates of some currencies, from the earliest on."""

    days: Mapping[str, Sequence[date]]
    rates: Mapping[str, Sequence[Decimal]]

    def on(self, currency: str, day: date) -> Rate | None:
        """The latest that began by the day; None where there is none yet."""
        days = self.days.get(currency, ())
        place = bisect_right(days, day) - 1
        return None if place < 0 else Rate(self.rates[currency][place], days[place])


def rates_of(uow: UnitOfWork, currencies: Iterable[str]) -> Rates:
    """All rates of these currencies, in one statement; none for no currency."""
    wanted = sorted(set(currencies))
    days: dict[str, list[date]] = {}
    rates: dict[str, list[Decimal]] = {}
    if wanted:
        table = uow.entity("exchange_rate").table
        rows = uow.execute(
            select(table.c.currency, table.c.valid_from, table.c.rate)
            .where(table.c.currency.in_(wanted), table.c.archived_at.is_(None))
            .order_by(table.c.valid_from)
        )
        for row in rows:
            days.setdefault(row.currency, []).append(row.valid_from)
            rates.setdefault(row.currency, []).append(row.rate)
    return Rates(days, rates)


def without_rate(
    uow: UnitOfWork, asked: Iterable[tuple[str | None, date]]
) -> set[tuple[str | None, date]]:
    """Of currencies and days those for which there is no rate; the company's needs none."""
    company = get_setting(uow, "core", "currency")
    foreign = {(code, day) for code, day in asked if code is not None and code != company}
    rates = rates_of(uow, {code for code, _day in foreign})
    return {(code, day) for code, day in foreign if rates.on(code, day) is None}


def no_rate(currency: str, day: date) -> str:
    """What is told of a currency without a rate."""
    return _(
        "There is no exchange rate of %(currency)s for %(day)s.",
        currency=currency,
        day=format_date(day),
    )


def fix_rates(changes: Sequence[Change], uow: UnitOfWork) -> None:
    """What is closed now gets the rate of its closing day; what is open again has none."""
    company, closing = get_setting(uow, "core", "currency"), list[Change]()
    for change in changes:
        after = change.after
        if after["closed_on"] is None or after["currency"] in (None, company):
            change.set("closing_rate", None)
        elif after["closing_rate"] is None or any(change.changed(name) for name in _DECIDES):
            closing.append(change)
    rates = rates_of(uow, {change.after["currency"] for change in closing})
    for change in closing:
        found = rates.on(change.after["currency"], change.after["closed_on"])
        change.set("closing_rate", None if found is None else found.rate)


def fix_late_rates(changes: Sequence[Change], uow: UnitOfWork) -> None:
    """Rates that are entered now are those of what was closed without one since their day."""
    since: dict[str, date] = {}
    for change in changes:
        if (
            change.kind in ("create", "update", "restore")
            and change.after["valid_from"] is not None
        ):
            code, day = change.after["currency"], change.after["valid_from"]
            since[code] = min(day, since.get(code, day))
    if not since:
        return
    deal = uow.entity("opportunity").table
    rows = select(deal.c.id).where(
        or_(
            *((deal.c.currency == code) & (deal.c.closed_on >= day) for code, day in since.items())
        ),
        deal.c.status.in_(("won", "lost")),
        deal.c.closing_rate.is_(None),
        deal.c.archived_at.is_(None),
    )
    ids = list(uow.execute(rows.order_by(deal.c.id)).scalars())
    for start in range(0, len(ids), _CHUNK):
        # Nothing is given: `fix_rates` finds what is different.
        service.update(uow, "opportunity", {key: {} for key in ids[start : start + _CHUNK]})
