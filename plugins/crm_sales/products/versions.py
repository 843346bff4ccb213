"""Versions of a quote side by side: what was added, left out and changed between two of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from core.entities import query
from core.entities.labels import resolve_labels
from core.entities.query import ListQuery, Record
from core.i18n import gettext as _
from core.i18n.formats import currency_decimals, format_date, format_money, format_number
from plugins.crm_sales.products.quotes import live_contents

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["Version", "compare", "labelled"]

#: What is compared of a line, and of a head.
_LINE = ("specification", "quantity", "unit_price", "discount", "tax_rate", "amount")
_HEAD = ("customer", "currency", "quoted_on", "valid_until", "terms")
_MONEY = frozenset({"unit_price", "amount"})
_DAYS = frozenset({"quoted_on", "valid_until"})
_NUMBERS = frozenset({"quantity", "discount", "tax_rate"})


@dataclass(frozen=True)
class Version:
    """One version: a number, or ``now`` for the draft as it stands."""

    key: str
    title: str
    at: datetime | None
    by: str
    total: Decimal
    currency: str
    until: date | None
    contents: Mapping[str, Any]


def labelled(uow: UnitOfWork, record: Record) -> list[Version]:
    """The versions that were submitted, oldest first, and the draft that is being written, if any."""
    about = {"field": "quote", "op": "eq", "value": record.values["id"]}
    asked = ListQuery(filter=about, sort="revision,id", limit=200)
    page = query.page(uow, "quote_version", asked)
    people = page.labels.get("user", page.labels.get("submitted_by", {}))
    found = [
        Version(
            key=str(row["id"]),
            title=_("Version %(n)s", n=row["revision"]),
            at=row["submitted_at"],
            by=people.get(row["submitted_by"], ""),
            total=row["total"],
            currency=row["currency"],
            until=_until(row["contents"]),
            contents=row["contents"],
        )
        for row in page.items
    ]
    values = record.values
    if values["status"] in ("draft", "in_approval"):
        contents = live_contents(uow, values)
        found.append(
            Version(
                key="now",
                title=_("Version %(n)s (draft)", n=values["revision"]),
                at=None,
                by="",
                total=values["total"] or Decimal(0),
                currency=values["currency"],
                until=values["valid_until"],
                contents=contents,
            )
        )
    return found


def _until(contents: Mapping[str, Any]) -> date | None:
    text = contents["quote"].get("valid_until")
    return date.fromisoformat(text) if text else None


def compare(uow: UnitOfWork, before: Version, after: Version) -> dict[str, Any]:
    """``{"head": [(label, before, after)], "lines": [{"name", "state", "changes"}]}``; lines go by
    their id, which they keep from version to version."""
    spec, line_spec = uow.entity("quote"), uow.entity("quote_line")
    one, two = before.contents, after.contents
    customers = {each["quote"]["customer"] for each in (one, two)}
    names = resolve_labels(uow, {"customer": customers}).get("customer", {})
    head = [
        (
            str(spec[name].label),
            _shown(name, one["quote"][name], before.currency, names),
            _shown(name, two["quote"][name], after.currency, names),
        )
        for name in _HEAD
        if one["quote"][name] != two["quote"][name]
    ]
    was = {line["id"]: line for line in one["lines"]}
    lines = []
    for line in two["lines"]:
        old = was.pop(line["id"], None)
        changes = [
            (
                str(line_spec[name].label),
                "" if old is None else _shown(name, old[name], before.currency, names),
                _shown(name, line[name], after.currency, names),
            )
            for name in _LINE
            if old is None or old[name] != line[name]
        ]
        if old is None:
            state = "added"
        else:
            state = "changed" if changes or old["product"] != line["product"] else "same"
        lines.append(
            {"name": line["name"], "code": line["code"], "state": state, "changes": changes}
        )
    for line in was.values():
        changes = [
            (str(line_spec[name].label), _shown(name, line[name], before.currency, names), "")
            for name in _LINE
        ]
        lines.append(
            {"name": line["name"], "code": line["code"], "state": "removed", "changes": changes}
        )
    return {"head": head, "lines": lines}


def _shown(name: str, value: Any, currency: str, customers: Mapping[int, str]) -> str:
    if value is None or value == "":
        return "—"
    if name in _MONEY:
        return format_money(Decimal(value), currency, currency_decimals(currency))
    if name in _NUMBERS:
        number = Decimal(value)
        return format_number(
            number.quantize(Decimal(1)) if number == int(number) else number.normalize()
        )
    if name in _DAYS:
        return format_date(date.fromisoformat(value))
    if name == "customer":
        return customers.get(value, _("Not visible to you"))
    return str(value)
