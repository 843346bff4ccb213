"""Rules that price lists, exchange rates and limits of discounts keep."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from sqlalchemy import or_, select

from core.entities.changes import Change
from core.errors import Problem
from core.i18n import gettext as _
from core.settings.service import get_setting
from plugins.crm_sales.products.policies import rules

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["validate_items", "validate_limits", "validate_price_lists", "validate_rates"]


def validate_price_lists(changes: Sequence[Change], uow: UnitOfWork) -> Iterable[Problem]:
    written = rules.written(changes)
    if any(change.after["is_active"] for change in written):
        uow.take_turns("crm_sales.price_list")  # two that overlap may come at the same instant
    for change in written:
        rules.note(change, "items", uow)
        start, end = change.after["valid_from"], change.after["valid_to"]
        if start is not None and end is not None and end < start:
            yield change.problem("valid_to", "range", _("It ends before it begins."))
            continue
        yield from _overlaps(change, [c for c in written if c is not change], uow)
    for change in written:
        if "items" in change.detached:
            old = {line["id"]: line for line in change.before.get("items") or ()}
            rows = [{**old.get(line.get("id"), {}), **line} for line in change.detached["items"]]
            yield from _twice(change, rows)
    leaving = [change for change in changes if change.kind == "delete"]
    for change in leaving:
        if _drafts_with(uow, change.id):
            message = _("A draft of a quote names it. Switch it off instead.")
            yield change.problem("name", "in_use", message)


def _drafts_with(uow: UnitOfWork, price_list: int | None) -> bool:
    quote = uow.entity("quote").table
    asked = select(quote.c.id).where(
        quote.c.price_list_id == price_list,
        quote.c.status.in_(("draft", "in_approval")),
        quote.c.archived_at.is_(None),
    )
    return uow.execute(asked.limit(1)).first() is not None


def _overlaps(change: Change, beside: Sequence[Change], uow: UnitOfWork) -> Iterable[Problem]:
    """Another list for the same customers, of the same rank, at the same time: which counts?"""
    after = change.after
    if not after["is_active"]:
        return
    table = uow.entity("price_list").table
    start, end = after["valid_from"] or date.min, after["valid_to"]
    wanted = [
        table.c.is_active,
        table.c.archived_at.is_(None),
        table.c.currency == after["currency"],
        table.c.customer_level.is_not_distinct_from(after["customer_level"]),
        table.c.region.is_not_distinct_from(after["region"]),
        table.c.priority == (after["priority"] or 0),
        or_(table.c.valid_to.is_(None), table.c.valid_to >= start),
        table.c.id.not_in([c.id for c in (change, *beside) if c.id is not None]),
    ]
    if end is not None:
        wanted.append(table.c.valid_from <= end)
    rows = uow.execute(select(table.c.name).where(*wanted).limit(1)).scalars().all()
    names = [*rows, *(c.after["name"] for c in beside if _same_rank(after, c.after))]
    if names:
        message = _(
            "“%(name)s” counts for the same customers at the same time."
            " Change the days, or give one a higher priority.",
            name=names[0],
        )
        yield change.problem("valid_from", "overlap", message)


def _same_rank(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    names = ("currency", "customer_level", "region", "priority", "is_active")
    if any(one[name] != other[name] for name in names):
        return False
    return not any(
        first["valid_to"] is not None
        and second["valid_from"] is not None
        and first["valid_to"] < second["valid_from"]
        for first, second in ((one, other), (other, one))
    )


def _twice(change: Change, rows: Sequence[Mapping[str, Any]]) -> Iterable[Problem]:
    seen = set()
    for place, row in enumerate(rows):
        key = (str(row.get("product")), _quantity_of(row))
        if key in seen:
            message = _("This product has a price from this quantity on already.")
            yield change.problem(f"items.{place}.minimum_quantity", "taken", message)
        seen.add(key)


def _quantity_of(row: Mapping[str, Any]) -> Any:
    value = row.get("minimum_quantity")
    try:
        return Decimal(str(value or 0)).normalize()
    except ArithmeticError:
        return value  # told as no number by its own check


def validate_items(changes: Sequence[Change], uow: UnitOfWork) -> Iterable[Problem]:
    written = rules.written(changes)
    for change in written:
        price, discount = change.after["price"], change.after["discount"]
        if (price is None) == (discount is None):
            message = _("Write either a price or a discount.")
            yield change.problem("price", "either", message)
        if price is not None and price < 0:
            yield change.problem("price", "range", _("A price is not negative."))
        if discount is not None and not 0 <= discount <= rules.HUNDRED:
            yield change.problem("discount", "range", _("Write a number from 0 to 100."))
        quantity = change.after["minimum_quantity"]
        if quantity is not None and quantity < 0:
            yield change.problem("minimum_quantity", "range", _("A quantity is not negative."))
    if "price_list" not in uow.memo.get(rules.IN_HAND, ()):
        yield from _taken_items(written, uow)


def _taken_items(written: Sequence[Change], uow: UnitOfWork) -> Iterable[Problem]:
    table = uow.entity("price_list_item").table
    lists = {change.after["price_list"] for change in written}
    products = {change.after["product"] for change in written}
    own = {change.id for change in written}
    rows = uow.execute(
        select(table.c.id, table.c.price_list_id, table.c.product_id, table.c.minimum_quantity)
        .where(table.c.price_list_id.in_(lists), table.c.product_id.in_(products))
        .where(table.c.archived_at.is_(None))
    )
    taken = {
        (row.price_list_id, row.product_id, row.minimum_quantity or Decimal(0))
        for row in rows
        if row.id not in own
    }
    for change in written:
        after = change.after
        key = (after["price_list"], after["product"], after["minimum_quantity"] or Decimal(0))
        if key in taken:
            message = _("This product has a price from this quantity on already.")
            yield change.problem("minimum_quantity", "taken", message)
        taken.add(key)


def validate_rates(changes: Sequence[Change], uow: UnitOfWork) -> Iterable[Problem]:
    company = get_setting(uow, "core", "currency")
    written = rules.written(changes)
    taken = _rates_there(written, uow)
    for change in written:
        after = change.after
        if after["rate"] is not None and after["rate"] <= 0:
            yield change.problem("rate", "range", _("A rate is more than nothing."))
        if after["currency"] == company:
            message = _("This is the company's own currency.")
            yield change.problem("currency", "own", message)
        key = (after["currency"], after["valid_from"])
        if key in taken:
            message = _("There is a rate of this currency from this day on already.")
            yield change.problem("valid_from", "taken", message)
        taken.add(key)


def _rates_there(written: Sequence[Change], uow: UnitOfWork) -> set[tuple[str, date]]:
    """Currency and day of the living rates beside those that are written."""
    days = [change.after["valid_from"] for change in written if change.after["valid_from"]]
    if not days:
        return set()
    table = uow.entity("exchange_rate").table
    rows = uow.execute(
        select(table.c.id, table.c.currency, table.c.valid_from).where(
            table.c.valid_from.between(min(days), max(days)), table.c.archived_at.is_(None)
        )
    )
    own = {change.id for change in written}
    return {(row.currency, row.valid_from) for row in rows if row.id not in own}


def validate_limits(changes: Sequence[Change], uow: UnitOfWork) -> Iterable[Problem]:
    for change in rules.written(changes):
        limit = change.after["limit"]
        if limit is not None and not 0 <= limit <= rules.HUNDRED:
            yield change.problem("limit", "range", _("Write a number from 0 to 100."))
