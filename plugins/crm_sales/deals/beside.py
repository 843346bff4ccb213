"""Who else sells to a customer, and what was quoted there at what discount (S-023).

Whoever may not see another's opportunity is told whose it is, and nothing else. Whoever has an open
opportunity at the customer learns day, seller and discount of all quotes that went out there, as long
as the setting ``discounts_beside`` is on; of a quote that they may read, all of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from core.entities import query
from core.entities.labels import resolve_labels
from core.entities.query import ListQuery, conditions
from core.errors import Forbidden, Invalid
from core.i18n import gettext as _
from core.settings.service import get_setting
from plugins.crm_sales.products.lines import effective_discount

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["Given", "Rival", "given_discounts", "rivals", "said", "sells_there"]

_MOST_DEALS, _MOST_LINES = 20, 300
#: A quote that went out; what is still being written says nothing yet.
_OUT = ("submitted", "accepted", "declined")
_LINE = ("product", "quantity", "base_price", "unit_price", "discount")


@dataclass(frozen=True)
class Rival:
    """An open opportunity of somebody else at the customer; ``id`` is None for one out of reach."""

    owner: str
    id: int | None = None
    name: str = ""


def rivals(uow: UnitOfWork, customer: int, seller: int | None) -> list[Rival]:
    """The open opportunities at a customer of others than ``seller``; those that may be read by name."""
    deal = uow.entity("opportunity").table
    rows = uow.execute(
        select(deal.c.id, deal.c.owner_id)
        .where(
            deal.c.customer_id == customer,
            deal.c.status == "open",
            deal.c.archived_at.is_(None),
            deal.c.owner_id.is_distinct_from(seller),
        )
        .order_by(deal.c.id)
        .limit(_MOST_DEALS)
    ).all()
    if not rows:
        return []
    try:
        asked = ListQuery(fields=("name",), ids=tuple(row.id for row in rows), labels=False)
        seen = {
            row["id"]: row.get("name") or "" for row in query.page(uow, "opportunity", asked).items
        }
    except (Forbidden, Invalid):
        seen = {}
    people = {row.owner_id for row in rows if row.owner_id is not None}
    names = resolve_labels(uow, {"user": people}).get("user", {}) if people else {}
    found = {
        Rival(names.get(row.owner_id, ""), *((row.id, seen[row.id]) if row.id in seen else ()))
        for row in rows
    }
    return sorted(found, key=lambda each: (each.id is None, each.owner, each.id or 0))


def said(rival: Rival) -> str:
    """What is told of it."""
    if rival.id is not None and rival.owner:
        return _("%(owner)s: %(opportunity)s", owner=rival.owner, opportunity=rival.name)
    if rival.owner:
        return _("%(owner)s has an open opportunity at this customer.", owner=rival.owner)
    return rival.name or _("Somebody else has an open opportunity at this customer.")


def sells_there(uow: UnitOfWork, customer: int) -> bool:
    """Whether the actor owns an open opportunity at the customer."""
    deal = uow.entity("opportunity").table
    mine = select(deal.c.id).where(
        deal.c.customer_id == customer,
        deal.c.owner_id == uow.actor.user_id,
        deal.c.status == "open",
        deal.c.archived_at.is_(None),
    )
    return uow.execute(mine.limit(1)).first() is not None


# What was given away


@dataclass(frozen=True)
class Given:
    """A discount that was quoted; of a quote out of reach the day, the seller and the discount."""

    day: date
    seller: str
    discount: Decimal
    quote: int | None = None
    number: str = ""
    product: str = ""
    currency: str = ""
    list_price: Decimal | None = None
    offered: Decimal | None = None


def given_discounts(uow: UnitOfWork, customer: int) -> list[Given]:
    """What was quoted at a customer, the latest first. Raises `Forbidden` where nothing may be seen."""
    quote, line = uow.entity("quote"), uow.entity("quote_line")
    reads = uow.actor.access(quote).may("read") and _sees_lines(uow)
    open_to_me = bool(get_setting(uow, "crm_sales", "discounts_beside")) and sells_there(
        uow, customer
    )
    if not reads and not open_to_me:
        raise Forbidden(_("You do not have the right to do this."))
    here = (quote.table.c.customer_id == customer, quote.table.c.status.in_(_OUT))
    readable: set[int] = set()
    if reads:
        within = conditions(uow, quote, ListQuery())
        readable = set(uow.execute(select(quote.table.c.id).where(*here, *within)).scalars())
    columns = [line.column(name).label(name) for name in _LINE]
    statement = (
        select(
            quote.table.c.id.label("quote"),
            *(quote.table.c.number, quote.table.c.quoted_on, quote.table.c.owner_id),
            quote.table.c.currency,
            *columns,
        )
        .join(line.table, line.table.c.quote_id == quote.table.c.id)
        .where(*here, quote.table.c.archived_at.is_(None), line.table.c.archived_at.is_(None))
        .order_by(quote.table.c.quoted_on.desc(), quote.table.c.id.desc(), line.table.c.position)
        .limit(_MOST_LINES)
    )
    if not open_to_me:
        statement = statement.where(quote.table.c.id.in_(readable))
    rows = uow.execute(statement).mappings().all()
    return _told(uow, rows, readable)


def _sees_lines(uow: UnitOfWork) -> bool:
    spec = uow.entity("quote_line")
    access = uow.actor.access(spec)
    return all(access.can_use(spec[name]) for name in _LINE)


def _told(uow: UnitOfWork, rows: Sequence[Any], readable: set[int]) -> list[Given]:
    names = resolve_labels(
        uow,
        {
            "user": {row["owner_id"] for row in rows if row["owner_id"] is not None},
            "product": {row["product"] for row in rows if row["quote"] in readable},
        },
    )
    people, products = names.get("user", {}), names.get("product", {})
    found: list[Given] = []
    for row in rows:
        seller, discount = people.get(row["owner_id"], ""), effective_discount(row)
        if row["quote"] in readable:
            found.append(
                Given(
                    day=row["quoted_on"],
                    seller=seller,
                    discount=discount,
                    quote=row["quote"],
                    number=row["number"] or "",
                    product=products.get(row["product"], ""),
                    currency=row["currency"],
                    list_price=row["base_price"],
                    offered=(row["unit_price"] or Decimal(0))
                    * (Decimal(100) - (row["discount"] or Decimal(0)))
                    / Decimal(100),
                )
            )
        else:
            found.append(Given(row["quoted_on"], seller, discount))
    return list(_once(found))


def _once(found: Iterable[Given]) -> Iterable[Given]:
    """What nobody may look into is told once a day, seller and discount: not how many lines there are."""
    seen = set[Given]()
    for each in found:
        if each.quote is not None or each not in seen:
            yield each
        seen.add(each)
