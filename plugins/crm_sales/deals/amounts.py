"""The amount of an open opportunity: what decides it, and that it follows.

**The order of precedence.** The accepted quote; else the newest one that was not declined and has
lines; else the opportunity's own product lines; else what somebody typed. Where anything else decides,
another amount is not taken: it is refused at its field, on a creation the lines simply count.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from sqlalchemy import exists, select

from core.entities import service
from core.entities.changes import Change
from core.errors import Problem
from core.i18n import gettext as _
from plugins.crm_sales.products.lines import totals_of

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["FOLLOWING", "Decided", "check_typed", "decided", "follow"]

#: In the memo of a transaction: amounts are being written by `follow`, and not by hand.
FOLLOWING = "crm_sales.following"


@dataclass(frozen=True, slots=True)
class Decided:
    """What an opportunity is worth; ``by`` is quote or lines."""

    by: str
    amount: Decimal
    currency: str | None = None
    #: What the quote is called.
    number: str = ""


def decided(uow: UnitOfWork, deals: Iterable[int]) -> dict[int, Decided]:
    """What decides the amounts of these opportunities, in three statements; none where it is typed."""
    wanted = sorted(set(deals))
    if not wanted:
        return {}
    current = _quotes(uow, wanted)
    sums = totals_of(uow, "quote", [row.id for row in current.values()])
    found = {
        key: Decided("quote", sums[row.id].gross, row.currency, row.number or "")
        for key, row in current.items()
    }
    own = totals_of(uow, "opportunity", [key for key in wanted if key not in found])
    found |= {
        key: Decided("lines", sums.gross, sums.currency) for key, sums in own.items() if sums.count
    }
    return found


def _quotes(uow: UnitOfWork, deals: Sequence[int]) -> dict[int, Any]:
    """By opportunity the quote that counts: the accepted one, else the newest."""
    quote, line = uow.entity("quote").table, uow.entity("quote_line").table
    rows = uow.execute(
        select(
            quote.c.opportunity_id,
            quote.c.id,
            quote.c.number,
            quote.c.status,
            quote.c.currency,
        )
        .where(
            quote.c.opportunity_id.in_(deals),
            quote.c.status != "declined",
            quote.c.archived_at.is_(None),
            exists().where(line.c.quote_id == quote.c.id, line.c.archived_at.is_(None)),
        )
        .order_by(quote.c.id)
    )
    current: dict[int, Any] = {}
    for row in rows:
        known = current.get(row.opportunity_id)
        if known is None or known.status != "accepted" or row.status == "accepted":
            current[row.opportunity_id] = row
    return current


def follow(uow: UnitOfWork, deals: Iterable[Any]) -> None:
    """Give these opportunities, as far as they are open, the amounts that are decided (S-083)."""
    found = decided(uow, {key for key in deals if key is not None})
    if not found:
        return
    deal = uow.entity("opportunity").table
    rows = uow.execute(
        select(deal.c.id, deal.c.amount, deal.c.currency).where(
            deal.c.id.in_(list(found)), deal.c.status == "open", deal.c.archived_at.is_(None)
        )
    )
    values: dict[int, dict[str, Any]] = {}
    for row in rows:
        by = found[row.id]
        currency = by.currency or row.currency
        if (row.amount, row.currency) != (by.amount, currency):
            values[row.id] = {"amount": by.amount, "currency": currency}
    if values:
        uow.memo[FOLLOWING] = True
        try:
            service.update(uow, "opportunity", values)
        finally:
            uow.memo.pop(FOLLOWING, None)


def check_typed(changes: Sequence[Change], uow: UnitOfWork) -> Iterable[Problem]:
    """Amounts and currencies that somebody typed although something else decides them."""
    if uow.memo.get(FOLLOWING):
        return
    touched = [
        change
        for change in changes
        if change.kind == "update"
        and change.after["status"] == "open"
        and (change.changed("amount") or change.changed("currency"))
        and not ("lines" in change.detached and change.changed("lines"))
    ]
    found = decided(uow, [change.id for change in touched if change.id is not None])
    for change in touched:
        by = found.get(change.id or 0)
        if by is None:
            continue
        if change.changed("amount") and change.after["amount"] != by.amount:
            yield change.problem("amount", "decided", _why(by))
        elif (
            by.by == "quote"
            and change.changed("currency")
            and change.after["currency"] != by.currency
        ):
            yield change.problem("currency", "decided", _why(by))


def _why(by: Decided) -> str:
    if by.by == "quote":
        return _("The amount follows the quotation %(number)s; change that one.", number=by.number)
    return _("The amount is the sum of the products; change those, or take them out.")
