"""Rules that quotes keep."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from core.entities.changes import Change
from core.errors import Problem
from core.i18n import gettext as _
from plugins.crm_sales.products.policies import rules

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["validate_quotes"]

#: What may change once a quote is submitted.
_ALWAYS_FREE = frozenset({"owner", "department", "version", "updated_at", "updated_by"})


def validate_quotes(changes: Sequence[Change], uow: UnitOfWork) -> Iterable[Problem]:
    written = rules.written(changes)
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


def _rows(uow: UnitOfWork, entity: str, keys: set[Any]) -> dict[Any, Mapping[str, Any]]:
    wanted = sorted(key for key in keys if key is not None)
    if not wanted:
        return {}
    table = uow.entity(entity).table
    rows = uow.execute(select(table).where(table.c.id.in_(wanted))).mappings()
    return {row["id"]: dict(row) for row in rows}
