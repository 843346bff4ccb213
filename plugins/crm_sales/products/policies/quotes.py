"""Rules that quotes keep."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from core.entities import query
from core.entities.changes import Change
from core.entities.query import ListQuery
from core.errors import Forbidden, Problem
from core.i18n import gettext as _
from core.settings.service import get_setting
from plugins.crm_sales.deals.rates import no_rate, without_rate
from plugins.crm_sales.products.policies import rules

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["currency_of", "validate_quotes"]

#: What may change once a quote is submitted.
_ALWAYS_FREE = frozenset({"owner", "department", "version", "updated_at", "updated_by"})
_AT_ONCE = 500

Rows = Mapping[Any, Mapping[str, Any]]


def validate_quotes(changes: Sequence[Change], uow: UnitOfWork) -> Iterable[Problem]:
    written = [change for change in changes if change.kind in ("create", "update")]
    for change in written:
        rules.note(change, "lines", uow)
    deals = _rows(uow, "opportunity", {c.after["opportunity"] for c in written})
    lists = _rows(uow, "price_list", {c.after["price_list"] for c in written})
    for change in changes:
        before = change.before.get("status", "draft")
        if uow.actor.is_system or before == "draft":
            continue
        names = set(change.changed_fields()) | set(change.detached)
        if (change.kind == "delete" and before == "accepted") or (
            change.kind == "update" and names - _ALWAYS_FREE
        ):
            message = _("A quote that was submitted stays as it is; make a new version of it.")
            yield change.problem("status", "locked", message)
    for change in written:
        after = change.after
        deal, named = deals.get(after["opportunity"]), lists.get(after["price_list"])
        if deal is not None and deal["customer_id"] != after["customer"]:
            message = _("This opportunity belongs to another customer.")
            yield change.problem("opportunity", "other_customer", message)
        if named is not None and after["currency"] not in (None, named["currency"]):
            message = _("This list is in %(currency)s.", currency=named["currency"])
            yield change.problem("price_list", "currency", message)
        start = after["quoted_on"] or uow.clock.today()
        if after["valid_until"] is not None and after["valid_until"] < start:
            message = _("It would be over before it begins.")
            yield change.problem("valid_until", "range", message)
    yield from _check_rates(written, deals, lists, uow)
    yield from _check_deals(changes, uow)


def currency_of(after: Mapping[str, Any], deals: Rows, lists: Rows, company: str) -> str:
    """In what a quote is: as it says, else as its list, its opportunity or the company."""
    if after["currency"] is not None:
        return str(after["currency"])
    named = (lists.get(after["price_list"]), deals.get(after["opportunity"]))
    found = (row["currency"] for row in named if row is not None)
    return next((code for code in found if code is not None), company)


def _check_rates(
    written: Sequence[Change], deals: Rows, lists: Rows, uow: UnitOfWork
) -> Iterable[Problem]:
    """A currency that has no rate on the day of the quote: nothing could be held against its prices."""
    company, today = get_setting(uow, "core", "currency"), uow.clock.today()
    asked: list[tuple[Change, tuple[str, date]]] = [
        (c, (currency_of(c.after, deals, lists, company), c.after["quoted_on"] or today))
        for c in written
        if c.kind == "create" or c.changed("currency") or c.changed("quoted_on")
    ]
    lacking = without_rate(uow, {pair for _change, pair in asked})
    for change, pair in asked:
        if pair in lacking:
            by_day = change.kind == "update" and not change.changed("currency")
            yield change.problem("quoted_on" if by_day else "currency", "no_rate", no_rate(*pair))


def _check_deals(changes: Sequence[Change], uow: UnitOfWork) -> Iterable[Problem]:
    """Whoever names an opportunity changes what it is worth, as its amount follows its quotes: only who
    may change it does, also by a verb that makes the quote for them."""
    person = uow.actor.as_person()
    if person.is_system:
        return
    naming = [
        change
        for change in changes
        if change.kind != "delete"
        and change.after["opportunity"] is not None
        and (change.kind == "restore" or change.changed("opportunity"))
    ]
    wanted = sorted({change.after["opportunity"] for change in naming})
    mine = set[int]()
    with uow.seen_by(person):
        for start in range(0, len(wanted), _AT_ONCE):
            asked = ListQuery(ids=tuple(wanted[start : start + _AT_ONCE]), sort="id")
            try:
                mine.update(
                    query.select_ids(uow, "opportunity", asked, action="update", limit=_AT_ONCE)
                )
            except Forbidden:
                break
    for change in naming:
        if change.after["opportunity"] not in mine:
            message = _("Its amount would follow this quote, and you may not change it.")
            yield change.problem("opportunity", "not_changing", message)


def _rows(uow: UnitOfWork, entity: str, keys: set[Any]) -> dict[Any, Mapping[str, Any]]:
    wanted = sorted(key for key in keys if key is not None)
    if not wanted:
        return {}
    table = uow.entity(entity).table
    rows = uow.execute(select(table).where(table.c.id.in_(wanted))).mappings()
    return {row["id"]: dict(row) for row in rows}
