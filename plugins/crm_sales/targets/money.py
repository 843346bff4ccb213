"""Sums in several currencies as one in the company's, or said to lack a rate: never added up as they are.

**The rule.** What is closed counts by the rate of the day on which it was closed. All else that is shown
of a period is converted with the rates of its last day, or of today while it is not over. The sum of
each currency and rate is converted, and rounded to the cent, once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from core.entities.reading import Reading
from core.i18n.formats import currency_decimals, format_money
from core.settings.service import get_setting
from plugins.crm_sales.products.money import rounded

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["Amount", "Converted", "Exchange", "reading_exchange"]

_ZERO = Decimal(0)

#: Currency, amount, and the rate that was fixed for it.
Amount = tuple[str | None, Decimal, Decimal | None]


@dataclass(frozen=True)
class Converted:
    """A sum in the company's currency, and what could not be converted, by its currency."""

    total: Decimal
    left_out: Mapping[str, Decimal] = field(default_factory=dict)


@dataclass(frozen=True)
class Exchange:
    """What one unit of each currency is worth in the company's, on a day."""

    company: str
    day: date
    rates: Mapping[str, Decimal]

    def convert(self, amounts: Iterable[Amount]) -> Converted:
        """Amounts added up; no currency is the company's."""
        sums: dict[tuple[str, Decimal | None], Decimal] = {}
        for code, amount, fixed in amounts:
            key = code or self.company, fixed
            sums[key] = sums.get(key, _ZERO) + amount
        total, left_out = _ZERO, dict[str, Decimal]()
        for (code, fixed), amount in sums.items():
            rate = self.rate(code) if fixed is None else fixed
            if rate is not None:
                total += rounded(amount * rate, self.company)
            elif amount:
                left_out[code] = left_out.get(code, _ZERO) + amount
        return Converted(total, left_out)

    def rate(self, code: str | None) -> Decimal | None:
        """The rate of a currency, if there is one."""
        if code in (None, self.company):
            return Decimal(1)
        return self.rates.get(code or "")

    def written(self, amount: Decimal) -> str:
        """An amount in the company's currency, to the cent."""
        return format_money(amount, self.company, currency_decimals(self.company))


def reading_exchange(uow: UnitOfWork, last: date) -> Reading[Exchange]:
    """The rates of a day, or of today while it is to come, to be read together with more: once, by
    whoever only reads."""
    day = min(last, uow.clock.today())
    if uow.write:
        return _reading(uow, day)
    kept: Reading[Exchange] = uow.memo.setdefault(("crm_sales.exchange", day), _reading(uow, day))
    return kept


def _reading(uow: UnitOfWork, day: date) -> Reading[Exchange]:
    table = uow.entity("exchange_rate").table
    latest = (
        select(table.c.currency, func.max(table.c.valid_from).label("day"))
        .where(table.c.valid_from <= day, table.c.archived_at.is_(None))
        .group_by(table.c.currency)
        .subquery()
    )
    rates = (
        select(table.c.currency, table.c.rate)
        .join(
            latest, (latest.c.currency == table.c.currency) & (latest.c.day == table.c.valid_from)
        )
        .where(table.c.archived_at.is_(None))
    )

    def finish(rows: Sequence[Any]) -> Exchange:
        known = {row.currency: row.rate for row in rows if row.rate is not None}
        return Exchange(get_setting(uow, "core", "currency"), day, known)

    return Reading((rates,), finish)
