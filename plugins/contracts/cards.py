"""What is put into pages of others and of contracts: what a customer has signed for, money and term of a contract,
and ways through the list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from core.entities.aggregate import reading_aggregate
from core.entities.query import ListQuery, Record
from core.entities.reading import read
from core.errors import Forbidden, Invalid
from core.http.addresses import list_url
from core.http.rendering import macros
from core.i18n import gettext as _
from core.i18n import ngettext
from core.i18n.formats import currency_decimals, format_date, format_money, format_number
from core.settings.service import get_setting
from plugins.contracts.lines import locked
from plugins.contracts.models import CONTRACTED, IN_FORCE

if TYPE_CHECKING:
    from core.fields import EntitySpec
    from core.work.uow import UnitOfWork

__all__ = ["over_form", "over_list", "over_record"]

_FIGURES = ("customer", "status", "currency", "amount")


def over_record(uow: UnitOfWork, entity: EntitySpec, record: Record, **context: Any) -> str:
    """The slot ``entity.detail.above``."""
    if record.values.get("archived_at") is not None:
        return ""
    match entity.name:
        case "customer":
            return _of_customer(uow, record.values["id"])
        case "contract":
            return _ended(record.values) + _money(uow, entity, record.values)
    return ""


def _of_customer(uow: UnitOfWork, customer: int) -> str:
    """What was contracted, what of it is in force, and drafts, by currency: one statement."""
    spec = uow.entity("contract")
    access = uow.actor.access(spec)
    if not access.may("read") or not all(access.can_use(spec[name]) for name in _FIGURES):
        return ""
    about = ListQuery(filter={"field": "customer", "op": "eq", "value": customer})
    measures = ["count", "sum:amount"]
    try:
        rows = read(
            uow, reading_aggregate(uow, "contract", ["status", "currency"], measures, about)
        )
    except (Forbidden, Invalid):
        return ""
    mine = ("customer", "eq", str(customer))
    parts = ((_("Contracted"), CONTRACTED), (_("In force"), IN_FORCE), (_("Draft"), ("draft",)))
    figures = [_figure(uow, label, rows, of, mine) for label, of in parts]
    told = [each for each in figures if each["n"]]
    html: str = macros("contracts/parts.html").contracted(told)
    return html if told else ""


def _figure(
    uow: UnitOfWork,
    label: str,
    rows: Sequence[Mapping[str, Any]],
    statuses: Sequence[str],
    mine: tuple[str, ...],
) -> dict[str, Any]:
    found = [row for row in rows if row["status"]["id"] in statuses]
    number = sum(row["count"] for row in found)
    return {
        "n": number,
        "label": f"{label} · {format_number(number)}",
        "count": _written(uow, found),
        "url": list_url("contract", mine, ("status", "in", *statuses)),
    }


def _written(uow: UnitOfWork, rows: Sequence[Mapping[str, Any]]) -> str:
    """Sums of several currencies, each by itself."""
    company, sums = get_setting(uow, "core", "currency"), dict[str, Decimal]()
    for row in rows:
        if row["sum:amount"] is not None:
            code = row["currency"]["id"] or company
            sums[code] = sums.get(code, Decimal(0)) + Decimal(row["sum:amount"])
    parts = [format_money(total, code, 0) for code, total in sorted(sums.items()) if total]
    return " + ".join(parts) or format_money(Decimal(0), company, 0)


def _ended(values: Mapping[str, Any]) -> str:
    """When and why it was broken off, as far as the reader may see it."""
    day, reason = values.get("terminated_on"), values.get("termination_reason")
    told = " · ".join(each for each in (day and format_date(day), reason) if each)
    html: str = macros().notice(told, "warn", _("Terminated")) if told else ""
    return html


def _money(uow: UnitOfWork, entity: EntitySpec, values: Mapping[str, Any]) -> str:
    """The amount with and without tax, and how long it still runs, as far as the reader may see it."""
    currency = values.get("currency") or get_setting(uow, "core", "currency")
    items = [
        (str(entity[name].label), format_money(values[name], currency, currency_decimals(currency)))
        for name in ("amount", "net_amount", "tax_amount")
        if isinstance(values.get(name), Decimal)
    ]
    ends, today = values.get("ends_on"), uow.clock.today()
    if ends is not None and values.get("status") in IN_FORCE and ends >= today:
        days = (ends - today).days
        items.append((_("Still runs"), ngettext("%(n)s day", "%(n)s days", days)))
    html: str = macros("contracts/parts.html").money(items)
    return html if items else ""


def over_form(
    uow: UnitOfWork,
    entity: EntitySpec,
    values: Mapping[str, Any],
    record_id: int | None = None,
    **context: Any,
) -> str:
    """The slot ``entity.form.above``: what of a contract that is signed can still be changed."""
    if entity.name != "contract" or record_id is None or values.get("status") == "draft":
        return ""
    html: str = macros().notice(locked(), "info")
    return html


# The list


def over_list(uow: UnitOfWork, entity: EntitySpec, **context: Any) -> str:
    """The slot ``entity.list.above``: the lists of contracts that one asks for most."""
    access = uow.actor.access(entity)
    if entity.name != "contract" or not all(
        access.can_use(entity[name]) for name in ("owner", "status", "ends_on", "signed_on")
    ):
        return ""
    in_force = ("status", "in", *IN_FORCE)
    ways = [
        (_("Mine"), list_url(entity.name, ("owner", "is_me"))),
        (_("Drafts"), list_url(entity.name, ("status", "in", "draft"))),
        (_("In force"), list_url(entity.name, in_force)),
        (
            _("Ends within 90 days"),
            list_url(entity.name, in_force, ("ends_on", "within", "next_90_days"), sort="ends_on"),
        ),
        (
            _("Signed this month"),
            list_url(entity.name, ("signed_on", "within", "this_month"), sort="-signed_on"),
        ),
    ]
    html: str = macros("contracts/parts.html").ways(ways)
    return html
