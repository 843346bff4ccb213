"""What is put into pages: who else sells to the customer, and what a deal is worth in the company's currency."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from flask import url_for

from core.entities.query import Record
from core.http.addresses import record_url
from core.http.rendering import macros
from core.i18n import gettext as _
from core.i18n.formats import currency_decimals, format_date, format_money, format_number
from core.settings.service import get_setting
from plugins.crm_sales.care.quiet import quiet_days
from plugins.crm_sales.deals import beside
from plugins.crm_sales.deals.rates import Rate, rates_of
from plugins.crm_sales.products import forms
from plugins.crm_sales.products.money import rounded

if TYPE_CHECKING:
    from decimal import Decimal

    from core.fields import EntitySpec
    from core.work.uow import UnitOfWork

__all__ = ["over_form", "over_record", "told_rivals", "told_while_typing"]

_OVER = ("accepted", "declined")


def over_record(uow: UnitOfWork, entity: EntitySpec, record: Record, **context: Any) -> str:
    """The slot ``entity.detail.above``."""
    values = record.values
    if values.get("archived_at") is not None:
        return ""
    match entity.name:
        case "opportunity":
            html = _quiet(uow, values) + _worth(uow, values)
            return html + told_rivals(uow, values) if values.get("status") == "open" else html
        case "quote":
            return told_rivals(uow, values) if values.get("status") not in _OVER else ""
        case "customer":
            return _ways(uow, values["id"])
    return ""


def over_form(
    uow: UnitOfWork, entity: EntitySpec, values: Mapping[str, Any], **context: Any
) -> str:
    """The slot ``entity.form.above``: who else sells to the customer, while it is being chosen."""
    if entity.name != "opportunity":
        return ""
    html: str = macros("crm_sales/parts.html").beside_typed(
        told_while_typing(uow, values), url_for("crm_sales.show_beside")
    )
    return html


def told_while_typing(uow: UnitOfWork, values: Mapping[str, Any]) -> str:
    """`told_rivals` of what stands in a form: of a customer that may not be read, nothing."""
    return told_rivals(
        uow, {**values, "customer": forms.readable(uow, "customer", values.get("customer"))}
    )


def _quiet(uow: UnitOfWork, values: Mapping[str, Any]) -> str:
    """That nothing has moved for too long, and what can be done about it."""
    known = {"process", "stage", "status"} <= values.keys()
    if not known or (days := quiet_days(uow, values)) is None:
        return ""
    support = follow_up = ""
    if uow.actor.access(uow.entity("opportunity")).may("ask_support"):
        support = url_for("web.act_on_records", entity="opportunity", action="ask_support")
    talks = uow.entities.get("follow_up")
    if talks is not None and talks.plugin == "activities" and uow.actor.access(talks).may("create"):
        about = f"opportunity:{values['id']}"
        follow_up = url_for("activities.new_follow_up", about=about, back="record")
    html: str = macros("crm_sales/parts.html").quiet(values["id"], days, follow_up, support)
    return html


def told_rivals(uow: UnitOfWork, values: Mapping[str, Any]) -> str:
    """A warning while others than who owns a record have something open at its customer."""
    customer, seller = values.get("customer"), values.get("owner", uow.actor.user_id)
    if customer is None or not (found := beside.rivals(uow, customer, seller)):
        return ""
    html: str = macros("crm_sales/parts.html").beside(
        [
            (beside.said(each), "" if each.id is None else record_url("opportunity", each.id))
            for each in found
        ],
        url_for("crm_sales.show_discounts", customer_id=customer),
    )
    return html


def _ways(uow: UnitOfWork, customer: int) -> str:
    ways = [(_("From first touch to deal"), url_for("crm_sales.show_path", customer_id=customer))]
    if uow.actor.access(uow.entity("quote")).may("read"):
        way = url_for("crm_sales.show_discounts", customer_id=customer)
        ways.append((_("Quoted discounts"), way))
    html: str = macros("crm_sales/parts.html").ways(ways)
    return html


def _worth(uow: UnitOfWork, values: Mapping[str, Any]) -> str:
    """The amount in the company's currency, by which rate of which day; or that there is none."""
    amount, currency = values.get("amount"), values.get("currency")
    company = get_setting(uow, "core", "currency")
    if amount is None or currency in (None, company):
        return ""
    fixed, closed = values.get("closing_rate"), values.get("closed_on")
    if fixed is not None and closed is not None:
        return _said(
            _(
                "%(amount)s at %(rate)s, the rate of %(currency)s on %(day)s, when it was closed.",
                **_in_company(amount, fixed, currency, company),
                day=format_date(closed),
            )
        )
    day = closed or uow.clock.today()
    found: Rate | None = rates_of(uow, [currency]).on(currency, day)
    if found is None or closed is not None:
        text = _(
            "There is no exchange rate of %(currency)s for %(day)s.",
            currency=currency,
            day=format_date(day),
        )
        html: str = macros().notice(text, "warn", _("Not converted"))
        return html
    return _said(
        _(
            "%(amount)s at %(rate)s, the rate of %(currency)s since %(day)s.",
            **_in_company(amount, found.rate, currency, company),
            day=format_date(found.since),
        )
    )


def _in_company(amount: Decimal, rate: Decimal, currency: str, company: str) -> dict[str, str]:
    value = rounded(amount * rate, company)
    written = format_number(type(rate)(format(rate.normalize(), "f")))
    return {
        "amount": format_money(value, company, currency_decimals(company)),
        "rate": written,
        "currency": currency,
    }


def _said(text: str) -> str:
    html: str = macros("crm_sales/parts.html").worth(text)
    return html
