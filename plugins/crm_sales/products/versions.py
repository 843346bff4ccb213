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

__all__ = ["Version", "compare", "labelled", "redact"]

#: What is compared of a line, and of a head.
_LINE = ("specification", "quantity", "unit_price", "discount", "tax_rate", "amount")
_HEAD = ("customer", "currency", "quoted_on", "valid_until", "terms")
_MONEY = frozenset({"unit_price", "amount"})
_DAYS = frozenset({"quoted_on", "valid_until"})
#: What there is of a version whose contents are hidden.
_NOTHING: Mapping[str, Any] = {"quote": {}, "lines": []}
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
    people = page.labels.get("user", {})
    found = [
        Version(
            key=str(row["id"]),
            title=_("Version %(n)s", n=row.get("revision", row["id"])),
            at=row.get("submitted_at"),
            by=people.get(row.get("submitted_by"), ""),
            total=row.get("total") or Decimal(0),
            currency=row.get("currency") or "",
            until=_until(row.get("contents") or _NOTHING),
            contents=row.get("contents") or _NOTHING,
        )
        for row in page.items
    ]
    values = record.values
    if values.get("status") in ("draft", "in_approval") and values.get("total") is not None:
        contents = _seen(uow, live_contents(uow, values["id"]))
        found.append(
            Version(
                key="now",
                title=_("Version %(n)s (draft)", n=values.get("revision", "")),
                at=None,
                by="",
                total=values["total"],
                currency=values.get("currency") or "",
                until=values.get("valid_until"),
                contents=contents,
            )
        )
    return found


def redact(uow: UnitOfWork, row: dict[str, Any]) -> dict[str, Any]:
    """A stored version without what its reader may not see of quotes and their lines."""
    contents = row.get("contents")
    return row if not contents else {**row, "contents": _seen(uow, contents)}


def _seen(uow: UnitOfWork, contents: Mapping[str, Any]) -> dict[str, Any]:
    kept = {}
    for entity in ("quote", "quote_line"):
        spec = uow.entity(entity)
        access = uow.actor.access(spec)
        kept[entity] = {each.name for each in spec if access.can_use(each)}
    named = kept["quote_line"] | {"code", "name"}
    return {
        "quote": {
            name: value for name, value in contents["quote"].items() if name in kept["quote"]
        },
        "lines": [
            {name: value for name, value in line.items() if name in named or name == "id"}
            for line in contents["lines"]
        ],
    }


def _until(contents: Mapping[str, Any]) -> date | None:
    text = contents["quote"].get("valid_until")
    return date.fromisoformat(text) if text else None


def compare(uow: UnitOfWork, before: Version, after: Version) -> dict[str, Any]:
    """``{"head": [(label, before, after)], "lines": [{"name", "state", "changes"}]}``; lines go by
    their id, which they keep from version to version."""
    spec, line_spec = uow.entity("quote"), uow.entity("quote_line")
    one, two = before.contents, after.contents
    customers = {each["quote"].get("customer") for each in (one, two)} - {None}
    names = resolve_labels(uow, {"customer": customers}).get("customer", {})
    head = [
        (
            str(spec[name].label),
            _shown(name, one["quote"].get(name), before.currency, names),
            _shown(name, two["quote"].get(name), after.currency, names),
        )
        for name in _HEAD
        if one["quote"].get(name) != two["quote"].get(name)
    ]
    was = {line["id"]: line for line in one["lines"]}
    lines = []
    for line in two["lines"]:
        old = was.pop(line["id"], None)
        changes = [
            (
                str(line_spec[name].label),
                "" if old is None else _shown(name, old.get(name), before.currency, names),
                _shown(name, line.get(name), after.currency, names),
            )
            for name in _LINE
            if name in line and (old is None or old.get(name) != line[name])
        ]
        if old is None:
            state = "added"
        else:
            state = "changed" if changes or old.get("product") != line.get("product") else "same"
        lines.append(
            {"name": line["name"], "code": line["code"], "state": state, "changes": changes}
        )
    for line in was.values():
        changes = [
            (str(line_spec[name].label), _shown(name, line[name], before.currency, names), "")
            for name in _LINE
            if name in line
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
