"""Pages of opportunities: their products, worked out while one types, and what was quoted at a customer."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from flask import request, url_for

from core.entities import query
from core.entities.query import ListQuery, Record
from core.errors import Conflict, Forbidden, Invalid, NotFound, Refused
from core.http.addresses import read_number, record_url
from core.http.forms import KeptForm
from core.http.rendering import render
from core.http.requests import signed_in, unit_of_work
from core.i18n import gettext as _
from core.i18n.formats import format_date, format_number
from plugins.crm_sales.deals.beside import Given, given_discounts, sells_there
from plugins.crm_sales.deals.cards import told_while_typing
from plugins.crm_sales.products import form_pages as pages
from plugins.crm_sales.products import forms
from plugins.crm_sales.products.cards import offers_of
from plugins.crm_sales.views import blueprint

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["blueprint"]

DEAL_LINES = KeptForm("opportunity", "crm_sales.edit_opportunity_lines")


@blueprint.get("/opportunities/<int:opportunity_id>/lines")
@signed_in
def edit_opportunity_lines(opportunity_id: int) -> Any:
    """The products of what is open."""
    return pages.show_lines(DEAL_LINES, opportunity_id, _open, _page)


@blueprint.post("/opportunities/<int:opportunity_id>/lines")
@signed_in
@DEAL_LINES.taken
def save_opportunity_lines(opportunity_id: int) -> Any:
    """Save the lines, unless somebody else was faster."""
    return pages.save_lines(DEAL_LINES, opportunity_id, _open, _page, described=True)


@blueprint.post("/opportunities/calculate")
@signed_in
def calculate_opportunity() -> str:
    """What the lines come to as they stand in the form; nothing is saved."""
    sent = request.form
    with unit_of_work(write=False) as uow:
        record = _open(uow, read_number(sent.get("opportunity", "")) or 0)
        head, stored = forms.head_of(uow, record.values), pages.stored_lines(record)
        drawn = forms.draw(uow, head, forms.read_rows(sent), stored, lines="opportunity_line")
        return render("crm_sales/quote_worked.html", **drawn)


@blueprint.post("/opportunities/beside")
@signed_in
def show_beside() -> str:
    """Who else sells to the customer that stands in a form; of one that may not be read, nothing."""
    sent = request.form
    with unit_of_work(write=False) as uow:
        access = uow.actor.access(uow.entity("opportunity"))
        if not access.may("create") and not access.may("update"):
            raise Forbidden(_("You do not have the right to do this."))
        seller = forms.readable(uow, "user", sent.get("owner")) or uow.actor.user_id
        return told_while_typing(uow, {"customer": sent.get("customer"), "owner": seller})


# What was quoted at a customer


@blueprint.get("/customers/<int:customer_id>/discounts")
@signed_in
def show_discounts(customer_id: int) -> Any:
    """Day, seller, product and discount of what was quoted, for who may see it (S-023)."""
    with unit_of_work(write=False) as uow:
        name = pages.label_of(uow, "customer", customer_id)
        if not name and not sells_there(uow, customer_id):
            raise NotFound(_("There is no such customer."))
        found = given_discounts(uow, customer_id)
        return render(
            "crm_sales/discounts.html",
            customer=name,
            customer_url=record_url("customer", customer_id),
            offers=offers_of(uow, "customer", {"id": customer_id}) if name else [],
            columns=_discount_columns(),
            rows=[_discount_row(place, each) for place, each in enumerate(found)],
            is_cut=any(each.quote is None for each in found),
        )


def _discount_columns() -> list[dict[str, str]]:
    return [
        {"label": _("Day of the quote"), "kind": "date"},
        {"label": _("Sales person")},
        {"label": _("Quotation"), "kind": "primary"},
        {"label": _("Product")},
        {"label": _("Price by the rules"), "kind": "number"},
        {"label": _("Offered"), "kind": "number"},
        {"label": _("Discount, %"), "kind": "number"},
    ]


def _discount_row(place: int, each: Given) -> dict[str, Any]:
    def price(value: Decimal | None) -> str:
        return "" if value is None else forms.money(value, each.currency)

    row: dict[str, Any] = {
        "id": place,
        "label": each.number,
        "cells": [
            format_date(each.day),
            each.seller,
            each.number or (_("Not visible to you") if each.quote is None else f"#{each.quote}"),
            each.product,
            price(each.list_price),
            price(each.offered),
            format_number(each.discount),
        ],
    }
    if each.quote is not None:
        row["url"] = record_url("quote", each.quote)
    return row


# The opportunity whose products are edited


def _open(uow: UnitOfWork, opportunity_id: int) -> Record:
    """The opportunity, whose products its reader may change now."""
    record = query.get(uow, "opportunity", opportunity_id)
    pages.require_lines(uow, "opportunity", "update")
    asked = ListQuery(ids=(opportunity_id,))
    if not query.select_ids(uow, "opportunity", asked, action="update", limit=1):
        raise Forbidden(_("You do not have the right to do this."))
    if record.values.get("status") != "open":
        raise Refused(_("What is won or lost keeps its products."))
    return record


def _page(
    uow: UnitOfWork,
    record: Record,
    rows: list[forms.Row],
    error: Invalid | Refused | Conflict | None = None,
    sent: Mapping[str, str] | None = None,
) -> str:
    values = record.values
    head = forms.head_of(uow, values)
    name = values.get("name") or f"#{values['id']}"
    return pages.draw_page(
        uow,
        "opportunity",
        rows,
        head,
        pages.stored_lines(record),
        pages.marks_of(error),
        error,
        **pages.of_record(uow, DEAL_LINES, record, head, error, sent),
        title=_("Products of %(opportunity)s", opportunity=name),
        number=name,
        action=url_for("crm_sales.save_opportunity_lines", opportunity_id=values["id"]),
        cancel_url=record_url("opportunity", values["id"]),
        form_head={},
        labels={},
        beside="",
    )
